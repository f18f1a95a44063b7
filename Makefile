# Entry points. Each does all the set-up it needs (tools/setup.sh) and is quick when nothing is to do.
.DEFAULT_GOAL := help
.PHONY: help build rocksdb up test sim soak bench check format clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

build: ## set up: Debian packages, npm packages, native addons
	@tools/setup.sh build

rocksdb: ## a faster RocksDB than Debian's, compiled once into the user's cache; `build` then uses it
	@tools/setup.sh build
	@tools/rocksdb/build.sh
	@tools/setup.sh build

up: ## a whole cluster on this machine (UP="--shards 3 ..." passes flags)
	@tools/setup.sh build
	@exec bin/holdfast up $(UP)

test: ## all gates and tests (FILES="packages/resp" narrows the tests)
	@tools/setup.sh test
	@exec tools/run.sh tools/test.ts $(FILES)

sim: ## simulated clusters from seeds (SEEDS=N, SEED=n replays one, MUTATE=fault plants one)
	@tools/setup.sh build
	@exec tools/run.sh packages/simulator/src/main.ts $(if $(SEEDS),--seeds $(SEEDS)) $(if $(SEED),--seed $(SEED)) $(if $(MUTATE),--mutate $(MUTATE))

soak: ## random commands against a model, with kills (SECONDS=n, SEED=n runs one)
	@tools/setup.sh build
	@$(if $(SECONDS),SECONDS=$(SECONDS)) $(if $(SEED),SEED=$(SEED)) exec tools/run.sh tests/model/soak.ts

bench: ## speed beside Redis, Kvrocks (KVROCKS_BIN) and bare Node (BENCH="--quick ..." passes options)
	@tools/setup.sh bench
	@exec tools/run.sh bench/main.ts $(BENCH)

check: ## the gates alone: layers, types, lint, format
	@tools/setup.sh build
	@exec tools/run.sh tools/test.ts --gates

format: ## rewrite sources in the house format
	@tools/setup.sh build
	@node_modules/.bin/prettier --write --log-level warn .

clean: ## remove what was built
	rm -rf node_modules .cache packages/*/build
