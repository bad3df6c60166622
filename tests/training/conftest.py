"""Eight synthetic hands in a store, with true keypoints."""

from __future__ import annotations

from pathlib import Path

import pytest

from handsss.data.keypoints.sources import TruthSource
from handsss.data.preprocess import PreprocessOptions, preprocess
from handsss.data.readers.freihand import open_freihand
from handsss.data.synthetic.generate import SynthesizeOptions, settings_of, synthesize

# A network and a run that take a second a step.
TINY = (
    "network.stacks=1",
    "network.features=16",
    "network.modules=1",
    "network.encoder=efficientnet-b0",
    "schedule.batch=2",
    "logging.validate_rows=2",
    "logging.picture_rows=2",
    "logging.log_every=1",
)


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Training and evaluation data of eight and four hands."""
    folder = tmp_path_factory.mktemp("open")
    synthesize(folder / "hands", SynthesizeOptions(8, 4, settings_of(0, None, clean=True)))
    made = []
    for split in ("training", "evaluation"):
        target = folder / f"freihand_{split}.h5"
        preprocess(open_freihand(folder / "hands", split), TruthSource("freihand"), target, PreprocessOptions())
        made.append(target)
    return made[0], made[1]
