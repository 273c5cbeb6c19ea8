"""A scan: one series read as a volume in Hounsfield units, in radiological display order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hemoscope.ct.windows import Window
from hemoscope.reasons import Check, Severity


@dataclass(frozen=True)
class Slice:
    """Where one slice came from, and whether it could be read."""

    source: str  # file as named by the user, a zip member after "!"
    sha256: str  # of the file (of the member, in a zip)
    sop_instance_uid: str | None = None  # None: not DICOM
    frame: int = 0  # in a multi-frame file or a NIfTI volume
    position_mm: float | None = None  # along the slice normal, foot to head; None: unknown
    readable: bool = True  # False: `hu` is air here, and no probability is given
    thickness_mm: float | None = None  # None: not stated


@dataclass(frozen=True)
class Identifiers:
    """What names the patient or the study. Written to outputs only with `--keep-identifiers`."""

    patient_id: str = ""
    patient_name: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    accession_number: str = ""
    study_date: str = ""


@dataclass(frozen=True)
class Acquisition:
    """How the scan was made; nothing here names the patient. None or "": not stated."""

    scanner: str = ""  # manufacturer and model
    kernel: str = ""
    series_description: str = ""
    slice_thickness_mm: float | None = None
    spacing_mm: float | None = None  # median distance of neighbouring slices along the normal
    gantry_tilt_degrees: float | None = None  # from the positions (a shear), never from the tilt tag
    kvp: float | None = None
    age_years: float | None = None
    sex: str = ""


@dataclass(frozen=True, eq=False)
class Scan:
    """One series as a volume.

    hu: int16 [slice, row, column] in HU, slice 0 at the foot end, row 0 anterior, column 0 the patient's right.
    pixel_spacing_mm: (row, column), None where unknown. window: None for true HU, else the display window from which
    approximate HU were restored. checks: all that did not pass while reading.
    """

    name: str  # safe in file names: a hash of the series UID, or the sanitised file name where there is no UID
    hu: NDArray[np.int16]
    slices: tuple[Slice, ...]
    pixel_spacing_mm: tuple[float, float] | None = None
    window: Window | None = None
    independent: bool = False  # one slice read as a scan of its own: no checks on slice count, gaps or neighbours
    checks: tuple[Check, ...] = ()
    identifiers: Identifiers = field(default_factory=Identifiers)
    acquisition: Acquisition = field(default_factory=Acquisition)

    def __post_init__(self) -> None:
        if self.hu.ndim != 3 or self.hu.dtype != np.int16:
            raise ValueError(f"hu must be int16 [slice, row, column], not {self.hu.dtype} {self.hu.shape}")
        if len(self.slices) != len(self.hu):
            raise ValueError(f"{len(self.slices)} slice records for {len(self.hu)} slices")

    @property
    def analysable(self) -> bool:
        """Whether no hard check failed."""
        return all(check.reason.severity is not Severity.HARD for check in self.checks)

    def with_checks(self, *checks: Check) -> Scan:
        """The same scan with more checks that did not pass."""
        return replace(self, checks=self.checks + checks)
