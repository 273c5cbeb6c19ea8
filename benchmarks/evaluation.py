"""Claim: a million slices of six findings are evaluated in seconds, and 2,000 clustered draws of six AUCs in a minute.

Labels and scores are made up: 20,000 patients, the share of positives of RSNA 2019, and patients that differ in how
their slices look. The measures are AUC with DeLong's interval, the challenge metric, and at three thresholds
sensitivity, specificity, predictive values (also at two stated prevalences), accuracy and F1 with intervals from 2,000
draws of patients; then AUC with an interval from such draws. Compared with scikit-learn, first without any interval,
then in the plain loop over draws, of which only a few are timed: its seconds are those of one draw times their number.
"""

from __future__ import annotations

import numpy as np
from measure import in_turn, report
from sklearn.metrics import accuracy_score, f1_score, log_loss, precision_score, recall_score, roc_auc_score

from hemoscope.evaluation.statistics.bootstrap import DRAWS, Draws
from hemoscope.evaluation.statistics.challenge import WEIGHTS, challenge_loss_clustered
from hemoscope.evaluation.statistics.clustered import auc_clustered
from hemoscope.evaluation.statistics.confusion import MEASURES, ClusteredCounts
from hemoscope.evaluation.statistics.delong import auc_delong
from hemoscope.findings import FINDING_NAMES

SLICES, PATIENTS = 1_000_000, 20_000
POSITIVE = (0.0042, 0.048, 0.035, 0.047, 0.063)  # of the five subtypes
THRESHOLDS = (0.5, 0.7, 0.9)
PREVALENCES = (0.03, 0.10)
MEASURES_SECONDS, DRAWS_SECONDS = 10.0, 60.0
PLAIN_DRAWS = 2
REPEATS = 2

random = np.random.default_rng(7)
patients = np.sort(random.integers(PATIENTS, size=SLICES))
subtypes = random.random((SLICES, len(POSITIVE))) < POSITIVE
labels = np.column_stack([subtypes, subtypes.any(axis=1)]).astype(np.int8)
logits = 3.0 * labels + random.normal(size=(PATIENTS, 6))[patients] + random.normal(size=(SLICES, 6)) - 2
scores = 1 / (1 + np.exp(-logits))
FINDINGS = range(len(FINDING_NAMES))


def measures() -> None:
    """Every measure with its interval; those of calls resample patients."""
    made = Draws.of(patients)
    for finding in FINDINGS:
        auc_delong(labels[:, finding], scores[:, finding])
        for threshold in THRESHOLDS:
            calls = ClusteredCounts.of(labels[:, finding], scores[:, finding] >= threshold, made.codes, made)
            for measure in MEASURES:
                calls.estimate(measure)
            for prevalence in PREVALENCES:
                calls.at_prevalence("ppv", prevalence)
                calls.at_prevalence("npv", prevalence)
    challenge_loss_clustered(labels, scores, made.codes, made)


def plain_measures() -> None:
    """The same without an interval."""
    for finding in FINDINGS:
        truth = labels[:, finding]
        roc_auc_score(truth, scores[:, finding])
        for threshold in THRESHOLDS:
            calls = scores[:, finding] >= threshold
            accuracy_score(truth, calls)
            f1_score(truth, calls)
            for label in (1, 0):
                recall_score(truth, calls, pos_label=label)
                precision_score(truth, calls, pos_label=label, zero_division=0)
    np.average([log_loss(labels[:, finding], scores[:, finding]) for finding in FINDINGS], weights=WEIGHTS)


def draws() -> None:
    """Intervals of six areas from 2,000 draws, which are made here too."""
    made = Draws.of(patients)
    for finding in FINDINGS:
        auc_clustered(labels[:, finding], scores[:, finding], made.codes, made)


def plain_draws() -> None:
    """A few draws; rows of a patient lie together and are found by their first and last."""
    firsts = np.searchsorted(patients, np.arange(PATIENTS + 1))
    for _ in range(PLAIN_DRAWS):
        drawn = random.integers(PATIENTS, size=PATIENTS)
        rows = np.concatenate([np.arange(firsts[one], firsts[one + 1]) for one in drawn])
        for finding in FINDINGS:
            roc_auc_score(labels[rows, finding], scores[rows, finding])


def main() -> None:
    """Measure and report."""
    sides = {"hemoscope: with intervals": measures, "scikit-learn: without": plain_measures}
    report("evaluation measures: a million slices of six findings", in_turn(sides, REPEATS), MEASURES_SECONDS)

    seconds = in_turn({"hemoscope": draws, "scikit-learn": plain_draws}, REPEATS)
    scaled = {
        "hemoscope: 2,000 draws": seconds["hemoscope"],
        f"scikit-learn: {PLAIN_DRAWS} draws, times {DRAWS // PLAIN_DRAWS:,}": [
            value * DRAWS / PLAIN_DRAWS for value in seconds["scikit-learn"]
        ],
    }
    report("evaluation draws: 2,000 clustered draws of six AUCs of a million slices", scaled, DRAWS_SECONDS)


if __name__ == "__main__":
    main()
