"""The pictures of a report: some slices in three windows, each beside its heat map."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemoscope.ct.windows import BRAIN, SOFT_TISSUE, SUBDURAL
from hemoscope.detector.detection import Detection
from hemoscope.findings import ANY, FINDINGS
from hemoscope.reasons import Reason
from hemoscope.report import figures
from hemoscope.report.wording import percent

SHOWN_SLICES = 4
SCALE_BARS_MM = (50, 20, 10, 5)
# A subtype is named under a slice from this probability on.
NAMED_FROM = 0.05


@dataclass(frozen=True)
class Picture:
    """One picture: its title, and the image as a data URI."""

    title: str
    uri: str


@dataclass(frozen=True)
class Panel:
    """One slice: where it is, its probabilities, and its pictures."""

    slice_number: int
    position: str
    scores: list[tuple[str, str, str]]  # finding, colour, probability
    pictures: list[Picture]


@dataclass(frozen=True)
class Panels:
    """All pictures of a report, at one scale."""

    panels: list[Panel]
    aspect: float  # width / height of every picture
    oriented: bool  # sides are known: R, L, A and P can be written
    scale_bar_mm: int | None
    scale_bar_percent: float  # of the width of a picture
    heat_scale_logits: float
    heat_stops: list[str]
    heat_grid: str  # "12 x 12", "" without heat maps


def slices_to_show(detection: Detection) -> list[int]:
    """The most suspicious slices, or evenly spaced ones where there are no probabilities."""
    if detection.slice_probabilities is not None:
        return detection.top_slices(SHOWN_SLICES)
    readable = [index for index, a_slice in enumerate(detection.scan.slices) if a_slice.readable]
    if len(readable) <= SHOWN_SLICES:
        return readable
    places = np.linspace(0, len(readable) - 1, SHOWN_SLICES + 2)[1:-1]
    return [readable[round(float(place))] for place in places]


def panels(detection: Detection, shown: list[int]) -> Panels | None:
    """Draw the slices `shown`. None where there are none."""
    if not shown:
        return None
    view = figures.head_view(detection, shown)
    scale = figures.heat_scale(detection, shown)
    width_mm = None if view.mm_per_pixel is None else view.width * view.mm_per_pixel
    bar = None if width_mm is None else next((mm for mm in SCALE_BARS_MM if mm < 0.4 * width_mm), None)
    return Panels(
        panels=[_panel(detection, index, view, scale) for index in shown],
        aspect=view.width / view.height,
        oriented=_oriented(detection),
        scale_bar_mm=bar,
        scale_bar_percent=0.0 if bar is None or width_mm is None else 100 * bar / width_mm,
        heat_scale_logits=scale,
        heat_stops=figures.legend_stops(),
        heat_grid="" if detection.maps is None else "{} x {}".format(*detection.maps.shape[2:]),
    )


def _oriented(detection: Detection) -> bool:
    """Whether the sides are known: not in pictures, and not where headers state no plane or contradict themselves."""
    doubtful = any(check.reason is Reason.ORIENTATION_UNKNOWN for check in detection.checks)
    placed = all(record.position_mm is not None for record in detection.scan.slices)
    return detection.scan.pixel_spacing_mm is not None and placed and not doubtful


def overlays(detection: Detection, shown: list[int]) -> Iterator[tuple[str, bytes]]:
    """The heat maps of the slices `shown` over whole slices, pixel for pixel: (name, PNG) of each that has one."""
    view, scale = figures.slice_view(detection), figures.heat_scale(detection, shown)
    for index in shown:
        laid = _laid(detection, index, view)
        if laid is not None:
            finding = FINDINGS[figures.heat_finding(detection, index)].name
            grey = figures.windowed(detection.scan.hu[index], view, BRAIN)
            yield f"heat_map_slice_{index:03d}_{finding}.png", figures.png(figures.overlay(grey, laid, scale))


def data_uri(picture: NDArray[np.uint8]) -> str:
    """A picture, grey or BGR, as a JPEG inside a page."""
    return "data:image/jpeg;base64," + base64.b64encode(figures.jpeg(picture)).decode()


def _panel(detection: Detection, index: int, view: figures.View, scale: float) -> Panel:
    hu = detection.scan.hu[index]
    brain = figures.windowed(hu, view, BRAIN)
    greys = [
        (f"Brain {BRAIN}", brain),
        (f"Subdural {SUBDURAL}", figures.windowed(hu, view, SUBDURAL)),
        (f"Soft tissue {SOFT_TISSUE}", figures.windowed(hu, view, SOFT_TISSUE)),
    ]
    pictures = [Picture(title, data_uri(grey)) for title, grey in greys]
    laid = _laid(detection, index, view)
    if laid is not None:
        finding = FINDINGS[figures.heat_finding(detection, index)].name
        pictures.insert(1, Picture(f"Heat map, {finding}", data_uri(figures.overlay(brain, laid, scale))))
    position = detection.scan.slices[index].position_mm
    return Panel(
        slice_number=index,
        position="" if position is None else f"{position:.1f} mm",
        scores=_scores(detection, index),
        pictures=pictures,
    )


def _scores(detection: Detection, index: int) -> list[tuple[str, str, str]]:
    """Any hemorrhage, then the subtypes that the slice may have, most probable first."""
    if detection.slice_probabilities is None:
        return []
    row = detection.slice_probabilities[index]
    named = [int(i) for i in np.argsort(-row) if i != ANY and row[i] >= NAMED_FROM]
    return [(FINDINGS[i].name, FINDINGS[i].colour, percent(float(row[i]))) for i in (ANY, *named)]


def _laid(detection: Detection, index: int, view: figures.View) -> NDArray[np.float32] | None:
    """The activation that explains the slice over a view, or None where the slice has no map."""
    crop = detection.crops[index] if index < len(detection.crops) else None
    if detection.maps is None or crop is None:
        return None
    return figures.heat(detection.maps[index, figures.heat_finding(detection, index)], crop, view)
