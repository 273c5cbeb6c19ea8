"""From the probabilities of slices to a score of their scan, where no network over the scan gives one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MAXIMUM = "maximum"
TOP = 3  # slices of which the mean is taken
CERTAIN = 0.8  # a slice above it is counted (Cortes-Ferre 2021, section 3)
SHARES = (0.05, 0.10)  # of such slices from which on a scan is positive
SHARE = f"share of slices above {CERTAIN}"

Slices = NDArray[np.float64]  # (N, findings), NaN where not scored
Scans = NDArray[np.int64]  # (N,) the number of the scan of each slice


def maximum(slices: Slices, scans: Scans) -> NDArray[np.float64]:
    """The highest probability of each scan (Patel 2019, section IV-A)."""
    return np.asarray(_by_scan(slices, scans).max(), np.float64)


def percentile_95(slices: Slices, scans: Scans) -> NDArray[np.float64]:
    """The 95th percentile of each scan, interpolated linearly (Patel 2019, section IV-A)."""
    return np.asarray(_by_scan(slices, scans).quantile(0.95), np.float64)


def mean_of_top(slices: Slices, scans: Scans) -> NDArray[np.float64]:
    """The mean of the TOP highest probabilities of each scan, of all where it has fewer."""
    columns = []
    for column in slices.T:
        order = np.lexsort([-column, scans])  # NaN last in each scan
        table = pd.DataFrame({"scan": scans[order], "value": column[order]})
        top = table.groupby("scan").head(TOP)
        columns.append(top.groupby("scan")["value"].mean().to_numpy(np.float64))
    return np.stack(columns, axis=1)


def share_above(slices: Slices, scans: Scans) -> NDArray[np.float64]:
    """The share of each scan's slices above CERTAIN, to be held against SHARES (Cortes-Ferre 2021, section 3)."""
    above = np.where(np.isnan(slices), np.nan, slices > CERTAIN)
    return np.asarray(_by_scan(above, scans).mean(), np.float64)


# Name to print: the rule. Each takes slices (N, findings) and their scans, numbered from 0 without gaps, and gives
# (scans, findings), NaN where no slice is scored.
RULES: Mapping[str, Callable[[Slices, Scans], NDArray[np.float64]]] = {
    MAXIMUM: maximum,
    "95th percentile": percentile_95,
    f"mean of the top {TOP}": mean_of_top,
    SHARE: share_above,
}


def _by_scan(slices: Slices, scans: Scans) -> pd.api.typing.DataFrameGroupBy:
    return pd.DataFrame(slices).groupby(scans, sort=True)
