"""The guide from FreiHAND's download to a row of the table: every command, on 64 pictures in FreiHAND's layout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from handsss.cli.main import run
from tests.docs.test_code_blocks import SAMPLE, commands, page_blocks
from tests.mano_files import Arrays, WriteMano

PAGE = "docs/guides/freihand-day.md"
# A step of each stage, and a network that one process can train: what the commands say stays as it is.
SHORT = [
    *("--steps", "6", "--batch", "4", "--no-tensorboard", "--device", "cpu"),
    *("--set", "network.encoder=efficientnet-b0", "--set", "network.features=16", "--set", "network.modules=1"),
    *("--set", "logging.validate_rows=8", "--set", "logging.picture_rows=2", "--set", "logging.collapse=false"),
]


def handsss(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as end:
        run(arguments)
    return int(end.value.code or 0)


@pytest.mark.slow
def test_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_mano: WriteMano, handlike_mano: Arrays
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HANDSSS_MANO", str(write_mano("right", arrays=handlike_mano, folder=tmp_path / "mano").parent))
    shutil.copy(SAMPLE, tmp_path / "photo.jpg")
    assert handsss(["synthesize", "-n", "64", "--eval", "16", "-o", "FreiHAND_pub_v2", "--quiet"]) == 0
    lines = [line for block in page_blocks(PAGE) for line in commands(block.code)]
    assert len(lines) >= 14
    for line in lines:
        more = ["--steps", "8"] if "--resume" in line else SHORT  # a finished run goes on where it is lengthened
        assert handsss([*line, *more] if line[0] == "train" else line) == 0, line
    table = json.loads((tmp_path / "paper" / "table4.json").read_text(encoding="utf-8"))
    assert "ours" in json.dumps(table)
    for name in ("report/report.html", "report-raw/metrics.json", "pred.zip", "hand.obj"):
        assert (tmp_path / name).stat().st_size > 0, name
    aligned = json.loads((tmp_path / "report" / "metrics.json").read_text(encoding="utf-8"))["aligned"]
    assert 0 < aligned["mpjpe_mm"] < 60
