"""Pages as files: nothing is fetched, no name becomes markup, and the 3D view gets what the .glb of a photo holds."""

from __future__ import annotations

import base64
import io
import os
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import Image

from handsss.errors import UserError
from handsss.geometry.cameras import to_opengl
from handsss.hand.result import HandResult
from handsss.mesh_io.export import mesh_files
from handsss.mesh_io.rig import rigs_of
from handsss.page.film import film_page
from handsss.page.gallery import Tile, gallery_page
from handsss.page.photo import photo_page
from handsss.page.shell import scripts
from handsss.visualize.skeleton import error_colours
from tests.conftest import MakeHand
from tests.gltf_file import GltfFile
from tests.page.html_file import HtmlFile

HOSTILE = "\"><script>alert(1)</script><!--scene--><img src=http://a.b/c onerror='x'>&amp; {{ 7 * 7 }}.jpg"


@pytest.fixture(scope="module")
def hands(make_hand: MakeHand) -> list[HandResult]:
    errors = np.linspace(4, 22, 21)
    return [replace(make_hand("left"), expected_joint_errors=errors), make_hand("right", seed=1, textured=False)]


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    rows, columns = np.mgrid[0:480, 0:640]
    return np.stack([rows / 2, columns / 3, np.full_like(rows, 90)], 2).astype(np.uint8)


def text_of(file: HtmlFile) -> str:
    return " ".join(" ".join(one.text.split()) for one in file.elements if one.tag not in ("script", "style"))


def test_a_page_holds_everything_and_shows_the_photos_glb(hands: list[HandResult], image: np.ndarray) -> None:
    rigs = rigs_of(hands)
    content = photo_page(image, hands, "photo.jpg", rigs=rigs, about="Camera: given.", notes=["16 bits scaled to 8"])
    file = HtmlFile.of(content)
    file.check_self_contained()
    model = file.model()
    assert base64.b64decode(model["glb"]) == mesh_files(hands, Path("x.glb"), rigs)[Path("x.glb")]
    assert model["name"] == "photo"
    left, right = model["skeletons"]
    np.testing.assert_allclose(left["points"], to_opengl(hands[0].joints_3d), atol=1e-5)
    assert hands[0].expected_joint_errors is not None
    wanted = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in error_colours(hands[0].expected_joint_errors)]
    assert left["colours"] == wanted and left["bone"] == "#cdd0d6"
    assert len(set(right["colours"])) == 6 and right["bone"] is None  # nobody knows its errors: fingers' hues
    assert len(model["bones"]) == 20
    text = text_of(file)
    for words in ("Left hand, 1 of 2", "Right hand, 2 of 2", "13 mm expected error", "Camera: given.", "1.2 %"):
        assert words in text, words
    assert "16 bits scaled to 8" in text and text.count("thumb_tip") == 1
    assert 700_000 < len(content) < 2_000_000


def test_the_pictures_are_the_photo_and_the_mesh_over_it(make_hand: MakeHand, image: np.ndarray) -> None:
    file = HtmlFile.of(photo_page(image, [make_hand("left", depth=0.3)], "photo.jpg"))
    pictures = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(one.attributes["src"].partition(",")[2]))), dtype=float)
        for one in file.all("img")
    ]
    assert np.abs(pictures[0] - image).mean() < 3
    changed = np.abs(pictures[1] - pictures[0]).mean(2) > 60
    assert 0.02 < changed.mean() < 0.4
    assert all(one.attributes["alt"] for one in file.all("img"))


def test_small_hands_are_shown_closer(make_hand: MakeHand) -> None:
    hand = make_hand("right", depth=1.5)
    file = HtmlFile.of(photo_page(np.zeros((480, 640, 3), np.uint8), [hand], "far.jpg"))
    sizes = [Image.open(io.BytesIO(base64.b64decode(o.attributes["src"][23:]))).size for o in file.all("img")]
    assert sizes[0] == (640, 480)
    assert max(sizes[1]) < 320


@pytest.mark.parametrize("name", [HOSTILE, "</script><script>alert(1)//.jpg", "ü 手 \u202e.jpg", "a'b\"c.jpg"])
def test_no_name_becomes_markup(hands: list[HandResult], image: np.ndarray, tmp_path: Path, name: str) -> None:
    page = tmp_path / "one.html"
    page.write_bytes(photo_page(image, hands[:1], name, about=name, notes=[name]))
    file = HtmlFile.of(page.read_bytes())
    file.check_self_contained()
    assert file.one("title").text == name
    assert file.one("h1").text == name
    assert file.model()["name"] == PurePosixPath(name).stem
    assert len(file.all("script")) == 4 and len(file.all("img")) == 2
    for embedded in (False, True):
        gallery = HtmlFile.of(
            gallery_page(name, [Tile(name, name, page)] * 2, [(name, name)], tmp_path, embedded=embedded)
        )
        gallery.check_self_contained()
        assert gallery.one("title").text == name
        assert len(gallery.all("script", type="application/json")) == (2 if embedded else 0)
        assert len(gallery.all("article")) == (2 if embedded else 0)


