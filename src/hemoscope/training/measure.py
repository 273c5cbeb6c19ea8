"""Figures of the model card, each with its 95% interval and the patients behind it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import beta
from sklearn.metrics import roc_auc_score

DRAWS = 1000
FEWEST_PATIENTS = 5  # with a finding and without, below which no interval is given


def auc(table: pd.DataFrame, finding: str) -> str:
    """ROC AUC of a finding with a patient-clustered bootstrap interval: "0.93 (0.90-0.95)", or why there is none.

    Too few patients on one side give no interval: resampling them would show no spread where there is most.
    """
    known = table[table[f"label_{finding}"] >= 0]
    labels, scores = known[f"label_{finding}"].to_numpy(), known[finding].to_numpy()
    if len(np.unique(labels)) < 2:
        return "one class only"
    value = roc_auc_score(labels, scores)
    patients_of_class = known.groupby(labels)["patient"].nunique()
    if patients_of_class.min() < FEWEST_PATIENTS:
        return f"{value:.3f} (too few patients)"
    rows_of = [np.flatnonzero(codes) for codes in _one_hot(known["patient"])]
    random = np.random.default_rng(7)
    values = []
    for _ in range(DRAWS):
        rows = np.concatenate([rows_of[i] for i in random.integers(len(rows_of), size=len(rows_of))])
        if 0 < labels[rows].sum() < len(rows):
            values.append(roc_auc_score(labels[rows], scores[rows]))
    low, high = np.percentile(values, [2.5, 97.5])
    return f"{value:.3f} ({low:.3f}-{high:.3f})"


def _one_hot(patients: pd.Series) -> np.ndarray:
    codes = np.asarray(pd.factorize(patients)[0])
    of_patient: np.ndarray = codes[None, :] == np.arange(codes.max() + 1)[:, None]
    return of_patient


def proportion(hits: int, count: int) -> str:
    """A proportion with its Clopper-Pearson interval: "12/14, 0.86 (0.57-0.98)"."""
    if not count:
        return "none"
    low, high = _clopper_pearson(hits, count)
    return f"{hits}/{count}, {hits / count:.2f} ({low:.2f}-{high:.2f})"


def _clopper_pearson(hits: int, count: int) -> tuple[float, float]:
    """The exact 95% interval of a proportion (Clopper and Pearson 1934)."""
    low = float(beta.ppf(0.025, hits, count - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, count - hits)) if hits < count else 1.0
    return low, high


def clustered_proportion(hit: pd.Series, patients: pd.Series) -> str:
    """A proportion of slices; the interval resamples patients, because slices of one patient are alike."""
    if not len(hit):
        return "none"
    sums = hit.groupby(patients).agg(["sum", "size"]).to_numpy(float)
    if hit.all() or not hit.any():  # every draw would be the same: the interval is that of as many patients
        low, high = _clopper_pearson(len(sums) if hit.all() else 0, len(sums))
    else:
        random = np.random.default_rng(7)
        draws = sums[random.integers(len(sums), size=(DRAWS, len(sums)))].sum(axis=1)
        low, high = np.percentile(draws[:, 0] / draws[:, 1], [2.5, 97.5])
    return f"{int(hit.sum())}/{len(hit)}, {hit.mean():.2f} ({low:.2f}-{high:.2f})"


def patients(table: pd.DataFrame, finding: str) -> str:
    """How many patients have the finding, of how many whose label is known: "36 of 79"."""
    known = table[table[f"label_{finding}"] >= 0]
    positive = known[known[f"label_{finding}"] == 1]["patient"].nunique()
    return f"{positive} of {known['patient'].nunique()}"
