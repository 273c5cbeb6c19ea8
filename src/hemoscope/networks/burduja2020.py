"""Burduja 2020: a CNN for each slice, few of its features, and a bidirectional LSTM over the slices of the scan.

M. Burduja et al., "Accurate and Efficient Intracranial Hemorrhage Detection and Subtype Classification in 3D CT Scans
with Convolutional and Long Short-Term Memory Neural Networks", Sensors 20, 2020: section 3.2, Figure 3, Table 2.

    slice (3, 256, 256) -> ResNeXt-101 32x8d -> 2048 features -> six logits
        2048 features -> feature selection (120) -> LSTM 3 x 256, both directions -> 256 and six probabilities of the
        CNN -> six logits of each slice

The paper scores slices; the answer for a scan is the highest of its slices. It leaves open, and we chose:
- One LSTM of 256 cells each way gives 512 values, yet the paper's embedding has 256: the two directions of the last
  layer are summed, so that the cell state and the embedding both have 256, as the text says.
- Dropout of 0.3 lies between the layers of the LSTM (PyTorch's `dropout`).
- Features "with the lowest or highest weights (in absolute value) for each output class": a feature has six weights,
  one of each output of the CNN. The outputs take turns: each in its n-th turn the n-th of its features by magnitude,
  unless another output took it before.
- PCA: at most 30,000 of the vectors, evenly over the scans; not whitened; scikit-learn's exact solver.
- "Softmax" stands for six independent sigmoids, as equation 1 and the text on it say.
- Table 2 gives EfficientNet-B4 2048 features; it has 1792.
- Initial weights: the weakly supervised ResNeXt (`fb_wsl_ig1b_ft_in1k` of timm, or Facebook's own file), and for
  EfficientNet-B4 the only ones of timm (`ra2_in1k`).
- Row 3 of Table 2 gives the LSTM the probabilities, not the logits.
- Equation 1 adds up the six terms of the loss; the recipe takes their mean. Adam does not see the factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn

from hemoscope.findings import FINDING_NAMES
from hemoscope.networks.backbone import BackboneNetwork
from hemoscope.networks.sequences import pack, unpack
from hemoscope.networks.system import Answer, PooledNetwork, ScanNetwork, System
from hemoscope.reasons import UsageError

CNNS = {"resnext101_32x8d": "resnext101_32x8d.fb_wsl_ig1b_ft_in1k", "efficientnet_b4": "efficientnet_b4.ra2_in1k"}
PCA_VECTORS = 30_000  # section 3.2

Selection = Literal["pca", "largest_deviation", "largest_weights", "smallest_weights", "predictions", "none"]


@dataclass(frozen=True)
class Burduja2020:
    """Settings of the system; the defaults are the last row of Table 2."""

    cnn: Literal["resnext101_32x8d", "efficientnet_b4"] = "resnext101_32x8d"
    selection: Selection = "pca"  # what the LSTM gets; predictions: six probabilities; none: every feature
    selected: int = 120  # features, of `pca` and those by deviation or weights
    lstm_layers: int = 3  # 0: the CNN alone (rows 1 and 2)
    lstm_cells: int = 256  # of each direction
    lstm_dropout: float = 0.3  # between layers
    join_predictions: bool = True  # the CNN's probabilities to the LSTM's output (last row)
    mean: tuple[float, float, float] = (0.1738, 0.1433, 0.1970)  # of grey levels, a window each (section 3.1)
    deviation: tuple[float, float, float] = (0.3161, 0.2850, 0.3111)  # likewise

    def __post_init__(self) -> None:
        for name in ("selected", "lstm_cells"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} of burduja2020 is at least 1, not {getattr(self, name)}.")
        if self.lstm_layers < 0:
            raise UsageError(f"lstm_layers of burduja2020 is 0 or more, not {self.lstm_layers}.")


class FeatureSelection(nn.Module):
    """Few features out of many, fitted once on those of the training slices; then part of the weights.

    Raises UsageError where it is used before it was fitted.
    """

    mean: Tensor
    components: Tensor
    chosen: Tensor

    def __init__(self, kind: Selection, features: int, selected: int) -> None:
        super().__init__()
        if selected > features:
            raise UsageError(f"The CNN has {features} features: {selected} of them cannot be selected.")
        self.kind = kind
        self.fitted = kind in ("predictions", "none")
        self.count = {"predictions": len(FINDING_NAMES), "none": features}.get(kind, selected)
        if kind == "pca":
            self.register_buffer("mean", torch.zeros(features))
            self.register_buffer("components", torch.zeros(selected, features))
        elif not self.fitted:
            self.register_buffer("chosen", torch.zeros(selected, dtype=torch.long))

    def fit(self, features: Tensor, weights: Tensor) -> None:
        """Learn from the features of slices (M, F) and the weights (findings, F) of the CNN's last layer."""
        if self.kind == "pca":
            self._fit_pca(features)
        elif self.kind == "largest_deviation":
            deviations = features.float().std(0, correction=0)  # (F,)
            self.chosen.copy_(deviations.argsort(stable=True, descending=True)[: self.count])
        elif self.kind in ("largest_weights", "smallest_weights"):
            descending = self.kind == "largest_weights"
            order = weights.detach().abs().argsort(stable=True, dim=1, descending=descending)  # (findings, F)
            turns = order.T.flatten().tolist()  # the first of each finding, the second of each, ...
            without_repeats = list(dict.fromkeys(turns))
            self.chosen.copy_(torch.tensor(without_repeats[: self.count]))
        self.fitted = True

    def _fit_pca(self, features: Tensor) -> None:
        if len(features) < self.count:
            raise UsageError(
                f"{self.count} components need as many training slices at least; there are {len(features)}."
            )
        rows = np.linspace(0, len(features) - 1, min(len(features), PCA_VECTORS)).round().astype(int)
        pca = PCA(self.count, svd_solver="covariance_eigh").fit(features[torch.from_numpy(rows)].float().cpu().numpy())
        self.mean.copy_(torch.from_numpy(pca.mean_))
        self.components.copy_(torch.from_numpy(pca.components_))

    def forward(self, features: Tensor, probabilities: Tensor) -> Tensor:
        """(N, F) and the CNN's probabilities (N, findings) to (N, count)."""
        if not self.fitted:
            raise UsageError(f"The feature selection `{self.kind}` is not fitted: train the stage of the LSTM first.")
        if self.kind == "predictions":
            return probabilities
        if self.kind == "none":
            return features
        if self.kind == "pca":
            return (features - self.mean) @ self.components.T
        return features[:, self.chosen]

    def get_extra_state(self) -> Tensor:
        """Whether it is fitted: kept with the weights."""
        return torch.tensor(self.fitted)

    def set_extra_state(self, state: Tensor) -> None:
        """From the weights."""
        self.fitted = bool(state)


