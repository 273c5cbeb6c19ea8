"""BHX: boxes around hemorrhage, drawn by neuroradiologists on slices of CQ500.

Source: E. P. Reis et al., Brain Hemorrhage Extended, PhysioNet 2020, doi 10.13026/9cft-hg92.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemoscope.datasets.importing.boxes import SIDES, Box, boxes_by_slice
from hemoscope.datasets.importing.tables import numbers, read_own_table
from hemoscope.datasets.manifest import UNKNOWN
from hemoscope.datasets.problems import Found, Problem
from hemoscope.findings import ANY, FINDING_NAMES

# "Chronic" names the age of the blood and not where it is. Most of it is subdural, but not all of it, and a scan may
# hold a second type: it counts as a hemorrhage of unknown type.
FINDING_OF_LABEL = {
    "Epidural": "epidural", "Intraparenchymal": "intraparenchymal", "Intraventricular": "intraventricular",
    "Subarachnoid": "subarachnoid", "Subdural": "subdural", "Chronic": "any",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Drawn:
    """Boxes by SOPInstanceUID, in pixels of the slice as stored; series and study: UIDs of each of these slices."""

    boxes: dict[str, list[Box]]
    series: dict[str, str]
    study: dict[str, str]
    found: tuple[Found, ...]

    def labels(self, slices: list[str]) -> NDArray[np.int8]:
        """Labels of slices: int8 [slice, finding]; 1 for what is drawn and for `any`, all else UNKNOWN."""
        labels = np.full((len(slices), len(FINDING_NAMES)), UNKNOWN, np.int8)
        for row, name in enumerate(slices):
            for box in self.boxes.get(name, ()):
                labels[row, [FINDING_NAMES.index(box["finding"]), ANY]] = 1
        return labels


def read_bhx(path: Path) -> Drawn:
    """Read one of the three CSV files of BHX; raises UsageError where it lacks a column.

    `data` is text such as {'x': 236.2, 'y': 151.0, 'width': 50.9, 'height': 63.0}.
    """
    uids = {"slice": "SOPInstanceUID", "series": "SeriesInstanceUID", "study": "StudyInstanceUID"}
    rows = read_own_table(path, {**uids, "data": "data", "label": "labelName"}, "BHX")
    strange = ~rows["label"].isin(FINDING_OF_LABEL) | (rows["slice"] == "")
    found = [Found(Problem.BAD_ROW, one, "A box has a label that BHX does not have, or no slice.")
             for one in rows["slice"][strange]]  # fmt: skip
    rows = rows[~strange]
    drawn = rows.assign(finding=rows["label"].map(FINDING_OF_LABEL), **_corners(rows["data"]))
    boxes, unusable = boxes_by_slice(drawn, set(rows["slice"]))
    return Drawn(
        boxes,
        series=dict(zip(rows["slice"], rows["series"], strict=True)),
        study=dict(zip(rows["slice"], rows["study"], strict=True)),
        found=(*found, *unusable),
    )


def _corners(data: pd.Series) -> dict[str, NDArray[np.float64]]:
    """xmin, ymin, xmax and ymax of each box, NaN where the text does not say."""
    x, y, width, height = (
        numbers(data.str.extract(rf"""['"]{name}['"]\s*:\s*([-+.\deE]+)""", expand=False))
        for name in ("x", "y", "width", "height")
    )
    return dict(zip(SIDES, (x, y, x + width, y + height), strict=True))
