"""Exported systems agree with PyTorch, and are not written where they do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs pip install hemoscope[train]")

from hemoscope import read_scan  # noqa: E402
from hemoscope.ct.prepare import NetworkInput  # noqa: E402
from hemoscope.ct.scan import Scan  # noqa: E402
from hemoscope.ct.windows import BRAIN, SOFT_TISSUE, SUBDURAL  # noqa: E402
from hemoscope.detector.inference import Detector  # noqa: E402
from hemoscope.findings import ANY, FINDING_NAMES  # noqa: E402
from hemoscope.networks.current import Current  # noqa: E402
from hemoscope.networks.current import build as build_current  # noqa: E402
from hemoscope.networks.patel2019 import Patel2019  # noqa: E402
from hemoscope.networks.patel2019 import build as build_patel2019  # noqa: E402
from hemoscope.networks.system import Answer, ScanNetwork, SliceNetwork, System  # noqa: E402
from hemoscope.networks.ye2019 import SUBTYPES, Cascade, Ye2019  # noqa: E402
from hemoscope.networks.ye2019 import build as build_ye2019  # noqa: E402
from hemoscope.reasons import UsageError  # noqa: E402
from hemoscope.training.export import export_system  # noqa: E402

FACTS = {"name": "small", "version": "0", "licence": "none"}
WINDOWS = (BRAIN, SUBDURAL, SOFT_TISSUE)


@pytest.fixture(scope="module")
def head(examples: Path) -> Scan:
    return read_scan(examples / "ge_tilted_head_series")


def pictures(given: NetworkInput, scan: Scan, slices: int) -> np.ndarray:
    framed = [given.frame(hu, scan.pixel_spacing_mm)[0] for hu in scan.hu[:slices]]
    numbers = range(given.pictures(slices))
    return np.stack([given.picture([[framed[p] for p in g] for g in given.shown(n, slices)]) for n in numbers])


def ye(findings: tuple[str, ...]) -> System:
    return build_ye2019(Ye2019(findings=findings, filters=(16, 16), hidden=8))


@dataclass(frozen=True)
class Case:
    build: Callable[[], System]
    given: NetworkInput
    maps: bool = True


ONE = NetworkInput(64, WINDOWS)
BESIDE = NetworkInput(64, WINDOWS, neighbours=1)
JOINED = NetworkInput(128, (BRAIN,), maximum_slices=2, maximum_pixels=2)
SMALL_PATEL = {"size": 64, "first_filters": 2, "features": 16, "hidden": 8}

CASES = {
    "ye2019": Case(lambda: ye(("any",)), ONE),
    "cascade": Case(lambda: Cascade(ye(("any",)), ye(SUBTYPES)), ONE),
    "patel2019": Case(lambda: build_patel2019(Patel2019(**SMALL_PATEL)), JOINED, maps=False),
    "patel2019, no LSTM": Case(lambda: build_patel2019(Patel2019(**SMALL_PATEL, lstm_layers=0)), JOINED, maps=False),
    "current, gru": Case(lambda: build_current(Current(channels=9, width=16, sequence="gru")), BESIDE),
    "current, mirrored": Case(lambda: build_current(Current(sequence="none", mirrored=True)), ONE),
    "current, coarse": Case(lambda: build_current(Current(sequence="none", coarse_training=True)), ONE),
    "current, transformer": Case(lambda: build_current(Current(channels=3, width=16, sequence="transformer")), ONE),
}


def shaken(system: System) -> System:
    """Weights that start as zero would hide what the export does with them."""
    torch.manual_seed(7)
    for part in system.modules():
        if isinstance(part, torch.nn.Linear):
            torch.nn.init.normal_(part.weight, std=0.2)
    return system


@pytest.mark.parametrize("name", CASES)
def test_a_bundle_gives_the_answers_of_the_system(name: str, head: Scan, tmp_path: Path) -> None:
    """Through `detect`, on more slices than were compared when it was written."""
    case = CASES[name]
    system = shaken(case.build()).eval()
    bundle = export_system(system, case.given, tmp_path / "b", FACTS, "", [pictures(case.given, head, 5)])
    assert bundle.facts["largest_difference_from_pytorch"] < 1e-4
    found = Detector(bundle)(head)
    grey = torch.from_numpy(pictures(case.given, head, len(head.hu))).float() / 255
    with torch.no_grad():
        answer = system(grey, torch.tensor([len(grey)]))
    slices = answer.slices.repeat_interleave(case.given.maximum_slices, 0)[: len(head.hu)].sigmoid().numpy()
    scored = [FINDING_NAMES.index(finding) for finding in system.findings]
    for column, finding in enumerate(scored):
        expected = slices.max(1) if finding == ANY else slices[:, column]
        assert found.slice_probabilities[:, finding] == pytest.approx(expected, abs=1e-4)
    scans = slices.max(0) if answer.scans is None else answer.scans[0].sigmoid().numpy()
    assert found.scan_probabilities[ANY] == pytest.approx(scans.max(), abs=1e-4)
    assert (found.maps is not None) is case.maps


def test_sums_over_large_pictures_stay_exact(head: Scan, tmp_path: Path) -> None:
    """ONNX Runtime's own normalisation of groups is wrong by 6e-5 here."""
    given = NetworkInput(256, WINDOWS)
    bundle = export_system(ye(("any",)), given, tmp_path / "b", FACTS, "", [pictures(given, head, 12)])
    assert bundle.facts["largest_difference_from_pytorch"] < 1e-5


