# frama: bare `make` lists the targets.
SHELL     := /bin/bash
.DEFAULT_GOAL := help

VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo development)
LDFLAGS   := -s -w -X main.tagged=$(VERSION)
CACHE     := $(or $(FRAMA_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/frama)
DATA      ?= data
ARGS      ?=

.PHONY: help build demo dev test unit e2e lint bench tools images screenshots clean

help: ## lists the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

build: ## builds bin/frama
	@CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/frama ./cmd/frama

tools: ## gets what demo and tests need: Nomad, an ACME server, HAProxy, PostgreSQL, Chromium, a container engine
	@deploy/tools/get all

images: tools ## builds the images of the demo's applications, where no registry has them
	@deploy/images/build --auto etherpad ethercalc ikiwiki pocketbase

demo: build tools images ## starts a whole platform and plays the journey of an association (ARGS=--exit stops after it)
	@bin/frama dev --data $(DATA) --journey $(ARGS)

dev: build tools images ## starts a whole platform with nothing in it
	@bin/frama dev --data $(DATA) $(ARGS)

test: ## runs every test, on the real parts
	@deploy/tools/test

unit: ## runs the fast tests: no network, no root
	@go test -race ./...

e2e: ## runs the journey on the real parts only
	@deploy/tools/test -run TestJourney ./cmd/frama

lint: ## checks format, vet, import arrows and style
	@deploy/tools/get golangci && GOLANGCI_LINT_CACHE=$(CURDIR)/.cache/golangci $(CACHE)/bin/golangci-lint run --build-tags e2e ./...

bench: build tools images ## prints one line per figure, each against a bare way of doing the same
	@set -o pipefail; go test -tags e2e -count 1 -run '^$$' -timeout 20m -bench . -benchtime 1x ./cmd/frama 2>&1 \
		| grep --line-buffered -vE '^(goos|goarch|pkg|cpu|PASS|ok|Benchmark)|ns/op|^$$'

screenshots: build tools images ## takes the pictures of docs/images again
	@FRAMA_SCREENSHOTS=$(CURDIR)/docs/images go test -tags e2e -count 1 -run TestJourney ./cmd/frama

clean: ## removes what was built; data and the cache stay
	@rm -rf bin
