"""The context of a bundle, fitted on logits of scans that its networks had not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.model_selection import GroupKFold

from hemoscope.detector.calibration import Context, Weights, evidence_of
from hemoscope.findings import FINDING_NAMES

ASSUMED_SPACING_MM = 5.0  # the usual spacing of scans whose positions are unknown
GROUPS = 5  # of patients, each of which is held out once
# What is tried: the neighbourhood, and how far weights stray from 0 (the standard deviation of their normal prior).
SIGMAS_MM = (2.0, 3.0, 5.0, 8.0)
DEVIATIONS = (0.07, 0.2, 0.7)
DIGITS = 4  # of weights in a bundle

Evidence = NDArray[np.float32]
Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class HeldOutScan:
    """Logits float32 [slice, finding] of one scan, positions in mm or None, labels [slice, finding], its patient."""

    logits: NDArray[np.float32]
    positions_mm: NDArray[np.float64] | None
    labels: Labels
    patient: str


@dataclass(frozen=True)
class FittedContext:
    """whole: fitted on all scans. of_scans: for each scan, one that was fitted without its group of patients.

    The neighbourhood and the prior are the same for all.
    """

    whole: Context
    of_scans: Sequence[Context]


def fit_context(scans: Sequence[HeldOutScan], sigmas_mm: Sequence[float] = SIGMAS_MM) -> FittedContext:
    """Fit the neighbourhood, the same for all findings, and the weights of each finding.

    Both are chosen by the log loss of groups of patients that were left out. A finding that fewer than GROUPS patients
    have, or lack, keeps the logit of its neighbourhood, which is the smallest one tried where that holds for all.
    """
    labels = np.concatenate([scan.labels for scan in scans])
    group_of_scan, patients = _groups([scan.patient for scan in scans])
    lengths = [len(scan.logits) for scan in scans]
    groups, patients = np.repeat(group_of_scan, lengths), np.repeat(patients, lengths)
    evidence = {
        sigma: np.concatenate(
            [evidence_of(scan.logits, scan.positions_mm, sigma, ASSUMED_SPACING_MM) for scan in scans]
        )
        for sigma in sigmas_mm
    }
    scored = np.isfinite(np.concatenate([scan.logits for scan in scans])).any(axis=1)
    known = (labels >= 0) & scored[:, None]
    own = evidence[sigmas_mm[0]][:, : len(FINDING_NAMES)]
    findings = [
        finding
        for finding in range(len(FINDING_NAMES))
        if np.isfinite(own[:, finding]).any()
        and _enough(labels[known[:, finding], finding], groups[known[:, finding]], patients[known[:, finding]])
    ]

    def fitted(rows: NDArray[np.bool_], sigma: float, deviation: float) -> Context:
        weights = [Weights.of_neighbourhood(finding) for finding in range(len(FINDING_NAMES))]
        for finding in findings:
            of = rows & known[:, finding]
            weights[finding] = _weights(finding, evidence[sigma][of], labels[of, finding], deviation)
        return Context(sigma, ASSUMED_SPACING_MM, tuple(weights))

    def loss(contexts: Sequence[Context]) -> float:
        """Of what each context, fitted without a group, says of this group."""
        total = 0.0
        for group, context in enumerate(contexts):
            logits = context.join(evidence[context.sigma_mm])
            for finding in findings:
                of = known[:, finding] & (groups == group)
                x, y = logits[of, finding], labels[of, finding]
                total += float((np.logaddexp(0, x) - y * x).sum())
        return total

    settings = list(product(sigmas_mm, DEVIATIONS))
    tried = [[fitted(groups != group, *setting) for group in range(GROUPS)] for setting in settings]
    best = int(np.argmin([loss(contexts) for contexts in tried]))
    whole = fitted(np.ones(len(labels), bool), *settings[best])
    return FittedContext(whole, [tried[best][group] for group in group_of_scan])


def _groups(patients: Sequence[str]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The group and the number of the patient of each scan; with fewer patients than groups some groups are empty."""
    names, numbers = np.unique(patients, return_inverse=True)
    if len(names) < GROUPS:
        return numbers, numbers
    groups = np.empty(len(numbers), np.intp)
    for group, (_, rows) in enumerate(GroupKFold(GROUPS).split(numbers, groups=numbers)):
        groups[rows] = group
    return groups, numbers


def _enough(labels: Labels, groups: NDArray[np.intp], patients: NDArray[np.intp]) -> bool:
    """Whether so many patients have and lack a finding that both are known without any of the groups."""
    for value in (0, 1):
        if len(np.unique(patients[labels == value])) < GROUPS or len(np.unique(groups[labels == value])) < 2:
            return False
    return True


def _weights(finding: int, evidence: Evidence, labels: Labels, deviation: float) -> Weights:
    """Logistic regression with weights of 0 or above and a normal prior; where it finds none, the neighbourhood."""
    x = np.nan_to_num(evidence).astype(float)
    count = x.shape[1]

    def cost(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = parameters[:count]
        line = x @ weights + parameters[count]
        error = expit(line) - labels
        loss = float((np.logaddexp(0, line) - labels * line).sum() + 0.5 * (weights @ weights) / deviation**2)
        return loss, np.append(x.T @ error + weights / deviation**2, error.sum())

    bounds = [(0, None)] * count + [(None, None)]
    found = minimize(cost, np.zeros(count + 1), jac=True, method="L-BFGS-B", bounds=bounds).x.round(DIGITS)
    if not found[:count].any():
        return Weights.of_neighbourhood(finding)
    own, neighbourhood, scan = (tuple(part.tolist()) for part in np.split(found[:count], 3))
    return Weights(own, neighbourhood, scan, float(found[count]))
