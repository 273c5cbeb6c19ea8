"""The metric of the RSNA 2019 challenge: a log loss over the six findings, in which `any` counts double.

Flanders et al.: Construction of a machine learning dataset through collaboration: the RSNA 2019 brain CT hemorrhage
challenge. Radiology: Artificial Intelligence 2 (2020); weights and clipping as Kaggle's page of the metric has them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hemoscope.evaluation.statistics.bootstrap import Draws, Patients
from hemoscope.evaluation.statistics.clustered import clustered_mean
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.findings import ANY, FINDING_NAMES

CLIP = 1e-15  # of probabilities at 0 and 1
WEIGHTS = np.array([2.0 if finding == ANY else 1.0 for finding in range(len(FINDING_NAMES))])


def losses(labels: NDArray[np.int8], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log loss (N, 6) of each slice and finding, natural logarithm, unweighted, from labels and probabilities (N, 6).

    Raises ValueError where a label is unknown or a probability is missing.
    """
    if labels.shape != probabilities.shape or labels.shape[1:] != (len(FINDING_NAMES),):
        raise ValueError("labels and probabilities must be (N, 6) both")
    if not np.isin(labels, (0, 1)).all() or np.isnan(probabilities).any():
        raise ValueError("every label must be 0 or 1 and every probability a number")
    return log_loss(labels, probabilities)


def log_loss(labels: NDArray[np.int8], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log loss of each label, natural logarithm, clipped as the challenge clips.

    labels, 0 or 1 and none unknown, and probabilities, none NaN: of any one shape. Nothing is checked: `losses` does.
    """
    # Clipping p to [CLIP, 1 - CLIP] is to clip 1 - p likewise, which loses no digits to 1 - (1 - CLIP)
    of_truth: NDArray[np.float64] = np.where(labels == 1, probabilities, 1 - probabilities).clip(CLIP, 1 - CLIP)
    return -np.log(of_truth)


def challenge_loss_clustered(
    labels: NDArray[np.int8], probabilities: NDArray[np.float64], patients: Patients, draws: Draws
) -> Estimate:
    """The metric for labels and probabilities (N, 6), as Kaggle has it; its interval resamples patients (N,)."""
    if why := _incomplete(labels, probabilities):
        return Estimate.none(why)
    return clustered_mean(losses(labels, probabilities) @ WEIGHTS / WEIGHTS.sum(), patients, draws)


def _incomplete(labels: NDArray[np.int8], probabilities: NDArray[np.float64]) -> str:
    """Why there is no metric: it is of slices with all six labels and probabilities."""
    if not len(labels):
        return "no cases"
    lacking = int((~np.isin(labels, (0, 1)) | np.isnan(probabilities)).any(axis=1).sum())
    return f"{lacking} of {len(labels)} slices lack a label or a probability" if lacking else ""
