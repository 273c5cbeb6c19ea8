"""EfficientClass 2021: the pyramid of a detector, drawn as one picture for a ResNet, that says bleeding or not.

L. Cortes-Ferre et al., "Deep Learning applied to Intracranial Hemorrhage Detection", 2021, appendix A.1, Figures A4 to
A6.

    slice (3, 512, 512) -> EfficientDet-D0 without heads -> five maps of 64 channels, 64 x 64 to 4 x 4
        -> a transposed convolution each -> (16 + 12 + 8 + 4 + 2 = 42, 224, 224)
        -> convolutions to 16, then 3 channels -> ResNet-18 -> two units

The two units are one logit, positive minus negative: its binary cross-entropy is the softmax cross-entropy of both.

Do the printed shapes line up? A transposed convolution makes (in - 1) stride - 2 padding + dilation (kernel - 1) + 1
pixels of `in`. From 64, 32, 16, 8 and 4 places all five of Figure A6 make 224, for pictures of 512 x 512 only; their 42
channels are those that Figure A4 takes. So nothing is mended. The text says otherwise in two places, and the figures
are followed: "244x224" is 224 x 224, and its 320 channels are the five maps before the transposed convolutions.
What the printed shapes bring with them:
- The fourth writes every third row and column only (stride 9, dilation 6): 8 of 9 pixels hold its bias.
- The five pictures do not lie on each other. The middle of what a place writes runs from 17 to 206 of 224 for the first
  map, from 99.5 to 123.5 for the last: the slice is drawn smaller and smaller around the centre.

The paper leaves open, and we chose:
- Scaling: the windows [0, 80], [-20, 180], [-150, 230] cut the HU, and by the text what lies within "remains the same".
  Here they are scaled to 0 to 1, then ImageNet's mean and deviation taken off, as the detector's weights were trained.
  The three channels that the ResNet gets are not normalised (the paper shows nothing).
- No activation between the transposed convolutions, the convolutions and the ResNet, as none is printed.
- Initial weights: EfficientDet-D0 of effdet (COCO), ResNet-18 of torchvision, which timm keeps as `tv_in1k`. The text
  says "pretrained EfficientDet-D0"; the call that Figure A5 prints gets ImageNet's weights for the backbone only.
- Optimizer, learning rate and epochs (recipe).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import timm
import torch
from effdet import EfficientDet, get_efficientdet_config
from torch import Tensor, nn

from hemoscope.networks.backbone import IMAGENET_DEVIATION, IMAGENET_MEAN
from hemoscope.networks.system import PooledNetwork, System
from hemoscope.networks.two_classes import TwoClasses

PYRAMID_CHANNELS = 64


@dataclass(frozen=True)
class TransposedConvolution:
    """One layer of Figure A6, in its order."""

    channels: int  # that it makes
    kernel: int
    stride: int
    padding: int
    dilation: int


FIGURE_A6 = (
    TransposedConvolution(channels=16, kernel=19, stride=3, padding=1, dilation=2),  # of 64 x 64
    TransposedConvolution(channels=12, kernel=9, stride=7, padding=1, dilation=1),  # of 32 x 32
    TransposedConvolution(channels=8, kernel=24, stride=9, padding=2, dilation=4),  # of 16 x 16
    TransposedConvolution(channels=4, kernel=28, stride=9, padding=1, dilation=6),  # of 8 x 8
    TransposedConvolution(channels=2, kernel=30, stride=8, padding=2, dilation=7),  # of 4 x 4
)


@dataclass(frozen=True)
class EfficientClass2021:
    """Settings of the network: all but the normalisation is printed in the paper.

    pyramid_momentum: of the pyramid's batch normalisation. effdet's own needs hundreds of steps to forget where its
    statistics began; a short run from random weights is measured with statistics that are not its own.
    """

    mean: tuple[float, float, float] = IMAGENET_MEAN  # of grey levels, a window each
    deviation: tuple[float, float, float] = IMAGENET_DEVIATION  # likewise
    pyramid_momentum: float = 0.01


class EfficientClass(PooledNetwork):
    """One logit, `any`, of a slice.

    Its feature maps (512, 7, 7) and class activation maps lie in the picture of 224 x 224 that the transposed
    convolutions draw, not in the slice: a place there stands for no one place of the head, and each map can see the
    whole slice through the pyramid. Such a map shows at best roughly where the network looked.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, settings: EfficientClass2021) -> None:
        super().__init__()
        self.findings = ("any",)
        self.channels = len(settings.mean)
        self.size = 512
        self.register_buffer("mean", torch.tensor(settings.mean)[:, None, None], persistent=False)  # (channels, 1, 1)
        self.register_buffer("deviation", torch.tensor(settings.deviation)[:, None, None], persistent=False)
        config = get_efficientdet_config("efficientdet_d0")
        config.norm_kwargs.momentum = settings.pyramid_momentum
        self.detector: Any = EfficientDet(config, pretrained_backbone=False)
        del self.detector.class_net, self.detector.box_net  # Figure A5; effdet cannot leave them out
        self.deconvolutions = nn.ModuleList(
            nn.ConvTranspose2d(
                PYRAMID_CHANNELS, layer.channels, layer.kernel, layer.stride, layer.padding, dilation=layer.dilation
            )
            for layer in FIGURE_A6
        )
        drawn = sum(layer.channels for layer in FIGURE_A6)
        self.convolutions = nn.Sequential(  # Figure A4
            nn.Conv2d(drawn, 16, kernel_size=5, padding=2),
            nn.Conv2d(16, 3, kernel_size=3, padding=1),
        )
        resnet: Any = timm.create_model("resnet18.tv_in1k", num_classes=0, global_pool="")
        self.resnet = resnet
        self.feature_count = int(resnet.num_features)
        self.dropout = nn.Identity()
        self.linear = TwoClasses(self.feature_count)

    def draw(self, pictures: Tensor) -> Tensor:
        """(N, 3, 512, 512), grey levels 0 to 1, to the picture (N, 3, 224, 224) that the ResNet sees."""
        pyramid = self.detector.backbone((pictures - self.mean) / self.deviation)  # three of (N, 40 to 320, h, w)
        pyramid = self.detector.fpn(pyramid)  # five of (N, 64, h, w), 64 x 64 to 4 x 4
        drawn = [layer(maps) for layer, maps in zip(self.deconvolutions, pyramid, strict=True)]
        picture: Tensor = self.convolutions(torch.cat(drawn, dim=1))  # (N, 42, 224, 224) to (N, 3, 224, 224)
        return picture

    def feature_maps(self, pictures: Tensor) -> Tensor:
        """(N, 3, 512, 512), grey levels 0 to 1, to (N, 512, 7, 7)."""
        maps: Tensor = self.resnet.forward_features(self.draw(pictures))
        return maps

    def class_activation_maps(self, feature_maps: Tensor) -> Tensor:
        """(N, 512, 7, 7) to (N, 1, 7, 7): positive minus negative, as the logit is."""
        negative, positive = super().class_activation_maps(feature_maps).chunk(2, dim=1)
        return positive - negative


def build(settings: EfficientClass2021) -> System:
    """The network with random weights."""
    return System(EfficientClass(settings))
