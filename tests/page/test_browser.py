"""Pages in a browser: the hand is drawn as the photo shows it, controls work, nothing is requested or complains."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from handsss.evaluation.report import write_report
from handsss.hand.result import HandResult
from handsss.mesh_io.export import mesh_files
from handsss.mesh_io.rig import rigs_of
from handsss.page.film import film_page
from handsss.page.gallery import Tile, gallery_page
from handsss.page.photo import photo_page
from handsss.visualize.overlay import overlay
from tests.conftest import MakeHand
from tests.evaluation.test_report import evaluation
from tests.gltf_file import GltfFile
from tests.page.browser import Tab, changed, chromium, foreground

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def program() -> Iterator[Any]:
    with chromium() as one:
        yield one


@pytest.fixture
def browser(program: Any) -> Iterator[Any]:
    yield program
    for context in program.contexts:
        context.close()


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.full((480, 640, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def hand(make_hand: MakeHand) -> HandResult:
    """A left hand whose texture is orange."""
    texture = np.zeros((64, 64, 3), np.uint8) + np.array([230, 120, 40], np.uint8)
    return replace(make_hand("left"), texture=texture, expected_joint_errors=np.linspace(4, 22, 21))


@pytest.fixture(scope="module")
def page(hand: HandResult, image: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "hand <b> #2.html"
    path.write_bytes(photo_page(image, [hand], path.name, rigs=rigs_of([hand]), about="Camera: given."))
    return path


def silhouette(hand: HandResult) -> np.ndarray:
    """The hand's outline as the photo's camera sees it, cut to its box and reduced to 64 x 64."""
    drawn = np.abs(overlay(np.zeros((480, 640, 3), np.uint8), [hand], opacity=1).astype(float)).max(2) > 20
    return boxed(drawn)


def boxed(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    part = Image.fromarray(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    return np.asarray(part.convert("L").resize((64, 64), Image.Resampling.BOX)) > 127


def moved(hand: HandResult, sideways: float) -> HandResult:
    shift = np.array([sideways, 0, 0])
    translation, joints = hand.translation + shift, hand.joints_3d + shift
    return replace(hand, vertices=hand.vertices + shift, joints_3d=joints, translation=translation)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_the_hand_is_drawn_as_the_camera_saw_it(browser: Any, page: Path, hand: HandResult) -> None:
    tab = Tab.of(browser).open(page)
    view = tab.seen()
    mask = foreground(view)
    assert 0.08 < mask.mean() < 0.6
    assert mask.any(0).sum() > 0.5 * mask.shape[1] or mask.any(1).sum() > 0.6 * mask.shape[0]  # it fills the view
    middle = np.median(view[mask], axis=0)
    assert middle[0] > 1.3 * middle[1] > 1.3 * middle[2]  # the texture's orange
    assert view[mask].std(0).max() > 8  # shaded, not one colour
    wanted = silhouette(hand)
    assert overlap(boxed(mask), wanted) > 0.9
    assert overlap(boxed(mask)[:, ::-1], wanted) < 0.8  # not mirrored
    tab.check_quiet(page)


def test_switches_change_what_is_drawn(browser: Any, page: Path) -> None:
    tab = Tab.of(browser).open(page)
    before = tab.seen()
    tab.press("Wireframe")
    wires = tab.seen()
    assert 0.01 < changed(before, wires) < 0.4
    tab.press("Wireframe")
    assert changed(before, tab.seen()) < 0.001
    tab.press("Joints")
    joints = tab.seen()
    assert 0.01 < changed(before, joints) < 0.6
    green = (joints[..., 1] > 1.3 * joints[..., 0]) & (joints[..., 1] > 1.3 * joints[..., 2])
    assert 50 < green.sum() < 0.05 * green.size  # the joints of small expected error
    tab.press("Joints")
    tab.press("Texture")
    clay = tab.seen()
    middle = np.median(clay[foreground(clay)], axis=0)
    assert middle[2] > 1.2 * middle[0]
    assert tab.page.get_by_role("button", name="Texture", exact=True).get_attribute("aria-pressed") == "false"
    tab.check_quiet(page)


def test_the_hand_turns_zooms_and_returns(browser: Any, page: Path) -> None:
    tab = Tab.of(browser).open(page)
    first = tab.seen()
    box = tab.page.locator("canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tab.page.mouse.move(x, y)
    tab.page.mouse.down()
    tab.page.mouse.move(x + 200, y, steps=4)
    tab.page.mouse.up()
    assert changed(first, tab.seen()) > 0.05
    tab.press("Reset")
    assert changed(first, tab.seen()) < 0.001
    tab.page.mouse.move(x, y)
    tab.page.mouse.wheel(0, -400)
    assert foreground(tab.seen()).sum() > 1.1 * foreground(first).sum()
    tab.press("Reset")
    tab.seen()
    tab.page.locator("canvas").focus()
    for _ in range(4):
        tab.page.keyboard.press("ArrowRight")
    turned = tab.seen()  # with the ring of the focus
    assert changed(first, turned) > 0.05
    tab.page.keyboard.press("w")
    assert changed(turned, tab.seen()) > 0.01
    for key in ("w", "-", "0"):
        tab.page.keyboard.press(key)
    tab.page.evaluate("document.activeElement.blur()")  # the ring of the focus is no part of the hand
    assert changed(first, tab.seen()) < 0.001
    angle = "window.handsssViewer.current().controls.getAzimuthalAngle()"
    start = tab.page.evaluate(angle)
    tab.press("Turn")
    tab.wait(f"Math.abs({angle} - {start}) > 0.3")
    tab.press("Turn")
    assert changed(first, tab.seen()) > 0.01
    tab.check_quiet(page)


def test_a_finger_turns_the_hand(browser: Any, page: Path) -> None:
    tab = Tab.of(browser, width=420, has_touch=True).open(page)
    first = tab.seen()
    box = tab.page.locator("canvas").bounding_box()
    session = tab.page.context.new_cdp_session(tab.page)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for kind, at in (("touchStart", 0), ("touchMove", 40), ("touchMove", 90), ("touchEnd", None)):
        points = [] if at is None else [{"x": x + at, "y": y}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert changed(first, tab.seen()) > 0.03
    assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tab.check_quiet(page)


def test_the_download_is_the_photos_glb(browser: Any, page: Path, hand: HandResult, tmp_path: Path) -> None:
    tab = Tab.of(browser).open(page)
    with tab.page.expect_download() as started:
        tab.press("Download .glb")
    started.value.save_as(tmp_path / "hand.glb")
    assert (tmp_path / "hand.glb").read_bytes() == mesh_files([hand], Path("x.glb"), rigs_of([hand]))[Path("x.glb")]
    assert started.value.suggested_filename.endswith(".glb")
    assert tab.errors == []


def test_dark_pages_are_dark(browser: Any, page: Path) -> None:
    for scheme, low, high in (("light", 200, 256), ("dark", 0, 60)):
        tab = Tab.of(browser, scheme=scheme).open(page)
        shot = np.asarray(Image.open(io.BytesIO(tab.page.screenshot())).convert("L"))
        assert low <= shot[-5, 5] < high and low <= shot[5, 5] < high
        assert foreground(tab.seen()).mean() > 0.08
        tab.check_quiet(page)


def test_without_webgl_the_page_says_so_and_shows_the_rest(browser: Any, page: Path) -> None:
    tab = Tab.of(browser, init="HTMLCanvasElement.prototype.getContext = () => null;").open(page, drawn=False)
    alert = tab.page.get_by_role("alert")
    assert "WebGL is missing" in alert.inner_text()
    assert tab.page.get_by_role("button").count() == 0
    assert tab.page.locator("img").first.evaluate("one => one.complete && one.naturalWidth") == 640
    tab.check_quiet(page)
    plain = Tab.of(browser, java_script_enabled=False).open(page, drawn=False)
    assert "needs JavaScript" in plain.page.locator(".stage").inner_text()
    assert "Left hand" in plain.page.locator("main").inner_text()
    plain.check_quiet(page)


def test_hostile_names_are_text(browser: Any, hand: HandResult, image: np.ndarray, tmp_path: Path) -> None:
    name = "\"><img src=x onerror=\"document.title='bad'\"><script>document.title='bad'</script></script>'.jpg"
    path = tmp_path / "x.html"
    path.write_bytes(photo_page(image, [hand], name, about=name, notes=[name]))
    tab = Tab.of(browser).open(path)
    assert tab.page.title() == name.replace("\n", " ")
    assert tab.page.locator("h1").inner_text() == name
    tab.check_quiet(path)


def test_two_hands_stand_as_the_camera_saw_them(
    browser: Any, make_hand: MakeHand, image: np.ndarray, tmp_path: Path
) -> None:
    left = moved(make_hand("left"), -0.09)
    right = moved(make_hand("right", seed=1, textured=False), 0.09)
    path = tmp_path / "two.html"
    path.write_bytes(photo_page(image, [left, right], "two.jpg", rigs=rigs_of([left, right])))
    tab = Tab.of(browser).open(path)
    view = tab.seen()
    drawn = np.abs(overlay(np.zeros_like(image), [left, right], opacity=1).astype(float)).max(2) > 20
    lit = np.abs(view - view[3, 3]).max(2) > 40
    assert overlap(boxed(lit), boxed(drawn)) > 0.85
    tab.press("Joints")
    assert changed(view, tab.seen()) > 0.01
    assert tab.page.get_by_role("heading", name="Right hand, 2 of 2").is_visible()
    tab.check_quiet(path)


def test_a_gallery_leads_to_its_photos(browser: Any, make_hand: MakeHand, image: np.ndarray, tmp_path: Path) -> None:
    tiles = []
    for number in range(3):
        path = tmp_path / f"photo #{number}.html"
        path.write_bytes(photo_page(image, [make_hand("left", seed=number)], path.stem))
        tiles.append(Tile(path.stem, "left hand", path))
    whole, links = tmp_path / "all.html", tmp_path / "index.html"
    whole.write_bytes(gallery_page("Hands", tiles, [("c.jpg", "no hand found")], tmp_path, embedded=True))
    links.write_bytes(gallery_page("Hands", tiles, [], tmp_path, embedded=False))
    tab = Tab.of(browser).open(whole, drawn=False)
    assert tab.page.locator("canvas").count() == 0
    tab.page.get_by_role("link", name="photo #1").click()
    tab.wait_drawn()
    view = tab.seen()
    assert foreground(view).mean() > 0.05 and tab.page.locator("h1:visible").inner_text() == "photo #1"
    tab.page.get_by_role("link", name="Next").click()
    tab.wait("document.querySelector('#shown h1').textContent === 'photo #2'")
    tab.wait_drawn()
    assert changed(view, tab.seen()) > 0.02
    assert tab.page.get_by_role("link", name="Next").count() == 0
    tab.page.go_back()
    tab.page.go_back()
    tab.page.get_by_role("link", name="photo #0").wait_for()
    assert tab.page.locator("canvas").count() == 0
    assert tab.errors == [] and set(tab.requests) == {whole.as_uri()}
    tab = Tab.of(browser).open(links, drawn=False)
    tab.page.get_by_role("link", name="photo #2").click()
    tab.wait_drawn()
    assert tab.page.locator("h1").inner_text() == "photo #2"
    assert tab.errors == [] and tab.requests == [links.as_uri(), tiles[2].page.as_uri()]


def test_a_report_shows_one_sample_at_a_time(browser: Any, tmp_path: Path) -> None:
    path = write_report(evaluation(3), tmp_path)[0]
    tab = Tab.of(browser).open(path, drawn=False)
    buttons = tab.page.get_by_role("button", name="Show in 3D")
    assert buttons.count() == 3 and tab.page.locator("canvas").count() == 0
    buttons.nth(0).click()
    tab.wait_drawn()
    first = tab.seen()
    assert foreground(first).mean() > 0.02
    assert tab.page.get_by_role("button", name="Joints", exact=True).get_attribute("aria-pressed") == "true"
    buttons.nth(2).click()
    tab.wait("document.querySelector('#stage-best-1 canvas') !== null")
    tab.wait_drawn()
    assert tab.page.locator("canvas").count() == 1
    assert buttons.nth(0).get_attribute("aria-expanded") == "false"
    buttons.nth(2).click()
    tab.wait("document.querySelector('canvas') === null")
    tab.check_quiet(path)


def animated(content: bytes) -> bytes:
    """A .glb whose first index joint bends by 1.4 radians in a second, and whose wrist vanishes after 1.9."""
    file = GltfFile.of(content)
    tree, buffer = file.tree, bytearray(file.buffer)

    def accessor(values: np.ndarray, kind: str) -> int:
        tree["bufferViews"].append({"buffer": 0, "byteOffset": len(buffer), "byteLength": values.size * 4})
        buffer.extend(values.astype("<f4").tobytes())
        entry = {"bufferView": len(tree["bufferViews"]) - 1, "componentType": 5126, "count": len(values), "type": kind}
        if kind == "SCALAR":
            entry |= {"min": [float(values.min())], "max": [float(values.max())]}
        tree["accessors"].append(entry)
        return len(tree["accessors"]) - 1

    nodes = {node.get("name"): number for number, node in enumerate(tree["nodes"])}
    bent = Rotation.from_rotvec([[0, 0, 0], [0, 0, 1.4], [0, 0, 0]]).as_quat()
    times = accessor(np.array([0.0, 1, 2]), "SCALAR")
    size = tree["nodes"][nodes["left_0_wrist"]]["scale"][0]
    samplers = [
        {"input": times, "output": accessor(bent, "VEC4")},
        {
            "input": accessor(np.array([0.0, 1.9]), "SCALAR"),
            "output": accessor(np.array([[size] * 3, [0.0] * 3]), "VEC3"),
            "interpolation": "STEP",
        },
    ]
    channels = [
        {"sampler": 0, "target": {"node": nodes["left_0_index1"], "path": "rotation"}},
        {"sampler": 1, "target": {"node": nodes["left_0_wrist"], "path": "scale"}},
    ]
    tree["animations"] = [{"samplers": samplers, "channels": channels}]
    tree["buffers"] = [{"byteLength": len(buffer)}]
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(buffer), b"BIN\0") + buffer
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def test_a_film_plays_stops_and_is_sought(browser: Any, hand: HandResult, image: np.ndarray, tmp_path: Path) -> None:
    glb = animated(mesh_files([hand], Path("x.glb"), rigs_of([hand]))[Path("x.glb")])
    path = tmp_path / "film.html"
    path.write_bytes(film_page(glb, "clip.mp4", pictures=[("first frame", image)]))
    tab = Tab.of(browser).open(path)
    first = tab.seen()
    slider = tab.page.get_by_role("slider", name="Time")
    slider.evaluate("one => { one.value = 1; one.dispatchEvent(new Event('input')); }")
    bent = tab.seen()
    assert changed(first, bent) > 0.01
    assert "1.00 / 2.00 s" in tab.page.locator(".clock").inner_text()
    tab.press("Joints")
    joints = tab.seen()
    assert changed(bent, joints) > 0.01
    slider.evaluate("one => { one.value = 0; one.dispatchEvent(new Event('input')); }")
    assert changed(joints, tab.seen()) > 0.01  # the joints follow
    tab.press("Joints")
    tab.press("Play")
    tab.wait("Number(document.querySelector('[aria-label=Time]').value) > 0.4")
    tab.press("Pause")
    time = tab.page.evaluate("window.handsssViewer.current().time")
    tab.seen()
    assert tab.page.evaluate("window.handsssViewer.current().time") == time
    slider.evaluate("one => { one.value = 2; one.dispatchEvent(new Event('input')); }")
    assert foreground(tab.seen()).mean() < 0.001  # the hand is not there any more
    tab.check_quiet(path)
