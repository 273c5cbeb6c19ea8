"""Patel et al. 2019: a VGG-like CNN on thin slices and a bidirectional LSTM over all slices of a scan.

A. Patel et al., "Image Level Training and Prediction: Intracranial Hemorrhage Identification in 3D Non-Contrast CT",
IEEE Access 7, 2019: section III-B and Figure 2 (architecture), III-A (LSTM, summed directions), III-C (training).

    slice (1, 256, 256) -> five units of two convolutions -> a sixth of one -> (1024, 1, 1) -> 512 -> 512
    scan (N, 512) -> bidirectional LSTM -> sum -> bidirectional LSTM -> sum of the last states (512) -> softmax of two

From 512 x 512 to 256 x 256 goes the maximum filter, which is part of the input (`maximum_filter: [2, 2]` of a recipe).

What the text leaves open, and what is chosen here:
- Padding of the convolutions: none. Without it six poolings of 2 x 2 take 256 to exactly 1 x 1 (126, 61, 28, 12, 4,
  1); padded ones would leave 4 x 4. Smaller pictures, for trials, leave out whole units: of the five, 128 has four and
  64 three.
- "The number of filters is doubled before each pooling operation": read to the letter, so that of the two convolutions
  of a unit the second doubles. (VGG doubles after the pooling.) The sixth unit's one convolution doubles too.
- Filters of the first layer: Figure 2 prints them, its text does not. 16, since with 32 PyTorch would keep 14.7 GB of
  activations for a scan of 450 thin slices, filtered to 225, and the authors' Titan X has 12
  (benchmarks/patel_memory.py: 5.2 GB for 160 pairs with 16).
- Width of the first dense layer: 512, as the second's. ReLU after both. The last dense layer of III-C.1, before which
  there is dropout, is the one with the softmax over a slice's two classes.
- Initial weights of the CNN: He et al. 2015 (Glorot's, which the paper has in the LSTM, fade over eleven ReLU layers).
- Which outputs of two directions are summed: those of the same slice, as Keras does, which the authors used. (The
  indices in III-A can also be read as those of the same step.)
- How the sequence becomes one vector: the last output of each direction, summed. The backward one ends at the lowest
  slice.
- Grey levels in, without a mean or deviation taken off; the paper names neither these nor its window.

A softmax over two classes gives one logit here, that of the second class minus that of the first: binary cross-entropy
on it is the cross-entropy of the softmax. PyTorch's LSTM has two bias vectors where the paper has one; their sum is
meant.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hemoscope.networks.sequences import pack, unpack
from hemoscope.networks.system import Answer, ScanNetwork, SliceNetwork, System
from hemoscope.networks.two_classes import TwoClasses
from hemoscope.reasons import UsageError

DOUBLE_UNITS = {256: 5, 128: 4, 64: 3}  # units of two convolutions that reach 1 x 1, by rows and columns


@dataclass(frozen=True)
class Patel2019:
    """Settings of the system; the defaults are the paper's."""

    findings: tuple[str, ...] = ("any",)  # a softmax over two classes has one finding
    channels: int = 1  # windows of a picture
    size: int = 256  # rows and columns after the maximum filter; 128 and 64 for trials
    first_filters: int = 16  # of the first convolution; chosen
    features: int = 512  # of both dense layers: what the LSTM gets of a slice
    dropout: float = 0.5  # before the first and the last dense layer
    lstm_layers: int = 2  # 2, or 1 as in section IV-B; 0: the CNN alone
    hidden: int = 512  # of each direction of an LSTM layer

    def __post_init__(self) -> None:
        if self.size not in DOUBLE_UNITS:
            raise UsageError(
                f"patel2019 takes pictures of 256, 128 or 64 pixels after the maximum filter, not {self.size}."
            )
        if len(self.findings) != 1:
            raise UsageError(
                f"patel2019 answers one finding, not {', '.join(self.findings)}: its softmax has two classes."
            )
        if self.lstm_layers not in (0, 1, 2):
            raise UsageError(f"patel2019 has 0, 1 or 2 LSTM layers, not {self.lstm_layers}.")


