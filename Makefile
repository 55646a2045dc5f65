# Each target does its own set-up: python3 (3.11 or newer) and make are enough. `make help` lists the targets.

PYTHON ?= python3
EVENT  ?= events/direct-media.json
N      ?= 2000
SEED   ?= 1
STACK  ?= whatsapp-media-cleanup
QUEUE  ?= deletion
RATE   ?= 100

NESTED    := monitoring.yaml roles.yaml queue-policies.yaml backfill.yaml
TEMPLATES := template.yaml $(NESTED) examples/evidence.yaml # for the Regions in .cfnlintrc.yaml

UV     := .venv-uv/bin/uv
DEV    := .venv/.installed
CLOUD  := .venv-cloud/.installed
CHECKS := .venv-checks/.installed
DOCS   := .venv-docs/.installed
BENCH  := .venv-bench/.installed
BIN    := .venv/bin
PY     := PYTHONPATH=layers/nxcloud:layers/media_cleanup $(BIN)/python
PYTEST := $(BIN)/python -m pytest
# $(call flag,YES,--yes): the option, unless the variable is empty or says no
flag = $(if $(filter-out 0 false no,$($(1))),$(2))
# uv.lock keeps MkDocs 1, so the theme's warning about MkDocs 2 does not apply
MKDOCS := NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs
export PATH := $(CURDIR)/$(BIN):$(PATH)
export SAM_CLI_TELEMETRY := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# uv takes the machine's own Python, and trusts the certificates that the machine trusts. It compiles byte code only where
# Python itself must not write it: each program would otherwise compile its modules again.
export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS := 1
export UV_COMPILE_BYTECODE := $(if $(PYTHONDONTWRITEBYTECODE),1,0)

.DEFAULT_GOAL := help
.PHONY: help demo demo-picture test test-fast coverage test-client test-docker mutation-manual mutation absence chaos capacity bench \
  docs docs-serve lint format build package invoke local deploy verify doctor report pause resume connect disconnect \
  redrive backfill lock clean ci

##@ Start

help: ## Show this list
	@awk -F ':.*## ' '/^##@ / {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+:.*## / {printf "  make %-15s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(DEV) $(CLOUD) ## Deploy to a local cloud, delete a file, see its copy disappear
	@$(PY) -m localdev.demo

local: $(DEV) $(CLOUD) ## Keep a local cloud and the fake NXCloud running for `sam local invoke`
	@$(PY) -m localdev.sandbox

invoke: $(DEV) $(CLOUD) ## Run one event in the built function: EVENT=events/….json
	@$(PY) -m localdev.invoke $(EVENT)

##@ Test a change

test-fast: $(DEV) $(CLOUD) ## Run the unit and integration tests
	$(PYTEST) --numprocesses $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --dist load tests/unit tests/integration

# pytest compiles the tests' assertions, and each of its processes would do so again
test test-fast: export PYTHONDONTWRITEBYTECODE :=
test: $(DEV) $(CLOUD) ## Run all tests except those that need Docker
	$(PYTEST) --numprocesses auto --dist loadfile --no-loadscope-reorder # in the order of tests/conftest.py

coverage: $(DEV) $(CLOUD) ## Measure the branch coverage of the unit and integration tests
	$(PYTEST) --cov --numprocesses $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --dist load tests/unit tests/integration

