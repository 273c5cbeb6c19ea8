"""Noise, windows, brightness and JPEG grain change values by what they say."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from hemoscope.ct.windows import BRAIN, Window, to_grey
from hemoscope.datasets.augment.augmenter import Augmenter
from hemoscope.datasets.augment.intensity import add_noise, blur, brighten, cut_windows, jpeg_grain
from hemoscope.datasets.augment.sets import Augmentation


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


def test_blur_is_that_of_opencv(scan: Tensor) -> None:
    grey = torch.from_numpy(to_grey(scan[10:14, 0].numpy(), BRAIN))[:, None].float() / 255
    blurred = blur(grey.repeat(1, 2, 1, 1), torch.tensor([0.0, 0.5, 1.0, 1.2]))
    assert torch.equal(blurred[0, 0], grey[0, 0])
    for number, deviation in ((1, 0.5), (2, 1.0), (3, 1.2)):
        expected = cv2.GaussianBlur(grey[number, 0].numpy(), (9, 9), deviation, borderType=cv2.BORDER_REPLICATE)
        for channel in (0, 1):
            assert np.abs(blurred[number, channel].numpy() - expected).max() < 2e-3


@pytest.mark.parametrize("quality", [30, 60, 75, 95])
def test_jpeg_grain_is_that_of_a_real_jpeg(scan: Tensor, quality: int) -> None:
    grey = to_grey(scan[14, 0].numpy(), BRAIN)[3:, 5:]  # sides that are no multiple of 8
    _, file = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])
    real = cv2.imdecode(file, cv2.IMREAD_GRAYSCALE).astype(float)
    ours = jpeg_grain(torch.from_numpy(grey)[None, None].float() / 255, torch.tensor([quality]))[0, 0].numpy() * 255
    lost = np.sqrt(((real - grey) ** 2).mean())
    assert np.sqrt(((ours - grey) ** 2).mean()) == pytest.approx(lost, rel=0.05)
    assert np.sqrt(((ours - real) ** 2).mean()) < max(0.25 * lost, 0.5)  # grey levels; OpenCV computes in integers
