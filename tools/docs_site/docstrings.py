"""A griffe extension: docstrings as the site's API pages show them.

The comments behind a class' fields, where this package says shapes and units, become its table of attributes; the
roles of Sphinx (``:func:`name```) become plain code.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr):(`[^`]+`)")
_COMMENT = re.compile(r"^[^#]*?\s\s#\s(?P<text>.+)$")


class Docstrings(griffe.Extension):
    """Rewrites the docstrings of a package once it is loaded."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Rewrite all of them."""
        _rewrite(pkg)


def _rewrite(item: griffe.Object) -> None:
    if item.docstring is not None:
        item.docstring.value = _ROLE.sub(r"\1", item.docstring.value)
        if isinstance(item, griffe.Class):
            item.docstring.value += attributes(item)
    for member in item.members.values():
        if isinstance(member, griffe.Object):
            _rewrite(member)


def attributes(item: griffe.Class) -> str:
    """The section "Attributes" of a class from the comments behind its fields; empty if there are none, or if the
    docstring has one."""
    assert item.docstring is not None
    if "Attributes:" in item.docstring.value:
        return ""
    rows = []
    for name, member in item.members.items():
        if isinstance(member, griffe.Attribute) and not name.startswith("_") and member.lineno:
            comment = _COMMENT.match(item.lines_collection[item.filepath][member.lineno - 1])
            if comment:
                rows.append(f"    {name}: " + _ROLE.sub(r"\1", comment["text"]))
    return "\n\nAttributes:\n" + "\n".join(rows) if rows else ""
