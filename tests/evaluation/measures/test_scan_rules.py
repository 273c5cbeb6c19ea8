"""Rules from slices to scans, against NumPy scan by scan on real predictions."""

from __future__ import annotations

import numpy as np
import pytest
from evaluation_data import NAMES, held_out

from hemoscope.evaluation.measures.scan_rules import MAXIMUM, RULES, SHARE, share_above

ONE_BY_ONE = {
    MAXIMUM: lambda values: values.max(),
    "95th percentile": lambda values: np.percentile(values, 95),
    "mean of the top 3": lambda values: np.sort(values)[-3:].mean(),
    SHARE: lambda values: (values > 0.8).mean(),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_gives_what_numpy_gives_scan_by_scan(rule):
    table = held_out()
    names, scans = np.unique(table["scan"].to_numpy(str), return_inverse=True)
    probabilities = table[NAMES].to_numpy().copy()
    probabilities[::7, 2] = np.nan  # slices that a system does not score
    probabilities[scans == 3] = np.nan
    found = RULES[rule](probabilities, scans)
    assert found.shape == (len(names), 6)
    for scan in range(len(names)):
        for finding in range(6):
            values = probabilities[scans == scan, finding]
            values = values[~np.isnan(values)]
            expected = ONE_BY_ONE[rule](values) if len(values) else np.nan
            assert found[scan, finding] == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_at_least_ten_percent_of_thirty_slices_are_three():
    # the example of Cortes-Ferre 2021, section 3: of 30 slices three, of 40 four
    scans = np.repeat([0, 1, 2, 3], [30, 30, 40, 40])
    above = np.concatenate([np.arange(n) < hits for n, hits in ((30, 3), (30, 2), (40, 4), (40, 3))])
    share = share_above(np.where(above, 0.81, 0.8)[:, None], scans)[:, 0]
    assert (share >= 0.10).tolist() == [True, False, True, False]
