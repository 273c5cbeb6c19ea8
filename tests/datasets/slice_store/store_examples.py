"""Manifests of the example scans, and stores built from them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from hemoscope import read_scan
from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.merge import merge
from hemoscope.datasets.problems import Found
from hemoscope.datasets.slice_store.build import build_store
from hemoscope.datasets.slice_store.store import SliceStore
from hemoscope.reasons import UsageError

PICTURE_WINDOW = "40/80"


def ge_manifest(examples: Path) -> Manifest:
    """The GE series; its rows are shuffled, as an importer may leave them."""
    scan = read_scan(examples / "ge_tilted_head_series")
    order = np.random.default_rng(7).permutation(len(scan.slices))
    columns = {
        "path": [scan.slices[number].source for number in order],
        "series": ["head"] * len(order),
        "slice": order.astype(np.int32),
        "position_mm": [scan.slices[number].position_mm for number in order],
    }
    return Manifest.from_columns("ge", examples, columns)


def nifti_manifest(examples: Path) -> Manifest:
    """A NIfTI volume of 18 slices."""
    path = "physionet_ct_ich/patient_077.nii.gz"
    columns = {"path": [path] * 18, "series": ["077"] * 18, "slice": range(18), "frame": range(18)}
    return Manifest.from_columns("ich", examples, columns)


def picture_manifest(examples: Path, root: Path) -> Manifest:
    """Four GE slices as loose pictures of a brain window, two of them upside down."""
    hu = read_scan(examples / "ge_tilted_head_series").hu
    names = ["12.png", "14.png", "16.png", "18.png"]
    turned = [None, None, "LA", "LA"]
    root.mkdir(exist_ok=True)
    for name, orientation in zip(names, turned, strict=True):
        grey = np.clip(np.rint(hu[int(name[:2])] * (255 / 80)), 0, 255).astype(np.uint8)
        cv2.imwrite(str(root / name), grey[::-1] if orientation else grey)
    columns = {"path": names, "window": [PICTURE_WINDOW] * 4, "patient_orientation": turned, "patient": list("abcd")}
    return Manifest.from_columns("pictures", root, columns)


def mixed_manifest(examples: Path, root: Path) -> Manifest:
    """DICOM, NIfTI and pictures in one Manifest."""
    return merge([ge_manifest(examples), nifti_manifest(examples), picture_manifest(examples, root)])


def build(manifest: Manifest, folder: Path, size: int | None = 256, jobs: int = 1) -> tuple[SliceStore, list[Found]]:
    """Build and open a store."""
    found = build_store(manifest, folder, size, jobs, lambda done, total: None)
    return SliceStore.open(folder), found


def refusal(manifest: Manifest, folder: Path, size: int | None = 256, jobs: int = 1) -> str:
    """The sentence with which a build is refused."""
    with pytest.raises(UsageError) as error:
        build_store(manifest, folder, size, jobs, lambda done, total: None)
    return error.value.sentence


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
