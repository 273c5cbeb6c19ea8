"""The default: the challenge metric beside the tables that every evaluation writes, and none of a paper's."""

from __future__ import annotations

import numpy as np

from hemoscope.evaluation.matching.cases import UNKNOWN, Cases
from hemoscope.evaluation.protocols.protocol import Protocol
from hemoscope.evaluation.protocols.sample import Sample
from hemoscope.evaluation.table import Table


def tables(slices: Cases | None, scans: Cases | None, validation: Cases | None = None) -> list[Table]:
    """The weighted multi-label log loss of RSNA 2019, where slices are predicted."""
    if slices is None:
        return []
    complete = ((slices.labels != UNKNOWN) & ~np.isnan(slices.probabilities)).all(axis=1)
    patients = len(np.unique(slices.patients[complete]))
    row = (int(complete.sum()), patients, Sample.of(slices).figure("challenge_loss"))
    note = (
        "Of the slices that have all six labels and probabilities; any counts double, probabilities are clipped at "
        "1e-15. The interval resamples patients."
    )
    return [
        Table("challenge", "Metric of the RSNA 2019 challenge", ("slices", "patients", "log loss"), (row,), (note,))
    ]


PROTOCOL = Protocol("default", "the challenge metric, and none of a paper's tables", tables)
