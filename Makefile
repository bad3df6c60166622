# `make demo`: a real photo becomes a mesh. `make test`: tests. `make test-slow`: long ones. `make lint`: style, types.
# `make docs`: the site, in build/site. `make gltf`: written .glb under Khronos' validator, with npm.
# `make app`: tests of the form, with gradio.
# `make wheels`, then `make gpu` on a machine with a GPU and no network: docs/gpu.md.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -q
DEMO := demo-output
OUT ?= gpu-output
DEVICE ?= cuda
MINUTES ?= 10

.PHONY: demo test test-slow lint docs gltf app wheels gpu clean

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
	$(BIN)/handsss demo -o $(DEMO)

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

gltf: $(VENV)/installed
	npm install --silent --no-audit --no-fund --prefix build/gltf gltf-validator@2.0.0-dev.3.10
	$(BIN)/python -m tools.validate_gltf --validator build/gltf

# Tests of `handsss app`, in an environment of its own above $(VENV): gradio wants an older Pillow than the tested set.
app: $(VENV)/installed-dev
	test -x build/app/bin/python || $(BIN)/python -m venv build/app
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" > "$$(build/app/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/above.pth"
	build/app/bin/python -m pip --disable-pip-version-check --no-input -q install "gradio>=6"
	OMP_NUM_THREADS=1 build/app/bin/python -m pytest tests/app

# Packages that a machine without a network lacks, into .wheels/.
wheels:
	$(PYTHON) -m benchmarks.gpu.wheels .wheels $(if $(ALSO),--also $(ALSO))

# By the Python that holds torch, no environment is made. ONLY="facts tests", BACKGROUNDS=folder, PHOTOS=folder, TRAIN="options".
gpu:
	$(PYTHON) -m benchmarks.gpu --device $(DEVICE) --minutes $(MINUTES) --out $(OUT) $(if $(ONLY),--only $(ONLY)) $(if $(BACKGROUNDS),--backgrounds $(BACKGROUNDS)) $(if $(PHOTOS),--photos $(PHOTOS)) $(if $(TRAIN),--train="$(TRAIN)")

clean:
	rm -rf $(VENV) $(DEMO) gpu-output .wheels build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
