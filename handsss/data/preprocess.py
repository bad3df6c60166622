"""Preprocesses datasets into stores: in blocks, with several processes, resumable after a kill."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import h5py
import numpy as np

from handsss.data.annotated_image import AnnotatedImage
from handsss.data.image_rows import make_rows
from handsss.data.keypoints.names import Picture
from handsss.data.keypoints.sources import KeypointFiles, KeypointSource
from handsss.data.resumable_jobs import Blocks, check_resume, parts_folder
from handsss.data.store.hdf5 import read_hdf5
from handsss.data.store.schema import ENCODINGS, FORMAT_VERSION, Row
from handsss.data.store.writer import assemble, pack_rows
from handsss.errors import BadPictureError, InputError, UserError
from handsss.geometry.framing import BOX_MARGIN, MARGIN
from handsss.io.pool import run_jobs

_SMALLEST_BLOCK, _LARGEST_BLOCK = 8, 128  # pictures; what a kill can cost each worker


class Reader(Protocol):
    """A dataset: indexed images and attributes of the whole."""

    def __len__(self) -> int: ...
    def item(self, row: int) -> AnnotatedImage: ...
    def pictures(self) -> list[Picture]: ...  # all of them, in order, without their annotations
    @property
    def attributes(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class PreprocessOptions:
    """Options of preprocessing."""

    encoding: str = "jpeg"  # of the crops
    margin: float = MARGIN  # around the keypoints' box, of its longer side, on every side
    box_margin: float = BOX_MARGIN  # around a box given by the dataset
    workers: int = 1
    limit: int | None = None  # first pictures only
    shard: tuple[int, int] = (0, 1)  # this part, of so many
    resume: bool = False
    overwrite: bool = False
    skip_bad: bool = False


class PreprocessSummary(NamedTuple):
    """Counts of a finished store."""

    path: Path
    pictures: int
    rows: int
    counts: dict[str, int]  # tag -> count
    bad: list[tuple[str, str]]  # pictures left out, and why
    mean_bone: float | None  # m, average length of bone 9-10
    already_done: bool = False


@dataclass
class BlockJob:
    """One block of images, for a worker process."""

    number: int
    items: list[AnnotatedImage | tuple[str, str]]  # or name and message of one whose annotation is damaged
    blocks: Path
    source: KeypointSource
    options: PreprocessOptions


@dataclass
class _Report:
    rows: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    bad: list[tuple[str, str]] = field(default_factory=list)


def preprocess(
    reader: Reader,
    source: KeypointSource,
    target: Path,
    options: PreprocessOptions,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PreprocessSummary:
    """Preprocess a dataset into a store.

    Args:
        reader: the dataset.
        source: of its keypoints.
        target: the HDF5 file.
        options: see :class:`PreprocessOptions`.
        progress: told pictures done and in all.

    Raises:
        UserError: the file is there already, or cannot be written; an unfinished run of other settings.
        BadPictureError: a picture or annotation that cannot be used, unless ``skip_bad``.
    """
    check_resume(options.resume, options.overwrite)
    if options.encoding not in ENCODINGS:
        raise UserError(f"encoding {options.encoding!r}: expected one of {', '.join(ENCODINGS)}.")
    pictures = reader.pictures() if isinstance(source, KeypointFiles) else []
    if isinstance(source, KeypointFiles) and not source.is_bound:
        source = source.bound(pictures)
    numbers = _numbers(len(reader), options)
    plan = _plan(reader, source, numbers, options)
    blocks = Blocks(parts_folder(target))
    if options.overwrite:
        blocks.remove()
        target.unlink(missing_ok=True)
    if target.exists():
        return _finished(target, plan, blocks, options)
    blocks.begin(plan, resume=options.resume, may_turn_on=("skip_bad",))
    block = plan["block"]
    chunks = [numbers[i : i + block] for i in range(0, len(numbers), block)]
    waiting = [number for number in range(len(chunks)) if not blocks.done(number)]
    done = len(numbers) - sum(len(chunks[number]) for number in waiting)
    progress(done, len(numbers))

    def jobs() -> Any:
        for number in waiting:
            own = source
            if isinstance(source, KeypointFiles):  # the files of this block alone go to its process
                own = source.selected([pictures[int(i)].name for i in chunks[number]])
            yield BlockJob(number, [_item(reader, int(i)) for i in chunks[number]], blocks.folder, own, options)

    for number in run_jobs(make_block, jobs(), options.workers):
        done += len(chunks[number])
        progress(done, len(numbers))

    def attributes(file: h5py.File, reports: list[dict[str, Any]]) -> dict[str, Any]:
        return _attributes(file, reports, reader, source, plan, options)

    assemble(blocks, len(chunks), target, options.encoding, attributes)
    return summarise(target)


def _numbers(count: int, options: PreprocessOptions) -> np.ndarray:
    """Numbers of the pictures of this run: those of its shard, after the limit."""
    total = count if options.limit is None else min(count, options.limit)
    part, parts = options.shard
    if not 0 <= part < parts:
        raise UserError(f"{{shard}} {part}/{parts}: expected i/n with i from 0 to n - 1.", options=("shard",))
    edges = np.linspace(0, total, parts + 1).round().astype(int)
    return np.arange(edges[part], edges[part + 1])


def _plan(reader: Reader, source: KeypointSource, numbers: np.ndarray, options: PreprocessOptions) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "dataset": reader.attributes,
        "keypoints": source.settings(),
        "keypoint_set": source.keypoint_set,
        "pictures": len(numbers),
        "first": int(numbers[0]) if len(numbers) else 0,
        "shard": list(options.shard),
        "encoding": options.encoding,
        "margin": options.margin,
        "box_margin": options.box_margin,
        "block": int(np.clip(len(numbers) // 64, _SMALLEST_BLOCK, _LARGEST_BLOCK)),
        "skip_bad": options.skip_bad,
    }


def fingerprint(plan: dict[str, Any]) -> str:
    """A hash of everything that determines a store's content."""
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:16]


