# hilum: `make run` serves synthetic patients, `make test` passes the tests. `make help` lists everything.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
SUITABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	"$$python" -c '$(SUITABLE)' >/dev/null 2>&1 && { command -v "$$python"; break; }; done)

# Two processes at most: some suites start servers of their own, and a third would only make them wait.
JOBS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1); [ "$$n" -gt 2 ] && n=2; echo "$$n")

help: ## What can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

run: .venv/.run ## Serve 120 synthetic patients at http://127.0.0.1:8080 (ARGS="--port 9000" for more)
	@$(BIN)/hilum demo --if-empty
	@exec $(BIN)/hilum serve $(ARGS)

ehr: .venv/.run ## Beside `make run`: a sandbox EHR that behaves like Epic's, known to it, and a service to deliver to
	@$(BIN)/python examples/receiver.py --secret-file video.secret & \
	service=$$!; trap 'kill $$service 2>/dev/null' EXIT; \
	until [ -s video.secret ]; do sleep 0.1; done; \
	$(BIN)/hilum destination list --json | grep -q '"video"' || \
		$(BIN)/hilum destination add video http://127.0.0.1:9010/hilum --secret-file video.secret >/dev/null; \
	$(BIN)/hilum sandbox --profile epic --connect hilum-data $(ARGS)

test: ## Everything the tests need, then the tests at their small size
	@# What comes from elsewhere is waited for while the code is checked.
	@$(MAKE) node chromium redis strace espeak-ng mosquitto & $(MAKE) -j2 check rewritten && wait $$! || { wait; exit 1; }
	@mkdir -p .cache && rm -f .cache/tests.xml
	@status=0; $(BIN)/python -m pytest -n $(JOBS) --dist worksteal --small -q --junitxml=.cache/tests.xml $(ARGS) || status=$$?; \
	$(BIN)/python scripts/summarize_tests.py .cache/tests.xml || status=1; exit $$status

test-full: export HILUM_FULL = 1
test-full: test ## The big suites at their full size: hours

check: .venv/.test ## Format, lint, types and the floors of the house
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# Assertions that tell more than yes and no: rewritten here, once, on the core that mypy leaves, and kept where Python
# keeps nothing, too. Otherwise each process of the tests does it for itself, for longer than all else that it collects.
rewritten: .venv/.test
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --collect-only -qq >/dev/null 2>&1 || :

bench: .venv/.test ## Measure against the floor, into docs/benchmarks.md
	$(BIN)/python -m bench --write-docs $(ARGS)

agent: .venv/bin/python ## dist/hilum_agent-*.whl: the program beside devices alone, for a small machine
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist packaging/agent
	@ls dist/hilum_agent-*.whl

docs: .venv/.test ## Write docs/reference/cli.md, settings.md and smart-conformance.md anew from the code
	$(BIN)/python scripts/generate_docs.py
	$(BIN)/python scripts/conformance.py

clean: ## Remove the environment and everything made, but not hilum-data
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	rm -rf tests/journeys/node/node_modules

.venv/bin/python:
	@[ -n "$(PYTHON)" ] || { \
		echo "hilum needs Python 3.11 or newer with venv. Found: $$(python3 --version 2>&1)."; \
		echo "  Debian, Ubuntu:  apt-get install python3 python3-venv   (or python3.12 python3.12-venv)"; \
		echo "  macOS:           brew install python@3.13"; \
		echo "  anywhere:        https://www.python.org/downloads/, then: make PYTHON=/path/to/python3.13"; \
		exit 1; }
	@echo "Making .venv with $(PYTHON)"
	@"$(PYTHON)" -m venv .venv

.venv/.run: .venv/bin/python pyproject.toml
	@echo "Installing hilum, its agent, and ffmpeg as a program of its own"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[agent,agent-simulate,video]' 'imageio-ffmpeg>=0.6'
	@# Now, since Python does not where PYTHONDONTWRITEBYTECODE is set, and each start would then take twice as long.
	@$(BIN)/python -m compileall -q src
	@touch $@

.venv/.test: .venv/.run
	@echo "Installing what the tests need"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[agent,agent-simulate,otel,redis,s3,video]' --group test --group check
	@touch $@

node: ## The FHIR clients and examples from npm that journeys use, where npm is
	@if command -v npm >/dev/null 2>&1; then $(MAKE) tests/journeys/node/node_modules/.made; \
	else echo "SKIPPED: no npm here, so tests of npm clients and of HL7's examples skip."; fi

tests/journeys/node/node_modules/.made: tests/journeys/node/package-lock.json
	@echo "Installing npm packages for the journeys"
	@cd tests/journeys/node && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
	@touch $@

# A browser for the journeys: the system's, or Debian's where this user may install it.
chromium: | .cache
	@if command -v chromium >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		echo "Installing Debian's chromium"; \
		{ apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium; } \
		>.cache/chromium.log 2>&1 && rm -f .cache/chromium.log \
		|| echo "SKIPPED: chromium could not be installed (.cache/chromium.log), so browser journeys skip."; \
	else echo "SKIPPED: no chromium here, so browser journeys skip."; fi

# Sessions of the broker can be kept in it.
redis: | .cache
	@if command -v redis-server >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		echo "Installing Debian's redis-server"; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server; } \
			>.cache/redis.log 2>&1 \
			|| echo "SKIPPED: redis-server could not be installed (.cache/redis.log), so tests of sessions in Redis skip."; \
	else echo "SKIPPED: no redis-server here, so tests of sessions in Redis skip."; fi

# To see the order of a server's system calls.
strace: | .cache
	@if command -v strace >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		echo "Installing Debian's strace"; \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends strace; } >.cache/strace.log 2>&1 \
			|| echo "SKIPPED: strace could not be installed (.cache/strace.log), so the flush test skips."; \
	else echo "SKIPPED: no strace here, so the flush test skips."; fi

# A voice for the patient's videos.
espeak-ng: | .cache
	@if command -v espeak-ng >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		echo "Installing Debian's espeak-ng"; \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends espeak-ng; } >.cache/espeak-ng.log 2>&1 \
			|| echo "SKIPPED: espeak-ng could not be installed (.cache/espeak-ng.log), so tests of narrated videos skip."; \
	else echo "SKIPPED: no espeak-ng here, so tests of narrated videos skip."; fi

# A broker of MQTT, for what devices send by one.
mosquitto: | .cache
	@if command -v mosquitto >/dev/null 2>&1 || [ -x /usr/sbin/mosquitto ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		echo "Installing Debian's mosquitto"; \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends mosquitto; } >.cache/mosquitto.log 2>&1 \
			|| echo "SKIPPED: mosquitto could not be installed (.cache/mosquitto.log), so tests of MQTT skip."; \
	else echo "SKIPPED: no mosquitto here, so tests of MQTT skip."; fi

.PHONY: help run test test-full check rewritten bench agent docs clean node chromium redis strace espeak-ng mosquitto

.cache:
	@mkdir -p $@
