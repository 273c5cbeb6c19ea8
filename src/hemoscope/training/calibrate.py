"""Context, calibration and operating points of a bundle, fitted on patients that the network had not seen.

A table of held-out slices goes in, one row each:

    run                                   the fold, or whatever else was held out together
    source, patient, scan, slice          of which dataset, patient and scan; slices are numbered foot to head
    position_mm                           along the normal, NaN where unknown
    epidural ... any                      logits of the slice; NaN in all rows of a finding that is not scored
    label_epidural ... label_any          0, 1 or -1 for unknown
    scan_epidural ... scan_any            logits of the scan, on each of its rows, where a network over it has them
    scan_label_epidural ... scan_label_any    where the labels of scans do not follow from their slices

`fit` makes what goes into the bundle. `cross_fitted` does the same run by run (fitted on the other runs, applied to
this one), so that the figures of a model card are not figures of the data that set the thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemoscope.detector.calibration import SCAN_RULES, Calibration, Context
from hemoscope.detector.curves import Isotonic, Line
from hemoscope.evaluation.measures.operating_points import sensitive, specific
from hemoscope.findings import ANY, FINDING_NAMES
from hemoscope.reasons import UsageError
from hemoscope.training.fit_curves import METHODS, Labels, Logits, Method

NAMES = list(FINDING_NAMES)
LABELS = [f"label_{name}" for name in NAMES]
SCAN_NAMES = [f"scan_{name}" for name in NAMES]
SCAN_LABELS = [f"scan_label_{name}" for name in NAMES]
ASSUMED_SPACING_MM = 5.0  # the usual spacing of scans whose positions are unknown
SIGMAS_MM = (0.01, 2.0, 3.0, 4.0, 5.0, 6.5, 8.0, 10.0)
# Targets of the operating points (sensitivity of "sensitive", specificity of "specific"), set before any was measured.
SCAN_TARGETS = (0.95, 0.90)
SLICE_TARGETS = (0.90, 0.90)


@dataclass(frozen=True)
class Settings:
    """What is fitted on what.

    sources: whole scans with all labels; None: all. The others may have no negative patients, or be loose slices that
    were picked. sigmas_mm: of the context that are tried; none where a network over the scan has seen the neighbours.
    method: of the curves from logits to probabilities, by its name in METHODS.
    """

    sources: tuple[str, ...] | None = None
    sigmas_mm: tuple[float, ...] = SIGMAS_MM
    scan_rule: str = "max"
    method: Method = "platt"


@dataclass(frozen=True)
class Fit:
    """What a bundle holds beside its networks: calibration and thresholds on the probability of `any`."""

    calibration: Calibration
    scan_thresholds: tuple[float, float]  # sensitive, specific
    slice_thresholds: tuple[float, float]  # of slices by themselves (`--independent`), without their neighbours
    method: Method

    def facts(self, findings: Sequence[str]) -> dict[str, Any]:
        """`context`, `calibration` and `scan_rule` as bundle.json has them; findings: those that are scored."""
        context = self.calibration.context
        levels = {"slice": self.calibration.slice, "scan": self.calibration.scan}
        return {
            "context": None if context is None else vars(context),
            "calibration": {
                "method": self.method,
                **{
                    level: {name: _facts_of(curves.of[NAMES.index(name)]) for name in findings}
                    for level, curves in levels.items()
                },
            },
            "scan_rule": self.calibration.scan_rule,
        }


def _facts_of(curve: Line | Isotonic) -> list[float] | dict[str, list[float]]:
    """A curve as bundle.json has it."""
    if isinstance(curve, Line):
        return [curve.slope, curve.intercept]
    return {"logits": list(curve.logits), "probabilities": list(curve.probabilities)}


def by_scan(table: pd.DataFrame) -> list[pd.DataFrame]:
    """The slices of each scan, foot to head."""
    return [part.sort_values("slice") for _, part in table.groupby("scan", sort=True)]


def scan_labels(scan: pd.DataFrame) -> Labels:
    """Labels of a scan [finding]: its own, or from its slices 1 if any is, else -1 if any is unknown, else 0."""
    if SCAN_LABELS[ANY] in scan:
        own: Labels = scan[SCAN_LABELS].to_numpy(int)[0]
        return own
    labels = scan[LABELS].to_numpy(int)
    return np.where((labels == 1).any(0), 1, np.where((labels < 0).any(0), -1, 0))


def scan_logits(scan: pd.DataFrame) -> Logits | None:
    """Logits of a scan by a network over it [finding], None where there is none."""
    return scan[SCAN_NAMES].to_numpy(np.float32)[0] if SCAN_NAMES[ANY] in scan else None


def positions(scan: pd.DataFrame) -> NDArray[np.float64] | None:
    """Positions of the slices in mm, or None where unknown, as detection has them."""
    return None if scan["position_mm"].isna().any() else scan["position_mm"].to_numpy(float)


def smoothed(scans: Sequence[pd.DataFrame], context: Context | None) -> list[Logits]:
    """Logits [slice, finding] of each scan after the context of neighbouring slices."""
    logits = [scan[NAMES].to_numpy(np.float32) for scan in scans]
    if context is None:
        return logits
    return [context.smooth(part, positions(scan)) for part, scan in zip(logits, scans, strict=True)]


def thresholds(probabilities: Logits, labels: Labels, targets: tuple[float, float]) -> tuple[float, float]:
    """(highest threshold with the target sensitivity, lowest with the target specificity), the smaller one first."""
    known = labels >= 0
    points = [
        choose(labels[known], probabilities[known], target)
        for choose, target in zip((sensitive, specific), targets, strict=True)
    ]
    chosen = [point.value for point in points if point.value is not None]
    if len(chosen) < len(points):
        why = " and ".join(point.blank for point in points if point.blank)
        raise UsageError(f"Operating points cannot be chosen: {why} among what the folds held out.")
    low, high = sorted(chosen)
    return low, high


def fit(table: pd.DataFrame, settings: Settings = Settings()) -> Fit:
    """Fit everything on slices (logits and labels) of patients outside the network's training."""
    whole = by_scan(table if settings.sources is None else table[table["source"].isin(settings.sources)])
    labels = np.concatenate([scan[LABELS].to_numpy(int) for scan in whole])
    fit_curves = METHODS[settings.method]
    candidates = []
    for sigma in settings.sigmas_mm or (None,):
        tried = None if sigma is None else Context(sigma, ASSUMED_SPACING_MM)
        logits = np.concatenate(smoothed(whole, tried))
        curves = fit_curves(logits, labels)
        known = labels[:, ANY] >= 0
        probability = curves.probabilities(logits)[known, ANY].clip(1e-6, 1 - 1e-6)
        loss = -np.mean(np.where(labels[known, ANY] == 1, np.log(probability), np.log(1 - probability)))
        candidates.append((float(loss), sigma or 0.0, tried, curves))
    _, _, context, slice_curves = min(candidates, key=lambda candidate: candidate[:2])
    rule = SCAN_RULES[settings.scan_rule]
    own = [scan_logits(scan) for scan in whole]
    of_scans = np.stack(
        [rule(logits) if mine is None else mine for logits, mine in zip(smoothed(whole, context), own, strict=True)]
    )
    truth = np.stack([scan_labels(scan) for scan in whole])
    calibration = Calibration(context, slice_curves, fit_curves(of_scans, truth), settings.scan_rule)
    scan_probability = calibration.scan.probabilities(of_scans)[:, ANY]
    by_themselves = np.concatenate([scan[NAMES].to_numpy(np.float32) for scan in whole])
    slice_probability = slice_curves.probabilities(by_themselves)[:, ANY]
    return Fit(
        calibration,
        thresholds(scan_probability, truth[:, ANY], SCAN_TARGETS),
        thresholds(slice_probability, labels[:, ANY], SLICE_TARGETS),
        settings.method,
    )


