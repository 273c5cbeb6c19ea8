"""Layers that leave mixed precision on a CPU."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence

from hemoscope.training.kernels import lacks_bfloat16, spare_slow_kernels

DEPTHWISE = {"groups": 8, "padding": 1}
LAYERS = {
    "strides": (nn.Conv2d(8, 8, 3, stride=2, **DEPTHWISE), True),
    "dilation": (nn.Conv2d(8, 8, 3, dilation=2, **DEPTHWISE), True),
    "large kernel": (nn.Conv2d(8, 8, 5, **DEPTHWISE), True),
    "dilated transposed": (nn.ConvTranspose2d(8, 8, 3, dilation=7), True),
    "plain depthwise": (nn.Conv2d(8, 8, 3, **DEPTHWISE), False),
    "one channel": (nn.Conv2d(1, 8, 3, stride=2), False),
    "all channels": (nn.Conv2d(8, 8, 3, stride=2), False),
    "transposed": (nn.ConvTranspose2d(8, 8, 3), False),
}


def output_of(layer: nn.Module, maps: Tensor, mixed: bool) -> Tensor:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        return layer(maps)  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", LAYERS)
def test_slow_layers_are_exact_but_for_the_rounding_of_their_output(name: str) -> None:
    layer, is_slow = LAYERS[name]
    torch.manual_seed(7)
    maps = torch.randn(2, layer.in_channels, 16, 16)
    system = nn.Sequential(deepcopy(layer))
    spare_slow_kernels(system)
    exact, mixed = output_of(layer, maps, mixed=False), output_of(system, maps, mixed=True)
    assert torch.equal(output_of(system, maps, mixed=False), exact)
    assert mixed.dtype == torch.bfloat16
    assert torch.equal(mixed, exact.to(torch.bfloat16)) is is_slow
    assert torch.equal(mixed, output_of(layer, maps, mixed=True)) is not is_slow


def test_copies_use_their_own_weights_and_learn() -> None:
    system = nn.Sequential(nn.Conv2d(8, 8, 3, stride=2, bias=False, **DEPTHWISE))
    spare_slow_kernels(system)
    copied = deepcopy(system)
    with torch.no_grad():
        copied[0].weight.zero_()
    maps = torch.randn(2, 8, 16, 16)
    assert output_of(system, maps, mixed=True).any() and not output_of(copied, maps, mixed=True).any()
    with torch.autocast("cpu", torch.bfloat16):
        system(maps).sum().backward()
    assert system[0].weight.grad is not None
    assert system[0].weight.grad.dtype == torch.float32


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_recurrent_layers_are_exact(kind: type[nn.RNNBase]) -> None:
    layer = kind(8, 4, bidirectional=True)
    slices = pack_sequence([torch.randn(5, 8), torch.randn(3, 8)])
    exact, _ = layer(slices)
    spare_slow_kernels(nn.Sequential(layer))
    with torch.autocast("cpu", torch.bfloat16):
        found, _ = layer(slices.to(torch.bfloat16))
        same, _ = layer(slices)
    assert torch.equal(same.data, exact.data)
    assert (found.data - exact.data).abs().max() < 0.05
    assert torch.equal(layer(slices)[0].data, exact.data)


@pytest.mark.parametrize("supported", [True, False])
def test_bfloat16_is_what_onednn_says(monkeypatch: pytest.MonkeyPatch, supported: bool) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: supported)
    assert lacks_bfloat16() is not supported


def test_without_onednn_there_is_no_fast_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a PyTorch does not know the name of the question: asking would end in a traceback."""
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    monkeypatch.setattr(torch.ops, "mkldnn", None)
    assert lacks_bfloat16()
