"""The report: all of it there, nothing asked of the network, nothing half-written, whatever names and notes hold."""

from __future__ import annotations

import io
import json
import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import trimesh

from handsss.errors import UserError
from handsss.evaluation.curves import Curve, Panel, draw, inline, keypoint_panels, space_panels
from handsss.evaluation.metric_tables import table_3d
from handsss.evaluation.metrics import LIMIT_2D, areas
from handsss.evaluation.pairing import PairedPredictions, score_pairs
from handsss.evaluation.protocols import PROTOCOLS
from handsss.evaluation.report import write_report
from handsss.evaluation.report.pictures import ranked
from handsss.evaluation.samples import Evaluation
from handsss.evaluation.tables import number
from handsss.page.shell import policy as viewer_policy
from handsss.page.shell import scripts
from tests.evaluation.makers import CAMERA, hands, noisy, samples
from tests.page.html_file import HtmlFile


def pixels(points: np.ndarray) -> np.ndarray:
    return (points / points[..., 2:] @ CAMERA.T)[..., :2]


def picture(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 255, (224, 224, 3), dtype=np.uint8)


class _Truth:
    """The part of GroundTruth that score_pairs reads."""

    def __init__(self, count: int) -> None:
        self.path, self.dataset, self.split, self.joints_set = Path("data.h5"), "freihand", "evaluation", "freihand"
        self.count = count

    def __len__(self) -> int:
        return self.count


def evaluation(count: int = 5, *, names: list[str] | None = None, whole: bool = True) -> Evaluation:
    """Hands that are worse the later they come; with keypoints and pictures, or joints alone."""
    made = hands(count)
    growing = np.linspace(0.001, 0.01, count)[:, None, None]
    joints = made.freihand + growing * noisy(np.zeros_like(made.freihand), 1.0)
    vertices = made.vertices + growing * noisy(np.zeros_like(made.vertices), 1.0, 2)
    found = samples(joints, made.freihand, vertices if whole else None, made.vertices if whole else None)
    if names is not None:
        found = replace(found, names=names)
    if whole:
        flat = pixels(made.freihand)
        keypoints = {"detector": noisy(flat, 3.0), "predicted": noisy(flat, 2.0), "projected": pixels(joints)}
        keypoints["detector"][0, 4] = np.nan
        sure = np.full((count, 21), 0.8)
        found = replace(found, keypoints=keypoints, true_keypoints=flat, crop=picture, confidence=sure)
    prepared = PairedPredictions(found, {"checkpoint": "runs/a/final.pt"}, "freihand, of the true mesh")
    truth: Any = _Truth(count)
    return score_pairs(prepared, truth, PROTOCOLS["freihand"], proper=False)


