"""Stored pixel values to Hounsfield units: rescale, padding, and the wrapped 12-bit values of RSNA 2019."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from hemoscope.ct.enhanced import frame_headers
from hemoscope.ct.inputs import InputFile
from hemoscope.ct.stored_values import Stored, is_lossy, unreadable
from hemoscope.reasons import HemoscopeError, Reason

AIR_HU = -1024
HIGHEST_HU = 3071  # of the 12-bit CT scale; metal beyond it is clipped
COARSEST_STEP_HU = 4.0  # gray and white matter differ by 5 to 10 HU
# Scanners fill what lies outside the field of view with -2000, in unsigned pixels the same 16 bits: no CT number.
UNSIGNED_PADDING = 63536
# A "padding value" inside this range would punch holes into the head: such a header is wrong, and not followed.
TISSUE_HU = (-200.0, 200.0)
WRAPPED_FRACTION = 0.01  # metal is rarer, air more frequent


def hounsfield_frames(
    file: InputFile, header: Dataset, stored: Iterable[Stored]
) -> Iterator[tuple[NDArray[np.int16], bool]]:
    """Turn the frames of a file into HU, each with its own rescale; yields as `to_hounsfield` returns."""
    headers = frame_headers(header)
    if len(headers) not in (1, header.get("NumberOfFrames", 1)):
        raise unreadable(file, f"hold {header.get('NumberOfFrames', 1)} frames, of which {len(headers)} are described")
    for index, values in enumerate(stored):
        yield to_hounsfield(values, headers[index % len(headers)], file.name)


def pixel_notes(header: Dataset, *, wrap_repaired: bool) -> tuple[Reason, ...]:
    """What is to be said about the pixels of a file."""
    lossy = (Reason.LOSSY,) if is_lossy(header) else ()
    return lossy + ((Reason.RSNA_WRAP_REPAIRED,) if wrap_repaired else ())


def rescale(header: Dataset, name: str) -> tuple[float, float]:
    """(slope, intercept) of a frame (PS3.3 C.11.1); raises HemoscopeError where they do not give HU."""
    try:
        slope, intercept = float(header["RescaleSlope"].value), float(header["RescaleIntercept"].value)
    except (KeyError, TypeError, ValueError):
        sentence = f"{name} has no Hounsfield units: RescaleSlope and RescaleIntercept are missing or malformed."
        raise HemoscopeError(Reason.NO_HOUNSFIELD_UNITS, sentence) from None
    if not (math.isfinite(intercept) and 0 < slope < math.inf):
        sentence = f"{name} has no Hounsfield units: its RescaleSlope is {slope:g}, its RescaleIntercept {intercept:g}."
        raise HemoscopeError(Reason.NO_HOUNSFIELD_UNITS, sentence)
    if slope > COARSEST_STEP_HU:
        sentence = f"{name} has values in steps of {slope:g} HU, too coarse to tell blood from brain."
        raise HemoscopeError(Reason.NO_HOUNSFIELD_UNITS, sentence)
    return slope, intercept


def to_hounsfield(stored: Stored, header: Dataset, name: str) -> tuple[NDArray[np.int16], bool]:
    """Turn the stored values of a frame into HU in AIR_HU...HIGHEST_HU, and tell whether wrapped values were put right.

    header: of the frame. Padding becomes air. MONOCHROME1 says how to display, not what is stored: HU stay as they are
    (PS3.3 C.7.6.3.1.2). Raises HemoscopeError.
    """
    slope, intercept = rescale(header, name)
    padded = _padding(stored, header, slope, intercept)
    if _may_be_wrapped(header, slope, intercept):
        hu = stored.astype(np.int32) + round(intercept)
        wrapped = hu > 3095
        repaired = bool(wrapped.mean() >= WRAPPED_FRACTION)
        if repaired:
            hu[wrapped] -= 4096
        result = np.clip(hu, AIR_HU, HIGHEST_HU).astype(np.int16)
    else:
        repaired = False
        result = _linear(stored, slope, intercept)
    if padded is not None:
        result[padded] = AIR_HU
    return result, repaired


def _linear(stored: Stored, slope: float, intercept: float) -> NDArray[np.int16]:
    if slope == 1 and intercept == round(intercept) and abs(intercept) <= 3000 and stored.dtype.itemsize == 2:
        # Clipped before the shift, nothing can overflow; ten times as fast as floating point.
        least = np.iinfo(stored.dtype).min
        low, high = max(least, AIR_HU - round(intercept)), HIGHEST_HU - round(intercept)
        bounds = np.array([low, high], stored.dtype)  # with plain integers NumPy takes ten times as long
        shifted: NDArray[np.int16] = np.clip(stored, *bounds).astype(np.int16, copy=False)
        shifted += np.int16(intercept)
        return shifted
    hu = stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    clipped: NDArray[np.int16] = np.clip(np.rint(hu), AIR_HU, HIGHEST_HU).astype(np.int16)
    return clipped


def _may_be_wrapped(header: Dataset, slope: float, intercept: float) -> bool:
    """RSNA 2019: 12 bits unsigned without the usual offset cannot hold air, which then wraps to 3096 and above."""
    return bool(
        header.get("BitsStored") == 12 and header.get("PixelRepresentation") == 0 and slope == 1 and intercept > -100
    )


def _padding(stored: Stored, header: Dataset, slope: float, intercept: float) -> NDArray[np.bool_] | None:
    """Where a frame is padding (PS3.3 C.7.5.1.1.2) that the clip to air does not catch; None: nowhere."""
    if stored.dtype.itemsize != 2:
        return None
    ranges = [(UNSIGNED_PADDING, UNSIGNED_PADDING)] if stored.dtype.kind == "u" else []
    value, limit = header.get("PixelPaddingValue"), header.get("PixelPaddingRangeLimit")
    if isinstance(value, int):
        ranges.append((value, limit if isinstance(limit, int) else value))
    padded = None
    for ends in ranges:
        # The value may be written signed for unsigned pixels and the other way round: the 16 bits count.
        low, high = sorted(int(np.array(end & 0xFFFF, np.uint16).astype(stored.dtype)) for end in ends)
        low_hu, high_hu = low * slope + intercept, high * slope + intercept
        if high_hu <= AIR_HU or (high_hu >= TISSUE_HU[0] and low_hu <= TISSUE_HU[1]):
            continue
        here = stored == low if low == high else (stored >= low) & (stored <= high)
        padded = here if padded is None else padded | here
    return padded
