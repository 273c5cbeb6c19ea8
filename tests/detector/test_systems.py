"""Bundles of every kind of system, with networks made by hand, on a scan whose grey levels are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from handmade import scan_network, slice_network, write_bundle

from hemoscope import read_scan
from hemoscope.ct.prepare import NetworkInput
from hemoscope.ct.scan import Scan
from hemoscope.ct.windows import BRAIN, SUBDURAL
from hemoscope.detector.bundle import Bundle
from hemoscope.detector.detection import Detection, State
from hemoscope.detector.inference import Detector
from hemoscope.findings import ANY, FINDING_NAMES
from hemoscope.reasons import Check, Reason, UsageError

ONE_CHANNEL = np.ones((1, 1))
THREE = ("epidural", "intraparenchymal", "any")  # the channels of one neighbour either side; `any` is the slice above


@pytest.fixture(scope="module")
def head(examples: Path) -> Scan:
    """The first nine slices of a real head, with one voxel each by which they are told apart; checks are not made."""
    scan = read_scan(examples / "ge_tilted_head_series")
    hu = np.minimum(scan.hu[8:17], 8)
    for index in range(9):
        hu[index, 200:232, 200:232] = brightest(index)
    return replace(scan, hu=hu, slices=scan.slices[8:17])


def brightest(index: int) -> int:
    """HU of the brightest part of a slice, in the window 40/80; not rising, so that order is seen."""
    return 16 + (index * 5 % 9) * 6


LEVELS = np.array([brightest(index) / 80 for index in range(9)])  # as the networks made by hand see them


@pytest.fixture(autouse=True)
def _no_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hemoscope.detector.inference.check_scan", lambda scan: ())


@pytest.fixture
def detect(tmp_path: Path, head: Scan) -> Callable[..., Detection]:
    def run(slices: bytes, findings: tuple[str, ...], scan: bytes | None = None, head: Scan = head, **facts):
        return Detector(Bundle.load(write_bundle(tmp_path / "bundle", slices, findings, scan, **facts)))(head)

    return run


def logit(probabilities: np.ndarray) -> np.ndarray:
    return np.log(probabilities / (1 - probabilities))


def given(**changes: object) -> dict[str, object]:
    return {"size": 32, "windows": ["40/80"], "neighbours": 0, "framing": "whole", "maximum_filter": [1, 1]} | changes


def without(scan: Scan, *unreadable: int) -> Scan:
    slices = tuple(replace(one, readable=index not in unreadable) for index, one in enumerate(scan.slices))
    hu = scan.hu.copy()
    hu[list(unreadable)] = 3000  # must never be looked at
    return replace(scan, slices=slices, hu=hu)


def test_a_network_that_is_not_calibrated_gives_its_own_scores(detect: Callable[..., Detection]) -> None:
    found = detect(slice_network(ONE_CHANNEL), ("any",))
    assert logit(found.slice_probabilities[:, ANY]) == pytest.approx(LEVELS, abs=0.01)
    assert logit(found.scan_probabilities[ANY]) == pytest.approx(LEVELS.max(), abs=0.01)
    assert found.state is State.POSITIVE  # above 0.5
    assert (found.sensitive.threshold, found.specific.threshold, found.sensitive.sensitivity) == (0.5, 0.5, None)
    (remark,) = found.remarks
    assert remark.startswith("Not calibrated")
    assert found.maps is None


def test_findings_that_are_not_scored_have_no_probability(detect: Callable[..., Detection]) -> None:
    found = detect(slice_network(np.array([[2.0], [1.0]])), ("subdural", "any"))
    scored = np.isin(FINDING_NAMES, ("subdural", "any"))
    for probabilities in (*found.slice_probabilities, found.scan_probabilities):
        assert (np.isfinite(probabilities) == scored).all()
        assert probabilities[ANY] == probabilities[4]  # `any` is never below a subtype


def test_a_bundle_that_does_not_score_any_is_refused(tmp_path: Path) -> None:
    bundle = Bundle.load(write_bundle(tmp_path / "bundle", slice_network(ONE_CHANNEL), ("subdural",)))
    with pytest.raises(UsageError, match="scores only subdural"):
        Detector(bundle)


def test_neighbours_are_further_channels_and_ends_repeat(detect: Callable[..., Detection]) -> None:
    found = detect(slice_network(np.eye(3)), THREE, input=given(neighbours=1))
    below, own, above = LEVELS[[0, *range(8)]], LEVELS, LEVELS[[*range(1, 9), 8]]
    assert logit(found.slice_probabilities[:, 0]) == pytest.approx(below, abs=0.01)
    assert logit(found.slice_probabilities[:, 1]) == pytest.approx(own, abs=0.01)
    assert logit(found.slice_probabilities[:, ANY]) == pytest.approx(np.max([below, own, above], axis=0), abs=0.01)


def test_a_slice_that_cannot_be_read_is_no_neighbour(detect: Callable[..., Detection], head: Scan) -> None:
    found = detect(slice_network(np.eye(3)), THREE, input=given(neighbours=1), head=without(head, 4, 5))
    assert np.isnan(found.slice_probabilities[4:6]).all()
    assert logit(found.slice_probabilities[6, 0]) == pytest.approx(LEVELS[3], abs=0.01)
    assert logit(found.slice_probabilities[3, ANY]) == pytest.approx(LEVELS[[2, 3, 6]].max(), abs=0.01)
    assert [check.slices for check in found.checks if check.reason is Reason.SLICE_UNREADABLE] == [(4, 5)]


@pytest.mark.parametrize("settings", [{"neighbours": 1}, {"neighbours": 2}, {"maximum_filter": [2, 2]}])
@pytest.mark.parametrize("unreadable", [(), (0,), (3, 4), (8,)])
def test_slices_scored_while_they_are_read_give_the_same_answer(
    tmp_path: Path, head: Scan, settings: dict[str, object], unreadable: tuple[int, ...]
) -> None:
    channels = 2 * int(settings.get("neighbours", 0)) + 1
    weights = np.random.default_rng(1).normal(size=(1, channels))
    path = write_bundle(tmp_path / "bundle", slice_network(weights), ("any",), input=given(**settings))
    detector, scan = Detector.load(path), without(head, *unreadable)
    order = [index for index in range(9) if index not in unreadable]
    answers = []
    for added in (order, order[::-1], order[4:] + order[:4]):
        scoring = detector.begin()
        for index in added:
            scoring.add(index, scan.hu[index], scan.pixel_spacing_mm)
        if added is order and not unreadable:
            assert len(scoring._futures) >= 9 // 2 - 1  # before the scan was finished
        answers.append(detector.finish(scan, scoring).slice_probabilities)
    assert np.isfinite(answers[0][order, ANY]).all()
    assert np.array_equal(answers[0], answers[1], equal_nan=True)
    assert np.array_equal(answers[0], answers[2], equal_nan=True)


def test_a_maximum_filter_joins_slices_and_the_last_stays_alone(detect: Callable[..., Detection]) -> None:
    found = detect(slice_network(ONE_CHANNEL), ("any",), input=given(maximum_filter=[2, 2]))
    joined = [max(LEVELS[first : first + 2]) for first in range(0, 9, 2)]
    assert logit(found.slice_probabilities[:, ANY]) == pytest.approx(np.repeat(joined, 2)[:9], abs=0.01)


def test_the_filter_commutes_with_windows(head: Scan) -> None:
    wanted = NetworkInput(64, (BRAIN, SUBDURAL), maximum_slices=2, maximum_pixels=2)
    framed = [wanted.frame(hu, head.pixel_spacing_mm)[0] for hu in head.hu]
    shown = [wanted.picture([[framed[place] for place in group] for group in wanted.shown(p, 9)]) for p in range(5)]
    squares = np.stack([cv2.resize(hu, (64, 64), interpolation=cv2.INTER_AREA) for hu in head.hu])
    pooled = squares.reshape(9, 32, 2, 32, 2).max(axis=(2, 4))
    pooled = np.stack([pooled[first : first + 2].max(axis=0) for first in range(0, 9, 2)])
    again = NetworkInput(32, (BRAIN, SUBDURAL))
    assert all((picture == again.frame(hu, None)[0]).all() for picture, hu in zip(shown, pooled, strict=True))


def test_a_network_over_the_scan_answers_for_slices_and_scan(detect: Callable[..., Detection], head: Scan) -> None:
    found = detect(slice_network(ONE_CHANNEL), ("any",), scan_network(["slices", "scan"]), without(head, 0, 4))
    read = [1, 2, 3, 5, 6, 7, 8]
    assert logit(found.slice_probabilities[read, ANY]) == pytest.approx(LEVELS[read] - LEVELS[1], abs=0.01)
    assert np.isnan(found.slice_probabilities[[0, 4]]).all()
    assert logit(found.scan_probabilities[ANY]) == pytest.approx(LEVELS[read].mean(), abs=0.01)
    assert len(found.remarks) == 1


def test_a_network_over_the_scan_that_scores_no_slices_says_so(detect: Callable[..., Detection]) -> None:
    found = detect(slice_network(ONE_CHANNEL), ("any",), scan_network(["scan"]))
    assert logit(found.slice_probabilities[:, ANY]) == pytest.approx(LEVELS, abs=0.01)
    assert logit(found.scan_probabilities[ANY]) == pytest.approx(LEVELS.mean(), abs=0.01)
    assert "scores no slices" in found.remarks[1]


def test_where_no_network_scores_the_scan_its_rule_does(detect: Callable[..., Detection]) -> None:
    found = detect(slice_network(ONE_CHANNEL), ("any",), scan_network(["slices"]), scan_rule="percentile_95")
    expected = np.percentile(LEVELS - LEVELS[0], 95)
    assert logit(found.scan_probabilities[ANY]) == pytest.approx(expected, abs=0.01)


def test_a_network_over_the_scan_that_gives_no_numbers_gets_no_answer(detect: Callable[..., Detection]) -> None:
    found = detect(slice_network(ONE_CHANNEL * np.finfo(np.float32).max), ("any",), scan_network(["scan"]))
    assert found.state is State.NOT_ANALYSED
    assert Reason.PIXELS_UNREADABLE in [check.reason for check in found.checks]


def test_a_slice_by_itself_is_scored_by_any_system(detect: Callable[..., Detection], head: Scan) -> None:
    alone = replace(head, hu=head.hu[3:4], slices=head.slices[3:4], independent=True)
    settings = given(neighbours=1)
    found = detect(slice_network(np.eye(3)), THREE, scan_network(["scan"]), alone, input=settings)
    assert logit(found.scan_probabilities[[0, 1, ANY]]) == pytest.approx(LEVELS[[3, 3, 3]], abs=0.01)


def test_calibration_is_by_finding(detect: Callable[..., Detection], head: Scan) -> None:
    lines = {"slice": {"any": [2.0, -1.0]}, "scan": {"any": [3.0, 0.5]}}
    points = {"sensitive": {"threshold": 0.2, "sensitivity": 0.9, "specificity": 0.5, "positives": 9, "negatives": 8},
              "specific": {"threshold": 0.99}}  # fmt: skip
    found = detect(slice_network(ONE_CHANNEL), ("any",), head=head.with_checks(Check(Reason.LOSSY, "")),
                   calibration=lines, operating_points={"scan": points, "slice": points})  # fmt: skip
    assert logit(found.slice_probabilities[:, ANY]) == pytest.approx(2 * LEVELS - 1, abs=0.02)
    assert logit(found.scan_probabilities[ANY]) == pytest.approx(3 * LEVELS.max() + 0.5, abs=0.03)
    assert found.remarks == () and found.state is State.INDETERMINATE


def test_an_isotonic_curve_is_straight_between_its_points(detect: Callable[..., Detection], head: Scan) -> None:
    """LEVELS are from 0 to 1: the curve rises from 0.2 to 0.6 between logits of 0.25 and 0.5, and is flat outside."""
    steps = {"logits": [0.25, 0.5], "probabilities": [0.2, 0.6]}
    levels = {"method": "isotonic", "slice": {"any": steps}, "scan": {"any": steps}}
    found = detect(slice_network(ONE_CHANNEL), ("any",), head=head, calibration=levels)
    expected = np.clip(0.2 + 0.4 * (LEVELS - 0.25) / 0.25, 0.2, 0.6)
    assert found.slice_probabilities[:, ANY] == pytest.approx(expected, abs=0.02)
    assert found.scan_probabilities[ANY] == pytest.approx(expected.max(), abs=0.02)
