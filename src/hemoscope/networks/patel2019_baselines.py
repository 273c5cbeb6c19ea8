"""Patel et al. 2019, section IV-A: scans scored from what the CNN gives for their slices, without an LSTM.

The highest and the 95th percentile of the slice probabilities, and a linear support vector machine on the feature
vectors of all slices, padded with zeros at both ends to one length, with Platt's probabilities.

What the paper leaves open, and what is chosen here: the one length is the longest scan of the training (a longer scan
to be scored loses as much at both ends, and an odd slice goes or is padded at the head); the penalty C is
scikit-learn's 1; Platt's sigmoid is fitted to decision values of 5-fold cross-validation, as many folds as the rarer
class has scans if those are fewer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.svm import SVC

from hemoscope.reasons import UsageError

FOLDS = 5


def maximum(probabilities: NDArray[np.floating], lengths: ArrayLike) -> NDArray[np.floating]:
    """Highest slice probability of each scan: (N,) of scans one after another to (B,)."""
    return np.array([scan.max() for scan in _scans(probabilities, lengths)])


def percentile_95(probabilities: NDArray[np.floating], lengths: ArrayLike) -> NDArray[np.floating]:
    """95th percentile of the slice probabilities of each scan: (N,) of scans one after another to (B,)."""
    return np.array([np.percentile(scan, 95) for scan in _scans(probabilities, lengths)])


class SequenceSVM:
    """A linear support vector machine on the padded feature vectors of all slices of a scan."""

    def __init__(self) -> None:
        self.slices = 0  # that every scan is padded to, known after `fit`

    def fit(self, features: NDArray[np.floating], lengths: ArrayLike, labels: ArrayLike) -> SequenceSVM:
        """Learn from features (N, F) of scans one after another, with lengths (B,) and labels (B,), 0 or 1.

        Raises UsageError where a class has less than two scans.
        """
        wanted = np.asarray(labels, dtype=int)
        rarer = min(int((wanted == 0).sum()), int((wanted == 1).sum()))
        if rarer < 2:
            raise UsageError(f"The support vector machine needs two scans of each class to learn from, not {rarer}.")
        self.slices = int(np.max(lengths))
        svm = SVC(kernel="linear")
        self._machine = CalibratedClassifierCV(svm, method="sigmoid", cv=min(FOLDS, rarer), ensemble=False)
        self._machine.fit(self._padded(features, lengths), wanted)
        return self

    def scores(self, features: NDArray[np.floating], lengths: ArrayLike) -> NDArray[np.floating]:
        """Probability of each scan: features (N, F) of scans one after another, lengths (B,), to (B,)."""
        probabilities: NDArray[np.floating] = self._machine.predict_proba(self._padded(features, lengths))[:, 1]
        return probabilities

    def _padded(self, features: NDArray[np.floating], lengths: ArrayLike) -> NDArray[np.floating]:
        """(N, F) to (B, slices * F)."""
        return np.stack([_centred(scan, self.slices).ravel() for scan in _scans(features, lengths)])


def _scans(slices: NDArray[np.floating], lengths: ArrayLike) -> list[NDArray[np.floating]]:
    """What is known of the slices, (N, ...), scan by scan."""
    return np.split(slices, np.cumsum(lengths)[:-1])


def _centred(scan: NDArray[np.floating], slices: int) -> NDArray[np.floating]:
    """(S, F) to (slices, F): zeros at both ends, or as many slices less at both."""
    missing = slices - len(scan)
    if missing < 0:
        first = -missing // 2
        return scan[first : first + slices]
    return np.pad(scan, ((missing // 2, missing - missing // 2), (0, 0)))
