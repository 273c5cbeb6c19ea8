"""Bundles: what is installed loads, what is damaged is refused with a sentence."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from hemoscope.detector.bundle import INSTALLED, Bundle, installed_bundles
from hemoscope.reasons import UsageError

LARGEST_MB = 25


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(INSTALLED / "default", tmp_path / "copy"))


def test_the_default_bundle_is_installed_and_small() -> None:
    bundle = Bundle.load("default")
    assert "default" in [installed.name for installed in installed_bundles()]
    assert sum(file.stat().st_size for file in (INSTALLED / "default").iterdir()) < LARGEST_MB * 1_000_000
    assert bundle.scan_points["sensitive"].threshold <= bundle.scan_points["specific"].threshold
    assert "Research use only" in (INSTALLED / "default" / "MODEL_CARD.md").read_text()


def test_a_zip_and_a_folder_are_the_same_bundle(copy: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bundle.zip", "w") as archive:
        for file in copy.iterdir():
            archive.write(file, f"default/{file.name}")
    assert Bundle.load(tmp_path / "bundle.zip").sha256 == Bundle.load(copy).sha256 == Bundle.load("default").sha256


def test_a_changed_network_is_refused(copy: Path) -> None:
    model = copy / "model.onnx"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    with pytest.raises(UsageError, match=r"checksum of model\.onnx"):
        Bundle.load(copy)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 99}, "format 99"),
        ({"findings": ["any"]}, "findings"),
        ({"calibration": {}}, "damaged"),
        ({"input": {"size": "large"}}, "damaged"),
    ],
)
def test_a_wrong_description_is_refused(copy: Path, change: dict[str, object], words: str) -> None:
    facts = json.loads((copy / "bundle.json").read_text())
    (copy / "bundle.json").write_text(json.dumps(facts | change))
    with pytest.raises(UsageError, match=words):
        Bundle.load(copy)


def test_a_missing_bundle_names_those_that_are_there() -> None:
    with pytest.raises(UsageError, match="no bundle 'nonesuch': installed are default"):
        Bundle.load("nonesuch")


def test_a_file_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("not a zip")
    with pytest.raises(UsageError, match="damaged"):
        Bundle.load(tmp_path / "text.zip")
