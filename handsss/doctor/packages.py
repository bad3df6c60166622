"""Checks of Python, the libraries that handsss needs, and its optional extras."""

from __future__ import annotations

import importlib
import platform
import sys
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from types import ModuleType

from handsss.doctor.check import Check, note, ok, problem, reason
from handsss.version import __version__

OLDEST, TOO_NEW = (3, 11), (3, 14)
# Distribution -> the module that it brings. torch, numba and LiteRT are imported, the others only looked for.
REQUIRED = {
    "numpy": "numpy",
    "scipy": "scipy",
    "pillow": "PIL",
    "h5py": "h5py",
    "trimesh": "trimesh",
    "pydantic": "pydantic",
    "matplotlib": "matplotlib",
    "safetensors": "safetensors",
    "efficientnet_pytorch": "efficientnet_pytorch",
    "jinja2": "jinja2",
    "tomli-w": "tomli_w",
    "platformdirs": "platformdirs",
}
# Extra -> its modules, and what needs them.
EXTRAS = {
    "heic": (("pillow_heif",), "HEIC photos"),
    "video": (("av",), "films"),
    "parquet": (("pyarrow",), "tables of films as .parquet"),
    "app": (("gradio",), "handsss app"),
    "onnx": (("onnx", "onnxscript", "onnxruntime"), "export onnx"),
    "tensorboard": (("tensorboard",), "TensorBoard logs of train"),
    "wandb": (("wandb",), "train --log wandb"),
    "mlflow": (("mlflow",), "train --log mlflow"),
}


def python() -> Iterator[Check]:
    """The program and its Python."""
    yield ok("handsss", f"{__version__} in {_folder()}")
    name = f"{platform.python_version()} at {sys.executable}"
    if OLDEST <= sys.version_info[:2] < TOO_NEW:
        yield ok("python", name)
    else:
        yield problem("python", name, "Python 3.11 to 3.13 is needed: make an environment with one.")


def torch() -> Iterator[Check]:
    """torch and the devices that it can use."""
    start = time.perf_counter()
    module, check = _imported("torch", "torch", "pip install 'torch>=2.6,<3'")
    if module is None:
        yield check
        return
    yield ok("torch", f"{module.__version__}, imported in {time.perf_counter() - start:.1f} s")
    built = module.version.cuda
    if module.cuda.is_available():
        cards = ", ".join(module.cuda.get_device_name(index) for index in range(module.cuda.device_count()))
        yield ok("device", f"cuda ({cards}; CUDA {built})")
    elif built is None:
        yield ok("device", "cpu (this torch is built without CUDA)")
    else:
        yield note("device", f"cpu: torch is built for CUDA {built}, but finds no GPU", "Look at nvidia-smi's driver.")


def libraries() -> Iterator[Check]:
    """numba, LiteRT, and the rest of what is needed."""
    module, check = _imported("numba", "numba", "pip install -U numba numpy")
    yield check if module is None else ok("numba", str(module.__version__))
    module, check = _imported("ai_edge_litert.interpreter", "litert", "pip install 'ai-edge-litert>=2.0,<3'")
    yield check if module is None else ok("litert", f"ai-edge-litert {_version('ai-edge-litert')}")
    missing = [name for name, module_name in REQUIRED.items() if not is_installed(module_name)]
    if missing:
        yield problem("libraries", f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    else:
        yield ok("libraries", ", ".join(f"{name} {_version(name)}" for name in REQUIRED))


def extras() -> Iterator[Check]:
    """Optional packages, by the name of the extra that brings them."""
    for name, (modules, purpose) in EXTRAS.items():
        missing = [module for module in modules if not is_installed(module)]
        if missing:
            text = f"{', '.join(missing)} not installed: {purpose} cannot be used"
            yield note(f"extra {name}", text, f"If you need it: pip install 'handsss[{name}]'")
        else:
            yield ok(f"extra {name}", f"installed: {purpose}")


def is_installed(module: str) -> bool:
    """Whether a module can be found, without importing it."""
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _imported(module: str, name: str, install: str) -> tuple[ModuleType | None, Check]:
    try:
        return importlib.import_module(module), ok(name, "")
    except ModuleNotFoundError as error:
        return None, problem(name, f"not installed ({reason(error)})", install)
    except Exception as error:  # a library of the system that is missing, a version that does not fit
        return None, problem(name, f"cannot be imported: {reason(error)}", f"Reinstall it: {install}")


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "(unknown version)"


def _folder() -> str:
    return __file__.rpartition("doctor")[0].rstrip("/\\")
