# Every target sets up what it needs in .venv; python3 (3.10 or newer) and make are enough.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Newer than pyproject.toml: installed as it says. The demo needs less than the tests, these less than the slow ones.
USER   := $(VENV)/.installed
DEV    := $(VENV)/.installed-dev
SLOW   := $(VENV)/.installed-integration
DEMO   := demo
ARGS   ?=

# What runs on a node, where Python may be as old as 3.6.
NODE_CODE := src/markab/errors.py src/markab/worker src/markab/transfers src/markab/executors/htcondor/node_start.py

.PHONY: help demo test test-integration faults mutants views check bench glossary clean
.DEFAULT_GOAL := help

help:
	@echo "make demo               plan and run a real analysis; results in $(DEMO)/outputs"
	@echo "make test               the fast tests, on all cores        (ARGS='-k journal' picks some)"
	@echo "make test-integration   the slow tests: whole workflows, servers, crashes"
	@echo "make faults             kills, full disks, hostile jobs and documents; figures at the end"
	@echo "make mutants            change the code at random places, and print what no test notices (ARGS='--seed 2 --number 20')"
	@echo "make views              write anew what tests expect commands to print, and show what has changed"
	@echo "make check              style, types, layers, Python 3.6 on nodes"
	@echo "make bench              speed and memory, beside this machine's own limits"
	@echo "make glossary           write what each file is for into ARCHITECTURE.md"
	@echo "make clean              remove $(VENV), $(DEMO) and everything that was built"

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit("error: Markab needs Python 3.10 or newer; %s is %d.%d\n  hint: make PYTHON=/path/to/newer/python3" % (sys.executable, sys.version_info[0], sys.version_info[1]))'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "error: $(PYTHON) cannot make virtual environments" >&2; echo "  hint: apt install python3-venv" >&2; exit 1; }
	@echo "setting up $(VENV) (once)"
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }

$(USER): pyproject.toml | $(VENV)/bin/python
	@echo "installing Markab into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(DEV): $(USER)
	@echo "installing the tools for tests and checks into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev
	@touch $@

$(SLOW): $(DEV)
	@echo "installing what the slow tests read results with into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group integration
	@touch $@

demo: $(USER)
	@mkdir -p $(DEMO)
	cd $(DEMO) && ../$(BIN)/python ../examples/co2/workflow.py
	cd $(DEMO) && ../$(BIN)/markab plan --dir runs --output-dir outputs workflow.yml
	@cd $(DEMO) && run=$$(ls -d runs/*/pegasus/mauna-loa/run* | tail -n 1) && \
	echo "../$(BIN)/markab run $$run" && ../$(BIN)/markab run $$run && \
	echo && cat outputs/table.md && echo && \
	echo "the table:    $(DEMO)/outputs/table.md    (as numbers: $(DEMO)/outputs/decades.csv)" && \
	echo "the figure:   $(DEMO)/outputs/figure.svg  (open it in a browser)" && \
	echo "the workflow: examples/co2/workflow.py  (docs/tutorial.md walks through it)" && \
	echo "look further: $(BIN)/markab status $(DEMO)/$$run" && \
	echo "              $(BIN)/markab show $(DEMO)/$$run fit_ID0000003"

test: $(DEV)
	$(BIN)/python -m pytest -n auto -m "not integration and not faults" $(ARGS)

test-integration: $(SLOW)
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m integration $(ARGS)

faults: $(DEV)
	$(BIN)/python -m pytest -n auto --dist worksteal -m faults tests/faults $(ARGS)

mutants: $(DEV)
	cd tests && ../$(BIN)/python -m mutants $(ARGS)

views: $(DEV)
	rm -rf tests/views/expected
	MARKAB_RENEW_VIEWS=1 $(BIN)/python -m pytest -q tests/views
	git add --intent-to-add tests/views/expected
	git --no-pager diff -- tests/views/expected

check: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports
	$(BIN)/vermin --quiet --no-tips --eval-annotations --violations -t=3.6- $(NODE_CODE)

bench: $(DEV)
	@for bench in benchmarks/*.py; do \
	case $$bench in */common.py|*/_*) continue;; esac; \
	echo "== $$bench" && $(BIN)/python $$bench || exit 1; done

glossary: $(DEV)
	$(BIN)/python tests/docs/glossary.py

clean:
	rm -rf $(VENV) $(DEMO) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .mutants
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
