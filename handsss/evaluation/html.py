"""HTML from the package's Jinja2 templates. Every value is escaped, unless it is marked as markup."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("handsss.evaluation", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, **values: Any) -> str:
    """Render a template of ``handsss/evaluation/templates``.

    Args:
        template: its file name.
        values: its variables; a missing one raises :class:`jinja2.UndefinedError`.
    """
    return _environment().get_template(template).render(**values)
