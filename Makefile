# Everything a contributor runs. Needs Go and make; tools are built from
# tools/go.mod into bin/tools.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO       ?= go
GOFMT     = $(shell $(GO) env GOROOT)/bin/gofmt
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w -X main.version=$(VERSION)
FUZZTIME ?= 20s
TIME     ?= 10m
SEED     ?=
BENCH    ?= .
TOOLS    := bin/tools
RACY     := ./store ./graph ./check ./cluster ./authz ./api/... ./client

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-13s %s\n", $$1, $$2}'

.PHONY: build
build: ## Build bin/pemba (static)
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/pemba ./cmd/pemba

.PHONY: test
test: lint ## Lint, then run all tests, the concurrent packages also under the race detector if there is a C compiler (what CI runs)
	$(GO) test ./...
	$(MAKE) sdktest
	@if command -v $(CC) >/dev/null; then \
		echo "$(GO) test -race -short $(RACY)"; CGO_ENABLED=1 $(GO) test -race -short $(RACY); \
	else echo "no C compiler: the race detector is left out"; fi

.PHONY: sdktest
sdktest: build ## Drive bin/pemba with the cloud vendor's Go SDK, in a module of its own
	$(GO) -C api/iam/sdktest vet ./...
	PEMBA_BINARY=$(CURDIR)/bin/pemba $(GO) -C api/iam/sdktest test -count=1 ./...

.PHONY: race
race: ## Run all tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race ./...

.PHONY: lint
lint: $(TOOLS)/staticcheck ## Check gofmt, go vet and staticcheck
	@files=$$($(GOFMT) -l .); \
	if [ -n "$$files" ]; then echo "run 'make fmt' on:"; echo "$$files"; exit 1; fi
	$(GO) vet ./...
	$(TOOLS)/staticcheck ./...

.PHONY: fuzz
fuzz: ## Fuzz each target for FUZZTIME (default 20s); FUZZ= narrows by name
	@grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*$(FUZZ)[A-Za-z0-9_]*' . | sort -u | \
	while IFS=: read -r file decl; do \
		echo "== $${file%/*} $${decl#func }"; \
		$(GO) test -run '^$$' -fuzz "^$${decl#func }\$$" -fuzztime $(FUZZTIME) "$${file%/*}" </dev/null; \
	done

.PHONY: sim
sim: ## Run oracle, histories and crashes for TIME each (default 10m); SEED= repeats a run
	PEMBA_SIM=$(TIME) PEMBA_SEED=$(SEED) $(GO) test -count=1 -timeout 0 -run 'Oracle|History|Crash|Sim' -v ./...

.PHONY: proto
proto: $(TOOLS)/buf $(TOOLS)/protoc-gen-go $(TOOLS)/protoc-gen-go-grpc ## Format, lint and generate proto/
	$(TOOLS)/buf format -w
	$(TOOLS)/buf lint
	$(TOOLS)/buf generate

.PHONY: bench
bench: build ## Run the hot-path benchmarks (BENCH= narrows), then check beside echo, cache off and on; results in bench-*
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./... | tee bench-go.out
	bin/pemba bench --spawn --rounds 10 --cache-size 0 --out bench-cache-off.json
	bin/pemba bench --spawn --rounds 10 --out bench-cache-on.json

.PHONY: bench-compare
bench-compare: ## Compare allocations, reads and instructions with those of a commit (REF=, default HEAD); fail if they have grown
	$(GO) run ./bench/compare -ref $(or $(REF),HEAD)

.PHONY: bench-peers
bench-peers: build ## Measure beside other servers that run already (ARGS="--spicedb HOST:PORT --token T --openfga HOST:PORT --html peers.html")
	$(GO) -C bench/peers build -o ../../bin/peers .
	bin/peers --spawn bin/pemba $(ARGS)

.PHONY: bench-results
bench-results: build ## Measure everything on a quiet machine and write bench/results/latest.md (hours; TUPLES, LARGE, COUNT, ROUNDS)
	bench/results/measure.sh

.PHONY: cover
cover: ## Write cover.html and print the total coverage
	$(GO) test -coverpkg=./... -coverprofile=cover.out ./...
	$(GO) tool cover -html=cover.out -o cover.html
	$(GO) tool cover -func=cover.out | tail -n 1

.PHONY: fmt
fmt: $(TOOLS)/buf ## Format Go and proto files
	$(GOFMT) -w .
	$(TOOLS)/buf format -w

.PHONY: demo
demo: build ## Show the main job on real input, with a kill -9 in between (under 2 minutes)
	examples/demo.sh bin/pemba

.PHONY: run
run: build ## Start a durable node with the cloud example and print three commands to try
	examples/run.sh bin/pemba

.PHONY: iam
iam: build ## Show the IAM layer: accounts, roles, tokens, and what is refused (seconds)
	examples/iam.sh bin/pemba

.PHONY: cluster
cluster: build ## Start three nodes on loopback that found a cluster
	examples/cluster.sh bin/pemba

.PHONY: clean
clean: ## Remove what the targets make
	rm -rf bin cover.out cover.html bench-go.out bench-cache-off.json bench-cache-on.json

# Tools are rebuilt when their pins change. The generator of messages comes from
# the product's own protobuf version, so that code and runtime always agree.
$(TOOLS)/staticcheck: tools/go.mod tools/go.sum
	$(GO) -C tools build -o ../$@ honnef.co/go/tools/cmd/staticcheck

$(TOOLS)/buf: tools/go.mod tools/go.sum
	$(GO) -C tools build -o ../$@ github.com/bufbuild/buf/cmd/buf

$(TOOLS)/protoc-gen-go-grpc: tools/go.mod tools/go.sum
	$(GO) -C tools build -o ../$@ google.golang.org/grpc/cmd/protoc-gen-go-grpc

$(TOOLS)/protoc-gen-go: go.mod go.sum
	$(GO) build -o $@ google.golang.org/protobuf/cmd/protoc-gen-go
