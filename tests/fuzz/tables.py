"""Small files beside pictures: intrinsics, tables of boxes, annotations, predictions."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from handsss.data.readers.annotations import read_lines, read_number_lists
from handsss.detect.boxes import check_inside, read_boxes
from handsss.evaluation.prediction_file import read_prediction_file
from handsss.io.camera import camera_options, choose_camera, parse_intrinsics
from tests.fuzz.mutate import json_bytes, mutated_bytes, mutated_tree
from tests.fuzz.target import Check, Draw, Target

_WORDS = ("0", "-1", "1e308", "1e400", "nan", "inf", "", "a", '"', ",", ";", "1,2", "\ufeff1", "٣", "9" * 5000, " 7 ")


def prepare(folder: Path) -> Draw:
    camera = [[600.0, 0.0, 320.0], [0.0, 600.0, 240.0], [0.0, 0.0, 1.0]]
    cameras: list[Any] = [{"a.jpg": camera, "b.jpg": camera}, {"a.jpg": [600.0, 600.0, 320.0, 240.0]}]
    table = b"name,x0,y0,x1,y1,score\na.jpg,10,20,110,120,0.5\nsub/b.jpg,1.5,2.5,30,40,1\n"
    lists: list[Any] = [[camera] * 3, [[[0.1, 0.2, 0.3]] * 21] * 3, [0.03, 0.03]]
    joints = [[[0.1, 0.2, 0.3 + k] for k in range(21)]] * 3
    predictions: list[Any] = [[joints, [[[0.0, 0.1, 0.2]] * 5] * 3], [joints, [[], [], []]]]
    path = folder / "a"

    def intrinsics(rng: Generator) -> Callable[[Path], object]:
        path.write_bytes(json_bytes(mutated_tree(cameras[int(rng.integers(2))], rng), rng))

        def read(file: Path) -> None:
            choice = choose_camera((640, 480), None, "a.jpg", camera_options(intrinsics_file=file))
            assert choice.intrinsics.shape == (3, 3) and np.isfinite(choice.intrinsics).all()

        return read

    def typed(rng: Generator) -> Callable[[Path], object]:
        text = ",".join(str(rng.choice([*_WORDS, "600", "320"])) for _ in range(int(rng.choice([3, 4, 4, 4, 5]))))
        fov = float(rng.choice([0.5, 60.0, np.nan, np.inf, 1e9]))

        def read(file: Path) -> None:
            camera_options(fov=fov) if rng.random() < 0.3 else parse_intrinsics(text)

        return read

    def boxes(rng: Generator) -> Callable[[Path], object]:
        if rng.random() < 0.5:
            path.write_bytes(mutated_bytes(table, rng))
        else:
            lines = [line.split(",") for line in table.decode().splitlines()]
            for _ in range(int(rng.integers(1, 5))):
                row = lines[int(rng.integers(len(lines)))]
                row[int(rng.integers(len(row)))] = str(rng.choice(_WORDS)) * int(rng.choice([1, 1, 30]))
            path.write_bytes("\n".join(",".join(row) for row in lines).encode())

        def read(file: Path) -> None:
            for found in read_boxes(file).values():
                for box in found:
                    assert np.isfinite(box).all()
                    check_inside(box, (640, 480))

        return read

    def numbers(rng: Generator) -> Callable[[Path], object]:
        number = int(rng.integers(len(lists)))
        path.write_bytes(json_bytes(mutated_tree(lists[number], rng), rng))

        def read(file: Path) -> None:
            assert np.isfinite(read_number_lists(file, ((3, 3), (21, 3), ())[number], "cameras")).all()
            read_lines(file, "a list")

        return read

    def predicted(rng: Generator) -> Callable[[Path], object]:
        text = json_bytes(mutated_tree(predictions[int(rng.integers(2))], rng), rng)
        if rng.random() < 0.4:
            stream = io.BytesIO()
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(str(rng.choice(["pred.json", "a/pred.json", "x.txt", "../pred.json"])), text)
            text = stream.getvalue() if rng.random() < 0.3 else mutated_bytes(stream.getvalue(), rng)
        path.write_bytes(text)

        def read(file: Path) -> None:
            assert np.isfinite(read_prediction_file(file).joints).all()

        return read

    kinds = (intrinsics, typed, boxes, numbers, predicted)
    path.write_text(json.dumps(predictions[0]))
    read_prediction_file(path)

    def draw(rng: Generator) -> Check:
        read = kinds[int(rng.integers(len(kinds)))](rng)
        return lambda: read(path)

    return draw


TARGET = Target(prepare, count=4000)
