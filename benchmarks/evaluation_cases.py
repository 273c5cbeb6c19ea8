"""Claim: a million predicted slices of six findings are read, found in a Manifest and measured in under 10 s.

Measured are the slices: AUC with DeLong's interval, and at three thresholds sensitivity, specificity, predictive
values, accuracy and F1 with exact intervals; nothing is resampled (`evaluation.py` does that). Compared with the plain
way: a merge by pandas that knows which column names the slice and checks nothing, the maximum over each scan, and
scikit-learn measure by measure, without an interval. Ours makes cases of the scans too, in four ways.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from made_predictions import NAMES, made_predictions
from measure import in_turn, report
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

from hemoscope.datasets.manifest import Manifest
from hemoscope.evaluation.evaluate import score
from hemoscope.evaluation.matching.cases import Cases
from hemoscope.evaluation.matching.truth import Truth
from hemoscope.evaluation.measures.operating_points import FIXED
from hemoscope.evaluation.question import Question
from hemoscope.evaluation.statistics.confusion import MEASURES, Counts
from hemoscope.evaluation.statistics.delong import auc_delong

SLICES = 1_000_000
SECONDS = 10.0
REPEATS = 2


def ours(question: Question) -> None:
    """Every check, the cases of slices and scans, and the measures of slices with intervals."""
    slices, by_rule = score(question, Truth.of(Manifest.read(question.manifest)))
    assert slices is not None
    for scored in by_rule.values():
        scored.cases(())
    measures_of(slices.cases(()))


def measures_of(cases: Cases) -> None:
    """As if cases were independent."""
    for finding in range(len(NAMES)):
        rows = cases.measured(finding)
        labels, scores = cases.labels[rows, finding], cases.probabilities[rows, finding]
        auc_delong(labels, scores)
        for threshold in FIXED:
            counts = Counts.of(labels, scores >= threshold)
            for name in MEASURES:
                counts.estimate(name)


def plain(question: Question) -> None:
    """The merge, the maximum, and a call for each measure."""
    truth = pd.read_parquet(question.manifest, columns=["sop_instance_uid", "series", *NAMES])
    both = truth.merge(pd.read_csv(question.slices), on="sop_instance_uid", suffixes=("_true", ""))
    both.groupby("series")[NAMES].max()
    for finding in NAMES:
        labels, scores = both[f"{finding}_true"].to_numpy(), both[finding].to_numpy()
        roc_auc_score(labels, scores)
        for threshold in FIXED:
            calls = scores >= threshold
            accuracy_score(labels, calls)
            f1_score(labels, calls)
            for label in (1, 0):
                recall_score(labels, calls, pos_label=label)
                precision_score(labels, calls, pos_label=label, zero_division=0)


def main() -> None:
    """Measure and report."""
    with TemporaryDirectory() as name:
        question = made_predictions(Path(name), SLICES)
        sides = {
            "hemoscope: every check, four rules, intervals": lambda: ours(question),
            "pandas and scikit-learn: no check, no interval": lambda: plain(question),
        }
        seconds = in_turn(sides, REPEATS)
    report("evaluation cases: a million slices from CSV and Manifest to measures", seconds, SECONDS)


if __name__ == "__main__":
    main()
