"""The benchmarks' own parts: what stands beside the package computes the same, and the page says what was measured."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))


@pytest.mark.parametrize("pivot", ["origin", "wrist"])
def test_the_textbook_layer_is_the_same_hand(pivot: Any) -> None:
    from baselines import TextbookLayer

    layer = HandLayer(load_model("open"), flat_hand_mean=True, pivot=pivot)
    generator = torch.Generator().manual_seed(0)
    sizes = {"axis_angle": 45, "shape": 10, "rotation": 3, "translation": 3, "scale": 1}
    inputs = {name: torch.randn(3, n, generator=generator) * 0.4 for name, n in sizes.items()}
    ours, theirs = layer(**inputs), TextbookLayer(layer)(**inputs)
    for name in ("vertices", "joints", "transforms"):
        torch.testing.assert_close(getattr(theirs, name), getattr(ours, name), atol=2e-6, rtol=1e-5)


def test_contenders_take_turns_and_slow_ones_stop_early() -> None:
    from measuring import measure

    calls: list[str] = []

    def slow() -> None:
        calls.append("slow")
        time.sleep(0.02)

    fast, late = measure({"fast": lambda: calls.append("fast"), "slow": slow}, "cpu", repeats=10, seconds=0.03)
    assert (fast.repeats, late.repeats) == (10, 2)
    assert late.median_ms < 15  # sleep is not the process' own time
    timed = calls[8:]  # after warming up and looking at the memory
    assert timed[:4] == ["fast", "slow", "fast", "slow"]
    assert timed.count("slow") == 2


def test_peak_memory_is_what_a_call_holds_at_most() -> None:
    from measuring import peak_memory

    peak = peak_memory(lambda: torch.zeros(10_000_000).sum(), "cpu")
    assert peak is None or 38 < peak < 60


def test_the_released_soft_argmax_reads_the_same_peak() -> None:
    from released_variants import fine_soft_argmax

    from handsss.network.hourglass import soft_argmax

    cells = torch.arange(64) + 0.5
    centre = torch.tensor([[20.3, 41.9], [33.0, 12.2]])[None, None]  # cells
    x, y = ((cells - centre[..., n, None]).square() / 8 for n in (0, 1))
    heat = -(y[..., :, None] + x[..., None, :])
    for read in (soft_argmax, fine_soft_argmax):
        torch.testing.assert_close(read(heat), 4 * centre, atol=0.02, rtol=0)


def test_the_page_has_every_figure_of_its_file(tmp_path: Path) -> None:
    import page

    machine = {"processor": "P", "cores": 2, "system": "S", "python": "3", "packages": {"torch": "2", "smplx": None}}
    facts = {"machine": machine, "when": "2026-01-01", "load_before": 0.1}
    timing = {"least_ms": 7.0, "p90_ms": 9.0, "repeats": 3, "peak_mb": 12.5, "count": 4, "floor_ms": 2.0}
    rows = [
        {"what": "forward", "contender": "handsss", "median_ms": 8.0} | timing,
        {"what": "forward", "contender": "smplx", "median_ms": 24.0} | timing,
    ]
    curves = [
        {"what": name, "value": value, "median_ms": float(value ** (2 if name == "size" else 1)), "count": 1}
        for name in ("batch", "faces", "size", "layer")
        for value in (1, 2, 4)
    ]
    loader = [{"contender": "handsss", "what": "2 workers", "a_second": 321.5}]
    figures = tmp_path / "benchmarks" / "cpu.json"
    figures.parent.mkdir()
    parts = {"layer": rows, "growth": curves, "loader": loader}
    figures.write_text(json.dumps({name: facts | {"rows": content} for name, content in parts.items()}))
    page.write(figures, tmp_path)
    text = (tmp_path / "lab" / "benchmarks.md").read_text()
    assert "| forward | handsss | 4 | 2 | 1.75 | 2.25 | 1 | 0.5 | 12.5 |" in text
    assert "| forward | smplx | 4 | 6 | 1.75 | 2.25 | 3 | 0.5 | 12.5 |" in text
    assert "| 2 workers | 321.5 |" in text
    assert "- faces: 1.00 from 2 to 4" in text
    assert "- pixels: 1.00 from 4 to 16" in text
    assert "[cpu.json](../benchmarks/cpu.json)" in text
    assert "torch 2; 2026-01-01; load before the parts 0.1" in text
    assert (tmp_path / "images" / "growth_cpu.png").stat().st_size > 10_000


def test_the_papers_claims_are_tabled_from_files_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import reproduction_page as page

    monkeypatch.setattr(page, "DOCS", tmp_path)
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "reproduction.md").write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n")
    kept = tmp_path / "results" / "reproduction"
    kept.mkdir(parents=True)
    figures = {
        "stages": [{"name": "shape", "steps": 2000}, {"name": "finetune", "steps": 400}],
        "aligned": {"mpjpe_mm": 12.345, "mpvpe_mm": 11.0, "auc_j": 0.7654, "f5": 0.5, "f15": 0.9},
        "validations": [{"step": 0, "aligned_mpjpe_mm": 16.2}, {"step": 320, "aligned_mpjpe_mm": 12.5}],
        "raw": {"mpjpe_mm": 101.26, "mpvpe_mm": 100.0},
        "keypoints_2d": {"projected": {"per_joint": 0.812}},
    }
    (kept / "bones.json").write_text(json.dumps(figures))
    page.write_page()
    text = (tmp_path / "lab" / "reproduction.md").read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    row = "12.35 / 11.00 | 101.3 / 100.0 | 0.765 | 0.500 / 0.900 | 0.812 |  | 2,400 |"
    assert f"| [joints, regularisers, bone directions](../results/reproduction/bones.json) | {row}" in text
    assert "| joints, regularisers, bone directions | 1.23 / 1.10 | 1.24 / 1.26 |" in text
    assert text.count("not run") == len(page.ROWS) - 1 + len(page.LOSSES_IN_TURN) - 1 + 2 * len(page.SPACES)
    assert "reproduction.png" in text and (tmp_path / "images" / "reproduction.png").stat().st_size > 10_000
    names = {path.stem for path in (Path(__file__).parents[1] / "docs" / "results" / "reproduction").glob("*.json")}
    assert names <= set(page.ROWS)


def test_the_papers_claims_begin_where_they_share_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import reproduction

    began: dict[str, str] = {}

    def fake(threads: int, command: str, *words: object) -> None:
        text = [str(word) for word in words]
        if command == "evaluate":
            return
        folder = Path(text[text.index("--out") + 1])
        weights = text[text.index("--weights") + 1] if "--weights" in text else ""
        assert not weights or Path(weights).exists(), "began before the run that it begins with was done"
        began[folder.name] = Path(weights).parent.name
        folder.mkdir(parents=True)
        steps = int(text[text.index("--steps") + 1])
        (folder / "metrics.jsonl").write_text(json.dumps({"kind": "validation", "step": steps, "mpjpe_mm": 9.0}))
        (folder / "run.json").write_text(json.dumps({"stages": [{"name": folder.name, "steps": steps}]}))
        for name in ("latest.pt", "final.pt"):
            (folder / name).write_text("")

    monkeypatch.setattr(reproduction, "handsss", fake)
    monkeypatch.setattr(reproduction, "score", lambda series, run: None)
    monkeypatch.setattr(reproduction, "write_page", lambda: None)
    series = reproduction.Series(tmp_path / "t.h5", tmp_path / "e.h5", tmp_path / "runs", 12, 4, 6, 1)
    reproduction.make(series, reproduction.with_beginnings(["bones", "mano-cnn-fsl"]), 2, 2)
    assert began == {
        "start": "",
        "keypoints": "start",
        "mano-cnn-fsl": "start",
        "shape-ssl": "keypoints",
        "bones": "shape-ssl",
    }
    stages = reproduction.stages_of(series, reproduction.BY_NAME["bones"])
    assert [(stage["name"], stage["steps"]) for stage in stages] == [
        ("start", 4),
        ("keypoints", 6),
        ("shape-ssl", 10),
        ("bones", 2),
    ]
    on_the_way = reproduction.validations_of(series, reproduction.BY_NAME["bones"])
    assert [(one["run"], one["step"]) for one in on_the_way] == [
        ("start", 4),
        ("keypoints", 10),
        ("shape-ssl", 20),
        ("bones", 22),
    ]
    assert [path.name for path in sorted((tmp_path / "runs").iterdir())] == ["bones", "mano-cnn-fsl"]


def test_runs_over_photos_are_compared_photo_by_photo(tmp_path: Path) -> None:
    import photos

    def rows(name: str, *rows: tuple[str, float | None, float | None]) -> Path:
        (tmp_path / name).mkdir()
        content = [
            {"image": image, "found": error is not None}
            | ({} if error is None else {"reprojection_of_box": error})
            | ({} if overlap is None else {"mask_iou": overlap})
            for image, error, overlap in rows
        ]
        (tmp_path / name / "rows.json").write_text(json.dumps(content))
        return tmp_path / name

    ours = rows("ours", ("a", 0.01, 0.9), ("b", 0.02, 0.5), ("c", None, None), ("d", 0.01, None), ("e", 0.01, 0.8))
    theirs = rows("theirs", ("a", 0.02, 0.8), ("b", 0.01, 0.6), ("c", 0.01, 0.9), ("d", 0.03, 0.7))
    # a is better in both, b in neither; c was found once, d has one mask, e was not in the other run.
    assert photos.compared(ours, theirs) == {
        "keypoints_nearer": 2,
        "keypoints_nearer_of": 3,
        "mask_overlap_larger": 1,
        "mask_overlap_larger_of": 2,
    }