class BurdujaLSTM(ScanNetwork):
    """Logits of every slice from the selected features of all slices of its scan."""

    scores = frozenset({"slices"})

    def __init__(self, settings: Burduja2020, feature_count: int) -> None:
        super().__init__()
        self.findings = FINDING_NAMES
        self.join_predictions = settings.join_predictions
        self.selection = FeatureSelection(settings.selection, feature_count, settings.selected)
        self.lstm = nn.LSTM(
            self.selection.count,
            settings.lstm_cells,
            settings.lstm_layers,
            dropout=settings.lstm_dropout if settings.lstm_layers > 1 else 0.0,
            bidirectional=True,
        )
        joined = len(FINDING_NAMES) if settings.join_predictions else 0
        self.linear = nn.Linear(settings.lstm_cells + joined, len(FINDING_NAMES))

    def fit(self, features: Tensor, slice_network: PooledNetwork) -> None:
        """Fit the feature selection on the features of training slices (M, F), before the LSTM learns."""
        self.selection.fit(features, slice_network.linear.weight)

    def forward(self, features: Tensor, slice_logits: Tensor, lengths: Tensor) -> Answer:
        """(N, F) and the CNN's logits (N, 6) to logits of slices (N, 6)."""
        probabilities = slice_logits.sigmoid()  # (N, 6)
        selected = self.selection(features, probabilities)  # (N, count)
        outputs, _ = self.lstm(pack(selected, lengths))
        forwards, backwards = unpack(outputs).chunk(2, dim=1)
        embeddings = forwards + backwards  # (N, cells)
        if self.join_predictions:
            embeddings = torch.cat([embeddings, probabilities], dim=1)
        return Answer(self.linear(embeddings), None)


def build(settings: Burduja2020) -> System:
    """The CNN, and the LSTM where it has layers, with random weights."""
    cnn = BackboneNetwork(CNNS[settings.cnn], settings.mean, settings.deviation)
    return System(cnn, BurdujaLSTM(settings, cnn.feature_count) if settings.lstm_layers else None)
