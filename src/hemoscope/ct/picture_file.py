"""One PNG or JPEG file as grey levels, with its size known before it is decoded."""

from __future__ import annotations

import struct

import cv2
import numpy as np
from numpy.typing import NDArray

from hemoscope.ct.inputs import InputFile
from hemoscope.reasons import HemoscopeError, Reason

MAX_PICTURE_BYTES = 1 << 26
MAX_PICTURE_PIXELS = 1 << 24
PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_END = b"IEND\xaeB`\x82"
JPEG_END = b"\xff\xd9"  # never inside coded pixels, where 0xFF is followed by 0x00 (ITU-T T.81 B.1.1.5)
END_WITHIN_BYTES = 1024  # of the end of the file: some writers add a few bytes
JPEG_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 ... SOF15
GREY_TOLERANCE = 30  # grey levels by which the channels of a grey JPEG may differ
COLOURED_SHARE = 0.001  # of the pixels; more is a colour picture or an annotated one


def picture_shape(file: InputFile) -> tuple[int, int]:
    """(rows, columns) by the header; raises HemoscopeError for pictures that are too large, damaged or 16-bit."""
    if file.size > MAX_PICTURE_BYTES:
        raise HemoscopeError(Reason.TOO_LARGE, f"{file.name} is larger than a picture of a slice.")
    content = file.path.read_bytes()
    try:
        rows, columns, bits = _png_header(content) if content.startswith(PNG_START) else _jpeg_header(content)
    except (struct.error, IndexError) as error:
        raise _damaged(file) from error
    if bits != 8:
        sentence = f"{file.name} has {bits} bits a pixel: give 8-bit pictures of a window, or the DICOM or NIfTI files."
        raise HemoscopeError(Reason.NO_HOUNSFIELD_UNITS, sentence)
    if rows * columns > MAX_PICTURE_PIXELS:
        raise HemoscopeError(Reason.TOO_LARGE, f"{file.name} has {rows} x {columns} pixels, too many for a slice.")
    return rows, columns


def read_grey(file: InputFile) -> NDArray[np.uint8]:
    """The grey levels [row, column]; raises HemoscopeError for damaged, coloured and transparent pictures.

    Call `picture_shape` first: it bounds the memory that decoding needs.
    """
    content = file.path.read_bytes()
    end = PNG_END if content.startswith(PNG_START) else JPEG_END
    if end not in content[-END_WITHIN_BYTES:]:
        raise _damaged(file)  # decoders fill what is missing of a cut file with grey
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint8:
        raise _damaged(file)
    if pixels.ndim == 2:
        return np.asarray(pixels, np.uint8)
    if pixels.shape[2] == 4 and pixels[..., 3].min() < 255:
        raise HemoscopeError(Reason.NO_HOUNSFIELD_UNITS, f"{file.name} is partly transparent, so its grey is unknown.")
    colours = pixels[..., :3]
    spread = colours.max(axis=2).astype(np.int16) - colours.min(axis=2)
    if np.mean(spread > GREY_TOLERANCE) > COLOURED_SHARE:
        sentence = f"{file.name} is in colour: give grey pictures of a window, without maps or annotations."
        raise HemoscopeError(Reason.NO_HOUNSFIELD_UNITS, sentence)
    return np.asarray(cv2.cvtColor(colours, cv2.COLOR_BGR2GRAY), np.uint8)


def is_lossy(file: InputFile) -> bool:
    """Whether the picture is a JPEG."""
    with file.path.open("rb") as stream:
        return stream.read(len(PNG_START)) != PNG_START


def _damaged(file: InputFile) -> HemoscopeError:
    return HemoscopeError(Reason.NOT_READABLE, f"{file.name} is a damaged or cut picture.")


def _png_header(content: bytes) -> tuple[int, int, int]:
    """(rows, columns, bits a channel) of the IHDR chunk, which comes first; fewer than 8 bits are decoded to 8."""
    columns, rows, bits = struct.unpack(">IIB", content[16:25])
    return rows, columns, max(bits, 8)


def _jpeg_header(content: bytes) -> tuple[int, int, int]:
    """(rows, columns, bits a channel) of the first frame header (ITU-T T.81 B.2.2)."""
    at = 2
    while True:
        while content[at] != 0xFF or content[at + 1] in (0x00, 0xFF):
            at += 1
        marker = content[at + 1]
        (length,) = struct.unpack(">H", content[at + 2 : at + 4])
        if marker in JPEG_FRAME_MARKERS:
            bits, rows, columns = struct.unpack(">BHH", content[at + 4 : at + 9])
            return rows, columns, bits
        at += 2 + length
