"""Slices are drawn from files or a slice store, with the heat map of the finding, or it is said why not."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from hemoscope.ct.read import read_scan
from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.slice_store.build import build_store
from hemoscope.datasets.slice_store.store import SliceStore
from hemoscope.detector.bundle import Bundle
from hemoscope.detector.inference import Detector
from hemoscope.evaluation.pages.failure_pictures import LONGEST_SIDE, SlicePictures
from hemoscope.findings import FINDING_NAMES
from hemoscope.report.wording import percent

EDH, SDH = 0, 4
SLICES = 5
GONE = "gone/00.png"


@pytest.fixture(scope="module")
def manifest(examples: Path) -> Manifest:
    """A few slices of a scan with an epidural hemorrhage, and one whose file is not there."""
    paths = [*["patient_052.nii.gz"] * SLICES, GONE]
    columns = {"series": [*["052"] * SLICES, "gone"], "slice": [*range(SLICES), 0], "path": paths,
               "frame": [*range(SLICES), None], "window": [*[None] * SLICES, "40/80"]}  # fmt: skip
    return Manifest.from_columns("d", examples / "physionet_ct_ich", columns)


@pytest.fixture(scope="module")
def store(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> SliceStore:
    folder = tmp_path_factory.mktemp("store")
    build_store(manifest, folder / "store", 128, 1, lambda done, total: None)
    return SliceStore.open(folder / "store")


def key(number: int) -> str:
    return f"d/patient_052.nii.gz#{number}"


def decoded(picture) -> np.ndarray:
    data = base64.b64decode(picture.uri.removeprefix("data:image/jpeg;base64,"))
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).astype(int)


@pytest.mark.parametrize("stored", [False, True])
def test_a_slice_has_its_windows_and_the_heat_map_of_the_finding(manifest, store, stored) -> None:
    pictures = SlicePictures(manifest, store if stored else None, Bundle.load("default"))
    ((drawn,), scale) = pictures.of([(key(3), EDH)])
    before, heat_title, after = (picture.title for picture in drawn)
    assert (before, after) == ("Brain 40/80", "Subdural 80/200")
    assert heat_title.startswith("Heat map, epidural: ") and heat_title.endswith("%")
    brain, heat, _ = (decoded(picture) for picture in drawn)
    assert max(brain.shape[:2]) == LONGEST_SIDE
    assert np.abs(brain[..., 0] - brain[..., 2]).max() < 12  # grey, as far as JPEG keeps it
    assert np.abs(heat[..., 0] - heat[..., 2]).max() > 40  # the hemorrhage is coloured
    assert scale >= 4


@pytest.mark.parametrize(("number", "finding"), [(0, SDH), (3, EDH)])
def test_the_probability_is_what_the_detector_says_of_the_slice_alone(manifest, examples, number, finding) -> None:
    scan = read_scan(examples / "physionet_ct_ich/patient_052.nii.gz")
    alone = replace(scan, hu=scan.hu[[number]], slices=scan.slices[number : number + 1], independent=True)
    expected = Detector.load("default")(alone).slice_probabilities[0, finding]
    ((drawn,), _) = SlicePictures(manifest, bundle=Bundle.load("default")).of([(key(number), finding)])
    assert drawn[1].title == f"Heat map, {FINDING_NAMES[finding]}: {percent(expected)}"


def test_without_a_bundle_there_are_pictures_alone(manifest, store) -> None:
    ((drawn,), _) = SlicePictures(manifest, store).of([(key(2), SDH)])
    assert [picture.title for picture in drawn] == ["Brain 40/80", "Subdural 80/200"]


def test_store_and_files_show_the_same_slice(manifest, store) -> None:
    shown = []
    for place in (None, store):
        ((drawn,), _) = SlicePictures(manifest, place).of([(key(2), SDH)])
        shown.append(cv2.resize(decoded(drawn[0])[..., 0].astype(np.uint8), (32, 32), interpolation=cv2.INTER_AREA))
    assert np.corrcoef(shown[0].ravel(), shown[1].ravel())[0, 1] > 0.97


def test_what_cannot_be_drawn_says_why(manifest, store) -> None:
    ((gone, unknown, there), _) = SlicePictures(manifest).of([(f"d/{GONE}#0", EDH), ("d/other#0", EDH), (key(0), EDH)])
    assert gone == f"d/{GONE} cannot be read: No such file or directory."
    assert unknown == "The Manifest names no file of it."
    assert len(there) == 2  # one that fails does not stop the others
    ((gone,), _) = SlicePictures(manifest, store).of([(f"d/{GONE}#0", EDH)])
    assert gone == "It is not in the slice store."
