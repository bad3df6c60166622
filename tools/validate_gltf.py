"""Khronos' glTF validator over .glb files of all kinds: any error or warning fails.

make gltf       # node and npm: npm install --prefix build/gltf gltf-validator, then
python -m tools.validate_gltf --validator build/gltf [FILE.glb ...]

Without files, the bundled photos' hands are written and validated: rigged, static, with vertex colours, several hands
in one file, in the detailed model, and a film's hands, animated.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

SCRIPT = """
const {validateBytes} = require('gltf-validator'), {readFileSync} = require('fs');
(async () => {
  const reports = [];
  for (const file of process.argv.slice(1)) {
    reports.push((await validateBytes(new Uint8Array(readFileSync(file)))).issues);
  }
  console.log(JSON.stringify(reports));
})();
"""


def write_all(folder: Path) -> list[Path]:
    """One file of each kind."""
    import handsss
    from handsss.mesh_io.export import export_mesh

    samples = Path(handsss.__file__).parent / "samples"
    found = handsss.Reconstructor().batch([samples / "palm.jpg", samples / "back.jpg"])
    hands = [hand for hands in found for hand in hands]
    (detailed,) = handsss.Reconstructor(model="open-detail").batch([samples / "palm.jpg"])
    plain = [replace(hand, texture=None) for hand in hands]
    kinds = {"one": hands[:1], "both": hands, "colours": plain, "detailed": detailed}
    for name, some in kinds.items():
        export_mesh(some, folder / f"{name}.glb")
        export_mesh(some, folder / f"{name}_static.glb", static=True)
    write_film_hands(folder)
    return sorted(folder.glob("*.glb"))


def write_film_hands(folder: Path) -> None:
    """An animated file, of a film of a bundled photo, with a hand that is away for some time."""
    import numpy as np
    from PIL import Image

    import handsss
    from handsss.io.film import FilmSelection, open_film
    from handsss.reconstruction.film.outputs import film_files
    from handsss.reconstruction.film.reconstruct import FilmReconstruction
    from handsss.reconstruction.pipeline import HandPipeline

    photo = Image.open(Path(handsss.__file__).parent / "samples" / "palm.jpg").convert("RGB").resize((240, 240))
    pictures = folder / "frames"
    pictures.mkdir()
    for number in range(24):
        frame = Image.fromarray(np.full((300, 400, 3), 128, dtype=np.uint8))
        if not 8 <= number < 16:
            frame.paste(photo, (4 * number, 30))
        frame.save(pictures / f"{number:02d}.png")
    film = open_film(pictures, FilmSelection(rate=15))
    target = folder / "film.glb"
    for path, content in film_files(FilmReconstruction(HandPipeline(), film)(), target).items():
        path.write_bytes(content)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--validator", type=Path, default=Path("build/gltf"), help="folder of npm install --prefix")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = [path.resolve() for path in options.files or write_all(Path(folder))]
        done = subprocess.run(
            ["node", "-e", SCRIPT, *map(str, files)], cwd=options.validator, capture_output=True, text=True, check=True
        )
    failed = 0
    for path, issues in zip(files, json.loads(done.stdout), strict=True):
        print(
            f"{path.name}: {issues['numErrors']} errors, {issues['numWarnings']} warnings, {issues['numHints']} hints"
        )
        for message in issues["messages"]:
            if message["severity"] < 2:  # 0 error, 1 warning
                failed += 1
                print(f"  {message['code']}: {message['message']} ({message.get('pointer', '')})")
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
