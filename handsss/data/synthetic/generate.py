"""Writes a synthetic dataset in FreiHAND's layout: in blocks, with several processes, resumable."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handsss.data.resumable_jobs import Blocks, check_resume
from handsss.data.synthetic.background import digest, list_backgrounds
from handsss.data.synthetic.poses import POSES
from handsss.data.synthetic.scene import SceneSettings, make_scene
from handsss.errors import UserError
from handsss.io.atomic import atomic_path, remove_temporary_files, write_error, write_file
from handsss.io.pool import run_jobs
from handsss.version import __version__

BLOCK = 64  # pictures
GENERATOR = 1  # raised whenever the same seed gives other pictures
SPLITS = ("training", "evaluation")
_LISTS = ("K", "scale", "xyz", "verts", "mano")
# Hundredths of a millimetre, and for everything in radians or pixels as much: text ten times smaller than full digits.
_DECIMALS = {"K": 4, "scale": 6, "xyz": 6, "verts": 5, "mano": 6}


@dataclass(frozen=True)
class SynthesizeOptions:
    """Size, content and execution of a synthetic dataset."""

    training: int  # pictures
    evaluation: int | None  # pictures; None: a tenth of the training pictures
    scene: SceneSettings
    workers: int = 1
    resume: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class _Job:
    number: int
    split: str
    first: int
    count: int
    root: Path
    blocks: Path
    scene: SceneSettings


class SynthesisSummary(NamedTuple):
    """Counts of a finished dataset."""

    root: Path
    pictures: dict[str, int]
    clean: int
    occluded: int
    drawn: int  # rendered by this run; the rest existed already


def settings_of(
    seed: int, backgrounds: Path | None, *, occluders: float = 0.3, clean: bool = False, poses: str = "coupled"
) -> SceneSettings:
    """Scene settings with a folder of backgrounds listed.

    Raises:
        UserError: no such poses.
        InputError: the folder is not there or holds no pictures.
    """
    if poses not in POSES:
        raise UserError(f"{{poses}}: expected {' or '.join(POSES)}, got {poses}.", options=("poses",))
    paths = () if backgrounds is None else tuple(path.resolve() for path in list_backgrounds(backgrounds))
    return SceneSettings(seed=seed, backgrounds=paths, occluders=occluders, clean=clean, poses=poses)


def synthesize(
    root: Path, options: SynthesizeOptions, *, progress: Callable[[int, int], None] = lambda done, total: None
) -> SynthesisSummary:
    """Make a dataset.

    The annotation files are written last, so that an unfinished dataset has none and is not mistaken for one.

    Args:
        root: its folder.
        options: see :class:`SynthesizeOptions`.
        progress: told pictures done and in all.

    Raises:
        UserError: a finished or an unfinished dataset of other settings is there; the folder cannot be written.
    """
    check_resume(options.resume, options.overwrite)
    evaluation = max(options.training // 10, 1) if options.evaluation is None else options.evaluation
    counts = {"training": options.training, "evaluation": evaluation}
    plan = _plan(counts, options.scene)
    blocks = Blocks(root / ".parts")
    record = root / "synthesis.json"
    if options.overwrite:
        blocks.remove()
        record.unlink(missing_ok=True)
    if record.exists():
        return _finished(record, plan, options)
    if root.exists() and any(root.iterdir()) and not blocks.folder.exists() and not options.overwrite:
        raise UserError(
            f"{root}: is not empty, and holds no unfinished run. Choose another folder with {{output}}.",
            options=("output",),
        )
    blocks.begin(plan, resume=options.resume)
    jobs = list(_jobs(counts, root, blocks.folder, options.scene))
    waiting = [job for job in jobs if not blocks.done(job.number)]
    total = sum(counts.values())
    todo = sum(job.count for job in waiting)
    done = total - todo
    progress(done, total)
    try:
        for split in SPLITS:
            for kind in ("rgb", "mask"):
                (root / split / kind).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(root, error, resumable=True) from error
    _sweep(root)
    sizes = {job.number: job.count for job in jobs}
    for number in run_jobs(_draw_block, waiting, options.workers):
        done += sizes[number]
        progress(done, total)
    facts = _write_annotations(root, jobs, blocks)
    clean = sum(fact["clean"] for fact in facts)
    occluded = sum(fact["occluder"] for fact in facts)
    content = {**plan, "counts": counts, "clean": clean, "occluded": occluded, "program": f"handsss {__version__}"}
    _sweep(root)  # workers that outlived a killed run may have left one since
    write_file(record, json.dumps(content, indent=1).encode(), resumable=True)
    blocks.remove()
    return SynthesisSummary(root, counts, clean, occluded, todo)


def _sweep(root: Path) -> None:
    for folder in (root, *(root / split / kind for split in SPLITS for kind in ("rgb", "mask"))):
        remove_temporary_files(folder)


def _plan(counts: dict[str, int], scene: SceneSettings) -> dict[str, Any]:
    settings = {key: value for key, value in asdict(scene).items() if key != "backgrounds"}
    if scene.poses == POSES[0]:
        del settings["poses"]  # datasets from before there was a choice have no such entry
    return {
        "generator": GENERATOR,
        "pictures": counts,
        "scene": settings,
        "backgrounds": len(scene.backgrounds),
        "backgrounds_hash": digest(scene.backgrounds),
        "block": BLOCK,
    }


def _jobs(counts: dict[str, int], root: Path, blocks: Path, scene: SceneSettings) -> Iterator[_Job]:
    number = 0
    for split in SPLITS:
        for first in range(0, counts[split], BLOCK):
            yield _Job(number, split, first, min(BLOCK, counts[split] - first), root, blocks, scene)
            number += 1


def _draw_block(job: _Job) -> int:
    """Render a block, then write its ground truth: a block that exists has all its pictures."""
    scenes = []
    folder = job.root / job.split
    for number in range(job.first, job.first + job.count):
        scene = make_scene(number, job.split, job.scene)
        write_file(folder / "rgb" / f"{number:08d}.jpg", scene.picture, resumable=True)
        write_file(folder / "mask" / f"{number:08d}.jpg", scene.mask, resumable=True)
        scenes.append(scene)
    arrays = {
        "K": np.array([scene.K for scene in scenes]),
        "scale": np.array([scene.scale for scene in scenes]),
        "xyz": np.array([scene.joints for scene in scenes]),
        "verts": np.array([scene.vertices for scene in scenes]),
        "mano": np.array([scene.mano for scene in scenes])[:, None],
    }
    Blocks(job.blocks).write(job.number, arrays, {"facts": [scene.facts for scene in scenes]})
    return job.number


def _write_annotations(root: Path, jobs: list[_Job], blocks: Blocks) -> list[dict[str, Any]]:
    """Write FreiHAND's JSON lists and SPLIT_scene.json; returns the scene attributes of all pictures."""
    everything: list[dict[str, Any]] = []
    for split in SPLITS:
        mine = [job for job in jobs if job.split == split]
        if not mine:
            continue
        facts: list[dict[str, Any]] = []
        for job in mine:
            facts += blocks.report(job.number)["facts"]
        write_file(root / f"{split}_scene.json", json.dumps(facts).encode(), resumable=True)
        everything += facts
        for name in _LISTS:
            _write_list(root / f"{split}_{name}.json", name, mine, blocks)
    return everything


