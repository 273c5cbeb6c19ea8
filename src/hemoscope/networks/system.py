"""What every system is made of: a network that sees one slice, and where the paper has one, a network over the scan.

The slices of several scans travel as one batch of N slices, scan after scan, foot to head, with the number of slices of
each: nothing is padded where slices are seen one by one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

SLICES_AT_ONCE = 32  # without gradients


class Answer(NamedTuple):
    """Logits of a batch.

    slices: (N, findings), None where only scans are scored; scans: (B, findings) or None. places: (N, findings, h, w)
    of the places of each slice, only for the loss of places.
    """

    slices: Tensor | None
    scans: Tensor | None
    places: Tensor | None = None


class SliceNetwork(nn.Module, ABC):
    """Pictures of slices to features, and features to logits.

    findings: what the logits stand for, in the order of `FINDING_NAMES`. channels: of the pictures, windows within
    slices. size: rows and columns that it needs, None for any. feature_count: F.
    """

    findings: tuple[str, ...]
    channels: int
    size: int | None = None
    feature_count: int

    @abstractmethod
    def features(self, pictures: Tensor) -> Tensor:
        """(N, channels, H, W), grey levels 0 to 1, to (N, F)."""

    @abstractmethod
    def classify(self, features: Tensor) -> Tensor:
        """(N, F) to logits (N, findings)."""

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, channels, H, W), grey levels 0 to 1, to logits (N, findings)."""
        return self.classify(self.features(pictures))


class PooledNetwork(SliceNetwork):
    """A slice network that ends in the average of its feature maps and one linear layer, as ResNets do.

    Its class activation maps (Zhou et al. 2016, equation 2) are the linear layer at every place of the feature maps:
    their average and the bias make the logit.
    """

    linear: nn.Linear
    dropout: nn.Module

    @abstractmethod
    def feature_maps(self, pictures: Tensor) -> Tensor:
        """(N, channels, H, W), grey levels 0 to 1, to (N, F, h, w)."""

    def features(self, pictures: Tensor) -> Tensor:
        """(N, channels, H, W), grey levels 0 to 1, to (N, F)."""
        return self.feature_maps(pictures).mean((2, 3))

    def classify(self, features: Tensor) -> Tensor:
        """(N, F) to logits (N, findings)."""
        return self.linear(self.dropout(features))  # type: ignore[no-any-return]

    def class_activation_maps(self, feature_maps: Tensor) -> Tensor:
        """(N, F, h, w) to (N, findings, h, w)."""
        return nn.functional.conv2d(feature_maps, self.linear.weight[:, :, None, None])

    def logits_of_places(self, feature_maps: Tensor) -> Tensor:
        """(N, F, h, w) to (N, findings, h, w): class activation maps and the bias, so that their mean is the logit."""
        bias: Tensor = self.linear(feature_maps.new_zeros(1, self.feature_count))  # (1, findings)
        return self.class_activation_maps(feature_maps) + bias[:, :, None, None]


class ScanNetwork(nn.Module, ABC):
    """Features of the slices of scans to logits of slices, scans or both.

    scores: "slices", "scans" or both. Where it does not score slices, the slice network's own logits stand. The last
    layer of these goes on learning from labels of slices where the whole system learns, and teaches nothing below it.
    """

    findings: tuple[str, ...]
    scores: frozenset[str]

    @abstractmethod
    def forward(self, features: Tensor, slice_logits: Tensor, lengths: Tensor) -> Answer:
        """Score scans of any number of slices.

        features: (N, F); slice_logits: (N, findings) of the slice network; lengths: (B,) slices of each scan, adding up
        to N. Other scans of the batch change nothing.
        """


class System(nn.Module):
    """A slice network, and a scan network or None: all that a bundle needs.

    slices_at_once: slices that the slice network sees together; their activations are computed anew for the gradient
    (gradient checkpointing), so that a whole scan fits into memory. None: all of them, kept for the gradient.
    """

    def __init__(
        self, slice_network: SliceNetwork, scan_network: ScanNetwork | None = None, slices_at_once: int | None = None
    ) -> None:
        super().__init__()
        self.slice_network = slice_network
        self.scan_network = scan_network
        self.slices_at_once = slices_at_once

    @property
    def findings(self) -> tuple[str, ...]:
        """What its logits stand for."""
        return (self.scan_network or self.slice_network).findings

    def features(self, pictures: Tensor) -> Tensor:
        """(N, channels, H, W), grey levels 0 to 1, to (N, F)."""
        if not torch.is_grad_enabled():
            parts = torch.split(pictures, self.slices_at_once or SLICES_AT_ONCE)
            return torch.cat([self.slice_network.features(part) for part in parts])
        if self.slices_at_once is None:
            return self.slice_network.features(pictures)
        parts = torch.split(pictures, self.slices_at_once)
        return torch.cat([checkpoint(self.slice_network.features, part, use_reentrant=False) for part in parts])

    def forward(self, pictures: Tensor, lengths: Tensor) -> Answer:
        """(N, channels, H, W), grey levels 0 to 1, and (B,) slices of each scan, to logits."""
        features = self.features(pictures)
        scan_network = self.scan_network
        if scan_network is None:
            return Answer(self.slice_network.classify(features), None)
        logits = self.slice_network.classify(features if "slices" in scan_network.scores else features.detach())
        answer: Answer = scan_network(features, logits, lengths)
        return answer
