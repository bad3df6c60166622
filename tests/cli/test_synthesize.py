"""The commands that ``handsss synthesize`` prints at its end."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from handsss.cli.synthesize import next_commands
from handsss.training.recipe import default_training_data
from handsss.training.run_data import validation_beside


def written_stores(commands: list[str]) -> list[Path]:
    """The stores that the preprocess commands write: -o, or the default name."""
    stores = []
    for words in map(shlex.split, commands):
        assert words[:3] == ["handsss", "preprocess", "freihand"] and words[3] == "my hands"
        split = words[words.index("--split") + 1] if "--split" in words else "training"
        name = words[words.index("-o") + 1] if "-o" in words else f"freihand_{split}.h5"
        stores.append(Path(name))
    return stores


@pytest.mark.parametrize("evaluation", [True, False])
def test_training_finds_what_the_commands_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, evaluation: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    *first, train = next_commands(Path("my hands"), evaluation=evaluation)
    stores = written_stores(first)
    assert len(stores) == 1 + evaluation
    for store in stores:
        store.touch()
    assert train == "handsss train --preset small"
    assert default_training_data() == stores[0]
    monkeypatch.setattr(
        "handsss.training.run_data.HandDataset", lambda path: type("Data", (), {"fields": ["joints_3d"]})
    )
    assert validation_beside(stores[0]) == (stores[1] if evaluation else None)

    *second, train = next_commands(Path("my hands"), evaluation=evaluation)  # the default names are taken now
    others = written_stores(second)
    assert not set(others) & set(stores)
    words = shlex.split(train)
    assert words[words.index("--data") + 1] == str(others[0])
    assert ("--val" in words) == evaluation
    assert not evaluation or words[words.index("--val") + 1] == str(others[1])
