"""Settings of a training: TOML files and ``section.key=value``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import tomli_w
from numpy.random import Generator

from handsss.training.config import PRESETS, resolve, to_toml
from handsss.training.schedule import stages_of
from tests.fuzz.mutate import mutated_bytes
from tests.fuzz.target import Check, Draw, Target

_VALUES = (
    *("0", "-1", "1e400", "nan", "inf", "-inf", "true", '""', "'a'", "[", "]", "{}", "[]", "1979-05-27", "0x10", "1_0"),
    *(
        "99999999999999999999999999",
        "[a,b]",
        "[keypoints,keypoints]",
        "end-to-end",
        "[end-to-end]",
        "\ud800",
        "\0",
        "=",
    ),
    *("[" * 5000, "{a=" * 3000, "9" * 5000, '"""', "1\nx = 2", "# a", "[[]]", "1.5", "efficientnet-b3", "x" * 5000),
)


def prepare(folder: Path) -> Draw:
    path = folder / "a.toml"
    texts = [to_toml(config) for config in PRESETS.values()]
    sections = {name: list(values) for name, values in _tables(texts[0]).items()}
    sections["watch"] = ["log_every"]

    def word(rng: Generator) -> str:
        section = str(rng.choice(list(sections)))
        key = str(rng.choice(sections[section]))
        name = f"{section}.{key}" if rng.random() < 0.9 else str(rng.choice(["", ".", "a", "a.b.c", f"{section}."]))
        return name + str(rng.choice(["=", " = ", ""], p=[0.8, 0.15, 0.05])) + str(rng.choice(_VALUES))

    def lines(rng: Generator) -> str:
        text = str(rng.choice(texts)).splitlines()
        for _ in range(int(rng.integers(1, 5))):
            at = int(rng.integers(len(text)))
            key, equals, _ = text[at].partition("=")
            choice = str(rng.choice(_VALUES))
            text[at] = f"{key}= {choice}" if equals else str(rng.choice(["[a]", "x = 1", "[losses.a]", "", "[network"]))
        return "\n".join(text)

    def draw(rng: Generator) -> Check:
        way = rng.random()
        given: tuple[str, ...] = ()
        file: Path | None = path
        if way < 0.4:
            given, file = tuple(word(rng) for _ in range(int(rng.integers(1, 4)))), None
        elif way < 0.7:
            path.write_bytes(lines(rng).encode("utf-8", "surrogatepass"))
        else:
            path.write_bytes(mutated_bytes(str(rng.choice(texts)).encode(), rng))
        preset = str(rng.choice(["small", "full"]))

        def check() -> None:
            config = resolve(preset, file, given, note=lambda text: None)
            again = resolve(preset, None, (), note=lambda text: None)
            assert type(config) is type(again)
            _plain(_tables(to_toml(config)))
            rows, schedule = 1000, config.schedule
            stages_of(config.stage_settings(), rows=rows, batch=schedule.batch, steps=schedule.steps)

        return check

    return draw


def _tables(text: str) -> dict[str, Any]:
    import tomllib

    return tomllib.loads(text)


def _plain(content: dict[str, Any]) -> None:
    """Settings that were accepted hold no numbers that no run can use."""
    for section, values in content.items():
        for key, value in values.items():
            assert not (isinstance(value, float) and not math.isfinite(value)), f"{section}.{key} = {value}"
    json.dumps(content)
    tomli_w.dumps(content)


TARGET = Target(prepare, count=3000)
