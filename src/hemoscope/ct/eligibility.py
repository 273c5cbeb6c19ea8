"""Which DICOM objects are slices of a CT in Hounsfield units: tables of what the header says, and one check."""

from __future__ import annotations

from pydicom import Dataset
from pydicom.uid import UID

from hemoscope.ct.enhanced import PER_FRAME, frame_headers
from hemoscope.ct.hounsfield import rescale
from hemoscope.ct.inputs import printable
from hemoscope.ct.stored_values import CODECS, UNCOMPRESSED, transfer_syntax
from hemoscope.reasons import Check, HemoscopeError, Reason

CT_CLASSES = frozenset({
    "1.2.840.10008.5.1.4.1.1.2",  # CT Image Storage
    "1.2.840.10008.5.1.4.1.1.2.1",  # Enhanced CT Image Storage
    "1.2.840.10008.5.1.4.1.1.2.2",  # Legacy Converted Enhanced CT Image Storage
})  # fmt: skip
SECONDARY_CAPTURE_CLASS = "1.2.840.10008.5.1.4.1.1.7"  # and its multi-frame kinds .7.1 to .7.4

# SOP classes that hold no picture of a slice, by the start of their UID.
NO_IMAGE_CLASSES = (
    "1.2.840.10008.1.3.10",  # DICOMDIR
    "1.2.840.10008.5.1.4.1.1.9",  # waveforms
    "1.2.840.10008.5.1.4.1.1.11",  # presentation states
    "1.2.840.10008.5.1.4.1.1.66",  # raw data, registrations, fiducials, segmentations, surfaces
    "1.2.840.10008.5.1.4.1.1.67",  # real world value mapping
    "1.2.840.10008.5.1.4.1.1.88",  # structured reports
    "1.2.840.10008.5.1.4.1.1.104",  # encapsulated documents
    "1.2.840.10008.5.1.4.1.1.481",  # radiotherapy
)
NO_IMAGE_MODALITIES = frozenset({"AU", "DOC", "ECG", "KO", "PLAN", "PR", "REG", "RTDOSE", "RTPLAN", "RTRECORD",
                                 "RTSTRUCT", "RWV", "SEG", "SR"})  # fmt: skip

# Values of ImageType (and of FrameType, PS3.3 C.8.16.1) that rule a picture out, wherever they stand.
IMAGE_TYPES = {
    "LOCALIZER": Reason.LOCALIZER,
    "SCOUT": Reason.LOCALIZER,
    **dict.fromkeys(("SCREEN SAVE", "SCREEN_SAVE", "DOSE_INFO", "PATIENT_INFO", "REF_SURVIEW"),
                    Reason.SECONDARY_CAPTURE),
    # Projections and renderings: a voxel is no longer the mean of its place.
    **dict.fromkeys(("MIP", "MAX_IP", "MAXIP", "MINIP", "MIN_IP", "MAXIMUM", "MINIMUM", "VRT", "VOLREN",
                     "VOLUME_RENDER", "SSD", "3D"), Reason.SECONDARY_CAPTURE),
    # Maps of something else than attenuation.
    **dict.fromkeys(("PERFUSION", "CBF", "CBV", "MTT", "TTP", "TMAX", "RCBF", "RCBV", "IODINE", "SUBTRACTION",
                     "STD_DEVIATION", "DIVISION", "MULTIPLICATION", "MAT_SPECIFIC", "QUANTITY"),
                    Reason.NO_HOUNSFIELD_UNITS),
}  # fmt: skip


def check_eligible(header: Dataset, name: str) -> Check | None:
    """Tell why an object is not slices of a CT in HU; None: by its header it is.

    header: of the file, by `read_header`; SOPClassUID may be missing. Whether the slices show a head is not asked here.
    """
    first = frame_headers(header)[0]
    kind = _object(first, name) or _image_type(first, name)
    if kind is not None:
        return kind
    form = _picture(first, name) or _hounsfield(first, name) or _coding(first, name)
    return _cut_off(name) if form is not None and header.pixels_at is None else form


