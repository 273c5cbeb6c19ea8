"""How much is changed at random: the augmentation of each paper, and our own, as data. Needs no PyTorch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from hemoscope.reasons import UsageError

# Albumentations' defaults, for what a paper names without an amount (ShiftScaleRotate, RandomBrightnessContrast).
LIBRARY_SHIFT = 0.0625
LIBRARY_SCALE = 0.1
LIBRARY_BRIGHTNESS = 0.2
LIBRARY_PROBABILITY = 0.5


@dataclass(frozen=True)
class Augmentation:
    """Changes that happen independently of each other, each amount uniform around no change.

    Probabilities 0 to 1 are per sample: a slice of a batch of slices, or a whole scan. The order is that of the fields.
    An amount out of its range raises UsageError.
    """

    source: str  # paper and section, and what it leaves open
    flip_probability: float = 0.0  # left and right exchanged
    affine_probability: float = 0.0  # of rotation, scale and shift together
    rotate_degrees: float = 0.0  # at most, either way, in the plane of the slice
    scale_fraction: float = 0.0  # at most: 0.1 draws 0.9 to 1.1 times the size
    shift_fraction: float = 0.0  # at most, of the picture's height and width
    noise_probability: float = 0.0
    noise_hu: float = 0.0  # largest standard deviation; drawn from 0 to this
    window_probability: float = 0.0  # of both changes of the windows; each window has its own draw
    level_jitter_hu: float = 0.0  # at most, either way
    width_jitter_fraction: float = 0.0  # at most: 0.1 draws 0.9 to 1.1 times the width
    brightness_probability: float = 0.0
    brightness_fraction: float = 0.0  # at most, of white, added or taken away after the window is cut
    blur_probability: float = 0.0
    blur_pixels: float = 0.0  # largest standard deviation; drawn from 0 to this
    jpeg_probability: float = 0.0
    jpeg_lowest_quality: int = 60  # 1 to 100, on the scale of libjpeg
    jpeg_highest_quality: int = 95

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self) if field.name != "source"):
            _check_number(name, getattr(self, name), *_range_of(name))
        if self.jpeg_lowest_quality > self.jpeg_highest_quality:
            raise UsageError(
                f"jpeg_lowest_quality ({self.jpeg_lowest_quality}) must not be above jpeg_highest_quality "
                f"({self.jpeg_highest_quality})."
            )

    @property
    def needs_hu(self) -> bool:
        """Whether anything is changed before the windows are cut, other than the geometry."""
        return self.noise_probability > 0 or self.window_probability > 0


@dataclass(frozen=True)
class OneOfFour:
    """A sample is used as it is, or rotated, or mirrored, or shifted, with equal probability (Patel 2019, III.C).

    The paper's scans have 280 to 450 thin slices: on a scan of 30 thick ones a shift by 15 slices cuts half the head
    away, bleeding and all, so a recipe for those lowers `shift_slices`.
    """

    source: str
    rotate_degrees: float = 25.0  # at most, either way; slices in their plane, scans over an axis drawn at random
    shift_voxels: float = 15.0  # at most, either way, along rows and columns
    shift_slices: float = 15.0  # at most, either way; scans only

    def __post_init__(self) -> None:
        _check_number("rotate_degrees", self.rotate_degrees, 0, 180)
        _check_number("shift_voxels", self.shift_voxels, 0, math.inf)
        _check_number("shift_slices", self.shift_slices, 0, math.inf)


def _range_of(name: str) -> tuple[float, float]:
    """The least and greatest allowed value of a field of `Augmentation`."""
    if name.endswith("_quality"):
        return 1, 100
    if name in ("scale_fraction", "width_jitter_fraction"):
        return 0, 0.9  # a size or width of 0 cannot be drawn
    if name.endswith(("_probability", "_fraction")):
        return 0, 1
    return 0, 180 if name == "rotate_degrees" else math.inf


def _check_number(name: str, value: object, least: float, greatest: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{name} must be a number, not {value!r}.")
    if name.endswith("_quality") and value != int(value):
        raise UsageError(f"{name} must be a whole number, not {value!r}.")
    if not (math.isfinite(value) and least <= value <= greatest):
        limit = f"from {least:g} to {greatest:g}" if math.isfinite(greatest) else f"{least:g} or more"
        raise UsageError(f"{name} must be {limit}, not {value!r}.")


SETS: Mapping[str, Augmentation | OneOfFour] = {
    "none": Augmentation("no change"),
    "burduja2020": Augmentation(
        'Burduja 2020, 3.1: "horizontal flipping, shifting, rotation, scaling and brightness adjustment", with '
        "Albumentations. No amounts are given: the library's defaults are assumed, and 15 degrees chosen.",
        flip_probability=LIBRARY_PROBABILITY,
        affine_probability=LIBRARY_PROBABILITY,
        rotate_degrees=15.0,  # the library's 45 degrees turn a head further than any holder lets it
        scale_fraction=LIBRARY_SCALE,
        shift_fraction=LIBRARY_SHIFT,
        brightness_probability=LIBRARY_PROBABILITY,
        brightness_fraction=LIBRARY_BRIGHTNESS,
    ),
    "efficientclass2021": Augmentation("EfficientClass 2021 states no augmentation."),
    "wong2019": Augmentation(
        'Wong 2019, 3.2: "random shift scale rotate transformation (rotation limit of 14 degrees), and a random '
        "horizontal flip (p = 0.5)\". Shift, scale and their probability are assumed: Albumentations' defaults.",
        flip_probability=0.5,
        affine_probability=LIBRARY_PROBABILITY,
        rotate_degrees=14.0,
        scale_fraction=LIBRARY_SCALE,
        shift_fraction=LIBRARY_SHIFT,
    ),
    "ye2019": Augmentation(
        "Ye 2019 leaves training to its supplement, which is not at hand: all of this is chosen.",
        flip_probability=0.5,
        affine_probability=0.5,
        rotate_degrees=10.0,
        scale_fraction=0.1,
        shift_fraction=0.05,
    ),
    "patel2019": OneOfFour(
        'Patel 2019, III.C: "random rotations between -25 and 25 degrees, mirroring over the vertical axis and random '
        'shifting in x- and y-direction between -15 and 15 voxels"; scans "over a randomly selected axis" and "in all '
        'directions"; "equal probability of being used in their original form or as a rotated, mirrored or shifted '
        'variant". Assumed: a quarter of the samples each; one of the three axes of a scan; voxels of the given tensor.'
    ),
    "default": Augmentation(
        "Our own: the shapes of the papers, and what tells sources apart (display window, noise, JPEG). Chosen.",
        flip_probability=0.5,
        affine_probability=0.7,
        rotate_degrees=15.0,
        scale_fraction=0.1,
        shift_fraction=0.06,
        noise_probability=0.3,
        noise_hu=5.0,
        window_probability=0.5,
        level_jitter_hu=5.0,
        width_jitter_fraction=0.1,
        brightness_probability=0.3,
        brightness_fraction=0.05,
        jpeg_probability=0.3,
    ),
}


def augmentation_from(mapping: Mapping[str, object]) -> Augmentation | OneOfFour:
    """Take the set that `mapping["set"]` names, with the amounts that the other keys give.

    Raises UsageError for an unknown set or key, and for an amount out of its range.
    """
    name = mapping.get("set")
    if not isinstance(name, str) or name not in SETS:
        raise UsageError(f"An augmentation needs the key 'set' with one of {', '.join(SETS)}, not {name!r}.")
    chosen = SETS[name]
    amounts = {key: value for key, value in mapping.items() if key != "set"}
    known = [field.name for field in fields(chosen) if field.name != "source"]
    for key in amounts:
        if key not in known:
            raise UsageError(f"The augmentation {name} has no '{key}'; it has {', '.join(known)}.")
    changed: dict[str, object] = {**amounts}
    if amounts:
        changed["source"] = f"{chosen.source} Changed by the recipe: {', '.join(amounts)}."
    return replace(chosen, **changed)  # type: ignore[arg-type]  # the constructor checks them
