"""The ResNets of Wong 2019."""

from __future__ import annotations

import pytest
import torch

from hemoscope.networks.backbone import BackboneNetwork
from hemoscope.networks.wong2019 import Wong2019, build

# Of He et al. 2016 with a layer of six outputs: torchvision's 21,797,672, 25,557,032 and 44,549,160 less F x 994 + 994.
PARAMETERS = {34: (21_287_750, 512), 50: (23_520_326, 2048), 101: (42_512_454, 2048)}


@pytest.fixture(scope="module")
def network() -> BackboneNetwork:
    torch.manual_seed(7)
    network = build(Wong2019()).slice_network.eval()
    assert isinstance(network, BackboneNetwork)
    return network


@pytest.mark.parametrize("layers", [34, 50, 101])
def test_parameters_and_shapes_are_those_of_the_resnets(layers: int) -> None:
    with torch.device("meta"):
        system = build(Wong2019(resnet=layers))  # type: ignore[arg-type]
        pictures = torch.empty(2, 3, 224, 224)
    parameters, features = PARAMETERS[layers]
    assert sum(parameter.numel() for parameter in system.parameters()) == parameters
    assert isinstance(system.slice_network, BackboneNetwork)
    assert system.slice_network.feature_maps(pictures).shape == (2, features, 7, 7)
    assert system(pictures, torch.tensor([2])).slices.shape == (2, 6)


def test_class_activation_maps_and_the_bias_make_the_logits(network: BackboneNetwork) -> None:
    pictures = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        maps = network.class_activation_maps(network.feature_maps(pictures))
        torch.testing.assert_close(maps.mean((2, 3)) + network.linear.bias, network(pictures))


def test_pictures_are_normalised_by_channel(network: BackboneNetwork) -> None:
    mean_picture = torch.tensor(Wong2019().mean)[:, None, None].expand(1, 3, 64, 64)
    with torch.no_grad():
        expected = network.backbone.forward_features(torch.zeros(1, 3, 64, 64))  # type: ignore[operator]
        torch.testing.assert_close(network.feature_maps(mean_picture), expected)
        brighter = mean_picture + torch.tensor(Wong2019().deviation)[:, None, None]
        expected = network.backbone.forward_features(torch.ones(1, 3, 64, 64))  # type: ignore[operator]
        torch.testing.assert_close(network.feature_maps(brighter), expected)


def test_a_slice_does_not_depend_on_the_others_of_its_batch(network: BackboneNetwork) -> None:
    pictures = torch.rand(5, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(network(pictures)[3:4], network(pictures[3:4]), atol=1e-5, rtol=1e-5)
