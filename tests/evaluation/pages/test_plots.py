"""Figures show the curves that there are, and say why a panel is empty."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_cases import NAN, cases_of, random_cases
from sklearn.metrics import roc_auc_score

from hemoscope.datasets.description.plots import image_of
from hemoscope.evaluation.measures.measures import Measured
from hemoscope.evaluation.pages.plots import precision_recall, reliability, roc
from hemoscope.evaluation.statistics.bootstrap import Draws
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.findings import FINDINGS

COUNT = 20


def areas(cases, draws):
    return [Measured.of(cases, finding, draws).auc() for finding in range(6)]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def legend(axes):
    found = axes.get_legend()
    return [found.get_title().get_text(), *(text.get_text() for text in found.get_texts())]


@pytest.fixture(scope="module")
def one():
    cases = random_cases(60, 30, "slice")
    draws = Draws.of(cases.patients, COUNT)
    return cases, draws, areas(cases, draws)


def test_each_finding_has_a_panel_in_its_colour_with_its_area_and_counts(one) -> None:
    cases, draws, found = one
    figure = roc({"": cases}, draws, {"": found}, {"any": 0.5})
    for finding, axes in enumerate(figure.axes):
        labels, scores = cases.labels[:, finding], cases.probabilities[:, finding]
        assert axes.get_title(loc="left") == f"{FINDINGS[finding].name.capitalize()} ({FINDINGS[finding].abbreviation})"
        counted, said = legend(axes)
        assert counted.startswith(f"{labels.sum()} of 60 positive, ")
        assert counted.endswith(" of 30 patients")
        assert said.startswith(f"AUC {roc_auc_score(labels, scores):.2f} (")
        (curve,) = [line for line in axes.lines if line.get_label() == said]
        assert curve.get_color() == FINDINGS[finding].colour
        assert np.trapezoid(curve.get_ydata(), curve.get_xdata()) == pytest.approx(roc_auc_score(labels, scores))
        assert len(axes.collections) == 1  # the band


def test_the_dot_is_the_operating_point(one) -> None:
    cases, draws, found = one
    axes = roc({"": cases}, draws, {"": found}, {"any": 0.5}).axes[5]
    (dot,) = [line for line in axes.lines if line.get_marker() == "o"]
    positive = cases.labels[:, 5] == 1
    called = cases.probabilities[:, 5] >= 0.5
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (called[~positive].mean(), called[positive].mean())


def test_precision_recall_has_the_prevalence_and_the_area_of_the_average_precision(one) -> None:
    cases, draws, _ = one
    precisions = [Measured.of(cases, finding, draws).average_precision() for finding in range(6)]
    axes = precision_recall({"": cases}, draws, {"": precisions}).axes[2]
    said = legend(axes)[1]
    (curve,) = [line for line in axes.lines if line.get_label() == said]
    recalls, values = curve.get_xdata(), curve.get_ydata()
    assert (np.diff(recalls) * values[1:]).sum() == pytest.approx(precisions[2].value)
    assert any((line.get_ydata() == cases.labels[:, 2].mean()).all() for line in axes.lines)


def test_reliability_shows_the_bins(one) -> None:
    cases, draws, _ = one
    axes = reliability({"": cases}, draws).axes[0]
    (curve,) = [line for line in axes.lines if line.get_marker() == "o"]
    assert len(curve.get_xdata()) == 10
    assert legend(axes)[1].startswith("Brier 0.")


@pytest.mark.parametrize(
    ("labels", "scores", "why"),
    [([0, 0], [0.1, 0.2], "no positives"), ([1, 1], [0.1, 0.2], "no negatives"), ([1, 0], [NAN, NAN], "not scored"),
     ([-1, -1], [0.1, 0.2], "no cases")],
)  # fmt: skip
def test_an_empty_panel_says_why(labels, scores, why) -> None:
    cases = cases_of(3, labels, scores, "ab")
    draws = Draws.of(cases.patients, COUNT)
    none = [Estimate.none("not looked at")] * 6
    for figure in (
        roc({"": cases}, draws, {"": none}), precision_recall({"": cases}, draws, {"": none}),
        reliability({"": cases}, draws),
    ):  # fmt: skip
        assert texts(figure.axes[3]) == [why]
        assert texts(figure.axes[0]) == ["not scored"]
        assert figure.axes[3].get_legend() is None


def test_few_patients_have_a_curve_without_a_band() -> None:
    cases = cases_of(5, [1, 0, 1, 0], [0.9, 0.2, 0.4, 0.5], "abcd")
    draws = Draws.of(cases.patients, COUNT)
    axes = roc({"": cases}, draws, {"": areas(cases, draws)}).axes[5]
    assert legend(axes)[1] == "AUC 0.75, no interval"
    assert not axes.collections


def test_several_systems_share_a_panel_and_one_may_not_score_it(one) -> None:
    cases, draws, found = one
    probabilities = cases.probabilities.copy()
    probabilities[:, 0] = NAN
    other = replace(cases, probabilities=probabilities)
    figure = roc({"a": cases, "b": other}, draws, {"a": found, "b": areas(other, draws)})
    assert legend(figure.axes[0])[2] == "b: not scored"
    lines = {line.get_label(): line for line in figure.axes[1].lines}
    colours = {line.get_color() for label, line in lines.items() if label[:2] in ("a:", "b:")}
    assert len(colours) == 2


def test_the_same_figure_is_the_same_file(one) -> None:
    cases, draws, found = one
    first, second = (image_of(roc({"": cases}, draws, {"": found}), "svg") for _ in range(2))
    assert first == second
    assert first.startswith(b"<?xml")
