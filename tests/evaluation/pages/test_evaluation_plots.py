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


def test_two_systems_share_a_panel_and_one_may_not_score_it(one) -> None:
    cases, draws, found = one
    probabilities = cases.probabilities.copy()
    probabilities[:, 0] = NAN
    other = replace(cases, probabilities=probabilities)
    figure = roc({"a": cases, "b": other}, draws, {"a": found, "b": areas(other, draws)})
    assert legend(figure.axes[0])[2] == "not scored"
    assert [said[:4] for said in legend(figure.axes[1])[1:]] == ["AUC ", "AUC "]
    assert len({line.get_color() for line in figure.axes[1].lines if line.get_label().startswith("AUC ")}) == 2
    assert len(figure.axes[1].collections) == 2  # a band each


NAMES = ["default_0.1.0", "_hidden", "with_$money$_in_it", "trial_ye2019_two_type_sub_lab", "e", "f", "g"]


@pytest.fixture(scope="module")
def seven(one):
    """A figure of seven systems, the last of which does not score the first finding."""
    cases, draws, found = one
    probabilities = cases.probabilities.copy()
    probabilities[:, 0] = NAN
    systems = {**dict.fromkeys(NAMES[:-1], cases), NAMES[-1]: replace(cases, probabilities=probabilities)}
    return roc(systems, draws, dict.fromkeys(NAMES, found))


@pytest.mark.filterwarnings("error")
def test_many_systems_are_named_in_full_once_below_the_figure(seven) -> None:
    (below,) = seven.legends
    assert [text.get_text() for text in below.get_texts()] == NAMES
    looks = [(line.get_color(), line.get_linestyle()) for line in below.get_lines()]
    assert len(set(looks)) == len(NAMES)
    seven.draw_without_rendering()
    assert below.get_window_extent().y1 <= min(axes.get_tightbbox().y0 for axes in seven.axes)
    assert below.get_window_extent().width <= seven.bbox.width


def test_a_system_looks_the_same_in_every_panel_and_below(seven) -> None:
    below = [(line.get_color(), line.get_linewidth()) for line in seven.legends[0].get_lines()]
    for axes in seven.axes[1:]:
        curves = [line for line in axes.lines if line.get_label().startswith("AUC ")]
        assert [(line.get_color(), line.get_linewidth()) for line in curves] == below


def test_of_many_systems_panels_say_only_the_counts(seven) -> None:
    cut, whole = (legend(axes) for axes in seven.axes[:2])
    assert cut[0].endswith(" of 30 patients\ncurves of 6 of 7 systems")
    assert whole[0].endswith(" of 30 patients")
    assert cut[1:] == whole[1:] == []
    assert not seven.axes[1].collections  # bands would hide the curves


@pytest.mark.parametrize("count", [1, 2, 7])
def test_nothing_is_written_over_curves_or_titles(one, count) -> None:
    cases, draws, found = one
    systems = dict.fromkeys(NAMES[:count], cases)
    figures = [roc(systems, draws, dict.fromkeys(systems, found))]
    if count == 1:
        figures.append(reliability(systems, draws))
    for figure in figures:
        figure.draw_without_rendering()
        for axes in figure.axes:
            above = axes.get_legend().get_window_extent()
            assert axes.bbox.y1 <= above.y0
            assert above.y1 <= axes._left_title.get_window_extent().y0
            assert above.x1 <= axes.bbox.x1 + 1


def test_the_reliability_figure_says_what_its_bins_may_hide(one) -> None:
    cases, draws, _ = one
    said = reliability({"": cases}, draws).get_supxlabel()
    assert "equal numbers of cases" in said
    assert "PPV at 0.7 and 0.9" in said


def test_the_same_figure_is_the_same_file(one) -> None:
    cases, draws, found = one
    first, second = (image_of(roc({"": cases}, draws, {"": found}), "svg") for _ in range(2))
    assert first == second
    assert first.startswith(b"<?xml")
