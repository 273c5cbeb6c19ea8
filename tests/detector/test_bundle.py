"""Bundles: what is installed loads, what is damaged is refused with a sentence."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from handmade import scan_network, slice_network, write_bundle

from hemoscope.detector.bundle import INSTALLED, Bundle, describe_input, installed_bundles, read_input
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
    model = copy / "slices.onnx"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    with pytest.raises(UsageError, match=r"checksum of slices\.onnx"):
        Bundle.load(copy)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 99}, "format 99"),
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


@pytest.fixture
def handmade(tmp_path: Path) -> Path:
    """A bundle of format 2 with both networks."""
    scan = scan_network(["slices", "scan"])
    return write_bundle(tmp_path / "handmade", slice_network(np.ones((2, 1))), ("subdural", "any"), scan)


def test_a_bundle_of_two_networks_is_read(handmade: Path, tmp_path: Path) -> None:
    bundle = Bundle.load(handmade)
    assert bundle.slice_findings == bundle.scan_findings == ("subdural", "any")
    assert bundle.slice_network == (handmade / "slices.onnx").read_bytes()
    assert bundle.scan_network == (handmade / "scan.onnx").read_bytes()
    assert bundle.size_bytes == len(bundle.slice_network) + len(bundle.scan_network)
    assert not bundle.calibrated
    assert read_input(describe_input(bundle.input)) == bundle.input
    with zipfile.ZipFile(tmp_path / "bundle.zip", "w") as archive:
        for file in handmade.iterdir():
            archive.write(file, f"handmade/{file.name}")
    assert Bundle.load(tmp_path / "bundle.zip").scan_network == bundle.scan_network


def test_a_changed_network_over_the_scan_is_refused(handmade: Path) -> None:
    (handmade / "scan.onnx").write_bytes(b"something else")
    with pytest.raises(UsageError, match=r"checksum of scan\.onnx"):
        Bundle.load(handmade)


def test_a_network_over_the_scan_that_is_missing_is_refused(handmade: Path) -> None:
    (handmade / "scan.onnx").unlink()
    with pytest.raises(UsageError, match="damaged"):
        Bundle.load(handmade)


def curves(of_any: object) -> dict[str, object]:
    """A calibration of both levels whose curve of `any` is this."""
    return {"calibration": {level: {"any": of_any, "subdural": [1.0, 0.0]} for level in ("slice", "scan")}}


INPUT = {"size": 32, "windows": ["40/80"], "neighbours": 0, "framing": "whole", "maximum_filter": [1, 1]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"networks": {"slices": {"findings": ["any", "subdural"]}, "scan": None}}, "in this order"),
        ({"networks": {"slices": {"findings": ["any", "any"]}, "scan": None}}, "in this order"),
        ({"networks": {"slices": {"findings": []}, "scan": None}}, "in this order"),
        ({"networks": {"slices": {"findings": ["bleed"]}, "scan": None}}, "in this order"),
        ({"input": INPUT | {"framing": "brain"}}, "'whole' or 'head'"),
        ({"input": INPUT | {"windows": []}}, "a window"),
        ({"input": INPUT | {"neighbours": -1}}, "neighbours from 0"),
        ({"input": INPUT | {"size": 33, "maximum_filter": [1, 2]}}, "no multiple"),
        ({"scan_rule": "median"}, "scan rule 'median'"),
        ({"calibration": {of: {"any": [0, 1], "subdural": [1, 1]} for of in ("slice", "scan")}}, "slope"),
        ({"calibration": {"slice": {"any": [1.0, 0.0]}, "scan": {}}}, "no calibration of it"),
        (curves([1.0, 0.0, 2.0]), r"is \[slope, intercept\], or logits with their probabilities"),
        (curves({"logits": [0.0]}), r"is \[slope, intercept\], or logits with their probabilities"),
        (curves([float("nan"), 0.0]), "is no number"),
        (curves({"logits": [], "probabilities": []}), "at least one"),
        (curves({"logits": [0.0, 1.0], "probabilities": [0.5]}), "as many probabilities as logits"),
        (curves({"logits": [1.0, 1.0], "probabilities": [0.1, 0.5]}), "do not rise"),
        (curves({"logits": [0.0, float("inf")], "probabilities": [0.1, 0.5]}), "do not rise"),
        (curves({"logits": [0.0, 1.0], "probabilities": [0.5, 0.1]}), "fall"),
        (curves({"logits": [0.0, 1.0], "probabilities": [0.0, 0.1]}), "not between 0 and 1"),
        (curves({"logits": [0.0, 1.0], "probabilities": [0.5, 1.0]}), "not between 0 and 1"),
        ({"files": {"../secret": "00"}}, "no part of a bundle"),
        ({"context": {"sigma": 3}}, "damaged"),
    ],
)
def test_a_wrong_description_of_any_system_is_refused(handmade: Path, change: dict[str, object], words: str) -> None:
    facts = json.loads((handmade / "bundle.json").read_text())
    (handmade / "bundle.json").write_text(json.dumps(facts | change))
    with pytest.raises(UsageError, match=words):
        Bundle.load(handmade)
