"""Bundles of format 1: one window, the head cut out of a slice after it was windowed, all six findings, calibrated.

Only the shipped bundle has it. When that is of format 2, this file and `ct.prepare.prepare_slice` go.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemoscope.ct.prepare import Crop, NetworkInput, prepare_slice
from hemoscope.findings import FINDING_NAMES

FORMAT = 1
MODEL = "model.onnx"


class WindowedHead(NetworkInput):
    """The head through one window, made small after the window was cut."""

    def frame(
        self, hu: NDArray[np.int16], pixel_spacing_mm: tuple[float, float] | None
    ) -> tuple[NDArray[np.uint8], Crop]:
        """Show one slice, HU [row, column]: (grey levels [1, size, size], the crop that they show)."""
        grey, crop = prepare_slice(hu, pixel_spacing_mm, self.size, self.windows[0])
        return grey[None], crop


def upgrade(facts: dict[str, Any]) -> dict[str, Any]:
    """bundle.json as format 2 has it, but for its input's framing. Raises KeyError, ValueError or TypeError."""
    if tuple(facts["findings"]) != FINDING_NAMES:
        raise ValueError(f"its findings are not {', '.join(FINDING_NAMES)}")
    window = facts["input"]["window"]
    calibration = {
        of: {
            name: [slope, intercept]
            for name, slope, intercept in zip(FINDING_NAMES, lines["slope"], lines["intercept"], strict=True)
        }
        for of, lines in facts["calibration"].items()
    }
    return facts | {
        "networks": {"slices": {"findings": list(FINDING_NAMES)}, "scan": None},
        "input": {"size": int(facts["input"]["size"]), "windows": [f"{window['level']}/{window['width']}"],
                  "neighbours": 0, "framing": "head", "maximum_filter": [1, 1]},
        "calibration": calibration,
        "scan_rule": "max",
    }  # fmt: skip
