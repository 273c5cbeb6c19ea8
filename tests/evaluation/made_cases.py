"""Cases made by hand for tests of figures, failures and comparisons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hemoscope.evaluation.matching.cases import UNKNOWN, Cases, Level

NAN = float("nan")


def cases_of(
    finding: int, labels: Sequence[int], scores: Sequence[float], patients: Sequence[str], level: Level = "slice"
) -> Cases:
    """Cases of which one finding is labelled and scored; names are n0, n1 ..., and each patient has one scan."""
    count = len(labels)
    all_labels = np.full((count, 6), UNKNOWN, np.int8)
    probabilities = np.full((count, 6), NAN)
    all_labels[:, finding], probabilities[:, finding] = labels, scores
    names = np.array([f"n{number}" for number in range(count)], object)
    of = np.array(list(patients), object)
    keys = pd.DataFrame({"key": [f"d/{number}.png#0" for number in range(count)]})
    return Cases(level, names, of, of, all_labels, probabilities, keys)


def random_cases(count: int, patients: int, level: Level = "scan", seed: int = 0, noise: float = 1.0) -> Cases:
    """Cases of all findings with the same labels for every seed; `noise` makes a system worse."""
    truth = np.random.default_rng(99)
    of = np.array([f"p{number % patients:03d}" for number in range(count)], object)
    labels = (truth.random((count, 6)) < 0.4).astype(np.int8)
    scores = labels + noise * np.random.default_rng(seed).normal(size=labels.shape)
    names = np.array([f"d/{number:04d}.png#0" for number in range(count)], object)
    scans = of if level == "slice" else names
    about = pd.DataFrame({"dataset": ["d"] * count, "key": names})
    return Cases(level, names, of, scans, labels, 1 / (1 + np.exp(-(2 * scores - 1))), about)
