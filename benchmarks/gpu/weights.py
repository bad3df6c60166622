"""A file of weights in parts that are small enough to be copied anywhere, and the file again.

    python -m benchmarks.gpu.weights gpu-output weights.safetensors

`cat weights.part0 weights.part1 ... > weights.safetensors` does the same; this checks every byte by its SHA-256 too.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

PART = 15 << 20  # bytes
ABOUT = "weights.json"


def split(source: Path, folder: Path, part: int = PART) -> list[Path]:
    """Write ``weights.part0``, ``weights.part1``, ... and ``weights.json`` (sizes and SHA-256) into a folder."""
    content = source.read_bytes()
    pieces = [content[start : start + part] for start in range(0, len(content), part)]
    written = []
    for number, piece in enumerate(pieces):
        written.append(folder / f"weights.part{number}")
        written[-1].write_bytes(piece)
    about = {
        "file": source.name,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "parts": [
            {"file": path.name, "bytes": len(piece), "sha256": hashlib.sha256(piece).hexdigest()}
            for path, piece in zip(written, pieces, strict=True)
        ],
        "join": f"python -m benchmarks.gpu.weights FOLDER {source.name}",
    }
    (folder / ABOUT).write_text(json.dumps(about, indent=1) + "\n")
    return [*written, folder / ABOUT]


def join(folder: Path, target: Path) -> int:
    """The file again; its bytes.

    Raises:
        ValueError: a part is missing or is not what was written; nothing is written then.
    """
    about = json.loads((folder / ABOUT).read_text())
    pieces = []
    for part in about["parts"]:
        path = folder / part["file"]
        if not path.exists():
            raise ValueError(f"{path} is missing")
        pieces.append(path.read_bytes())
        if hashlib.sha256(pieces[-1]).hexdigest() != part["sha256"]:
            raise ValueError(f"{path} is not what was written: {len(pieces[-1])} of {part['bytes']} bytes, or others")
    content = b"".join(pieces)
    if hashlib.sha256(content).hexdigest() != about["sha256"]:
        raise ValueError(f"{folder / ABOUT} is not of these parts")
    target.write_bytes(content)
    return len(content)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    try:
        size = join(options.folder, options.target)
    except (OSError, ValueError) as error:
        print(f"weights: {error}", file=sys.stderr)
        return 2
    print(f"wrote {options.target}, {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
