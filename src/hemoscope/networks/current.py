"""Our own system: a small backbone on a slice and its neighbours, then a short sequence network with attention pooling.

It follows no single paper. Each part, and why it is here:

- Backbone: any of timm that ends in feature maps; MobileNetV2 (Sandler et al. 2018) at stride 16, so that heat maps of
  a 256 x 256 slice have 16 x 16 places. Trained at stride 32 a step costs less (benchmarks/slow_kernels.py), and at
  stride 16 it has the features that it learned, and those between them. Average and one linear layer: class activation
  maps (Zhou et al. 2016).
- Mirror images: a head is nearly symmetric, so the mean over a slice and its mirror image errs less than one look.
- Neighbouring slices as channels: the winners of RSNA 2019 gave three slices to their CNNs.
- Deltas: what a slice's features differ by from the slice below and from that above, joined to its own; the
  second-placed team of RSNA 2019 reports that they help a sequence network. Zero at the ends of the scan.
- Sequence: a bidirectional GRU, a transformer encoder (Vaswani et al. 2017, sinusoidal positions, normalisation first),
  or none: the slice network alone, whose neighbouring slices speak for each other in a bundle's calibration.
- Slice logits: the sequence network's are added to the slice network's, and its last layer starts from zero. So it
  starts with the answers of the slice network, and learns only what the neighbours change.
- Scan logits: the smooth maximum of the slice logits, as a scan has what one of its slices has, plus a linear layer,
  which starts from zero too, on the attention pooling of the scan (Ilse et al. 2018, equations 7 and 8). An untrained
  scan network is therefore a fair one, weak labels teach every slice by its share, and the attention learns what a
  maximum cannot say: how much many weak slices count.

Any number of channels starts from weights for three colours: `timm.models.adapt_input_conv` repeats the first layer's
weights along the channels and scales them by three over the channels (a single channel gets their sum), so that grey
pictures give the answers that they gave before. One mean and deviation for every channel goes with that.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Literal

import timm
import torch
from torch import Tensor, nn

from hemoscope.findings import FINDING_NAMES
from hemoscope.networks.backbone import BackboneNetwork
from hemoscope.networks.scan_logits import smooth_maximum
from hemoscope.networks.sequences import pack, pad, unpack
from hemoscope.networks.system import Answer, ScanNetwork, System
from hemoscope.reasons import UsageError


@dataclass(frozen=True)
class Current:
    """Settings of the system."""

    findings: tuple[str, ...] = FINDING_NAMES
    channels: int = 3  # windows within slices of a picture
    backbone: str = "mobilenetv2_100"  # a name of timm
    output_stride: int | None = 16  # pixels between places of the feature maps; None: the backbone's own
    coarse_training: bool = False  # train at the backbone's own stride, which is cheaper
    mean: float = 0.449  # of grey levels, taken off every channel: that of ImageNet over its three colours
    deviation: float = 0.226  # of grey levels, likewise
    dropout: float = 0.2  # before each linear layer that gives logits
    mirrored: bool = False  # answers are the mean of a slice's and its mirror image's
    sequence: Literal["gru", "transformer", "none"] = "gru"
    width: int = 128  # of the sequence network; even, of a transformer a multiple of its heads
    layers: int = 1  # of the sequence network
    heads: int = 4  # of a transformer's attention
    sharpness: float = 4.0  # of the smooth maximum over the slices

    def __post_init__(self) -> None:
        if not timm.is_model(self.backbone):
            raise UsageError(f"timm has no backbone '{self.backbone}'; timm.list_models() names them.")
        if self.sequence not in ("gru", "transformer", "none"):
            raise UsageError(f"The sequence of `current` is gru, transformer or none, not {self.sequence}.")
        if self.width % 2 or (self.sequence == "transformer" and self.width % self.heads):
            raise UsageError(
                f"The width of `current` is even and a multiple of its {self.heads} heads, not {self.width}."
            )


class SequenceNetwork(ScanNetwork):
    """Deltas, a sequence network and attention pooling over the features of a scan."""

    scores = frozenset({"slices", "scans"})

    def __init__(self, settings: Current, feature_count: int) -> None:
        super().__init__()
        self.findings = settings.findings
        self.sharpness = settings.sharpness
        width, count = settings.width, len(settings.findings)
        self.project = nn.Sequential(nn.Linear(feature_count, width), nn.LayerNorm(width))
        self.join = nn.Sequential(nn.Linear(3 * width, width), nn.ReLU())
        self.sequence = SEQUENCES[settings.sequence](settings)
        self.dropout = nn.Dropout(settings.dropout)
        self.attention = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1, bias=False))
        self.of_slices = nn.Linear(width, count)
        self.of_scans = nn.Linear(width, count)
        for last in (self.of_slices, self.of_scans):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, features: Tensor, slice_logits: Tensor, lengths: Tensor) -> Answer:
        """(N, F) and the slice network's logits (N, findings) to logits of slices and of scans (B, findings)."""
        own = self.project(features)  # (N, width)
        outputs = self.dropout(self.sequence(self.join(with_deltas(own, lengths)), lengths))  # (N, width)
        slices = slice_logits + self.of_slices(outputs)
        scans = smooth_maximum(slices, lengths, self.sharpness) + self.of_scans(self.pool(outputs, lengths))
        return Answer(slices, scans)

    def pool(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        """(N, width) to (B, width): averages that are weighted by attention (Ilse et al. 2018, equations 7 and 8)."""
        padded, real = pad(outputs, lengths)  # (B, S, width), (B, S)
        weights = self.attention(padded).masked_fill(~real[:, :, None], -math.inf).softmax(1)  # (B, S, 1)
        return (weights * padded).sum(1)  # type: ignore[no-any-return]


def with_deltas(features: Tensor, lengths: Tensor) -> Tensor:
    """(N, width) to (N, 3 width): own features, less those of the slice below, less those above; 0 at the ends."""
    scan = torch.arange(len(lengths), device=features.device).repeat_interleave(lengths.to(features.device))  # (N,)
    steps = (features[1:] - features[:-1]) * (scan[1:] == scan[:-1])[:, None]  # (N - 1, width), upwards
    below, above = nn.functional.pad(steps, (0, 0, 1, 0)), -nn.functional.pad(steps, (0, 0, 0, 1))
    return torch.cat([features, below, above], dim=1)


class Recurrent(nn.Module):
    """A bidirectional GRU over the slices of each scan, (N, width) to (N, width)."""

    def __init__(self, settings: Current) -> None:
        super().__init__()
        self.gru = nn.GRU(settings.width, settings.width // 2, settings.layers, bidirectional=True)

    def forward(self, slices: Tensor, lengths: Tensor) -> Tensor:
        """Of scans one after another."""
        outputs, _ = self.gru(pack(slices, lengths))
        return unpack(outputs)


class Transformer(nn.Module):
    """Attention between all slices of each scan, (N, width) to (N, width)."""

    def __init__(self, settings: Current) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            settings.width, settings.heads, 4 * settings.width, settings.dropout, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, settings.layers, enable_nested_tensor=False)

    def forward(self, slices: Tensor, lengths: Tensor) -> Tensor:
        """Of scans one after another."""
        padded, real = pad(slices, lengths)  # (B, S, width), (B, S)
        outputs: Tensor = self.encoder(padded + positions(padded.shape[1], padded), src_key_padding_mask=~real)
        return outputs[real]


def positions(count: int, like: Tensor) -> Tensor:
    """(count, width): sines and cosines of the slice's number (Vaswani et al. 2017, section 3.5)."""
    width = like.shape[-1]
    rates = torch.exp(torch.arange(0, width, 2, device=like.device) * (-math.log(10_000) / width))
    angles = torch.arange(count, device=like.device)[:, None] * rates  # (count, width / 2)
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1).to(like)


SEQUENCES: dict[str, type[Recurrent | Transformer]] = {"gru": Recurrent, "transformer": Transformer}


def build(settings: Current) -> System:
    """The backbone and the sequence network if there is one; raises UsageError for a backbone that does not serve."""
    backbone = BackboneNetwork(
        settings.backbone,
        (settings.mean,) * settings.channels,
        (settings.deviation,) * settings.channels,
        findings=settings.findings,
        dropout=settings.dropout,
        output_stride=settings.output_stride,
        mirrored=settings.mirrored,
        coarse_training=settings.coarse_training,
    )
    _refuse_without_feature_maps(backbone, settings.backbone)
    return System(backbone, None if settings.sequence == "none" else SequenceNetwork(settings, backbone.feature_count))


def _refuse_without_feature_maps(network: BackboneNetwork, name: str) -> None:
    """Raise UsageError for a network, as ViT, that ends in tokens; found on a picture without values."""
    shapes_only = copy.deepcopy(network).eval().to("meta")
    shape = shapes_only.feature_maps(torch.empty(1, network.channels, 224, 224, device="meta")).shape
    if len(shape) != 4 or shape[1] != network.feature_count:
        raise UsageError(f"The backbone {name} does not end in feature maps; take a convolutional one.")