lint: $(DEV) $(CHECKS) lock-check ## Check style, types, templates, secrets and the lock file
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy --python-version 3.10 layers/nxcloud/nxcloud
	$(BIN)/sam validate --lint
	$(BIN)/cfn-lint $(TEMPLATES) localdev/fake_nxcloud/template.yaml examples/*.yaml
	mkdir -p .aws-sam && PYTHONPATH=layers/media_cleanup $(BIN)/python -m localdev.expanded .aws-sam/expanded.json
	.venv-checks/bin/checkov --config-file .checkov.yaml --file .aws-sam/expanded.json $(NESTED) examples/evidence.yaml
	.ci/secrets

format: $(DEV) ## Format the code, and fix what ruff can fix
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

ci: lint docs test coverage absence ## Run everything that a change must pass: lint, docs, test, absence

test-client: $(DEV) ## Test the client's package on each Python from 3.10 (ALL=1: all needed)
	@UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$(INDEX)}" $(BIN)/python -m tools.client_tests $(call flag,ALL,--all)

test-docker: $(DEV) $(CLOUD) ## Run every sample event through `sam local invoke`; needs Docker
	$(PYTEST) -m docker

##@ Test the tests and the design; these take minutes

mutation: $(DEV) ## Mutate the code with cosmic-ray: does a test detect each mutant?
	@$(BIN)/python -m tests.mutation

mutation-manual: $(DEV) ## Apply faults written by hand: does a test detect each?
	@$(BIN)/python -m tests.mutation.manual

absence: $(DEV) ## Simulate verified absence: is any media file wrongly declared gone?
	@$(PY) -m tests.absence_model

chaos: $(DEV) $(CLOUD) ## Run many deletions under injected faults: N=2000 SEED=1
	@$(PY) -m tests.chaos --n $(N) --seed $(SEED)

capacity: $(DEV) ## Simulate the retries of a one-day outage; writes the chart in docs/
	@$(PY) -m tools.capacity

bench: $(DEV) $(CLOUD) $(BENCH) ## Measure against a typical function; writes docs/benchmarks.md; QUICK=1
	@$(PY) -m benchmarks --python .venv-bench/bin/python $(call flag,QUICK,--quick)

##@ Build

build: $(DEV) ## Build the functions and their layers into .aws-sam
	find functions -name __pycache__ -prune -exec rm -rf {} + # SkipBuild packages these folders as they are
	$(BIN)/sam build

package: $(DEV) build ## Pack the application and the client's package into dist/
	@$(BIN)/python -m tools.package

docs: $(DOCS) ## Build the documentation site into site/, with strict links
	$(MKDOCS) build --strict

docs-serve: $(DOCS) ## Serve the documentation site on http://127.0.0.1:8000
	$(MKDOCS) serve

demo-picture: $(DEV) $(CLOUD) ## Run the demo, and record it in docs/images/demo.svg
	@$(PY) -m localdev.demo --picture docs/images/demo.svg

##@ Run and operate a stack on your AWS account: STACK=whatsapp-media-cleanup

deploy: $(DEV) build ## Deploy; asks for the parameters
	$(BIN)/sam deploy --guided

doctor: $(DEV) ## Examine the stack and the accounts it uses; changes nothing; PHONE=…
	@$(PY) -m tools.doctor --stack "$(STACK)" $(if $(PHONE),--phone "$(PHONE)") \
	  $(if $(BUCKET_PROFILE),--bucket-profile "$(BUCKET_PROFILE)")

verify: $(DEV) ## Test a stack that cannot reach the real NXCloud, end to end; BUCKET=… PHONE=…
	@$(PY) -m tools.verify --stack "$(STACK)" $(if $(BUCKET),--bucket "$(BUCKET)") $(if $(PHONE),--phone "$(PHONE)")

connect: $(DEV) ## Send a bucket's events to the stack: BUCKET=… (DIRECT=1: no EventBridge)
	@$(PY) -m tools.connect --stack "$(STACK)" --bucket "$(BUCKET)" $(call flag,DIRECT,--direct) $(call flag,YES,--yes) \
	  $(if $(BUCKET_PROFILE),--bucket-profile "$(BUCKET_PROFILE)")

backfill: $(DEV) ## Link the files that a bucket already has: BUCKET=… PREFIX=… RATE=100
	@$(BIN)/python -m tools.backfill --stack "$(STACK)" --bucket "$(BUCKET)" --prefix "$(PREFIX)" --rate "$(RATE)" \
	  $(call flag,AGAIN,--again)

report: $(DEV) ## Report deletions: FROM=2026-01-01 TO=2026-01-31, MEDIA=… or BUCKET=… KEY=…
	@$(PY) -m tools.report --stack "$(STACK)" --from "$(FROM)" --to "$(TO)" --media "$(MEDIA)" --bucket "$(BUCKET)" \
	  --key "$(KEY)" --log-group "$(LOG_GROUP)" --out "$(OUT)"

pause: $(DEV) ## Stop processing deletion requests; they wait in the queue
	@$(PY) -m tools.pause --stack "$(STACK)"

resume: $(DEV) ## Process deletion requests again
	@$(PY) -m tools.pause --stack "$(STACK)" --resume

redrive: $(DEV) ## Send dead-lettered messages back: QUEUE=deletion REASON=gave_up DRY=1
	@$(BIN)/python -m tools.redrive --stack "$(STACK)" --queue "$(QUEUE)" \
	  $(call flag,DRY,--dry-run) --reason "$(REASON)"

disconnect: $(DEV) ## Remove the stack's entries from a bucket's notifications: BUCKET=…
	@$(PY) -m tools.disconnect --stack "$(STACK)" --bucket "$(BUCKET)" $(call flag,YES,--yes) \
	  $(if $(BUCKET_PROFILE),--bucket-profile "$(BUCKET_PROFILE)")

##@ Maintain

# The lock always names uv's default index, so that it is the same on every machine; installation takes the hashes from
# it, and the packages from the index that pip has.
PUBLIC := env -u UV_DEFAULT_INDEX -u UV_INDEX_URL -u UV_INDEX -u UV_EXTRA_INDEX_URL UV_NO_CONFIG=1

lock: $(UV) ## Update all pinned dependencies: uv.lock and the layers' requirements.txt
	@$(PUBLIC) $(UV) lock --upgrade --python $(PYTHON)
	@$(call layer_requirements,nxcloud) --output-file layers/nxcloud/requirements.txt
	@$(call layer_requirements,media-cleanup) --output-file layers/media_cleanup/requirements.txt

.PHONY: lock-check
lock-check: $(UV)
	$(PUBLIC) $(UV) lock --check --offline --python $(PYTHON)
	@$(call layer_requirements,nxcloud) | diff layers/nxcloud/requirements.txt - || $(NOT_IN_STEP)
	@$(call layer_requirements,media-cleanup) | diff layers/media_cleanup/requirements.txt - || $(NOT_IN_STEP)

layer_requirements = $(UV) export --quiet --frozen --no-header --only-group layer-$(1)
NOT_IN_STEP = { echo "layers/*/requirements.txt differ from uv.lock: run make lock" >&2; exit 1; }

