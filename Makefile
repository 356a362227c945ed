# Every target sets up what it needs in .venv by itself; a second run installs nothing.
# To use a certain Python: make test PYTHON=/path/to/python

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

VENV := .venv
RUN := $(VENV)/bin/python -m
PINS := constraints.txt
# The first pip is the one that came with Python: it may not know the options of the second call.
# The same list of versions holds for what is installed and for what builds it.
PIP := $(RUN) pip install --quiet --disable-pip-version-check --constraint $(PINS)
INSTALL := $(PIP) pip && $(PIP) --build-constraint $(PINS) --editable
# Tests are shared among as many workers as there are cores; a slow one is taken over by another.
SHARED := --numprocesses auto --dist worksteal
BROWSERS := chromium chromium-browser google-chrome chrome
PYTHONS := $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11

.PHONY: help demo test bench lint types suite examples pins clean anew

help: ## Print this list
	@echo "make TARGET, where TARGET is one of"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s%s\n", $$1, $$2 }' Makefile

demo: $(VENV)/demo ## Run the main job on real data: two fits, a Monte-Carlo study, a plot
	@$(VENV)/bin/estkit demo $(ARGS)

test: $(VENV)/test ## Run every check and report all of them: lint, types, suite
	@failed=; \
	for check in lint types suite; do \
		printf '\n== make %s\n' $$check; \
		$(MAKE) --no-print-directory $$check || failed="$$failed $$check"; \
	done; \
	if [ -n "$$failed" ]; then printf '\nFailed:%s\n' "$$failed"; exit 1; fi; \
	printf '\nAll checks passed: lint, types, suite.\n'

bench: $(VENV)/bench ## Run the benchmarks beside their Python peers
	@$(VENV)/bin/python benchmarks $(ARGS)

lint: $(VENV)/test ## Check style, format and spelling
	@bad=0; \
	$(RUN) ruff check || bad=1; \
	$(RUN) ruff format --check || bad=1; \
	$(RUN) codespell_lib || bad=1; \
	exit $$bad

types: $(VENV)/test ## Check the types with mypy
	@$(RUN) mypy

suite: $(VENV)/test ## Run the tests, doctests and examples: make suite ARGS="-k fit"
	@browser=; for name in $(BROWSERS); do command -v $$name >/dev/null && browser=$$name; done; \
	if [ -z "$$browser" ]; then \
		echo "No Chromium on the PATH: the tests of pages in a browser are left out."; \
		$(RUN) pytest $(SHARED) -m 'not browser' $(ARGS); \
	else $(RUN) pytest $(SHARED) $(ARGS); fi

examples: $(VENV)/test ## Run only the examples
	@$(RUN) pytest tests/test_examples.py $(ARGS)

pins: $(VENV)/made ## Resolve constraints.txt anew, for every supported Python
	@$(PIP) pip uv
	@$(RUN) uv pip compile --quiet --universal --upgrade --no-annotate \
		--custom-compile-command "make pins" --python-version 3.11 \
		--all-extras --group dev --group bench --output-file $(PINS) pyproject.toml

clean: ## Remove .venv and everything that was built or cached
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- set-up -------------------------------------------------------------------------------------

$(VENV)/demo: $(VENV)/made pyproject.toml $(PINS)
	@echo "Installing estkit and what the demo needs into $(VENV): once, a minute or so."
	@$(INSTALL) '.[cli,plot]'
	@touch $@

$(VENV)/test: $(VENV)/made pyproject.toml $(PINS)
	@echo "Installing estkit and what the checks need into $(VENV): once, a minute or two."
	@$(INSTALL) '.[all]' --group test --group lint
	@touch $(VENV)/demo $@

$(VENV)/bench: $(VENV)/made pyproject.toml $(PINS)
	@echo "Installing estkit and its benchmark peers into $(VENV): once, a minute or two."
	@$(INSTALL) '.[cli,fast,plot]' --group bench
	@touch $(VENV)/demo $@

# A virtual environment holds its own address and that of its Python: after a move or an upgrade
# of either it is made anew, together with what was installed in it.
ifneq ($(shell $(VENV)/bin/python -c 'print("runs")' 2>&1; cat $(VENV)/made 2>&1),runs $(CURDIR))
$(VENV)/made: anew
endif

$(VENV)/made:
	@found=; old=; bare=; \
	for python in $(PYTHONS); do \
		version=$$("$$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) \
			|| continue; \
		if ! "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
			old="$$old\n  $$python is Python $$version"; \
		elif ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
			bare="$$bare\n  $$python is Python $$version, but without its venv module"; \
		else found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		printf 'estkit needs Python 3.11 or newer with its venv module. Found:' >&2; \
		printf '%b' "$$old$$bare" >&2; \
		[ -n "$$old$$bare" ] || printf ' no Python at all.' >&2; \
		printf '\nInstall it, or name one: make %s PYTHON=/path/to/python3\n' "$(MAKECMDGOALS)" >&2; \
		[ -z "$$bare" ] || printf 'On Debian and Ubuntu the package python3-venv brings the module.\n' >&2; \
		exit 1; \
	fi; \
	echo "Making $(VENV) with $$found, Python $$version."; \
	rm -rf $(VENV) && "$$found" -m venv $(VENV) && echo "$(CURDIR)" > $@