class Page(HTMLParser):
    """Everything of a page that could make a browser ask for something."""

    VOID = ("meta", "img", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def attributes(self) -> list[tuple[str, str]]:
        return [(name, value or "") for _, attrs in self.tags for name, value in attrs.items()]


ASKING = {"src", "href", "xlink:href", "srcset", "data", "action", "poster", "background", "ping", "formaction"}


def assert_self_contained(text: str) -> None:
    text = text.replace(str(scripts()), "")  # the viewer's own, which the policy names
    page = Page(text)
    assert not page.open
    assert all(
        attrs == {"type": "application/json", "id": attrs.get("id")} for tag, attrs in page.tags if tag == "script"
    )
    assert not {tag for tag, _ in page.tags} & {"link", "iframe", "object", "embed", "base", "form", "audio"}
    for name, value in page.attributes():
        if name in ASKING:
            assert value.startswith(("#", "data:image/jpeg;base64,")), (name, value)
        assert not name.startswith("on"), name
        assert name in ("alt", "aria-label") or "://" not in value, (name, value)
    # Styles and inline drawings reach out through these alone.
    assert not re.search(r"@import|url\((?!#)|image-set\(", text)
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy == viewer_policy()


def test_all_of_it_is_written(tmp_path: Path) -> None:
    found = evaluation()
    files = write_report(found, tmp_path / "report")
    assert files[0] == tmp_path / "report/report.html"
    there = {path.relative_to(tmp_path / "report").as_posix() for path in files}
    assert {"report.html", "report.md", "metrics.json"} <= there
    assert {f"curves_{d}.{kind}" for d in ("2d", "3d") for kind in ("png", "svg")} <= there
    assert sum(name.startswith("samples/") for name in there) == 5
    assert {path for path in (tmp_path / "report").rglob("*") if path.is_file()} == set(files)
    metrics = json.loads((tmp_path / "report/metrics.json").read_text())
    assert metrics["aligned"]["mpjpe_mm"] == pytest.approx(found.metrics["aligned"]["mpjpe_mm"], abs=0)
    assert metrics["keypoints_2d"]["detector"]["frame_max"] == found.metrics["keypoints_2d"]["detector"]["frame_max"]
    text = (tmp_path / "report/report.md").read_text()
    shown = number(found.metrics["aligned"]["mpjpe_mm"], 2)
    assert f"| Procrustes-aligned | {shown} |" in text
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (tmp_path / "report" / link).is_file(), link


def test_the_page_asks_nothing_of_the_network(tmp_path: Path) -> None:
    found = evaluation(3)
    text = write_report(found, tmp_path)[0].read_text()
    assert_self_contained(text)
    page = Page(text)
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    # input, truth, three kinds of keypoints, mesh, side view
    assert len(images) == 3 * 7
    assert all(image["alt"] for image in images)
    assert number(found.metrics["aligned"]["mpjpe_mm"], 2) in " ".join(page.text)
    identifiers = [value for name, value in page.attributes() if name == "id"]
    assert len(identifiers) == len(set(identifiers))
    targets = {value[1:] for name, value in page.attributes() if name in ("href", "xlink:href")}
    assert targets <= set(identifiers)


def test_worst_and_best_are_there_in_3d(tmp_path: Path) -> None:
    """The predicted joints lie on the true ones as the aligned error says, and the mesh about them."""
    found = evaluation(3)
    file = HtmlFile.of(write_report(found, tmp_path)[0].read_bytes())
    file.check_self_contained()
    for kind, rank, index in ranked(found):
        place = f"{kind}-{rank}"
        button = file.one("button", **{"data-model": place})
        assert "hidden" in button.attributes and button.attributes["aria-controls"] == f"stage-{place}"
        assert "hidden" in file.one("section", id=f"stage-{place}").attributes
        model = json.loads(file.one("script", id=f"model-{place}").text)
        predicted, truth = model["skeletons"]
        np.testing.assert_allclose(truth["points"], found.samples.true_joints[index] * [1, -1, -1], atol=1e-5)
        off = np.linalg.norm(np.array(predicted["points"]) - truth["points"], axis=1)
        assert 1000 * off.mean() == pytest.approx(found.per_frame["aligned_mpjpe"][index], rel=0.02)
        mesh = trimesh.load(io.BytesIO(b64decode(model["glb"])), file_type="glb", force="mesh", process=False)
        assert mesh.faces.shape == (1538, 3)
        assert np.linalg.norm(np.array(predicted["points"])[:, None] - mesh.vertices[None], axis=2).min(1).max() < 0.02
        assert model["joints"] and len(model["bones"]) == 20
    bare = HtmlFile.of(write_report(evaluation(2, whole=False), tmp_path)[0].read_bytes())
    models = [json.loads(one.text) for one in bare.all("script", type="application/json")]
    assert [model["glb"] for model in models] == [None, None]


def test_the_check_would_notice() -> None:
    policy = f'<meta http-equiv="Content-Security-Policy" content="{viewer_policy()}">'
    assert_self_contained(policy)
    for bad in (
        '<img src="https://example.org/a.png">',
        "<script></script>",
        "<style>@import 'a.css'</style>",
        '<p style="background: url(a.png)"></p>',
    ):
        with pytest.raises(AssertionError):
            assert_self_contained(policy + bad)


def test_names_and_notes_of_strangers_do_no_harm(tmp_path: Path) -> None:
    names = ['../../evil"><img src=http://x.y/z onerror=alert(1)>.jpg', "a|b/[c](d).png", "", "ä" * 300, "../up.jpg"]
    found = replace(evaluation(names=names), notes=["<script src='http://x.y'></script> & more"])
    files = write_report(found, tmp_path / "report")
    text = files[0].read_text()
    assert_self_contained(text)
    assert "&lt;script src=" in text
    assert all((tmp_path / "report").resolve() in path.resolve().parents for path in files)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report"]
    assert "<script" not in (tmp_path / "report/report.md").read_text()


def test_same_input_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_report(evaluation(2), tmp_path / name)
    for path in sorted((tmp_path / "a").rglob("*")):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes(), path


def test_joints_alone_are_reported(tmp_path: Path) -> None:
    """Somebody's predictions without vertices, pictures or 2D keypoints."""
    text = write_report(evaluation(3, whole=False), tmp_path)[0].read_text()
    assert_self_contained(text)
    assert not (tmp_path / "curves_2d.png").exists()
    assert "AUC vertices, aligned" not in text
    assert "joints from the side" in text


def test_worst_and_best_do_not_overlap() -> None:
    found = evaluation(6)
    errors = found.per_frame["aligned_mpjpe"] = np.array([3.0, 1.0, np.nan, 2.0, 5.0, 4.0])
    chosen = ranked(found)
    assert [(kind, place, errors[i]) for kind, place, i in chosen] == [
        ("worst", 1, 5.0), ("worst", 2, 4.0), ("worst", 3, 3.0), ("best", 1, 1.0), ("best", 2, 2.0),
    ]  # fmt: skip
    assert len(ranked(found, 1)) == 2
    found.per_frame["aligned_mpjpe"] = np.array([7.0])
    assert [(kind, i) for kind, _, i in ranked(found)] == [("worst", 0)]


def test_pictures_of_an_earlier_report_go_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    for name in ("worst_01_old.jpg", "mine.jpg", "best.txt"):
        (tmp_path / "samples" / name).write_text("x")
    write_report(evaluation(2, whole=False), tmp_path)
    there = {path.name for path in (tmp_path / "samples").iterdir()}
    assert {"mine.jpg", "best.txt"} <= there and "worst_01_old.jpg" not in there


def test_figures_that_json_has_not_become_null(tmp_path: Path) -> None:
    found = evaluation(2, whole=False)
    found.metrics["raw"] = dict(found.metrics["raw"]) | {"mpjpe_mm": float("nan")}
    write_report(found, tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text())["raw"]["mpjpe_mm"] is None
    assert "| raw, camera space | – |" in (tmp_path / "report.md").read_text()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="file: cannot be written"):
        write_report(evaluation(2, whole=False), tmp_path / "file")


