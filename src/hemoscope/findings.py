"""The six findings: their one order, their names and their colours."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One kind of intracranial hemorrhage, or `any` of them.

    `abbreviation` is what reports and tables print where room is short, `synonyms` are the names that collections
    give the same finding, and `colour` is the sRGB hex code that every chart and report uses for it.
    """

    name: str
    abbreviation: str
    synonyms: tuple[str, ...]
    colour: str


# The order of the RSNA 2019 challenge. Every array with a finding axis, and every table, follows it.
FINDINGS: tuple[Finding, ...] = (
    Finding("epidural", "EDH", ("extradural",), "#d55e00"),
    Finding("intraparenchymal", "IPH", ("CPH", "intracerebral", "ICH parenchymal"), "#0072b2"),
    Finding("intraventricular", "IVH", ("ventricular",), "#009e73"),
    Finding("subarachnoid", "SAH", (), "#cc79a7"),
    Finding("subdural", "SDH", (), "#e69f00"),
    Finding("any", "ICH", ("any hemorrhage", "bleed"), "#b00020"),
)

FINDING_NAMES: tuple[str, ...] = tuple(finding.name for finding in FINDINGS)
ANY: int = FINDING_NAMES.index("any")
