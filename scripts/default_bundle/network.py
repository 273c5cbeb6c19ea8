"""The slice network of the `default` bundle: MobileNetV2 at stride 16, averaged features, one linear layer.

Because the head is an average followed by a linear layer, the class activation map (Zhou et al. 2016) is the linear
layer applied at every place of the feature map; its mean plus the bias is the logit, and Grad-CAM without its final
ReLU (Selvaraju et al. 2017, section 3) is the same map divided by the number of places.
"""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from hemoscope.findings import FINDING_NAMES

IMAGENET_WEIGHTS = Path(__file__).parents[3] / "shared/weights/mobilenetv2_100_imagenet.safetensors"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class SliceNetwork(nn.Module):
    """Grey slices uint8 [B, 1, H, W] to logits [B, 6] and class activation maps [B, 6, H/16, W/16]."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.backbone = timm.create_model("mobilenetv2_100", num_classes=0, global_pool="", output_stride=16)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(self.backbone.num_features, len(FINDING_NAMES))
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    @classmethod
    def from_imagenet(cls, dropout: float, weights: Path = IMAGENET_WEIGHTS) -> SliceNetwork:
        """Start from the ImageNet weights; the linear layer is new."""
        network = cls(dropout)
        state = {name: value.float() for name, value in load_file(weights).items() if not name.startswith("classifier")}
        missing, unexpected = network.backbone.load_state_dict(state, strict=False)
        assert not unexpected and all("num_batches_tracked" in name for name in missing), (missing, unexpected)
        return network

    def features(self, grey: Tensor) -> Tensor:
        """Feature maps [B, 1280, H/16, W/16]."""
        return self.backbone((grey.float() / 255 - self.mean) / self.std)  # (B, 1, H, W) -> three equal channels

    def logits(self, grey: Tensor) -> Tensor:
        """Logits [B, 6], for training."""
        return self.linear(self.dropout(self.features(grey).mean((2, 3))))

    def forward(self, grey: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [B, 6] and maps [B, 6, h, w] with mean(map) + bias = logit, for export."""
        features = self.features(grey)
        maps = nn.functional.conv2d(features, self.linear.weight[:, :, None, None])
        return maps.mean((2, 3)) + self.linear.bias, maps