def _item(reader: Reader, row: int) -> AnnotatedImage | tuple[str, str]:
    try:
        return reader.item(row)
    except InputError as error:
        return f"{row}", str(error)


def make_block(job: BlockJob) -> int:
    """Make and write one block; its number.

    Raises:
        BadPictureError: a picture that cannot be used, unless ``skip_bad``.
        UserError: the block cannot be written.
    """
    report = _Report()
    rows: list[Row] = []
    options = job.options
    for item in job.items:
        try:
            if isinstance(item, tuple):
                raise InputError(item[1])
            keep_file = options.encoding == "jpeg"
            image_rows = make_rows(item, job.source, options.margin, options.box_margin, keep_file=keep_file)
        except InputError as error:
            if not options.skip_bad:
                raise BadPictureError(
                    f"{error.template} {{resume}} {{skip_bad}} goes on without such pictures and lists them.",
                    options=("resume", "skip_bad", *error.options),
                ) from error
            report.bad.append((item[0] if isinstance(item, tuple) else item.name, str(error)))
            continue
        rows += image_rows.rows
        report.counts.update(image_rows.tags)
    Blocks(job.blocks).write(
        job.number,
        pack_rows(rows, options.encoding),
        {"pictures": len(job.items), "counts": report.counts, "bad": report.bad},
    )
    return job.number


def _attributes(
    file: h5py.File,
    reports: list[dict[str, Any]],
    reader: Reader,
    source: KeypointSource,
    plan: dict[str, Any],
    options: PreprocessOptions,
) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    bad: list[list[str]] = []
    for report in reports:
        counts.update(report["counts"])
        bad += report["bad"]
    scale = file["scale"][:] if "scale" in file else np.zeros(0)
    known = scale[np.isfinite(scale)]
    confidence = file["confidence"][:]
    return {
        **reader.attributes,
        "keypoint_set": source.keypoint_set,
        "keypoint_source": source.settings(),
        "joint_order": "openpose",
        "units": "metres, radians, pixels with centres at +0.5; camera x right, y down, z forward; RGB",
        "encoding": options.encoding,
        "crop_margin": options.margin,
        "box_margin": options.box_margin,
        "shard": f"{options.shard[0]}/{options.shard[1]}",
        "pictures": plan["pictures"],
        "rows": len(confidence),
        "rows_with_keypoints": int((confidence > 0).any(1).sum()) if len(confidence) else 0,
        "counts": dict(sorted(counts.items())),
        "bad": bad,
        **({"mean_bone_9_10": float(known.mean(dtype=np.float64))} if len(known) else {}),
        "fingerprint": fingerprint(plan),
    }


def _finished(target: Path, plan: dict[str, Any], blocks: Blocks, options: PreprocessOptions) -> PreprocessSummary:
    """The target exists: its summary if it has the same settings and the run resumes, else an error."""
    if not options.resume:
        raise UserError(
            f"{target}: exists already. Choose another name with {{output}}, or replace it with {{overwrite}}.",
            options=("output", "overwrite"),
        )
    try:
        with read_hdf5(target) as file:
            same = file.attrs.get("fingerprint") == fingerprint(plan)
    except OSError:
        same = False
    if not same:
        raise UserError(
            f"{target}: is a file of other settings. Choose another name with {{output}}, or use {{overwrite}}.",
            options=("output", "overwrite"),
        )
    blocks.remove()
    return summarise(target)._replace(already_done=True)


def summarise(path: Path) -> PreprocessSummary:
    """The counts of a finished store."""
    with read_hdf5(path) as file:
        attributes = dict(file.attrs)
        bad = [(str(name), str(message)) for name, message in json.loads(attributes["bad"])]
        return PreprocessSummary(
            path=path,
            pictures=int(attributes["pictures"]),
            rows=int(attributes["rows"]),
            counts=json.loads(attributes["counts"]),
            bad=bad,
            mean_bone=float(attributes["mean_bone_9_10"]) if "mean_bone_9_10" in attributes else None,
        )
