"""Figures of the model card as text, each with its 95% interval and the patients behind it."""

from __future__ import annotations

import pandas as pd

from hemoscope.evaluation.statistics.bootstrap import Draws
from hemoscope.evaluation.statistics.clustered import auc_clustered, clustered_proportion
from hemoscope.evaluation.statistics.proportions import clopper_pearson


def auc(table: pd.DataFrame, finding: str) -> str:
    """ROC AUC of a finding, its interval from draws of patients: "0.93 (0.90 to 0.95)", or why there is none."""
    known = table[table[f"label_{finding}"] >= 0]
    draws = Draws.of(known["patient"].to_numpy())
    return auc_clustered(known[f"label_{finding}"].to_numpy(), known[finding].to_numpy(), draws.codes, draws).text()


def proportion(hit: pd.Series, patients: pd.Series) -> str:
    """A proportion with its interval: "12/14, 0.86 (0.57 to 0.98)".

    Clopper-Pearson where each case is of another patient; else patients are drawn, because slices of one are alike.
    """
    if not len(hit):
        return "none"
    hits = int(hit.sum())
    if patients.is_unique:
        return f"{hits}/{len(hit)}, {clopper_pearson(hits, len(hit)).text(2)}"
    draws = Draws.of(patients.to_numpy())
    return f"{hits}/{len(hit)}, {clustered_proportion(hit.to_numpy(bool), draws.codes, draws).text(2)}"


def patients(table: pd.DataFrame, finding: str) -> str:
    """How many patients have the finding, of how many whose label is known: "36 of 79"."""
    known = table[table[f"label_{finding}"] >= 0]
    positive = known[known[f"label_{finding}"] == 1]["patient"].nunique()
    return f"{positive} of {known['patient'].nunique()}"
