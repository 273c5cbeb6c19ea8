"""Layers for which a CPU has no fast kernel in bfloat16 are computed in float32.

PyTorch's CPU library (oneDNN) has fast gradients in bfloat16 for most convolutions, but not for those named here: what
that costs a training step is measured by benchmarks/slow_kernels.py. Recurrent layers learned more slowly in bfloat16
than in float32 (Burduja's LSTM in benchmarks/systems.py).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

LARGEST_DILATION = 2  # of a transposed convolution that is fast in bfloat16


def lacks_bfloat16() -> bool:
    """Whether oneDNN has no kernels in bfloat16 for this processor at all: a step is slower there than in float32."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]  # then the question below is not there
        return True
    return not torch.ops.mkldnn._is_mkldnn_bf16_supported()  # no public name; what PyTorch's own convolutions ask


def spare_slow_kernels(system: nn.Module) -> None:
    """Let slow layers of a system leave mixed precision, on a CPU and where it is on; else nothing changes."""
    for part in system.modules():
        if isinstance(part, nn.RNNBase):
            part.forward = partial(_recurrent, part)
        elif isinstance(part, nn.ConvTranspose2d) or _is_depthwise(part):
            part.forward = partial(_forward, part)  # type: ignore[arg-type]


def _is_depthwise(part: nn.Module) -> bool:
    return isinstance(part, nn.Conv2d) and 1 < part.groups == part.in_channels


def _forward(layer: nn.Conv2d | nn.ConvTranspose2d, maps: Tensor) -> Tensor:
    forward: Any = type(layer).forward
    if maps.device.type != "cpu" or not torch.is_autocast_enabled("cpu") or not _is_slow(layer):
        return forward(layer, maps)  # type: ignore[no-any-return]
    with torch.autocast("cpu", enabled=False):
        exact: Tensor = forward(layer, maps.float())
    return exact.to(torch.get_autocast_dtype("cpu"))


def _recurrent(layer: nn.RNNBase, given: Tensor | PackedSequence, *state: Any) -> Any:
    forward: Any = type(layer).forward
    if given.data.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return forward(layer, given, *state)
    with torch.autocast("cpu", enabled=False):
        return forward(layer, given.float(), *state)


def _is_slow(layer: nn.Conv2d | nn.ConvTranspose2d) -> bool:
    """Whether this is a depthwise convolution with strides, dilation or a large kernel, or a dilated transposed one."""
    if isinstance(layer, nn.ConvTranspose2d):
        return max(layer.dilation) > LARGEST_DILATION
    return max(layer.stride) > 1 or max(layer.dilation) > 1 or max(layer.kernel_size) > 3
