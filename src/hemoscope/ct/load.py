"""A series to a scan: decode its slices in order, turn each to radiological display."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hemoscope.ct.frames import pixel_spacing_mm, slice_thickness_mm
from hemoscope.ct.geometry import AS_STORED
from hemoscope.ct.hounsfield import AIR_HU
from hemoscope.ct.inputs import InputFile
from hemoscope.ct.pixels import Decoded, DecodedFrames
from hemoscope.ct.scan import Scan, Slice
from hemoscope.ct.series import MAX_VOXELS, Series
from hemoscope.ct.twins import Decodes, displayed_pixels, settle_twins
from hemoscope.reasons import Check, HemoscopeError, Reason

# Called with (slice index, HU [row, column] in display order, pixel spacing) as soon as a slice is decoded.
OnSlice = Callable[[int, NDArray[np.int16], tuple[float, float] | None], None]


def load(series: Series, decoder: Decodes, on_slice: OnSlice | None = None) -> Scan:
    """Decode a series into a scan.

    A slice that cannot be decoded is air, marked unreadable and named in a check. Raises HemoscopeError when the scan
    would be larger than MAX_VOXELS (TOO_LARGE) or when no slice can be decoded.
    """
    series = settle_twins(series, decoder)
    check_size(series)
    indices: dict[InputFile, list[int]] = defaultdict(list)  # a multi-frame file holds many slices
    for index, frame in enumerate(series.frames):
        indices[frame.file].append(index)
    requests = ((file, series.frames[first].file_header) for file, (first, *_) in indices.items())
    reading = _Reading(series)
    for file, result in zip(indices, decoder.decode(requests), strict=True):
        sha256 = result.sha256() if isinstance(result, DecodedFrames) else file.sha256()
        for index in indices[file]:
            reading.take(index, result, sha256)
            if on_slice is not None and reading.slices[index].readable:
                on_slice(index, reading.hu[index], reading.spacing_mm)
    return reading.scan()


def check_size(series: Series) -> None:
    """Raise HemoscopeError (TOO_LARGE) when the scan would not fit into bounded memory."""
    if series.voxels > MAX_VOXELS:
        rows, columns = series.frames[0].shape
        sentence = (
            f"{series.label} has {len(series.frames)} slices of {rows} x {columns} pixels, more than the"
            f" {MAX_VOXELS // 2**20} million that keep memory bounded; give thicker slices of the same study."
        )
        raise HemoscopeError(Reason.TOO_LARGE, sentence)


class _Reading:
    """A scan in the making."""

    def __init__(self, series: Series) -> None:
        self._series = series
        first = series.frames[0]
        change = first.plane.display_change if first.plane else AS_STORED
        self.spacing_mm = change.spacing(pixel_spacing_mm(first.header))
        self.hu = np.full((len(series.frames), *change.shape(first.shape)), AIR_HU, np.int16)
        positions: list[float | None] = [round(p, 4) for p in series.positions_mm] or [None] * len(series.frames)
        self.slices = [
            Slice(
                source=frame.file.name,
                sha256="",
                sop_instance_uid=frame.sop_instance_uid,
                frame=frame.number,
                position_mm=position,
                readable=False,
                thickness_mm=slice_thickness_mm(frame.header),
            )
            for frame, position in zip(series.frames, positions, strict=True)
        ]
        self._errors: dict[int, HemoscopeError] = {}
        self._noted: dict[Reason, list[int]] = defaultdict(list)

    def take(self, index: int, result: Decoded, sha256: str) -> None:
        """Keep the decoded slice, or why there is none. sha256: of its file."""
        frame = self._series.frames[index]
        pixels = displayed_pixels(frame, result)
        readable = not isinstance(pixels, HemoscopeError)
        self.slices[index] = replace(self.slices[index], sha256=sha256, readable=readable)
        if isinstance(pixels, HemoscopeError):
            self._errors[index] = pixels
            return
        assert isinstance(result, DecodedFrames)
        self.hu[index] = pixels
        for note in result.notes:
            self._noted[note].append(index)

    def scan(self) -> Scan:
        """The finished scan; raises HemoscopeError when no slice could be decoded."""
        if len(self._errors) == len(self.slices):
            raise self._errors[0]
        return Scan(
            name=self._series.name,
            hu=self.hu,
            slices=tuple(self.slices),
            pixel_spacing_mm=self.spacing_mm,
            independent=self._series.independent,
            checks=(*self._series.checks, *self._pixel_checks()),
            identifiers=self._series.identifiers,
            acquisition=self._series.acquisition,
        )

    def _pixel_checks(self) -> Iterator[Check]:
        if self._errors:
            first = min(self._errors)
            sentence = f"{len(self._errors)} of {len(self.slices)} slices could not be read: "
            yield Check(Reason.SLICE_UNREADABLE, sentence + self._errors[first].sentence, tuple(sorted(self._errors)))
        for reason, indices in self._noted.items():
            sentence = f"In {len(indices)} of {len(self.slices)} slices: {reason.sentence}"
            yield Check(reason, sentence, tuple(indices))
