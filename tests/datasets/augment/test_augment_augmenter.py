"""Augmented slices and scans: what is drawn follows the set, masks follow pictures, a seed repeats."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from augment_examples import SPACING, centroid, placed
from torch import Tensor

from hemoscope.ct.hounsfield import AIR_HU
from hemoscope.ct.windows import BRAIN, SOFT_TISSUE, SUBDURAL, Window, to_grey
from hemoscope.datasets.augment.augmenter import Augmenter
from hemoscope.datasets.augment.placement import ScanPlacement, place, place_scan
from hemoscope.datasets.augment.sets import SETS, Augmentation, OneOfFour
from hemoscope.reasons import UsageError

WINDOWS = (BRAIN, SUBDURAL, SOFT_TISSUE)


def test_no_change_leaves_every_value(scan: Tensor, generator: torch.Generator) -> None:
    moved = place(scan.float(), placed(len(scan)), AIR_HU, "bilinear")
    assert torch.equal(moved, scan.float())
    assert torch.equal(place_scan(scan.float(), ScanPlacement(), SPACING, AIR_HU, "bilinear"), scan.float())
    result = Augmenter(SETS["none"], WINDOWS).slices(scan, generator).pictures
    for channel, window in enumerate(WINDOWS):
        by_hand = to_grey(scan[:, 0].numpy(), window)
        assert np.array_equal((result[:, channel] * 255).round().byte().numpy(), by_hand)


def test_a_mask_follows_its_picture(scan: Tensor, generator: torch.Generator) -> None:
    mask = (scan > 300).byte() * 3
    settings = replace(SETS["wong2019"], affine_probability=1.0)
    for result in (
        Augmenter(settings, [Window(300, 1)]).slices(scan, generator, mask),
        Augmenter(settings, [Window(300, 1)]).scan(scan, SPACING, generator, mask),
        Augmenter(SETS["patel2019"], [Window(300, 1)]).scan(scan, SPACING, generator.manual_seed(3), mask),
    ):
        assert result.mask is not None and result.mask.dtype == torch.uint8
        assert set(result.mask.unique().tolist()) == {0, 3}
        bone, marked = result.pictures > 0.5, result.mask > 0
        assert 2 * (bone & marked).sum() / (bone.sum() + marked.sum()) > 0.9
        assert 2 * (bone & (mask > 0)).sum() / (bone.sum() + (mask > 0).sum()) < 0.9  # both have moved


def test_slices_of_a_scan_share_one_transform_and_those_of_a_batch_do_not(
    scan: Tensor, generator: torch.Generator
) -> None:
    alike = scan[14:15].expand(12, -1, -1, -1)
    settings = replace(SETS["default"], affine_probability=1.0, noise_probability=0.0)
    as_scan = Augmenter(settings, WINDOWS).scan(alike, SPACING, generator).pictures
    assert as_scan.shape == (12, 3, 256, 256) and torch.equal(as_scan, as_scan[:1].expand_as(as_scan))
    as_batch = Augmenter(settings, WINDOWS).slices(alike, generator).pictures
    assert all(not torch.equal(as_batch[i], as_batch[j]) for i in range(12) for j in range(i))


@pytest.mark.parametrize("name", SETS)
def test_a_seed_repeats_and_another_differs(scan: Tensor, generator: torch.Generator, name: str) -> None:
    before = scan.clone()
    augmenter = Augmenter(SETS[name], WINDOWS)
    first, again, other = (augmenter.slices(scan, generator.manual_seed(seed)).pictures for seed in (1, 1, 2))
    assert torch.equal(first, again) and torch.equal(scan, before)
    assert first.shape == (28, 3, 256, 256) and first.min() >= 0 and first.max() == 1
    assert torch.equal(first, other) == (name in ("none", "efficientclass2021"))


def test_what_comes_from_outside_is_black_also_for_grey_levels(scan: Tensor, generator: torch.Generator) -> None:
    white = torch.ones(8, 1, 64, 64)
    settings = Augmentation("test", affine_probability=1.0, scale_fraction=0.0, shift_fraction=0.5)
    result = Augmenter(settings, []).slices(white, generator).pictures
    assert set(result[:, 0, ::63, ::63].flatten().tolist()) == {0.0, 1.0}


def test_patel_uses_each_of_four_variants_for_a_quarter(scan: Tensor, generator: torch.Generator) -> None:
    many = scan[14:15, :, ::4, ::4].expand(2000, -1, -1, -1)
    pixels = Augmenter(OneOfFour("test"), [Window(0, 4000)]).slices(many, generator).pictures
    original = Augmenter(SETS["none"], [Window(0, 4000)]).slices(many[:1], generator).pictures[0]
    same = (pixels == original).flatten(1).all(1)
    mirrored = (pixels == original.flip(-1)).flatten(1).all(1)
    shares = [float(same.float().mean()), float(mirrored.float().mean())]
    assert shares == pytest.approx([0.25, 0.25], abs=0.04)


def test_patel_turns_scans_over_every_axis_and_shifts_along_every_axis(generator: torch.Generator) -> None:
    block = torch.full((24, 1, 24, 24), AIR_HU)
    block[8:16, :, 8:16, 8:20] = 1000
    augmenter = Augmenter(OneOfFour("test", shift_voxels=3, shift_slices=3), [Window(-12, 2024)])
    kinds: list[str] = []
    for _ in range(200):
        grey = augmenter.scan(block, (1.0, 1.0, 1.0), generator).pictures * 2024 + AIR_HU
        kinds.append("".join("x" if d > 0.05 else "." for d in np.abs(centroid(grey) - centroid(block))))
    shares = {kind: kinds.count(kind) / 200 for kind in set(kinds)}
    assert shares["..."] > 0.2  # as they were, and turns by next to nothing
    assert shares["..x"] > 0.2  # mirrored, and turns over ROW and SLICE by little
    assert shares["xxx"] > 0.1  # shifted


def test_hu_cannot_be_changed_where_only_grey_levels_are_given() -> None:
    with pytest.raises(UsageError, match="HU"):
        Augmenter(SETS["default"], [])


@pytest.mark.parametrize("name", ["none", "default", "patel2019"])
def test_slices_without_a_channel_are_refused_in_a_sentence(
    scan: Tensor, generator: torch.Generator, name: str
) -> None:
    """As `SliceStore.batch` gives them; whatever is drawn."""
    augmenter, words = Augmenter(SETS[name], WINDOWS), r"\[slice, channel, row, column\].*\[:, None\]"
    without = scan[:, 0]
    with pytest.raises(ValueError, match=f"pixels are {words}"):
        augmenter.slices(without, generator)
    with pytest.raises(ValueError, match=f"pixels are {words}"):
        augmenter.scan(without, SPACING, generator)
    for mask in (without, without[0]):
        with pytest.raises(ValueError, match=f"mask is {words}"):
            augmenter.slices(scan, generator, mask)
