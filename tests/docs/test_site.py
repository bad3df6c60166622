"""The site builds without a warning and asks nothing of the network."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tools.docs_site.hooks import on_page_content

ROOT = Path(__file__).parents[2]
ASSETS = {
    "link": "href",
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "use": "href",
}
REMOTE = re.compile(r"(https?:)?//")


class Assets(HTMLParser):
    """Addresses that a browser asks for while it shows a page. Links that a reader may follow are none."""

    def __init__(self) -> None:
        super().__init__()
        self.remote: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        value = dict(attributes).get(ASSETS.get(tag, ""))
        if value and REMOTE.match(value):
            self.remote.append(f"<{tag} {value}>")


def remote_assets(html: str) -> list[str]:
    parser = Assets()
    parser.feed(html)
    return parser.remote


def test_remote_assets_are_found() -> None:
    page = (
        '<link href="https://fonts.example/a.css"><script src="//cdn.example/a.js"></script><a href="https://b/">b</a>'
    )
    assert len(remote_assets(page)) == 2
    assert remote_assets('<link href="assets/a.css"><img src="images/a.png">') == []


def test_paths_in_tables_break_at_slashes_alone() -> None:
    html = "<p><code>a/b.py::c</code></p><table><td><code>a/b.py::c</code></td></table>"
    broken = "<td><code>a/<wbr>b.py::<wbr>c</code></td>"
    assert on_page_content(html) == f"<p><code>a/b.py::c</code></p><table>{broken}</table>"


def test_comments_of_fields_are_shown_as_attributes(tmp_path: Path) -> None:
    griffe = pytest.importorskip("griffe")
    from tools.docs_site.docstrings import Docstrings

    (tmp_path / "fields.py").write_text(
        'class A:\n    """See :func:`f`."""\n\n    joints: int  # [B, 21, 3] metres, of :class:`A`\n    plain: str\n'
    )
    module = griffe.load("fields", search_paths=[tmp_path], extensions=griffe.load_extensions(Docstrings))
    assert module["A"].docstring.value == "See `f`.\n\nAttributes:\n    joints: [B, 21, 3] metres, of `A`"


@pytest.mark.slow
def test_the_site_is_built_strictly_and_stands_alone(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = sorted(tmp_path.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        assert remote_assets(page.read_text(encoding="utf-8")) == [], page
    for sheet in tmp_path.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet
    method = (tmp_path / "method.html").read_text(encoding="utf-8")
    assert "MANO_LIMITS_DEG" in method
    assert "e_loc" in (tmp_path / "reference" / "losses.html").read_text(encoding="utf-8")
