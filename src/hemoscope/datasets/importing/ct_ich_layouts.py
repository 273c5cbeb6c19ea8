"""The three layouts of CT-ICH, and where each keeps a slice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hemoscope.reasons import UsageError

_RELEASE_COLUMNS = {
    "patient": "PatientNumber", "slice": "SliceNumber", "intraventricular": "Intraventricular",
    "intraparenchymal": "Intraparenchymal", "subarachnoid": "Subarachnoid", "epidural": "Epidural",
    "subdural": "Subdural", "no_hemorrhage": "No_Hemorrhage",
}  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """How one release is laid out. `file` and `mask` are patterns of the patient's and the slice's number, from 1.

    table, people: the CSV tables of slices and patients; columns, people_columns: {name here: name there}.
    """

    folder: str  # what tells the layout: it holds the images
    table: str
    people: str
    file: str
    mask: str | None
    window: str | None  # of the pictures; None: volumes in HU
    columns: Mapping[str, str] = field(default_factory=lambda: _RELEASE_COLUMNS)
    people_columns: Mapping[str, str] = field(
        default_factory=lambda: {"patient": "Patient Number", "age": "Age (years)", "sex": "Gender"}
    )

    @property
    def in_volumes(self) -> bool:
        """Whether the slices of a patient are one NIfTI volume."""
        return self.window is None


# The brain window of the videos that the pictures were taken from is 40/120 (Hssayeni 2020, section 3.1).
VOLUMES = Layout(
    "ct_scans", "hemorrhage_diagnosis_raw_ct.csv", "patient_demographics.csv",
    "ct_scans/{patient:03d}.nii", "masks/{patient:03d}.nii", None,
)  # fmt: skip
PICTURES = Layout(
    "Patients_CT", "hemorrhage_diagnosis.csv", "patient_demographics.csv",
    "Patients_CT/{patient:03d}/brain/{slice}.jpg", "Patients_CT/{patient:03d}/brain/{slice}_HGE_Seg.jpg", "40/120",
)  # fmt: skip
RENDERING = Layout(
    "images", "slices.csv", "patients.csv", "images/{patient:03d}_{slice:02d}.jpg", None, "40/120",
    {**{name: name for name in _RELEASE_COLUMNS}},
    {"patient": "patient", "age": "age_years", "sex": "gender"},
)  # fmt: skip
LAYOUTS = (VOLUMES, PICTURES, RENDERING)  # the first that fits: HU before pictures


def layout_of(root: Path) -> Layout:
    """The layout of the collection; raises UsageError where it is none of the three."""
    for layout in LAYOUTS:
        if (root / layout.folder).is_dir() and find_table(root, layout.table):
            return layout
    known = ", or ".join(f"{layout.table} and the folder {layout.folder}" for layout in LAYOUTS)
    raise UsageError(f"{root} is not CT-ICH: it holds neither {known}.")


def find_table(root: Path, name: str) -> Path | None:
    """A file of the root by its name, where releases differ in letter case; None where it is not there."""
    found = [path for path in root.iterdir() if path.name.lower() == name.lower()] if root.is_dir() else []
    return found[0] if found else None
