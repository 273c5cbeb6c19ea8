"""What a file is by its content. Free of pydicom, so that an input without DICOM need not wait for it."""

from __future__ import annotations

import zlib
from typing import Literal

from hemoscope.ct.inputs import InputFile

Kind = Literal["dicom", "nifti", "picture"]


def sniff(file: InputFile) -> Kind | None:
    """Tell by content, not by name, what a file is; None: nothing that Hemoscope reads, or not readable."""
    try:
        with file.path.open("rb") as stream:
            start = stream.read(4096)
    except OSError:
        return None
    if start[128:132] == b"DICM" or _starts_with_element(start):
        return "dicom"
    if start[:8] == b"\x89PNG\r\n\x1a\n" or start[:3] == b"\xff\xd8\xff":
        return "picture"
    if start[:2] == b"\x1f\x8b":
        start = _gunzip(start)
    if start[344:348] in (b"n+1\0", b"ni1\0") or start[4:8] in (b"n+2\0", b"ni2\0"):
        return "nifti"
    return None


def _starts_with_element(start: bytes) -> bool:
    """Whether a data element of group 0002 or 0008 comes first, as in files without preamble and file meta."""
    group, vr, length = start[:2], start[4:6], int.from_bytes(start[4:8], "little")
    if len(start) < 132:
        return False
    if group == b"\x00\x08":  # big endian, always explicit VR
        return vr.isalpha() and vr.isupper()
    return group in (b"\x02\x00", b"\x08\x00") and ((vr.isalpha() and vr.isupper()) or length <= 1024)


def _gunzip(start: bytes) -> bytes:
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(start, 352)
    except zlib.error:
        return b""
