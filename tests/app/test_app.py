"""The form: who may reach it, what it asks of others (nothing), what it gives, and that nothing stays behind."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import handsss
from handsss.app.backend import Backend, Choices
from handsss.app.form import choices_of, framed
from handsss.app.serve import RunningForm, check_host, serve
from handsss.cli.main import run
from handsss.errors import InputError, MissingDependencyError, UserError
from tests.page.browser import Tab, chromium
from tests.page.html_file import HtmlFile

PALM = Path(handsss.__file__).parent / "samples/palm.jpg"
OPTIONS = ("auto", True, True, True, None)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
def test_this_machine_is_allowed(host: str) -> None:
    check_host(host, allow_remote=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.org", "127.0.0.1.example.org", ""])
def test_others_are_refused_unless_told(host: str) -> None:
    with pytest.raises(UserError, match="asks for no password"):
        serve(host)
    check_host(host, allow_remote=True)


def test_the_command_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        run(["app", "--host", "0.0.0.0"])
    assert end.value.code == 2
    assert "--host 0.0.0.0: others could reach" in " ".join(capsys.readouterr().err.split())


def test_a_missing_gradio_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(MissingDependencyError, match=r"handsss app needs the package gradio.*handsss\[app\]"):
        serve()


def test_the_frame_holds_the_page_as_text() -> None:
    text = framed(b'<p class="x">\'&amp;</p><script>1</script>')
    file = HtmlFile(text)
    frame = file.one("iframe")
    assert len(file.elements) == 1 and frame.attributes["srcdoc"] == '<p class="x">\'&amp;</p><script>1</script>'
    assert "allow-same-origin" not in frame.attributes["sandbox"]


def test_what_the_fields_say() -> None:
    assert choices_of("left", False, True, False, 60) == Choices("left", False, True, False, 60.0)
    assert choices_of("auto", True, True, True, 0).fov is None
    with pytest.raises(UserError, match="expected auto, left or right"):
        choices_of("both", True, True, True, None)


@pytest.mark.slow
def test_a_photo_gives_a_page_and_files(tmp_path: Path) -> None:
    backend = Backend(tmp_path / "results")
    answer = backend.photo(PALM, Choices(fov=50.0))
    HtmlFile.of(answer.page).check_self_contained()
    assert [path.name for path in answer.files] == ["hands.glb", "hands_obj.zip", "hands.json", "hands.html"]
    with zipfile.ZipFile(answer.files[1]) as archive:
        assert sorted(archive.namelist()) == ["hands.mtl", "hands.obj", "hands_texture.png"]
    document = json.loads(answer.files[2].read_text())
    assert document["image"] == "palm.jpg"
    assert document["camera"]["intrinsics"][0][0] == pytest.approx(256 / np.tan(np.radians(25)))
    assert "left hand" in answer.summary and "mm" in answer.summary
    blank = tmp_path / "blank.png"
    Image.new("RGB", (64, 64)).save(blank)
    with pytest.raises(InputError, match=r"blank\.png: no hand found"):
        backend.photo(blank, Choices())
    with pytest.raises(UserError, match="expected degrees"):
        backend.photo(PALM, Choices(fov=500.0))
    backend.forget()
    assert not (tmp_path / "results").exists()


@pytest.fixture(scope="module")
def form() -> Iterator[RunningForm]:
    pytest.importorskip("gradio", reason="gradio is not installed: make app")
    running = serve(max_upload=1)
    yield running
    running.close()


@pytest.fixture(scope="module")
def client(form: RunningForm) -> Any:
    return pytest.importorskip("gradio_client").Client(form.address, verbose=False)


@pytest.fixture(scope="module")
def handle() -> Callable[[Path], Any]:
    return lambda path: pytest.importorskip("gradio_client").handle_file(str(path))


@pytest.mark.slow
def test_the_client_gets_hands(form: RunningForm, client: Any, handle: Callable[[Path], Any]) -> None:
    view, files, summary = client.predict(handle(PALM), *OPTIONS, api_name="/photo")
    page = HtmlFile(view).one("iframe").attributes["srcdoc"]
    HtmlFile(page).check_self_contained()
    assert [Path(file).name for file in files] == ["hands.glb", "hands_obj.zip", "hands.json", "hands.html"]
    assert Path(files[0]).read_bytes()[:4] == b"glTF"
    assert "left hand" in summary
    assert any(form.folder.rglob("palm.jpg"))


@pytest.mark.slow
def test_mistakes_are_told(client: Any, handle: Callable[[Path], Any], tmp_path: Path) -> None:
    blank, text, large = tmp_path / "blank.png", tmp_path / "text.jpg", tmp_path / "large.png"
    Image.new("RGB", (64, 64)).save(blank)
    text.write_text("no photo")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (900, 900, 3), dtype=np.uint8)).save(large)
    with pytest.raises(Exception, match=r"blank\.png: no hand found"):
        client.predict(handle(blank), *OPTIONS, api_name="/photo")
    with pytest.raises(Exception, match="photo or a film first"):
        client.predict(None, *OPTIONS, api_name="/photo")
    with pytest.raises(Exception, match="identify image"):
        client.predict(handle(text), *OPTIONS, api_name="/photo")
    assert large.stat().st_size > 1_000_000
    with pytest.raises(Exception, match=r"413|size"):
        client.predict(handle(large), *OPTIONS, api_name="/photo")


@pytest.mark.slow
def test_other_names_of_the_machine_are_refused(form: RunningForm) -> None:
    httpx = pytest.importorskip("httpx")
    good = httpx.get(form.address)
    assert good.status_code == 200 and "default-src 'self'" in good.headers["content-security-policy"]
    assert httpx.get(form.address, headers={"host": "evil.example"}).status_code == 400


@pytest.mark.slow
def test_the_browser_sees_the_hand_and_asks_nobody_else(form: RunningForm) -> None:
    with chromium() as browser:
        tab = Tab.of(browser, width=1280)
        tab.page.goto(form.address)
        tab.page.locator("input[type=file]").first.set_input_files(str(PALM))
        tab.page.get_by_role("button", name="Reconstruct the photo").click()
        frame = tab.page.frame_locator("iframe[title='Hands in 3D']")
        frame.locator("canvas").wait_for(timeout=300_000)
        tab.page.wait_for_timeout(2000)
        shot = np.asarray(Image.open(io.BytesIO(frame.locator(".view").screenshot())).convert("RGB")).astype(float)
        skin = (shot[..., 0] > shot[..., 2] + 24).mean()
        assert 0.05 < skin < 0.8
        before = shot
        frame.get_by_role("button", name="Wireframe", exact=True).click()
        tab.page.wait_for_timeout(1000)
        after = np.asarray(Image.open(io.BytesIO(frame.locator(".view").screenshot())).convert("RGB")).astype(float)
        assert (np.abs(before - after).max(2) > 24).mean() > 0.005
        others = [url for url in tab.requests if not url.startswith((form.address, "data:", "blob:", "about:"))]
        assert others == []


@pytest.mark.slow
def test_nothing_stays_behind() -> None:
    pytest.importorskip("gradio", reason="gradio is not installed: make app")
    running = serve()
    (running.folder / "uploads").mkdir(exist_ok=True)
    (running.folder / "uploads/x.jpg").write_bytes(b"x")
    running.close()
    assert not running.folder.exists()
