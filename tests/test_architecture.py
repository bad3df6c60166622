"""The house: floors import downwards only, and help answers without the heavy libraries."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import handsss

ROOT = Path(handsss.__file__).parent
FLOORS = {
    **dict.fromkeys(("geometry", "io", "hand"), 0),
    **dict.fromkeys(("visualize", "mesh_io", "network", "losses", "detect", "rendering"), 1),
    **dict.fromkeys(("fitting", "data", "reconstruction", "training", "evaluation"), 2),
    "cli": 3,
}


def imports(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module)
    return modules


def test_imports_go_down() -> None:
    seen = 0
    for path in ROOT.rglob("*.py"):
        floor = path.relative_to(ROOT).parts[0]
        for module in imports(path):
            parts = module.split(".")
            if parts[0] == "handsss" and len(parts) > 1 and floor in FLOORS and parts[1] in FLOORS:
                seen += 1
                assert FLOORS[parts[1]] <= FLOORS[floor], f"{path}: {floor} imports {module} from a floor above"
    assert seen > 50


def test_every_folder_has_a_floor() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert folders <= set(FLOORS)
    assert {"hand", "geometry", "rendering", "detect", "reconstruction", "cli"} <= folders


def test_geometry_knows_nothing_of_hands() -> None:
    for path in (ROOT / "geometry").glob("*.py"):
        assert not any(module.startswith("handsss.hand") for module in imports(path)), path


def test_files_stay_readable() -> None:
    for path in ROOT.rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 320, path


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("reconstruct", "--intrinsics"),
        ("preprocess freihand", "--keypoints"),
        ("synthesize", "--backgrounds"),
        ("evaluate", "--predictions"),
        ("paper table5", "--data"),
        ("train", "--weights"),
        ("export onnx", "--opset"),
        ("export weights", "--licence"),
        ("info weights", "handsss-open-b0"),
    ],
)
def test_help_loads_no_heavy_library(command: str, option: str) -> None:
    code = (
        "import sys\n"
        "from handsss.cli.main import run\n"
        f"try:\n    run({command.split()} + ['--help'])\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "heavy = {'torch', 'numba', 'scipy', 'numpy', 'matplotlib', 'h5py', 'trimesh'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert option in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.jpg"], "absent.jpg: no such file"),
        (["empty.jpg"], "empty.jpg: the file is empty"),
        (["absent.jpg", "-o", "hand.xyz"], "xyz"),
        (["absent.jpg", "--intrinsics", "1,2"], "expected fx,fy,cx,cy"),
        (["absent.jpg", "--keypoints", "none.json"], "none.json: no such file"),
    ],
)
def test_mistakes_are_told_before_heavy_libraries_are_loaded(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    code = (
        "import sys\n"
        "from handsss.cli.main import run\n"
        f"try:\n    run({['reconstruct', *arguments]})\n"
        "except SystemExit as end:\n    assert end.code in (1, 2), end.code\n"
        "heavy = {'torch', 'numba', 'scipy', 'matplotlib', 'h5py', 'trimesh'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert message in " ".join(done.stderr.split())