def test_an_interruption_leaves_no_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page comes last and whole, so that what looks like a report is one."""
    import os

    real: Callable[..., None] = os.replace

    def stops(source: Any, target: Any) -> None:
        if str(target).endswith("report.html"):
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(os, "replace", stops)
    with pytest.raises(KeyboardInterrupt):
        write_report(evaluation(2, whole=False), tmp_path)
    assert not list(tmp_path.glob("*.html")) and not list(tmp_path.rglob(".*"))


def test_reflections_are_shown_where_they_matter() -> None:
    metrics = evaluation(2, whole=False).metrics
    labels = [row[0] for row in table_3d(metrics).rows]
    assert labels == ["Procrustes-aligned", "scale and translation aligned", "root-aligned", "raw, camera space"]
    mirrored = dict(metrics) | {"reflections": {"joints": 1, "vertices": 0, "allowed": True}}
    assert [row[0] for row in table_3d(mirrored).rows][4:] == [
        "Procrustes, reflections allowed",
        "Procrustes, reflections forbidden",
    ]


def test_curves_by_hand() -> None:
    """A line of the figures: its area is that of the metric, and it only rises."""
    found = evaluation(6)
    per_joint, mean, worst = keypoint_panels(found.samples)
    for panel, key in ((per_joint, "per_joint"), (mean, "frame_mean"), (worst, "frame_max")):
        for line, name in zip(panel.curves, ("detector", "predicted", "projected"), strict=True):
            assert line.area == pytest.approx(found.metrics["keypoints_2d"][name][key], abs=1e-12)
            assert (np.diff(line.share) >= 0).all()
    joints, vertices = space_panels(found.samples, "freihand", reflection=True)
    for panel, key in ((joints, "auc_j"), (vertices, "auc_v")):
        for line, name in zip(panel.curves, ("aligned", "root_aligned", "raw"), strict=True):
            assert line.area == pytest.approx(found.metrics[name][key], abs=1e-12)
    line = Curve("x", np.array([0.0, 0.5, 1.0]), "#000")
    assert line.area == pytest.approx(0.5)
    assert areas(np.array([0.0, 60.0]), LIMIT_2D).mean() == pytest.approx(0.5)


def test_svg_is_xml_and_fits_into_a_page() -> None:
    panel = Panel("a < b", "x", "y", 50.0, [Curve("one & two", np.linspace(0, 1, 100), "#3b82f6")])
    figure = draw([panel], "some")
    assert figure.png[:8] == b"\x89PNG\r\n\x1a\n"
    root = ElementTree.fromstring(figure.svg)
    assert "one & two: 0.500" in "".join(root.itertext())
    # Namespaces are names, not addresses that are fetched; nothing else looks like one.
    assert set(re.findall(rb'"(http[^"]+)"', figure.svg)) <= {
        b"http://www.w3.org/2000/svg", b"http://www.w3.org/1999/xlink", b"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd",
    }  # fmt: skip
    element = inline(figure.svg, "some", 'what "it" shows')
    assert element.startswith('<svg role="img" aria-label="what &quot;it&quot; shows"')
    assert "http" not in element and "currentColor" in element
