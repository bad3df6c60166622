"""Reconstructs folders of real photos: detection rate, reprojection error, silhouette IoU, time; contact sheets.

    python benchmarks/photos.py PHOTOS... --out FOLDER [--checkpoint none] [--start search] [--sheets 60] [--residuals]
        [--against FOLDER]

Each PHOTOS folder is one row of the table. A photo NAME.jpg with NAME_mask.png beside it (255: hand) is also scored by
the overlap of the rendered hand with the mask; what lies beyond the wrist (forearm) does not count, and the figure with
all of the mask is given too. --residuals adds, for each joint, the residual of a fit to the keypoints alone when they
are taken as the joints of the model (before) and as the measured definition (after). --against compares with the
results of another run, photo by photo.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from handsss.fitting.keypoint_fit import Start, keypoint_fitter
from handsss.fitting.observation import observation_of
from handsss.fitting.segmentation import forearm_zone
from handsss.geometry.cameras import intrinsics_from_fov, mirror_intrinsics
from handsss.hand.joints import JOINT_ORDERS
from handsss.hand.result import HandResult
from handsss.io.camera import choose_camera
from handsss.io.image import read_image
from handsss.reconstruction.pipeline import HandPipeline
from handsss.reconstruction.settings import PipelineSettings
from handsss.rendering.pipeline import render
from handsss.visualize.overview import picture


def silhouette_of(hand: HandResult, size: tuple[int, int]) -> np.ndarray:
    """Covered pixels [H, W] of a reconstructed hand, its open wrist closed by its own far wall."""
    output = render(
        torch.as_tensor(hand.vertices, dtype=torch.float32)[None],
        torch.as_tensor(hand.faces.astype(np.int64)),
        colours=torch.ones(len(hand.vertices), 3),
        intrinsics=torch.as_tensor(hand.intrinsics, dtype=torch.float32),
        size=size,
    )
    return output.silhouette[0].numpy() > 0.5


def overlaps(hand: HandResult, mask: np.ndarray) -> tuple[float, float]:
    """IoU with a mask outside the forearm, and with all of it."""
    rendered = silhouette_of(hand, mask.shape)
    wrist = hand.kinematic_joints_3d[0]
    axis = wrist - hand.kinematic_joints_3d[9]
    counted = ~forearm_zone(mask.shape, wrist, axis / np.linalg.norm(axis), hand.intrinsics)
    both, either = rendered & mask, rendered | mask
    return float(both[counted].sum() / max(either[counted].sum(), 1)), float(both.sum() / max(either.sum(), 1))


def residuals(hand: HandResult, width: int, start: Start) -> dict[str, np.ndarray]:
    """Residual of each joint over the hand's box, of keypoint fits with two definitions of the keypoints."""
    keypoints, intrinsics = hand.keypoints_2d.copy(), hand.intrinsics
    if hand.hand == "left":
        keypoints[:, 0] = width - keypoints[:, 0]
        intrinsics = mirror_intrinsics(intrinsics, width)
    observation = observation_of(keypoints, intrinsics)
    box = float(np.ptp(keypoints[:, :2], axis=0).max())
    result = {}
    for when, name in (("before", "joints"), ("after", hand.keypoint_set)):
        problem = keypoint_fitter("open", name, start)
        points, _ = problem.problem.keypoints(problem(observation, None).parameters)
        projected = (points[0] @ torch.as_tensor(intrinsics).T).numpy()
        miss = projected[:, :2] / projected[:, 2:] - keypoints[:, :2]
        result[when] = np.linalg.norm(miss, axis=1) / box
    return result


