# Lamplighter. `make` prints the targets.

GO         ?= go
FUZZTIME   ?= 10s
TIME       ?= 3m
SEED       ?= $(shell date +%s)
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION     = $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

.PHONY: help build demo test lint fuzz long lab console bench bench-console peers clean

help: ## print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/lamplighter
	$(GO) build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/lamplighter ./satellite

demo: build ## build and run the demo: 3 simulated sites with faults, no root, no network
	./bin/lamplighter demo

peers: ## install the real BMC implementations that tests run against, as far as this machine lets us
	@.ci/peers

test: peers ## set up, then run all tests with the race detector; says loudly what could not be tested
	@.ci/test $(GO) test -race -shuffle=on -p 2 -timeout 30m ./... # two packages at a time: most wait more than they work, and their limits hold beside another

lint: ## gofmt, vet, staticcheck, go mod tidy -diff
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt wants to change: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) mod tidy -diff

fuzz: ## run every fuzz target for FUZZTIME (10s), two at a time
	@.ci/fuzz $(FUZZTIME)

long: peers ## what is too long for CI, with more time, by the same code (docs/testing.md)
	LAMPLIGHTER_LONG=1 .ci/test $(GO) test -race -p 1 -timeout 90m ./...
	.ci/fuzz 60s

lab: peers ## break a site of two satellites for TIME (3m) and print what was lost; SEED repeats a run (docs/reliability.md)
	LAMPLIGHTER_REQUIRE="rabbitmq kafka" LAMPLIGHTER_LAB=$(TIME) LAMPLIGHTER_LAB_SEED=$(SEED) $(GO) test -count=1 -timeout 0 -run 'TestLab$$' -v ./satellite/lab

console: ## check the console alone: types, lint, unit tests, and every page in Chromium
	@.ci/test $(GO) test -count=1 -timeout 20m ./results/console

bench: ## run the benchmarks; docs/performance.md has the numbers and how to pair them
	$(GO) test -timeout 60m -run '^$$' -bench . -benchmem ./...

bench-console: peers ## measure the console with 100,000 and 500,000 BMCs in Chromium, and 1,000 clients; some 15 minutes, on a quiet machine (docs/performance.md)
	$(GO) test -timeout 40m -run '^$$' -bench Console -benchtime 1x -v ./results/console
	$(GO) test -timeout 20m -run '^$$' -bench ManyClients -benchtime 1x ./results/api

clean: ## remove what was built and installed into this directory
	rm -rf bin .peers .tools