def _write_list(path: Path, name: str, jobs: list[_Job], blocks: Blocks) -> None:
    """One JSON list over all blocks; meshes are many numbers, so the text is streamed."""
    with atomic_path(path, resumable=True) as temporary, open(temporary, "w", encoding="ascii") as stream:
        stream.write("[")
        for number, job in enumerate(jobs):
            values = blocks.read(job.number)[0][name]
            text = io.StringIO()
            json.dump(np.round(values, _DECIMALS[name]).tolist(), text)
            stream.write((", " if number else "") + text.getvalue()[1:-1])
        stream.write("]")


def _finished(record: Path, plan: dict[str, Any], options: SynthesizeOptions) -> SynthesisSummary:
    if not options.resume:
        raise UserError(
            f"{record.parent}: holds a finished dataset. Choose another folder with {{output}}, or use {{overwrite}}.",
            options=("output", "overwrite"),
        )
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{record}: cannot be read ({error}). Use {{overwrite}}.", options=("overwrite",)) from error
    wanted = json.loads(json.dumps(plan))
    for key, value in wanted.items():
        if content.get(key) != value:
            raise UserError(
                f"{record.parent}: holds a finished dataset with {key} = {content.get(key)}, not {value}. Choose "
                "another folder with {output}, or use {overwrite}.",
                options=("output", "overwrite"),
            )
    return SynthesisSummary(record.parent, content["counts"], content["clean"], content["occluded"], 0)
