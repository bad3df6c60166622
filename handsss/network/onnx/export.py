"""A trained network as an ONNX file, for programs without torch."""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from handsss.errors import MissingDependencyError, UserError
from handsss.geometry.framing import CROP
from handsss.geometry.rotations import matrix_to_axis_angle
from handsss.hand.joints import JOINT_ORDERS
from handsss.hand.open_hand import OPEN_MODELS
from handsss.network.checkpoint import input_view_of
from handsss.network.loaded import LoadedNetwork
from handsss.network.precision import Precision
from handsss.network.s2hand import S2Hand, S2HandOutput
from handsss.version import __version__

OPSET = 18  # what torch's exporter writes by itself; other versions are converted from it
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_CHATTY = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")
_LICENCE = "the file holds the hand model's arrays: its makers' licence decides whether it may be passed on"


class Output(NamedTuple):
    """Description of one output of the file."""

    meaning: str
    unit: str  # "" for numbers without one
    allowed: float  # largest difference from torch, in this unit, that is put down to rounding
    usual: float = 1.0  # size of usual values; larger ones may differ by as much more


OUTPUTS = {
    "vertices": Output("[N, V, 3] of the mesh, camera frame", "m", 5e-5),
    "joints": Output("[N, 21, 3] OpenPose order, camera frame", "m", 5e-5),
    "projected": Output("[N, 21, 2] the joints in the picture", "px", 0.05, float(CROP)),
    "pose": Output("[N, 30] principal components about the hand model's mean pose", "", 5e-4),
    "shape": Output("[N, 10] shape coefficients of the hand model", "", 5e-4),
    "rotation": Output("[N, 3] axis-angle of R: vertices = |scale| R diag(1, -1, -1) X + translation", "rad", 5e-4),
    "translation": Output("[N, 3] camera frame", "m", 5e-5),
    "scale": Output("[N] size of the hand, relative to the hand model", "", 5e-4),
    "joint_rotations": Output("[N, 15, 3, 3] of each joint in its parent, MANO order, from the flat hand", "", 5e-4),
    "texture": Output("[N, V, 3] RGB of the vertices, about 0..1", "", 5e-4),
    "light": Output("[N, 11] ambient and directional intensity, their colours (RGB each), direction", "", 5e-4),
    "keypoints": Output("[N, 21, 2] of the 2D branch's last stack, OpenPose order", "px", 0.05, float(CROP)),
}
INPUTS = {
    "image": f"[N, 3, {CROP}, {CROP}] RGB, 0..1, of a right hand",
    "K": "[N, 3, 3] the camera of this picture, px; pixel centres at +0.5",
}


def check_installed() -> None:
    """Raise MissingDependencyError, which names the extra, where a package for ONNX is missing."""
    for package in PACKAGES:
        if find_spec(package) is None:
            raise MissingDependencyError(package, "handsss export onnx", 'pip install "handsss[onnx]"')


def named_outputs(prediction: S2HandOutput) -> dict[str, Tensor]:
    """A prediction's tensors by their names in the file, in the file's order; those that the network has."""
    hand = prediction.hand
    every = {
        "vertices": prediction.vertices,
        "joints": prediction.joints,
        "projected": prediction.projected,
        "pose": hand.pose,
        "shape": hand.shape,
        "rotation": hand.rotation if hand.rotation.ndim == 2 else matrix_to_axis_angle(hand.rotation),
        "translation": hand.translation,
        "scale": hand.scale,
        "joint_rotations": prediction.rotations,
        "texture": prediction.texture,
        "light": prediction.light,
        "keypoints": None if prediction.keypoints is None else prediction.keypoints[:, -1],
    }
    return {name: value for name, value in every.items() if value is not None}


def example(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random images [N, 3, 224, 224], coarse patches under fine noise, and cameras [N, 3, 3]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 8, 8, generator=generator)
    fine = torch.rand(count, 3, CROP, CROP, generator=generator)
    image = 0.8 * nn.functional.interpolate(coarse, (CROP, CROP), mode="bilinear") + 0.2 * fine
    K = torch.eye(3).repeat(count, 1, 1)
    K[:, [0, 1], [0, 1]] = 300 + 400 * torch.rand(count, 2, generator=generator)
    K[:, :2, 2] = CROP / 2 + 20 * (torch.rand(count, 2, generator=generator) - 0.5)
    return image, K


