# `make demo`: a real photo becomes a mesh. `make test`: tests. `make test-slow`: long ones. `make lint`: style, types.
# `make docs`: the site, in build/site.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -q
DEMO := demo-output

.PHONY: demo test test-slow lint docs clean

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 14) else f'Python 3.11 to 3.13 is needed, {v[0]}.{v[1]} came; give another: make PYTHON=python3.12')"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing handsss and its dependencies into $(VENV) (a few minutes the first time)"
	$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) install -c constraints.txt -e ".[test,lint,docs]"
	@touch $@

demo: $(VENV)/installed
	$(BIN)/handsss reconstruct handsss/samples/nocurl.jpg -o $(DEMO)/hand.obj
	@echo
	@echo "mesh:    $(DEMO)/hand.obj (with hand.mtl and hand_texture.png; Blender, MeshLab and others open it)"
	@echo "overlay: $(DEMO)/hand.png"

# One thread a process: pytest runs one process a core, and threads that wait for each other's cores cost far more.
test: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile -m "not slow"

test-slow: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile -m slow

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) $(DEMO) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
