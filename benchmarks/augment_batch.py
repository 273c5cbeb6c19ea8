"""A batch of slices augmented at once, beside plain OpenCV slice by slice; nothing is claimed on a CPU.

The batch is floating-point HU, the other sides move 8-bit pictures: on a CPU that costs about what it saves. Augmenting
at once is for the accelerator, which is a side of its own where there is one.

The set of Wong 2019 with every slice turned, scaled, shifted and flipped or not; 32 slices of 256 x 256 HU to three
windows. Other sides: Albumentations on each slice's three windows as one colour picture, as the papers do (left out
where it is not installed), and the same with plain OpenCV. Each side uses all cores that its library takes.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from measure import in_turn, report
from numpy.typing import NDArray

from hemoscope import read_scan
from hemoscope.ct.prepare import to_channels
from hemoscope.ct.windows import BRAIN, SOFT_TISSUE, SUBDURAL
from hemoscope.datasets.augment.augmenter import Augmenter
from hemoscope.datasets.augment.sets import SETS, Augmentation

SERIES = Path(__file__).resolve().parent.parent / "examples" / "ge_tilted_head_series"
WINDOWS = (BRAIN, SUBDURAL, SOFT_TISSUE)
BATCH = 32
SIDE = 256
REPEATS = 15
PLAIN = "OpenCV, slice by slice, three windows each"


def colours(hu: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Three windows of a slice as a colour picture [row, column, window]."""
    grey = np.empty((len(WINDOWS), *hu.shape), np.uint8)
    to_channels(hu, WINDOWS, grey)
    return np.ascontiguousarray(grey.transpose(1, 2, 0))


def with_opencv(batch: NDArray[np.int16], settings: Augmentation) -> torch.Tensor:
    """Windows, then the least that any library does: one warp and one flip a slice."""
    draw = np.random.default_rng(0)
    pictures = []
    for hu in batch:
        picture = colours(hu)
        degrees, scale = draw.uniform(-1, 1, 2) * (settings.rotate_degrees, settings.scale_fraction)
        matrix = cv2.getRotationMatrix2D(((SIDE - 1) / 2, (SIDE - 1) / 2), degrees, 1 + scale)
        matrix[:, 2] += draw.uniform(-settings.shift_fraction, settings.shift_fraction, 2) * SIDE
        picture = cv2.warpAffine(picture, matrix, (SIDE, SIDE))
        pictures.append(cv2.flip(picture, 1) if draw.random() < settings.flip_probability else picture)
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


def albumentations_side(batch: NDArray[np.int16], settings: Augmentation) -> Callable[[], torch.Tensor]:
    """The published way; raises ImportError where the library is not installed."""
    import albumentations

    transform = albumentations.Compose(
        [
            albumentations.HorizontalFlip(p=settings.flip_probability),
            albumentations.Affine(
                rotate=(-settings.rotate_degrees, settings.rotate_degrees),
                scale=(1 - settings.scale_fraction, 1 + settings.scale_fraction),
                translate_percent=(-settings.shift_fraction, settings.shift_fraction),
                p=1.0,
            ),
        ]
    )

    def job() -> torch.Tensor:
        pictures = [transform(image=colours(hu))["image"] for hu in batch]
        return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255

    return job


def main() -> None:
    """Measure and report."""
    hu = read_scan(SERIES).hu[:, ::2, ::2]
    batch = np.ascontiguousarray(np.concatenate([hu, hu])[:BATCH])
    settings = SETS["wong2019"]
    assert isinstance(settings, Augmentation)
    settings = replace(settings, affine_probability=1.0)
    slices, generator = torch.from_numpy(batch)[:, None], torch.Generator().manual_seed(0)
    ours = Augmenter(settings, WINDOWS)
    sides: dict[str, Callable[[], object]] = {
        "hemoscope, the batch at once": lambda: ours.slices(slices, generator),
        PLAIN: lambda: with_opencv(batch, settings),
    }
    try:
        sides["Albumentations, slice by slice"] = albumentations_side(batch, settings)
    except ImportError:
        print("Albumentations is not installed, so its side is left out.", file=sys.stderr)
    if torch.cuda.is_available():
        on_device = slices.cuda()

        def on_accelerator() -> None:
            ours.slices(on_device, generator)
            torch.cuda.synchronize()

        sides["hemoscope, on the accelerator"] = on_accelerator
    seconds = in_turn(sides, REPEATS)
    report(
        "augment batch: 32 slices of 256 x 256 to three windows",
        seconds,
        limit_seconds=None,
        slices_per_second=BATCH / statistics.median(seconds["hemoscope, the batch at once"]),
    )


if __name__ == "__main__":
    main()
