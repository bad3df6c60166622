"""The options of ``handsss reconstruct``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from handsss.cli.options import DEVICE_HELP, PRECISION_HELP, HandSide, Precision


class Start(StrEnum):
    """Values of --init."""

    auto = "auto"
    lifted = "lifted"
    search = "search"


class MeshFormat(StrEnum):
    """Values of --format."""

    obj = "obj"
    ply = "ply"
    glb = "glb"
    npz = "npz"
    bvh = "bvh"
    html = "html"
    csv = "csv"
    parquet = "parquet"


Images = Annotated[
    list[str],
    typer.Argument(metavar="IMAGE", help="Photos, folders of photos, globs, or - for standard input; or one film."),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        rich_help_panel="Output",
        help="Mesh file: .glb (textured, rigged), .obj (with .mtl and texture), .ply (vertex colours), .bvh (skeleton "
        "and pose), .npz (all arrays, camera frame) or .html (a page with the hand in 3D and the photo; of several "
        "photos a gallery); or a folder for several photos. A .json with all parameters and an overview .png are "
        "written beside it. Default: ./STEM_hand.obj, or the folder ./hands. Films: .glb or .bvh (animated), .npz, "
        ".csv or .parquet (joints), .html (a page that plays them); NAME_overlay.mp4 beside it. Default: "
        "./STEM_hands.glb.",
    ),
]
Format = Annotated[
    MeshFormat | None,
    typer.Option(
        "--format", rich_help_panel="Output", help="Format of the files in a folder. Default: obj, of films glb."
    ),
]
Static = Annotated[
    bool,
    typer.Option(
        "--static",
        rich_help_panel="Output",
        help="Write .glb, alone or in .html, without skeleton: the posed mesh alone, for any reader.",
    ),
]
Hand = Annotated[
    HandSide,
    typer.Option("--hand", rich_help_panel="Hand", help="Reconstruct hands that are detected as this side only."),
]
Side = Annotated[
    HandSide,
    typer.Option(
        "--side",
        rich_help_panel="Hand",
        help="left or right: every hand is of this side, whatever the detector takes it for. auto: as detected; "
        "where the detector doubts, both sides are fitted and the better one is kept.",
    ),
]
Box = Annotated[
    str | None,
    typer.Option(
        "--box",
        metavar="x0,y0,x1,y1",
        rich_help_panel="Hand",
        help="Box around the hand, in pixels of the upright photo (of every photo): it is read there, and no "
        "other is looked for.",
    ),
]
AllHands = Annotated[
    bool,
    typer.Option(
        "--all-hands",
        rich_help_panel="Hand",
        help="Reconstruct all hands of a photo, not only the one with the highest score; one mesh file for all.",
    ),
]
SameHand = Annotated[
    bool,
    typer.Option(
        "--same-hand",
        rich_help_panel="Hand",
        help="All photos show one person's hands: one shape and one skin for all of them, left and right ones alike. "
        "Hands that do not agree with the others count less, and are named.",
    ),
]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        metavar="NAME|PATH",
        rich_help_panel="Hand",
        help="Hand model: open (778 vertices, bundled), open-detail (1649 vertices, bundled), mano (the file that "
        "HANDSSS_MANO names), or a file.",
    ),
]
Checkpoint = Annotated[
    str,
    typer.Option(
        "--checkpoint",
        metavar="FILE|auto|none",
        rich_help_panel="Hand",
        help="Network that predicts the hand from the image; the fit starts there, with a pose prior about it: a "
        "checkpoint, a run folder or a weights file. none: no network, fit to keypoints alone. auto: the bundled "
        "network for the open hand (see `handsss info weights`).",
    ),
]
StartOption = Annotated[
    Start,
    typer.Option(
        "--init",
        rich_help_panel="Hand",
        help="Initial hands of the fit, beside the prediction. lifted: 3D hypotheses that a small network computes "
        "from the 2D keypoints (open hand only); search: sampled poses whose projections are nearest to the "
        "keypoints; auto: lifted where possible.",
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device", rich_help_panel="Run", help=f"Device of the network; the fit runs on the CPU. {DEVICE_HELP}"
    ),
]
PrecisionOption = Annotated[Precision, typer.Option("--precision", rich_help_panel="Run", help=PRECISION_HELP)]
Refine = Annotated[
    bool,
    typer.Option(
        "--refine/--no-refine",
        rich_help_panel="Hand",
        help="Fit to keypoints and silhouette, or return the initial hand.",
    ),
]
Depth = Annotated[
    bool,
    typer.Option(
        "--depth/--no-depth",
        rich_help_panel="Hand",
        help="Fit to the detector's metric 3D points too.",
    ),
]
Intrinsics = Annotated[
    str | None,
    typer.Option(
        "--intrinsics",
        metavar="fx,fy,cx,cy",
        rich_help_panel="Camera",
        help="Intrinsics of all photos, in pixels of the upright photo.",
    ),
]
IntrinsicsFile = Annotated[
    Path | None,
    typer.Option(
        "--intrinsics-file",
        metavar="JSON",
        rich_help_panel="Camera",
        help="JSON object of image name -> 3x3 matrix. Without any of these options: the focal length in EXIF, or "
        "else the likeliest one for the size of the hand.",
    ),
]
Fov = Annotated[
    float | None,
    typer.Option(
        "--fov",
        metavar="DEGREES",
        rich_help_panel="Camera",
        help="Field of view over the longer side of all photos.",
    ),
]
Keypoints = Annotated[
    Path | None,
    typer.Option(
        "--keypoints",
        metavar="JSON|FOLDER",
        rich_help_panel="Keypoints",
        help="Keypoints of OpenPose, MMPose, COCO-WholeBody, MediaPipe and others, not of the built-in detector: "
        "a file, or a folder with STEM_keypoints.json or STEM.json for each photo.",
    ),
]
KeypointSet = Annotated[
    str | None,
    typer.Option(
        "--keypoint-set",
        metavar="NAME",
        rich_help_panel="Keypoints",
        help="Keypoint definition of --keypoints. Default: openpose.",
    ),
]
MaxError = Annotated[
    float | None,
    typer.Option(
        "--max-error",
        metavar="MM",
        rich_help_panel="Output",
        help="Hands with a larger expected error are written but called doubtful, and the exit code is 4.",
    ),
]
Table = Annotated[
    Path | None,
    typer.Option(
        "--table",
        metavar="FILE",
        rich_help_panel="Output",
        help="Write all hands into one table too, .csv or .parquet: a row a hand with sides, joints, expected errors "
        "and files, and a row for each photo without a hand.",
    ),
]
Vertices = Annotated[
    bool, typer.Option("--vertices", rich_help_panel="Output", help="Write the vertices into the .json too.")
]
Picture = Annotated[
    bool,
    typer.Option(
        "--picture/--no-picture",
        rich_help_panel="Output",
        help="Draw the overview .png, or the overlay of a film.",
    ),
]
TextureSize = Annotated[
    int,
    typer.Option("--texture-size", min=16, max=8192, rich_help_panel="Output", help="Side of the texture in pixels."),
]
Batch = Annotated[  # larger batches are not faster
    int,
    typer.Option(
        "--batch",
        min=1,
        rich_help_panel="Run",
        help="Photos whose hands are reconstructed as one batch.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        rich_help_panel="Run",
        help="Worker processes for several photos. Default: one per core, if there are eight photos for each.",
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        rich_help_panel="Run",
        help="Leave out photos whose results are complete, of the same photo by the same options; go on with a film.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", rich_help_panel="Output", help="Print errors only.")]
