"""Pictures for the report: slices through display windows, and heat maps laid over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from hemoscope.ct.prepare import Crop, cut, head_crop
from hemoscope.ct.windows import Window, to_grey
from hemoscope.detector.detection import Detection
from hemoscope.findings import ANY

LONGEST_SIDE = 448  # pixels: close to the true pixels of a head in a 512 x 512 slice
# Measured on a real series: 36 kB, 0.6 ms and 0.9 grey levels of mean error a picture; as PNG 76 kB and 9 ms.
JPEG_QUALITY = 88
PNG_COMPRESSION = 1  # more saves a tenth of the size
STRONGEST_ALPHA = 0.62  # the anatomy stays visible under the strongest activation
# Weaker activation than this share of the scale is not drawn: it is everywhere, and means nothing.
FAINTEST_LEVEL = 0.10
# The scale ends at the scan's strongest activation, but not below this, so that a scan without any is not lit up.
LOWEST_SCALE_LOGITS = 4.0
NEARLY_ALL = 0.9


@dataclass(frozen=True)
class View:
    """The part of the slices that pictures show, one for the whole scan, and the size of the pictures in pixels."""

    crop: Crop
    height: int
    width: int
    mm_per_pixel: float | None  # of the pictures, which have square pixels; None: unknown


def head_view(detection: Detection, slices: Sequence[int]) -> View:
    """The smallest view that shows the head in all of `slices`, so that they are shown at one scale."""
    scan = detection.scan
    rows, columns = scan.hu.shape[1:]
    found = [head_crop(scan.hu[i], scan.pixel_spacing_mm) for i in slices]
    top = max(0, min(crop.top for crop in found))
    left = max(0, min(crop.left for crop in found))
    bottom = min(rows, max(crop.top + crop.height for crop in found))
    right = min(columns, max(crop.left + crop.width for crop in found))
    if bottom - top < 16 or right - left < 16:
        top, left, bottom, right = 0, 0, rows, columns
    return view_of(Crop(top, left, bottom - top, right - left), scan.pixel_spacing_mm, LONGEST_SIDE)


def view_of(crop: Crop, spacing_mm: tuple[float, float] | None, longest: int) -> View:
    """A part of a slice in square pixels, `longest` of them on its longer side; spacing_mm: (row, column)."""
    row_mm, column_mm = spacing_mm or (1.0, 1.0)
    height_mm, width_mm = crop.height * row_mm, crop.width * column_mm
    mm = max(height_mm, width_mm) / longest
    return View(crop, max(1, round(height_mm / mm)), max(1, round(width_mm / mm)), mm if spacing_mm else None)


def slice_view(detection: Detection) -> View:
    """The whole slice, one picture pixel a slice pixel."""
    rows, columns = detection.scan.hu.shape[1:]
    return View(Crop(0, 0, rows, columns), rows, columns, None)


def windowed(hu: NDArray[np.int16], view: View, window: Window) -> NDArray[np.uint8]:
    """A slice, HU [row, column], through a display window: grey levels [view.height, view.width]."""
    part = cut(hu, view.crop)
    if part.shape != (view.height, view.width):
        shrinks = view.height < part.shape[0]
        # HU are interpolated before the window is applied: the window clips, and clipped values do not average.
        interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        part = cv2.resize(part, (view.width, view.height), interpolation=interpolation).astype(np.int16)
    return to_grey(part, window)


def heat_finding(detection: Detection, index: int) -> int:
    """The finding whose heat map explains the probability of any hemorrhage in a slice.

    That is `any`, or a subtype that makes up all, or nearly all, of its probability and has the stronger activation.
    """
    if detection.slice_probabilities is None or detection.maps is None:
        return ANY
    row = detection.slice_probabilities[index]
    strongest = detection.maps[index].max(axis=(1, 2))
    candidates = [ANY, *np.flatnonzero(row >= NEARLY_ALL * row[ANY]).tolist()]
    return max(candidates, key=lambda finding: float(strongest[finding]))


def heat_scale(detection: Detection, slices: Sequence[int]) -> float:
    """The activation (logits) at the top of the colour scale: one scale for all heat maps of a report."""
    if detection.maps is None:
        return LOWEST_SCALE_LOGITS
    findings = sorted({heat_finding(detection, index) for index in slices})
    return max(float(detection.maps[:, findings].max(initial=0)), LOWEST_SCALE_LOGITS)


def heat(activation: NDArray[np.float32], crop: Crop, view: View) -> NDArray[np.float32]:
    """Lay a class activation map over a view.

    activation: logits [h, w] on the network's grid, whose cells divide `crop`. Returns logits [view.height,
    view.width], interpolated between cell centres, positive part only, 0 outside the crop.
    """
    grid_rows, grid_columns = activation.shape
    row_scale = view.crop.height / view.height * grid_rows / crop.height
    column_scale = view.crop.width / view.width * grid_columns / crop.width
    row0 = (view.crop.top - crop.top) * grid_rows / crop.height + 0.5 * row_scale - 0.5
    column0 = (view.crop.left - crop.left) * grid_columns / crop.width + 0.5 * column_scale - 0.5
    to_grid = np.array([[column_scale, 0, column0], [0, row_scale, row0]], np.float64)
    laid = cv2.warpAffine(activation.astype(np.float32), to_grid, (view.width, view.height),
                          flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    rows = row0 + row_scale * np.arange(view.height)
    columns = column0 + column_scale * np.arange(view.width)
    inside_rows = (rows >= -0.5) & (rows <= grid_rows - 0.5)
    inside_columns = (columns >= -0.5) & (columns <= grid_columns - 0.5)
    inside: NDArray[np.bool_] = inside_rows[:, None] & inside_columns[None, :]
    return np.where(inside, np.maximum(laid, 0), 0).astype(np.float32)


def overlay(grey: NDArray[np.uint8], laid: NDArray[np.float32], scale: float) -> NDArray[np.uint8]:
    """Lay activation in logits [h, w] over a grey picture [h, w] in colour: BGR [h, w, 3]."""
    level = np.rint(np.clip(laid * (255 / scale), 0, 255)).astype(np.uint8)
    colours, kept = _blending()
    dimmed = cv2.multiply(grey, cv2.LUT(level, kept), scale=1 / 255)
    tint = cv2.LUT(cv2.merge([level] * 3), colours[None])
    return np.asarray(cv2.add(cv2.merge([dimmed] * 3), tint), np.uint8)


@cache
def heat_colours() -> NDArray[np.uint8]:
    """The colours of activation, BGR [256, 3]: "inferno", even to the eye and in grey print, without its black end."""
    ramp = np.linspace(90, 255, 256).astype(np.uint8)[:, None]
    return np.ascontiguousarray(cv2.applyColorMap(ramp, cv2.COLORMAP_INFERNO)[:, 0])


def legend_stops(count: int = 9) -> list[str]:
    """The colour bar beside the heat maps: CSS colours from none to the strongest activation, over dark grey tissue."""
    level = np.linspace(0, 1, count, dtype=np.float32)
    colours = overlay(np.full((1, count), 70, np.uint8), level[None], 1.0)[0]
    return ["#{2:02x}{1:02x}{0:02x}".format(*(int(part) for part in colour)) for colour in colours]


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    """A picture, grey or BGR, as JPEG."""
    return _encode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])


def png(picture: NDArray[np.uint8]) -> bytes:
    """A picture, grey or BGR, as PNG."""
    return _encode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, PNG_COMPRESSION])


@cache
def _blending() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """By level of activation, 0 to 255: the colour to add, BGR [256, 3], and how much of the slice stays, of 255 [256].

    Nothing is drawn up to the faintest level; above, the colour covers the slice more and more.
    """
    above = np.clip((np.linspace(0, 1, 256) - FAINTEST_LEVEL) / (1 - FAINTEST_LEVEL), 0, 1)
    alpha = above**0.7 * STRONGEST_ALPHA
    colours = np.rint(heat_colours() * alpha[:, None]).astype(np.uint8)
    return colours, np.rint(255 * (1 - alpha)).astype(np.uint8)


def _encode(suffix: str, picture: NDArray[np.uint8], settings: list[int]) -> bytes:
    done, data = cv2.imencode(suffix, picture, settings)
    if not done:
        raise ValueError(f"OpenCV could not write a {picture.shape} picture as {suffix}")
    return data.tobytes()
