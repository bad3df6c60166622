"""Run by torchrun in a test: the gradient of a batch that two processes share, batch norm in evaluation mode."""

from __future__ import annotations

import sys

import torch
from torch.nn.parallel import DistributedDataParallel

from handsss.hand.load import load_model
from handsss.network.s2hand import NetworkSettings, S2Hand
from handsss.training.distributed import from_environment, process_group
from handsss.training.objective import Batch, LossWeights, Objective
from handsss.training.trainer import Supervised

ROWS = 4


def whole_batch() -> Batch:
    """Four rows whose confidences differ, so that the halves' sums of weights do too."""
    generator = torch.Generator().manual_seed(5)
    truth = 0.05 * torch.randn(ROWS, 21, 3, generator=generator) + torch.tensor([0, 0, 0.6])
    truth[3] = float("nan")  # a row without truth
    return Batch(
        torch.rand(ROWS, 3, 224, 224, generator=generator),
        60 + 100 * torch.rand(ROWS, 21, 2, generator=generator),
        torch.rand(ROWS, 21, generator=generator) * torch.tensor([1.0, 0.9, 0.2, 0.05])[:, None],
        torch.tensor([[480.0, 0, 112], [0, 480, 112], [0, 0, 1]]).expand(ROWS, 3, 3),
        truth,
    )


def share_of_gradients(rank: int) -> dict[str, torch.Tensor]:
    """Of one half of the batch, by itself."""
    return gradients(rank, 2, together=False)


def gradients(rank: int, size: int, *, together: bool = True) -> dict[str, torch.Tensor]:
    """Of all parameters, of one process's share of the batch, averaged over the processes."""
    torch.manual_seed(0)
    settings = NetworkSettings("efficientnet-b0", stacks=1, features=16, modules=1, drop_connect=0.0)
    network = S2Hand(load_model("open"), settings)
    module: torch.nn.Module = Supervised(network, Objective(LossWeights(), "mediapipe", 0.033)).eval()
    if size > 1 and together:
        module = DistributedDataParallel(module, find_unused_parameters=True)
    own = ROWS // size
    share = Batch(*(value[rank * own : (rank + 1) * own] for value in whole_batch()[:5]))  # type: ignore[index]
    module(share, "finetune").total.backward()
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


def main() -> None:
    """Write the gradients to the file given."""
    torch.set_num_threads(1)
    processes = from_environment()
    with process_group(processes, torch.device("cpu")):
        found = gradients(processes.rank, processes.size)
        if processes.first:
            torch.save(found, sys.argv[1])


if __name__ == "__main__":
    main()
