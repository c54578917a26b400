# Everything here needs Go and make only; tools are fetched at a pinned version.
GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
SECONDS     ?= 60

.PHONY: help test lint unit demo cover bench-scale fuzz

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

test: lint unit ## gofmt, vet, staticcheck, all tests with the race detector: what CI runs

lint: ## gofmt, vet, staticcheck
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "gofmt -w:" $$files; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

unit: ## all tests with the race detector, then once with 1 and 4 processors
	$(GO) test -race ./...
	$(GO) test -cpu=1,4 ./...

demo: ## the example service, with random crashes, checked against a sequential pass
	$(GO) run ./examples/codesearch -demo

cover: ## coverage of all packages by all tests
	$(GO) test -coverpkg=./... -coverprofile=cover.out ./... >/dev/null
	$(GO) tool cover -func=cover.out | tail -n 1

explore: ## every order of events for small trees, deeper than make test does: EXPLORE=states
	EXPLORE=$${EXPLORE:-400000} $(GO) test -timeout 60m -run 'Explore|RandomWalks' -v ./internal/machine

faults: ## breaks the rules of the machine one by one; the exploring tests must find each
	FAULTS=1 $(GO) test -timeout 30m -run PlantedFaults -v ./internal/machine
