"""The picture of docs/architecture.md: the package's folders and what they import, from the files themselves.

python -m tools.draw_architecture --out docs/images/architecture.svg

A folder stands below all folders that import it. An import that follows from others is not drawn: a imports c
where a imports b and b imports c.
"""

from __future__ import annotations

import argparse
import ast
from pathlib import Path
from xml.sax.saxutils import escape

PACKAGE = Path(__file__).parents[1] / "handsss"
LEFT_OUT = ("__init__", "__main__", "errors", "version", "samples")
ROLE = {
    "cli": "one file a command",
    "api": "the verbs of the public face",
    "app": "a form in the browser",
    "doctor": "checks of an installation",
    "evaluation": "protocols, metrics, report",
    "training": "objective, schedule, trainer",
    "data": "readers, store, synthesis",
    "reconstruction": "photo to textured mesh",
    "fitting": "keypoint and silhouette fit",
    "visualize": "every picture drawn",
    "page": "hands in 3D, as HTML",
    "mesh_io": "OBJ, PLY, GLB, NPZ, BVH",
    "network": "encoder, regressors, files",
    "losses": "one file a term",
    "detect": "hands and 2D keypoints",
    "rendering": "CPU, CUDA, reference",
    "hand": "models, skinning, joints",
    "io": "images, cameras, files",
    "geometry": "rotations, cameras, fits",
}
Graph = dict[str, set[str]]
WIDTH, BOX, HIGH, GAP, ROW = 1060, 190, 46, 18, 104  # px


def folders(package: Path = PACKAGE) -> Graph:
    """What each folder of the package (and each file beside them) imports of the others."""
    graph: Graph = {}
    for path in sorted(package.rglob("*.py")):
        own = path.relative_to(package).parts[0].removesuffix(".py")
        if own in LEFT_OUT:
            continue
        targets = graph.setdefault(own, set())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            parts = [name.split(".")[1] for name in names if name.startswith(f"{package.name}.")]
            targets.update(part for part in parts if part != own and part not in LEFT_OUT)
    return graph


def reduced(graph: Graph) -> Graph:
    """The graph without edges that follow from others (of a graph without circles)."""

    def reach(node: str) -> set[str]:
        return graph[node].union(*(reach(target) for target in graph[node]))

    return {node: {t for t in targets if not any(t in reach(u) for u in targets)} for node, targets in graph.items()}


def rows_of(graph: Graph) -> list[list[str]]:
    """Folders by height, the lowest first: above everything that they import."""

    def height(node: str) -> int:
        return 1 + max((height(target) for target in graph[node]), default=-1)

    heights = {node: height(node) for node in graph}
    return [sorted(node for node in graph if heights[node] == h) for h in range(max(heights.values()) + 1)]


def svg(graph: Graph) -> str:
    """The picture."""
    rows = rows_of(graph)
    edges = reduced(graph)
    place: dict[str, tuple[float, float]] = {}
    for number, row in enumerate(rows):
        if number:  # below their importers' middle: fewer crossings
            row.sort(key=lambda node: sum(place[t][0] for t in edges[node]) / max(len(edges[node]), 1))
        left = (WIDTH - len(row) * BOX - (len(row) - 1) * GAP) / 2
        y = 20 + (len(rows) - 1 - number) * ROW
        place |= {node: (left + i * (BOX + GAP), y) for i, node in enumerate(row)}
    height = 20 + (len(rows) - 1) * ROW + HIGH + 20
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
        "<title>The folders of handsss and what they import</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for node, targets in sorted(edges.items()):
        for target in sorted(targets):
            (x0, y0), (x1, y1) = place[node], place[target]
            a, b, c, d = x0 + BOX / 2, y0 + HIGH, x1 + BOX / 2, y1
            out.append(
                f'<path class="import" data-from="{node}" data-to="{target}" d="M{a:.0f},{b} C{a:.0f},{b + 40} '
                f'{c:.0f},{d - 40} {c:.0f},{d}" fill="none" stroke="#90a4ae" stroke-width="1.4"/>'
            )
    for node, (x, y) in sorted(place.items()):
        out += [
            f'<rect x="{x:.0f}" y="{y}" width="{BOX}" height="{HIGH}" rx="6" fill="#eceff1" stroke="#546e7a"/>',
            f'<text x="{x + BOX / 2:.0f}" y="{y + 19}" text-anchor="middle" font-size="15" font-weight="600" '
            f'fill="#263238">{escape(node)}</text>',
            f'<text x="{x + BOX / 2:.0f}" y="{y + 36}" text-anchor="middle" font-size="11.5" '
            f'fill="#455a64">{escape(ROLE.get(node, ""))}</text>',
        ]
    return "\n".join([*out, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=PACKAGE.parent / "docs/images/architecture.svg")
    options = parser.parse_args()
    options.out.write_text(svg(folders()), encoding="utf-8")
    print(options.out)


if __name__ == "__main__":
    main()
