"""A rigged .glb in Blender: its mesh against the fitted one, then the script of docs/guides/rigged.md.

handsss reconstruct photo.jpg -o hand.glb && handsss reconstruct photo.jpg -o hand.npz
pip install bpy && python benchmarks/blender_rig.py hand.glb hand.npz look.png      # needs no handsss
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import bpy
import numpy as np

GUIDE = Path(__file__).parents[1] / "docs/guides/rigged.md"


def main() -> None:
    glb, npz, picture = (str(Path(argument).resolve()) for argument in sys.argv[1:4])
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=glb)
    with np.load(npz) as arrays:
        fitted = arrays["vertices"]
    for index, camera_frame in enumerate(fitted):
        expected = camera_frame[:, [0, 2, 1]] * [1, 1, -1]  # Blender's axes: z up
        (skin,) = [thing for thing in bpy.data.objects if thing.type == "MESH" and thing.name.endswith(f"_{index}")]
        keys = [key.name for key in skin.data.shape_keys.key_blocks]
        print(f"{skin.name}: {len(skin.find_armature().data.bones)} bones, shape keys {', '.join(keys)}")
        mesh = skin.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
        points = np.array([skin.matrix_world @ vertex.co for vertex in mesh.vertices])
        near = np.linalg.norm(points[:, None] - expected[None], axis=2)
        off = max(near.min(0).max(), near.min(1).max())
        print(f"{skin.name}: {len(points)} vertices, at most {1e6 * off:.2f} micrometres from the fitted mesh")
        assert off < 1e-5
    (script,) = re.findall(r"^```python\n(import sys.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.M | re.S)
    sys.argv = ["repose.py", "--", glb, picture]
    exec(compile(script, str(GUIDE), "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    main()
