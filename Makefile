# Lamplighter. `make` prints the targets.

GO         ?= go
FUZZTIME   ?= 10s
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION     = $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

.PHONY: help build demo test lint fuzz long bench peers clean

help: ## print the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/lamplighter
	$(GO) build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/lamplighter ./satellite

demo: build ## build and run the demo: 3 simulated sites with faults, no root, no network
	./bin/lamplighter demo

peers: ## install the real BMC implementations that tests run against, as far as this machine lets us
	@.ci/peers

test: peers ## set up, then run all tests with the race detector; says loudly what could not be tested
	@.ci/test $(GO) test -race -shuffle=on -p 1 ./... # one package at a time: several measure time

lint: ## gofmt, vet, staticcheck, go mod tidy -diff
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt wants to change: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) mod tidy -diff

fuzz: ## run every fuzz target for FUZZTIME (10s), two at a time
	@.ci/fuzz $(FUZZTIME)

long: peers ## what is too long for CI, with more time, by the same code (docs/testing.md)
	LAMPLIGHTER_LONG=1 .ci/test $(GO) test -race -p 1 -timeout 60m ./...
	.ci/fuzz 60s

bench: ## run the benchmarks; docs/performance.md has the numbers and how to pair them
	$(GO) test -run '^$$' -bench . -benchmem ./...

clean: ## remove what was built and installed into this directory
	rm -rf bin .peers .tools
