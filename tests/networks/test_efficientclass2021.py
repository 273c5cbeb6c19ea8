"""The network of EfficientClass 2021: do its printed layers line up, and what do they do?"""

from __future__ import annotations

import copy
from pathlib import Path

import effdet
import pytest
import torch
from torch import nn

from hemoscope.networks.efficientclass2021 import (
    FIGURE_A6,
    EfficientClass,
    EfficientClass2021,
    TransposedConvolution,
    build,
)
from hemoscope.networks.initial_weights import load_initial_weights
from hemoscope.reasons import UsageError
from hemoscope.training.kernels import spare_slow_kernels

PLACES = (64, 32, 16, 8, 4)  # rows of the pyramid's maps, of a picture of 512 x 512


@pytest.fixture(scope="module")
def network() -> EfficientClass:
    torch.manual_seed(7)
    network = build(EfficientClass2021()).slice_network.eval()
    assert isinstance(network, EfficientClass)
    return network


@pytest.mark.parametrize(("layer", "places"), list(zip(FIGURE_A6, PLACES, strict=True)))
def test_each_printed_transposed_convolution_makes_224_pixels(layer: TransposedConvolution, places: int) -> None:
    made = (places - 1) * layer.stride - 2 * layer.padding + layer.dilation * (layer.kernel - 1) + 1
    assert made == 224


def test_the_pyramid_has_the_five_maps_of_the_paper() -> None:
    with torch.device("meta"):
        network = EfficientClass(EfficientClass2021())
        pictures = torch.empty(1, 3, 512, 512)
    pyramid = network.detector.fpn(network.detector.backbone(pictures))
    assert [tuple(maps.shape) for maps in pyramid] == [(1, 64, places, places) for places in PLACES]
    drawn = [layer(maps).shape for layer, maps in zip(network.deconvolutions, pyramid, strict=True)]
    assert [tuple(shape) for shape in drawn] == [(1, count, 224, 224) for count in (16, 12, 8, 4, 2)]
    assert network.draw(pictures).shape == (1, 3, 224, 224)


def test_parameters_are_those_of_the_printed_layers() -> None:
    with torch.device("meta"):
        network = EfficientClass(EfficientClass2021())
        whole = effdet.EfficientDet(effdet.get_efficientdet_config("efficientdet_d0"), pretrained_backbone=False)

    def count(module: nn.Module) -> int:
        return sum(parameter.numel() for parameter in module.parameters())

    assert round(count(whole) / 1e6, 1) == 3.9  # Tan et al. 2020, Table 2
    assert count(network.detector) == count(whole) - count(whole.class_net) - count(whole.box_net)
    printed = ((16, 19), (12, 9), (8, 24), (4, 28), (2, 30))  # channels and kernel of Figure A6
    assert count(network.deconvolutions) == sum(64 * made * kernel**2 + made for made, kernel in printed)
    assert count(network.convolutions) == 42 * 16 * 25 + 16 + 16 * 3 * 9 + 3
    assert count(network.resnet) + count(network.linear) == 11_689_512 - 1000 * 513 + 2 * 513


def test_the_logit_is_the_softmax_of_its_two_units(network: EfficientClass) -> None:
    features = torch.randn(5, 512)
    units = nn.functional.linear(features, network.linear.weight, network.linear.bias)  # (5, 2)
    logits = network.classify(features)  # (5, 1)
    torch.testing.assert_close(logits.sigmoid()[:, 0], units.softmax(1)[:, 1])
    labels = torch.tensor([0, 1, 1, 0, 1])
    loss = nn.functional.binary_cross_entropy_with_logits(logits[:, 0], labels.float())
    torch.testing.assert_close(loss, nn.functional.cross_entropy(units, labels))


def test_class_activation_maps_and_the_biases_make_the_logit(network: EfficientClass) -> None:
    pictures = torch.rand(2, 3, 512, 512)
    with torch.no_grad():
        feature_maps = network.feature_maps(pictures)
        maps = network.class_activation_maps(feature_maps)
        assert feature_maps.shape == (2, 512, 7, 7)
        assert maps.shape == (2, 1, 7, 7)
        bias = network.linear.bias[1] - network.linear.bias[0]
        logits = network(pictures)
    torch.testing.assert_close(maps.mean((2, 3)) + bias, logits)
    assert not torch.allclose(logits[0], logits[1])


def test_the_fourth_transposed_convolution_leaves_most_pixels_to_its_bias(network: EfficientClass) -> None:
    layer = network.deconvolutions[3]
    with torch.no_grad():
        drawn = layer(torch.rand(1, 64, 8, 8)) - layer(torch.zeros(1, 64, 8, 8))  # (1, 4, 224, 224)
    rows = drawn.abs().sum((0, 1, 3)) > 0
    assert rows.nonzero().flatten().tolist() == list(range(5, 219, 3))


def test_strongly_dilated_layers_draw_in_float32_within_mixed_precision(network: EfficientClass) -> None:
    """They alone: what they draw is exact but for its rounding."""
    trained = copy.deepcopy(network)
    spare_slow_kernels(trained)
    exactly = []
    for layer, mixed, side in zip(network.deconvolutions, trained.deconvolutions, PLACES, strict=True):
        maps = torch.rand(1, 64, side, side)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            drawn = mixed(maps)
        with torch.no_grad():
            exactly.append(torch.equal(drawn, layer(maps).to(torch.bfloat16)))
    assert exactly == [False, False, True, True, True]


def test_the_momentum_is_the_pyramids_alone() -> None:
    with torch.device("meta"):
        detector = EfficientClass(EfficientClass2021(pyramid_momentum=0.3)).detector
    norms = {part: {one.momentum for one in getattr(detector, part).modules() if isinstance(one, nn.BatchNorm2d)}
             for part in ("backbone", "fpn")}  # fmt: skip
    assert norms == {"backbone": {0.1}, "fpn": {0.3}}


@pytest.mark.parametrize(("number", "first", "last"), [(0, 17, 206), (4, 99.5, 123.5)])
def test_pictures_of_the_pyramid_do_not_lie_on_each_other(number: int, first: float, last: float) -> None:
    layer = FIGURE_A6[number]
    middle = layer.dilation * (layer.kernel - 1) / 2 - layer.padding
    assert (middle, middle + layer.stride * (PLACES[number] - 1)) == (first, last)


def test_the_detectors_own_file_loads(network: EfficientClass, tmp_path: Path) -> None:
    with torch.device("meta"):
        whole = effdet.EfficientDet(effdet.get_efficientdet_config("efficientdet_d0"), pretrained_backbone=False)
    published = {key: torch.rand(value.shape).to(value.dtype) for key, value in whole.state_dict().items()}
    torch.save(published, tmp_path / "detector.pth")
    with pytest.raises(UsageError, match="detector=FILE, resnet=FILE"):
        load_initial_weights(network, str(tmp_path / "detector.pth"))
    with pytest.raises(UsageError, match="names detector; the parts are detector, resnet"):
        load_initial_weights(network, "detector=random")
    fresh = copy.deepcopy(network)
    load_initial_weights(fresh, f"detector={tmp_path / 'detector.pth'}, resnet=random")
    for key, value in fresh.detector.state_dict().items():
        assert torch.equal(value, published[key])
