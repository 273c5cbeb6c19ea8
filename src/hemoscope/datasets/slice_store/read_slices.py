"""The slices that rows of a Manifest name, read through `ct`: all rows of one file at once."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hemoscope.ct.dicom_file import read_header
from hemoscope.ct.eligibility import check_eligible
from hemoscope.ct.frames import SLICE_TAGS, Frame, frames_of, pixel_spacing_mm
from hemoscope.ct.geometry import AS_STORED
from hemoscope.ct.inputs import InputFile
from hemoscope.ct.nifti import read_nifti
from hemoscope.ct.picture_file import picture_shape, read_grey
from hemoscope.ct.pixels import Decoded, Decoder
from hemoscope.ct.scan import Scan
from hemoscope.ct.sniff import sniff
from hemoscope.ct.twins import displayed_pixels
from hemoscope.ct.windows import Window, from_grey
from hemoscope.datasets.manifest import Manifest
from hemoscope.reasons import HemoscopeError, Reason

Spacing = tuple[float, float]

# Where the columns and rows of a picture grow to (PS3.3 C.7.6.1.1.1): the axes to flip for display.
PICTURE_FLIPS: dict[str, tuple[int, ...]] = {"LP": (), "LA": (0,), "RP": (1,), "RA": (0, 1)}


@dataclass(frozen=True)
class SliceSource:
    """Where one slice comes from: a row of a Manifest as far as reading needs it.

    name: of the file, for messages. frame: None where the file holds one slice. window: of an 8-bit picture, as in the
    Manifest. spacing_mm: (row, column), None where the Manifest leaves it to the file.
    """

    path: Path
    name: str
    frame: int | None = None
    window: str | None = None
    orientation: str | None = None
    spacing_mm: Spacing | None = None


@dataclass(frozen=True, eq=False)
class SlicePixels:
    """One slice in radiological display: row 0 anterior, column 0 the patient's right.

    pixels: HU (int16) or, of a picture, its grey levels (uint8), [row, column]. spacing_mm: (row, column), None where
    unknown. window: None for true HU, else the display window that the grey levels show or the HU were restored from.
    """

    pixels: NDArray[np.int16] | NDArray[np.uint8]
    spacing_mm: Spacing | None
    window: Window | None

    @property
    def hu(self) -> NDArray[np.int16]:
        """The slice in HU [row, column], that of a picture restored through its window."""
        if self.window is not None and self.pixels.dtype == np.uint8:
            return from_grey(np.asarray(self.pixels, np.uint8), self.window)
        return np.asarray(self.pixels, np.int16)


Read = SlicePixels | HemoscopeError
# Reads one of the slices of a file; raises HemoscopeError or OSError.
ReadOne = Callable[[SliceSource], SlicePixels]


def slice_sources(manifest: Manifest) -> list[SliceSource]:
    """Where the slices of a Manifest come from, row by row; every row must have a path."""
    names = ("dataset", "path", "frame", "window", "patient_orientation", "row_spacing_mm", "column_spacing_mm")
    columns = [manifest.table[name].to_pylist() for name in names]
    return [
        SliceSource(
            manifest.roots[dataset] / path, f"{dataset}/{path}", frame, window, orientation,
            (row_mm, column_mm) if row_mm is not None and column_mm is not None else None,
        )
        for dataset, path, frame, window, orientation, row_mm, column_mm in zip(*columns, strict=True)
    ]  # fmt: skip


def read_slices(sources: Sequence[SliceSource], decoder: Decoder) -> Iterator[tuple[int, Read]]:
    """Read slices file by file: (number in `sources`, the slice or why there is none).

    Files come in the order in which they are first named. Nothing is raised for what a file holds. The DICOM headers of
    all files are kept until the end: give some hundreds of slices at a time.
    """
    files: dict[Path, list[int]] = defaultdict(list)
    for number, source in enumerate(sources):
        files[source.path].append(number)
    opened = [_open(sources[numbers[0]]) for numbers in files.values()]
    decoded = decoder.decode((one[0].file, one[0].file_header) for one in opened if isinstance(one, tuple))
    for one, numbers in zip(opened, files.values(), strict=True):
        try:
            read = _reader(one, decoded, sources[numbers[0]])
        except HemoscopeError as error:
            yield from ((number, error) for number in numbers)
        else:
            yield from ((number, _attempt(read, sources[number])) for number in numbers)


def _attempt(read: ReadOne, source: SliceSource) -> Read:
    try:
        return read(source)
    except HemoscopeError as error:
        return error
    except OSError as error:
        return _not_readable(source, error)


def _not_readable(source: SliceSource, error: OSError) -> HemoscopeError:
    failure = HemoscopeError(Reason.NOT_READABLE, f"{source.name} cannot be read: {error.strerror}.")
    failure.__cause__ = error
    return failure


def _open(source: SliceSource) -> tuple[Frame, ...] | InputFile | HemoscopeError:
    """The frames of a DICOM file by its header; any other file as it is."""
    try:
        file = InputFile(source.path, source.name, source.path.stat().st_size)
        if sniff(file) != "dicom":
            return file
        header = read_header(file, SLICE_TAGS)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pydicom")  # of values that break the standard: very common
            frames = frames_of(file, header)
            obstacle = check_eligible(header, file.name)
    except HemoscopeError as error:
        return error
    except OSError as error:
        return _not_readable(source, error)
    return HemoscopeError(obstacle.reason, obstacle.detail) if obstacle else frames


def _reader(
    opened: tuple[Frame, ...] | InputFile | HemoscopeError, decoded: Iterator[Decoded], first: SliceSource
) -> ReadOne:
    """What reads the slices of a file; decoded: of the DICOM files, in their order. Raises HemoscopeError."""
    if isinstance(opened, HemoscopeError):
        raise opened
    if isinstance(opened, tuple):
        return partial(_dicom_slice, opened, next(decoded))
    kind = sniff(opened)
    if kind == "nifti":
        return partial(_nifti_slice, read_nifti(opened, Window.from_text(first.window) if first.window else None))
    if kind == "picture":
        return partial(_picture, opened)
    raise HemoscopeError(Reason.NOT_READABLE, f"{opened.name} is not DICOM, NIfTI, PNG or JPEG.")


def _dicom_slice(frames: Sequence[Frame], decoded: Decoded, source: SliceSource) -> SlicePixels:
    frame = frames[_number(source, len(frames))]
    if frame.plane is not None and not frame.plane.is_axial:
        raise HemoscopeError(Reason.NOT_AXIAL, f"{source.name} is not an axial slice.")
    pixels = displayed_pixels(frame, decoded)
    if isinstance(pixels, HemoscopeError):
        raise pixels
    change = frame.plane.display_change if frame.plane else AS_STORED
    return SlicePixels(pixels, change.spacing(pixel_spacing_mm(frame.header)) or source.spacing_mm, None)


def _nifti_slice(volume: Scan, source: SliceSource) -> SlicePixels:
    stored = _number(source, len(volume.slices))
    (index,) = (index for index, one in enumerate(volume.slices) if one.frame == stored)
    return SlicePixels(volume.hu[index], volume.pixel_spacing_mm, volume.window)


def _picture(file: InputFile, source: SliceSource) -> SlicePixels:
    if source.window is None:
        sentence = f"{source.name} is a picture, and the Manifest does not say of which window."
        raise HemoscopeError(Reason.NO_HOUNSFIELD_UNITS, sentence)
    flips = PICTURE_FLIPS.get(source.orientation or "LP")
    if flips is None:
        sentence = f"{source.name} has the orientation {source.orientation}; known are {', '.join(PICTURE_FLIPS)}."
        raise HemoscopeError(Reason.NOT_AXIAL, sentence)
    _number(source, 1)
    picture_shape(file)  # bounds the memory that decoding needs
    return SlicePixels(np.flip(read_grey(file), flips), source.spacing_mm, Window.from_text(source.window))


def _number(source: SliceSource, count: int) -> int:
    """The stored number of the slice that is meant; raises HemoscopeError where there is none such."""
    if source.frame is None and count > 1:
        sentence = f"{source.name} holds {count} slices, and the Manifest does not say which is meant."
        raise HemoscopeError(Reason.NOT_READABLE, sentence)
    number = source.frame or 0
    if not 0 <= number < count:
        raise HemoscopeError(Reason.NOT_READABLE, f"{source.name} holds {count} slices, but not number {number}.")
    return number