clean: ## Remove everything that make created
	rm -rf .venv .venv-uv .venv-cloud .venv-checks .venv-docs .venv-bench
	rm -rf .aws-sam dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# The environments, one for each dependency group of pyproject.toml. The stamp .installed marks a complete installation.
# uv itself comes by pip, in the version that pyproject.toml requires.
$(UV): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; pass PYTHON=…")'
	@version=$$(sed -n 's/^required-version = "\([^"]*\)".*/\1/p' $<) && \
	if [ "$$($@ --version 2>/dev/null | cut -d ' ' -f 2)" != "$${version#==}" ]; then \
	  rm -rf .venv-uv && $(PYTHON) -m venv .venv-uv && .venv-uv/bin/python -m pip install --quiet "uv$$version"; \
	fi
	@touch $@

# `uv sync` would download from the addresses in uv.lock, which a machine with an index of its own may not reach.
INDEX = $(firstword $(shell .venv-uv/bin/python -m pip config list | sed -n "s/^.*[.]index-url='\(.*\)'$$/\1/p"))

# $(call environment,group,interpreter)
define environment
@echo "setting up $(@D)"
@rm -rf $(@D) && $(UV) venv --quiet --python "$(2)" $(@D)
@$(UV) export --quiet --frozen --only-group $(1) --output-file $(@D)/requirements.txt
@UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$(INDEX)}" $(UV) pip sync --quiet --require-hashes --python $(@D) $(@D)/requirements.txt
@touch $@
endef

$(DEV): uv.lock | $(UV)
	$(call environment,dev,$(PYTHON))

$(CLOUD): uv.lock | $(UV)
	$(call environment,cloud,$(PYTHON))

$(CHECKS): uv.lock | $(UV)
	$(call environment,checks,$(PYTHON))

$(DOCS): uv.lock | $(UV)
	$(call environment,docs,$(PYTHON))

# Lambda's Python, where this machine has it: byte code of another version is not comparable
$(BENCH): uv.lock | $(UV)
	$(call environment,bench,$(firstword $(shell \
	  for python in python3.13 $${PYENV_ROOT:-$$HOME/.pyenv}/versions/3.13*/bin/python $(PYTHON); do \
	    "$$python" -c 'import sys; print(sys.executable)' 2>/dev/null; done)))
