# build   the programs into bin/
# demo    the whole chain on this machine, with synthetic data: make demo ARGS=--once
# test    everything: build, check, and all tests under the race detector, against real DNS servers
# check   formatting, vet, staticcheck, the house rules
# fuzz    every fuzz target for FUZZTIME (60s) each: make fuzz FUZZTIME=10m
# bench   the benchmarks
# peers   fetch the servers and tools of the tests (Debian packages) into the user's cache, without root
# fmt     format the code
# clean   remove what build made

GO ?= go
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo devel)
# The versions of these are in tools.mod, apart from what the programs are made of.
TOOL := $(GO) tool -modfile=tools.mod

.PHONY: build demo test check fuzz bench peers fmt clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '-X main.version=$(VERSION)' -o bin/ ./cmd/...

demo: build peers
	@PATH="$$(internal/peers/fetch.sh)/bin:$$PATH" bin/vaern demo $(ARGS)

# The race detector needs a C compiler: the machine's, else one beside the peers.
test: build peers check
	@if command -v gcc >/dev/null; then cc=gcc; else cc=$$(internal/peers/fetch.sh cc)/bin/gcc || exit; fi; set -x; \
	CGO_ENABLED=1 CC=$$cc $(GO) test -race -count=1 -timeout 18m ./...

check:
	@out=$$($(TOOL) gofumpt -l .) || exit; \
	if [ -n "$$out" ]; then echo "make fmt would change:" $$out; exit 1; fi
	$(GO) vet ./...
	$(TOOL) staticcheck ./...
	$(GO) test -count=1 ./internal/housetest

FUZZTIME ?= 60s
fuzz:
	@for pkg in $$($(GO) list ./...); do \
	  targets=$$($(GO) test -list '^Fuzz' $$pkg) || exit; \
	  for target in $$(echo "$$targets" | grep '^Fuzz'); do \
	    echo "$$pkg $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 0s $$pkg || exit; \
	  done; \
	done

bench: build peers
	$(GO) test -run '^$$' -bench . ./...

peers:
	@internal/peers/fetch.sh

fmt:
	$(TOOL) gofumpt -w .

clean:
	rm -rf bin
