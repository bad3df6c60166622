"""Compares an ONNX file with the network that it was exported from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from handsss.errors import UserError
from handsss.network.checkpoint import non_finite_error
from handsss.network.loaded import LoadedNetwork
from handsss.network.onnx.export import OUTPUTS, check_installed, example, named_outputs

BATCHES = (1, 3)  # images


class ExportError(UserError):
    """The exported network is not the network."""

    exit_code = 1


class Difference(NamedTuple):
    """Largest difference of one output over all compared images."""

    output: str
    shape: tuple[int, ...]  # per image
    largest: float  # in the output's unit
    allowed: float
    unit: str


def compare(content: bytes, loaded: LoadedNetwork, *, keypoints: bool = False) -> list[Difference]:
    """Run a file in ONNX Runtime on the CPU beside the network in torch, on random images.

    Differences of values beyond the usual size (an image's side, a metre, one) are relative.

    Args:
        content: of the ONNX file.
        loaded: the network, on the CPU.
        keypoints: whether the file has the keypoint branch.

    Returns:
        one for each output, in the file's order.

    Raises:
        MissingDependencyError: onnxruntime is not installed.
        InputError: the network's own numbers are not finite.
        ExportError: the file does not run, lacks outputs, or its numbers differ by more than rounding explains.
    """
    check_installed()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    differences: dict[str, Difference] = {}
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        names = [value.name for value in session.get_outputs()]
        for count in BATCHES:
            image, K = example(count, seed=count)
            with torch.no_grad():
                output = loaded.network(image, K, loaded.keypoint_set, branch=keypoints)
            wanted = {name: value.numpy() for name, value in named_outputs(output).items()}
            if names != list(wanted):
                raise ExportError(f"the exported file has the outputs {names}, expected {list(wanted)}.")
            got = session.run(None, {"image": image.numpy(), "K": K.numpy()})
            for name, value in zip(names, got, strict=True):
                new = _difference(name, wanted[name], value, loaded)
                if name not in differences or not new.largest <= differences[name].largest:
                    differences[name] = new
    except UserError:
        raise
    except Exception as error:  # ONNX Runtime's errors share no other class
        raise ExportError(f"{loaded.path}: ONNX Runtime cannot run the exported network ({error}).") from error
    wrong = [_sentence(item) for item in differences.values() if not item.largest <= item.allowed]
    if wrong:
        raise ExportError(
            f"{loaded.path}: the exported network's numbers are not the network's: {'; '.join(wrong)}. Nothing was "
            "written. Try another {opset} or other versions of torch and onnxruntime.",
            options=["opset"],
        )
    return list(differences.values())


def _difference(name: str, wanted: np.ndarray, got: np.ndarray, loaded: LoadedNetwork) -> Difference:
    out = OUTPUTS[name]
    if not np.isfinite(wanted).all():
        raise non_finite_error(loaded.path, f" ({name})")
    if got.shape != wanted.shape:
        raise ExportError(
            f"{loaded.path}: {name} comes out of the exported network as {list(got.shape)}, expected "
            f"{list(wanted.shape)}. Nothing was written."
        )
    apart = np.abs(got - wanted) / np.maximum(1, np.abs(wanted) / out.usual)
    return Difference(name, wanted.shape[1:], float(apart.max()), out.allowed, out.unit)


def _sentence(item: Difference) -> str:
    unit = f" {item.unit}" if item.unit else ""
    return f"{item.output} differs by {item.largest:.2g}{unit}, at most {item.allowed:g}{unit} expected"
