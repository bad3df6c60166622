"""The form itself, in gradio: a photo or film and options in, the page and files out."""

from __future__ import annotations

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

from handsss.app.backend import Answer, Backend, Choices
from handsss.errors import UserError

KEPT = 3600  # seconds that uploads and results are kept while the form runs
_HEIGHT = 900  # px of the page
_ABOUT = (
    "Photos and films stay on the machine that runs this program; nothing is sent elsewhere. Uploads and results are "
    "removed when it ends, and after an hour."
)


def make_form(gradio: Any, backend: Backend) -> Any:
    """The form, a :class:`gradio.Blocks`.

    Args:
        gradio: the module.
        backend: does the work.
    """

    def run(work: Callable[[Path, Choices], Answer], path: str | None, *options: Any) -> tuple[str, list[str], str]:
        if not path:
            raise gradio.Error("Give a photo or a film first.", print_exception=False)
        try:
            answer = work(Path(path), choices_of(*options))
        except UserError as error:
            raise gradio.Error(html.escape(error.text(lambda name: name)), print_exception=False) from None
        return framed(answer.page), [str(file) for file in answer.files], answer.summary

    def photo(path: str | None, side: str, all_hands: bool, depth: bool, texture: bool, fov: float | None) -> Any:
        return run(backend.photo, path, side, all_hands, depth, texture, fov)

    def film(path: str | None, side: str, all_hands: bool, depth: bool, texture: bool, fov: float | None) -> Any:
        return run(backend.film, path, side, all_hands, depth, texture, fov)

    with gradio.Blocks(title="handsss", analytics_enabled=False, delete_cache=(KEPT, KEPT)) as form:
        gradio.Markdown(f"# handsss\n{_ABOUT}")
        with gradio.Row():
            with gradio.Column(scale=1, min_width=300):
                with gradio.Tab("Photo"):
                    image = gradio.Image(
                        type="filepath", image_mode=None, sources=["upload", "webcam", "clipboard"], label="Photo"
                    )  # without a mode the file stays as it is, EXIF too
                    of_photo = gradio.Button("Reconstruct the photo", variant="primary")
                with gradio.Tab("Film"):
                    video = gradio.Video(sources=["upload", "webcam"], label="Film (its first minute)")
                    of_film = gradio.Button("Reconstruct the film", variant="primary")
                side = gradio.Radio(["auto", "left", "right"], value="auto", label="Side", info="auto: as detected")
                all_hands = gradio.Checkbox(True, label="All hands", info="not only the surest one")
                depth = gradio.Checkbox(True, label="Depth", info="fit to the detector's 3D points too")
                texture = gradio.Checkbox(True, label="Texture", info="from the photo")
                fov = gradio.Number(0, label="Field of view, degrees", info="over the longer side; 0: not known")
                summary = gradio.Textbox(label="Hands", interactive=False)
                files = gradio.Files(label="Downloads", interactive=False)
            with gradio.Column(scale=3):
                view = gradio.HTML()
        options, results = [side, all_hands, depth, texture, fov], [view, files, summary]
        of_photo.click(photo, [image, *options], results, api_name="photo")
        of_film.click(film, [video, *options], results, api_name="film")
    form.queue(max_size=8, default_concurrency_limit=1)
    return form


def choices_of(side: str, all_hands: bool, depth: bool, texture: bool, fov: float | None) -> Choices:
    """What the form's fields say.

    Raises:
        UserError: a side that there is not.
    """
    if side not in ("auto", "left", "right"):
        raise UserError(f"side {side!r}: expected auto, left or right.")
    return Choices(side, bool(all_hands), bool(depth), bool(texture), float(fov) if fov else None)  # type: ignore[arg-type]


def framed(page: bytes) -> str:
    """A page in a frame of its own, which may run its scripts and give its downloads, and nothing else."""
    inside = html.escape(page.decode("utf-8"), quote=True)
    style = f"width: 100%; height: {_HEIGHT}px; border: 0; border-radius: 8px"
    rules = "allow-scripts allow-downloads"
    return f'<iframe sandbox="{rules}" title="Hands in 3D" style="{style}" srcdoc="{inside}"></iframe>'
