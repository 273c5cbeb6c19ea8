"""A bundle: its networks, what they need to be used, and where they come from, in one checked folder or zip.

docs/bundles.md describes the format.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hemoscope.ct.prepare import NetworkInput
from hemoscope.ct.windows import Window
from hemoscope.detector.calibration import Calibration, Context
from hemoscope.detector.curves import UNCHANGED, Curves, Isotonic, Line
from hemoscope.detector.detection import OperatingPoint
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError

FORMAT_VERSION = 2
FACTS, CARD, SLICES, SCAN = "bundle.json", "MODEL_CARD.md", "slices.onnx", "scan.onnx"
INSTALLED = Path(__file__).parent / "bundles"
LARGEST_BUNDLE_BYTES = 500_000_000
UNCALIBRATED_THRESHOLD = 0.5


@dataclass(frozen=True)
class Bundle:
    """Everything that detection needs; a bundle that exists has been checked against its checksums.

    slice_network: the ONNX graph, "grey" uint8 [n, channels, side, side] to "logits" [n, k], and where it has them
    "features" [n, F] and class activation "maps" [n, k, h, w]. scan_network: "features" [S, F] and "logits" [S, k] of a
    scan to "slices" [S, K], "scan" [K] or both; None where the slices alone decide. slice_findings: the k, and
    scan_findings: the K (the k where there is no scan network), in the order of the logits.
    scan_points, slice_points: operating points by name ("sensitive", "specific") on the probability of `any`.
    """

    name: str
    version: str
    input: NetworkInput
    slice_network: bytes
    slice_findings: tuple[str, ...]
    scan_network: bytes | None
    scan_findings: tuple[str, ...]
    calibrated: bool
    calibration: Calibration
    scan_points: Mapping[str, OperatingPoint]
    slice_points: Mapping[str, OperatingPoint]
    facts: Mapping[str, Any]  # the whole of bundle.json: provenance, metrics, licence
    sha256: str  # of bundle.json, which holds the checksums of the other files
    place: Path

    @property
    def size_bytes(self) -> int:
        """Of its networks."""
        return len(self.slice_network) + len(self.scan_network or b"")

    @classmethod
    def load(cls, name_or_path: str | Path) -> Bundle:
        """Load an installed bundle by name, or any bundle by the path of its folder or zip.

        Raises UsageError where it is not there, is damaged, or needs a newer Hemoscope.
        """
        place = INSTALLED / str(name_or_path)
        if not place.joinpath(FACTS).is_file():
            place = Path(name_or_path)
        if not place.exists():
            names = ", ".join(sorted(path.name for path in installed_folders())) or "none"
            raise UsageError(f"There is no bundle '{name_or_path}': installed are {names}, or give a folder or zip.")
        try:
            return cls._from_files(_read_files(place), place)
        except (KeyError, ValueError, TypeError, AttributeError, OSError, zipfile.BadZipFile) as error:
            raise UsageError(f"The bundle '{place}' is damaged ({error}): get it again.") from error

    @classmethod
    def _from_files(cls, files: Mapping[str, bytes], place: Path) -> Bundle:
        facts = json.loads(files[FACTS])
        if facts["format"] != FORMAT_VERSION:
            raise UsageError(
                f"The bundle '{place}' has format {facts['format']}; this Hemoscope reads {FORMAT_VERSION}."
            )
        for name in files.keys() - {FACTS}:
            if hashlib.sha256(files[name]).hexdigest() != facts["files"][name]:
                raise ValueError(f"the checksum of {name} is wrong")
        networks = facts["networks"]
        slice_findings = _findings(networks["slices"]["findings"])
        scan_findings = _findings(networks["scan"]["findings"]) if networks["scan"] else slice_findings
        points = facts["operating_points"]
        return cls(
            name=facts["name"],
            version=facts["version"],
            input=read_input(facts["input"]),
            slice_network=files[SLICES],
            slice_findings=slice_findings,
            scan_network=files[SCAN] if networks["scan"] else None,
            scan_findings=scan_findings,
            calibrated=facts["calibration"] is not None,
            calibration=_calibration(facts, slice_findings, scan_findings),
            scan_points=_points(points and points["scan"]),
            slice_points=_points(points and points["slice"]),
            facts=facts,
            sha256=hashlib.sha256(files[FACTS]).hexdigest(),
            place=place,
        )


def describe_input(given: NetworkInput) -> dict[str, Any]:
    """The input of a network as bundle.json has it."""
    return {
        "size": given.size,
        "windows": [str(window) for window in given.windows],
        "neighbours": given.neighbours,
        "framing": given.framing,
        "maximum_filter": [given.maximum_slices, given.maximum_pixels],
    }


def read_input(facts: Mapping[str, Any]) -> NetworkInput:
    """The input of a network from bundle.json. Raises KeyError, TypeError, ValueError or UsageError."""
    slices, pixels = facts["maximum_filter"]
    return NetworkInput(
        size=int(facts["size"]),
        windows=tuple(Window.from_text(text) for text in facts["windows"]),
        neighbours=int(facts["neighbours"]),
        framing=facts["framing"],
        maximum_slices=int(slices),
        maximum_pixels=int(pixels),
    )


def _findings(names: Sequence[str]) -> tuple[str, ...]:
    """Findings in their one order, each once."""
    if not names or list(names) != [name for name in FINDING_NAMES if name in names]:
        raise ValueError(f"its findings are not some of {', '.join(FINDING_NAMES)}, in this order")
    return tuple(names)


def _calibration(facts: Mapping[str, Any], slice_findings: Sequence[str], scan_findings: Sequence[str]) -> Calibration:
    """What is null in bundle.json changes nothing."""
    context = None if facts["context"] is None else Context(**facts["context"])
    levels = facts["calibration"]
    if levels is None:
        return Calibration(context, Curves.identity(), Curves.identity(), facts["scan_rule"])
    return Calibration(
        context, _curves(levels["slice"], slice_findings), _curves(levels["scan"], scan_findings), facts["scan_rule"]
    )


def _curves(level: Mapping[str, Any], findings: Sequence[str]) -> Curves:
    """The curve of each finding; those of findings that are not scored are never used."""
    if missing := set(findings) - set(level):
        raise ValueError(f"it scores {sorted(missing)[0]}, but holds no calibration of it")
    return Curves(tuple(_curve(level[name]) if name in level else UNCHANGED for name in FINDING_NAMES))


def _curve(given: Any) -> Line | Isotonic:
    """`[slope, intercept]`, or `{"logits": [...], "probabilities": [...]}`."""
    if isinstance(given, Mapping) and given.keys() == {"logits", "probabilities"}:
        return Isotonic(tuple(map(float, given["logits"])), tuple(map(float, given["probabilities"])))
    if isinstance(given, Sequence) and len(given) == 2:
        return Line(float(given[0]), float(given[1]))
    raise ValueError("a calibration is [slope, intercept], or logits with their probabilities")


def _points(table: Mapping[str, Mapping[str, Any]] | None) -> dict[str, OperatingPoint]:
    """The operating points; where none were chosen, one threshold of which nothing is known."""
    if table is None:
        return {name: OperatingPoint(name, UNCALIBRATED_THRESHOLD) for name in ("sensitive", "specific")}
    points = {name: OperatingPoint(name, **row) for name, row in table.items()}
    if points["sensitive"].threshold > points["specific"].threshold:
        raise ValueError("the sensitive threshold is above the specific one")
    return points


def _read_files(place: Path) -> dict[str, bytes]:
    """bundle.json and the files that it names; no others of the folder or zip are read."""
    if place.is_dir():
        facts = place.joinpath(FACTS).read_bytes()
        return {FACTS: facts} | {name: place.joinpath(name).read_bytes() for name in _names(facts)}
    with zipfile.ZipFile(place) as archive:
        members = {Path(info.filename).name: info for info in archive.infolist()}
        if sum(info.file_size for info in members.values()) > LARGEST_BUNDLE_BYTES:
            raise ValueError(f"it is larger than {LARGEST_BUNDLE_BYTES // 1_000_000} MB")
        facts = archive.read(members[FACTS])
        return {FACTS: facts} | {name: archive.read(members[name]) for name in _names(facts)}


def _names(facts: bytes) -> list[str]:
    names = list(json.loads(facts)["files"])
    if unknown := set(names) - {CARD, SLICES, SCAN}:
        raise ValueError(f"it names {sorted(unknown)[0]}, which is no part of a bundle")
    return names


def installed_folders() -> list[Path]:
    """The folders of the bundles that came with the package."""
    return sorted(path.parent for path in INSTALLED.glob(f"*/{FACTS}"))


def installed_bundles() -> list[Bundle]:
    """The bundles that came with the package, in order of name."""
    return [Bundle.load(folder) for folder in installed_folders()]
