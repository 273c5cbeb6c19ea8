"""How much fine detail the brain has: real CT is never smooth, strongly compressed CT is."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from hemoscope.ct.anatomy import SliceAnatomy

NEIGHBOURHOOD_PIXELS = 7
MAD_TO_SIGMA = 1.4826  # for a normal distribution
BRAIN_HU = (5, 60)
RIM_MM = 6.0  # the blur of the skull
FEWEST_PIXELS = 500


def brain_texture_hu(hu: NDArray[np.int16], anatomy: SliceAnatomy) -> float | None:
    """The robust standard deviation of brain about its local mean, in HU; None where too little brain is shown.

    hu: HU [row, column] at full resolution, of which `anatomy` was found.
    """
    inside = cv2.resize(
        anatomy.depth_inside(RIM_MM).astype(np.uint8), hu.shape[::-1], interpolation=cv2.INTER_NEAREST
    ).astype(np.bool_)
    brain = inside & (hu > BRAIN_HU[0]) & (hu < BRAIN_HU[1])
    if brain.sum() < FEWEST_PIXELS:
        return None
    values = hu.astype(np.float32)
    detail = values - cv2.blur(values, (NEIGHBOURHOOD_PIXELS, NEIGHBOURHOOD_PIXELS))
    return float(MAD_TO_SIGMA * np.median(np.abs(detail[brain])))