def test_maps_and_their_average_make_the_logit(head: Scan, tmp_path: Path) -> None:
    system = shaken(ye(("any",))).eval()
    bundle = export_system(system, ONE, tmp_path / "b", FACTS, "", [pictures(ONE, head, 3)])
    found = Detector(bundle)(head)
    grey = torch.from_numpy(pictures(ONE, head, len(head.hu))).float() / 255
    with torch.no_grad():
        logits = system.slice_network(grey)[:, 0].numpy()
    bias = system.slice_network.linear.bias.item()
    assert found.maps[:, ANY].mean((1, 2)) + bias == pytest.approx(logits, abs=1e-4)
    assert np.isnan(found.maps[:, :ANY]).all()


class Brightness(SliceNetwork):
    """Nothing to learn: the average of each channel, and their sum."""

    findings = ("any",)
    channels = 3
    feature_count = 3

    def features(self, pictures: Any) -> Any:
        return pictures.mean((2, 3))

    def classify(self, features: Any) -> Any:
        return features.sum(1, keepdim=True)


def test_means_of_large_pictures_stay_exact(head: Scan, tmp_path: Path) -> None:
    """ONNX Runtime's own mean of a plane is wrong by more than 1e-6 here."""
    given = NetworkInput(512, WINDOWS)
    bundle = export_system(System(Brightness()), given, tmp_path / "b", FACTS, "", [pictures(given, head, 6)])
    assert bundle.facts["largest_difference_from_pytorch"] < 1e-6


class ForgetsLengths(ScanNetwork):
    """Keeps the number of slices that it was first called with, as a network that is traced carelessly does."""

    findings = ("any",)
    scores = frozenset({"scans"})

    def forward(self, features: Any, slice_logits: Any, lengths: Any) -> Answer:
        return Answer(None, features.sum(0, keepdim=True)[:, :1] / int(lengths.sum()))


def test_a_graph_that_differs_from_pytorch_is_not_written(head: Scan, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="differs from PyTorch"):
        export_system(System(Brightness(), ForgetsLengths()), ONE, tmp_path / "b", FACTS, "", [pictures(ONE, head, 3)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (NetworkInput(64, (BRAIN,)), "1 channels, but the network sees 3"),
        (NetworkInput(64, WINDOWS, neighbours=1), "9 channels, but the network sees 3"),
    ],
)
def test_an_input_that_does_not_fit_is_refused(given: NetworkInput, words: str, head: Scan, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        export_system(System(Brightness()), given, tmp_path / "b", FACTS, "", [pictures(given, head, 3)])


def test_a_folder_that_is_there_is_left_alone(head: Scan, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there already"):
        export_system(System(Brightness()), ONE, tmp_path, FACTS, "", [pictures(ONE, head, 3)])


def test_the_system_stays_as_it_is(head: Scan, tmp_path: Path) -> None:
    """Export during training changes neither mode nor precision of what is trained."""
    system = ye(("any",)).train()
    export_system(system, ONE, tmp_path / "b", FACTS, "", [pictures(ONE, head, 3)])
    assert all(part.training for part in system.modules())
