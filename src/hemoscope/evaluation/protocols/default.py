"""The default: what every evaluation should print, whatever the paper."""

from __future__ import annotations

from hemoscope.evaluation.bootstrap import Draws
from hemoscope.evaluation.cases import Cases
from hemoscope.evaluation.measures import at_points, discrimination
from hemoscope.evaluation.operating_points import FIXED, OperatingPoint
from hemoscope.evaluation.proportions import clopper_pearson
from hemoscope.evaluation.protocols.protocol import Protocol
from hemoscope.evaluation.table import Table


def tables(slices: Cases | None, scans: Cases | None, validation: Cases | None = None) -> list[Table]:
    """Areas, and calls at 0.5, 0.7 and 0.9, of slices and of scans, for each finding."""
    points = tuple(map(OperatingPoint.fixed, FIXED))
    found = []
    for cases in (slices, scans):
        if cases is not None:
            draws = Draws.of(cases.patients)
            found += [discrimination(cases, draws), at_points(cases, points, draws, clopper_pearson)]
    return found


PROTOCOL = Protocol("default", "areas, and calls at 0.5, 0.7 and 0.9, for each finding", tables)
