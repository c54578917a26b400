# The targets need only Go and make. They fetch other tools at pinned versions.
GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 1m
SOAK        ?= 2m

# The modules beside the main one.
MODULES := $(patsubst %/go.mod,%,$(shell git ls-files '*/go.mod'))

.PHONY: help test lint unit demo cover explore faults scale bench outage compare fuzz soak

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

test: lint unit ## lint and unit: what CI runs

lint: ## gofmt, vet and staticcheck
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "gofmt -w:" $$files; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	@for mod in $(MODULES); do (cd $$mod && $(GO) vet ./... && $(GO) run $(STATICCHECK) ./...) || exit 1; done

unit: ## all tests with the race detector, then without it on 1 and on 4 processors
	$(GO) test -race ./...
	$(GO) test -cpu=1,4 $$($(GO) list ./... | tail -n +2) # not the tests of the documents, in the root
	@for mod in $(filter-out %/browsertest contrib/etcdgate,$(MODULES)); do (cd $$mod && $(GO) test -short ./...) || exit 1; done
	@EXPLORE=40000 GOGC=400 $(GO) test -run 'Explore|RandomWalks|RandomTrees' -v ./internal/machine ./supervisor >explore.out || { cat explore.out; exit 1; }
	@awk '/ states, / { scenes++; states += $$2; if ($$4 > deep) deep = $$4 } / walks, / { walks += $$2; steps += $$4 } / trees$$/ { trees += $$2 } \
		END { printf "explored %d scenes: %d states, up to %d events deep; %d random walks of %d events; %d random trees\n", scenes, states, deep, walks, steps, trees }' explore.out

demo: ## the example service with random crashes, its result checked against a sequential pass; HOLD=1 stays up
	$(GO) run ./examples/codesearch -demo $(if $(HOLD),-hold)

cover: ## coverage of each package by all tests
	@$(GO) test -coverpkg=./... -coverprofile=cover.out ./... >cover.log || { cat cover.log; exit 1; }
	@awk 'NR > 1 { block = $$1; size[block] = $$2; if ($$3 > 0) hit[block] = 1 } \
		END { for (b in size) { p = b; sub(/\/[^\/]*$$/, "", p); all[p] += size[b]; if (b in hit) got[p] += size[b] } \
			for (p in all) printf "%6.1f %%  %s\n", 100 * got[p] / all[p], p }' cover.out | sort -k3
	@$(GO) tool cover -func=cover.out | tail -n 1

explore: ## checks the machine in every order of events, deeper than make test: EXPLORE=states
	EXPLORE=$${EXPLORE:-400000} $(GO) test -timeout 60m -run 'Explore|RandomWalks|RandomTrees' -v ./internal/machine ./supervisor

faults: ## plants faults in the machine one by one; the tests must find each
	FAULTS=1 $(GO) test -timeout 30m -run PlantedFaults -v ./internal/machine

scale: ## cost of one child among 10, 1,000 and 100,000 siblings; then a million children (8 GB)
	@$(GO) test -run '^$$' -bench '^Benchmark(Add|Remove|Restart|RestartChild)$$' -benchtime 5000x -count 5 ./supervisor | awk ' \
		/ns\/op/ { split($$1, at, "/"); sub(/-[0-9]+$$/, "", at[3]); row = sprintf("%-22s %-12s", at[1], at[2]); \
			if (!(row in seen)) { seen[row] = 1; rows[++n] = row } \
			if (!((row, at[3]) in ns) || $$3 < ns[row, at[3]]) ns[row, at[3]] = $$3 } \
		/FAIL|panic/ { print; failed = 1 } \
		END { printf "%-35s %10s %10s %10s   ratio\n", "median ns, least of five runs", "10", "1000", "100000"; \
			for (i = 1; i <= n; i++) { r = rows[i]; \
				printf "%s %10d %10d %10d   %5.2f\n", r, ns[r, 10], ns[r, 1000], ns[r, 100000], ns[r, 100000] / ns[r, 10] } \
			exit failed }'
	COPPICE_SCALE=1 $(GO) test -run TestOneSupervisorHoldsAMillionChildren -v ./supervisor

bench: ## cost of operations beside hand-written code and other libraries (6 GB): see docs/performance.md
	@cd bench && $(GO) run ./cmd/table

outage: ## cost of thousands of late children: missed heartbeats, hung stops, Resume, failures
	$(GO) test ./supervisor -run '^$$' -bench 'AThousandMissed|TenThousandThat|ResumeOf|TwentyThousand' -benchtime 1x

compare: ## benchmarks of the working tree against a commit, by benchstat: BASE=commit ROWS=regexp
	bench/compare $(or $(BASE),HEAD) '$(or $(ROWS),^(start|restart_after_an_error$$))'

