"""The sample photo and a detector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import handsss
from handsss.detect.detector import HandDetector
from handsss.io.image import read_image

SAMPLE = Path(handsss.__file__).parent / "samples/nocurl.jpg"


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return read_image(SAMPLE).array


@pytest.fixture(scope="module")
def detector() -> HandDetector:
    return HandDetector()
