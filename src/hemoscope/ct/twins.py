"""Images at the position of another: copies are dropped, different ones kept or told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from hemoscope.ct.frames import Frame
from hemoscope.ct.geometry import AS_STORED
from hemoscope.ct.inputs import InputFile
from hemoscope.ct.pixels import Decoded
from hemoscope.ct.series import Series
from hemoscope.reasons import Check, HemoscopeError, Reason


class Decodes(Protocol):
    """What reading needs of a decoder: results in the order of the requests, failures as values."""

    def decode(self, requests: Iterable[tuple[InputFile, Dataset]]) -> Iterator[Decoded]:
        """Decode each file."""


def displayed_pixels(frame: Frame, result: Decoded) -> NDArray[np.int16] | HemoscopeError:
    """The HU [row, column] of a frame in display order, or why there are none."""
    if isinstance(result, HemoscopeError):
        return result
    if frame.number >= len(result.hu) or result.hu.shape[1:] != frame.shape:
        sentence = f"{frame.file.name} holds other pixels than its header says."
        return HemoscopeError(Reason.PIXELS_UNREADABLE, sentence)
    change = frame.plane.display_change if frame.plane else AS_STORED
    return change.apply(result.hu[frame.number])


def settle_twins(series: Series, decoder: Decodes) -> Series:
    """Compare the pixels of images that share a position: the series without twins, and with checks that say it."""
    if not series.twins:
        return series
    different, copies = _differing(series, decoder)
    checks = list(series.checks)
    if copies:
        sentence = f"{len(copies)} slices were there twice, such as {copies[0].file.name}; one copy was used."
        checks.append(Check(Reason.DUPLICATE_SLICE, sentence))
    if different and series.keep_twins:
        series = _with_twins(series, different)
        sentence = (
            f"{len(different)} positions hold a second, different image, such as {different[0][1].file.name}: part of"
            " the head was scanned twice, and all images were analysed."
        )
        checks.append(Check(Reason.REPEATED_POSITIONS, sentence))
    elif different:
        sentence = (
            f"{len(different)} other images, such as {different[0][1].file.name}, lie at the positions of slices that"
            " were analysed (a repeated or dynamic acquisition, or another reconstruction) and were not."
        )
        checks.append(Check(Reason.OVERLAPPING_ACQUISITIONS, sentence))
    return replace(series, twins=(), checks=tuple(checks))


def _differing(series: Series, decoder: Decodes) -> tuple[list[tuple[int, Frame]], list[Frame]]:
    """(twins with other pixels than the frame at their position, each with its index; copies)."""
    different: list[tuple[int, Frame]] = []
    copies: list[Frame] = []
    pairs = [frame for index, twin in series.twins for frame in (series.frames[index], twin)]
    results = decoder.decode((frame.file, frame.file_header) for frame in pairs)
    for (index, twin), first, second in zip(series.twins, results, results, strict=True):
        kept, other = displayed_pixels(series.frames[index], first), displayed_pixels(twin, second)
        if isinstance(other, HemoscopeError) or isinstance(kept, HemoscopeError) or not np.array_equal(kept, other):
            different.append((index, twin))
        else:
            copies.append(twin)
    return different, copies


def _with_twins(series: Series, twins: list[tuple[int, Frame]]) -> Series:
    """The series with its twins behind the frames at their positions."""
    numbered = sorted([*enumerate(series.frames), *twins], key=lambda item: item[0])  # stable: twins come second
    return replace(
        series,
        frames=tuple(frame for _, frame in numbered),
        positions_mm=tuple(series.positions_mm[index] for index, _ in numbered),
    )
