"""A convolutional network of timm as a slice network: pictures normalised, feature maps averaged, a linear layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import timm
import torch
from torch import Tensor, nn

from hemoscope.findings import FINDING_NAMES
from hemoscope.networks.system import PooledNetwork
from hemoscope.reasons import UsageError

# Of ImageNet's colours over grey levels 0 to 1; what weights of timm and torchvision were trained with.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)

LAYOUT = ("stride", "dilation", "padding")
# Of a layer, its attributes named in LAYOUT.
Layout = dict[str, Any]


class BackboneNetwork(PooledNetwork):
    """Logits from a network of timm; its weights are random until initial ones are loaded.

    name: as timm has it, with the tag that `initial_weights: imagenet` means. mean, deviation: of grey levels, for each
    channel of the pictures. dropout: before the linear layer. output_stride: pixels between places of the feature maps,
    None for the network's own. mirrored: outside training, feature maps are the mean of those of a slice and of its
    mirror image, turned back; a head is nearly symmetric, and two looks err less than one. It doubles the time.
    coarse_training: in training the network has its own stride, which is cheaper; outside it, dilation takes the place
    of the strides that are left out (Chen et al. 2018, DeepLab, section 3.1): every coarse place is then among the fine
    ones, with the same features. A network of which that is not true is refused, such as one that pools over the whole
    slice on its way (squeeze-and-excitation).

    Raises UsageError where the network cannot have another stride, or not its own in training.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        name: str,
        mean: Sequence[float],
        deviation: Sequence[float],
        findings: tuple[str, ...] = FINDING_NAMES,
        dropout: float = 0.0,
        output_stride: int | None = None,
        mirrored: bool = False,
        coarse_training: bool = False,
    ) -> None:
        super().__init__()
        self.findings = findings
        self.channels = len(mean)
        self.mirrored = mirrored
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)  # (channels, 1, 1)
        self.register_buffer("deviation", torch.tensor(deviation)[:, None, None], persistent=False)
        self.backbone = _without_classifier(name, self.channels, output_stride)
        self._layouts = _layouts(name, self.channels, output_stride) if coarse_training else {}
        self.feature_count = int(self.backbone.num_features)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(self.feature_count, len(findings))
        self.train()

    def train(self, mode: bool = True) -> Self:
        """Set the mode, and with it the stride."""
        for layer, (coarse, fine) in self._layouts.items():
            vars(self.backbone.get_submodule(layer)).update(coarse if mode else fine)
        return super().train(mode)

    def feature_maps(self, pictures: Tensor) -> Tensor:
        """(N, channels, H, W), grey levels 0 to 1, to (N, F, H / stride, W / stride)."""
        normalised = (pictures - self.mean) / self.deviation
        if self.training or not self.mirrored:
            return self.backbone.forward_features(normalised)  # type: ignore[no-any-return]
        both = self.backbone.forward_features(torch.cat([normalised, normalised.flip(3)]))  # (2 N, F, h, w)
        straight, mirrored = both.unflatten(0, (2, -1))
        return (straight + mirrored.flip(3)) / 2  # type: ignore[no-any-return]


def _layouts(name: str, channels: int, output_stride: int | None) -> dict[str, tuple[Layout, Layout]]:
    """The layers of a network that differ between its own stride and another: (at its own, at the other)."""
    # on the CPU, as features are compared; aside, as the weights of the network itself are to depend on its seed alone
    with torch.device("cpu"), torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        coarse, fine = (_without_classifier(name, channels, stride) for stride in (None, output_stride))
        if _kinds(coarse) != _kinds(fine):
            raise UsageError(f"The layers of {name} are others at another stride: leave `coarse_training` out.")
        if not _have_same_features(coarse, fine, channels):
            raise UsageError(f"The features of {name} are others at another stride: leave `coarse_training` out.")
    both = zip(fine.named_modules(), coarse.modules(), strict=True)
    layouts = {layer: (_layout(own), _layout(part)) for (layer, part), own in both}
    return {layer: (own, part) for layer, (own, part) in layouts.items() if own != part}


@torch.no_grad()
def _have_same_features(coarse: Any, fine: Any, channels: int) -> bool:
    """Whether the features of a network at its own stride are among those of itself at a finer one."""
    for weight in coarse.parameters():
        if weight.ndim == 1:  # of a normalisation, which may begin at 0 and hide what lies before it
            weight.uniform_(0.5, 1.5)
    fine.load_state_dict(coarse.state_dict())
    pictures = torch.rand(1, channels, 128, 128)
    few, many = (network.eval().forward_features(pictures) for network in (coarse, fine))
    step = many.shape[-1] // few.shape[-1]
    return bool((many[..., ::step, ::step] - few).abs().max() <= 1e-3 * few.abs().max())


def _kinds(network: nn.Module) -> list[tuple[str, type]]:
    return [(layer, type(part)) for layer, part in network.named_modules()]


def _layout(layer: nn.Module) -> Layout:
    return {key: getattr(layer, key) for key in LAYOUT if hasattr(layer, key)}


def _without_classifier(name: str, channels: int, output_stride: int | None) -> Any:
    try:  # timm leaves out what is None
        return timm.create_model(name, in_chans=channels, num_classes=0, global_pool="", output_stride=output_stride)
    except TypeError as error:
        if output_stride is None:
            raise
        raise UsageError(f"The backbone {name} has no output_stride: set it to null.") from error
