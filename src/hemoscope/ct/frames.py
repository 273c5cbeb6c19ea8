"""One DICOM file as its slices: a plain file holds one, an enhanced multi-frame file many."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.errors import BytesLengthException

from hemoscope.ct.enhanced import PER_FRAME, SHARED, frame_headers
from hemoscope.ct.geometry import Plane, vector
from hemoscope.ct.inputs import InputFile

# All that is read of a header but for OBJECT_KEYWORDS. Values are converted when first asked for, and a malformed one
# raises any of MALFORMED.
SLICE_KEYWORDS = (
    "Columns", "ImageOrientationPatient", "ImagePositionPatient", "ImageType", "LossyImageCompression", "PixelSpacing",
    "Rows",
)  # fmt: skip
SERIES_KEYWORDS = (
    "AccessionNumber", "AcquisitionDateTime", "AcquisitionNumber", "AcquisitionTime", "BodyPartExamined",
    "ContrastBolusAgent", "ConvolutionKernel", "InstanceNumber", "KVP", "Manufacturer", "ManufacturerModelName",
    "PatientAge", "PatientID", "PatientName", "PatientSex", "SOPInstanceUID", "SeriesDescription", "SeriesInstanceUID",
    "SeriesNumber", "SliceThickness", "StudyDate", "StudyInstanceUID", "TemporalPositionIdentifier",
)  # fmt: skip
# What tells whether an object is slices in HU, and how its pixels are stored; `read_header` leaves out malformed ones.
OBJECT_KEYWORDS = (
    "BitsAllocated", "BitsStored", "FrameType", "HighBit", "Modality", "NumberOfFrames", "PhotometricInterpretation",
    "PixelPaddingRangeLimit", "PixelPaddingValue", "PixelRepresentation", "RescaleIntercept", "RescaleSlope",
    "RescaleType", "SOPClassUID", "SamplesPerPixel",
)  # fmt: skip
TAGS, OBJECT_TAGS, GROUP_TAGS = (
    frozenset(tag_for_keyword(keyword) for keyword in keywords)
    for keywords in (SLICE_KEYWORDS + SERIES_KEYWORDS, OBJECT_KEYWORDS, (PER_FRAME, SHARED))
)
KEPT_TAGS = TAGS | OBJECT_TAGS | GROUP_TAGS
# What reading a slice by itself takes: whether it is one, its pixels, and how they lie in the patient.
SLICE_TAGS = frozenset(filter(None, (*map(tag_for_keyword, SLICE_KEYWORDS), *OBJECT_TAGS, *GROUP_TAGS)))
MALFORMED = (
    ValueError, TypeError, AttributeError, NotImplementedError, RuntimeError, KeyError, OverflowError, struct.error,
    BytesLengthException,
)  # fmt: skip
PIXEL_SPACING_LIMITS_MM = (0.02, 10.0)  # outside, the header is wrong


@dataclass(frozen=True, eq=False)
class Frame:
    """A slice that is not decoded yet.

    header: of the frame, the attributes of its functional groups at the top level. file_header: of the file, for the
    decoder. number: frame in the file, from 0. plane: None where the header has no valid position and orientation.
    """

    file: InputFile
    header: Dataset
    file_header: Dataset
    number: int
    plane: Plane | None

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return int(self.header.get("Rows") or 0), int(self.header.get("Columns") or 0)

    @property
    def sop_instance_uid(self) -> str | None:
        """The SOPInstanceUID of the file."""
        return text(self.header, "SOPInstanceUID") or None


def frames_of(file: InputFile, header: Dataset) -> tuple[Frame, ...]:
    """List the slices of a file.

    Malformed attributes are taken out of its header, as if they were absent; those that nothing asks for as well, for
    the memory that the headers of thousands of files need.
    """
    for tag in [tag for tag in header.keys() if tag not in KEPT_TAGS]:  # noqa: SIM118, a Dataset iterates over elements
        del header[tag]
    headers = frame_headers(header)
    for frame in headers:
        _drop_malformed(frame)
    return tuple(Frame(file, frame, header, number, _plane(frame)) for number, frame in enumerate(headers))


def _drop_malformed(header: Dataset) -> None:
    for tag in [tag for tag in header.keys() if tag in TAGS]:  # noqa: SIM118
        try:
            str(header[tag].value)
        except MALFORMED:
            del header[tag]


def text(header: Dataset, keyword: str) -> str:
    """The value of an attribute as one string without padding; "" where it is absent or empty."""
    value = header.get(keyword)
    if value is None:
        return ""
    parts = value if isinstance(value, (list, tuple)) or hasattr(value, "append") else [value]
    return "\\".join(str(part).strip(" \0") for part in parts)


def numbers(header: Dataset, keyword: str) -> tuple[float, ...]:
    """The finite numbers of an attribute; none where it is absent or malformed."""
    try:
        value = header.get(keyword)
        if value is None or value == "":
            return ()
        values = tuple(float(part) for part in (value if hasattr(value, "__len__") else [value]))
    except (TypeError, ValueError, OverflowError):
        return ()
    return values if all(math.isfinite(part) for part in values) else ()


def number(header: Dataset, keyword: str) -> float | None:
    """The one number of an attribute; None where it is absent, malformed or not one."""
    values = numbers(header, keyword)
    return values[0] if len(values) == 1 else None


def pixel_spacing_mm(header: Dataset) -> tuple[float, float] | None:
    """PixelSpacing as (between rows, between columns); None where absent or out of all reason."""
    spacing = numbers(header, "PixelSpacing")
    low, high = PIXEL_SPACING_LIMITS_MM
    return (spacing[0], spacing[1]) if len(spacing) == 2 and all(low <= value <= high for value in spacing) else None


def slice_thickness_mm(header: Dataset) -> float | None:
    """SliceThickness; None where absent, malformed or not above 0."""
    thickness = number(header, "SliceThickness")
    return thickness if thickness is not None and thickness > 0 else None


def _plane(header: Dataset) -> Plane | None:
    """The plane of a slice (PS3.3 C.7.6.2.1.1); None where the header does not give a valid one."""
    directions = numbers(header, "ImageOrientationPatient")
    shape = (int(header.get("Rows") or 0), int(header.get("Columns") or 0))
    try:
        position = vector(numbers(header, "ImagePositionPatient"))
        return Plane(position, vector(directions[:3]), vector(directions[3:]), shape, pixel_spacing_mm(header))
    except ValueError:
        return None
