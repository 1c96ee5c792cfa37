# Two commands do everything, set-up included: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check format docs validation clean

demo: $(READY)
	$(BIN)/stromal demo studies --output demo

test: check

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(MAKE) --no-print-directory docs
	$(BIN)/pytest -q -n 2
	@# an index out of bounds shows only where kernels are not compiled
	NUMBA_DISABLE_JIT=1 $(BIN)/pytest -q -n 2 tests/properties/test_kernels.py tests/unit/simulate

validation: $(READY)
	$(BIN)/python tests/validation/make_survival_page.py

docs: $(READY)
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "stromal needs Python 3.11 or later; name one: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -q && apt-get install -y -q python3-venv; \
	  else echo "Python's venv module is missing; on Debian: sudo apt-get install python3-venv"; fi; \
	  $(PYTHON) -m venv $(VENV); }
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev,docs]'
	@touch $(READY)

clean:
	rm -rf $(VENV) demo docs/_build docs/reference/generated build dist
