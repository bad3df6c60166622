"""The README's figures are those of docs/results and docs/benchmarks, and its links lead somewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def result(path: str) -> Any:
    return json.loads((ROOT / "docs" / path).read_text(encoding="utf-8"))


def test_accuracy_and_time() -> None:
    aligned = result("results/training_small_evaluation.json")["aligned"]["mpjpe_mm"]
    assert f"[{aligned:.1f} mm aligned MPJPE]" in README
    start = result("results/training_small.json")["validation"][0]["aligned_mpjpe_mm"]
    assert f"{start:.1f} to [" in README
    photo = {
        row["what"]: row["median_ms"] / 1000
        for row in result("benchmarks/cpu.json")["photo"]["rows"]
        if "median_ms" in row
    }
    assert f"[{photo['one photo in a running process']:.2f} s a photo]" in README
    assert f"{photo['handsss reconstruct PHOTO, new process']:.1f} s with the start" in README


def test_masks_and_scoring() -> None:
    silhouettes = result("results/prediction_photos.json")["with handsss-open-lite0 (default)"][1]
    assert f"IoU {silhouettes['mask_iou_mean']:.2f} with {silhouettes['found']} [hand-drawn masks]" in README
    scoring = result("results/evaluation.json")
    assert f"{scoring['frames']:,} frames in [{scoring['seconds_in_all']['processor']:.0f} s]" in README


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith("http"):
            assert (ROOT / target.partition("#")[0]).exists(), target


def test_what_is_not_measured_is_said() -> None:
    text = " ".join(README.replace("**", "").split())
    assert "Nothing has been run on a GPU yet" in text and "Triton's interpreter only" in text
    assert "FreiHAND and HO-3D themselves" in text


def test_pictures_of_others_are_named() -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    for name in ("C16.jpg", "F15.jpg", "V19.jpg", "L22.jpg", "Q4.jpg", "handsss/samples/nocurl.jpg"):
        assert name in notice
    assert (ROOT / "docs/images/gallery.jpg").stat().st_size < 400_000
