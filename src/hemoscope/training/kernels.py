"""Layers for which a CPU has no fast kernel in bfloat16 are computed in float32.

PyTorch's CPU library (oneDNN) has fast gradients in bfloat16 for most convolutions. Of those named here, the gradient
took 3 to 100 times as long as in float32: half of a training step of MobileNetV2 went into four of its 52 layers.
Recurrent layers were at best as fast, and up to 1.5 times as slow.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

LARGEST_DILATION = 2  # of a transposed convolution that is fast in bfloat16


def spare_slow_kernels(system: nn.Module) -> None:
    """Let slow layers of a system leave mixed precision, on a CPU and where it is on; else nothing changes."""
    for part in system.modules():
        if isinstance(part, nn.RNNBase):
            part.forward = MethodType(_recurrent, part)
        depthwise = isinstance(part, nn.Conv2d) and 1 < part.groups == part.in_channels
        if isinstance(part, nn.ConvTranspose2d) or depthwise:
            part.forward = MethodType(_forward, part)


def _forward(layer: nn.Conv2d | nn.ConvTranspose2d, maps: Tensor) -> Tensor:
    forward: Any = type(layer).forward
    if maps.device.type != "cpu" or not torch.is_autocast_enabled("cpu") or not _is_slow(layer):
        return forward(layer, maps)  # type: ignore[no-any-return]
    with torch.autocast("cpu", enabled=False):
        exact: Tensor = forward(layer, maps.float())
    return exact.to(torch.get_autocast_dtype("cpu"))


def _recurrent(layer: nn.RNNBase, given: Tensor | PackedSequence) -> Any:
    forward: Any = type(layer).forward
    device = given.data.device.type
    if device != "cpu" or not torch.is_autocast_enabled("cpu"):
        return forward(layer, given)
    with torch.autocast("cpu", enabled=False):
        return forward(layer, given.float())


def _is_slow(layer: nn.Conv2d | nn.ConvTranspose2d) -> bool:
    """Whether this is a depthwise convolution with strides, dilation or a large kernel, or a dilated transposed one."""
    if isinstance(layer, nn.ConvTranspose2d):
        return max(layer.dilation) > LARGEST_DILATION
    return max(layer.stride) > 1 or max(layer.dilation) > 1 or max(layer.kernel_size) > 3
