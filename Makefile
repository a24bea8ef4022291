# `make demo` and `make test` are all that a newcomer needs; both set up .venv on their own.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test lint bench soak run lock starter screenshots clean

# Installed once, and again whenever the lock or the project's metadata changes.
.venv/.installed: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Diapason needs Python 3.11 or newer")'
	@echo "Installing the locked dependencies into .venv …"
	@$(BIN)/pip install --quiet -c constraints.txt torch
	@$(BIN)/pip install --quiet -c constraints.txt -e .
	@touch $@

.venv/.installed-dev: .venv/.installed
	@$(BIN)/pip install --quiet -c constraints.txt --group dev 2>/dev/null \
		|| ($(BIN)/pip install --quiet --upgrade 'pip>=25.1' && $(BIN)/pip install --quiet -c constraints.txt --group dev)
	@touch $@

demo: .venv/.installed
	@$(BIN)/diapason demo $(if $(HEADLESS),--headless)

run: .venv/.installed
	@$(BIN)/diapason

test: .venv/.installed-dev
	@OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

bench: .venv/.installed-dev
	@for each in bench/[a-z]*.py; do echo "== $$each"; $(BIN)/python $$each || exit 1; done

# The long faults: kills inside saves, and a soak of random kills. Takes a quarter of an hour or more.
soak: .venv/.installed-dev
	@$(BIN)/python -m tests.soak $(SOAK)

# The lock: names and versions that resolve together on Python 3.11-3.13, CPU and CUDA.
lock:
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --upgrade --group dev pyproject.toml \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links --output-file constraints.txt

# The bundled model and the sample data, rebuilt from the seed.
starter: .venv/.installed
	$(BIN)/python -m core.engine.pretrain

screenshots: .venv/.installed-dev
	$(BIN)/python docs/screenshots.py

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis
