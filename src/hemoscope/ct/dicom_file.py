"""One DICOM file: what it is by its content, and its header."""

from __future__ import annotations

from typing import Literal

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from hemoscope.ct.inputs import InputFile
from hemoscope.reasons import HemoscopeError, Reason

Kind = Literal["dicom", "nifti", "picture"]


def sniff(file: InputFile) -> Kind | None:
    """Tell by content, not by name, what a file is; None: nothing that Hemoscope reads."""
    with file.path.open("rb") as stream:
        start = stream.read(352)
    if start[128:132] == b"DICM" or _starts_with_element(start):
        return "dicom"
    if start[:2] == b"\x1f\x8b" or start[344:347] in (b"n+1", b"ni1") or start[4:7] == b"n+2":
        return "nifti"
    if start[:8] == b"\x89PNG\r\n\x1a\n" or start[:3] == b"\xff\xd8\xff":
        return "picture"
    return None


def _starts_with_element(start: bytes) -> bool:
    """Whether a data element of group 0002 or 0008 comes first, as in files without preamble (PS3.10 7.1)."""
    return start[:2] in (b"\x02\x00", b"\x08\x00") and len(start) > 8 and start[3] == 0


def read_header(file: InputFile) -> Dataset:
    """Read the data set up to, and without, the pixels; raises HemoscopeError."""
    try:
        return dcmread(file.path, stop_before_pixels=True, force=sniff(file) == "dicom")
    except (InvalidDicomError, OSError, ValueError, AttributeError, RecursionError, NotImplementedError) as error:
        raise HemoscopeError(Reason.NOT_READABLE, f"{file.name} cannot be read as DICOM: it is damaged.") from error
