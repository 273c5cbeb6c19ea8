"""What the values look like: noise in HU, jittered windows, brightness, blur, and the grain that JPEG leaves."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

# Luminance quantisation of ISO/IEC 10918-1 (ITU-T T.81), table K.1: what libjpeg and OpenCV write for grey pictures.
LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
BLOCK = 8
BLUR_REACH = 3  # standard deviations


def add_noise(hu: Tensor, deviation_hu: Tensor, generator: torch.Generator) -> Tensor:
    """Add Gaussian noise of `deviation_hu` [n] to slices [n, channel, row, column]; `generator` is of their device."""
    noise = torch.randn(hu.shape, generator=generator, device=hu.device, dtype=hu.dtype)
    return hu + noise * _each(deviation_hu, hu)


def cut_windows(hu: Tensor, level_hu: Tensor, width_hu: Tensor) -> Tensor:
    """Show slices through windows of their own: grey levels 0 to 1 in 255 steps, as `ct.windows.to_grey` / 255.

    hu: [n, channel, row, column]; level_hu, width_hu: [n, window]. Returns [n, channel * window, row, column], the
    windows of the first channel first.
    """
    low = (level_hu - width_hu / 2).to(hu.device, hu.dtype)[:, None, :, None, None]
    steps = (255 / width_hu).to(hu.device, hu.dtype)[:, None, :, None, None]
    grey = (hu[:, :, None] - low).mul_(steps).round_().clamp_(0, 255).div_(255)
    return grey.flatten(1, 2)


def brighten(grey: Tensor, amount: Tensor) -> Tensor:
    """Add `amount` [n], a fraction of white, to grey levels 0 to 1 [n, channel, row, column]."""
    return (grey + _each(amount, grey)).clamp_(0, 1)


def blur(grey: Tensor, deviation_pixels: Tensor) -> Tensor:
    """Blur slices [n, channel, row, column] by a Gaussian of `deviation_pixels` [n]; 0 leaves a slice as it is.

    Scanners and kernels differ in sharpness. Grey levels are blurred, not HU: bone would spill into the brain.
    """
    reach = max(1, math.ceil(BLUR_REACH * float(deviation_pixels.max())))
    places = torch.arange(-reach, reach + 1, device=grey.device, dtype=grey.dtype)
    deviation = deviation_pixels.to(grey.device, grey.dtype).clamp(min=1e-3)[:, None]
    kernel = torch.exp(-0.5 * (places / deviation) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(grey.shape[1], 0)[:, None]
    planes = functional.pad(grey.flatten(0, 1)[None], (reach,) * 4, mode="replicate")
    planes = functional.conv2d(planes, kernel[:, :, None], groups=len(kernel))
    planes = functional.conv2d(planes, kernel[..., None], groups=len(kernel))
    return planes.reshape(grey.shape)


def jpeg_grain(grey: Tensor, quality: Tensor) -> Tensor:
    """Lose what JPEG of `quality` [n] (1 to 100, the scale of libjpeg) loses in grey pictures.

    grey: 0 to 1 [n, channel, row, column]; each channel is a grey picture of its own. The steps of T.81 that lose
    anything: 8 bits, level shift, DCT of 8 x 8 blocks (A.3.3), quantisation (A.3.4). Libraries compute the DCT in
    integers, so single pixels may differ by a few grey levels from theirs.
    """
    rows, columns = grey.shape[-2:]
    padding = (0, -columns % BLOCK, 0, -rows % BLOCK)
    padded = functional.pad((grey * 255).round_() - 128, padding, mode="replicate")
    slices, channels, height, width = padded.shape
    blocks = padded.reshape(slices, channels, height // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(3, 4)
    cosines = _cosines().to(grey)
    steps = _quantisation(quality).to(grey)[:, None, None, None]
    coefficients = (cosines @ blocks @ cosines.T).div_(steps).round_().mul_(steps)
    restored = (cosines.T @ coefficients @ cosines).transpose(3, 4).reshape(padded.shape)[..., :rows, :columns]
    return torch.clamp((restored + 128).round_(), 0, 255) / 255


def _quantisation(quality: Tensor) -> Tensor:
    """Steps [n, 8, 8] of the coefficients: table K.1, scaled as libjpeg does (jpeg_quality_scaling)."""
    percent = torch.where(quality < 50, 5000 // quality, 200 - 2 * quality)[:, None, None]
    return ((torch.tensor(LUMINANCE) * percent + 50) // 100).clamp(1, 255)


def _cosines() -> Tensor:
    """The orthonormal DCT matrix [frequency, place] of T.81 A.3.3, one dimension."""
    place, frequency = torch.arange(BLOCK, dtype=torch.float64), torch.arange(BLOCK, dtype=torch.float64)[:, None]
    matrix = torch.cos((2 * place + 1) * frequency * math.pi / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    matrix[0] /= math.sqrt(2)
    return matrix


def _each(values: Tensor, images: Tensor) -> Tensor:
    """Make [n] fit [n, channel, row, column]."""
    return values.to(images.device, images.dtype)[:, None, None, None]