# Without the limit on minimizing, go test would spend most of its time on it: two runs of
# real goroutines rarely cover the same lines.
fuzz: ## runs each fuzz target for FUZZTIME (1m)
	$(GO) test -run '^$$' -fuzz '^FuzzWindow$$' -fuzztime $(FUZZTIME) ./internal/rules
	$(GO) test -run '^$$' -fuzz '^FuzzText$$' -fuzztime $(FUZZTIME) ./internal/oneline
	$(GO) test -run '^$$' -fuzz '^FuzzMachine$$' -fuzztime $(FUZZTIME) ./internal/machine
	$(GO) test -run '^$$' -fuzz '^FuzzMask$$' -fuzztime $(FUZZTIME) ./supervisor/observer
	$(GO) test -run '^$$' -fuzz '^FuzzProfile$$' -fuzztime $(FUZZTIME) ./supervisor/observer
	$(GO) test -run '^$$' -fuzz '^FuzzLine$$' -fuzztime $(FUZZTIME) ./child/process
	$(GO) test -run '^$$' -fuzz '^FuzzDamagedRecording$$' -fuzztime $(FUZZTIME) ./supervisor/blackbox
	$(GO) test -run '^$$' -fuzz '^FuzzSupervisor$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./supervisor
	$(GO) test -run '^$$' -fuzz '^FuzzSpec$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./supervisor
	$(GO) test -run '^$$' -fuzz '^FuzzDurations$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./supervisor

soak: ## chaos in live trees for SOAK (2m), without and then with the race detector
	SOAK=$(SOAK) $(GO) test -count=1 -timeout 0 -parallel 16 -run '^TestSoak$$' -v ./supervisortest/chaos
	SOAK=$(SOAK) $(GO) test -race -count=1 -timeout 0 -parallel 16 -run '^TestSoak$$' -v ./supervisortest/chaos

.PHONY: tidy cross vuln llms api release
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0

tidy: ## checks that go.mod and go.sum of each module are tidy
	@for mod in $$(git ls-files 'go.mod' '*/go.mod'); do (cd $$(dirname $$mod) && $(GO) mod tidy -diff) || exit 1; done

cross: ## build and vet for a 32-bit system, vet for macOS and Windows
	GOARCH=386 $(GO) build ./... && GOARCH=386 $(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	GOOS=freebsd $(GO) vet ./child/process
	GOOS=windows $(GO) vet ./...

vuln: ## known vulnerabilities in dependencies
	$(GO) run $(GOVULNCHECK) ./...

llms: ## writes llms.txt from the package comments and examples/recipes
	$(GO) test -run '^TestLLMsTextIsInStep$$' . -update

api: ## what changed in the public API since the last release
	@GO=$(GO) .ci/api

release: ## checks that VERSION=v0.1.0 can be released, and prints what to tag
	@GO=$(GO) .ci/release $(VERSION)

.PHONY: operate metrics systemd machines cluster shards parts

operate: metrics ## the page in a real browser (installs Debian's chromium), and what an observer costs
	@command -v chromium >/dev/null || apt-get install -y chromium || echo "chromium cannot be installed: the tests of the page are skipped"
	@(cd supervisor/observer/browsertest && $(GO) test -count=1 -v ./...) >browser.out || { cat browser.out; exit 1; }
	@grep -E '^(---|ok|\?)|page_|skip' browser.out
	$(GO) test -run '^$$' -bench '^Benchmark(Restart|RestartChildWhileAPageIsOpen)$$' -benchtime 20000x ./supervisor/observer

metrics: ## alert rules and dashboard against a real Prometheus (installs Debian's prometheus)
	@command -v promtool >/dev/null || apt-get install -y prometheus || true
	@$(MAKE) -f contrib/prometheus/metrics.mk metrics
	cd contrib/otel && $(GO) test -race ./...

systemd: ## sdnotify under the real systemd (needs root)
	COPPICE_SYSTEMD=1 $(GO) test -count=1 -v -run TestUnderSystemd ./supervisor/sdnotify

machines: cluster ## leases on a real PostgreSQL and MariaDB (Debian: postgresql, mariadb-server), and on etcd
	cd child/gate/sqlgate/sqltest && MACHINES=1 $(GO) test -count=1 ./...
	cd contrib/etcdgate && $(GO) test -p 1 -count=1 -timeout 20m ./...

cluster: ## three processes over an etcd of three members: their leader is killed, frozen, cut off and stopped
	cd contrib/etcdgate/cluster && $(GO) run .

shards: ## the table of docs/machines.md: shards over 1 to 200 members, simulated (some minutes)
	$(GO) test -count=1 -timeout 30m ./child/gate/internal/share -run 'Table|LargeGroup' -table -v

parts: ## programs as children: real Redis, nginx and shells (installs Debian's redis-server, nginx-light)
	@command -v redis-server >/dev/null || apt-get install -y redis-server || true
	@test -x /usr/sbin/nginx || apt-get install -y nginx-light || true
	PARTS=1 $(GO) test -race -count=1 ./child/process
