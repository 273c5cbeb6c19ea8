"""Whether each slice looks like its neighbours: the only sign of pixels that were damaged but still decode.

DICOM has no checksum of pixels, and one flipped bit in a coded slice gives another picture without an error. Anatomy
changes little by little, so a slice differs less from its neighbours than they do from each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

SHOWN_HU = (-100, 150)  # soft tissue against air and bone; within it a shift of 40 HU is seen too
SIDE_PIXELS = 64
FEWEST_SLICES = 5  # fewer have no usual step to compare with
NOISE_HU = 1.0  # mean differences below this are noise, also between equal slices

# Share of the difference between the two neighbours by which a slice differs from the nearer of them. On 255 real scans
# (8,000 slices) the largest is 0.94, but for one scan that was made twice over the same positions (1.4). A slice from
# another patient has a median of 2.3 to 3.0, pixels in random order or turned by 90 degrees 2.7, noise or values that
# are inverted or shifted by 1000 HU above 4.
MISFIT = 1.1
# An end has one neighbour: its step against the largest of the next three steps. Largest on real scans: 1.29.
END_MISFIT = 1.5


def misfits(slices_hu: Sequence[NDArray[np.int16]]) -> NDArray[np.bool_]:
    """Whether each slice does not look like its neighbours: [slice]; all False for fewer than five slices.

    slices_hu: HU [row, column] of the slices in order along the body, at any resolution.
    """
    misfit = np.zeros(len(slices_hu), np.bool_)
    if len(slices_hu) < FEWEST_SLICES:
        return misfit
    small = np.stack([_thumbnail(hu) for hu in slices_hu])  # [slice, row, column]
    step = _difference(small[:-1], small[1:])
    across = np.maximum(_difference(small[:-2], small[2:]), NOISE_HU)
    misfit[1:-1] = np.minimum(step[:-1], step[1:]) > MISFIT * across
    misfit[0] = step[0] > END_MISFIT * max(step[1:4].max(), NOISE_HU)
    misfit[-1] = step[-1] > END_MISFIT * max(step[-4:-1].max(), NOISE_HU)
    return misfit


def _thumbnail(hu: NDArray[np.int16]) -> NDArray[np.float32]:
    """A small copy of a slice in HU."""
    clipped = np.clip(hu, *SHOWN_HU)
    return cv2.resize(clipped, (SIDE_PIXELS, SIDE_PIXELS), interpolation=cv2.INTER_AREA).astype(np.float32)


def _difference(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean absolute difference in HU of pairs of slices."""
    return np.asarray(np.abs(first - second).mean(axis=(1, 2)), np.float32)
