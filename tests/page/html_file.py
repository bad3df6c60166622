"""A page as a browser reads it: elements, texts, and what it would fetch."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "link", "img", "br", "input", "hr"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class HtmlFile(HTMLParser):
    """``elements`` in their order; ``text`` of an element without its children's."""

    content: str
    elements: list[Element] = field(default_factory=list)
    _open: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.feed(self.content)
        self.close()

    @classmethod
    def of(cls, content: bytes) -> HtmlFile:
        return cls(content.decode("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self._open.append(self.elements[-1])

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if self._open:
            self._open[-1].text += data

    def all(self, tag: str, **attributes: str) -> list[Element]:
        wanted = attributes.items()
        return [one for one in self.elements if one.tag == tag and wanted <= one.attributes.items()]

    def one(self, tag: str, **attributes: str) -> Element:
        (found,) = self.all(tag, **attributes)
        return found

    def model(self) -> Any:
        """What the 3D view shows."""
        return json.loads(self.one("script", type="application/json").text)

    def check_self_contained(self) -> None:
        """Every address lies in the file, no element loads or sends, and the policy allows these scripts alone."""
        for element in self.elements:
            assert element.tag not in {"iframe", "object", "embed", "base", "form", "audio", "video", "source"}
            for name, value in element.attributes.items():
                assert not name.startswith("on"), f"{element.tag} runs {name}"
                if name in ("src", "srcset", "href", "poster", "data", "action"):
                    link = element.tag == "a" and not re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//", value)
                    relative = link or value.startswith("#")
                    assert value.startswith("data:image/jpeg;base64,") or relative, f"{element.tag} {name}={value[:80]}"
            if element.tag == "style":
                assert "url(" not in element.text and "@import" not in element.text
        policy = self.one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"]
        rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
        assert rules["default-src"] == "'none'" and rules["img-src"] == "data:"
        run = [one.text for one in self.all("script") if "type" not in one.attributes]
        assert rules["script-src"].split() == [_digest(text) for text in run] and len(run) == 3
        if rules["style-src"] != "'unsafe-inline'":
            assert rules["style-src"] == _digest(self.one("style").text)
            assert not any("style" in one.attributes for one in self.elements)


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
