"""Why a scan, a slice or a file was not (fully) answered: one table of reason codes, and the one exception family."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """What a failed check does to the answer for a scan."""

    HARD = "hard"  # no probabilities: the scan is `not_analysed`
    SOFT = "soft"  # probabilities are shown, but the state is `indeterminate`
    INCOMPLETE = "incomplete"  # part of the head was not seen: the state may be positive, never `negative`
    NOTE = "note"  # said in every output, changes nothing


class Reason(Enum):
    """The reason codes. The value of each is (severity, the general sentence that docs and reports print)."""

    # What the input is
    NOT_READABLE = (Severity.HARD, "The file is not DICOM, NIfTI, PNG, JPEG or a zip of these, or it is damaged.")
    NOT_CT = (Severity.HARD, "The image is not CT.")
    NOT_AN_IMAGE = (Severity.HARD, "The DICOM object holds no image slices (report, dose sheet, segmentation ...).")
    SECONDARY_CAPTURE = (Severity.HARD, "A screenshot or derived picture, not the original CT slices.")
    LOCALIZER = (Severity.HARD, "A localizer (scout view), not axial slices.")
    NOT_HEAD = (Severity.HARD, "No brain inside a closed skull was found in the slices.")
    NOT_AXIAL = (Severity.HARD, "The slices are not axial (more than 45 degrees from it).")
    NO_HOUNSFIELD_UNITS = (Severity.HARD, "The values cannot be turned into Hounsfield units.")
    HU_IMPLAUSIBLE = (Severity.HARD, "The Hounsfield values are not those of a head.")
    TOO_LARGE = (Severity.HARD, "The file or scan is larger than the limits that keep memory bounded.")
    UNSAFE_ARCHIVE = (Severity.HARD, "The archive has links or paths that leave it, or expands without bound.")
    TRANSFER_SYNTAX_UNSUPPORTED = (Severity.HARD, "The pixels are coded in a retired or unsupported form.")
    SEVERAL_SCANS = (Severity.HARD, "The pictures of one folder seem to belong to several scans.")
    PIXELS_UNREADABLE = (Severity.HARD, "No slice of the scan could be decoded.")
    DEFECT = (Severity.HARD, "Hemoscope failed on this scan: a defect of the program, not of the scan.")
    # What is missing from it
    TOO_FEW_SLICES = (Severity.HARD, "Fewer slices than a head scan needs.")
    SLICE_UNREADABLE = (Severity.INCOMPLETE, "A slice could not be read, so part of the head was not seen.")
    GAP = (Severity.INCOMPLETE, "Slices are missing: the spacing has gaps.")
    HEAD_CUT_OFF = (Severity.INCOMPLETE, "The scan does not cover the whole brain.")
    # What makes the answer doubtful
    CONTRAST_SUSPECTED = (Severity.SOFT, "Bright vessels suggest contrast medium, which looks like blood.")
    SLICE_HU_IMPLAUSIBLE = (Severity.SOFT, "A slice does not look like its neighbours.")
    LOSSY_STRONG = (Severity.SOFT, "Lossy compression has removed the detail that a small hemorrhage needs.")
    MIXED_GEOMETRY = (Severity.SOFT, "The slices of the series do not share one orientation or size.")
    OVERLAPPING_ACQUISITIONS = (
        Severity.SOFT,
        "Different images lie at the same positions; some of them were not used.",
    )
    ORIENTATION_UNKNOWN = (Severity.SOFT, "The file does not say, or contradicts itself about, which side is which.")
    NO_POSITIONS = (Severity.SOFT, "Slice positions are unknown: the order is that of the file names.")
    # What is only said
    LOSSY = (Severity.NOTE, "The pixels were compressed with loss.")
    APPROXIMATE_HU = (Severity.NOTE, "Hounsfield units were restored from a display window and are approximate.")
    THIN_SLICES = (Severity.NOTE, "Slices are thinner than those the detector was trained on.")
    THICK_SLICES = (Severity.NOTE, "Slices are thicker than those the detector was trained on.")
    GANTRY_TILT = (Severity.NOTE, "The gantry was tilted; slices are analysed in their own plane.")
    UNEVEN_SPACING = (Severity.NOTE, "The slice spacing changes within the series.")
    REPEATED_POSITIONS = (Severity.NOTE, "Different images lie at the same positions; all of them were used.")
    DUPLICATE_SLICE = (Severity.NOTE, "A slice was there twice; one copy was used.")
    RSNA_WRAP_REPAIRED = (Severity.NOTE, "12-bit values that had wrapped around (RSNA 2019) were put right.")
    OTHER_SERIES_CHOSEN = (Severity.NOTE, "Another series of the same study suits the detector better.")
    SET_ASIDE = (Severity.NOTE, "Objects of the series that are not axial slices were set aside.")

    def __init__(self, severity: Severity, sentence: str) -> None:
        self.severity = severity
        self.sentence = sentence


@dataclass(frozen=True)
class Check:
    """A check that did not pass: its reason, one sentence with the particulars, and the slices it is about."""

    reason: Reason
    detail: str
    slices: tuple[int, ...] = ()


class HemoscopeError(Exception):
    """An input that cannot be used: `reason`, and one sentence that says what is wrong and what to do."""

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence


class UsageError(HemoscopeError):
    """A setting that cannot be followed (unknown bundle, bad window ...). The command ends with exit code 2."""

    def __init__(self, sentence: str) -> None:
        Exception.__init__(self, sentence)
        self.sentence = sentence
