"""Does what the texts say follow from the tables?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import mean

import numpy as np

from hemoscope.evaluation.arithmetic.readers import HALF, TRAINEES
from hemoscope.evaluation.arithmetic.statement import Statement, follows
from hemoscope.evaluation.published import Paper, Printed, papers
from hemoscope.evaluation.statistics.challenge import WEIGHTS
from hemoscope.findings import FINDING_NAMES


def claims() -> Iterator[Statement]:
    """All statements of the texts about their tables."""
    ye = papers()["ye2019"]
    yield from _wrong_labels(papers()["burduja2020"])
    yield from _highest(papers()["efficientclass2021"])
    yield _worse_than_shares(papers()["wong2019"])
    yield from _two_type(ye)
    yield from _subarachnoid(ye)
    yield _consistently_lower(ye)


def _wrong_labels(burduja: Paper) -> Iterator[Statement]:
    """Section 5: wrong labels, from the accuracies of Table 5 on 100 scans."""
    scans = burduja.number("Section 5", what="scans")
    for system, what in (("Doctor #2", "doctor #2"), ("ResNeXt-101", "ResNeXt-101")):
        accuracies = [
            burduja.number("Table 5", system=system, measure="accuracy", finding=finding)
            for finding in burduja.findings.values()
        ]
        cell = burduja.find("Section 5, wrong labels", what=f"wrong labels of {what}")
        yield follows(
            cell, round(sum(scans * (1 - one) for one in accuracies)), f"wrong labels of {what}, from Table 5"
        )
    labels = scans * len(burduja.findings)
    yield follows(burduja.find("Section 5, wrong labels", what="labels"), labels, "six labels a scan")


def _highest(efficient: Paper) -> Iterator[Statement]:
    """Section 5 names the highest values of the system in Table 2."""
    for measure, what in (("accuracy", "accuracy"), ("sensitivity", "TPR"), ("ppv", "PPV")):
        values = [
            efficient.number("Table 2", system=f"EffClass ({share}%)", measure=measure) / 100 for share in (5, 10)
        ]
        cell = efficient.find("Section 5", what=f"highest {what}")
        yield follows(cell, max(values) * (100 if "%" in cell.text else 1), f"highest {what} of the system in Table 2")


def _worse_than_shares(wong: Paper) -> Statement:
    """Every answer is worth less than always answering with the shares of Table 2, if the test set has like ones."""
    slices = wong.number("Table 1", set="training")
    shares = (
        np.array([wong.number("Table 2, left", finding=one, measure="positives") for one in FINDING_NAMES]) / slices
    )
    entropy = -(shares * np.log(shares) + (1 - shares) * np.log(1 - shares))
    constant = float(entropy @ WEIGHTS / WEIGHTS.sum())
    best = wong.find("Table 3", system="ResNet-34, Pos Y", measure="challenge_loss")
    says = (
        "the best Kaggle score is better than that of the same six probabilities, the shares of Table 2, for all slices"
    )
    return Statement(wong.name, "Table 3", says, best.text, f"{constant:.5f}", (best.value or 0) < constant)


def _two_type(ye: Paper) -> Iterator[Statement]:
    """Errors of the trainees and of the algorithm on 194 subjects with ICH and 105 without."""
    positives = ye.number("Five-type task", what="subjects with ICH")
    subjects = ye.number("Test set", what="subjects")
    of = {"accuracy": ("errors", subjects), "sensitivity": ("false negatives", positives)} | {
        "specificity": ("false positives", subjects - positives)
    }
    for measure, (what, cases) in of.items():
        missed = [cases * (1 - ye.number("Table 3", finding="any", measure=measure, system=one)) for one in TRAINEES]
        cell = ye.find("Two-type errors", what=f"{what} of the trainees, on average")
        yield follows(cell, mean(missed), f"{what} of the trainees, from their {measure}", HALF * cases)
        model = ye.number("Table 3", finding="any", measure=measure, system="Model (Sli-Lab)")
        cell = ye.find("Two-type errors of the algorithm", what=f"{what} of Sli-Lab")
        yield follows(cell, cases * (1 - model), f"{what} of Sli-Lab, from its {measure}", HALF * cases)
    found = [_missed(ye, reader) for reader in TRAINEES]
    cell = ye.find(
        "Two-type errors of the algorithm", what="positives that trainees missed and the algorithm found, on average"
    )
    yield follows(cell, mean(one.value or 0 for one in found), "mean of the three numbers in the same sentence")
    for reader, cell in zip(TRAINEES, found, strict=True):
        most = positives * (1 - ye.number("Table 3", finding="any", measure="sensitivity", system=reader) + HALF)
        says = f"positives that {reader} missed, of which the algorithm found some: no more than by the sensitivity"
        yield Statement(ye.name, cell.table, says, cell.text, f"at most {math.floor(most)}", (cell.value or 0) <= most)


def _missed(ye: Paper, reader: str) -> Printed:
    what = f"positives that {reader} missed and the algorithm found"
    return ye.find("Two-type errors of the algorithm", what=what)


def _subarachnoid(ye: Paper) -> Iterator[Statement]:
    positives = ye.number("Subarachnoid", what="subjects with SAH")
    shares = []
    for reader in TRAINEES:
        cell = ye.find("Subarachnoid", what=f"found by {reader}")
        sensitivity = ye.number("Table 3", finding="subarachnoid", measure="sensitivity", system=reader)
        says = f"subjects with SAH that {reader} found, from the sensitivity {sensitivity}"
        yield follows(cell, positives * sensitivity, says, HALF * positives)
        shares.append(ye.number("Subarachnoid", what=f"found by {reader} and the algorithm") / (cell.value or 1))
    cell = ye.find("Subarachnoid", what="algorithm's share of what the trainees found")
    yield follows(cell, 100 * mean(shares), "mean of the three shares in the same sentence, in %")


def _consistently_lower(ye: Paper) -> Statement:
    """Text: sensitivity under Sub-Lab is "consistently lower" than under Sli-Lab for all five subtypes."""
    equal = []
    for word, finding in ye.findings.items():
        sub, sli = (
            ye.number("Table 3", finding=finding, measure="sensitivity", system=f"Model ({labels}-Lab)")
            for labels in ("Sub", "Sli")
        )
        if finding != "any" and sub >= sli:
            equal.append(f"{word}: {sub:.2f} and {sli:.2f}")
    says = "sensitivity under Sub-Lab against Sli-Lab, five subtypes"
    return Statement(ye.name, "Five-type task", says, "consistently lower", ", ".join(equal) or "lower", not equal)
