"""Ye et al. 2019: a CNN for each slice and a recurrent network over the scan, trained as one; two of them in a cascade.

H. Ye et al., "Precise diagnosis of intracranial hemorrhage and subtypes using a three-dimensional joint convolutional
and recurrent neural network", European Radiology 29, 2019: "Prediction models and workflow", Figures 1 and 2.

    slice (3, 256, 256) -> VGG-like CNN -> (256) -> GRU over the slices of the scan -> slice logits -> scan logits

`Sub-Lab` and `Sli-Lab` are one network: the loss of a recipe takes the labels of scans, or of scans and slices. The
two-type task has the finding `any`, the five-type task the five subtypes; `Cascade` asks the second of scans that are
positive in the first.

The paper leaves the network to its supplement, which is not at hand. Patel 2019, Table 1, calls it "VGG-like + GRU". So
these are chosen:
- CNN: five units of two padded 3 x 3 convolutions, a pooling between units, half the filters of VGG (Simonyan and
  Zisserman 2014): the activations of 80 slices are to fit beside each other on one GPU. It ends in the average of its
  feature maps (256, 16, 16) rather than in VGG's dense layers, so that class activation maps exist.
- Group normalisation (Wu and He 2018, groups of 16 channels) after each convolution. Without any, ten layers from
  random weights hardly learn; batch norm would mix the slices of the one or few scans of a batch, which are no
  independent sample, and would give other answers in training than in use.
- GRU: one bidirectional layer of 128 units each way.
- Slice logits: one linear layer on the GRU's output, added to the CNN's own logits. The sum lets the CNN's layer learn
  in both settings, and its class activation maps are the CNN's share of the answer.
- Scan logits: smooth maximum of the slice logits, as a scan has what one of its slices has. It needs no weights, so
  that Sub-Lab teaches the slices too; sharpness 4 (one high slice of 80 gives at most 1.1 less than its own logit).
- Dropout of 0.3 before both linear layers.
- Windows: brain 40/80, subdural 80/200, soft tissue 40/380, as the other papers; grey levels are shifted to -1 to 1.
- Weights of the loss in Sli-Lab: one each for slices and scans (recipe).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hemoscope.findings import FINDING_NAMES
from hemoscope.networks.scan_logits import smooth_maximum
from hemoscope.networks.sequences import pack, unpack
from hemoscope.networks.system import Answer, PooledNetwork, ScanNetwork, System
from hemoscope.reasons import UsageError

SUBTYPES = FINDING_NAMES[:-1]
GROUP = 16  # channels that are normalised together
POSITIVE = 0.0  # logit of the probability 0.5, from which a scan is positive ("Statistical analysis")
NO_SUBTYPE = -20.0  # logit of subtypes in scans without bleeding: a probability of 2e-9, finite so that it can be used


@dataclass(frozen=True)
class Ye2019:
    """Settings of one network of the cascade; all but the findings and channels are chosen."""

    findings: tuple[str, ...] = ("any",)  # two-type task; five-type: the five subtypes
    channels: int = 3  # windows of a picture
    filters: tuple[int, ...] = (32, 64, 128, 256, 256)  # of both convolutions of each unit, multiples of 16
    hidden: int = 128  # of each direction of the GRU
    dropout: float = 0.3  # before the linear layers
    sharpness: float = 4.0  # of the smooth maximum over the slices

    def __post_init__(self) -> None:
        if wrong := [filters for filters in self.filters if filters % GROUP]:
            raise UsageError(f"The filters of ye2019 are multiples of {GROUP}, which {wrong[0]} is not.")


class YeCNN(PooledNetwork):
    """The VGG-like network of one slice."""

    def __init__(self, settings: Ye2019) -> None:
        super().__init__()
        self.findings = settings.findings
        self.channels = settings.channels
        self.feature_count = settings.filters[-1]
        layers: list[nn.Module] = []
        channels = settings.channels
        for filters in settings.filters:
            layers += [*_convolution(channels, filters), *_convolution(filters, filters), nn.MaxPool2d(2)]
            channels = filters
        self.convolutions = nn.Sequential(*layers[:-1])  # the last maps are averaged, not pooled
        self.dropout = nn.Dropout(settings.dropout)
        self.linear = nn.Linear(channels, len(settings.findings))

    def feature_maps(self, pictures: Tensor) -> Tensor:
        """(N, channels, H, W), grey levels 0 to 1, to (N, F, H / 16, W / 16)."""
        return self.convolutions(2 * pictures - 1)  # type: ignore[no-any-return]


def _convolution(channels: int, filters: int) -> list[nn.Module]:
    layer = nn.Conv2d(channels, filters, 3, padding=1, bias=False)  # the normalisation has a bias
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return [layer, nn.GroupNorm(filters // GROUP, filters), nn.ReLU(inplace=True)]


class YeGRU(ScanNetwork):
    """The recurrent network over the features of the slices of a scan."""

    scores = frozenset({"slices", "scans"})

    def __init__(self, settings: Ye2019) -> None:
        super().__init__()
        self.findings = settings.findings
        self.sharpness = settings.sharpness
        self.gru = nn.GRU(settings.filters[-1], settings.hidden, bidirectional=True)
        self.dropout = nn.Dropout(settings.dropout)
        self.linear = nn.Linear(2 * settings.hidden, len(settings.findings))

    def forward(self, features: Tensor, slice_logits: Tensor, lengths: Tensor) -> Answer:
        """(N, F) and the CNN's logits (N, findings) to logits of slices (N, findings) and scans (B, findings)."""
        outputs, _ = self.gru(pack(features, lengths))
        slices = slice_logits + self.linear(self.dropout(unpack(outputs)))  # (N, findings)
        return Answer(slices, smooth_maximum(slices, lengths, self.sharpness))


