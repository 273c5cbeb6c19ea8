"""What the user may say about how inputs are to be read."""

from __future__ import annotations

from dataclasses import dataclass

from hemoscope.ct.windows import Window


@dataclass(frozen=True)
class ReadOptions:
    """How to read inputs.

    window: the display window that pictures (and NIfTI of grey levels) were rendered with. series_uid: read this
    series, whatever else the study holds. independent: every file (every frame) is a one-slice scan of its own.
    """

    window: Window | None = None
    series_uid: str | None = None
    independent: bool = False
