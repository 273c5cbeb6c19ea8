"""A bundle: the network, what it needs to be used, and where it comes from, in one checked folder or zip."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hemoscope.ct.windows import Window
from hemoscope.detector.calibration import Calibration, Context, Platt
from hemoscope.detector.detection import OperatingPoint
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError

FORMAT_VERSION = 1
INSTALLED = Path(__file__).parent / "bundles"
LARGEST_BUNDLE_BYTES = 500_000_000


@dataclass(frozen=True)
class Bundle:
    """Everything that detection needs; a bundle that exists has been checked against its checksums.

    model: the ONNX graph, uint8 [1, 1, size, size] to logits [1, 6] and class activation maps [1, 6, h, w].
    scan_points, slice_points: operating points by name ("sensitive", "specific") on the probability of `any`.
    """

    name: str
    version: str
    model: bytes
    size: int
    window: Window
    calibration: Calibration
    scan_points: Mapping[str, OperatingPoint]
    slice_points: Mapping[str, OperatingPoint]
    facts: Mapping[str, Any]  # the whole of bundle.json: provenance, metrics, licence
    sha256: str  # of bundle.json, which holds the checksums of the other files

    @classmethod
    def load(cls, name_or_path: str | Path) -> Bundle:
        """Load an installed bundle by name, or any bundle by the path of its folder or zip.

        Raises UsageError where it is not there, is damaged, or needs a newer Hemoscope.
        """
        place = INSTALLED / str(name_or_path)
        if not place.joinpath("bundle.json").is_file():
            place = Path(name_or_path)
        if not place.exists():
            names = ", ".join(sorted(path.name for path in installed_folders())) or "none"
            raise UsageError(f"There is no bundle '{name_or_path}': installed are {names}, or give a folder or zip.")
        try:
            return cls._from_files(_read_files(place), place)
        except (KeyError, ValueError, TypeError, OSError, zipfile.BadZipFile) as error:
            raise UsageError(f"The bundle '{place}' is damaged ({error}): get it again.") from error

    @classmethod
    def _from_files(cls, files: Mapping[str, bytes], place: Path) -> Bundle:
        facts = json.loads(files["bundle.json"])
        if facts["format"] != FORMAT_VERSION:
            raise UsageError(
                f"The bundle '{place}' has format {facts['format']}; this Hemoscope reads {FORMAT_VERSION}."
            )
        if tuple(facts["findings"]) != FINDING_NAMES:
            raise ValueError(f"its findings are not {', '.join(FINDING_NAMES)}")
        for name, digest in facts["files"].items():
            if hashlib.sha256(files[name]).hexdigest() != digest:
                raise ValueError(f"the checksum of {name} is wrong")
        return cls(
            name=facts["name"],
            version=facts["version"],
            model=files["model.onnx"],
            size=int(facts["input"]["size"]),
            window=Window(**facts["input"]["window"]),
            calibration=Calibration(
                Context(**facts["context"]),
                Platt(**{key: tuple(value) for key, value in facts["calibration"]["slice"].items()}),
                Platt(**{key: tuple(value) for key, value in facts["calibration"]["scan"].items()}),
            ),
            scan_points=_points(facts["operating_points"]["scan"]),
            slice_points=_points(facts["operating_points"]["slice"]),
            facts=facts,
            sha256=hashlib.sha256(files["bundle.json"]).hexdigest(),
        )


def _points(table: Mapping[str, Mapping[str, Any]]) -> dict[str, OperatingPoint]:
    points = {name: OperatingPoint(name, **row) for name, row in table.items()}
    if points["sensitive"].threshold > points["specific"].threshold:
        raise ValueError("the sensitive threshold is above the specific one")
    return points


def _read_files(place: Path) -> dict[str, bytes]:
    """The files of a bundle that matter for detection, by name."""
    names = ("bundle.json", "model.onnx", "MODEL_CARD.md")
    if place.is_dir():
        return {name: place.joinpath(name).read_bytes() for name in names}
    with zipfile.ZipFile(place) as archive:
        members = {Path(info.filename).name: info for info in archive.infolist()}
        if sum(members[name].file_size for name in names) > LARGEST_BUNDLE_BYTES:
            raise ValueError(f"it is larger than {LARGEST_BUNDLE_BYTES // 1_000_000} MB")
        return {name: archive.read(members[name]) for name in names}


def installed_folders() -> list[Path]:
    """The folders of the bundles that came with the package."""
    return sorted(path.parent for path in INSTALLED.glob("*/bundle.json"))


def installed_bundles() -> list[Bundle]:
    """The bundles that came with the package, in order of name."""
    return [Bundle.load(folder) for folder in installed_folders()]