def build(settings: Ye2019) -> System:
    """One network of the cascade, for the two-type or the five-type task."""
    return System(YeCNN(settings), YeGRU(settings))


class BothCNNs(PooledNetwork):
    """Two trained CNNs on the same pictures as one: their feature maps side by side, their linear layers as blocks."""

    def __init__(self, two_type: PooledNetwork, five_type: PooledNetwork) -> None:
        super().__init__()
        self.findings = FINDING_NAMES
        self.channels = two_type.channels
        self.feature_count = two_type.feature_count + five_type.feature_count
        self.two_type = two_type
        self.five_type = five_type
        self.dropout = nn.Identity()  # it is not trained any more
        self.linear = nn.Linear(self.feature_count, len(FINDING_NAMES))
        five, two = five_type.linear, two_type.linear
        weight = torch.block_diag(five.weight, two.weight)  # type: ignore[no-untyped-call]
        self.linear.weight = nn.Parameter(weight.detach())
        self.linear.bias = nn.Parameter(torch.cat([five.bias, two.bias]).detach())

    def feature_maps(self, pictures: Tensor) -> Tensor:
        """(N, channels, H, W), grey levels 0 to 1, to (N, F, h, w), those of the five-type network first."""
        return torch.cat([self.five_type.feature_maps(pictures), self.two_type.feature_maps(pictures)], dim=1)


class BothGRUs(ScanNetwork):
    """Bleeding or not, then the subtypes of the scans that bleed (Figure 1)."""

    scores = frozenset({"slices", "scans"})

    def __init__(self, two_type: ScanNetwork, five_type: ScanNetwork, five_type_features: int) -> None:
        super().__init__()
        self.findings = FINDING_NAMES
        self.two_type = two_type
        self.five_type = five_type
        self.five_type_features = five_type_features

    def forward(self, features: Tensor, slice_logits: Tensor, lengths: Tensor) -> Answer:
        """(N, F) of both CNNs and their logits (N, 6) to logits of slices (N, 6) and scans (B, 6).

        Of a scan whose `any` is below a probability of 0.5 the subtypes, of the scan and of each slice, are NO_SUBTYPE.
        """
        of_five, of_two = features[:, : self.five_type_features], features[:, self.five_type_features :]
        bleeding: Answer = self.two_type(of_two, slice_logits[:, len(SUBTYPES) :], lengths)
        subtypes: Answer = self.five_type(of_five, slice_logits[:, : len(SUBTYPES)], lengths)
        assert bleeding.scans is not None and bleeding.slices is not None
        assert subtypes.scans is not None and subtypes.slices is not None
        positive = bleeding.scans >= POSITIVE  # (B, 1)
        of_slices = positive.repeat_interleave(lengths.to(positive.device), dim=0)  # (N, 1)
        return Answer(
            torch.cat([subtypes.slices.where(of_slices, NO_SUBTYPE), bleeding.slices], dim=1),
            torch.cat([subtypes.scans.where(positive, NO_SUBTYPE), bleeding.scans], dim=1),
        )


class Cascade(System):
    """Two trained systems of this paper as one with all six findings; it is exported, not trained.

    Raises UsageError unless the first answers `any`, the second the five subtypes, of the same channels.
    """

    def __init__(self, two_type: System, five_type: System) -> None:
        if two_type.findings != ("any",) or five_type.findings != SUBTYPES:
            raise UsageError(
                "A cascade needs a system of the finding `any` first, and one of the five subtypes second."
            )
        first, second = two_type.slice_network, five_type.slice_network
        if not isinstance(first, YeCNN) or not isinstance(second, YeCNN):
            raise UsageError("A cascade is made of two systems of ye2019.")
        if first.channels != second.channels:
            raise UsageError(
                f"The systems of a cascade see {first.channels} and {second.channels} channels, not the same."
            )
        assert two_type.scan_network is not None and five_type.scan_network is not None
        super().__init__(
            BothCNNs(first, second), BothGRUs(two_type.scan_network, five_type.scan_network, second.feature_count)
        )
