"""Resumes a run over many photos: what made a result is written beside it, and complete results are not made again.

``NAME.json`` is written after a photo's other files. Its ``run`` holds the options of the run, digests of the network,
the hand model, the photo and its keypoints, and the sizes of the other files: a result that was cut off, or whose photo
changed, is made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from handsss.data.keypoints.files import PictureKeypoints
from handsss.errors import InputError, UserError
from handsss.hand.model import HandModel
from handsss.io.camera import choose_camera
from handsss.io.content import read_text
from handsss.io.image import is_stream
from handsss.mesh_io.formats import is_rigged
from handsss.reconstruction.inputs import BatchOptions, Source
from handsss.reconstruction.outputs import Destination, Outcome, OutputPlan, status_of
from handsss.version import __version__

_ALWAYS = ("hand", "score", "network", "handedness", "side_from", "expected_error_mm", "rig")


def run_options(
    model: HandModel, network: Path | None, options: BatchOptions, plan: OutputPlan, **settings: Any
) -> dict[str, Any]:
    """What all results of a run depend on, by the names of the options.

    Args:
        model: the hand model.
        network: its file; None: no network.
        options: of the photos.
        plan: of the result files.
        settings: further options and their values; those that change nothing but the pace are left out.
    """
    camera = options.camera
    return {
        **settings,
        **({"static": options.static} if is_rigged(plan.suffix) and plan.suffix != ".bvh" else {}),
        "program": __version__,
        "model": f"{model.name} {_model_digest(model)}",
        "checkpoint": "none" if network is None else f"{network.stem} {_digest(network.read_bytes())}",
        "format": plan.suffix[1:],
        "intrinsics": None if camera.intrinsics is None else camera.intrinsics.tolist(),
        "fov": camera.field_of_view,
        "keypoints": options.keypoints is not None,
        "keypoint_set": options.keypoint_set,
        "hand": options.hand,
        "side": options.side,
        "box": None if options.box is None else [float(value) for value in options.box],
        "vertices": options.vertices,
        "picture": options.picture,
    }


def photo_facts(
    source: Source, keypoints: PictureKeypoints | InputError | None, options: BatchOptions
) -> dict[str, Any]:
    """What the result of one photo depends on beside the options: digests of photo and keypoints, its own camera."""
    table = options.camera.table
    return {
        "photo": None if is_stream(source.path) else _digest(source.path.read_bytes()),
        "keypoints": _keypoints_digest(keypoints),
        "intrinsics": None
        if table is None
        else choose_camera((1, 1), None, str(source.path), options.camera).intrinsics.tolist(),
    }


def run_record(options: BatchOptions, facts: Mapping[str, Any], files: Mapping[Path, bytes]) -> dict[str, Any]:
    """``run`` of NAME.json.

    Args:
        options: with ``run_options``.
        facts: see :func:`photo_facts`.
        files: the photo's other files.
    """
    sizes = {path.name: len(content) for path, content in files.items()}
    return {"options": dict(options.run_options), "inputs": dict(facts), "files": sizes}


def complete_results(
    sources: Sequence[Source],
    plan: OutputPlan,
    keypoints: Sequence[PictureKeypoints | InputError | None],
    options: BatchOptions,
) -> dict[int, Outcome]:
    """The photos whose results are complete, by number, with what became of them.

    Raises:
        UserError: results there were made with other options; a photo that comes through a pipe.
    """
    complete = {}
    for number, source in enumerate(sources):
        if is_stream(source.path):
            raise UserError(f"{{resume}} needs photos that are files, got {source.path}.", options=("resume",))
        destination = plan.of(source)
        document = _document(destination.document)
        if document is None:
            continue
        run = document["run"]
        _check_options(run["options"], options.run_options, plan)
        try:
            facts = photo_facts(source, keypoints[number], options)
        except (OSError, InputError):
            continue  # the run says what is wrong
        folder = destination.document.parent
        if run["inputs"] == facts and all(_size(folder / name) == size for name, size in run["files"].items()):
            complete[number] = _outcome(source, destination, document, options)
    return complete


def results_of_absent_photos(sources: Sequence[Source], plan: OutputPlan) -> list[Path]:
    """``NAME.json`` of earlier runs whose photos are not among these: deleted or renamed since, or never asked for.

    Args:
        sources: the photos.
        plan: of the result files.
    """
    own = {plan.of(source).document for source in sources}
    others = (path for path in plan.folder.rglob("*.json") if path not in own and path != plan.summary)
    return sorted(path for path in others if _document(path) is not None)


def _check_options(before: Mapping[str, Any], now: Mapping[str, Any], plan: OutputPlan) -> None:
    names = [name for name in now if name in before and before[name] != json.loads(json.dumps(now[name]))]
    if not names:
        return
    told = []
    for name in names:
        if name == "program":
            told.append(f"handsss {before[name]}, now {now[name]}")
        elif name in ("intrinsics", "box"):
            told.append(f"another {{{name}}}")
        else:
            told.append(f"{{{name}}} {_said(before[name])}, now {_said(now[name])}")
    raise UserError(
        f"{{resume}}: the results in {plan.folder} were made with other options: {'; '.join(told)}. Give the same "
        "ones, choose another {output}, or leave {resume} out to make all anew.",
        options=("resume", "output", *(name for name in names if name != "program")),
    )


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not given" if value is None else str(value)


def _document(path: Path) -> dict[str, Any] | None:
    """NAME.json of an earlier run, if it is whole and says how it was made."""
    try:
        content = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError):
        return None
    run = content.get("run") if isinstance(content, dict) else None
    if not isinstance(run, dict) or not isinstance(content.get("hands"), list):
        return None
    return content if all(isinstance(run.get(key), dict) for key in ("options", "inputs", "files")) else None


def _outcome(source: Source, destination: Destination, document: Mapping[str, Any], options: BatchOptions) -> Outcome:
    """What an earlier run reported of a photo."""
    folder = destination.document.parent
    hands = [
        {key: hand[key] for key in _ALWAYS if key in hand} | hand.get("fit", {}) | {"seconds": hand.get("seconds", {})}
        for hand in document["hands"]
    ]
    files = [folder / name for name in (*document["run"]["files"], destination.document.name)]
    return Outcome(
        image=source.path.as_posix(),
        status=status_of([hand.get("expected_error_mm") for hand in hands], options.max_error),
        camera=document["camera"]["description"],
        camera_source=document["camera"]["source"],
        notes=list(document["image_notes"]),
        files=sorted(files, key=lambda path: path != destination.mesh),
        hands=hands,
        seconds=sum(value for hand in hands for value in hand["seconds"].values()),
        skipped=True,
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _model_digest(model: HandModel) -> str:
    arrays = (model.v_template, model.shapedirs, model.posedirs, model.weights)
    return _digest(b"".join(array.tobytes() for array in arrays))


def _keypoints_digest(keypoints: PictureKeypoints | InputError | None) -> str | None:
    if not isinstance(keypoints, PictureKeypoints):
        return None
    if keypoints.document is None:
        return _digest(keypoints.path.read_bytes())
    hands = [hand for entry in keypoints.document.pictures for hand in entry.hands]
    return _digest(b"".join(repr((hand.side, hand.keypoint_set)).encode() + hand.points.tobytes() for hand in hands))
