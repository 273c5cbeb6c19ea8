"""The ResNets of Wong 2019."""

from __future__ import annotations

import pytest
import torch

from hemoscope.networks.backbone import BackboneNetwork
from hemoscope.networks.wong2019 import Wong2019, build

# Of He et al. 2016 with a layer of six outputs: torchvision's 21,797,672, 25,557,032 and 44,549,160 less F x 994 + 994.
PARAMETERS = {34: (21_287_750, 512), 50: (23_520_326, 2048), 101: (42_512_454, 2048)}


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


def test_the_default_normalises_as_imagenets_weights_were_trained() -> None:
    network = build(Wong2019()).slice_network
    published = network.backbone.pretrained_cfg  # type: ignore[union-attr]
    assert tuple(network.mean.flatten().tolist()) == pytest.approx(published["mean"])  # type: ignore[operator]
    assert tuple(network.deviation.flatten().tolist()) == pytest.approx(published["std"])  # type: ignore[operator]
