"""A hook of the site's build: paths in tables may break after slashes and before names."""

from __future__ import annotations

import re
from typing import Any

_CELL = re.compile(r"<td\b.*?</td>", re.DOTALL)
_CODE = re.compile(r"<code>([^<]*)</code>")


def on_page_content(html: str, **_: Any) -> str:
    """The page's HTML with ``<wbr>`` in the code of its tables."""
    return _CELL.sub(lambda cell: _CODE.sub(_breakable, cell[0]), html)


def _breakable(code: re.Match[str]) -> str:
    return "<code>" + re.sub(r"(/|::)", r"\1<wbr>", code[1]) + "</code>"
