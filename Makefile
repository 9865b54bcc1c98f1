# The workshop of Vùng Xa. `make` lists what can be made here.
#
#   bin/       what is built (ignored)
#   bin/test/  what `make test` measured: a time for each step, counts, skips
#   var/       the data of `make run` (ignored)

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.NOTPARALLEL:
.DEFAULT_GOAL := help

UI := desktop/frontend
MAIN := ./node/cmd/vungxa
WORKSHOP := deploy/workshop
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
BUILD := CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)"

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# ---- build and run

.PHONY: tools run build clean
tools:
	@sh $(WORKSHOP)/check-tools.sh

run: tools build ## build everything and start the demo: a province, an office's box, a laptop
	@$(WORKSHOP)/foreground.sh ./bin/vungxa demo --dir ./var

build: $(UI)/dist/index.html ## build the UI and the binary, bin/vungxa
	@echo "Building bin/vungxa..."
	@$(BUILD) -o bin/vungxa $(MAIN)

# npm ci empties node_modules first, so the stamp inside says which lock file it holds.
$(UI)/node_modules/.stamp: $(UI)/package-lock.json
	@echo "Installing what the page is built with..."
	@cd $(UI) && npm ci --prefer-offline --no-audit --no-fund
	@touch $@

# Folders are listed beside files, so that a removed file counts as a change.
UI_SOURCES := $(shell find $(UI)/src $(UI)/public 2>/dev/null) $(wildcard $(UI)/*.json $(UI)/*.ts $(UI)/*.html)

$(UI)/dist/index.html: $(UI)/node_modules/.stamp $(UI_SOURCES)
	@echo "Building the page..."
	@cd $(UI) && npm run --silent build -- --logLevel error
	@touch $@ $(UI)/dist/.gitkeep

clean: ## remove what was built, not var/ (that is data)
	@rm -rf bin $(UI)/node_modules
	@find $(UI)/dist -mindepth 1 ! -name .gitkeep -delete

# ---- tests: each step is a target of its own; quick ones first

STEPS := format tidy ui-install ui-check vet staticcheck ui-test ui-build unit race cross windows api story
.PHONY: test fresh $(STEPS)

test: export WHOLE := 1
test: tools fresh $(STEPS) ## run every check, and count
	@$(WORKSHOP)/step.sh --sum

fresh:
	@rm -rf bin/test

# step NAME,COMMAND: COMMAND has no single quotes.
step = @$(WORKSHOP)/step.sh $(1) bash -euo pipefail -c '$(2)'
gotest = go test -json -vet=off -count=1 -timeout 10m

bin/testsum: $(wildcard deploy/cmd/testsum/*.go)
	@go build -o $@ ./deploy/cmd/testsum

format: ## gofmt has nothing to say
	$(call step,format,$(WORKSHOP)/format.sh)

tidy: bin/testsum ## the rules of the house: layers, purity, comments, names
	$(call step,tidy,$(gotest) ./deploy/... | bin/testsum -o bin/test/tidy)

vet: ## go vet
	$(call step,vet,go vet ./...)

staticcheck: ## staticcheck, in the version that go.mod pins
	$(call step,staticcheck,go tool staticcheck ./...)

unit: bin/testsum ## Go tests of what starts no goroutine, and of whole processes
	$(call step,unit,$(WORKSHOP)/in-memory.sh $(gotest) $$($(WORKSHOP)/packages.sh alone) | bin/testsum -o bin/test/unit)

race: bin/testsum ## Go tests of what does, with the race detector
	$(call step,race,$(WORKSHOP)/in-memory.sh $(gotest) -race $$($(WORKSHOP)/packages.sh beside) | bin/testsum -o bin/test/race)

cross: ## build for every kind of machine, and weigh the binaries
	$(call step,cross,$(WORKSHOP)/cross.sh $(MAIN))

windows: ## everything that doesn't say linux builds for Windows
	$(call step,windows,GOOS=windows GOARCH=amd64 CGO_ENABLED=0 go build -trimpath ./...)

ui-install: ## install what the UI is built with, as its lock file says
	$(call step,ui-install,$(MAKE) --no-print-directory $(UI)/node_modules/.stamp)

ui-check: $(UI)/node_modules/.stamp ## type check and lint the UI
	$(call step,ui-check,cd $(UI) && npm run --silent typecheck && npm run --silent lint)

ui-test: $(UI)/node_modules/.stamp bin/testsum ## unit tests of the UI
	$(call step,ui-test,$(WORKSHOP)/ui-test.sh)

ui-build: $(UI)/node_modules/.stamp ## build the UI and the binary that carries it
	$(call step,ui-build,$(MAKE) --no-print-directory build)

api: build ## the UI's types are those of the node's API
	$(call step,api,$(WORKSHOP)/check-api.sh)

story: build bin/testsum ## the whole loop in a real browser
	$(call step,story,$(WORKSHOP)/story.sh)

# ---- beyond `make test`

.PHONY: fuzz bench bench-sync bench-peers bench-peers-sync sim planted powercut kill9 bitflips crdt-million crdt-explore mutate cuts write-api machines
FUZZTIME ?= 30s
fuzz: ## fuzz each decoder for FUZZTIME (30s), or those in the folder FUZZIN
	@$(WORKSHOP)/fuzz.sh $(FUZZTIME) $(FUZZIN)

bench: build ## measure this machine: the Go benchmarks, a save, a figure, a start
	@go test -run '^$$' -bench . -benchmem $$(git grep -lE '^func Benchmark' -- '*_test.go' | xargs -n 1 dirname | sort -u | sed 's|^|./|')
	@for what in save kpi start; do ./bin/vungxa bench $$what; done

bench-sync: build ## what meeting costs on LAN, 2G, satellite and a drive (UP, DOWN: its traces); needs root, takes 45 minutes
	@./bin/vungxa bench sync $(if $(UP),--up $(UP) --down $(DOWN))

# A module and a package.json of their own, so that nothing of them is in the product.
PEERS := deploy/peers
RECORDS ?= 1000000
bench-peers: ## the store's work on bbolt and SQLite (RECORDS), the wire's on Automerge, Yjs and Loro, meeting on PouchDB and Automerge
	@cd $(PEERS) && go run ./cmd/storepeers -records $(RECORDS)
	@cd $(PEERS)/edits && npm ci --omit=dev --prefer-offline --no-audit --no-fund --silent
	@mkdir -p bin && go test -count=1 -run '^TestEditsForPeers$$' ./crdt/wire -edits "$$PWD/bin/edits.json" && node $(PEERS)/edits/edits.mjs bin/edits.json
	@$(MAKE) --no-print-directory bench-peers-sync

bench-peers-sync: ## of that, meeting alone (UP, DOWN: traces of a drive); needs root, takes two hours
	@cd $(PEERS)/sync && npm ci --omit=dev --prefer-offline --no-audit --no-fund --silent
	@mkdir -p bin && go test -count=1 -run '^TestEditsForPeers$$' ./node/bench -edits "$$PWD/bin/work.json"
	@cd $(PEERS) && go run ./cmd/syncpeers -work "$(CURDIR)/bin/work.json" $(if $(UP),-up "$(abspath $(UP))" -down "$(abspath $(DOWN))")

N ?= 100
SEED ?= 1
SEEDS ?= 100
sim: ## play SEEDS (100) histories from SEED, and a tenth as many on engines
	@go test -count=1 -timeout 0 -run '^Test(Histories|RecordedLines)$$' -v ./sync/simtest -seed $(SEED) -seeds $(SEEDS)
	@go test -count=1 -timeout 0 -run '^TestHistories$$' -v ./node/systemtest -seed $(SEED) -sim $$((($(SEEDS) + 9) / 10)) -days 2

fat: ## carry bundles on a real FAT image, and pull it N times (100); needs root, dosfstools, and vfat in the kernel or fusefat
	@$(WORKSHOP)/fat.sh
	@go test -count=1 -timeout 0 -run '^TestFAT' -v ./sync/bundle -pulls $(N)

planted: ## plant faults in protocol, replica, engine and store, one at a time, and say who notices
	@go run ./deploy/cmd/planted -seeds 4 -tests sync/simtest/testdata/planted.txt

powercut: ## cut the power N times (100) from SEED: of a store, and a sixth each under a province and a laptop at work; needs root
	@go test -count=1 -timeout 0 -run '^TestPowerCut' -v ./node/systemtest -powercuts $(N) -seed $(SEED)

kill9: ## kill province, box and laptop at random N times (100), from SEED
	@go test -count=1 -timeout 0 -run '^TestKill9$$' -v ./node/systemtest -kills $(N) -seed $(SEED)

LAPSED ?= 10000
lapsed: ## let a device come back after a year with LAPSED saves (10000)
	@go test -count=1 -timeout 0 -run '^TestALapsed' -v ./node/engine -lapsed.saves $(LAPSED)

CUTS ?= 10000
cuts: ## cut the line between two devices CUTS times (10000) at random
	@go test -count=1 -timeout 0 -run '^TestRandomCuts$$' -v ./sync/reconcile -cuts $(CUTS)

machines: ## read a kept backup on other kinds of machine, under qemu (Debian: qemu-user)
	@go test -count=1 -v -run '^TestOtherMachines$$' ./node/store/backup -machines

bitflips: ## flip one bit N times (100) in the files of a store, every kind in turn, from SEED
	@go test -count=1 -timeout 0 -run '^TestFlippedBits$$' -v ./node/store -bits $(N) -seed $(SEED)

CHECKS ?= 1000000
crdt-million: ## hold CHECKS (1000000) random histories of each kind to the merge's specification
	@go test -count=1 -timeout 0 -run '(HistorySays|HistoriesOfSix|WholeHistory|InAnyOrder|NothingBack)$$' -v ./crdt -rapid.checks=$(CHECKS)

crdt-explore: ## walk every history of four Saves, all deeds mixed, and what a compacted past reads
	@go test -count=1 -timeout 0 -run 'AllHistoriesOfFour|Compaction' -v ./crdt -saves 4

mutate: ## plant faults in the merge, one at a time, and list those that no test notices
	@go run ./deploy/cmd/mutate ./crdt -rapid.nofailfile -rapid.seed=1 -rapid.shrinktime=0s

write-api: build ## write the API's description and the UI's types anew
	@./bin/vungxa openapi >$(UI)/openapi.json
	@cd $(UI) && npm run --silent gen:api