def export_onnx(loaded: LoadedNetwork, *, opset: int = OPSET, keypoints: bool = False) -> bytes:
    """The content of an ONNX file that predicts what the network does.

    Inputs and outputs are :data:`INPUTS` and :data:`OUTPUTS`, N is free. For the metadata see :func:`metadata`.

    Args:
        loaded: the network; it is left as it is.
        opset: version of ONNX's operators.
        keypoints: with the keypoint branch.

    Raises:
        MissingDependencyError: onnx, onnxscript or onnxruntime is not installed.
        UserError: the keypoint branch is asked for and absent, or the operators cannot be had in that version.
    """
    check_installed()
    if keypoints and loaded.network.branch is None:
        raise UserError(
            f"{loaded.path}: this network has no keypoint branch (network.stacks = 0). Leave {{keypoints}} out.",
            options=["keypoints"],
        )
    module = _Exported(loaded.network, loaded.keypoint_set, keypoints).eval()
    image, K = example(2)
    with torch.no_grad():  # the hand layer makes its constants, which must not happen while it is recorded
        names = list(named_outputs(module.predict(image, K)))
    count = torch.export.Dim("N", min=1)
    with _silent():
        program = torch.onnx.export(
            module,
            (image, K),
            input_names=list(INPUTS),
            output_names=names,
            opset_version=opset,
            dynamo=True,
            dynamic_shapes=({0: count}, {0: count}),
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    reached = {entry.domain: entry.version for entry in model.opset_import}
    if reached.get("") != opset:
        raise UserError(
            f"{{opset}} {opset}: the network could not be converted to it, only to {reached.get('')}. Give another, or "
            f"none for {OPSET}.",
            options=["opset"],
        )
    _describe(model, metadata(loaded, names))
    content: bytes = model.SerializeToString()
    return content


def metadata(loaded: LoadedNetwork, names: list[str]) -> dict[str, str]:
    """Metadata of a file; values other than plain text are JSON.

    ``preparation`` says how crops must be prepared, ``faces`` [F, 3] are the mesh's triangles.

    Args:
        loaded: the network.
        names: of the outputs.
    """
    view = input_view_of(loaded)
    about = {key: loaded.about[key] for key in ("supervision", "baseline", "dataset", "step") if key in loaded.about}
    own = loaded.model in OPEN_MODELS
    return {
        "program": f"handsss {__version__}",
        "training": json.dumps(about),
        "hand_model": loaded.model if own else loaded.network.hand.model.name,
        "hand_side": "right: mirror pictures of left hands (with cx -> 224 - cx) and negate x of what comes out",
        "keypoint_set": loaded.keypoint_set,
        "joint_order": json.dumps(JOINT_ORDERS["openpose"]),
        "camera": "x right, y down, z forward; metres, pixels, pixel centres at +0.5",
        "preparation": json.dumps(
            {
                "size": CROP,
                "channels": "RGB",
                "range": [0, 1],
                # Turned until wrist to middle knuckle points up; the hand's box, in the middle, fills so much.
                "upright": view.upright,
                "crop_fill": view.crop_fill,
            }
        ),
        "outputs": json.dumps({name: {"meaning": OUTPUTS[name].meaning, "unit": OUTPUTS[name].unit} for name in names}),
        "faces": json.dumps(loaded.network.hand.faces.tolist(), separators=(",", ":")),
    } | ({} if own else {"licence": _LICENCE})


class _Exported(nn.Module):
    """A copy of the network with tensors as its only inputs and outputs."""

    def __init__(self, network: S2Hand, keypoint_set: str, keypoints: bool) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).cpu()
        self.network.precision = Precision()
        self.keypoint_set, self.keypoints = keypoint_set, keypoints

    def predict(self, image: Tensor, K: Tensor) -> S2HandOutput:
        output: S2HandOutput = self.network(image, K, self.keypoint_set, branch=self.keypoints)
        return output

    def forward(self, image: Tensor, K: Tensor) -> tuple[Tensor, ...]:
        return tuple(named_outputs(self.predict(image, K)).values())


def _describe(model: Any, about: dict[str, str]) -> None:
    """Write the metadata, and remove the exporter's notes on source files and folders."""
    import onnx

    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    for value in graph.input:
        value.doc_string = INPUTS[value.name]
    for value in graph.output:
        out = OUTPUTS[value.name]
        value.doc_string = f"{out.meaning}, {out.unit}" if out.unit else out.meaning
    model.doc_string = f"S2HAND network, exported by {about['program']}: right hands from images and their cameras."
    onnx.helper.set_model_props(model, about)


@contextmanager
def _silent() -> Iterator[None]:
    """Silence the exporter's warnings: its result is compared with torch afterwards."""
    loggers = [logging.getLogger(name) for name in _CHATTY]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
