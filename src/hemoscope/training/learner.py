"""The part of a system that a stage trains, with the rest frozen around it."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn

from hemoscope.networks.system import Answer, PooledNetwork, System
from hemoscope.reasons import UsageError
from hemoscope.training.recipe import Stage


class Learner(nn.Module):
    """Takes what the stage sees to an Answer; only `part` has gradients and is ever in training mode."""

    def __init__(self, system: System, stage: Stage) -> None:
        super().__init__()
        if stage.trains != "slice_network":
            _check_scores(system, stage)
        if stage.loss.places and not isinstance(system.slice_network, PooledNetwork):
            raise UsageError(
                f"The stage {stage.name} has a loss of places, and the network of the recipe has no class activation "
                "maps to learn it: leave `loss.places` out."
            )
        self.system = system
        self._stage = stage

    def freeze_the_rest(self) -> None:
        """Give gradients to `part` alone."""
        self.system.requires_grad_(False)
        self.part.requires_grad_(True)

    @property
    def part(self) -> nn.Module:
        """What learns."""
        if self._stage.trains == "system":
            return self.system
        part: nn.Module = getattr(self.system, self._stage.trains)
        return part

    def train(self, mode: bool = True) -> Self:
        """Put `part` into training mode; what is frozen keeps its statistics and drops nothing out."""
        super().train(False)
        self.part.train(mode)
        self.training = mode
        return self

    def forward(self, seen: Tensor, logits: Tensor | None, lengths: Tensor) -> Answer:
        """Score a batch.

        seen: pictures (N, channels, H, W), or stored features (N, F) with the slice network's logits (N, findings);
        lengths: (B,) slices of each scan.
        """
        slice_network, scan_network = self.system.slice_network, self.system.scan_network
        if self._stage.loss.places:
            assert isinstance(slice_network, PooledNetwork)
            maps = slice_network.feature_maps(seen)
            return Answer(slice_network.classify(maps.mean((2, 3))), None, slice_network.logits_of_places(maps))
        if self._stage.trains == "slice_network":
            return Answer(slice_network(seen), None)
        if self._stage.trains == "system":
            answer: Answer = self.system(seen, lengths)
            return answer
        assert scan_network is not None
        if logits is None:
            with torch.no_grad():
                seen = self.system.features(seen)
                logits = slice_network.classify(seen)
        answer = scan_network(seen, logits, lengths)
        return answer


def _check_scores(system: System, stage: Stage) -> None:
    """Raise UsageError where a loss is of something that the network over the scan does not score."""
    if system.scan_network is None:
        raise UsageError(f"The stage {stage.name} needs a scan network, and the network of the recipe has none.")
    scored = system.scan_network.scores
    if stage.trains == "system":
        scored |= {"slices"}  # by the slice network itself
    for unit, weight in (("slices", stage.loss.slices), ("scans", stage.loss.scans)):
        if weight and unit not in scored:
            raise UsageError(
                f"The stage {stage.name} has a loss of {unit}, which its network over the scan does not score: set "
                f"`loss.{unit}` to 0."
            )
