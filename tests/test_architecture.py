"""The house: imports go down only, no circle anywhere, and help answers without the heavy libraries."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

import handsss

ROOT = Path(handsss.__file__).parent
FLOORS = (
    ("errors", "version"),
    ("geometry", "hand", "io"),
    ("visualize", "mesh_io", "page", "network", "losses", "detect", "rendering"),
    ("fitting", "data", "reconstruction", "training", "evaluation"),
    ("api", "app", "doctor"),
    ("cli",),
    ("__main__",),
)
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}
Graph = dict[str, set[str]]


def modules_of(root: Path) -> dict[str, Path]:
    """Every module of the package, by its dotted name; the public face, which hands out all others, is left out."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        name = ".".join((root.name, *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__")
        if name != root.name:
            found[name] = path
    return found


def imports_of(path: Path, known: Iterable[str]) -> set[str]:
    """The package's modules that a file imports: anywhere in it, and for types alone, too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{path}:{node.lineno}: a relative import"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    # Of `from package import module` only the module counts: a package's face may name what lies in it.
    found &= set(known)
    return {name for name in found if not any(other.startswith(f"{name}.") for other in found)}


def graph_of(root: Path) -> Graph:
    modules = modules_of(root)
    return {name: imports_of(path, modules) - {name} for name, path in modules.items()}


def folders_of(graph: Graph) -> Graph:
    """The same between the package's folders (and the files that lie beside them)."""
    folders: Graph = {}
    for name, targets in graph.items():
        own = name.split(".")[1]
        folders.setdefault(own, set()).update(part for t in targets if (part := t.split(".")[1]) != own)
    return folders


def circles(graph: Graph) -> list[list[str]]:
    """Groups of nodes that reach each other (Tarjan's strongly connected components of more than one node)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in sorted(graph.get(node, ())):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def test_imports_go_down() -> None:
    seen = 0
    for name, targets in graph_of(ROOT).items():
        for target in targets:
            own, other = name.split(".")[1], target.split(".")[1]
            seen += own != other
            assert FLOOR_OF[other] <= FLOOR_OF[own], f"{name} imports {target} from a floor above"
    assert seen > 200


def test_no_circle_between_files_or_folders() -> None:
    graph = graph_of(ROOT)
    assert len(graph) > 200
    assert circles(graph) == []
    assert circles(folders_of(graph)) == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"hand/a.py": "from house.hand.b import x", "hand/b.py": "def f():\n    import house.hand.a"}, "house.hand.a"),
        (
            {"io/a.py": "from house.io import b", "io/b.py": "if TYPE_CHECKING:\n    from house.io.a import x"},
            "house.io.a",
        ),
        (
            {"io/a.py": "import house.hand.b", "io/c.py": "", "hand/b.py": "", "hand/d.py": "from house.io import c"},
            "io",
        ),
    ],
)
def test_a_planted_circle_is_found(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    for name, text in files.items():
        path = tmp_path / "house" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text)
    graph = graph_of(tmp_path / "house")
    found = circles(graph) + circles(folders_of(graph))
    assert len(found) == 1 and expected in found[0]


def test_every_folder_has_a_floor() -> None:
    folders = {name.split(".")[1] for name in modules_of(ROOT)}
    assert folders == set(FLOOR_OF)


def test_geometry_knows_nothing_of_hands() -> None:
    graph = graph_of(ROOT)
    for name in graph:
        if name.startswith("handsss.geometry."):
            assert not any(target.startswith("handsss.hand") for target in graph[name]), name


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
        ("info weights", "handsss-open-lite0"),
        ("doctor", "--json"),
        ("app", "--allow-remote"),
        ("demo", "--output"),
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
