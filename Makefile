# Every habit is one word; each does its own set-up. `make help` lists them.

PYTHON ?= python3
EVENT  ?= events/direct-media.json
N      ?= 2000
SEED   ?= 1
STACK  ?= whatsapp-media-cleanup
QUEUE  ?= deletion
RATE   ?= 100

DEV    := .venv/.installed
CLOUD  := .venv-cloud/.installed
CHECKS := .venv-checks/.installed
BENCH  := .venv-bench/.installed
BIN    := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export SAM_CLI_TELEMETRY := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-docker planted-bugs mutants soak bench simulate lint format build invoke local deploy redrive backfill lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(DEV) $(CLOUD) ## Deploy to a local cloud, delete a file, watch its WhatsApp copy go
	@PYTHONPATH=layers/nxcloud:layers/media_cleanup python -m localdev.demo

test: $(DEV) $(CLOUD) ## Run all tests
	python -m pytest --cov --numprocesses auto --dist loadfile

test-docker: $(DEV) $(CLOUD) ## Run every sample through `sam local invoke`, where Docker runs
	python -m pytest -m docker

planted-bugs: $(DEV) ## Plant bugs in the index one by one, and show that the tests catch each
	python -m tests.model.planted_bugs

mutants: $(DEV) ## Change the pure decisions bit by bit, and show that the tests notice
	@python -m tests.mutation

soak: $(DEV) $(CLOUD) ## Let NXCloud misbehave in a storm of deletions: make soak N=2000 SEED=1
	@PYTHONPATH=layers/nxcloud:layers/media_cleanup python -m tests.chaos --n $(N) --seed $(SEED)

bench: $(DEV) $(CLOUD) $(BENCH) ## Measure it beside a usual function, and write docs/benchmarks.md: make bench QUICK=1
	@PYTHONPATH=layers/nxcloud:layers/media_cleanup python -m benchmarks --python .venv-bench/bin/python $(if $(QUICK),--quick)

simulate: $(DEV) ## Show what many deletions, and a day without NXCloud, do to the queue: a table, and docs/scale.svg
	@PYTHONPATH=layers/nxcloud:layers/media_cleanup python -m tools.capacity

lint: $(DEV) $(CHECKS) ## Check style, types, the template, and that no secret is among the files
	ruff check
	ruff format --check
	mypy
	sam validate --lint
	cfn-lint template.yaml
	mkdir -p .aws-sam && PYTHONPATH=layers/media_cleanup python -m localdev.expanded .aws-sam/expanded.json
	.venv-checks/bin/checkov --config-file .checkov.yaml --file .aws-sam/expanded.json
	.ci/secrets

format: $(DEV) ## Let ruff put the code in shape
	ruff check --fix
	ruff format

build: $(DEV) ## Build the functions and their layers into .aws-sam
	sam build

invoke: $(DEV) $(CLOUD) ## Run one event in the built function: make invoke EVENT=events/….json
	@PYTHONPATH=layers/nxcloud:layers/media_cleanup python -m localdev.invoke $(EVENT)

local: $(DEV) $(CLOUD) ## Run the local cloud and the fake NXCloud for `sam local invoke`, until Ctrl-C
	@PYTHONPATH=layers/nxcloud:layers/media_cleanup python -m localdev.sandbox

deploy: $(DEV) build ## Deploy to your AWS account, asking for the parameters
	sam deploy --guided

redrive: $(DEV) ## Send dead letters back after a repair: make redrive STACK=… QUEUE=deletion
	python -m tools.redrive --stack "$(STACK)" --queue "$(QUEUE)"

backfill: $(DEV) ## Index the files that were there before: make backfill STACK=… BUCKET=… PREFIX= RATE=100
	@python -m tools.backfill --stack "$(STACK)" --bucket "$(BUCKET)" --prefix "$(PREFIX)" --rate "$(RATE)"

lock: $(DEV) ## Pin all dependencies anew
	cd layers/nxcloud && $(LOCK) --generate-hashes requirements.in -o requirements.txt
	cd layers/media_cleanup && $(LOCK) --generate-hashes requirements.in -o requirements.txt
	$(LOCK) requirements-dev.in -o requirements-dev.txt
	$(LOCK) requirements-cloud.in -o requirements-cloud.txt
	$(LOCK) requirements-checks.in -o requirements-checks.txt

LOCK = uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-emit-index-url --custom-compile-command "make lock"

clean: ## Remove everything that make made
	rm -rf .venv .venv-cloud .venv-checks .venv-bench .aws-sam .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# The environments. A stamp tells that an installation went through to its end.
$(DEV): requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one by PYTHON=…")'
	@echo "setting up .venv (once, about a minute)"
	@rm -rf .venv && $(PYTHON) -m venv .venv && .venv/bin/pip install --quiet --requirement $<
	@touch $@

$(CLOUD): requirements-cloud.txt
	@echo "setting up .venv-cloud (once)"
	@rm -rf .venv-cloud && $(PYTHON) -m venv .venv-cloud && .venv-cloud/bin/pip install --quiet --requirement $<
	@touch $@

$(CHECKS): requirements-checks.txt
	@echo "setting up .venv-checks (once, about half a minute)"
	@rm -rf .venv-checks && $(PYTHON) -m venv .venv-checks && .venv-checks/bin/pip install --quiet --requirement $<
	@touch $@

# Lambda's Python, where this machine has it: byte code of another does not count
$(BENCH): requirements-bench.txt
	@echo "setting up .venv-bench (once)"
	@for python in python3.13 $${PYENV_ROOT:-$$HOME/.pyenv}/versions/3.13*/bin/python $(PYTHON); do \
	  "$$python" --version >/dev/null 2>&1 && break; done; \
	rm -rf .venv-bench && "$$python" -m venv .venv-bench && .venv-bench/bin/pip install --quiet --requirement $<
	@touch $@
