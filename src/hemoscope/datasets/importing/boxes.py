"""Boxes around hemorrhage, as a Manifest keeps them."""

from __future__ import annotations

import math
from collections.abc import Container
from typing import TypedDict

import numpy as np
import pandas as pd

from hemoscope.datasets.importing.tables import numbers
from hemoscope.datasets.problems import Found, Problem

SIDES = ("xmin", "ymin", "xmax", "ymax")


class Box(TypedDict):
    """Whole pixels of the slice as displayed, from xmin to before xmax; `finding` is one of the six."""

    finding: str
    xmin: float
    ymin: float
    xmax: float
    ymax: float


def boxes_by_slice(rows: pd.DataFrame, slices: Container[str]) -> tuple[dict[str, list[Box]], list[Found]]:
    """Boxes by slice, rounded outwards to whole pixels; rows without a valid box, or of no known slice, are problems.

    rows: text columns slice, finding, xmin, ymin, xmax, ymax; x grows to the right, y downwards, in pixels.
    """
    corners = np.stack([numbers(rows[side]) for side in SIDES], axis=1)
    boxes: dict[str, list[Box]] = {}
    found = []
    for name, finding, (xmin, ymin, xmax, ymax) in zip(rows["slice"], rows["finding"], corners.tolist(), strict=True):
        if not (0 <= xmin < xmax < math.inf and 0 <= ymin < ymax < math.inf):
            found.append(Found(Problem.BAD_ROW, name, "A box has no area, or lies outside the slice."))
        elif name not in slices:
            found.append(Found(Problem.NO_SLICE, name, "A box is drawn on it, but it is not among the slices."))
        else:
            box = Box(
                finding=finding,
                xmin=math.floor(xmin),
                ymin=math.floor(ymin),
                xmax=math.ceil(xmax),
                ymax=math.ceil(ymax),
            )
            boxes.setdefault(name, []).append(box)
    return boxes, found
