"""Display windows: Hounsfield units to grey levels, and approximately back."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemoscope.reasons import UsageError


@dataclass(frozen=True)
class Window:
    """A display window: `level` and `width` in HU (PS3.3 C.11.2.1.2, there "center" and "width")."""

    level: float
    width: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.level) and np.isfinite(self.width) and self.width > 0):
            raise UsageError(f"A window needs a finite level and a width above 0 HU, not {self.level}/{self.width}.")

    @classmethod
    def from_text(cls, text: str) -> Window:
        """Read "level/width", for example "40/80"."""
        match = re.fullmatch(r"\s*(-?\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)\s*", text)
        if match is None:
            raise UsageError(f"A window is written level/width in HU, for example 40/80, not '{text}'.")
        return cls(float(match[1]), float(match[2]))

    @property
    def low(self) -> float:
        """The HU shown as black."""
        return self.level - self.width / 2

    @property
    def high(self) -> float:
        """The HU shown as white."""
        return self.level + self.width / 2

    def __str__(self) -> str:
        return f"{self.level:g}/{self.width:g}"


BRAIN = Window(40, 80)
SUBDURAL = Window(80, 200)
SOFT_TISSUE = Window(40, 380)


def to_grey(hu: NDArray[np.int16], window: Window) -> NDArray[np.uint8]:
    """Show HU through a window: black (0) at its low end and below, white (255) at its high end and above."""
    grey = (hu.astype(np.float32) - window.low) * (255 / window.width)
    shown: NDArray[np.uint8] = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    return shown


def from_grey(grey: NDArray[np.uint8], window: Window) -> NDArray[np.int16]:
    """Restore HU from an 8-bit picture of a window, exact to half a grey level; 0 and 255 stand for "or beyond"."""
    hu: NDArray[np.int16] = np.rint(window.low + grey.astype(np.float32) * (window.width / 255)).astype(np.int16)
    return hu
