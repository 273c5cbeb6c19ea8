from __future__ import annotations

import math

import pytest

from hemoscope.evaluation.statistics.difference import Difference
from hemoscope.evaluation.statistics.estimate import Estimate


@pytest.mark.parametrize("p_value", [-0.1, 1.1, math.nan])
def test_what_is_no_p_value_is_refused(p_value):
    with pytest.raises(ValueError, match="p-value"):
        Difference(Estimate(0.1, 0.0, 0.2), p_value, "test")


def test_a_missing_p_value_says_why():
    with pytest.raises(ValueError, match="says why"):
        Difference(Estimate(0.1, 0.0, 0.2), None, "test")


def test_a_statistic_is_finite():
    with pytest.raises(ValueError, match="statistic"):
        Difference(Estimate(0.1, 0.0, 0.2), 0.5, "test", math.inf)
