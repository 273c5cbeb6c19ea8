"""One DICOM file: its header and its bytes, read in bounded memory and time."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import sys
import warnings
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_partial
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from hemoscope.ct.deflated import inflate, plain_start
from hemoscope.ct.enhanced import PER_FRAME, frame_headers
from hemoscope.ct.frames import OBJECT_TAGS, TAGS
from hemoscope.ct.inputs import InputFile
from hemoscope.ct.sniff import sniff as sniff
from hemoscope.reasons import HemoscopeError, Reason

MAX_FILE_BYTES = 320 << 20  # MAX_VOXELS of 16 bits, and a header
MAX_HEADER_BYTES = 8 << 20  # an enhanced CT spends 1 to 4 kB a frame
MAX_HEADER_READS = 300_000  # about 100,000 data elements, nested ones too
MAX_ROWS_OR_COLUMNS = 4096
MAX_FRAMES = 4096
MAX_VOXELS = 128 << 20  # 512 slices of 512 x 512

# What pydicom raises on malformed data sets, found by mutating real files.
PARSER_ERRORS = (InvalidDicomError, BytesLengthException, EOFError, ValueError, TypeError, AttributeError, LookupError,
                 ArithmeticError, NotImplementedError, RecursionError, struct.error, zlib.error)  # fmt: skip

_USUAL_HEADER_BYTES = 1 << 16
_PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_FIRST_GROUPS = frozenset({0x0004, 0x0008})  # one of them is in every DICOMDIR and every other object
# Text converts without raising, and lazily; what else of these is written is checked at once.
_CHECKED = TAGS | OBJECT_TAGS
_TEXT = frozenset({"AE", "AS", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "SQ", "ST", "TM", "UC", "UI", "UR", "UT"})
_INTEGERS = frozenset(tag_for_keyword(keyword) for keyword in (
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation",
))  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class Content:
    """The bytes of a file as they are on disk, and plain: a deflated file inflated as far as its pixels reach."""

    on_disk: bytes
    plain: bytes

    def sha256(self) -> str:
        """SHA-256 of the file on disk; for a slice it takes several times as long as reading."""
        return hashlib.sha256(self.on_disk).hexdigest()


def read_header(file: InputFile, wanted: frozenset[int] | None = None) -> Dataset:
    """Read the data set of a file up to, and without, its pixels.

    wanted: tags of the attributes that are needed, None for all; others may be left out, which saves half the time.

    A missing preamble, file meta or SOPClassUID is tolerated; the transfer syntax is then the one that the bytes show.
    Attributes whose value is malformed are left out. `pixels_at` of the result is the offset of PixelData in
    `read_content`, None where there is none. Raises HemoscopeError: NOT_READABLE or TOO_LARGE.
    """
    _check_file_size(file)
    try:
        with file.path.open("rb") as stream:
            start = plain_start(stream.read(4096))
            if start is None:
                stream.seek(0)
                return _parse(file, stream, file.size, wanted)
            stream.seek(len(start))
            inflated = inflate(stream, MAX_HEADER_BYTES)
            size = len(start) + len(inflated) if len(inflated) < MAX_HEADER_BYTES else sys.maxsize
            return _parse(file, io.BytesIO(start + inflated), size, wanted)
    except OSError as error:
        raise HemoscopeError(Reason.NOT_READABLE, f"{file.name} cannot be read: {error.strerror}.") from error
    except PARSER_ERRORS as error:
        raise damaged(file) from error


def read_content(file: InputFile, header: Dataset) -> Content:
    """Read a whole file once. header: by `read_header`. Raises HemoscopeError."""
    try:
        with file.path.open("rb") as stream:
            # asked for more than there is, Python takes the memory for all of it, and gives it back: 0.3 ms
            content = stream.read(min(os.fstat(stream.fileno()).st_size, MAX_FILE_BYTES))
    except OSError as error:
        raise HemoscopeError(Reason.NOT_READABLE, f"{file.name} cannot be read: {error.strerror}.") from error
    try:
        start = plain_start(content)
        if start is None or header.pixels_at is None:
            return Content(content, content)
        deflated = io.BytesIO(content)
        deflated.seek(len(start))
        # tag, VR and length of PixelData are 12 bytes
        plain = start + inflate(deflated, header.pixels_at + 12 + pixel_bytes(header) - len(start))
    except PARSER_ERRORS as error:
        raise damaged(file) from error
    return Content(content, plain)


def pixel_bytes(header: Dataset) -> int:
    """The bytes that the pixels take uncompressed, as the header has it (PS3.5 8.1.1)."""
    voxels = header.get("Rows", 0) * header.get("Columns", 0) * (header.get("NumberOfFrames") or 1)
    return int(voxels * (header.get("SamplesPerPixel") or 1) * (header.get("BitsAllocated") or 16) // 8)


def damaged(file: InputFile) -> HemoscopeError:
    """The error for a file that cannot be parsed."""
    sentence = f"{file.name} is damaged or not DICOM: its header cannot be parsed; export it again."
    return HemoscopeError(Reason.NOT_READABLE, sentence)


def _check_file_size(file: InputFile) -> None:
    if file.size == 0:
        raise HemoscopeError(Reason.NOT_READABLE, f"{file.name} is empty.")
    if file.size > MAX_FILE_BYTES:
        sentence = (
            f"{file.name} has {file.size >> 20} MiB, more than the {MAX_FILE_BYTES >> 20} that are read of a file."
        )
        raise HemoscopeError(Reason.TOO_LARGE, sentence)


def _parse(file: InputFile, stream: BinaryIO, size: int, wanted: frozenset[int] | None) -> Dataset:
    """Parse the header at the start of a stream of `size` bytes."""
    with warnings.catch_warnings():  # what pydicom warns of is judged here: used, left out or refused
        warnings.simplefilter("ignore")
        header = _parse_start(stream, wanted) if size > _USUAL_HEADER_BYTES else None
        if header is None:
            stream.seek(0)
            header = _parse_to_pixels(_BoundedReader(file, stream, size), None)
        syntax = header.file_meta.setdefault("TransferSyntaxUID", _syntax_of(header)).value
        if syntax == DeflatedExplicitVRLittleEndian:  # one that `plain_start` did not know
            raise damaged(file)
        _leave_out_malformed(header)
        _check_claims(file, header)
    return header


def _parse_start(stream: BinaryIO, wanted: frozenset[int] | None) -> Dataset | None:
    """Parse the start of a stream in memory, which is fast; None: the pixels do not begin there."""
    try:
        header = _parse_to_pixels(io.BytesIO(stream.read(_USUAL_HEADER_BYTES)), wanted)
    except PARSER_ERRORS:
        return None  # cut off, or damaged: the bounded reader tells
    return header if header.pixels_at is not None else None


def _parse_to_pixels(stream: BinaryIO | _BoundedReader, wanted: frozenset[int] | None) -> Dataset:
    stop = _StopAtPixels()
    header = read_partial(stream, stop_when=stop, force=True, specific_tags=wanted)  # type: ignore[arg-type]
    if not stop.first_groups_seen:
        raise InvalidDicomError
    header.pixels_at = stream.tell() if stop.reached else None
    header.buffer = None  # the bytes that it was read from, which it would keep alive
    return header


class _StopAtPixels:
    """Stops pydicom at the pixels; remembers that it did, and that one of the first groups was there."""

    reached = False
    first_groups_seen = False

    def __call__(self, tag: BaseTag, vr: str | None, length: int) -> bool:
        self.first_groups_seen = self.first_groups_seen or tag >> 16 in _FIRST_GROUPS
        self.reached = tag in _PIXELS
        return self.reached


class _BoundedReader:
    """A file that ends the reading of a header which is too long, too finely divided or longer than the file."""

    def __init__(self, file: InputFile, stream: BinaryIO, size: int) -> None:
        self._file, self._stream, self._size = file, stream, size
        self._reads_left, self._bytes_left = MAX_HEADER_READS, MAX_HEADER_BYTES
        self.tell, self.seek = stream.tell, stream.seek

    def read(self, count: int = -1) -> bytes:
        # pydicom reads to the end only to inflate what `plain_start` did not know as deflated
        if count < 0 or (count > _USUAL_HEADER_BYTES and self.tell() + count > self._size):
            raise EOFError
        self._reads_left -= 1
        self._bytes_left -= count
        if self._reads_left < 0 or self._bytes_left < 0:
            sentence = f"The header of {self._file.name} is longer than the limits that keep memory bounded."
            raise HemoscopeError(Reason.TOO_LARGE, sentence)
        return self._stream.read(count)


def _syntax_of(header: Dataset) -> UID:
    """The transfer syntax that pydicom found in the bytes of a data set without file meta."""
    implicit, little = header.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _leave_out_malformed(header: Dataset) -> None:
    """Convert the values that Hemoscope uses, so that no later access can raise."""
    checked = [tag for tag, raw in header.items() if tag in _CHECKED and raw.VR not in _TEXT]
    for tag in checked:
        try:
            element = header[tag]
        except PARSER_ERRORS:
            del header[tag]
            continue
        if element.VR in ("DS", "IS") and _has_text(element.value):
            del header[tag]


def _has_text(value: object) -> bool:
    """Whether pydicom could not turn all of a number string into numbers."""
    return isinstance(value, str) or (isinstance(value, MultiValue) and any(isinstance(part, str) for part in value))


def _check_claims(file: InputFile, header: Dataset) -> None:
    """Refuse what claims more pixels than are read, or contradicts itself."""
    for tag in [tag for tag in header.keys() if tag in _INTEGERS]:  # noqa: SIM118
        value = header[tag].value
        if not (isinstance(value, int) and value >= 0):
            del header[tag]
    if header.get("NumberOfFrames") == 0:  # written by some for a single frame
        del header.NumberOfFrames
    rows, columns = header.get("Rows", 0), header.get("Columns", 0)
    frames = header.get("NumberOfFrames", 1)
    if max(rows, columns) > MAX_ROWS_OR_COLUMNS or frames > MAX_FRAMES or rows * columns * frames > MAX_VOXELS:
        sentence = f"{file.name} claims {frames} frames of {rows} x {columns} pixels, more than are read of a file."
        raise HemoscopeError(Reason.TOO_LARGE, sentence)
    if PER_FRAME in header and len(frame_headers(header)) != frames:
        raise HemoscopeError(Reason.NOT_READABLE, f"{file.name} does not describe each of its {frames} frames.")