def to_calibrate_on(table: pd.DataFrame) -> pd.DataFrame:
    """Whole scans of which all slices are labelled, from datasets with bleeding and normal ones.

    A loose slice is no scan, and a dataset of positive scans alone has none that could be called wrongly positive: of
    loose slices of one scan it is known that it bleeds, or nothing.
    """
    whole = table.groupby("scan")["slice"].transform("size") > 1
    complete = table.groupby("scan")["label_any"].transform("min") >= 0
    of_scan = SCAN_LABELS[ANY] if SCAN_LABELS[ANY] in table else "label_any"
    bleeds = table.groupby("scan")[of_scan].transform("max")
    scans = table.assign(bleeds=bleeds)[whole & complete & (bleeds >= 0)]
    classes = scans.groupby("source")["bleeds"].nunique()
    both = scans[scans["source"].isin(classes.index[classes > 1])].drop(columns="bleeds")
    if both.empty:
        raise UsageError("The folds held out no dataset with bleeding and normal scans whose slices are all labelled.")
    return both


def apply(table: pd.DataFrame, fitted: Fit) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Calibrated slices and scans of `table`: probabilities, labels, and calls at both thresholds.

    A slice has the probabilities that it gets in its scan, and in `any_by_itself` the one that it is called by.
    """
    slices, scans = [], []
    for scan in by_scan(table):
        logits = scan[NAMES].to_numpy(np.float32)
        slice_probability, scan_probability = fitted.calibration(logits, positions(scan), scan_logits(scan))
        by_itself = fitted.calibration.slice.probabilities(logits)[:, ANY]
        slices.append(scan.assign(**dict(zip(NAMES, slice_probability.T, strict=True)), any_by_itself=by_itself))
        head = scan.iloc[0]
        row = {"source": head["source"], "patient": head["patient"], "scan": head["scan"], "slices": len(scan)}
        row |= dict(zip(NAMES, scan_probability, strict=True))
        row |= dict(zip(LABELS, scan_labels(scan), strict=True))
        scans.append(row)
    slice_table, scan_table = pd.concat(slices), pd.DataFrame(scans)
    for part, column, points in (
        (slice_table, "any_by_itself", fitted.slice_thresholds),
        (scan_table, "any", fitted.scan_thresholds),
    ):
        part["sensitive_call"], part["specific_call"] = part[column] >= points[0], part[column] >= points[1]
    return slice_table, scan_table


def cross_fitted(
    table: pd.DataFrame, settings: Settings = Settings(), fitted_on: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Calibrated slices and scans of all runs, each with what was fitted on the others (column `run`).

    fitted_on: rows to fit on; None: all of the table.
    """
    fitted_on = table if fitted_on is None else fitted_on
    parts = [
        apply(table[table["run"] == run], fit(fitted_on[fitted_on["run"] != run], settings))
        for run in sorted(table["run"].unique())
    ]
    return pd.concat([part[0] for part in parts]), pd.concat([part[1] for part in parts])


def operating_points(
    fitted: Fit, slices: pd.DataFrame, scans: pd.DataFrame
) -> dict[str, dict[str, dict[str, float | int]]]:
    """`operating_points` as bundle.json has them: thresholds of `fitted`, and what `cross_fitted` measured.

    slices, scans: of `cross_fitted`, only those on whose sources the thresholds were fitted.
    """
    kinds = (("scan", scans, fitted.scan_thresholds), ("slice", slices, fitted.slice_thresholds))
    return {
        kind: {
            name: _point(table, f"{name}_call", threshold)
            for name, threshold in zip(("sensitive", "specific"), pair, strict=True)
        }
        for kind, table, pair in kinds
    }


def _point(table: pd.DataFrame, call: str, threshold: float) -> dict[str, float | int]:
    table = table[table["label_any"] >= 0]
    called, truth = table[call], table["label_any"] == 1
    return {
        "threshold": threshold,  # not rounded: it lies on the probability of a scan, which would change sides
        "sensitivity": round(float(called[truth].mean()), 3),
        "specificity": round(float((~called[~truth]).mean()), 3),
        "positives": int(truth.sum()),
        "negatives": int((~truth).sum()),
    }
