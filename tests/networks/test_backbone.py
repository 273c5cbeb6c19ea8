"""A network of timm as a slice network."""

from __future__ import annotations

import copy

import pytest
import torch

from hemoscope.findings import FINDING_NAMES
from hemoscope.networks.backbone import BackboneNetwork
from hemoscope.reasons import UsageError

MEAN, DEVIATION = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)


@pytest.fixture(scope="module")
def network() -> BackboneNetwork:
    torch.manual_seed(7)
    return BackboneNetwork("resnet18", MEAN, DEVIATION).eval()


def test_pictures_are_normalised_by_channel(network: BackboneNetwork) -> None:
    mean_picture = torch.tensor(MEAN)[:, None, None].expand(1, 3, 64, 64)
    brighter = mean_picture + torch.tensor(DEVIATION)[:, None, None]
    with torch.no_grad():
        zeros, ones = (network.backbone.forward_features(torch.full((1, 3, 64, 64), grey)) for grey in (0.0, 1.0))
        torch.testing.assert_close(network.feature_maps(mean_picture), zeros)
        torch.testing.assert_close(network.feature_maps(brighter), ones)


def test_mean_and_deviation_are_no_weights_but_follow_the_network(network: BackboneNetwork) -> None:
    assert {key.split(".")[0] for key in network.state_dict()} == {"backbone", "linear"}
    assert network.to(torch.float64).mean.dtype == torch.float64
    network.float()


def test_class_activation_maps_and_the_bias_make_the_logits(network: BackboneNetwork) -> None:
    pictures = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        maps = network.class_activation_maps(network.feature_maps(pictures))
        torch.testing.assert_close(maps.mean((2, 3)) + network.linear.bias, network(pictures))


def test_a_slice_does_not_depend_on_the_others_of_its_batch(network: BackboneNetwork) -> None:
    pictures = torch.rand(5, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(network(pictures)[3:4], network(pictures[3:4]), atol=1e-5, rtol=1e-5)


def test_mirrored_answers_are_the_mean_of_both_looks_and_mirror_with_the_slice(network: BackboneNetwork) -> None:
    both = BackboneNetwork("resnet18", MEAN, DEVIATION, mirrored=True)
    both.load_state_dict(network.state_dict())
    both.eval()
    pictures = torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(both(pictures), (network(pictures) + network(pictures.flip(3))) / 2)
        torch.testing.assert_close(both.feature_maps(pictures.flip(3)), both.feature_maps(pictures).flip(3))
        seen = both.train().feature_maps(pictures)  # training sees a slice once, as augmentation turned it
        torch.testing.assert_close(seen, network.train().feature_maps(pictures))
    network.eval()


@pytest.mark.parametrize(("stride", "places"), [(None, 2), (32, 2), (16, 4), (8, 8)])
def test_the_stride_sets_the_places_of_the_feature_maps(stride: int | None, places: int) -> None:
    with torch.device("meta"):
        network = BackboneNetwork("resnet18", MEAN, DEVIATION, output_stride=stride)
        pictures = torch.empty(1, 3, 64, 64)
    assert network.feature_maps(pictures).shape == (1, 512, places, places)


@pytest.mark.parametrize("channels", [1, 3, 9])
@pytest.mark.parametrize("findings", [FINDING_NAMES, ("any",)])
def test_any_number_of_channels_and_findings(channels: int, findings: tuple[str, ...]) -> None:
    with torch.device("meta"):
        network = BackboneNetwork("resnet18", (0.5,) * channels, (0.2,) * channels, findings)
        pictures = torch.empty(2, channels, 64, 64)
    assert network.channels == channels
    assert network.findings == findings
    assert network(pictures).shape == (2, len(findings))


def test_dropout_stands_before_the_linear_layer_and_only_in_training() -> None:
    network = BackboneNetwork("test_resnet", (0.0,), (1.0,), dropout=0.5)
    features = torch.ones(64, network.feature_count)
    assert network.classify(features).std(0).min() > 1e-3
    assert network.eval().classify(features).std(0).max() < 1e-5


def test_a_network_without_the_stride_is_refused() -> None:
    with pytest.raises(UsageError, match="mobilenetv3_small_050 has no output_stride: set it to null"):
        BackboneNetwork("mobilenetv3_small_050", MEAN, DEVIATION, output_stride=16)


def test_coarse_training_has_the_own_stride_and_every_coarse_place_is_among_the_fine_ones() -> None:
    torch.manual_seed(7)
    coarse = BackboneNetwork("mobilenetv2_100", MEAN, DEVIATION)
    fine = BackboneNetwork("mobilenetv2_100", MEAN, DEVIATION, output_stride=16, coarse_training=True)
    fine.load_state_dict(coarse.state_dict())
    pictures = torch.rand(2, 3, 96, 96)
    with torch.no_grad():
        torch.testing.assert_close(fine.feature_maps(pictures), coarse.feature_maps(pictures))
        copied = copy.deepcopy(fine)  # as averaged weights are
        for network in (fine.eval(), copied.eval()):
            places = network.feature_maps(pictures)
            assert places.shape[2:] == (6, 6)
            torch.testing.assert_close(
                places[:, :, ::2, ::2], coarse.eval().feature_maps(pictures), atol=1e-4, rtol=1e-4
            )
        assert fine.train().feature_maps(pictures).shape[2:] == (3, 3)


@pytest.mark.parametrize(
    ("name", "stride", "why"),
    [
        ("resnet18d", 16, "layers of resnet18d are others at another stride"),
        ("mobileone_s0", 8, "features of mobileone_s0 are others at another stride"),  # not dilated
        ("gernet_s", 8, "features of gernet_s are others at another stride"),  # dilated too little
        ("efficientnet_b0", 16, "features of efficientnet_b0 are others at another stride"),  # pools over the slice
    ],
)
def test_coarse_training_is_refused_where_places_would_have_other_features(name: str, stride: int, why: str) -> None:
    with pytest.raises(UsageError, match=f"{why}: leave `coarse_training` out"):
        BackboneNetwork(name, MEAN, DEVIATION, output_stride=stride, coarse_training=True)
