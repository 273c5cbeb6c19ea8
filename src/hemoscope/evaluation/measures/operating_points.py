"""Thresholds on probabilities: fixed ones, and those chosen on validation cases to be applied to others."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.metrics import roc_curve

from hemoscope.evaluation.matching.cases import Cases
from hemoscope.evaluation.statistics.roc import NO_NEGATIVES, NO_POSITIVES, Labels, Scores, missing_class
from hemoscope.findings import FINDING_NAMES

FIXED = (0.5, 0.7, 0.9)  # those of Cortes-Ferre 2021, Table 1


@dataclass(frozen=True)
class Threshold:
    """A case is called positive where its probability is at least `value`; None where there is none, and why."""

    value: float | None
    blank: str = ""


@dataclass(frozen=True)
class OperatingPoint:
    """A rule, and the threshold that it gives for each of the six findings."""

    name: str
    thresholds: tuple[Threshold, ...]

    @classmethod
    def fixed(cls, threshold: float) -> OperatingPoint:
        """The same threshold for every finding."""
        return cls(f"fixed {threshold:g}", (Threshold(threshold),) * len(FINDING_NAMES))


def chosen_points(validation: Cases, sensitivity: float, specificity: float) -> tuple[OperatingPoint, ...]:
    """Youden's point, and those of at least a sensitivity and at least a specificity on the validation cases."""
    rules: tuple[tuple[str, Callable[[Labels, Scores], Threshold]], ...] = (
        ("Youden", youden),
        (f"sensitivity at least {sensitivity:g}", partial(sensitive, least=sensitivity)),
        (f"specificity at least {specificity:g}", partial(specific, least=specificity)),
    )
    findings = range(len(FINDING_NAMES))
    return tuple(
        OperatingPoint(name, tuple(threshold_of(rule, validation, finding) for finding in findings))
        for name, rule in rules
    )


def youden(labels: Labels, scores: Scores) -> Threshold:
    """The threshold of the largest sensitivity + specificity - 1 (Youden 1950), the highest of several.

    labels: (N,) 0 or 1; scores: (N,) without NaN.
    """
    if why := missing_class(labels):
        return Threshold(None, why)
    false_positive_rate, true_positive_rate, thresholds = roc_curve(labels, scores, drop_intermediate=False)
    best = int(np.argmax(np.round(true_positive_rate - false_positive_rate, 12)))
    if not math.isfinite(thresholds[best]):
        return Threshold(None, "no threshold is better than chance")
    return Threshold(float(thresholds[best]))


def sensitive(labels: Labels, scores: Scores, least: float) -> Threshold:
    """The highest threshold with at least this sensitivity, in (0, 1]."""
    positives = np.sort(scores[labels == 1])[::-1]
    if not len(positives):
        return Threshold(None, NO_POSITIVES)
    return Threshold(float(positives[_at_least(least, len(positives)) - 1]))


def specific(labels: Labels, scores: Scores, least: float) -> Threshold:
    """The lowest threshold with at least this specificity, in (0, 1]: just above the score of a negative case."""
    negatives = np.sort(scores[labels == 0])
    if not len(negatives):
        return Threshold(None, NO_NEGATIVES)
    return Threshold(float(np.nextafter(negatives[_at_least(least, len(negatives)) - 1], np.inf)))


def _at_least(share: float, count: int) -> int:
    """The smallest number that is at least this share of `count`; 0.7 * 10 is 7.000000000000001."""
    return math.ceil(round(share * count, 9))


def threshold_of(rule: Callable[[Labels, Scores], Threshold], cases: Cases, finding: int) -> Threshold:
    """What a rule chooses on the cases of a finding whose label is known and that were scored."""
    there = cases.measured(finding)
    return rule(cases.labels[there, finding], cases.probabilities[there, finding])
