"""Names of scans and files: safe in outputs, and sorted as people count."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePath

MAX_NAME_LENGTH = 64
# A DICOM scan without a UID: names of its files and folders may name the patient, so they do not name the scan.
UNNAMED = "scan"


def hashed_name(uid: str) -> str:
    """A name for a scan that does not tell its UID: "scan-" and the first 12 hex digits of the SHA-256."""
    return "scan-" + hashlib.sha256(uid.encode()).hexdigest()[:12]


def safe_name(source: str) -> str:
    """The stem of a file or folder as a name for a scan: letters, digits, "-", "_" and inner dots."""
    stem = re.sub(r"\.(nii(\.gz)?|dcm|dicom|ima|png|jpe?g|zip)$", "", PurePath(source).name, flags=re.IGNORECASE)
    return re.sub(r"[^A-Za-z0-9._-]+", "_", stem)[:MAX_NAME_LENGTH].strip("._-") or "scan"


def unique_name(name: str, taken: set[str]) -> str:
    """`name`, or the first of name-2, name-3 ... that is free; adds it to `taken` (letter case does not count)."""
    free, number = name, 2
    while free.lower() in taken:
        free, number = f"{name}-{number}", number + 1
    taken.add(free.lower())
    return free


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key in which "slice10" comes after "slice9"."""
    return tuple(_number_key(part) if part.isdecimal() else (0, 0, part.lower()) for part in re.split(r"(\d+)", name))


def _number_key(digits: str) -> tuple[int, int, str]:
    """Sort key of a number of any length; Python refuses to convert those of 5,000 digits."""
    significant = digits.lstrip("0")
    return 1, len(significant), f"{significant} {digits}"
