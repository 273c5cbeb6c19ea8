"""Whether a stage fits into memory, asked before hours are spent."""

from __future__ import annotations

import os
from collections.abc import Callable

import psutil
import torch
from torch import Tensor

from hemoscope.reasons import UsageError

COPIES = 4  # of every weight that learns: itself, its gradient, and two of the optimizer


def saved_bytes(forward: Callable[[], object]) -> int:
    """The bytes of activations that a forward pass keeps for the gradient."""
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        forward()
    return sum(kept.values())


def available_bytes(device: torch.device) -> int:
    """What is free on a device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()  # what PyTorch keeps for later counts as taken
        return torch.cuda.mem_get_info(device)[0]
    return int(psutil.virtual_memory().available)


def check_memory(weights: int, activations: int, device: torch.device) -> None:
    """Raise UsageError where a step needs more than there is.

    weights: bytes of those that learn; activations: bytes that a whole batch keeps for the gradient.
    """
    needed, available = COPIES * weights + activations, available_bytes(device)
    if needed > available:
        raise UsageError(
            f"A step needs about {needed / 1e9:.1f} GB, and {available / 1e9:.1f} GB are free: lower the stage's "
            "`batch` or `input.size`, or give `slices_at_once` for stages that train on whole scans."
        )


def check_features(slices: int, numbers: int) -> None:
    """Raise UsageError where the stored features of a stage need more memory than there is.

    numbers: float32 of each slice, features and logits. Every process of a machine keeps all of them.
    """
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    needed, available = 4 * slices * numbers * processes, available_bytes(torch.device("cpu"))
    if needed > available:
        raise UsageError(
            f"Stored features of {slices:,} slices need about {needed / 1e9:.1f} GB, and {available / 1e9:.1f} GB are "
            "free: train on fewer slices, or with fewer processes on a machine."
        )
