"""The loss of every system: binary cross-entropy over the labels that are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (the name that PyTorch's own documentation uses)

from hemoscope.datasets.manifest import UNKNOWN
from hemoscope.networks.system import Answer
from hemoscope.training.examples import Examples
from hemoscope.training.recipe import Loss


def positive_weights(labels: NDArray[np.int8]) -> NDArray[np.float32]:
    """Negatives for each positive, by finding: int8 [example, finding] to [finding] (Wong 2019, Table 2)."""
    weights: NDArray[np.float64] = (labels == 0).sum(axis=0) / (labels == 1).sum(axis=0).clip(1)
    return weights.astype(np.float32)


class MaskedLoss:
    """The mean over known labels of the binary cross-entropy of logits, of slices, scans or both.

    A finding that counts double counts so in the mean as well. The sum over findings of Burduja 2020 (equation 1) is
    this mean times their number, which Adam does not see.
    """

    def __init__(self, settings: Loss, examples: Examples) -> None:
        self._settings = settings
        self._weights = torch.tensor([settings.finding_weights.get(name, 1.0) for name in examples.findings])
        ones = np.ones(len(examples.findings), np.float32)
        of_slices = positive_weights(examples.labels) if settings.positive_weights else ones
        of_scans = positive_weights(examples.labels_of_scans) if settings.positive_weights else ones
        self._positive = {"slices": torch.from_numpy(of_slices), "scans": torch.from_numpy(of_scans)}

    def known(self, labels: Tensor, scan_labels: Tensor) -> Tensor:
        """The summed weight of the known labels of a batch: (2,), of slices and of scans.

        Processes that share a batch add these up, so that each label weighs the same, wherever it is.
        """
        return torch.stack([self._weights_of(labels).sum(), self._weights_of(scan_labels).sum()])

    def __call__(self, answer: Answer, labels: Tensor, scan_labels: Tensor, known: Tensor) -> Tensor:
        """The loss of a batch: labels int8 (N, findings) and scan_labels (B, findings); known: as `known` gives it."""
        parts: Sequence[tuple[str, float, Tensor | None, Tensor, Tensor]] = (
            ("slices", self._settings.slices, answer.slices, labels, known[0]),
            ("scans", self._settings.scans, answer.scans, scan_labels, known[1]),
        )
        total = known.new_zeros(())
        for name, weight, logits, truth, count in parts:
            if weight and logits is not None:
                positive = self._positive[name].to(logits.device)
                each = F.binary_cross_entropy_with_logits(
                    logits.float(), truth.clamp(min=0).float(), reduction="none", pos_weight=positive
                )
                total = total + weight * (each * self._weights_of(truth)).sum() / count.clamp(min=1e-6)
        return total

    def _weights_of(self, labels: Tensor) -> Tensor:
        return (labels != UNKNOWN).float() * self._weights.to(labels.device)
