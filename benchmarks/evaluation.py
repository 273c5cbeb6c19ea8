"""Claim: all tables of a million slices and their scans, with 2,000 draws of patients, are made in under a minute.

These are the tables that `hemoscope evaluate` writes: areas, calls at three thresholds, predictive values, calibration,
of slices and of scans, and four ways from slices to scans. Compared with the plain scikit-learn loop over draws, which
has the two areas of the slices alone; a few draws of it are timed: its seconds are those of one draw times 2,000. The
same areas alone are a side of ours too.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from made_predictions import NAMES, made_predictions
from measure import in_turn, report
from sklearn.metrics import average_precision_score, roc_auc_score

from hemoscope.evaluation.evaluate import evaluate, tables_of
from hemoscope.evaluation.measures.measures import discrimination
from hemoscope.evaluation.statistics.bootstrap import DRAWS
from hemoscope.evaluation.statistics.proportions import clopper_pearson

SLICES = 1_000_000
SECONDS = 60.0
PLAIN_DRAWS = 2
REPEATS = 2


def main() -> None:
    """Measure and report."""
    with TemporaryDirectory() as name:
        evaluation = evaluate(made_predictions(Path(name), SLICES))
    part = evaluation.slices
    assert part is not None
    cases, codes, patients = part.cases, part.draws.codes, len(part.draws.names)
    rows_of = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    random = np.random.default_rng(7)

    def plain() -> None:
        for _ in range(PLAIN_DRAWS):
            rows = np.concatenate([rows_of[one] for one in random.integers(patients, size=patients)])
            for finding in range(len(NAMES)):
                roc_auc_score(cases.labels[rows, finding], cases.probabilities[rows, finding])
                average_precision_score(cases.labels[rows, finding], cases.probabilities[rows, finding])

    loop = f"scikit-learn: areas of slices, {PLAIN_DRAWS} draws x {DRAWS // PLAIN_DRAWS:,}"
    sides = {
        f"hemoscope: every table, {DRAWS:,} draws": lambda: tables_of(evaluation),
        f"hemoscope: areas of slices, {DRAWS:,} draws": lambda: discrimination(cases, part.draws, clopper_pearson),
        loop: plain,
    }
    seconds = in_turn(sides, REPEATS)
    seconds[loop] = [value * DRAWS / PLAIN_DRAWS for value in seconds[loop]]
    report("evaluation: all tables of a million slices with clustered draws", seconds, SECONDS)


if __name__ == "__main__":
    main()