def _object(header: Dataset, name: str) -> Check | None:
    """What the object is, by SOP class and modality."""
    sop_class, modality = _text(header, "SOPClassUID"), _text(header, "Modality")
    if sop_class.startswith(NO_IMAGE_CLASSES) or modality in NO_IMAGE_MODALITIES:
        return Check(Reason.NOT_AN_IMAGE, f"{name} holds no image slices: it is {_class(sop_class) or modality}.")
    if "Rows" not in header or "Columns" not in header:
        if not any(uid.startswith(sop_class) for uid in CT_CLASSES):  # the UID may be missing or cut off, too
            return Check(Reason.NOT_AN_IMAGE, f"{name} holds no image: it is {_class(sop_class)}.")
        return _cut_off(name)
    if sop_class == SECONDARY_CAPTURE_CLASS or sop_class.startswith(SECONDARY_CAPTURE_CLASS + "."):
        return Check(Reason.SECONDARY_CAPTURE, f"{name} is a secondary capture, not an original CT slice.")
    if modality != "CT":
        return Check(Reason.NOT_CT, f"{name} is not CT: its modality is {modality or 'not stated'}.")
    if sop_class and sop_class not in CT_CLASSES:
        return Check(Reason.NOT_CT, f"{name} says modality CT, but is {_class(sop_class)}.")
    return None


def _picture(header: Dataset, name: str) -> Check | None:
    """Whether the pixels are gray, and each frame has its place."""
    photometric = _text(header, "PhotometricInterpretation")
    if header.get("SamplesPerPixel", 1) != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        return Check(Reason.SECONDARY_CAPTURE, f"{name} is a color picture ({photometric}), not a CT slice.")
    if header.get("NumberOfFrames", 1) > 1 and "FrameType" not in header and PER_FRAME not in header:
        return Check(Reason.SECONDARY_CAPTURE, f"{name} has several frames without saying where they lie.")
    return None


def _image_type(header: Dataset, name: str) -> Check | None:
    """What ImageType and FrameType rule out."""
    for keyword in ("ImageType", "FrameType"):
        for value in _text(header, keyword).upper().split("\\"):
            reason = IMAGE_TYPES.get(value.strip())
            if reason is not None:
                return Check(reason, f"{name} is not an original axial slice: its {keyword} says {value.strip()}.")
    return None


def _hounsfield(header: Dataset, name: str) -> Check | None:
    """Whether the rescale gives HU (PS3.3 C.11.1.1.2: a CT without RescaleType is in HU)."""
    kind = _text(header, "RescaleType")
    if kind not in ("", "HU"):
        return Check(Reason.NO_HOUNSFIELD_UNITS, f"{name} is not in Hounsfield units: its RescaleType is {kind}.")
    try:
        rescale(header, name)
    except HemoscopeError as error:
        return Check(error.reason, error.sentence)
    return None


def _coding(header: Dataset, name: str) -> Check | None:
    """Whether the transfer syntax is one that is read."""
    syntax = transfer_syntax(header)
    if syntax in UNCOMPRESSED or syntax in CODECS:
        return None
    return Check(
        Reason.TRANSFER_SYNTAX_UNSUPPORTED,
        f"The pixels of {name} are coded as {printable(UID(syntax).name)}, not read.",
    )


def _cut_off(name: str) -> Check:
    return Check(Reason.NOT_READABLE, f"{name} is cut off: it ends before its pixels; export it again.")


def _class(uid: str) -> str:
    """The name of a SOP class; of one that is not in the standard, the UID."""
    return UID(uid).name


def _text(header: Dataset, keyword: str) -> str:
    value = header.get(keyword)
    parts = [value] if isinstance(value, str) else (value or [])
    # from the file into sentences: no control characters, no novels
    return printable("\\".join(str(part).strip(" \0") for part in parts))[:200]
