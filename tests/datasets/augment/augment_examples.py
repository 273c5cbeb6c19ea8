"""Placements to try, and where the mass of a picture lies."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hemoscope.ct.hounsfield import AIR_HU
from hemoscope.datasets.augment.placement import Placement

SPACING = (5.0, 0.5, 0.5)  # mm: slice, row, column


def placed(
    count: int, degrees: float = 0, scale: float = 1, shift: tuple[float, float] = (0, 0), mirrored: bool = False
) -> Placement:
    return Placement(
        torch.full((count,), mirrored),
        torch.full((count,), float(degrees)),
        torch.full((count,), float(scale)),
        torch.tensor([shift], dtype=torch.float32).repeat(count, 1),
    )


def centroid(hu: Tensor) -> np.ndarray:
    """Centre of mass above air of [slice, 1, row, column], relative to the centre of the tensor, in voxels."""
    mass = (hu.squeeze(1) - AIR_HU).double()
    axes = [torch.arange(size) - (size - 1) / 2 for size in mass.shape]
    return np.array([float((mass.movedim(axis, -1) * places).sum() / mass.sum()) for axis, places in enumerate(axes)])
