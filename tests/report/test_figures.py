from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from hemoscope.ct.prepare import Crop
from hemoscope.ct.windows import BRAIN, SOFT_TISSUE
from hemoscope.detector.detection import Detection
from hemoscope.report import figures
from hemoscope.report.figures import View
from hemoscope.report.panels import overlays, panels, slices_to_show


def decoded(detection: Detection, index: int) -> np.ndarray:
    """The heat map of a slice, BGR."""
    ((_, data),) = overlays(detection, [index])
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def test_windows_of_a_real_slice(negative: Detection) -> None:
    """Skull (bone, > 80 HU) is white, the air beside the head is black, in the picture as in the slice."""
    hu = negative.scan.hu[16]
    grey = figures.windowed(hu, figures.slice_view(negative), BRAIN)
    assert grey.shape == hu.shape
    assert (grey[hu > 80] == 255).all()
    assert (grey[hu < 0] == 0).all()
    soft = figures.windowed(hu, figures.slice_view(negative), SOFT_TISSUE)
    assert soft[hu > -100].std() > 0
    assert (soft[hu == 40] == 128).all()


def test_views_have_one_scale_and_square_pixels(negative: Detection) -> None:
    view = figures.head_view(negative, [4, 16, 26])
    assert max(view.height, view.width) == figures.LONGEST_SIDE
    assert view.mm_per_pixel == pytest.approx(view.crop.height * 0.4882812 / view.height, rel=0.01)
    stretched = replace(negative, scan=replace(negative.scan, pixel_spacing_mm=(0.4882812, 0.9765624)))
    tall = figures.head_view(stretched, [16])
    assert tall.width / tall.height == pytest.approx(2 * tall.crop.width / tall.crop.height, rel=0.01)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (3, 9), (11, 11), (6, 2)])
def test_heat_lies_over_its_grid_cell(row: int, column: int) -> None:
    """The strongest point of the laid map is the centre of the cell, for a crop that reaches beyond the picture."""
    crop, view = Crop(-20, 35, 480, 240), View(Crop(0, 0, 512, 512), 1024, 1024, None)
    activation = np.zeros((12, 12), np.float32)
    activation[row, column] = 5
    laid = figures.heat(activation, crop, view)
    mass = laid**4
    ys, xs = np.mgrid[: view.height, : view.width] + 0.5
    # Cells that reach beyond the picture or lie at the border of the grid are cut off there.
    if 0 < row < 11 and 0 < column < 11:
        assert (ys * mass).sum() / mass.sum() / 2 == pytest.approx(crop.top + (row + 0.5) * 40, abs=1)
        assert (xs * mass).sum() / mass.sum() / 2 == pytest.approx(crop.left + (column + 0.5) * 20, abs=1)
    peak_y, peak_x = (crop.top + (row + 0.5) * 40) * 2, (crop.left + (column + 0.5) * 20) * 2
    assert laid[int(max(peak_y, 0)), int(peak_x)] == pytest.approx(5, rel=0.1)
    assert laid[:, : crop.left * 2].max() == 0
    assert laid[:, (crop.left + crop.width) * 2 + 1 :].max() == 0


def test_only_activation_for_a_hemorrhage_is_drawn() -> None:
    grey = np.full((64, 64), 100, np.uint8)
    view, crop = View(Crop(0, 0, 64, 64), 64, 64, None), Crop(0, 0, 64, 64)
    against = figures.heat(np.full((8, 8), -6, np.float32), crop, view)
    assert (figures.overlay(grey, against, 4.0) == 100).all()
    faint = figures.heat(np.full((8, 8), 0.3, np.float32), crop, view)
    assert (figures.overlay(grey, faint, 4.0) == 100).all()
    strong = figures.overlay(grey, figures.heat(np.full((8, 8), 4, np.float32), crop, view), 4.0)
    assert (strong.max(axis=2).astype(int) - strong.min(axis=2) > 40).all()


def test_stronger_activation_is_brighter() -> None:
    ramp = figures.heat_colours().astype(float) @ (0.114, 0.587, 0.299)
    assert (np.diff(ramp) >= -1).all()
    assert ramp[-1] - ramp[0] > 120


def test_a_scan_without_activation_is_not_lit_up(negative: Detection) -> None:
    assert negative.maps is not None
    assert figures.heat_scale(negative, [13]) == figures.LOWEST_SCALE_LOGITS
    pictures = panels(negative, [13])
    assert pictures is not None
    overlaid = decoded(negative, 13)
    assert (overlaid == overlaid[..., :1]).all()  # grey


def test_overlay_lies_on_the_slice_pixel_for_pixel(incomplete: Detection) -> None:
    picture = decoded(incomplete, 13).astype(int)
    assert picture.shape == (512, 512, 3)
    coloured = np.ptp(picture, axis=2) > 30
    ys, xs = np.nonzero(coloured)
    assert (ys.mean(), xs.mean()) == pytest.approx((250, 300), abs=12)  # where the fixture put the activation


def test_slices_that_could_not_be_read_have_no_map(not_analysed: Detection) -> None:
    assert list(overlays(not_analysed, [13])) == []


def test_the_heat_map_is_that_of_the_finding_that_explains_the_slice(incomplete: Detection) -> None:
    assert incomplete.slice_probabilities is not None
    assert incomplete.maps is not None
    scores, maps = incomplete.slice_probabilities.copy(), incomplete.maps.copy()
    scores[13] = scores[14] = (0.01, 0.05, 0.3, 0.1, 0.02, 0.32)
    scores[15] = (0.01, 0.05, 0.2, 0.1, 0.02, 0.32)  # no subtype makes up the probability
    maps[[13, 15], 2] += 3
    maps[14, 2] -= 3  # a weak response
    changed = replace(incomplete, slice_probabilities=scores, maps=maps)
    names = [name.removeprefix("heat_map_slice_") for name, _ in overlays(changed, [13, 14, 15])]
    assert names == ["013_intraventricular.png", "014_any.png", "015_any.png"]
    drawn = panels(changed, [13, 14])
    assert drawn is not None
    assert [panel.pictures[1].title for panel in drawn.panels] == ["Heat map, intraventricular", "Heat map, any"]


def test_slices_to_show(incomplete: Detection, not_analysed: Detection, picture: Detection) -> None:
    assert slices_to_show(incomplete)[0] == 13
    assert not {9, 20} & set(slices_to_show(incomplete))
    assert len(set(slices_to_show(not_analysed))) == 4
    assert slices_to_show(picture) == [0]
