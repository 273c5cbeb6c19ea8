"""The CNN, the feature selection and the LSTM of Burduja 2020."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn

from hemoscope.networks import burduja2020
from hemoscope.networks.backbone import BackboneNetwork
from hemoscope.networks.burduja2020 import Burduja2020, BurdujaLSTM, FeatureSelection, build
from hemoscope.reasons import UsageError

FEATURES = 40
SMALL = Burduja2020(selected=12, lstm_cells=16)
SELECTIONS: list[Any] = ["pca", "largest_deviation", "largest_weights", "smallest_weights", "predictions", "none"]


def cnn_layer() -> nn.Linear:
    torch.manual_seed(1)
    return nn.Linear(FEATURES, 6)


def training_features(count: int = 200) -> Tensor:
    """Correlated, of different deviations and off zero."""
    generator = torch.Generator().manual_seed(2)
    mixing = torch.randn(FEATURES, FEATURES, generator=generator)
    return torch.randn(count, FEATURES, generator=generator) @ mixing + 3


def fitted(settings: Burduja2020) -> BurdujaLSTM:
    torch.manual_seed(7)
    network = BurdujaLSTM(settings, FEATURES).eval()
    network.selection.fit(training_features(), cnn_layer().weight)
    return network


def slices_of(network: BurdujaLSTM, features: Tensor, *lengths: int) -> Tensor:
    with torch.no_grad():
        answer = network(features, cnn_layer()(features), torch.tensor(lengths))
    assert answer.scans is None
    assert answer.slices is not None
    return answer.slices  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("settings", "millions", "features"),
    [(Burduja2020(lstm_layers=0), 86.75, 2048), (Burduja2020(cnn="efficientnet_b4", lstm_layers=0), 17.56, 1792)],
)
def test_the_cnns_have_their_parameters_and_features(settings: Burduja2020, millions: float, features: int) -> None:
    """ResNeXt-101 32x8d has about 88 M with ImageNet's 1000 classes, of which 994 go: 2049 weights each."""
    with torch.device("meta"):
        system = build(settings)
        pictures = torch.empty(2, 3, 256, 256)
    assert system.scan_network is None
    assert isinstance(system.slice_network, BackboneNetwork)
    assert system.slice_network.feature_maps(pictures).shape == (2, features, 8, 8)
    assert system(pictures, torch.tensor([2])).slices.shape == (2, 6)
    assert sum(parameter.numel() for parameter in system.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)


def test_resnext_with_a_thousand_classes_has_88_million_parameters() -> None:
    with torch.device("meta"):
        system = build(Burduja2020(lstm_layers=0))
    assert sum(parameter.numel() for parameter in system.parameters()) + 994 * 2049 == 88_791_336


def test_the_lstm_has_the_shapes_of_figure_3() -> None:
    with torch.device("meta"):
        network = build(Burduja2020()).scan_network
        without = BurdujaLSTM(replace(Burduja2020(), join_predictions=False), 2048)
    assert isinstance(network, BurdujaLSTM)
    lstm = network.lstm
    assert (lstm.input_size, lstm.hidden_size, lstm.num_layers) == (120, 256, 3)
    assert (lstm.bidirectional, lstm.dropout) == (True, 0.3)
    assert network.linear.weight.shape == (6, 256 + 6)
    assert without.linear.weight.shape == (6, 256)


def test_pictures_are_normalised_with_the_papers_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(burduja2020.CNNS, "efficientnet_b4", "test_resnet")
    cnn = build(Burduja2020(cnn="efficientnet_b4", lstm_layers=0)).slice_network.eval()
    assert isinstance(cnn, BackboneNetwork)
    mean, deviation = torch.tensor([0.1738, 0.1433, 0.1970]), torch.tensor([0.3161, 0.2850, 0.3111])
    for grey in (0.0, 1.0):
        picture = (mean + grey * deviation)[:, None, None].expand(1, 3, 64, 64)
        with torch.no_grad():
            expected = cnn.backbone.forward_features(torch.full((1, 3, 64, 64), grey))
            torch.testing.assert_close(cnn.feature_maps(picture), expected)


@pytest.mark.parametrize("selection", SELECTIONS)
def test_any_number_of_slices_and_their_order_and_neighbours_matter(selection: Any) -> None:
    network = fitted(replace(SMALL, selection=selection))
    features = training_features(20)
    slices = slices_of(network, features, 20)
    assert slices.shape == (20, 6)
    backwards = slices_of(network, features.flip(0), 20).flip(0)
    assert (slices - backwards).abs().max() > 1e-4
    assert slices_of(network, features[:1], 1).shape == (1, 6)


@pytest.mark.parametrize("selection", SELECTIONS)
def test_other_scans_and_padding_do_not_matter(selection: Any) -> None:
    network = fitted(replace(SMALL, selection=selection))
    features = training_features(20)
    together = slices_of(network, features, 3, 12, 1, 4)
    apart = [slices_of(network, part, len(part)) for part in features.split([3, 12, 1, 4])]
    torch.testing.assert_close(together, torch.cat(apart), atol=1e-5, rtol=1e-5)


