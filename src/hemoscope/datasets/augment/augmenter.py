"""Augments a batch of slices, each in its own way, or a scan, all of its slices in one way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hemoscope.ct.hounsfield import AIR_HU
from hemoscope.ct.windows import Window
from hemoscope.datasets.augment.intensity import add_noise, blur, brighten, cut_windows, jpeg_grain
from hemoscope.datasets.augment.placement import Placement, ScanPlacement, place, place_scan
from hemoscope.datasets.augment.sets import Augmentation, OneOfFour
from hemoscope.reasons import UsageError

ORIGINAL, ROTATED, MIRRORED, SHIFTED = range(4)


@dataclass(frozen=True)
class Augmented:
    """Pictures [slice, channel, row, column] float32, grey levels 0 to 1, and the mask that moved with them."""

    pictures: Tensor
    mask: Tensor | None


class Augmenter:
    """Applies one set of augmentation on the device where the tensors lie.

    windows: those the HU are shown through at the end; empty where the tensors are grey levels 0 to 1 already, and then
    a set that changes HU raises UsageError. HU are placed before windows are cut: one channel to interpolate instead of
    three. Left and right are no label, so labels stay as they are.

    Every amount is drawn from the generator that is given, which must be a CPU one: a seed gives the same placements,
    windows, brightness and qualities on every device. On the CPU a seed repeats the pictures exactly; noise on another
    device is of that device's generator (seeded from the CPU one), and differs from the CPU's.
    """

    def __init__(self, settings: Augmentation | OneOfFour, windows: Sequence[Window]) -> None:
        if isinstance(settings, Augmentation) and settings.needs_hu and not windows:
            raise UsageError("Noise and window jitter change HU: give HU and windows, or set their probabilities to 0.")
        self.settings = settings
        self.windows = tuple(windows)
        self._fill = float(AIR_HU) if self.windows else 0.0

    def slices(self, pixels: Tensor, generator: torch.Generator, mask: Tensor | None = None) -> Augmented:
        """Augment a batch of slices that have nothing to do with each other.

        pixels: HU (any type) or grey levels 0 to 1 [slice, channel, row, column]; mask: any type, same rows and
        columns, 0 outside. Returns the windows of the first channel, then those of the next. Raises ValueError for
        other dimensions.
        """
        _check_dimensions(pixels, mask)
        return self._in_plane(pixels, mask, _draw_placement(self.settings, pixels, len(pixels), generator), generator)

    def scan(
        self,
        pixels: Tensor,
        spacing_mm: tuple[float, float, float],
        generator: torch.Generator,
        mask: Tensor | None = None,
    ) -> Augmented:
        """Augment a scan, foot to head: one transform and one window for all of its slices; noise is every slice's own.

        pixels, mask: as for `slices`; spacing_mm: (slice, row, column). `OneOfFour` moves the scan through its slices:
        the label of the scan stays, those of its slices are no longer theirs. Raises ValueError as `slices` does.
        """
        _check_dimensions(pixels, mask)
        if isinstance(self.settings, Augmentation):
            placement = _draw_placement(self.settings, pixels, 1, generator)
            return self._in_plane(pixels, mask, placement, generator)
        pose = _draw_scan_placement(self.settings, generator)
        moved = place_scan(pixels.float(), pose, spacing_mm, self._fill, "bilinear")
        if mask is not None:
            mask = place_scan(mask.float(), pose, spacing_mm, 0.0, "nearest").to(mask.dtype)
        return Augmented(self._change_values(moved, 1, generator), mask)

    def _in_plane(
        self, pixels: Tensor, mask: Tensor | None, placement: Placement, generator: torch.Generator
    ) -> Augmented:
        """Apply a placement for each slice, or one for all."""
        samples, of_each = len(placement.degrees), placement.repeat(len(pixels))
        moved = place(pixels.float(), of_each, self._fill, "bilinear")
        if mask is not None:
            mask = place(mask.float(), of_each, 0.0, "nearest").to(mask.dtype)
        return Augmented(self._change_values(moved, samples, generator), mask)

    def _change_values(self, pixels: Tensor, samples: int, generator: torch.Generator) -> Tensor:
        """Turn HU into grey levels; amounts are drawn for each of `samples`: as many as there are slices, or 1."""
        settings = self.settings if isinstance(self.settings, Augmentation) else Augmentation(self.settings.source)
        slices = len(pixels)
        if settings.noise_probability:
            happens = torch.rand(samples, generator=generator) < settings.noise_probability
            deviation = torch.rand(samples, generator=generator) * settings.noise_hu * happens
            pixels = add_noise(pixels, deviation.expand(slices), _on_device(pixels.device, generator))
        if self.windows:
            level, width = _draw_windows(settings, self.windows, samples, generator)
            pixels = cut_windows(pixels, level.expand(slices, -1), width.expand(slices, -1))
        if settings.brightness_probability:
            happens = torch.rand(samples, generator=generator) < settings.brightness_probability
            amount = _around_zero(settings.brightness_fraction, samples, generator) * happens
            pixels = brighten(pixels, amount.expand(slices))
        if settings.blur_probability:
            happens = torch.rand(samples, generator=generator) < settings.blur_probability
            deviation = torch.rand(samples, generator=generator) * settings.blur_pixels * happens
            pixels = blur(pixels, deviation.expand(slices))
        if settings.jpeg_probability:
            happens = torch.rand(samples, generator=generator) < settings.jpeg_probability
            lowest, highest = int(settings.jpeg_lowest_quality), int(settings.jpeg_highest_quality)
            quality = torch.randint(lowest, highest + 1, (samples,), generator=generator).expand(slices)
            which = happens.expand(slices).nonzero().squeeze(1)
            if len(which):
                place_of = which.to(pixels.device)
                pixels[place_of] = jpeg_grain(pixels[place_of], quality[which])
        return pixels


def _check_dimensions(pixels: Tensor, mask: Tensor | None) -> None:
    """Raise ValueError where the channel is left out, as a slice store leaves it out."""
    for name, tensor in (("pixels are", pixels), ("mask is", mask)):
        if tensor is not None and tensor.ndim != 4:
            sentence = f"{name} [slice, channel, row, column], not of shape {list(tensor.shape)}"
            raise ValueError(f"{sentence}; give [slice, row, column] its channel with [:, None]")


def _draw_placement(
    settings: Augmentation | OneOfFour, pixels: Tensor, samples: int, generator: torch.Generator
) -> Placement:
    """Draw where the head lies in each of `samples` pictures of the size of `pixels`."""
    if isinstance(settings, OneOfFour):
        variant = torch.randint(4, (samples,), generator=generator)
        degrees = _around_zero(settings.rotate_degrees, samples, generator) * (variant == ROTATED)
        shift = _around_zero(settings.shift_voxels, (samples, 2), generator) * (variant == SHIFTED)[:, None]
        return Placement(variant == MIRRORED, degrees, torch.ones(samples), shift)
    moved = torch.rand(samples, generator=generator) < settings.affine_probability
    size = torch.tensor(pixels.shape[-2:])
    return Placement(
        mirrored=torch.rand(samples, generator=generator) < settings.flip_probability,
        degrees=_around_zero(settings.rotate_degrees, samples, generator) * moved,
        scale=1 + _around_zero(settings.scale_fraction, samples, generator) * moved,
        shift=_around_zero(settings.shift_fraction, (samples, 2), generator) * size * moved[:, None],
    )


def _draw_scan_placement(settings: OneOfFour, generator: torch.Generator) -> ScanPlacement:
    """Draw how a whole scan is placed."""
    variant = int(torch.randint(4, (1,), generator=generator))
    if variant == ROTATED:
        axis = int(torch.randint(3, (1,), generator=generator))
        return ScanPlacement(axis=axis, degrees=float(_around_zero(settings.rotate_degrees, 1, generator)))
    if variant == SHIFTED:
        down, right = _around_zero(settings.shift_voxels, 2, generator).tolist()
        up = float(_around_zero(settings.shift_slices, 1, generator))
        return ScanPlacement(shift=(up, down, right))
    return ScanPlacement(mirrored=variant == MIRRORED)


def _draw_windows(
    settings: Augmentation, windows: Sequence[Window], samples: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Levels and widths in HU [samples, window], float64."""
    level = torch.tensor([window.level for window in windows], dtype=torch.float64).repeat(samples, 1)
    width = torch.tensor([window.width for window in windows], dtype=torch.float64).repeat(samples, 1)
    if settings.window_probability:
        happens = (torch.rand(samples, generator=generator) < settings.window_probability)[:, None]
        level = level + _around_zero(settings.level_jitter_hu, tuple(level.shape), generator) * happens
        width = width * (1 + _around_zero(settings.width_jitter_fraction, tuple(width.shape), generator) * happens)
    return level, width


def _around_zero(amount: float, shape: int | tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Draw uniformly from -amount to amount."""
    return (2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1) * amount


def _on_device(device: torch.device, generator: torch.Generator) -> torch.Generator:
    """A generator for many draws on `device`, decided by `generator`."""
    seed = int(torch.randint(2**62, (1,), generator=generator))
    return torch.Generator(device).manual_seed(seed)
