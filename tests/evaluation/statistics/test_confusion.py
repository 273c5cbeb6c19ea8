from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn import metrics

from hemoscope.evaluation.statistics.bootstrap import Draws
from hemoscope.evaluation.statistics.confusion import MEASURES, ClusteredCounts, Counts
from hemoscope.evaluation.statistics.proportions import clopper_pearson, wilson

RANDOM = np.random.default_rng(5)
PATIENTS = np.repeat(np.arange(25), 12)
LABELS = (np.repeat(RANDOM.normal(size=25), 12) + RANDOM.normal(size=300) > 0.7).astype(int)
CALLS = LABELS + RANDOM.normal(size=300) > 0.6
# Scott et al. 2008, table 1, as the documentation of `epi.tests` in R's epiR has it
SCOTT = Counts(tp=670, fp=202, tn=640, fn=74)


@pytest.mark.parametrize(
    ("measure", "printed"),
    [
        ("prevalence", "0.47 (0.44 to 0.49)"),
        ("sensitivity", "0.90 (0.88 to 0.92)"),
        ("specificity", "0.76 (0.73 to 0.79)"),
        ("ppv", "0.77 (0.74 to 0.80)"),
        ("npv", "0.90 (0.87 to 0.92)"),
    ],
)
def test_exact_intervals_of_epir(measure, printed):
    assert SCOTT.estimate(measure).text(2) == printed


def test_counts_and_measures_of_scikit_learn():
    counts = Counts.of(LABELS, CALLS)
    tn, fp, fn, tp = metrics.confusion_matrix(LABELS, CALLS).ravel()
    assert counts == Counts(tp, fp, tn, fn)
    assert (counts.positives, counts.negatives) == (LABELS.sum(), 300 - LABELS.sum())
    expected = {
        "sensitivity": metrics.recall_score(LABELS, CALLS),
        "specificity": metrics.recall_score(LABELS, CALLS, pos_label=0),
        "ppv": metrics.precision_score(LABELS, CALLS),
        "npv": metrics.precision_score(LABELS, CALLS, pos_label=0),
        "accuracy": metrics.accuracy_score(LABELS, CALLS),
        "f1": metrics.f1_score(LABELS, CALLS),
        "prevalence": LABELS.mean(),
    }
    assert {measure: counts.estimate(measure).value for measure in MEASURES} == pytest.approx(expected)


@pytest.mark.parametrize("interval", [clopper_pearson, wilson])
def test_interval_is_the_one_asked_for(interval):
    assert SCOTT.estimate("sensitivity", interval) == interval(670, 744)


@pytest.mark.parametrize(
    ("counts", "measure", "why"),
    [
        (Counts(0, 1, 1, 0), "sensitivity", "no positives"),
        (Counts(1, 0, 0, 1), "specificity", "no negatives"),
        (Counts(0, 0, 1, 1), "ppv", "none called positive"),
        (Counts(1, 1, 0, 0), "npv", "none called negative"),
        (Counts(0, 0, 5, 0), "f1", "no positives, and none called positive"),
        (Counts(0, 0, 0, 0), "accuracy", "no cases"),
        (Counts(0, 0, 0, 0), "prevalence", "no cases"),
    ],
)
def test_a_share_of_nothing_is_blank(counts, measure, why):
    assert (counts.estimate(measure).value, counts.estimate(measure).blank) == (None, why)


def test_interval_of_f1_is_that_of_a_share():
    """F1 rises with TP / (TP + FP + FN), which is a proportion."""
    share = clopper_pearson(670, 670 + 202 + 74)
    found = SCOTT.estimate("f1")
    assert found.value == pytest.approx(2 * 670 / (2 * 670 + 202 + 74))
    assert (found.low, found.high) == pytest.approx(tuple(2 * x / (1 + x) for x in (share.low, share.high)))


def test_interval_of_f1_covers_the_truth_as_often_as_it_says():
    cells = np.array([0.2, 0.1, 0.65, 0.05])  # tp, fp, tn, fn
    truth = 0.4 / (0.4 + 0.15)
    estimates = [Counts(*table.tolist()).estimate("f1", wilson) for table in RANDOM.multinomial(150, cells, size=1000)]
    assert 930 <= sum(one.low <= truth <= one.high for one in estimates) <= 970


@pytest.mark.parametrize("labels", [[0, 1, -1], [0, 1]])
def test_unknown_labels_and_other_lengths_are_refused(labels):
    with pytest.raises(ValueError, match="labels"):
        Counts.of(np.array(labels), np.array([True, False, True]))


def predictive(measure, sensitivity, specificity, prevalence):
    """Bayes' rule, written out by itself."""
    if measure == "ppv":
        right, wrong = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    else:
        right, wrong = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    return right / (right + wrong)


# The table of Mercaldo, Lau and Zhou (2007), table VIII: ApoE4 in Alzheimer's disease
APOE = Counts(tp=240, fp=87, tn=288, fn=178)


