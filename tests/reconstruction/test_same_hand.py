"""Photos of one person in one run: one shape and skin for all of them, whatever else lies in the folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import handsss
from handsss.cli.reconstruct_run import batch_options, check_same_hand
from handsss.errors import UserError
from handsss.hand.result import SharedShape
from handsss.io.image import read_image
from handsss.reconstruction.inputs import BatchOptions, expand
from handsss.reconstruction.outputs import Outcome, plan_outputs
from handsss.reconstruction.pipeline import HandPipeline
from handsss.reconstruction.reconstructor import Reconstructor
from handsss.reconstruction.run import reconstruct_all
from handsss.reconstruction.settings import PipelineSettings
from tests.conftest import MakeHand

SAMPLE = Path(handsss.__file__).parent / "samples/nocurl.jpg"


def run(folder: Path, out: Path, stages: list[str], **settings: object) -> list[Outcome]:
    inputs = expand([str(folder)])
    pipeline = HandPipeline("open", PipelineSettings(texture_size=64, **settings))  # type: ignore[arg-type]
    plan = plan_outputs(inputs, str(out), "ply")
    options = BatchOptions(same_hand=True, picture=False)
    return reconstruct_all(inputs.sources, plan, pipeline, options, on_stage=stages.append)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hand, the same in a mirror and smaller, a photo without a hand, and no photo."""
    where = tmp_path_factory.mktemp("photos")
    photo = Image.open(SAMPLE)
    photo.save(where / "a.png")
    photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((360, 480)).save(where / "b.png")
    Image.new("RGB", (120, 90), (90, 120, 90)).save(where / "nothing.png")
    (where / "broken.jpg").write_bytes(b"no photo")
    return where


@pytest.mark.slow
def test_all_hands_get_one_shape_and_one_skin(folder: Path, tmp_path: Path) -> None:
    stages: list[str] = []
    outcomes = run(folder, tmp_path, stages)
    assert {Path(one.image).stem: one.status for one in outcomes} == {
        "a": "done",
        "b": "done",
        "nothing": "no hand",
        "broken": "failed",
    }
    assert stages == ["fitting each photo alone", "fitting with one shape", "writing"]
    first, second = (json.loads((tmp_path / f"{name}.json").read_text())["hands"][0] for name in "ab")
    assert first["shape"] == second["shape"]
    assert {first["hand"], second["hand"]} == {"left", "right"}
    assert first["shared_shape"]["photos"] == first["shared_shape"]["hands"] == 2
    assert first["pose"] != second["pose"]
    assert "shared_shape" in outcomes[0].hands[0]


@pytest.mark.slow
def test_a_photo_alone_is_as_ever(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jpg").write_bytes(SAMPLE.read_bytes())
    outcomes = run(tmp_path / "in", tmp_path / "out", [], checkpoint="none", appearance=False)
    photo = read_image(SAMPLE).array
    (usual,) = Reconstructor(checkpoint="none", texture=False)(photo)
    own = json.loads((tmp_path / "out/a.json").read_text())["hands"][0]
    assert outcomes[0].status == "done" and "shared_shape" not in own
    np.testing.assert_allclose(own["pose"], usual.pose, atol=1e-4)
    np.testing.assert_allclose(own["shape"], usual.shape, atol=1e-4)


@pytest.mark.slow
def test_python_gives_the_hands_of_each_photo(folder: Path) -> None:
    photo = read_image(folder / "b.png").array
    empty = np.zeros((60, 60, 3), dtype=np.uint8)
    reconstructor = Reconstructor(same_hand=True, texture=False)
    one, none, other = reconstructor.batch([folder / "a.png", empty, photo])
    assert none == [] and len(one) == len(other) == 1
    np.testing.assert_array_equal(one[0].shape, other[0].shape)
    assert one[0].shared_shape is not None and one[0].shared_shape.photos == 2
    assert other[0].photo is not None and other[0].photo.shape == photo.shape


def test_options_that_cannot_go_with_it_are_refused(tmp_path: Path) -> None:
    def check(*images: str, refine: bool = True, resume: bool = False) -> None:
        options = batch_options(
            *(None, None, None, None), fov=None, hand="auto", side="auto", box=None, vertices=False, picture=True,
            max_error=None, refine=refine, same_hand=True, static=False,
        )  # fmt: skip
        check_same_hand(options, expand(list(images)), refine=refine, resume=resume)

    check(str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg"))
    with pytest.raises(UserError, match="--no-refine fits nothing"):
        check("a.jpg", refine=False)
    with pytest.raises(UserError, match="--resume leaves some out"):
        check("a.jpg", resume=True)
    with pytest.raises(UserError, match="standard input and pipes cannot"):
        check("-")
    with pytest.raises(UserError, match="without refine nothing is fitted"):
        Reconstructor(same_hand=True, refine=False)


def test_json_says_what_a_shape_comes_from(make_hand: MakeHand) -> None:
    hand = make_hand()
    assert "shared_shape" not in hand.to_json()
    hand.shared_shape = SharedShape(photos=5, hands=7, weight=0.123456)
    assert hand.to_json()["shared_shape"] == {"photos": 5, "hands": 7, "weight": 0.1235, "contradicts": True}
