"""Several slice networks of one kind as one: their logits are averaged, as each errs in its own way."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hemoscope.networks.backbone import BackboneNetwork
from hemoscope.networks.system import PooledNetwork


class Ensemble(PooledNetwork):
    """The mean of its members' logits and of their class activation maps (Lakshminarayanan et al. 2017, section 2.4).

    members: two or more of one kind. Where a stage teaches logits of slices alone, its batch is shared out among them:
    each learns from its own slices, and a step costs no more than of one network. Where there is more to learn, as
    places or a network over the scan, all members learn from all slices.
    """

    def __init__(self, members: Sequence[BackboneNetwork]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.findings, self.channels = members[0].findings, members[0].channels
        self.feature_count = sum(member.feature_count for member in members)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, channels, H, W), grey levels 0 to 1, to logits (N, findings)."""
        if not self.training:
            return super().forward(pictures)
        parts = pictures.chunk(len(self.members))  # a batch of few slices leaves some members out
        return torch.cat([member(part) for member, part in zip(self.members, parts, strict=False)])

    def feature_maps(self, pictures: Tensor) -> Tensor:
        """(N, channels, H, W), grey levels 0 to 1, to (N, F, h, w): member after member."""
        return torch.cat([member.feature_maps(pictures) for member in self.members], dim=1)  # type: ignore[operator]

    def classify(self, features: Tensor) -> Tensor:
        """(N, F) to logits (N, findings)."""
        return self._mean("classify", features)

    def class_activation_maps(self, feature_maps: Tensor) -> Tensor:
        """(N, F, h, w) to (N, findings, h, w)."""
        return self._mean("class_activation_maps", feature_maps)

    def logits_of_places(self, feature_maps: Tensor) -> Tensor:
        """(N, F, h, w) to (N, findings, h, w): class activation maps and the bias, so that their mean is the logit."""
        return self._mean("logits_of_places", feature_maps)

    def _mean(self, method: str, features: Tensor) -> Tensor:
        """The mean of what a method of the members makes of their own features."""
        own = features.chunk(len(self.members), dim=1)
        return torch.stack([getattr(one, method)(part) for one, part in zip(self.members, own, strict=True)]).mean(0)
