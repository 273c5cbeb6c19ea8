"""Areas, means and proportions whose intervals resample patients; patients are (N,) as `Draws.codes` numbers them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemoscope.evaluation.statistics.bootstrap import (
    METHOD,
    Draws,
    Patients,
    count_patients,
    difference,
    interval,
    quotients,
    too_few,
)
from hemoscope.evaluation.statistics.difference import Difference
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.evaluation.statistics.proportions import clopper_pearson
from hemoscope.evaluation.statistics.ranking import Ranking
from hemoscope.evaluation.statistics.roc import Labels, Scores, check, missing_class

ON_PATIENTS = "Clopper-Pearson on patients, 95%"
Area = Callable[[Ranking, NDArray[np.float64]], NDArray[np.float64]]  # weights (patients, draws) -> (draws[, columns])


def auc_clustered(labels: Labels, scores: Scores, patients: Patients, draws: Draws) -> Estimate:
    """Area under the ROC curve of labels and scores, both (N,)."""
    return _areas(Ranking.auc, 1, labels, scores, patients, draws)[0]


def average_precision_clustered(labels: Labels, scores: Scores, patients: Patients, draws: Draws) -> Estimate:
    """Average precision of labels and scores, both (N,)."""
    return _areas(Ranking.average_precision, 1, labels, scores, patients, draws)[0]


def areas_clustered(labels: Labels, scores: Scores, patients: Patients, draws: Draws) -> tuple[Estimate, Estimate]:
    """Both of labels and scores, (N,): the area under the ROC curve and the average precision."""
    auc, precision = _areas(Ranking.areas, 2, labels, scores, patients, draws)
    return auc, precision


def auc_difference(labels: Labels, a: Scores, b: Scores, patients: Patients, draws: Draws) -> Difference:
    """Area under the ROC curve of a minus that of b on the same rows; labels, a and b are (N,)."""
    return _area_difference(Ranking.auc, labels, (a, b), patients, draws)


def average_precision_difference(labels: Labels, a: Scores, b: Scores, patients: Patients, draws: Draws) -> Difference:
    """Average precision of a minus that of b on the same rows; labels, a and b are (N,)."""
    return _area_difference(Ranking.average_precision, labels, (a, b), patients, draws)


def clustered_mean(values: NDArray[Any], patients: Patients, draws: Draws) -> Estimate:
    """Mean of values (N,), a loss for example."""
    if not len(values):
        return Estimate.none("no cases")
    value = float(np.mean(values))
    if why := too_few(patients, "to resample"):
        return Estimate(value, blank=why)
    return interval(value, _means(values, patients, draws))


def clustered_proportion(hits: NDArray[np.bool_], patients: Patients, draws: Draws) -> Estimate:
    """Proportion of hits (N,); where all hit, or none, the interval is that of as many patients."""
    if not len(hits):
        return Estimate.none("no cases")
    if hits.all() or not hits.any():
        return on_patients(bool(hits.all()), patients)
    return clustered_mean(hits, patients, draws)


def mean_difference(a: NDArray[Any], b: NDArray[Any], patients: Patients, draws: Draws) -> Difference:
    """Mean of a minus mean of b, values (N,) of two systems on the same rows; of hits, a difference of proportions."""
    if not len(a):
        return Difference.none("no cases", METHOD)
    values = np.asarray(a, np.float64) - b
    value = float(values.mean())
    if why := too_few(patients, "to resample"):
        return Difference(Estimate(value, blank=why), None, METHOD)
    return difference(value, _means(values, patients, draws))


def on_patients(all_hit: bool, patients: Patients) -> Estimate:
    """1, or 0, with the interval of as many independent units as there are patients: every draw would be the same."""
    count = count_patients(patients)
    exact = clopper_pearson(count if all_hit else 0, count)
    return Estimate(exact.value, exact.low, exact.high, ON_PATIENTS)


def _means(values: NDArray[Any], patients: Patients, draws: Draws) -> NDArray[np.float64]:
    sums = draws.sums(np.column_stack([values, np.ones(len(values))]), patients)
    return quotients(sums[:, 0], sums[:, 1])


def _areas(area: Area, count: int, labels: Labels, scores: Scores, patients: Patients, draws: Draws) -> list[Estimate]:
    """As many estimates as `area` has columns."""
    check(labels, scores)
    if why := missing_class(labels):
        return [Estimate.none(why)] * count
    ranking = Ranking.of(labels, scores, patients, len(draws.names))
    values = _whole(area, ranking)
    if why := _too_few_of_class(labels, patients):
        return [Estimate(float(value), blank=why) for value in values]
    drawn = draws.map(lambda weights: area(ranking, weights)).reshape(-1, count)
    return [interval(float(value), column) for value, column in zip(values, drawn.T, strict=True)]


def _area_difference(
    area: Area, labels: Labels, scores: tuple[Scores, Scores], patients: Patients, draws: Draws
) -> Difference:
    for system in scores:
        check(labels, system)
    if why := missing_class(labels):
        return Difference.none(why, METHOD)
    a, b = (Ranking.of(labels, system, patients, len(draws.names)) for system in scores)
    value = float((_whole(area, a) - _whole(area, b))[0])
    if why := _too_few_of_class(labels, patients):
        return Difference(Estimate(value, blank=why), None, METHOD)
    return difference(value, draws.map(lambda weights: area(a, weights) - area(b, weights)))


def _whole(area: Area, ranking: Ranking) -> NDArray[np.float64]:
    """The areas (columns,) where every patient counts once."""
    return area(ranking, np.ones((ranking.positives.shape[1], 1))).ravel()


def _too_few_of_class(labels: Labels, patients: Patients) -> str:
    return too_few(patients[labels == 1], "with positives") or too_few(patients[labels == 0], "with negatives")