class PatelCNN(SliceNetwork):
    """Figure 2 up to the feature vector of a slice, and the dense layer that section III-C.1 adds to pre-train it."""

    def __init__(self, settings: Patel2019) -> None:
        super().__init__()
        self.findings = settings.findings
        self.channels = settings.channels
        self.size = settings.size
        self.feature_count = settings.features
        layers: list[nn.Module] = []
        channels, filters = settings.channels, settings.first_filters
        for _ in range(DOUBLE_UNITS[settings.size]):
            layers += [*_convolution(channels, filters), *_convolution(filters, 2 * filters), nn.MaxPool2d(2)]
            channels = filters = 2 * filters
        layers += [*_convolution(channels, 2 * filters), nn.MaxPool2d(2)]
        self.convolutions = nn.Sequential(*layers)  # (N, channels, 256, 256) to (N, 1024, 1, 1)
        self.dense = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(settings.dropout),
            nn.Linear(2 * filters, settings.features),
            nn.ReLU(inplace=True),
            nn.Linear(settings.features, settings.features),
            nn.ReLU(inplace=True),
        )
        self.dropout = nn.Dropout(settings.dropout)
        self.softmax = TwoClasses(settings.features)
        for parameter in (*self.convolutions.parameters(), *self.dense.parameters()):
            if parameter.ndim > 1:
                nn.init.kaiming_normal_(parameter, nonlinearity="relu")
            else:
                nn.init.zeros_(parameter)  # biases

    def features(self, pictures: Tensor) -> Tensor:
        """(N, channels, size, size), grey levels 0 to 1, to (N, F), none negative."""
        return self.dense(self.convolutions(pictures))  # type: ignore[no-any-return]

    def classify(self, features: Tensor) -> Tensor:
        """(N, F) to logits (N, 1)."""
        return self.softmax(self.dropout(features))  # type: ignore[no-any-return]


def _convolution(channels: int, filters: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, filters, 3), nn.ReLU(inplace=True)]


class PatelLSTM(ScanNetwork):
    """Figure 2 from the feature vectors of the slices to the class probabilities of the scan."""

    scores = frozenset({"scans"})

    def __init__(self, settings: Patel2019) -> None:
        super().__init__()
        self.findings = settings.findings
        inputs = [settings.features, settings.hidden][: settings.lstm_layers]
        self.layers = nn.ModuleList(nn.LSTM(size, settings.hidden, bidirectional=True) for size in inputs)
        for layer in self.layers:
            _initialise(layer)
        self.softmax = TwoClasses(settings.hidden)

    def forward(self, features: Tensor, slice_logits: Tensor, lengths: Tensor) -> Answer:
        """(N, F) and the CNN's own logits (N, 1), which go through as they are, to logits of the scans (B, 1)."""
        *before, last = self.layers
        for layer in before:
            outputs, _ = layer(pack(features, lengths))
            forward, backward = torch.chunk(unpack(outputs), 2, dim=1)
            features = forward + backward  # (N, hidden)
        _, (states, _) = last(pack(features, lengths))  # (2, B, hidden): where each direction ended
        return Answer(slice_logits, self.softmax(states.sum(0)))


def _initialise(layer: nn.Module) -> None:
    """Section III-C.2: Glorot uniform W, orthogonal U of each gate; bias one of the forget gate, else zero."""
    for name, parameter in layer.named_parameters():
        gates = parameter.detach().chunk(4)  # input, forget, cell, output: PyTorch's order
        for gate in gates:
            if name.startswith("weight_ih"):
                nn.init.xavier_uniform_(gate)
            elif name.startswith("weight_hh"):
                nn.init.orthogonal_(gate)
            else:
                nn.init.zeros_(gate)
        if name.startswith("bias_ih"):
            nn.init.ones_(gates[1])


def build(settings: Patel2019) -> System:
    """The CNN, and the LSTM unless it has no layers."""
    return System(PatelCNN(settings), PatelLSTM(settings) if settings.lstm_layers else None)
