"""A softmax over two classes as one logit, so that every system here trains with binary cross-entropy."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TwoClasses(nn.Linear):
    """The linear layer before a softmax over negative and positive, as one logit: positive minus negative.

    Its sigmoid is the softmax's probability of positive, and binary cross-entropy on it the cross-entropy of both.
    """

    def __init__(self, features: int) -> None:
        super().__init__(features, 2)

    def forward(self, features: Tensor) -> Tensor:
        """(N, F) to (N, 1)."""
        negative, positive = torch.chunk(super().forward(features), 2, dim=1)
        return positive - negative
