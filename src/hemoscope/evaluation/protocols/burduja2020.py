"""Burduja 2020: challenge metric, slices and scans of a validation set, and scans that doctors read too."""

from __future__ import annotations

from hemoscope.evaluation.matching.cases import Cases
from hemoscope.evaluation.protocols.layout import beside, beside_system
from hemoscope.evaluation.protocols.protocol import Protocol
from hemoscope.evaluation.protocols.sample import Figure, Sample
from hemoscope.evaluation.published import Printed
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.evaluation.table import Table

NAME = "burduja2020"
OWN = "ResNeXt-101 and bidirectional LSTM"  # the system of the paper that ours stands beside, in Tables 3 and 5
BEST = "ResNeXt-101 + BiLSTM 3x256, PCA + ResNeXt-101 predictions, 120"  # in Table 2
LOSS = ("The log loss is of the slices that have all six labels and probabilities.",)
CALLS = ("Calls are probability >= 0.5; the paper does not say its threshold.",)
SCANS = ("The score of a scan is that of `--scans`, else its highest slice; the paper does not say how it makes one.",)
AREA = ("ROC-AUC is here, as the paper prints it, that of calls: the mean of sensitivity and specificity.",)


def tables(slices: Cases | None, scans: Cases | None, validation: Cases | None = None) -> list[Table]:
    """Tables 2, 3, 4 and 5."""
    samples = {cases.level: Sample.of(cases) for cases in (slices, scans) if cases is not None}

    def figure(cell: Printed) -> Figure:
        if cell.what["measure"] == "rank":
            return Estimate.none("no leaderboard")
        sample = samples.get(cell.what["level"])
        if sample is None:
            return Estimate.none(f"no {cell.what['level']}s predicted")
        return sample.figure(cell.what["measure"], cell.what.get("finding", "any"), cell.what.get("threshold"))

    return [
        beside(NAME, "Table 2", beside_system(BEST, figure), (slices,), LOSS),
        beside(NAME, "Table 3", beside_system(OWN, figure), (slices, scans), CALLS + SCANS),
        beside(NAME, "Table 4", figure, (scans,), ()),
        beside(NAME, "Table 5", beside_system(OWN, figure), (scans,), CALLS + SCANS + AREA),
    ]


PROTOCOL = Protocol(NAME, "challenge metric; accuracy, ROC AUC, sensitivity, specificity of slices and scans", tables)
