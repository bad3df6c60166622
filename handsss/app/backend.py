"""What the form does: a photo or film and its options to a page and files. Knows nothing of gradio."""

from __future__ import annotations

import math
import shutil
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np

from handsss.errors import InputError
from handsss.geometry.cameras import intrinsics_from_fov
from handsss.io.atomic import write_files
from handsss.io.camera import camera_options
from handsss.mesh_io.export import mesh_files
from handsss.mesh_io.rig import rigs_of
from handsss.page.photo import photo_page
from handsss.reconstruction.reconstructor import Reconstructor, Side
from handsss.reconstruction.result_json import json_bytes, photo_document

if TYPE_CHECKING:
    from handsss.reconstruction.pipeline import HandPipeline

LONGEST_FILM = 60.0  # seconds that are read


@dataclass(frozen=True)
class Choices:
    """What the form offers."""

    side: Side = "auto"
    all_hands: bool = True
    depth: bool = True
    texture: bool = True
    fov: float | None = None  # degrees over the longer side; None: EXIF, or by the size of the hand


@dataclass(frozen=True)
class Answer:
    """What comes back."""

    page: bytes  # HTML
    files: list[Path]  # to download
    summary: str


class Backend:
    """Reconstructs for one server; networks are kept for the next photo.

    Args:
        folder: for result files; a result has a folder of its own in it.
        model: name or path of the hand model.
    """

    def __init__(self, folder: Path, model: str = "open") -> None:
        self.folder = folder
        self.model = model
        self._reconstructor = lru_cache(maxsize=2)(self._load)
        self._pipeline = lru_cache(maxsize=1)(self._load_pipeline)

    def photo(self, path: Path, choices: Choices) -> Answer:
        """The hands of a photo.

        Raises:
            InputError: a photo that cannot be read, or that shows no hand.
            UserError: a field of view out of range.
        """
        reconstructor = self._reconstructor(choices.side, choices.all_hands, choices.depth, choices.texture)
        intrinsics = None
        if choices.fov is not None:
            camera_options(None, None, choices.fov)  # refuses what no lens has
            intrinsics = intrinsics_from_fov(*_size(path), math.radians(choices.fov))
        hands = reconstructor(path, intrinsics=intrinsics)
        if not hands:
            raise InputError(f"{path.name}: no hand found; a larger, sharper photo of the whole hand may help.")
        first = hands[0]
        assert first.photo is not None and first.camera is not None
        rigs, stem, place = rigs_of(hands), "hands", self._place()
        glb, obj = (mesh_files(hands, place / f"{stem}{suffix}", rigs) for suffix in (".glb", ".obj"))
        size = first.photo.shape[1], first.photo.shape[0]
        document = photo_document(
            path.name, size, first.camera, hands, mesh=place / f"{stem}.glb", notes=first.image_notes, rigs=rigs
        )
        about = f"Camera: {first.camera.sentence}."
        page = photo_page(first.photo, hands, path.name, rigs=rigs, about=about, notes=first.image_notes)
        write_files({**glb, **obj, place / f"{stem}.json": json_bytes(document), place / f"{stem}.html": page})
        packed = place / f"{stem}_obj.zip"
        with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
            for part in obj:
                archive.write(part, part.name)
        words = [
            f"{hand.hand} hand, score {hand.score:.2f}"
            + ("" if hand.expected_error is None else f", expected error {hand.expected_error:.0f} mm")
            for hand in hands
        ]
        names = (f"{stem}.glb", packed.name, f"{stem}.json", f"{stem}.html")
        return Answer(page, [place / name for name in names], "; ".join(words))

    def film(self, path: Path, choices: Choices) -> Answer:
        """The hands of a film's first minute.

        Raises:
            InputError: a film that cannot be read, or that shows no hand.
            MissingDependencyError: the extra ``video`` is not installed.
        """
        from handsss.io.film import FilmSelection, open_film
        from handsss.reconstruction.film.outputs import film_files
        from handsss.reconstruction.film.reconstruct import FilmOptions, FilmReconstruction

        camera = camera_options(None, None, choices.fov)
        film = open_film(path, FilmSelection(end=LONGEST_FILM))
        hands = FilmReconstruction(self._pipeline(choices), film, FilmOptions(camera))()
        if not hands.tracks:
            raise InputError(f"{path.name}: no hand found in {len(hands.seconds)} frames.")
        place = self._place()
        page = film_files(hands, place / "hands.html")
        files = {**film_files(hands, place / "hands.glb"), **film_files(hands, place / "hands.csv"), **page}
        write_files(files)
        words = [f"{track.hand} hand in {len(track.frames)} of {len(hands.seconds)} frames" for track in hands.tracks]
        names = ("hands.glb", "hands.csv", "hands.json", "hands.html")
        return Answer(page[place / "hands.html"], [place / name for name in names], "; ".join(words))

    def forget(self) -> None:
        """Remove all result files."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _load(self, side: Side, all_hands: bool, depth: bool, texture: bool) -> Reconstructor:
        return Reconstructor(model=self.model, side=side, all_hands=all_hands, depth=depth, texture=texture)

    def _load_pipeline(self, choices: Choices) -> HandPipeline:
        from handsss.reconstruction.pipeline import HandPipeline
        from handsss.reconstruction.settings import PipelineSettings

        settings = PipelineSettings(
            side=choices.side, all_hands=choices.all_hands, depth=choices.depth, appearance=choices.texture
        )
        return HandPipeline(self.model, settings)

    def _place(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=self.folder))


def _size(path: Path) -> tuple[int, int]:
    """Width and height of the upright photo."""
    from handsss.io.image import read_image

    array: np.ndarray = read_image(path).array
    return array.shape[1], array.shape[0]
