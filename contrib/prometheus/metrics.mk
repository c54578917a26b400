# Checks of contrib/prometheus. Include it in the Makefile, or run make -f metrics.mk here.
METRICS := $(dir $(lastword $(MAKEFILE_LIST)))

.PHONY: metrics metrics-bench

metrics: ## contrib/prometheus: vet and tests; alert rules and dashboard against a real Prometheus, if it is installed
	@for tool in prometheus promtool; do command -v $$tool >/dev/null || \
		echo "$$tool is not installed: tests of alerts.yaml and dashboard.json are skipped (on Debian, apt-get install prometheus)"; done
	cd $(METRICS) && $(or $(GO),go) vet ./... && $(or $(GO),go) test -race -short ./...
	cd $(METRICS) && $(or $(GO),go) test -run 'HundredThousand|Storm' ./...

metrics-bench: ## contrib/prometheus: cost of a scrape, and of a restart with and without a collector
	cd $(METRICS) && $(or $(GO),go) test -run '^$$' -bench . ./...
