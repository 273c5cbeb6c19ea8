"""Scans whose score is a rule over the probabilities of their slices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from hemoscope.evaluation.matching.cases import Cases
from hemoscope.evaluation.matching.scored import Rule


def scans_of_slices(slices: Cases, scans: Cases, rule: Rule) -> Cases:
    """Those of the scans that have predicted slices, with a score from these; what is true of them stays.

    Slices of none of the scans do not count: a loose slice is no scan.
    """
    places = pd.Index(scans.names).get_indexer(pd.Index(slices.scans))
    there = places >= 0
    rows, of_scan = np.unique(places[there], return_inverse=True)
    return replace(scans.take(rows), probabilities=rule(slices.probabilities[there], of_scan))