def test_a_gallery_links_to_pages_or_holds_them(hands: list[HandResult], image: np.ndarray, tmp_path: Path) -> None:
    names = ["a.html", "b #1?.html", "javascript:x.html"]
    for name in names:
        (tmp_path / name).write_bytes(photo_page(image, hands[:1], name))
    tiles = [Tile(name, "left hand", tmp_path / name) for name in names]
    file = HtmlFile.of(gallery_page("all", tiles, [("c.jpg", "no hand found")], tmp_path, embedded=False))
    assert [one.attributes["href"] for one in file.all("a")] == ["a.html", "b%20%231%3F.html", "javascript%3Ax.html"]
    assert "3 of 4 photos show hands" in text_of(file) and "c.jpg: no hand found" in text_of(file)
    thumbnails = {one.attributes["src"] for one in file.all("img")}
    assert all(Image.open(io.BytesIO(base64.b64decode(src[23:]))).size[1] == 320 for src in thumbnails)
    whole = HtmlFile.of(gallery_page("all", tiles, [], tmp_path, embedded=True))
    assert [one.attributes["href"] for one in whole.all("a", **{"class": "tile card"})] == [
        "#scene-0",
        "#scene-1",
        "#scene-2",
    ]
    assert [one.attributes["id"] for one in whole.all("template")] == ["tscene-0", "tscene-1", "tscene-2"]


@pytest.mark.skipif(os.name == "nt", reason="file names are text there")
def test_names_that_are_not_utf8(hands: list[HandResult], image: np.ndarray, tmp_path: Path) -> None:
    name = os.fsdecode(b"h\xff.html")
    (tmp_path / name).write_bytes(photo_page(image, hands[:1], name))
    file = HtmlFile.of(gallery_page(name, [Tile(name, "", tmp_path / name)], [], tmp_path, embedded=False))
    assert file.one("a").attributes["href"] == "h%FF.html"
    assert file.one("h1").text == "h?.html"


def test_meshes_of_more_joints_a_vertex_than_the_viewer_skins_are_static(
    hands: list[HandResult], image: np.ndarray
) -> None:
    (rig,) = rigs_of(hands[:1])
    many = replace(rig, weights=np.full_like(rig.weights, 1 / 16))
    for rigs, skinned in (([rig], True), ([many], False), (None, False)):
        model = HtmlFile.of(photo_page(image, hands[:1], "p.jpg", rigs=rigs)).model()
        assert ("skins" in GltfFile.of(base64.b64decode(model["glb"])).tree) == skinned


def test_a_films_page(hands: list[HandResult], image: np.ndarray) -> None:
    glb = mesh_files(hands[:1], Path("x.glb"), rigs_of(hands[:1]))[Path("x.glb")]
    figures = [("Left hand", [("frames", "90 of 120")])]
    file = HtmlFile.of(film_page(glb, HOSTILE, hands=figures, pictures=[("first frame", image)]))
    file.check_self_contained()
    assert base64.b64decode(file.model()["glb"]) == glb and file.model()["skeletons"] == []
    assert "90 of 120" in text_of(file) and len(file.all("img")) == 1
    HtmlFile.of(film_page(glb, "clip.mp4")).check_self_contained()


def test_the_viewers_licence_is_in_the_page_and_its_version_pinned() -> None:
    text = str(scripts())
    assert "three.js 0.187.0" in text and "The MIT License" in text and "Permission is hereby granted" in text
    root = Path(__file__).parents[2]
    assert '"three": "0.187.0"' in (root / "tools/build_viewer/package.json").read_text()
    assert "three.js 0.187.0" in (root / "NOTICE").read_text()


def test_static_is_for_files_that_hold_a_skeleton(hands: list[HandResult]) -> None:
    from handsss.mesh_io.formats import check_static, is_rigged

    assert is_rigged(".html") and not is_rigged(".HTML", static=True)
    check_static(".html", static=True)
    with pytest.raises(UserError, match="leaves the skeleton out"):
        check_static(".obj", static=True)
