"""The chart of probability along the scan: where every line, mark and label of the SVG lies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hemoscope.detector.detection import Detection
from hemoscope.findings import ANY, FINDINGS
from hemoscope.report.wording import percent

# The drawing area, in SVG units.
WIDTH, HEIGHT = 760, 254
LEFT, RIGHT, TOP, BOTTOM = 66, 746, 26, 204
LABEL_WIDTH = 26  # of a slice number


@dataclass(frozen=True)
class Mark:
    """Something at one place of the chart, with its label."""

    at: float  # x or y, SVG units
    label: str


@dataclass(frozen=True)
class Line:
    """The probability of one finding along the scan; the path is broken where slices were not scored."""

    name: str
    colour: str
    path: str
    is_any: bool


@dataclass(frozen=True)
class Point:
    """The probability of any hemorrhage in one slice."""

    x: float
    y: float
    label: str


@dataclass(frozen=True)
class Chart:
    """All of the chart. x: slice position in mm, or slice number where positions are unknown; foot on the left."""

    x_title: str
    x_ticks: list[Mark]
    y_ticks: list[Mark]
    unread: list[Mark]
    shown: list[Mark]
    lines: list[Line]
    points: list[Point]


def chart(detection: Detection, shown: Sequence[int]) -> Chart | None:
    """Lay the chart out. shown: the slices whose pictures the report shows. None for fewer than three scored slices."""
    scores = detection.slice_probabilities
    if scores is None or int(np.isfinite(scores[:, ANY]).sum()) < 3:
        return None
    positions, x_title = _positions(detection)
    low, high = min(positions), max(positions)
    xs = [LEFT + 8 + (RIGHT - LEFT - 16) * (position - low) / (high - low) for position in positions]
    ys = [[_y(float(score)) for score in row] for row in scores]
    scored = np.flatnonzero(np.isfinite(scores).any(axis=0)).tolist()
    order = [*(i for i in scored if i != ANY), ANY]  # any hemorrhage is drawn last, on top
    return Chart(
        x_title=x_title,
        x_ticks=[Mark(LEFT + 8 + (RIGHT - LEFT - 16) * (t - low) / (high - low), f"{t:g}") for t in ticks(low, high)],
        y_ticks=[Mark(_y(level), f"{level:.0%}") for level in (0, 0.25, 0.5, 0.75, 1)],
        unread=[Mark(xs[i], f"slice {i}") for i, a_slice in enumerate(detection.scan.slices) if not a_slice.readable],
        shown=_shown(xs, shown),
        lines=[Line(FINDINGS[f].name, FINDINGS[f].colour, _path(xs, [y[f] for y in ys]), f == ANY) for f in order],
        points=[
            Point(x, y[ANY], f"slice {i}, {position:g}: any {percent(float(scores[i, ANY]))}")
            for i, (x, y, position) in enumerate(zip(xs, ys, positions, strict=True))
            if math.isfinite(y[ANY])
        ],
    )


def ticks(low: float, high: float) -> list[float]:
    """Round numbers, at most nine, between `low` and `high`."""
    raw = (high - low) / 8
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
    return [step * k for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _positions(detection: Detection) -> tuple[list[float], str]:
    """Where the slices lie, and what that is: mm, or slice numbers unless every slice has a place of its own."""
    known = [s.position_mm for s in detection.scan.slices if s.position_mm is not None]
    if len(set(known)) == len(detection.scan.slices):
        return known, "slice position in mm, foot to head"
    return [float(index) for index in range(len(detection.scan.slices))], "slice number, foot to head"


def _shown(xs: Sequence[float], shown: Sequence[int]) -> list[Mark]:
    """The slices whose pictures are shown, most suspicious first; numbers that would cover others are left out."""
    marks: list[Mark] = []
    for index in shown:
        free = all(abs(xs[index] - mark.at) >= LABEL_WIDTH for mark in marks if mark.label)
        marks.append(Mark(xs[index], str(index) if free else ""))
    return marks


def _y(probability: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * probability


def _path(xs: Sequence[float], ys: Sequence[float]) -> str:
    """An SVG path through all finite points; a lone point gets a short stroke of its own."""
    parts: list[str] = []
    pen_down = False
    for x, y in zip(xs, ys, strict=True):
        if math.isfinite(y):
            parts.append(f"{'L' if pen_down else 'M'}{x:.1f} {y:.1f}")
        pen_down = math.isfinite(y)
    return "".join(parts)
