"""Boxes around hemorrhage, as a Manifest keeps them."""

from __future__ import annotations

import math
from typing import TypedDict


class Box(TypedDict):
    """Pixels of the slice as displayed, from xmin to before xmax; `finding` is one of the six."""

    finding: str
    xmin: float
    ymin: float
    xmax: float
    ymax: float


def whole_pixels(finding: str, xmin: float, ymin: float, xmax: float, ymax: float) -> Box:
    """The smallest box of whole pixels that holds one drawn with fractions; x grows to the right, y downwards."""
    return Box(
        finding=finding, xmin=math.floor(xmin), ymin=math.floor(ymin), xmax=math.ceil(xmax), ymax=math.ceil(ymax)
    )
