"""Wong 2019: how often each subtype is, and the challenge metric."""

from __future__ import annotations

import numpy as np

from hemoscope.evaluation.matching.cases import UNKNOWN, Cases
from hemoscope.evaluation.protocols.layout import beside, beside_system
from hemoscope.evaluation.protocols.protocol import Protocol
from hemoscope.evaluation.protocols.sample import Figure, Sample
from hemoscope.evaluation.published import Printed
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.evaluation.table import Table
from hemoscope.findings import ANY, FINDING_NAMES

NAME = "wong2019"
BEST = "ResNet-34, Pos Y"  # the row that ours stands beside in Table 3
NO_SLICES = Estimate.none("no slices predicted")
LABELLED = ("Ours counts predicted slices whose label is known.",)
LOSS = ("The Kaggle score is of the slices that have all six labels and probabilities.",)


def tables(slices: Cases | None, scans: Cases | None, validation: Cases | None = None) -> list[Table]:
    """Tables 2 (both halves) and 3."""
    sample = None if slices is None else Sample.of(slices)

    def in_table_2(cell: Printed) -> Figure:
        if slices is None:
            return NO_SLICES
        if cell.what["measure"] == "slices_with_subtypes":
            return slices_with_subtypes(slices, int(cell.what["subtypes"]))
        positives, negatives = _counts(slices, cell.what["finding"])
        if cell.what["measure"] == "positives":
            return positives
        return Estimate(negatives / positives) if positives else Estimate.none("no positives")

    def in_table_3(cell: Printed) -> Figure:
        if cell.what["measure"] == "rank":
            return Estimate.none("no leaderboard")
        if cell.what["measure"] == "training_loss":
            return Estimate.none("the loss of a training, with its weights")
        return NO_SLICES if sample is None else sample.figure(cell.what["measure"])

    return [
        beside(NAME, "Table 2, left", in_table_2, (slices,), LABELLED),
        beside(NAME, "Table 2, right", in_table_2, (slices,), LABELLED),
        beside(NAME, "Table 3", beside_system(BEST, in_table_3), (slices,), LOSS),
    ]


def slices_with_subtypes(slices: Cases, count: int) -> int:
    """How many slices show so many of the five subtypes, of those whose five labels are known."""
    subtypes = np.delete(slices.labels, ANY, axis=1)
    known = (subtypes != UNKNOWN).all(axis=1)
    return int(((subtypes == 1).sum(axis=1) == count)[known].sum())


def _counts(slices: Cases, finding: str) -> tuple[int, int]:
    labels = slices.labels[:, FINDING_NAMES.index(finding)]
    return int((labels == 1).sum()), int((labels == 0).sum())


PROTOCOL = Protocol(NAME, "slices with each subtype; challenge metric", tables)
