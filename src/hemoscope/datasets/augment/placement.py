"""Where the head lies in the picture: mirrored, rotated, scaled and shifted, with one interpolation for all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Interpolation = Literal["bilinear", "nearest"]

SLICE, ROW, COLUMN = range(3)  # axes of a scan
CHUNK = 16  # slices of a scan that are sampled at a time: the grid takes three floats a voxel


@dataclass(frozen=True)
class Placement:
    """How each of n slices is placed. Mirrored first, then about the centre of the picture: scaled, rotated, shifted.

    The parameters stay on the CPU, so that choosing which slices to sample never waits for the accelerator.
    """

    mirrored: Tensor  # [n] bool: left and right exchanged
    degrees: Tensor  # [n] positive turns counter-clockwise as displayed
    scale: Tensor  # [n] above 1 enlarges
    shift: Tensor  # [n, 2] pixels (down, right)

    def repeat(self, slices: int) -> Placement:
        """Place all slices of a scan alike: from [1] to [slices]."""
        return Placement(
            self.mirrored.expand(slices),
            self.degrees.expand(slices),
            self.scale.expand(slices),
            self.shift.expand(slices, 2),
        )


@dataclass(frozen=True)
class ScanPlacement:
    """How a scan is placed as a volume: mirrored, then rotated about its centre over an axis, then shifted."""

    mirrored: bool = False
    axis: int = SLICE  # of the rotation, SLICE turns within the slices; see `_rotation` for the direction
    degrees: float = 0.0
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)  # voxels (towards the head, down, right)


def place(images: Tensor, placement: Placement, fill: float, interpolation: Interpolation) -> Tensor:
    """Place slices [n, channel, row, column] (float); what comes from outside the picture is `fill`.

    Slices that are only mirrored, or left as they are, are not interpolated: their values stay exactly.
    """
    mirrored = placement.mirrored.to(images.device)[:, None, None, None]
    images = torch.where(mirrored, images.flip(-1), images)
    moved = (placement.degrees != 0) | (placement.scale != 1) | (placement.shift != 0).any(dim=1)
    which = moved.nonzero().squeeze(1)
    if not len(which):
        return images
    theta = _slice_matrices(placement, images.shape[-2:])[which].to(images.device, images.dtype)
    which = which.to(images.device)
    images[which] = _sample(images[which], theta, fill, interpolation)
    return images


def place_scan(
    scan: Tensor,
    placement: ScanPlacement,
    spacing_mm: tuple[float, float, float],
    fill: float,
    interpolation: Interpolation,
) -> Tensor:
    """Place a scan [slice, channel, row, column] (float) as a volume; what comes from outside is `fill`.

    spacing_mm: (slice, row, column); the rotation is rigid in mm, however thick the slices are.
    """
    if placement.mirrored:
        scan = scan.flip(-1)
    if not placement.degrees and not any(placement.shift):
        return scan
    slices, channels, rows, columns = scan.shape
    theta = _scan_matrix(placement, spacing_mm, (slices, rows, columns)).to(scan.device)
    volume = (scan - fill).transpose(0, 1)[None]  # (1, C, S, H, W)
    parts = []
    for start in range(0, slices, CHUNK):
        size = min(CHUNK, slices - start)
        of_part = torch.eye(4, dtype=theta.dtype, device=theta.device)
        of_part[2, 2], of_part[2, 3] = size / slices, (2 * start + size) / slices - 1
        matrix = (theta @ of_part)[None, :3].to(scan.dtype)
        grid = functional.affine_grid(matrix, [1, channels, size, rows, columns], align_corners=False)
        part = functional.grid_sample(volume, grid, mode=interpolation, align_corners=False)
        parts.append(part[0].transpose(0, 1))
    return torch.cat(parts) + fill


def _sample(images: Tensor, theta: Tensor, fill: float, interpolation: Interpolation) -> Tensor:
    """Sample [n, channel, row, column] at `theta` [n, 2, 3]; grid_sample pads with 0, so `fill` is made 0 for it."""
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    return functional.grid_sample(images - fill, grid, mode=interpolation, align_corners=False) + fill


def _slice_matrices(placement: Placement, size: torch.Size) -> Tensor:
    """Matrices [n, 2, 3] from places in the result to places in the original, both -1 to 1 over the picture."""
    angle = torch.deg2rad(placement.degrees.double())
    cosine, sine = torch.cos(angle) / placement.scale, torch.sin(angle) / placement.scale
    turn = torch.stack([torch.stack([cosine, -sine], -1), torch.stack([sine, cosine], -1)], -2)  # (n, x y, x y)
    half = torch.tensor([size[1] / 2, size[0] / 2], dtype=torch.float64)  # pixels (x, y)
    shift = placement.shift.double().flip(-1)
    offset = -(turn @ shift[:, :, None])
    return torch.cat([turn * half / half[:, None], offset / half[:, None]], -1)


def _scan_matrix(
    placement: ScanPlacement, spacing_mm: tuple[float, float, float], shape: tuple[int, int, int]
) -> Tensor:
    """Matrix [4, 4] as `_slice_matrices` for (column, row, slice, 1)."""
    spacing = torch.tensor(spacing_mm[::-1], dtype=torch.float64)
    half = torch.tensor(shape[::-1], dtype=torch.float64) / 2
    turn = _rotation(placement.axis, placement.degrees) * spacing / spacing[:, None]  # in voxels
    shift = torch.tensor(placement.shift[::-1], dtype=torch.float64)
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, :3] = turn * half / half[:, None]
    matrix[:3, 3] = -(turn @ shift) / half
    return matrix


def _rotation(axis: int, degrees: float) -> Tensor:
    """From places in the result to places in the original: rotation [3, 3] of (column, row, slice) in mm over `axis`.

    SLICE turns counter-clockwise as displayed; ROW moves what is on the right towards the head; COLUMN moves what is
    at the back of the head towards the vertex.
    """
    first, second = {SLICE: (0, 1), ROW: (2, 0), COLUMN: (2, 1)}[axis]
    matrix = torch.eye(3, dtype=torch.float64)
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    matrix[first, first] = matrix[second, second] = cosine
    matrix[first, second], matrix[second, first] = -sine, sine
    return matrix