def run(folder: Path, pipeline: HandPipeline, out: Path, with_residuals: bool) -> dict[str, object]:
    """One folder: the row of figures; the pictures go to ``out``."""
    paths = sorted(path for path in folder.iterdir() if path.suffix == ".jpg")
    rows, per_joint = [], []
    out.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(paths):
        photo = read_image(path)
        size = photo.array.shape[:2]
        camera = choose_camera((size[1], size[0]), photo.exif, path.name)
        begin = time.perf_counter()
        hands = pipeline(photo.array, camera.intrinsics, assumed=camera.source == "default")
        row: dict[str, object] = {"image": path.name, "found": bool(hands), "seconds": time.perf_counter() - begin}
        if hands:
            hand = hands[0]
            row |= {"hand": hand.hand, "score": hand.score, **hand.fit, "stages": hand.seconds}
            mask = path.with_name(path.stem + "_mask.png")
            if mask.exists():
                pixels = np.asarray(Image.open(mask).convert("L")) > 127
                row["mask_iou"], row["mask_iou_with_forearm"] = overlaps(hand, pixels)
            if with_residuals:
                per_joint.append(residuals(hand, size[1], pipeline.settings.start))
            Image.fromarray(picture(photo.array, hands[:1])).save(out / f"{path.stem}.jpg", quality=88)
        rows.append(row)
        if number % 50 == 49:
            print(f"{folder.name}: {number + 1} of {len(paths)}", flush=True)
    found = [row for row in rows if row["found"]]

    def over_photos(
        what: Callable[[list[float]], Any], key: str, rows: list[dict[str, object]] = found
    ) -> float | None:
        values = [float(row[key]) for row in rows if row.get(key) is not None]  # type: ignore[arg-type]
        return round(float(what(values)), 4) if values else None

    figures: dict[str, object] = {
        "folder": folder.name,
        "photos": len(rows),
        "found": len(found),
        "reprojection_of_box_mean": over_photos(np.mean, "reprojection_of_box"),
        "reprojection_of_box_median": over_photos(np.median, "reprojection_of_box"),
        "reprojection_of_box_p90": round(float(np.percentile([row["reprojection_of_box"] for row in found], 90)), 4),
        "silhouette_iou_mean": over_photos(np.mean, "silhouette_iou"),
        "silhouette_iou_median": over_photos(np.median, "silhouette_iou"),
        "seconds_a_photo_median": over_photos(np.median, "seconds", rows),
        "seconds_a_photo_mean": round(float(np.mean([row["seconds"] for row in rows])), 3),
        "seconds_of_stages_median": {
            stage: round(float(np.median([row["stages"][stage] for row in found])), 3)  # type: ignore[index]
            for stage in ("detect", "predict", "fit", "texture")
        },
    }
    for key in ("mask_iou", "mask_iou_with_forearm"):
        for name, what in (("mean", np.mean), ("median", np.median)):
            value = over_photos(what, key)
            if value is not None:
                figures[f"{key}_{name}"] = value
    if per_joint:
        figures["residual_percent_of_box"] = {
            when: {
                name: round(100 * float(value), 2)
                for name, value in zip(
                    JOINT_ORDERS["openpose"], np.median([r[when] for r in per_joint], axis=0), strict=True
                )
            }
            for when in ("before", "after")
        }
    (out / "rows.json").write_text(json.dumps(rows, indent=1))
    return figures


def compared(out: Path, other: Path) -> dict[str, object]:
    """In how many photos of a folder these results are better than another run's, where both have a figure."""
    runs = [{row["image"]: row for row in json.loads((path / "rows.json").read_text())} for path in (out, other)]
    result: dict[str, object] = {}
    for name, key, sign in (
        ("keypoints_nearer", "reprojection_of_box", -1),
        ("own_overlap_larger", "silhouette_iou", 1),
        ("mask_overlap_larger", "mask_iou", 1),
    ):
        pairs = [[run[image].get(key) for run in runs] for image in runs[0] if image in runs[1]]
        both = [(own, its) for own, its in pairs if own is not None and its is not None]
        if both:
            result[name] = sum(sign * (own - its) > 0 for own, its in both)
            result[f"{name}_of"] = len(both)
    return result


def sheet(folder: Path, count: int, target: Path) -> None:
    """Contact sheet of evenly spread result pictures: mesh over photo, texture, and three turned views of each."""
    paths = sorted(folder.glob("*.jpg"))
    paths = [paths[i] for i in np.unique(np.linspace(0, len(paths) - 1, min(count, len(paths))).round().astype(int))]
    tiles = []
    for path in paths:
        image = np.asarray(Image.open(path))
        first, second = (1680 - 32) // 5, (1680 - 48) // 7
        panels = [image[64 : 64 + first, 8 + i * (first + 8) :][:, :first] for i in (1, 3)]
        low = 64 + first + 8 + 24
        panels += [image[low : low + second, 8 + i * (second + 8) :][:, :second] for i in (0, 1, 5, 6)]
        tile = np.concatenate([np.asarray(Image.fromarray(panel).resize((150, 150))) for panel in panels], 1)
        tiles.append(np.pad(tile, ((0, 4), (0, 8), (0, 0)), constant_values=255))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % 2)
    rows = [np.concatenate(tiles[i : i + 2], 1) for i in range(0, len(tiles), 2)]
    Image.fromarray(np.concatenate(rows)).save(target, quality=85)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="open")
    parser.add_argument("--checkpoint", default="auto", help="the network that predicts; none: keypoints alone")
    parser.add_argument("--start", choices=("auto", "lifted", "search"), default="auto", help="see docs/lab/starts.md")
    parser.add_argument("--sheets", type=int, default=0, help="results on each folder's contact sheet")
    parser.add_argument("--residuals", action="store_true")
    parser.add_argument("--against", type=Path, help="the --out of another run over the same photos")
    options = parser.parse_args()
    for folder in options.folders if options.against else ():
        if (
            options.against.resolve() == options.out.resolve()
            or not (options.against / folder.name / "rows.json").exists()
        ):
            parser.error(
                f"--against {options.against}: expected the --out of another run with results of {folder.name}"
            )
    pipeline = HandPipeline(options.model, PipelineSettings(checkpoint=options.checkpoint, start=options.start))
    blank = np.zeros((64, 64, 3), np.uint8)
    pipeline(blank, intrinsics_from_fov(64, 64))  # load networks and kernels before the clock starts
    table = []
    for folder in options.folders:
        table.append(run(folder, pipeline, options.out / folder.name, options.residuals))
        if options.against:
            table[-1]["against"] = compared(options.out / folder.name, options.against / folder.name)
        print(json.dumps(table[-1], indent=1), flush=True)
        if options.sheets:
            sheet(options.out / folder.name, options.sheets, options.out / f"{folder.name}_sheet.jpg")
    (options.out / "photos.json").write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
