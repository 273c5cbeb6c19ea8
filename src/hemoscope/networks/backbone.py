"""A convolutional network of timm as a slice network: pictures normalised, feature maps averaged, a linear layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import timm
import torch
from torch import Tensor, nn

from hemoscope.findings import FINDING_NAMES
from hemoscope.networks.system import PooledNetwork

# Of ImageNet's colours over grey levels 0 to 1; what weights of timm and torchvision were trained with.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


class BackboneNetwork(PooledNetwork):
    """Six logits from a network of timm; its weights are random until initial ones are loaded.

    name: as timm has it, with the tag that `initial_weights: imagenet` means. mean, deviation: of each channel.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, name: str, mean: Sequence[float], deviation: Sequence[float]) -> None:
        super().__init__()
        self.findings = FINDING_NAMES
        self.channels = len(mean)
        backbone: Any = timm.create_model(name, num_classes=0, global_pool="")
        self.backbone = backbone
        self.feature_count = int(backbone.num_features)
        self.dropout = nn.Identity()
        self.linear = nn.Linear(self.feature_count, len(FINDING_NAMES))
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])  # (channels, 1, 1)
        self.register_buffer("deviation", torch.tensor(deviation)[:, None, None])

    def feature_maps(self, pictures: Tensor) -> Tensor:
        """(N, channels, H, W), grey levels 0 to 1, to (N, F, H / 32, W / 32)."""
        maps: Tensor = self.backbone.forward_features((pictures - self.mean) / self.deviation)
        return maps