@pytest.mark.parametrize("measure", ["ppv", "npv"])
@pytest.mark.parametrize("prevalence", [0.03, 0.1, 0.5])
def test_interval_at_a_prevalence_is_that_of_the_delta_method(measure, prevalence):
    found = APOE.at_prevalence(measure, prevalence)
    se, sp, step = 240 / 418, 288 / 375, 1e-6
    assert found.value == pytest.approx(predictive(measure, se, sp, prevalence))
    slopes = [
        (logit(predictive(measure, se + a, sp + b, prevalence)) - logit(found.value)) / step
        for a, b in ((step, 0), (0, step))
    ]
    error = np.sqrt(slopes[0] ** 2 * se * (1 - se) / 418 + slopes[1] ** 2 * sp * (1 - sp) / 375)
    expected = expit(logit(found.value) + np.array([-1, 1]) * 1.959964 * error)
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=1e-6)


def test_at_the_prevalence_of_the_cases_predictive_values_are_the_plain_ones():
    for measure in ("ppv", "npv"):
        at = SCOTT.at_prevalence(measure, 744 / 1586)
        assert at.value == pytest.approx(SCOTT.estimate(measure).value)


@pytest.mark.parametrize(
    ("counts", "value", "why"),
    [
        (Counts(0, 5, 5, 0), None, "no positives"),
        (Counts(5, 0, 0, 5), None, "no negatives"),
        (Counts(0, 0, 5, 5), None, "none called positive"),
        (Counts(5, 0, 5, 5), 1.0, "no interval: TP, FP, TN or FN is 0"),
    ],
)
def test_predictive_values_that_do_not_exist_say_why(counts, value, why):
    found = counts.at_prevalence("ppv", 0.1)
    assert (found.value, found.low, found.blank) == (value, None, why)


@pytest.mark.parametrize("prevalence", [0, 1, 3])
def test_a_prevalence_is_a_share(prevalence):
    with pytest.raises(ValueError, match="prevalence"):
        SCOTT.at_prevalence("ppv", prevalence)


def test_clustered_intervals_are_those_of_the_plain_loop():
    draws = Draws.of(PATIENTS, count=200)
    clustered = ClusteredCounts.of(LABELS, CALLS, draws.codes, draws)
    drawn = []
    for weights in draws.weights:
        rows = np.repeat(np.arange(300), weights[PATIENTS])
        drawn.append(Counts.of(LABELS[rows], CALLS[rows]))
    for measure in MEASURES:
        found = clustered.estimate(measure)
        values = [counts.estimate(measure).value for counts in drawn]
        assert found.value == clustered.counts.estimate(measure).value
        assert (found.low, found.high) == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])))
    for measure in ("ppv", "npv"):
        values = [counts.at_prevalence(measure, 0.03).value for counts in drawn]
        found = clustered.at_prevalence(measure, 0.03)
        assert (found.low, found.high) == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])))


def test_where_all_hit_the_interval_is_that_of_as_many_patients():
    draws = Draws.of(PATIENTS)
    found = ClusteredCounts.of(LABELS, LABELS == 1, draws.codes, draws)
    positive = len(np.unique(PATIENTS[LABELS == 1]))
    exact = clopper_pearson(positive, positive)
    sensitivity = found.estimate("sensitivity")
    assert (sensitivity.value, sensitivity.low, sensitivity.high) == (1, exact.low, 1)
    assert sensitivity.method == "Clopper-Pearson on patients, 95%"
    f1 = found.estimate("f1")
    assert (f1.value, f1.low, f1.high) == pytest.approx((1, 2 * exact.low / (1 + exact.low), 1))
    assert found.at_prevalence("ppv", 0.03).blank == "no interval: TP, FP, TN or FN is 0"


def test_at_a_prevalence_an_empty_cell_gives_no_interval_of_draws():
    """Of none of the positives called, a sensitivity of 0 in every draw would make the NPV look certain."""
    draws = Draws.of(PATIENTS)
    found = ClusteredCounts.of(LABELS, CALLS & (LABELS == 0), draws.codes, draws)
    assert found.counts.tp == 0 < min(found.counts.fp, found.counts.tn, found.counts.fn)
    npv = found.at_prevalence("npv", 0.03)
    assert npv == found.counts.at_prevalence("npv", 0.03)
    assert (npv.low, npv.high, npv.blank) == (None, None, "no interval: TP, FP, TN or FN is 0")


def test_too_few_patients_give_no_interval():
    labels, calls = np.array([1, 1, 1, 0] * 5), np.array([True, False] * 10)
    patients = np.where(labels == 1, np.arange(20) % 4, np.arange(20))
    draws = Draws.of(patients)
    found = ClusteredCounts.of(labels, calls, draws.codes, draws)
    assert found.estimate("sensitivity").blank == "fewer than 5 patients to resample"
    assert found.estimate("sensitivity").value == pytest.approx(2 / 3)
    assert found.at_prevalence("ppv", 0.1).blank == "fewer than 5 patients with positives"


def test_no_cases_give_blanks():
    draws = Draws.of(np.zeros(0, object))
    found = ClusteredCounts.of(np.zeros(0, int), np.zeros(0, bool), draws.codes, draws)
    assert {found.estimate(measure).value for measure in MEASURES} == {None}


def test_no_positives_leave_sensitivity_blank():
    draws = Draws.of(PATIENTS)
    found = ClusteredCounts.of(np.zeros(300, int), CALLS, draws.codes, draws)
    assert found.estimate("sensitivity").blank == "no positives"
    assert found.at_prevalence("npv", 0.1).blank == "no positives"
    assert found.estimate("specificity").low is not None
