"""How many hands the detector finds, how many it sees where none are, and how sure it is of the side.

    python benchmarks/recall.py photos/ --empty backgrounds/ --pieces 1000 --json docs/results/recall.json
    python benchmarks/recall.py --large photos/ --empty backgrounds/            # hands in photos of 12 megapixels
    handsss synthesize -n 1 --eval 500 --seed 0 --backgrounds backgrounds/ -o synthetic
    python benchmarks/recall.py --truth synthetic                               # and how many are right

Folders of photos count as showing a hand each, ``--empty`` as showing none: whole, and in ``--pieces`` random pieces of
96 px to the whole (seed ``--seed``). ``--truth`` takes a dataset in FreiHAND's layout: its pictures are crops of one
hand, found as ``handsss preprocess`` finds them; a hand is right where its keypoints lie within a tenth of the hand's
box of the true joints, in the mean. ``--large`` lays photos, 100 px high, on mosaics of the empty ones, 4000 x 3000 px.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from handsss.data.readers.freihand import open_freihand
from handsss.detect.detector import HandDetector
from handsss.detect.types import Detection
from handsss.io.image import IMAGE_SUFFIXES, read_image

RIGHT = 0.1  # mean distance from the true joints, of the longer side of their box
LARGE, SMALL = (4000, 3000), 100  # px: a large photo, and the height of a photo laid on it


def pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)


class Tally:
    """Counts of one set of pictures."""

    def __init__(self, name: str) -> None:
        self.name, self.pictures, self.found, self.right, self.left = name, 0, 0, 0, 0
        self.seconds: dict[bool, list[float]] = {True: [], False: []}
        self.others: list[str] = []  # pictures without a hand; of empty ones, those with one

    def add(self, name: str, hands: list[Detection], seconds: float, *, right: bool = True) -> None:
        self.pictures += 1
        self.found += bool(hands)
        self.right += bool(hands) and right
        self.left += bool(hands) and hands[0].hand == "left"
        self.seconds[bool(hands)].append(seconds)
        self.others += [name] * (not hands)

    def figures(self) -> dict[str, Any]:
        times = {found: float(np.median(values)) if values else None for found, values in self.seconds.items()}
        figures = {"pictures": self.pictures, "found": self.found, "right": self.right, "called_left": self.left}
        figures |= {"median_seconds_found": times[True], "median_seconds_none": times[False]}
        print(self.name, json.dumps(figures), "without a hand:", " ".join(self.others[:12]), flush=True)
        return figures | {"without_a_hand": self.others}


def timed(detector: HandDetector, picture: np.ndarray, *, one: bool = False) -> tuple[list[Detection], float]:
    begin = time.perf_counter()
    hands = detector.detect_one(picture) if one else detector.detect(picture)
    return hands, time.perf_counter() - begin


def photos(detector: HandDetector, folder: Path) -> dict[str, Any]:
    tally = Tally(folder.name)
    for path in pictures(folder):
        tally.add(path.name, *timed(detector, read_image(path).array))
    return tally.figures()


def pieces(folder: Path, count: int, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Random pieces of pictures: longer side from 96 px to the whole (log-uniform), aspect up to 3:2."""
    generator = np.random.default_rng(seed)
    paths = pictures(folder)
    for _ in range(count):
        path = paths[generator.integers(len(paths))]
        picture = read_image(path).array
        height, width = picture.shape[:2]
        side = np.exp(generator.uniform(np.log(96), np.log(max(width, height))))
        w, h = (int(min(side * generator.uniform(2 / 3, 1), limit)) for limit in (width, height))
        x, y = generator.integers(width - w + 1), generator.integers(height - h + 1)
        yield f"{path.name}:{x},{y},{x + w},{y + h}", np.ascontiguousarray(picture[y : y + h, x : x + w])