def test_probabilities_join_the_output_only_where_asked() -> None:
    features, lengths = training_features(5), torch.tensor([5])
    for joined in (True, False):
        network = fitted(replace(SMALL, join_predictions=joined))
        low, high = (network(features, torch.full((5, 6), logit), lengths).slices for logit in (-5.0, 5.0))
        assert torch.equal(low, high) is not joined
        if joined:
            shift = network.linear.weight[:, -6:].sum(1) * (torch.tensor(5.0).sigmoid() - torch.tensor(-5.0).sigmoid())
            torch.testing.assert_close(high - low, shift.expand(5, 6))


def test_directions_are_summed() -> None:
    network = fitted(replace(SMALL, selection="none", join_predictions=False))
    features = training_features(7)
    with torch.no_grad():
        outputs, _ = network.lstm(features[:, None])
        expected = network.linear(outputs[:, 0, :16] + outputs[:, 0, 16:])
    torch.testing.assert_close(slices_of(network, features, 7), expected)


def test_predictions_reach_the_lstm_as_probabilities() -> None:
    network = fitted(replace(SMALL, selection="predictions", join_predictions=False))
    features = training_features(7)
    with torch.no_grad():
        outputs, _ = network.lstm(cnn_layer()(features).sigmoid()[:, None])
        expected = network.linear(outputs[:, 0, :16] + outputs[:, 0, 16:])
    torch.testing.assert_close(slices_of(network, features, 7), expected)


def test_pca_is_that_of_scikit_learn() -> None:
    features, new = training_features(), training_features(9) * 2
    selection = FeatureSelection("pca", FEATURES, 12)
    selection.fit(features, cnn_layer().weight)
    pca = PCA(12, svd_solver="full").fit(features.numpy())
    given = selection(new, torch.zeros(9, 6)).numpy()
    np.testing.assert_allclose(np.abs(given), np.abs(pca.transform(new.numpy())), rtol=1e-3, atol=1e-3)


def test_pca_takes_vectors_from_all_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(burduja2020, "PCA_VECTORS", 50)
    features = training_features(500)
    selection = FeatureSelection("pca", FEATURES, 12)
    selection.fit(features, cnn_layer().weight)
    chosen = np.linspace(0, 499, 50).round().astype(int)
    np.testing.assert_allclose(selection.mean.numpy(), features.numpy()[chosen].mean(0), rtol=1e-4)


def test_largest_deviations_are_those_of_numpy() -> None:
    features = training_features()
    selection = FeatureSelection("largest_deviation", FEATURES, 12)
    selection.fit(features, cnn_layer().weight)
    expected = np.argsort(-features.numpy().std(axis=0))[:12]
    assert selection.chosen.tolist() == expected.tolist()
    assert torch.equal(selection(features, torch.zeros(200, 6)), features[:, expected.tolist()])


def test_outputs_take_turns_in_choosing_features_by_weight() -> None:
    weights = torch.tensor([[9.0, -8.0, 1.0, 0.5], [7.0, 3.0, -6.0, 0.1]])
    for kind, expected in (("largest_weights", [0, 1, 2]), ("smallest_weights", [3, 2, 1])):
        selection = FeatureSelection(kind, 4, 3)  # type: ignore[arg-type]
        selection.fit(torch.zeros(1, 4), weights)
        assert selection.chosen.tolist() == expected


def test_the_fit_takes_the_weights_of_the_cnns_last_layer() -> None:
    network = BurdujaLSTM(replace(SMALL, selection="largest_weights"), FEATURES)
    cnn = BackboneNetwork("test_resnet", (0.0,), (1.0,))
    cnn.linear = cnn_layer()
    network.fit(training_features(), cnn)
    rank = cnn.linear.weight.abs().argsort(dim=1, descending=True)
    assert network.selection.chosen[:1].tolist() == rank[0, :1].tolist()
    assert len(set(network.selection.chosen.tolist())) == 12


@pytest.mark.parametrize("selection", SELECTIONS)
def test_a_selection_is_refused_before_it_is_fitted_and_kept_with_the_weights(selection: Any) -> None:
    settings = replace(SMALL, selection=selection)
    fresh, network = BurdujaLSTM(settings, FEATURES).eval(), fitted(settings)
    features = training_features(4)
    if selection not in ("predictions", "none"):
        with pytest.raises(UsageError, match="is not fitted"):
            slices_of(fresh, features, 4)
    fresh.load_state_dict(network.state_dict())
    assert torch.equal(slices_of(fresh, features, 4), slices_of(network, features, 4))


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match="40 features: 41 of them"):
        BurdujaLSTM(replace(SMALL, selected=41), FEATURES)
    with pytest.raises(UsageError, match="12 components need as many training slices at least; there are 11"):
        FeatureSelection("pca", FEATURES, 12).fit(training_features(11), cnn_layer().weight)
    with pytest.raises(UsageError, match="lstm_layers"):
        Burduja2020(lstm_layers=-1)
    with pytest.raises(UsageError, match="selected"):
        Burduja2020(selected=0)
