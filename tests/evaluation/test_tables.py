"""Tables as markdown, CSV, HTML, and on the terminal."""

from __future__ import annotations

from importlib.resources import files

import jinja2
import pytest

from handsss.evaluation.tables import Table, html, markdown, number
from handsss.io.html import render

STRANGE = Table("<T>", ["a|b", "c"], [["x\ny", "1.0"], ["<script>alert(1)</script>", "–"]], ["note <i>"])


def test_tables_as_markdown() -> None:
    table = Table("T", ["a|b", "c"], [["x\ny", "1.0"], ["<b>", "–"]], ["note <i>"])
    assert markdown(table) == "## T\n\n| a\\|b | c |\n|---|---:|\n| x y | 1.0 |\n| &lt;b> | – |\n\nnote &lt;i>\n"
    assert number(None, 2) == number(float("inf"), 2) == "–"
    assert number(1.005, 1) == "1.0"


def test_tables_as_html_are_escaped() -> None:
    text = html(STRANGE)
    assert "<script" not in text and "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<caption>&lt;T&gt;</caption>" in text and "note &lt;i&gt;" in text
    assert "<details>" not in text
    long = html(Table("T", ["a"], [["x"]] * 9))
    assert "<details><summary>T</summary>" in long and "<caption>" not in long
    assert long.count("<tr>") == 10


def test_templates_are_in_the_package() -> None:
    folder = files("handsss.evaluation") / "templates"
    names = {entry.name for entry in folder.iterdir()}
    assert {"report.html.j2", "table.html.j2", "report.css"} <= names
    with pytest.raises(jinja2.UndefinedError):
        render("handsss.evaluation", "table.html.j2", folded=False)
