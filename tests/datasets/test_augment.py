"""Augmented slices and scans: known amounts move a real head by known pixels, and draws follow the sets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from hemoscope import read_scan
from hemoscope.ct.hounsfield import AIR_HU
from hemoscope.ct.windows import BRAIN, SOFT_TISSUE, SUBDURAL, Window, to_grey
from hemoscope.datasets.augment.augmenter import Augmenter
from hemoscope.datasets.augment.intensity import add_noise, brighten, cut_windows, jpeg_grain
from hemoscope.datasets.augment.placement import COLUMN, ROW, SLICE, Placement, ScanPlacement, place, place_scan
from hemoscope.datasets.augment.sets import SETS, Augmentation, OneOfFour, augmentation_from
from hemoscope.reasons import UsageError

WINDOWS = (BRAIN, SUBDURAL, SOFT_TISSUE)
SPACING = (5.0, 0.5, 0.5)


@pytest.fixture(scope="module")
def scan(examples: Path) -> Tensor:
    """HU [28, 1, 256, 256] of a real scan, every second pixel."""
    hu = read_scan(examples / "ge_tilted_head_series").hu
    return torch.from_numpy(np.ascontiguousarray(hu[:, ::2, ::2]))[:, None]


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def placed(
    count: int, degrees: float = 0, scale: float = 1, shift: tuple[float, float] = (0, 0), mirrored: bool = False
) -> Placement:
    return Placement(
        torch.full((count,), mirrored),
        torch.full((count,), float(degrees)),
        torch.full((count,), float(scale)),
        torch.tensor([shift], dtype=torch.float32).repeat(count, 1),
    )


def centroid(hu: Tensor) -> np.ndarray:
    """Centre of mass above air of [slice, 1, row, column], relative to the centre of the tensor, in voxels."""
    mass = (hu.squeeze(1) - AIR_HU).double()
    axes = [torch.arange(size) - (size - 1) / 2 for size in mass.shape]
    return np.array([float((mass.movedim(axis, -1) * places).sum() / mass.sum()) for axis, places in enumerate(axes)])


def test_no_change_leaves_every_value(scan: Tensor, generator: torch.Generator) -> None:
    moved = place(scan.float(), placed(len(scan)), AIR_HU, "bilinear")
    assert torch.equal(moved, scan.float())
    assert torch.equal(place_scan(scan.float(), ScanPlacement(), SPACING, AIR_HU, "bilinear"), scan.float())
    result = Augmenter(SETS["none"], WINDOWS).slices(scan, generator).pictures
    for channel, window in enumerate(WINDOWS):
        by_hand = to_grey(scan[:, 0].numpy(), window)
        assert np.array_equal((result[:, channel] * 255).round().byte().numpy(), by_hand)


def test_mirroring_is_a_flip_exactly(scan: Tensor) -> None:
    moved = place(scan.float(), placed(len(scan), mirrored=True), AIR_HU, "bilinear")
    assert torch.equal(moved, scan.float().flip(-1)) and not torch.equal(moved, scan.float())


def test_a_shift_of_whole_pixels_moves_down_and_right_and_brings_in_air(scan: Tensor) -> None:
    moved = place(scan.float(), placed(len(scan), shift=(7, -4)), AIR_HU, "bilinear")
    assert (moved[:, :, 7:, :-4] - scan[:, :, :-7, 4:]).abs().max() < 0.2  # HU, of up to 4000 between neighbours
    assert (moved[:, :, :6] == AIR_HU).all() and (moved[:, :, :, -3:] == AIR_HU).all()


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (180, 2), (-90, -1)])
def test_quarter_turns_are_counter_clockwise(scan: Tensor, degrees: float, turns: int) -> None:
    moved = place(scan.float(), placed(len(scan), degrees=degrees), AIR_HU, "bilinear")
    assert (moved - torch.rot90(scan.float(), turns, (2, 3))).abs().max() < 0.2


def test_a_turned_head_agrees_with_opencv(scan: Tensor) -> None:
    one = scan[14:15].float()
    moved = place(one, placed(1, degrees=14, scale=1.1, shift=(5, 9)), AIR_HU, "bilinear")[0, 0].numpy()
    matrix = cv2.getRotationMatrix2D((127.5, 127.5), 14, 1.1)  # "positive values mean counter-clockwise rotation"
    matrix[:, 2] += 9, 5
    other = cv2.warpAffine(one[0, 0].numpy(), matrix, (256, 256), borderValue=float(AIR_HU))
    assert np.abs(moved - other).mean() < 2  # HU; OpenCV rounds places to 1/32 pixel
    unturned = one[0, 0].numpy()
    assert np.abs(unturned - other).mean() > 100


def test_the_head_moves_with_scale_rotation_and_shift_as_reckoned(scan: Tensor) -> None:
    one = scan[14:15].float()
    one[one < -200] = AIR_HU  # the head alone, so that nothing leaves the picture
    _, row, column = centroid(one)
    moved = place(one, placed(1, degrees=30, scale=0.8, shift=(-6, 11)), AIR_HU, "bilinear")
    cosine, sine = np.cos(np.pi / 6), np.sin(np.pi / 6)
    expected = 0.8 * (cosine * row - sine * column) - 6, 0.8 * (sine * row + cosine * column) + 11
    assert centroid(moved)[1:] == pytest.approx(expected, abs=0.02)


def test_what_is_mirrored_is_turned_after_that(scan: Tensor) -> None:
    both = place(scan.float(), placed(len(scan), degrees=10, shift=(3, 6), mirrored=True), AIR_HU, "bilinear")
    after = place(scan.float().flip(-1), placed(len(scan), degrees=10, shift=(3, 6)), AIR_HU, "bilinear")
    assert (both - after).abs().max() < 0.5 and (both - scan).abs().max() > 500  # HU


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


def test_noise_has_the_stated_deviation_in_hu(scan: Tensor, generator: torch.Generator) -> None:
    noise = add_noise(scan.float(), torch.full((28,), 5.0), generator) - scan
    assert noise.std() == pytest.approx(5, rel=0.01) and abs(noise.mean()) < 0.05
    assert abs(np.corrcoef(noise[0].flatten(), noise[1].flatten())[0, 1]) < 0.02  # each slice its own


def test_a_jittered_window_is_cut_as_by_hand(scan: Tensor, generator: torch.Generator) -> None:
    levels = torch.tensor([[37.25, 85.5]], dtype=torch.float64).repeat(28, 1)
    widths = torch.tensor([[88.0, 190.5]], dtype=torch.float64).repeat(28, 1)
    cut = cut_windows(scan.float(), levels, widths)
    for channel, window in enumerate((Window(37.25, 88.0), Window(85.5, 190.5))):
        assert np.array_equal((cut[:, channel] * 255).round().byte().numpy(), to_grey(scan[:, 0].numpy(), window))
    # A flat slice tells the level that was drawn: at most 5 HU away, each slice another.
    settings = Augmentation("test", window_probability=1.0, level_jitter_hu=5.0)
    grey = Augmenter(settings, [BRAIN]).slices(torch.full((500, 1, 8, 8), 40), generator).pictures[:, 0, 0, 0]
    drawn = BRAIN.level - (grey - 0.5) * BRAIN.width
    assert 34.8 < drawn.min() < 35.5 and 44.5 < drawn.max() < 45.2


def test_brightness_adds_a_fraction_of_white() -> None:
    assert torch.allclose(brighten(torch.full((2, 1, 1, 1), 0.5), torch.tensor([0.2, -0.6])).flatten(),
                          torch.tensor([0.7, 0.0]))  # fmt: skip


@pytest.mark.parametrize("quality", [30, 60, 75, 95])
def test_jpeg_grain_is_that_of_a_real_jpeg(scan: Tensor, quality: int) -> None:
    grey = to_grey(scan[14, 0].numpy(), BRAIN)[3:, 5:]  # sides that are no multiple of 8
    _, file = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])
    real = cv2.imdecode(file, cv2.IMREAD_GRAYSCALE).astype(float)
    ours = jpeg_grain(torch.from_numpy(grey)[None, None].float() / 255, torch.tensor([quality]))[0, 0].numpy() * 255
    lost = np.sqrt(((real - grey) ** 2).mean())
    assert np.sqrt(((ours - grey) ** 2).mean()) == pytest.approx(lost, rel=0.05)
    assert np.sqrt(((ours - real) ** 2).mean()) < max(0.25 * lost, 0.5)  # grey levels; OpenCV computes in integers


def test_patel_uses_each_of_four_variants_for_a_quarter(scan: Tensor, generator: torch.Generator) -> None:
    many = scan[14:15, :, ::4, ::4].expand(2000, -1, -1, -1)
    pixels = Augmenter(OneOfFour("test"), [Window(0, 4000)]).slices(many, generator).pictures
    original = Augmenter(SETS["none"], [Window(0, 4000)]).slices(many[:1], generator).pictures[0]
    same = (pixels == original).flatten(1).all(1)
    mirrored = (pixels == original.flip(-1)).flatten(1).all(1)
    shares = [float(same.float().mean()), float(mirrored.float().mean())]
    assert shares == pytest.approx([0.25, 0.25], abs=0.04)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (5.0, 0.5, 0.5)])
@pytest.mark.parametrize(("axis", "moving", "towards"), [(SLICE, 2, 1), (ROW, 2, 0), (COLUMN, 1, 0)])
def test_a_scan_turns_rigidly_in_mm_over_each_axis(
    axis: int, moving: int, towards: int, spacing: tuple[float, float, float]
) -> None:
    ball = torch.full((40, 1, 80, 80), float(AIR_HU))  # a block away from the centre along one axis
    middle = [20, 40, 40]
    middle[moving] += 10
    ball[middle[0] - 3 : middle[0] + 3, :, middle[1] - 3 : middle[1] + 3, middle[2] - 3 : middle[2] + 3] = 1000
    away_mm = (centroid(ball) * spacing)[moving]
    degrees = 25.0
    moved_mm = centroid(place_scan(ball, ScanPlacement(axis=axis, degrees=degrees), spacing, AIR_HU, "bilinear"))
    expected = np.zeros(3)
    expected[moving] = away_mm * np.cos(np.radians(degrees))
    # Counter-clockwise: what is on the right goes up (a smaller row); else towards the head (a larger slice).
    expected[towards] = away_mm * np.sin(np.radians(degrees)) * (-1 if axis == SLICE else 1)
    off = np.delete(np.arange(3), [moving, towards])
    assert (moved_mm * spacing)[[moving, towards]] == pytest.approx(expected[[moving, towards]], abs=spacing[towards])
    assert abs((centroid(ball) * spacing)[off]) == pytest.approx(abs((moved_mm * spacing)[off]), abs=0.6)


def test_a_scan_turned_within_its_slices_is_that_of_the_slices(scan: Tensor) -> None:
    whole = place_scan(scan.float(), ScanPlacement(axis=SLICE, degrees=20), SPACING, AIR_HU, "bilinear")
    slices = place(scan.float(), placed(len(scan), degrees=20), AIR_HU, "bilinear")
    assert (whole - slices).abs().max() < 0.5 and (whole - scan).abs().max() > 500


def test_a_scan_is_shifted_towards_the_head_down_and_right(scan: Tensor) -> None:
    moved = place_scan(scan.float(), ScanPlacement(shift=(3, -5, 8)), SPACING, AIR_HU, "bilinear")
    assert (moved[3:, :, :-5, 8:] - scan[:-3, :, 5:, :-8]).abs().max() < 0.5
    assert (moved[:2] == AIR_HU).all() and (moved[:, :, -4:] == AIR_HU).all()


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


def test_a_recipe_names_a_set_and_changes_amounts() -> None:
    changed = augmentation_from({"set": "wong2019", "rotate_degrees": 10})
    assert changed == replace(SETS["wong2019"], rotate_degrees=10, source=changed.source)
    assert "rotate_degrees" in changed.source and augmentation_from({"set": "patel2019"}) == SETS["patel2019"]


@pytest.mark.parametrize(
    ("mapping", "names"),
    [
        ({}, "'set'"),
        ({"set": "wong2020"}, "wong2020"),
        ({"set": "wong2019", "rotation": 3}, "rotation"),
        ({"set": "wong2019", "source": "x"}, "source"),
        ({"set": "patel2019", "noise_hu": 3}, "noise_hu"),
        ({"set": "wong2019", "rotate_degrees": "14"}, "rotate_degrees"),
        ({"set": "wong2019", "rotate_degrees": float("nan")}, "rotate_degrees"),
        ({"set": "wong2019", "flip_probability": 1.5}, "flip_probability"),
        ({"set": "wong2019", "scale_fraction": 1}, "scale_fraction"),
        ({"set": "default", "jpeg_lowest_quality": 96}, "jpeg_lowest_quality"),
        ({"set": "default", "jpeg_lowest_quality": 60.5}, "whole"),
        ({"set": "default", "noise_hu": -1}, "noise_hu"),
        ({"set": "default", "noise_probability": True}, "noise_probability"),
    ],
)
def test_a_wrong_amount_is_named(mapping: dict[str, object], names: str) -> None:
    with pytest.raises(UsageError, match=names):
        augmentation_from(mapping)


def test_hu_cannot_be_changed_where_only_grey_levels_are_given() -> None:
    with pytest.raises(UsageError, match="HU"):
        Augmenter(SETS["default"], [])
