"""Ye 2019: bleeding or not on all scans, the five subtypes on those with bleeding."""

from __future__ import annotations

import numpy as np

from hemoscope.evaluation.matching.cases import Cases
from hemoscope.evaluation.protocols.layout import beside, beside_system
from hemoscope.evaluation.protocols.protocol import Protocol
from hemoscope.evaluation.protocols.sample import Figure, Sample
from hemoscope.evaluation.published import Printed
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.evaluation.table import Table
from hemoscope.findings import ANY

NAME = "ye2019"
OWN = "Model (Sli-Lab)"  # the system of the paper that ours stands beside
NOTES = (
    "ICH is of all scans, the five subtypes are of the scans that have ICH (five-type task).",
    "Calls are probability >= 0.5.",
    "Subtypes are those of the system for every scan with ICH, also where it calls no ICH.",
    "Readers: `hemoscope readers` makes their rows, and Table 2, from their readings.",
)


def tables(slices: Cases | None, scans: Cases | None, validation: Cases | None = None) -> list[Table]:
    """Table 3."""
    bleeding = None if scans is None else scans.take(np.flatnonzero(scans.labels[:, ANY] == 1))
    two_type, five_type = (None if cases is None else Sample.of(cases) for cases in (scans, bleeding))

    def figure(cell: Printed) -> Figure:
        sample = two_type if cell.what["finding"] == "any" else five_type
        if sample is None:
            return Estimate.none("no scans predicted")
        return sample.figure(cell.what["measure"], cell.what["finding"], cell.what["threshold"])

    return [beside(NAME, "Table 3", beside_system(OWN, figure), (scans,), NOTES)]


PROTOCOL = Protocol(NAME, "scans: two-type task on all, five-type task on those with bleeding", tables)
