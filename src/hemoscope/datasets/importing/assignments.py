"""What a user says that values and names stand for: `1=epidural,2=subdural`, `hemorrhage=any,normal=none`."""

from __future__ import annotations

from collections.abc import Mapping

from hemoscope.datasets.collection import Option
from hemoscope.findings import FINDING_NAMES, FINDINGS
from hemoscope.reasons import UsageError

NONE = "none"  # no hemorrhage
MAX_MASK_VALUE = 255
NONE_SYNONYMS = ("none", "normal", "no hemorrhage", "negative")
MASK_VALUES_OPTION = Option(
    "--values", "What the values of the masks stand for: 1=epidural,2=subdural ... or, of binary masks, 1=any; a value"
    " that marks no hemorrhage is none. A 1-bit PNG has the values 0 and 255.", metavar="VALUE=FINDING,...",
)  # fmt: skip
_NAMES = {
    name.lower(): finding.name
    for finding in FINDINGS
    for name in (finding.name, finding.abbreviation, *finding.synonyms)
} | dict.fromkeys(NONE_SYNONYMS, NONE)


def finding_called(name: str) -> str | None:
    """The finding, or NONE, that a name stands for (letter case, `_` and `-` do not count); None: no finding is."""
    return _NAMES.get(name.strip().lower().replace("_", " ").replace("-", " "))


def read_assignments(text: str, flag: str) -> dict[str, str]:
    """Read `key=finding,key=finding` into {key: finding or NONE}; raises UsageError, naming the option `flag`."""
    assigned: dict[str, str] = {}
    for part in text.split(","):
        key, equals, name = (piece.strip() for piece in part.rpartition("="))
        finding = finding_called(name)
        if not (key and equals) or finding is None:
            expected = f"KEY=FINDING,KEY=FINDING with the findings {', '.join(FINDING_NAMES)} or {NONE}"
            raise UsageError(f"{flag} is written {expected}, not '{part.strip()}'.")
        if key in assigned:
            raise UsageError(f"{flag} names {key} twice.")
        assigned[key] = finding
    return assigned


def read_mask_values(text: str) -> dict[int, str]:
    """Read --values, `1=epidural,2=subdural`, into {value: finding or NONE}; 0, the background, need not be named."""
    flag = MASK_VALUES_OPTION.flag
    assigned = read_assignments(text, flag)
    for key, finding in assigned.items():
        if not key.isdecimal() or int(key) > MAX_MASK_VALUE or (int(key) == 0 and finding != NONE):
            sentence = f"{flag} names values of a mask, whole numbers from 1 to {MAX_MASK_VALUE}, not '{key}'."
            raise UsageError(sentence)
    return {int(key): finding for key, finding in assigned.items()}


def findings_of(values: Mapping[int, str]) -> dict[int, str]:
    """The values that mark a finding, as a Manifest keeps them."""
    return {value: finding for value, finding in values.items() if finding != NONE}
