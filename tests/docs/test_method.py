"""What docs/method.md and docs/architecture.md cite exists: files, names in them, settings and their values."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from pathlib import Path

import pytest

from handsss.training.config import TrainConfig
from handsss.training.objective import LossWeights
from tools import draw_architecture

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
CITE = re.compile(r"`(handsss/[\w/]+\.py)(?:::([\w.]+))?`|`(handsss/[\w/]+/)`")
SECTIONS = [field.name for field in fields(TrainConfig)]
SETTING = re.compile(rf"`({'|'.join(SECTIONS)})\.(\w+)(?:=[^`]*)?`")


def names_in(path: Path) -> set[str]:
    """What a file defines at its top: functions, classes, their methods, and constants."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def missing(text: str) -> list[str]:
    """Cites of a text whose file or name is not there."""
    wrong = []
    for match in CITE.finditer(text):
        file, name, folder = match.groups()
        if folder:
            exists = (ROOT / folder).is_dir()
        else:
            exists = (ROOT / file).is_file() and (name is None or name in names_in(ROOT / file))
        if not exists:
            wrong.append(match.group(0))
    return wrong


@pytest.mark.parametrize("page", PAGES)
def test_cited_files_and_names_exist(page: str) -> None:
    assert missing((DOCS / page).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", *(f"docs/{page}" for page in PAGES)])
def test_named_files_exist(page: str) -> None:
    named = re.findall(r"\b(?:tests|tools|benchmarks|handsss)/[\w/]*\.py", (ROOT / page).read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("page", PAGES)
def test_cited_settings_exist(page: str) -> None:
    known = {section: {f.name for f in fields(getattr(TrainConfig(), section))} for section in SECTIONS}
    cited = SETTING.findall((DOCS / page).read_text(encoding="utf-8"))
    assert [f"{section}.{key}" for section, key in cited if key not in known[section]] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("reference/")])
def test_documented_modules_and_names_exist(page: str) -> None:
    for cite in re.findall(r"^::: (handsss[\w.]+)$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE):
        parts = cite.split(".")
        module, name = ROOT.joinpath(*parts).with_suffix(".py"), ROOT.joinpath(*parts[:-1]).with_suffix(".py")
        assert module.is_file() or (name.is_file() and parts[-1] in names_in(name)), cite


def test_a_wrong_cite_is_found() -> None:
    good = "`handsss/losses/e_s.py::e_s` and `handsss/losses/`"
    bad = "`handsss/losses/e_s.py::nothing`, `handsss/nowhere.py`, `handsss/nowhere/`"
    assert missing(good) == [] and len(missing(bad)) == 3


def test_method_cites_every_equation_table_and_figure() -> None:
    text = (DOCS / "method.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and CITE.search(line)]
    assert len(CITE.findall(text)) > 60
    for what in ("equation 1, 2", "equation 3", "equation 4", "equation 5", *(f"table {n}" for n in range(1, 6))):
        assert any(row.startswith(f"| {what} |") for row in rows), what
    for figure in ("figure 1", "figure 2", "figures 3, 4, 5", "figure 6"):
        assert any(row.startswith(f"| {figure} |") for row in rows), figure
    for term in (path.stem for path in (ROOT / "handsss/losses").glob("e_*.py")):
        assert f"`handsss/losses/{term}.py::{term}`" in text, term


def test_every_term_that_a_run_shows_is_described() -> None:
    text = (DOCS / "method.md").read_text(encoding="utf-8").partition("## Losses")[2]
    shown = set(re.findall(r'"(E_\w+)"', (ROOT / "handsss/training/objective.py").read_text(encoding="utf-8")))
    assert len(shown) > 12 and "E_heatmap" in shown
    rows = " ".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| E_"))
    assert {term for term in shown if not re.search(rf"\b{term}\b", rows)} == set()


def test_weights_are_those_of_the_code() -> None:
    text = (DOCS / "method.md").read_text(encoding="utf-8")
    table = dict(re.findall(r"^\| [^|]+ \| `losses\.(\w+)` \| ([\d.]+) \|", text, re.MULTILINE))
    assert len(table) == 13
    for name, value in table.items():
        assert float(value) == getattr(LossWeights(), name), name


def test_joint_limits_are_those_of_the_code() -> None:
    from handsss.hand.limits import MANO_LIMITS_DEG

    text = (DOCS / "method.md").read_text(encoding="utf-8").partition("### Joint limits")[2].partition("## Sched")[0]
    table = re.findall(r"^\| [^|]+ \| (\S+), (\S+) \| (\S+), (\S+) \| (\S+), (\S+) \|$", text, re.MULTILINE)
    printed = {tuple((float(row[i]), float(row[i + 1])) for i in (0, 2, 4)) for row in table}
    assert printed == {tuple((float(a), float(b)) for a, b in bone) for bone in MANO_LIMITS_DEG}


def test_the_picture_of_the_folders_is_of_these_imports() -> None:
    graph = draw_architecture.folders()
    text = (DOCS / "images" / "architecture.svg").read_text(encoding="utf-8")
    drawn = set(re.findall(r'data-from="(\w+)" data-to="(\w+)"', text))
    wanted = {(node, target) for node, targets in draw_architecture.reduced(graph).items() for target in targets}
    assert drawn == wanted, "run: python -m tools.draw_architecture"
    for node in graph:
        assert f">{node}</text>" in text and node in draw_architecture.ROLE, node
