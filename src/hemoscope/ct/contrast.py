"""Whether the vessels inside the skull are bright: contrast medium, which looks like blood.

No DICOM tag tells it reliably, so the slices are looked at. Vessels filled with contrast medium are thin, long and of
90 to 400 HU all over the brain. Fresh blood is 50 to 90 HU; calcifications, drains and clips are bright but short, few
or denser than a vessel that is blurred by the slice; the falx is thin and long but below 65 HU unless it is calcified.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from hemoscope.ct.anatomy import SliceAnatomy, disc
from hemoscope.ct.windows import Window

# A picture that ends lower cannot tell a vessel from a fresh clot.
LOWEST_CEILING_HU = 145.0

VESSEL_HU = 62.0  # on pixels of 1.5 to 2 mm; unmixed blood without contrast medium is 40 to 60
ABOVE_SURROUNDINGS_HU = 12.0  # over the grey opening by VESSEL_RADIUS_MM, so that broad bleedings do not count
VESSEL_RADIUS_MM = 4.0
PEAK_HU = 95.0  # somewhere along its course; the falx and subarachnoid blood stay below
LENGTH_MM = 14.0  # pineal gland and choroid plexus calcify over less
WIDTH_MM = 7.0
DENSE_HU, DENSE_SHARE = 160.0, 0.25  # more pixels as bright as this: bone, drain, clip, calcified falx
BONE_MARGIN_MM = 5.0  # the blur of the skull reaches so far


def vessel_length_mm(anatomy: SliceAnatomy) -> float:
    """The summed length of the bright vessels in one slice, in mm (nominal where the spacing is unknown)."""
    hu = anatomy.hu
    radius = VESSEL_RADIUS_MM / anatomy.pixel_mm
    near_bone = cv2.dilate(anatomy.wall.astype(np.uint8), disc(BONE_MARGIN_MM / anatomy.pixel_mm))
    thin = hu - cv2.morphologyEx(hu, cv2.MORPH_OPEN, disc(radius)) > ABOVE_SURROUNDINGS_HU
    bright = (hu > VESSEL_HU) & thin & (near_bone == 0) & anatomy.depth_inside(VESSEL_RADIUS_MM)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bright.astype(np.uint8), connectivity=8)
    return sum(_length_mm(hu, labels, stats[part], part, anatomy.pixel_mm) for part in range(1, count))


def _length_mm(
    hu: NDArray[np.int16], labels: NDArray[np.int32], stats: NDArray[np.int32], part: int, pixel_mm: float
) -> float:
    """The length of one bright part if it is like a vessel, else 0."""
    left, top, width, height, area = (int(value) for value in stats)
    if np.hypot(width, height) * pixel_mm < LENGTH_MM - 2 * pixel_mm:
        return 0.0
    box = (slice(top, top + height), slice(left, left + width))
    pixels = labels[box] == part
    values = hu[box][pixels]
    sides = cv2.minAreaRect(np.argwhere(pixels).astype(np.float32))[1]
    length = (max(sides) + 1) * pixel_mm
    like_a_vessel = (
        length >= LENGTH_MM
        and area * pixel_mm**2 / length <= WIDTH_MM
        and values.max() >= PEAK_HU
        and np.mean(values > DENSE_HU) <= DENSE_SHARE
    )
    return float(length) if like_a_vessel else 0.0


def contrast_visible(window: Window | None) -> bool:
    """Whether HU restored from this window (None: true HU) reach high enough to tell vessels from blood."""
    return window is None or window.high >= LOWEST_CEILING_HU


def vessel_lengths_mm(slices: Sequence[SliceAnatomy]) -> NDArray[np.float64]:
    """`vessel_length_mm` of each slice."""
    return np.array([vessel_length_mm(anatomy) for anatomy in slices])
