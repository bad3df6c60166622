"""What ``handsss reconstruct`` says of predictions that the keypoints contradict."""

from __future__ import annotations

import pytest

from handsss.cli.reconstruct_report import _contradiction


@pytest.mark.parametrize(
    ("off", "said"),
    [(0.12, ""), (0.12001, "12.1 %"), (0.1204, "12.1 %"), (0.1734, "17.4 %"), (None, "")],
)
def test_a_figure_that_is_not_believed_is_above_the_limit(off: float | None, said: str) -> None:
    note = _contradiction({"network": "n", "prediction_of_box": off})
    assert bool(note) == bool(said)
    assert said in note
