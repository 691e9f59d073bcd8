# Keep in Touch. `make` alone lists what there is.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

bin := .venv/bin
# What a step of the setup leaves when it is done; a step runs again when what it was made from is newer.
done := .cache/done

.PHONY: help setup demo up observe test test-fast fuzz chaos bench lint docs sbom audit lock pictures kafka-hashes clean

help:  ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

setup: $(done)/kafka $(done)/pages  ## Install everything for development (.venv, and Apache Kafka into the user's cache)

demo: setup  ## Show it all at work on a made-up county, in about a minute
	@$(bin)/keepintouch demo

up: setup  ## Run the same services until Ctrl-C
	@$(bin)/keepintouch up

observe: setup $(done)/test-tools  ## A month in a minute under a real Prometheus; every panel of the dashboards is tried
	@$(bin)/keepintouch observe

test-fast: setup  ## The tests that need no broker, in under a minute
	@HYPOTHESIS_PROFILE=fast $(bin)/python -m pytest -q -n 2 --dist loadscope -m "not broker and not slow"

test: setup lint $(done)/test-tools  ## Everything: lint, types, architecture, all tests, coverage of the standards
	@echo "== tests, on both cores"
	@$(bin)/python -m pytest -n 2 --dist loadgroup --durations=10 --cov=keepintouch/standards --cov-branch \
	  --cov-report=term-missing:skip-covered --cov-fail-under=95

fuzz: setup  ## The tests that draw their cases, with new ones, rounds=3 times
	@for round in $$(seq $(rounds)); do echo "== round $$round of $(rounds)"; HYPOTHESIS_PROFILE=fuzz $(bin)/python -m pytest -q -n 2 \
	  --dist loadscope -m "hypothesis and not broker"; done

rounds ?= 3
seed ?= 1
minutes ?= 10
chaos: setup  ## Ten minutes of faults on a real Kafka, then what is lost and invented (seed=2 minutes=5 for others)
	@$(bin)/python -m tests.faults.chaos --seed $(seed) --minutes $(minutes)

lint: setup  ## Style (ruff), types (mypy), architecture (import-linter), unsafe code (bandit), secrets (detect-secrets)
	@echo "== style"; $(bin)/ruff check
	@echo "== types"; $(bin)/mypy
	@echo "== architecture"; $(bin)/lint-imports
	@echo "== unsafe code"; $(bin)/bandit -q -r keepintouch schemas services scripts -ll -s B310,B314,B506   # ruff asks for a reason
	@echo "== secrets"; git ls-files keepintouch services scripts deploy docs '*.yml' '*.example' | xargs $(bin)/detect-secrets-hook -n \
	  --baseline .secrets.baseline

docs: setup  ## Build the documentation site into site/, and check every link and anchor
	@NO_MKDOCS_2_WARNING=1 $(bin)/mkdocs build --strict

sbom: setup  ## What is shipped and what it is built with: CycloneDX lists and licences, into sbom/
	@mkdir -p sbom
	@$(bin)/cyclonedx-py requirements requirements-services.lock --pyproject pyproject.toml --of JSON -o sbom/services.cdx.json
	@$(bin)/cyclonedx-py environment --pyproject pyproject.toml --of JSON -o sbom/development.cdx.json .venv
	@npm sbom --sbom-format cyclonedx --package-lock-only --omit dev > sbom/pages.cdx.json
	@$(bin)/python scripts/licences.py > sbom/licences.md
	@ls sbom

audit: setup  ## Ask OSV and npm for known vulnerabilities of what is pinned (needs the internet, fails without)
	@scripts/audit.sh

lock: $(done)/uv  ## Pin the newest allowed versions of all packages by hash, and of what the image needs
	@.cache/uv/bin/uv pip compile -q -U --generate-hashes --no-emit-index-url --no-annotate --all-extras pyproject.toml \
	  -o requirements.lock
	@.cache/uv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --no-annotate --extra contact-monitor --extra notifier \
	  --extra intake --extra board -c requirements.lock pyproject.toml -o requirements-services.lock
	@{ echo '# What installs everything else. Renewed by `make lock`.'; \
	  echo uv | .cache/uv/bin/uv pip compile -q -U --generate-hashes --no-emit-index-url --no-annotate --no-header -; \
	  } > .cache/requirements-uv.lock && mv .cache/requirements-uv.lock requirements-uv.lock

bench: setup  ## Measure contact_monitor (ONLY=catch_up,live REPS=1 PROFILE=1; ONLY=soak MINUTES=30; BENCH_PEERS=folder)
	@$(bin)/python -m bench $(if $(ONLY),--only $(ONLY)) $(if $(REPS),--reps $(REPS)) $(if $(MINUTES),--minutes $(MINUTES)) \
	  $(if $(EVENTS),--events $(EVENTS)) $(if $(SHARE),--share $(SHARE)) $(if $(PROFILE),--profile)

pictures: $(done)/project  ## Make docs/images/report.png anew, after a change to the report
	@$(bin)/python -m scripts.report_picture

kafka-hashes: $(done)/project  ## List the jars of deploy/kafka/pom.xml by hash, after a change to it
	@$(bin)/python -c "from keepintouch.runtime.kafka_files import renew_hashes; renew_hashes()"

clean:  ## Remove what setup and tests have made here (not var/, not the user's cache with Kafka)
	@rm -rf .venv .cache node_modules build dist mutants .coverage* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache \
	  .hypothesis *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(done)/tools: scripts/setup.sh
	@scripts/setup.sh tools
	@mkdir -p $(done) && touch $@

$(done)/uv: requirements-uv.lock | $(done)/tools
	@scripts/setup.sh uv
	@touch $@

$(done)/packages: requirements.lock $(done)/uv
	@scripts/setup.sh packages
	@touch $@

$(done)/project: pyproject.toml $(done)/packages
	@scripts/setup.sh project
	@touch $@

$(done)/pages: package.json package-lock.json | $(done)/tools
	@scripts/setup.sh pages
	@touch $@

$(done)/test-tools: scripts/setup.sh
	@mkdir -p $(done)
	@scripts/setup.sh test-tools
	@touch $@

$(done)/kafka: deploy/kafka/pom.xml deploy/kafka/jars.sha256 | $(done)/project
	@scripts/setup.sh kafka
	@touch $@
