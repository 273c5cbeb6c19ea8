"""What outputs call patients, files and objects: hashes, unless the user asked to keep identifiers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from hemoscope.ct.inputs import Refusal
from hemoscope.ct.scan import Scan, Slice

# A cell that begins so is run as a formula by spreadsheet programs.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
# The rest of a file name in a sentence: up to a known suffix (names may hold spaces), else up to the next space.
FILE = r"(?:[^\n,;:]*?\.(?:dcm|dicom|ima|img|nii\.gz|nii|png|jpe?g|zip|txt|pdf)\b|[^\s,;:]*[^\s,;:.])"
# PS3.5 6.2 (UI): components of digits and dots. Four or more components are a UID rather than a version or a number.
UID = re.compile(r"(?<![\d.])\d+(?:\.\d+){4,}(?![\d.])")


SERIES_LABEL = re.compile(r"(?:series \d+\b|')")


A_FILE, AN_IDENTIFIER = "[file]", "[removed]"


def hashed(uid: str) -> str:
    """What stands for a UID: `sha256:` and the first 16 hex digits of its SHA-256 (ASCII)."""
    return "sha256:" + hashlib.sha256(uid.encode()).hexdigest()[:16]


class Names:
    """Decides how UIDs, file names and sentences appear in outputs.

    Without `keep_identifiers`, UIDs are hashed. DICOM files are known by the hash of what they hold: archives name
    files and folders after patients, studies and dates, and the hash of a name could be found by trying names. Files
    without UIDs (NIfTI, pictures) keep the file name, without its folders: the scan itself is known by it.
    """

    def __init__(self, keep_identifiers: bool) -> None:
        self.keep_identifiers = keep_identifiers

    def uid(self, uid: str | None) -> str | None:
        """A UID, or its hash."""
        return uid if uid is None or self.keep_identifiers else hashed(uid)

    def source(self, a_slice: Slice) -> str:
        """The file that a slice came from."""
        if self.keep_identifiers:
            return a_slice.source
        if a_slice.sop_instance_uid is not None:
            return f"sha256:{a_slice.sha256[:16]}"
        return PurePosixPath(a_slice.source.rpartition("!")[2]).name

    def refused(self, name: str) -> str:
        """A file that was refused: nothing is known of what it is, so it is not named.

        A series is named by its number and description, which name no one.
        """
        return name if self.keep_identifiers or SERIES_LABEL.match(name) else A_FILE

    def refusal_sentence(self, refusal: Refusal) -> str:
        """The sentence about a refused file or series."""
        return self.sentence(refusal.detail, [] if SERIES_LABEL.match(refusal.name) else [refusal.name])

    def sentence(self, text: str, sources: Iterable[str]) -> str:
        """A sentence without the file names `sources`, other files of the same inputs, their folders, and UIDs."""
        if self.keep_identifiers:
            return text
        known = list(sources)
        for root in {re.split("[/!]", source)[0] for source in known}:
            text = re.sub(rf"(?<![\w.]){re.escape(root)}[/!]{FILE}", A_FILE, text)
        spellings = {spelling for source in known for spelling in _spellings(source)}
        for spelling in sorted(spellings, key=len, reverse=True):
            text = re.sub(rf"(?<![\w.]){re.escape(spelling)}(?!\w)", A_FILE, text)
        return UID.sub(lambda match: hashed(match[0]), text)

    def scan_sentence(self, text: str, scan: Scan) -> str:
        """A sentence about a scan. File names of scans without UIDs stay."""
        if self.keep_identifiers:
            return text
        text = self.sentence(text, (s.source for s in scan.slices if s.sop_instance_uid is not None))
        for value in sorted(vars(scan.identifiers).values(), key=len, reverse=True):
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", AN_IDENTIFIER, text) if len(value) > 2 else text
        return text


def _spellings(source: str) -> set[str]:
    """How a sentence may name a file: in full, by its file name, or by its folders and archive."""
    archive, _, inside = source.rpartition("!")
    places = [PurePosixPath(part) for part in (archive, inside) if part]
    spellings = {source, *(str(part) for place in places for part in (place, *place.parents))}
    spellings |= {part for place in places for part in place.parts}
    # A file may be called "1" and a folder "CT": such words in a sentence are not names.
    return {name for name in spellings if name == source or (len(name) > 3 and not name.isdecimal()) or len(name) >= 6}


def cell(text: str) -> str:
    """A text that is safe in a table cell: a leading formula sign gets an apostrophe before it."""
    return "'" + text if text.startswith(FORMULA_STARTS) else text
