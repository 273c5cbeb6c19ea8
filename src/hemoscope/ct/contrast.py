"""Whether the vessels inside the skull are bright: contrast medium, which looks like blood.

No DICOM tag tells it reliably, so the slices are looked at. Vessels filled with contrast medium are thin, long and of
90 to 400 HU all over the brain. Fresh blood is 50 to 90 HU; calcifications, drains and clips are bright but short, few
or denser than a vessel that is blurred by the slice; the falx is thin and long but below 65 HU unless it is calcified.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

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
DENSE_HU, DENSE_SHARE = 160.0, 0.12  # more pixels as bright as this: bone, drain, clip, calcified falx
BONE_MARGIN_MM = 5.0  # the blur of the skull reaches so far


# A scan with contrast medium shows vessels in 55% of its slices or more, 20 mm a slice in the mean; others (drain,
# metal, calcified falx, bone of the skull base) in 28% at most.
SLICES_SHARE = 0.40
MEAN_MM = 14.0
# Strongly filled arteries are themselves dense. All that is thin, long and bright comes to 31 mm a slice and more with
# them, to 13 mm with drains and calcified falces.
MEAN_WITH_DENSE_MM = 22.0
FEWEST_SLICES = 3  # fewer are judged one by one:
# Above the skull base (the inside of the skull is this share of the slice) any vessel counts, lower down only as much
# as nothing else sums up to. Of 1,362 single slices without contrast medium 1% are suspected (drains, petrous bone).
ABOVE_BASE_SHARE = 0.66
MANY_MM = 80.0


class Vessels(NamedTuple):
    """Summed lengths in mm of what is thin, long and bright in a slice (nominal where the spacing is unknown)."""

    plain: float  # as bright as a vessel is that the slice blurs
    dense: float  # brighter: strongly filled arteries, but also drains, clips and calcified falx


def vessels(anatomy: SliceAnatomy) -> Vessels:
    """Find the bright vessels of one slice."""
    hu = anatomy.hu
    near_bone = cv2.dilate(anatomy.wall.astype(np.uint8), disc(BONE_MARGIN_MM / anatomy.pixel_mm))
    opened = cv2.morphologyEx(hu, cv2.MORPH_OPEN, disc(VESSEL_RADIUS_MM / anatomy.pixel_mm))
    bright = (hu > VESSEL_HU) & (hu - opened > ABOVE_SURROUNDINGS_HU)
    bright &= (near_bone == 0) & anatomy.depth_inside(VESSEL_RADIUS_MM)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bright.astype(np.uint8), connectivity=8)
    plain = dense = 0.0
    for part in range(1, count):
        left, top, width, height, _ = (int(value) for value in stats[part])
        box = (slice(top, top + height), slice(left, left + width))
        pixels = labels[box] == part
        length = _vessel_mm(pixels, hu[box][pixels], anatomy.pixel_mm)
        if np.mean(hu[box][pixels] > DENSE_HU) > DENSE_SHARE:
            dense += length
        else:
            plain += length
    return Vessels(plain, dense)


def _vessel_mm(pixels: NDArray[np.bool_], values: NDArray[np.int16], pixel_mm: float) -> float:
    """The length of one bright part [row, column] with these HU if it has the shape of a vessel, else 0."""
    if np.hypot(*pixels.shape) * pixel_mm < LENGTH_MM - 2 * pixel_mm or values.max() < PEAK_HU:
        return 0.0
    sides = cv2.minAreaRect(np.argwhere(pixels).astype(np.float32))[1]
    length = (max(sides) + 1) * pixel_mm
    thin = pixels.sum() * pixel_mm**2 / length <= WIDTH_MM
    return float(length) if thin and length >= LENGTH_MM else 0.0


def contrast_suspected(found: Sequence[Vessels], slices: Sequence[SliceAnatomy]) -> bool:
    """Whether the vessels found in these slices of a scan, which all show brain, hold contrast medium."""
    if len(found) < FEWEST_SLICES:
        return any(
            one.plain >= MANY_MM or (one.plain > 0 and anatomy.inside_share >= ABOVE_BASE_SHARE)
            for one, anatomy in zip(found, slices, strict=True)
        )
    plain, dense = np.array(found).T  # mm, one a slice
    return any(
        np.mean(lengths > 0) >= SLICES_SHARE and lengths.mean() >= mean_mm
        for lengths, mean_mm in ((plain, MEAN_MM), (plain + dense, MEAN_WITH_DENSE_MM))
    )


def contrast_visible(window: Window | None) -> bool:
    """Whether HU restored from this window (None: true HU) reach high enough to tell vessels from blood."""
    return window is None or window.high >= LOWEST_CEILING_HU
