"""HTML from Jinja2 templates. Every value is escaped, unless it is marked as markup."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


@lru_cache(maxsize=4)
def _environment(package: str) -> Environment:
    return Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(package: str, template: str, **values: Any) -> str:
    """Render a template of a package's folder ``templates``.

    Args:
        package: dotted name.
        template: its file name.
        values: its variables; a missing one raises :class:`jinja2.UndefinedError`.
    """
    return _environment(package).get_template(template).render(**values)
