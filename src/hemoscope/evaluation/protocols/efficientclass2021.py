"""Cortes-Ferre 2021: slices, as many without hemorrhage as with it, and scans by the share of certain slices."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hemoscope.evaluation.matching.cases import Cases
from hemoscope.evaluation.measures.scan_rules import share_above
from hemoscope.evaluation.protocols.layout import beside
from hemoscope.evaluation.protocols.protocol import Protocol
from hemoscope.evaluation.protocols.sample import Figure, Sample
from hemoscope.evaluation.protocols.scans_of_slices import scans_of_slices
from hemoscope.evaluation.published import Printed
from hemoscope.evaluation.statistics.bootstrap import SEED
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.evaluation.table import Table
from hemoscope.findings import ANY

NAME = "efficientclass2021"
SHARES: Mapping[str, float] = {"EffClass (5%)": 0.05, "EffClass (10%)": 0.10}  # rows of Table 2
NO_SLICES, NO_SCANS = Estimate.none("no slices predicted"), Estimate.none("no scans predicted")
BALANCED = ("Of the more frequent class as many slices were drawn at random as there are of the other (section 4.3).",)
BY_SCAN = (
    "A scan is positive when at least 5% or 10% of its slices exceed 0.8; the paper counts the slices of a patient.",
)


def tables(slices: Cases | None, scans: Cases | None, validation: Cases | None = None) -> list[Table]:
    """Tables 1 and 2."""
    balanced = None if slices is None else balance(slices)
    by_share = None if slices is None or scans is None else scans_of_slices(slices, scans, share_above)
    of_slices = None if balanced is None else Sample.of(balanced)
    of_scans = None if by_share is None else Sample.of(by_share)

    def in_table_1(cell: Printed) -> Figure:
        if of_slices is None:
            return NO_SLICES
        return of_slices.figure(cell.what["measure"], "any", cell.what["threshold"])

    def in_table_2(cell: Printed) -> Figure | None:
        if cell.what["system"] not in SHARES:
            return None
        if of_scans is None:
            return NO_SLICES if slices is None else NO_SCANS
        return of_scans.figure(cell.what["measure"], "any", SHARES[cell.what["system"]])

    return [
        beside(NAME, "Table 1", in_table_1, (balanced,), BALANCED),
        beside(NAME, "Table 2", in_table_2, (by_share,), BY_SCAN),
    ]


def balance(slices: Cases) -> Cases:
    """The slices with hemorrhage and as many without, drawn at random; where more have it, the other way round."""
    measured = slices.measured(ANY)
    positives, negatives = (np.flatnonzero(measured & (slices.labels[:, ANY] == label)) for label in (1, 0))
    count = min(len(positives), len(negatives))
    random = np.random.default_rng(SEED)
    drawn = [random.choice(rows, count, replace=False) for rows in (positives, negatives)]
    return slices.take(np.sort(np.concatenate(drawn)))


PROTOCOL = Protocol(NAME, "balanced slices at 0.5, 0.7, 0.9; scans by the share of slices above 0.8", tables)
