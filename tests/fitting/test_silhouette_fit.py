"""The silhouette fit's optimiser, and that a reconstruction does not import torch's compiler."""

from __future__ import annotations

import subprocess
import sys

import torch

from handsss.fitting.silhouette_fit import Adam


def test_it_goes_torchs_way() -> None:
    generator = torch.Generator().manual_seed(0)
    ours = torch.randn(1, 7, dtype=torch.float64, generator=generator)
    theirs = ours.clone().requires_grad_()
    small, whole = Adam(ours, betas=(0.8, 0.95)), torch.optim.Adam([theirs], lr=0.1, betas=(0.8, 0.95))
    for step in range(40):
        gradient = torch.randn(1, 7, dtype=torch.float64, generator=generator) * 10.0 ** (step % 5 - 3)
        rate = 0.1 * (1 - step / 50)
        whole.param_groups[0]["lr"] = rate
        theirs.grad = gradient
        whole.step()
        small.step(gradient, rate)
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-12, atol=1e-14)


def test_a_reconstruction_leaves_torchs_compiler_alone() -> None:
    code = (
        "import sys, numpy as np\n"
        "from importlib import resources\n"
        "from PIL import Image\n"
        "from handsss.geometry.cameras import intrinsics_from_fov\n"
        "from handsss.reconstruction.pipeline import HandPipeline\n"
        "with resources.as_file(resources.files('handsss') / 'samples' / 'nocurl.jpg') as path:\n"
        "    image = np.asarray(Image.open(path).convert('RGB'))\n"
        "hands = HandPipeline()(image, intrinsics_from_fov(image.shape[1], image.shape[0]))\n"
        "assert 'silhouette_iou' in hands[0].fit, hands[0].fit\n"
        "slow = 'torch._dynamo', 'torch._inductor', 'sympy', 'torch.distributed.tensor'\n"
        "print([name for name in sys.modules if name in slow])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]", f"{done.stdout} take seconds to import"
