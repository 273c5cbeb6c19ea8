"""Wong 2019: a ResNet for each slice, nothing over the scan.

A. W. Wong, "Deep Learning Approaches for Intracranial Hemorrhage Sub-Type Classification", 2019, section 3.2.

    slice (3, 224, 224) -> ResNet-34, -50 or -101 from ImageNet -> (512 or 2048, 7, 7) -> average -> six logits

The paper leaves open, and we chose:
- Which ImageNet weights: those of torchvision at that time, which timm keeps under the tag `tv_in1k`.
- How pictures are normalised: by ImageNet's mean and deviation, as those weights were trained.
- Pictures may have any size; 224 x 224 is the recipe's.
- `pos_weight` is the recipe's too (`positive_weights`). Its counts (Table 2) are those of the training slices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hemoscope.networks.backbone import IMAGENET_DEVIATION, IMAGENET_MEAN, BackboneNetwork
from hemoscope.networks.system import System


@dataclass(frozen=True)
class Wong2019:
    """Settings of the network."""

    resnet: Literal[34, 50, 101] = 34  # layers; 34 has the best score of Table 3
    mean: tuple[float, float, float] = IMAGENET_MEAN  # of grey levels, a window each; chosen
    deviation: tuple[float, float, float] = IMAGENET_DEVIATION  # likewise


def build(settings: Wong2019) -> System:
    """The ResNet with random weights."""
    return System(BackboneNetwork(f"resnet{settings.resnet}.tv_in1k", settings.mean, settings.deviation))
