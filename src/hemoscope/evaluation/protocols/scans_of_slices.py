"""Scans whose score is a rule over the probabilities of their slices."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hemoscope.evaluation.matching.cases import UNKNOWN, Cases
from hemoscope.evaluation.matching.scored import Rule


def scans_of_slices(slices: Cases, scans: Cases | None, rule: Rule) -> Cases:
    """A case a scan, in the order of their names.

    Its labels are those in `scans`; where these are unknown, a scan is positive when a slice is, and never negative:
    slices may be missing. Without `scans` it is negative when all its slices are (Cortes-Ferre 2021, section 4.3).
    """
    codes, names = pd.factorize(slices.scans, sort=True)
    first = np.unique(codes, return_index=True)[1]
    labels = pd.DataFrame(slices.labels).groupby(codes)
    found = np.where(labels.max() == 1, 1, np.where(labels.min() == UNKNOWN, UNKNOWN, 0)).astype(np.int8)
    if scans is not None:
        own = pd.Index(scans.names).get_indexer(pd.Index(names))
        known = np.where((own >= 0)[:, None], scans.labels[own], UNKNOWN)
        found = np.where(known == UNKNOWN, np.where(found == 1, 1, UNKNOWN), known).astype(np.int8)
    about = slices.about.iloc[first].reset_index(drop=True)
    scores = rule(slices.probabilities, np.asarray(codes, np.int64))
    return Cases("scan", np.asarray(names), slices.patients[first], np.asarray(names), found, scores, about)
