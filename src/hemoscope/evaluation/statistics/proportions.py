"""A proportion of independent units (patients, or scans with one a patient) with its 95% interval."""

from __future__ import annotations

from statsmodels.stats.proportion import proportion_confint

from hemoscope.evaluation.statistics.estimate import Estimate

LEVEL = 0.95  # of every interval


def wilson(hits: int, count: int) -> Estimate:
    """Score interval (Wilson 1927)."""
    return _interval(hits, count, "wilson", "Wilson")


def clopper_pearson(hits: int, count: int) -> Estimate:
    """Exact interval from the binomial distribution (Clopper and Pearson 1934)."""
    return _interval(hits, count, "beta", "Clopper-Pearson")


def _interval(hits: int, count: int, method: str, name: str) -> Estimate:
    if not 0 <= hits <= count:
        raise ValueError(f"{hits} of {count} is no proportion")
    if not count:
        return Estimate.none("no cases")
    low, high = proportion_confint(hits, count, alpha=1 - LEVEL, method=method)
    # The bound on the side of certainty is exact; rounding would leave it beside 0 or 1
    return Estimate(
        hits / count, 0.0 if not hits else float(low), 1.0 if hits == count else float(high), f"{name}, 95%"
    )
