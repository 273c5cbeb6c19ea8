"""Fit context, calibration and operating points on patients that the network had not seen.

`fit` makes what goes into the bundle. `cross_fitted` does the same fold by fold (fitted on the other folds, applied to
this one), so that the figures of the model card are not figures of the data that set the thresholds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from hemoscope.detector.calibration import Calibration, Context, Platt
from hemoscope.findings import ANY, FINDING_NAMES

NAMES = list(FINDING_NAMES)
LABELS = [f"label_{name}" for name in NAMES]
ASSUMED_SPACING_MM = 5.0  # the usual spacing of scans whose positions are unknown (all collections but RSNA)
SIGMAS_MM = (0.01, 2.0, 3.0, 4.0, 5.0, 6.5, 8.0, 10.0)
# Whole scans with all labels. The other sources have no negative patients, or are loose slices picked for blood.
WHOLE_SCANS = ("physionet", "rsna_series")
# Targets of the operating points (sensitivity of "sensitive", specificity of "specific"), set before any was measured.
SCAN_TARGETS = (0.95, 0.90)
SLICE_TARGETS = (0.90, 0.90)


@dataclass(frozen=True)
class Fit:
    """What a bundle holds beside the network: calibration and thresholds on the probability of `any`."""

    calibration: Calibration
    scan_thresholds: tuple[float, float]  # sensitive, specific
    slice_thresholds: tuple[float, float]  # of slices by themselves (`--independent`), without their neighbours


def by_scan(table: pd.DataFrame) -> list[pd.DataFrame]:
    """The slices of each scan, foot to head."""
    return [part.sort_values("slice") for _, part in table.groupby("scan", sort=True)]


def scan_labels(labels: np.ndarray) -> np.ndarray:
    """Labels of a scan [finding] from its slices [slice, finding]: 1 if any is, else -1 if any is unknown, else 0."""
    return np.where((labels == 1).any(0), 1, np.where((labels < 0).any(0), -1, 0))


def smoothed(scans: list[pd.DataFrame], context: Context) -> list[np.ndarray]:
    """Logits [slice, finding] of each scan after the context of neighbouring slices."""
    return [context.smooth(scan[NAMES].to_numpy(np.float32), positions(scan)) for scan in scans]


def positions(scan: pd.DataFrame) -> np.ndarray | None:
    """Positions of the slices in mm, or None where unknown, as detection has them."""
    return None if scan["position_mm"].isna().any() else scan["position_mm"].to_numpy(float)


def platt(logits: np.ndarray, labels: np.ndarray) -> Platt:
    """Fit a logistic line a finding; a weak prior (slope 1 +- 0.5, intercept 0 +- 5) steadies the rare ones."""
    slopes, intercepts = [], []
    for finding in range(len(NAMES)):
        known = labels[:, finding] >= 0
        x, y = logits[known, finding], labels[known, finding]

        def cost(parameters: np.ndarray, x: np.ndarray = x, y: np.ndarray = y) -> float:
            slope, intercept = np.exp(parameters[0]), parameters[1]
            line = slope * x + intercept
            likelihood = np.logaddexp(0, line) - y * line
            return float(likelihood.sum() + 0.5 * ((slope - 1) / 0.5) ** 2 + 0.5 * (intercept / 5) ** 2)

        found = minimize(cost, np.zeros(2), method="Nelder-Mead").x
        slopes.append(round(float(np.exp(found[0])), 4))
        intercepts.append(round(float(found[1]), 4))
    return Platt(tuple(slopes), tuple(intercepts))


def thresholds(probabilities: np.ndarray, labels: np.ndarray, targets: tuple[float, float]) -> tuple[float, float]:
    """(highest threshold with the target sensitivity, lowest with the target specificity), the smaller one first."""
    positive, negative = np.sort(probabilities[labels == 1]), np.sort(probabilities[labels == 0])
    sensitive = positive[int(np.floor((1 - targets[0]) * len(positive)))]
    specific = np.nextafter(negative[int(np.ceil(targets[1] * len(negative))) - 1], 1)
    low, high = sorted((float(sensitive), float(specific)))
    return low, high


def fit(table: pd.DataFrame) -> Fit:
    """Fit everything on slices (logits and labels) of patients outside the network's training."""
    whole = by_scan(table[table["source"].isin(WHOLE_SCANS)])
    labels = [scan[LABELS].to_numpy() for scan in whole]
    candidates = []
    for sigma in SIGMAS_MM:
        context = Context(sigma, ASSUMED_SPACING_MM)
        logits = np.concatenate(smoothed(whole, context))
        line = platt(logits, np.concatenate(labels))
        probability = line.probabilities(logits)[:, ANY].clip(1e-6, 1 - 1e-6)
        truth = np.concatenate(labels)[:, ANY]
        loss = -np.mean(np.where(truth == 1, np.log(probability), np.log(1 - probability)))
        candidates.append((loss, sigma, context, line))
    _, _, context, slice_line = min(candidates)
    largest = np.stack([logits.max(0) for logits in smoothed(whole, context)])
    truth = np.stack([scan_labels(part) for part in labels])
    calibration = Calibration(context, slice_line, platt(largest, truth))
    scan_probability = calibration.scan.probabilities(largest)[:, ANY]
    by_themselves = np.concatenate([scan[NAMES].to_numpy(np.float32) for scan in whole])
    slice_probability = slice_line.probabilities(by_themselves)[:, ANY]
    return Fit(
        calibration,
        thresholds(scan_probability, truth[:, ANY], SCAN_TARGETS),
        thresholds(slice_probability, np.concatenate(labels)[:, ANY], SLICE_TARGETS),
    )


def apply(table: pd.DataFrame, fitted: Fit) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Calibrated slices and scans of `table`: probabilities, labels, and calls at both thresholds.

    A slice has the probabilities that it gets in its scan, and in `any_by_itself` the one that it is called by.
    """
    slices, scans = [], []
    for scan in by_scan(table):
        logits = scan[NAMES].to_numpy(np.float32)
        slice_probability, scan_probability = fitted.calibration(logits, positions(scan))
        by_itself = fitted.calibration.slice.probabilities(logits)[:, ANY]
        slices.append(scan.assign(**dict(zip(NAMES, slice_probability.T, strict=True)), any_by_itself=by_itself))
        head = scan.iloc[0]
        row = {"source": head["source"], "patient": head["patient"], "scan": head["scan"], "slices": len(scan)}
        row |= dict(zip(NAMES, scan_probability, strict=True))
        row |= dict(zip(LABELS, scan_labels(scan[LABELS].to_numpy()), strict=True))
        scans.append(row)
    slice_table, scan_table = pd.concat(slices), pd.DataFrame(scans)
    for part, column, points in (
        (slice_table, "any_by_itself", fitted.slice_thresholds),
        (scan_table, "any", fitted.scan_thresholds),
    ):
        part["sensitive_call"], part["specific_call"] = part[column] >= points[0], part[column] >= points[1]
    return slice_table, scan_table


def cross_fitted(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Calibrated slices and scans of all folds, each fold with what was fitted on the others (column `run`)."""
    parts = [
        apply(table[table["run"] == run], fit(table[table["run"] != run])) for run in sorted(table["run"].unique())
    ]
    return pd.concat([part[0] for part in parts]), pd.concat([part[1] for part in parts])
