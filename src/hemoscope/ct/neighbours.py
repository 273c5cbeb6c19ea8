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

# A run of slices is out of place where both of its edges differ by more than this share of the difference between the
# slices before and after it. On 255 real scans (8,000 slices) the largest share is 0.94, but for one scan that was made
# twice over the same positions (1.4). A slice of another patient has a median of 2.3 to 3.0, pixels in random order or
# turned by 90 degrees 2.7, noise and values that are inverted or shifted by 1000 HU above 4.
MISFIT = 1.1
LONGEST_RUN = 3  # slices; more are a scan of their own
# An end has one neighbour: its step against the largest of the next differences. Of the ends of real scans none exceeds
# this; of scans that are cut off anywhere in the head, where anatomy may change fast, 0.2%.
END_MISFIT = 1.4


def misfits(slices_hu: Sequence[NDArray[np.int16]]) -> NDArray[np.bool_]:
    """Whether each slice does not look like its neighbours: [slice]; all False for fewer than five slices.

    slices_hu: HU [row, column] of the slices in order along the body, at any resolution.
    """
    misfit = np.zeros(len(slices_hu), np.bool_)
    if len(slices_hu) < FEWEST_SLICES:
        return misfit
    small = np.stack([_thumbnail(hu) for hu in slices_hu])  # [slice, row, column]
    step = _difference(small[:-1], small[1:])
    for length in range(1, min(LONGEST_RUN, len(small) - 2) + 1):
        across = np.maximum(_difference(small[: -length - 1], small[length + 1 :]), NOISE_HU)
        out_of_place = np.minimum(step[:-length], step[length:]) > MISFIT * across
        for first in np.flatnonzero(out_of_place) + 1:
            misfit[first : first + length] = True
    misfit[0] = _end_misfits(small[:FEWEST_SLICES])
    misfit[-1] = _end_misfits(small[::-1][:FEWEST_SLICES])
    return misfit


def _end_misfits(small: NDArray[np.float32]) -> bool:
    """Whether the first of the slices at an end of the scan, [slice, row, column], differs from the next ones."""
    steps, pairs = _difference(small[:-1], small[1:]), _difference(small[1:-2], small[3:])
    return bool(steps[0] > END_MISFIT * max(steps[1:].max(), pairs.max(), NOISE_HU))


def _thumbnail(hu: NDArray[np.int16]) -> NDArray[np.float32]:
    """A small copy of a slice in HU."""
    clipped = np.clip(hu, *SHOWN_HU)
    return cv2.resize(clipped, (SIDE_PIXELS, SIDE_PIXELS), interpolation=cv2.INTER_AREA).astype(np.float32)


def _difference(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean absolute difference in HU of pairs of slices."""
    return np.asarray(np.abs(first - second).mean(axis=(1, 2)), np.float32)
