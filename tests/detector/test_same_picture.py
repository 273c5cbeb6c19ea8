"""What training reads from a slice store is, to the last bit, what detection gives to the network."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="needs pip install hemoscope[datasets]")

from hemoscope import read_scan
from hemoscope.ct.prepare import Framing, NetworkInput
from hemoscope.ct.windows import BRAIN, SOFT_TISSUE, SUBDURAL, Window, to_grey
from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.slice_store.build import build_store
from hemoscope.datasets.slice_store.store import SliceStore

WINDOWS = (BRAIN, SUBDURAL, SOFT_TISSUE)
FRAMINGS: tuple[Framing, ...] = ("whole", "head")


def stored(manifest: Manifest, folder: Path, size: int, framing: Framing) -> np.ndarray:
    assert build_store(manifest, folder, size, 1, lambda done, total: None, framing) == []
    store = SliceStore.open(folder)
    return store.windowed(range(len(store)), WINDOWS)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("size", [224, 512])
def test_of_a_dicom_slice(size: int, framing: Framing, examples: Path, tmp_path: Path) -> None:
    scan = read_scan(examples / "ge_tilted_head_series")
    one = scan.slices[12]
    columns = {"path": [one.source], "series": ["head"], "slice": [12], "position_mm": [one.position_mm]}
    trained = stored(Manifest.from_columns("ge", examples, columns), tmp_path / "store", size, framing)
    detected, _ = NetworkInput(size, WINDOWS, framing=framing).frame(scan.hu[12], scan.pixel_spacing_mm)
    assert np.array_equal(trained[0], detected) and detected.std() > 20


def of_a_picture(picture: Path, window: str, size: int, framing: Framing, folder: Path) -> None:
    columns = {"path": [picture.name], "window": [window], "patient": ["a"]}
    trained = stored(Manifest.from_columns("pictures", picture.parent, columns), folder, size, framing)
    scan = read_scan(picture, window=Window.from_text(window))
    detected, _ = NetworkInput(size, WINDOWS, framing=framing).frame(scan.hu[0], scan.pixel_spacing_mm)
    assert np.array_equal(trained[0], detected) and detected.std() > 20


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("size", [224, 650])
def test_of_a_picture_of_a_collection(size: int, framing: Framing, shared_data: Path, tmp_path: Path) -> None:
    picture = shared_data / "physionet_ct_ich" / "images" / "049_15.jpg"
    of_a_picture(picture, "40/120", size, framing, tmp_path / "store")


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("rows", [512, 400])
def test_of_a_picture(rows: int, framing: Framing, examples: Path, tmp_path: Path) -> None:
    """Also one that is no square: what is missing is air in both."""
    scan = read_scan(examples / "ge_tilted_head_series")
    cv2.imwrite(str(tmp_path / "12.png"), to_grey(scan.hu[12], BRAIN)[:rows])
    of_a_picture(tmp_path / "12.png", "40/80", 256, framing, tmp_path / "store")
