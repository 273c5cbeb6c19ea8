"""Which DICOM objects are slices of a CT: a table of rules on the header."""

from __future__ import annotations

from pydicom import Dataset

from hemoscope.reasons import Check, Reason


def check_eligible(header: Dataset, name: str) -> Check | None:
    """Tell why an object cannot be slices of a head CT in Hounsfield units; None: nothing speaks against it."""
    if header.get("Modality") != "CT":
        return Check(Reason.NOT_CT, f"{name} is not CT.")
    if "LOCALIZER" in (header.get("ImageType") or ()):
        return Check(Reason.LOCALIZER, f"{name} is a localizer.")
    return None
