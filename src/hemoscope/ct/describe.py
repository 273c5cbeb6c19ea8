"""What a DICOM header says of the scan: how it was made, and whose it is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hemoscope.ct.frames import Frame, number, slice_thickness_mm, text
from hemoscope.ct.geometry import NOTEWORTHY_TILT_DEGREES, Plane, gantry_tilt_degrees, slice_spacing_mm
from hemoscope.ct.scan import Acquisition, Identifiers
from hemoscope.reasons import Check, Reason

AGE_UNITS_IN_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}  # PS3.5 6.2, VR AS
SHORTEST_NAME_PART = 3  # shorter parts of a name occur in ordinary words


def identifiers_of(frame: Frame) -> Identifiers:
    """What names the patient or the study; for the writers to leave out."""
    header = frame.header
    return Identifiers(
        patient_id=text(header, "PatientID"),
        patient_name=text(header, "PatientName"),
        study_instance_uid=text(header, "StudyInstanceUID"),
        series_instance_uid=text(header, "SeriesInstanceUID"),
        accession_number=text(header, "AccessionNumber"),
        study_date=text(header, "StudyDate"),
    )


def acquisition_of(frames: Sequence[Frame], positions_mm: Sequence[float]) -> Acquisition:
    """How the scan was made, without text that names the patient.

    frames: sorted foot to head; positions_mm: along the slice normal, empty where unknown.
    """
    header = frames[0].header
    planes = [frame.plane for frame in frames if isinstance(frame.plane, Plane)]
    placed = len(positions_mm) == len(frames)
    return Acquisition(
        scanner=" ".join(filter(None, (text(header, "Manufacturer"), text(header, "ManufacturerModelName")))),
        kernel=text(header, "ConvolutionKernel"),
        series_description=_without_names(text(header, "SeriesDescription"), identifiers_of(frames[0])),
        slice_thickness_mm=_thickness_mm(frames),
        spacing_mm=slice_spacing_mm(positions_mm) if placed else None,
        gantry_tilt_degrees=gantry_tilt_degrees(planes) if placed else None,
        kvp=number(header, "KVP"),
        age_years=age_years(text(header, "PatientAge")),
        sex=text(header, "PatientSex")[:1],
    )


def tilt_notes(acquisition: Acquisition) -> tuple[Check, ...]:
    """A note where the gantry was tilted."""
    tilt = acquisition.gantry_tilt_degrees
    if tilt is None or tilt < NOTEWORTHY_TILT_DEGREES:
        return ()
    sentence = f"The gantry was tilted by {tilt:.1f} degrees (from the positions); slices keep their own plane."
    return (Check(Reason.GANTRY_TILT, sentence),)


def age_years(age: str) -> float | None:
    """PatientAge such as "052Y" or "006M" in years; None where it is not stated so."""
    match = re.fullmatch(r"(\d{1,3})([DWMY])", age.strip().upper())
    return round(int(match[1]) * AGE_UNITS_IN_YEARS[match[2]], 3) if match else None


def _thickness_mm(frames: Sequence[Frame]) -> float | None:
    """The most frequent SliceThickness, mm."""
    stated = [value for frame in frames if (value := slice_thickness_mm(frame.header)) is not None]
    return max(stated, key=stated.count) if stated else None


def _without_names(description: str, identifiers: Identifiers) -> str:
    """A free text, or "" where a part of the patient's name or number stands in it."""
    parts = [*re.split(r"[\^\s=,\\]+", identifiers.patient_name), identifiers.patient_id, identifiers.accession_number]
    named = any(len(part) >= SHORTEST_NAME_PART and part.lower() in description.lower() for part in parts)
    return "" if named else description