def empty(detector: HandDetector, folder: Path, count: int, seed: int) -> dict[str, Any]:
    whole, parts = Tally(f"{folder.name}, whole"), Tally(f"{count} pieces, seed {seed}")
    false = {whole.name: [], parts.name: []}
    for path in pictures(folder):
        hands, seconds = timed(detector, read_image(path).array)
        whole.add(path.name, hands, seconds)
        false[whole.name] += [path.name] * bool(hands)
    for name, piece in pieces(folder, count, seed):
        hands, seconds = timed(detector, piece)
        parts.add(name, hands, seconds)
        false[parts.name] += [f"{name} {hand.score:.2f} {hand.keypoints[:, 2].mean():.2f}" for hand in hands]
    print("false:", json.dumps(false), flush=True)
    return {
        tally.name: {**tally.figures(), "false": false[tally.name], "without_a_hand": []} for tally in (whole, parts)
    }


def truth(detector: HandDetector, root: Path) -> dict[str, Any]:
    """Crops with true joints: found is a hand, right one in the right place."""
    reader = open_freihand(root, "evaluation")
    tally = Tally(f"{root.name}, crops of one hand")
    for row in range(len(reader)):
        item = reader.item(row)
        assert item.joints_3d is not None and item.intrinsics is not None
        projected = item.joints_3d @ item.intrinsics.T
        joints = projected[:, :2] / projected[:, 2:]
        hands, seconds = timed(detector, read_image(item.path).array, one=True)
        size = float(np.ptp(joints, axis=0).max())
        near = bool(hands) and float(np.linalg.norm(hands[0].keypoints[:, :2] - joints, axis=1).mean()) < RIGHT * size
        tally.add(item.name, hands, seconds, right=near)
    return tally.figures()


def large(detector: HandDetector, folder: Path, backgrounds: Path, count: int, seed: int) -> dict[str, Any]:
    """Photos of hands, small, on mosaics of empty pictures."""
    generator = np.random.default_rng(seed)
    chosen, grounds = pictures(folder), pictures(backgrounds)
    tally, none = Tally(f"{count} large photos, a hand in each"), Tally("the same without the hand")
    for number in generator.choice(len(chosen), count, replace=False):
        mosaic = Image.new("RGB", LARGE)
        for x in range(0, LARGE[0], 500):
            for y in range(0, LARGE[1], 500):
                ground = Image.fromarray(read_image(grounds[generator.integers(len(grounds))]).array)
                mosaic.paste(ground.resize((500, 500), Image.Resampling.BILINEAR), (x, y))
        none.add(chosen[number].name, *timed(detector, np.asarray(mosaic)))
        hand = Image.fromarray(read_image(chosen[number]).array)
        hand = hand.resize((round(hand.width * SMALL / hand.height), SMALL), Image.Resampling.LANCZOS)
        x, y = (int(generator.integers(limit - SMALL)) for limit in LARGE)
        mosaic.paste(hand, (x, y))
        hands, seconds = timed(detector, np.asarray(mosaic))
        middle = [found.keypoints[:, :2].mean(0) for found in hands]
        near = any(x < point[0] < x + hand.width and y < point[1] < y + SMALL for point in middle)
        tally.add(chosen[number].name, hands, seconds, right=near)
    return {name.name: name.figures() for name in (tally, none)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="*")
    parser.add_argument("--empty", type=Path)
    parser.add_argument("--pieces", type=int, default=1000)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--large", type=Path)
    parser.add_argument("--count", type=int, default=20, help="of large photos")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="figures are added to what the file holds")
    options = parser.parse_args()
    detector = HandDetector()
    figures: dict[str, Any] = {}
    for folder in options.photos:
        figures[folder.name] = photos(detector, folder)
    if options.truth:
        figures["truth"] = truth(detector, options.truth)
    if options.large:
        figures |= large(detector, options.large, options.empty, options.count, options.seed)
    elif options.empty:
        figures |= empty(detector, options.empty, options.pieces, options.seed)
    if options.json:
        before = json.loads(options.json.read_text()) if options.json.exists() else {}
        options.json.write_text(json.dumps(before | figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
