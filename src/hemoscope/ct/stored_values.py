"""Stored pixel values of a DICOM file, frame by frame, before any rescale.

Uncompressed pixels are read in place with numpy. The codecs are foreign code that broken files crash: only the decode
worker calls them, and imports them.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.uid import UID

from hemoscope.ct.dicom_file import pixel_bytes
from hemoscope.ct.inputs import InputFile, printable
from hemoscope.reasons import HemoscopeError, Reason

Stored = NDArray[np.integer[Any]]

UNCOMPRESSED = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"})
# Transfer syntax -> who decodes it. JPEG-LS only by pyjpegls, which notices corruption (others return wrong pixels);
# 12-bit JPEG only by GDCM itself, since pydicom's plug-in for it refuses them.
CODECS = {
    "1.2.840.10008.1.2.5": "pydicom",  # RLE lossless
    "1.2.840.10008.1.2.4.50": "gdcm",  # JPEG baseline
    "1.2.840.10008.1.2.4.51": "gdcm reader",  # JPEG extended
    "1.2.840.10008.1.2.4.57": "gdcm",  # JPEG lossless
    "1.2.840.10008.1.2.4.70": "gdcm",  # JPEG lossless, first order prediction
    "1.2.840.10008.1.2.4.80": "pyjpegls",  # JPEG-LS lossless
    "1.2.840.10008.1.2.4.81": "pyjpegls",  # JPEG-LS near-lossless
    "1.2.840.10008.1.2.4.90": "pylibjpeg",  # JPEG 2000 lossless
    "1.2.840.10008.1.2.4.91": "pylibjpeg",  # JPEG 2000
    "1.2.840.10008.1.2.4.201": "pylibjpeg",  # HTJ2K lossless
    "1.2.840.10008.1.2.4.202": "pylibjpeg",  # HTJ2K lossless, RPCL
    "1.2.840.10008.1.2.4.203": "pylibjpeg",  # HTJ2K
}
_PACKAGES = {
    "gdcm": ("gdcm",),
    "gdcm reader": ("gdcm",),
    "pyjpegls": ("jpeg_ls",),
    "pylibjpeg": ("pylibjpeg", "openjpeg"),
}
ALWAYS_LOSSY = frozenset({"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81"})
PERHAPS_LOSSY = frozenset({"1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.203"})  # the header tells

_PIXEL_DATA = {"<": b"\xe0\x7f\x10\x00", ">": b"\x7f\xe0\x00\x10"}
_UNDEFINED_LENGTH = 0xFFFFFFFF


def transfer_syntax(header: Dataset) -> str:
    """The TransferSyntaxUID of a file."""
    return str(header.file_meta.TransferSyntaxUID)


def is_lossy(header: Dataset) -> bool:
    """Whether the pixels were ever compressed with loss (PS3.3 C.7.6.1.1.5), as far as the header tells."""
    stated, syntax = str(header.get("LossyImageCompression", "")).strip(), transfer_syntax(header)
    return stated == "01" or syntax in ALWAYS_LOSSY or (syntax in PERHAPS_LOSSY and stated != "00")


def uncompressed_frames(file: InputFile, header: Dataset, content: bytes) -> Stored:
    """Read stored values in place: [frame, row, column] of 8 or 16 bits, signed or not; raises HemoscopeError."""
    stored, bits = header.get("BitsStored", 16), header.get("BitsAllocated", 16)
    high = header.get("HighBit", stored - 1)
    implicit, big = (transfer_syntax(header) == uid for uid in ("1.2.840.10008.1.2", "1.2.840.10008.1.2.2"))
    if bits not in (8, 16) or (bits == 8 and big) or not 0 < stored <= high + 1 <= bits:
        raise unreadable(file, f"are stored in {stored} of {bits} bits, which is not a form of CT")
    if header.get("SamplesPerPixel", 1) != 1:
        raise unreadable(file, "are in color")
    buffer = _pixel_data(file, header, content, ">" if big else "<", 8 if implicit else 12)
    signed = header.get("PixelRepresentation", 0) == 1
    kind = np.dtype(f"{'>' if big else '<'}{'i' if signed else 'u'}{bits // 8}")
    values = np.frombuffer(buffer, kind).reshape(-1, header.Rows, header.Columns)
    if big:
        values = values.astype(kind.newbyteorder("="))
    if stored < bits:  # the unused bits may hold anything (PS3.5 8.1.1); shifting there and back extends the sign
        values = np.left_shift(values, bits - 1 - high)
        values >>= bits - stored
    return values


def _pixel_data(file: InputFile, header: Dataset, content: bytes, order: str, value_at: int) -> memoryview:
    """The bytes of PixelData, exactly as many as the header asks for; value_at: length of tag, VR and length."""
    expected = pixel_bytes(header)
    if header.pixels_at is None or expected == 0:
        raise unreadable(file, "are missing")
    element = memoryview(content)[header.pixels_at :]
    byteorder = "big" if order == ">" else "little"
    length = int.from_bytes(element[value_at - 4 : value_at], byteorder)  # type: ignore[arg-type]
    if element[:4] != _PIXEL_DATA[order]:
        raise unreadable(file, "are not integers")
    if length == _UNDEFINED_LENGTH:
        raise unreadable(file, "are compressed in a way that the file does not tell")
    if min(length, len(element) - value_at) < expected:
        raise unreadable(file, f"end early ({min(length, len(element) - value_at)} of {expected} bytes)")
    return element[value_at : value_at + expected]


def compressed_frames(file: InputFile, header: Dataset, content: bytes) -> Iterator[Stored]:
    """Decode stored values frame by frame, [row, column].

    For the decode worker: codecs raise anything, or crash.
    """
    syntax = transfer_syntax(header)
    if syntax not in CODECS:
        raise unsupported(file, syntax)
    for package in _PACKAGES.get(CODECS[syntax], ()):
        if find_spec(package) is None:
            sentence = f"The decoder '{package}' that {file.name} needs is not installed; install hemoscope again."
            raise HemoscopeError(Reason.TRANSFER_SYNTAX_UNSUPPORTED, sentence)
    shape, frames = (header.Rows, header.Columns), header.get("NumberOfFrames", 1)
    decoded = _gdcm_reader(file, shape) if CODECS[syntax] == "gdcm reader" else _pydicom(syntax, content)
    count = 0
    for count, values in enumerate(decoded, start=1):
        if values.shape != shape or count > frames:
            raise unreadable(file, "do not have the size that the header says")
        yield values
    if count < frames:
        raise unreadable(file, f"end early ({count} of {frames} frames)")


def _pydicom(syntax: str, content: bytes) -> Iterator[Stored]:
    from pydicom.pixels.decoders.base import get_decoder

    dataset = dcmread(io.BytesIO(content), force=True)
    decoder = get_decoder(UID(syntax))
    for values, _ in decoder.iter_array(dataset, raw=True, decoding_plugin=CODECS[syntax]):
        yield values


def _gdcm_reader(file: InputFile, shape: tuple[int, int]) -> Iterator[Stored]:
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(str(file.path))
    if not reader.Read():
        raise unreadable(file, "cannot be decoded")
    image = reader.GetImage()
    content = image.GetBuffer().encode("utf-8", "surrogateescape")  # the binding returns bytes as text
    values: Stored = np.frombuffer(content, f"<u{image.GetPixelFormat().GetBitsAllocated() // 8}")
    yield from values.reshape(-1, *shape)


def unreadable(file: InputFile, how: str) -> HemoscopeError:
    """The error for pixels that cannot be read."""
    return HemoscopeError(Reason.PIXELS_UNREADABLE, f"The pixels of {file.name} {how}; export the file again.")


def unsupported(file: InputFile, syntax: str) -> HemoscopeError:
    """The error for a coding that is retired or unknown."""
    sentence = (
        f"The pixels of {file.name} are coded as {printable(UID(syntax).name)}, which is not read; "
        "export the file uncompressed or as JPEG 2000."
    )
    return HemoscopeError(Reason.TRANSFER_SYNTAX_UNSUPPORTED, sentence)
