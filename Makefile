# Everything a person types. Each target makes .venv first if it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export FEILUN_DATA ?= ../shared/data

.PHONY: demo test check prove bench docs clean
.DEFAULT_GOAL := demo

# torch first and pinned: a bare `torch` may bring several GB of CUDA.
$(VENV)/ready: pyproject.toml constraints.txt
	@echo "Setting up .venv (once, about two minutes)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $$(grep '^torch==' constraints.txt)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,dev]'
	@touch $@

demo: $(VENV)/ready
	@$(BIN)/feilun demo

check: $(VENV)/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

prove: $(VENV)/ready
	$(BIN)/python benchmarks/prove.py $(if $(RECIPE),$(RECIPE),--all)

bench: $(VENV)/ready
	$(BIN)/python benchmarks/run.py $(CLAIM)

docs: $(VENV)/ready
	$(BIN)/python docs/generate.py
	$(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) build site
