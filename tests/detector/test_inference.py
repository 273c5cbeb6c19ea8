"""The detector on real scans: maps, states, threads, and the same preparation as in training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest

import hemoscope
from hemoscope.ct.scan import Scan
from hemoscope.ct.windows import Window, from_grey
from hemoscope.detector.detection import OperatingPoint, State
from hemoscope.detector.inference import Detector, decide
from hemoscope.detector.scoring import HuSlice
from hemoscope.findings import ANY, FINDING_NAMES
from hemoscope.reasons import Check, Reason, UsageError

SENSITIVE, SPECIFIC = OperatingPoint("sensitive", 0.2), OperatingPoint("specific", 0.6)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.load("default")


@pytest.fixture(scope="module")
def ge_scan(examples: Path) -> Scan:
    return hemoscope.read_scan(examples / "ge_tilted_head_series")


def test_every_slice_and_the_scan_get_six_probabilities(detector: Detector, ge_scan: Scan) -> None:
    detection = detector(ge_scan)
    assert detection.slice_probabilities is not None and detection.scan_probabilities is not None
    assert detection.slice_probabilities.shape == (28, 6)
    assert ((detection.slice_probabilities >= 0) & (detection.slice_probabilities <= 1)).all()
    assert detection.scan_probabilities.shape == (6,)
    assert detection.suspicious_slice == int(detection.slice_probabilities[:, ANY].argmax())


def test_slices_scored_while_reading_give_the_same_answer(detector: Detector, ge_scan: Scan) -> None:
    scoring = detector.begin()
    for index in reversed(range(len(ge_scan.slices))):
        scoring.add(index, ge_scan.hu[index], ge_scan.pixel_spacing_mm)
    streamed, whole = detector.finish(ge_scan, scoring), detector(ge_scan)
    assert np.array_equal(streamed.slice_probabilities, whole.slice_probabilities)
    assert np.array_equal(streamed.maps, whole.maps)


def test_a_scan_that_failed_a_hard_check_gets_no_probabilities(detector: Detector, ge_scan: Scan) -> None:
    detection = detector(ge_scan.with_checks(Check(Reason.NOT_HEAD, "It is a chest.")))
    assert detection.state is State.NOT_ANALYSED
    assert detection.slice_probabilities is None and detection.scan_probabilities is None


def test_a_chest_gets_no_probabilities_from_python_either(detector: Detector, shared_data: Path) -> None:
    chest = hemoscope.read_scan(shared_data / "dicom_transfer_syntaxes" / "ct_chest_ge" / "explicit_le.dcm")
    detection = detector(chest)
    assert detection.state is State.NOT_ANALYSED
    assert Reason.NOT_HEAD in [check.reason for check in detection.checks]
    assert detection.scan_probabilities is None


@pytest.fixture(scope="module")
def lenient() -> Detector:
    """A detector that calls the GE scan negative, so that only what was not seen can forbid it."""
    return Detector.load("default", threshold=0.9999)


def without_slice_5(scan: Scan) -> Scan:
    return replace(scan, slices=tuple(replace(s, readable=i != 5) for i, s in enumerate(scan.slices)))


def test_an_unreadable_slice_has_no_probability_and_forbids_negative(lenient: Detector, ge_scan: Scan) -> None:
    assert lenient(ge_scan).state is State.NEGATIVE
    check = Check(Reason.SLICE_UNREADABLE, "Slice 5 is cut off.", (5,))
    detection = lenient(without_slice_5(ge_scan).with_checks(check))
    assert detection.slice_probabilities is not None
    assert np.isnan(detection.slice_probabilities[5]).all()
    assert detection.state is State.INDETERMINATE
    assert [c for c in detection.checks if c.reason is Reason.SLICE_UNREADABLE] == [check]


def test_an_unreadable_slice_that_no_check_names_forbids_negative(lenient: Detector, ge_scan: Scan) -> None:
    detection = lenient(without_slice_5(ge_scan))
    assert detection.state is State.INDETERMINATE
    assert [c.slices for c in detection.checks if c.reason is Reason.SLICE_UNREADABLE] == [(5,)]


def test_a_slice_that_was_never_scored_forbids_negative(lenient: Detector, ge_scan: Scan) -> None:
    scoring = lenient.begin()
    for index in range(27):
        scoring.add(index, ge_scan.hu[index], ge_scan.pixel_spacing_mm)
    detection = lenient.finish(ge_scan, scoring)
    assert detection.state is State.INDETERMINATE
    assert [c.slices for c in detection.checks if c.reason is Reason.SLICE_UNREADABLE] == [(27,)]


def test_a_network_that_gives_no_numbers_gets_no_answer(
    detector: Detector, ge_scan: Scan, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NotANumber:
        def run(self, outputs: list[str], feed: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
            return np.full((1, 6), np.nan, np.float32), np.zeros((1, 6, 14, 14), np.float32)

    monkeypatch.setattr(detector._networks, "_slices", NotANumber())
    detection = detector(ge_scan)
    assert detection.state is State.NOT_ANALYSED
    assert Reason.PIXELS_UNREADABLE in [check.reason for check in detection.checks]


@pytest.mark.parametrize(
    ("probability", "reasons", "state"),
    [
        (0.1, (), State.NEGATIVE),
        (0.2, (), State.INDETERMINATE),
        (0.59, (), State.INDETERMINATE),
        (0.6, (), State.POSITIVE),
        (0.1, (Reason.LOSSY,), State.NEGATIVE),
        (0.1, (Reason.GAP,), State.INDETERMINATE),
        (0.1, (Reason.SLICE_UNREADABLE,), State.INDETERMINATE),
        (0.9, (Reason.SLICE_UNREADABLE,), State.POSITIVE),
        (0.1, (Reason.CONTRAST_SUSPECTED,), State.INDETERMINATE),
        (0.9, (Reason.CONTRAST_SUSPECTED,), State.INDETERMINATE),
        (0.9, (Reason.CONTRAST_SUSPECTED, Reason.NOT_HEAD), State.NOT_ANALYSED),
    ],
)
def test_the_state_follows_from_probability_and_checks(
    probability: float, reasons: tuple[Reason, ...], state: State
) -> None:
    assert decide(probability, SENSITIVE, SPECIFIC, tuple(Check(reason, "") for reason in reasons)) is state


def test_maps_are_grad_cam(detector: Detector, ge_scan: Scan, tmp_path: Path) -> None:
    """The map equals Grad-CAM (Selvaraju 2017, equations 1 and 2, before the ReLU) up to the number of places.

    The gradient of each logit with respect to each feature map is taken by hand: the head of the graph is run on the
    feature maps with one of them raised by one everywhere. The head is linear, so the difference is the gradient.
    """
    graph = onnx.load_from_string(detector.bundle.slice_network)
    shapes = onnx.shape_inference.infer_shapes(graph)
    (node,) = [node for node in graph.graph.node if "maps" in node.output]
    features_name = node.input[0]
    value = next(info for info in shapes.graph.value_info if info.name == features_name)
    graph.graph.output.append(value)
    extractor = onnx.utils.Extractor(shapes)
    head = onnxruntime.InferenceSession(extractor.extract_model([features_name], ["logits"]).SerializeToString())
    whole = onnxruntime.InferenceSession(graph.SerializeToString())
    grey, _ = detector.bundle.input.frame(ge_scan.hu[12], ge_scan.pixel_spacing_mm)
    features, maps, logits = whole.run([features_name, "maps", "logits"], {"grey": grey[None]})
    places = features.shape[2] * features.shape[3]
    channels = np.random.default_rng(0).choice(features.shape[1], 40, replace=False)
    gradient = np.empty((40, len(FINDING_NAMES)), np.float32)
    for row, channel in enumerate(channels):
        raised = features.copy()
        raised[0, channel] += 1.0
        gradient[row] = head.run(None, {features_name: raised})[0][0] - logits[0]  # = mean gradient x places
    weights = _linear_weights(graph)
    assert gradient == pytest.approx(weights[:, channels].T, abs=2e-4)
    # Grad-CAM: alpha_k = mean gradient = weight / places; map = sum over k of alpha_k A_k.
    grad_cam = np.einsum("fk,khw->fhw", weights / places, features[0])
    assert maps[0] / places == pytest.approx(grad_cam, abs=1e-4)
    assert len({round(float(x), 3) for x in (logits[0] - maps[0].mean((1, 2)))}) > 1  # the bias of each finding


def _linear_weights(graph: onnx.ModelProto) -> np.ndarray:
    """The weights [finding, feature] of the layer that makes the maps."""
    (node,) = [node for node in graph.graph.node if "maps" in node.output]
    tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    return tensors[node.input[1]][:, :, 0, 0]


def test_the_network_gets_what_its_input_prepares(
    detector: Detector, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """test_same_picture.py compares that with what training gets."""
    seen: list[np.ndarray] = []

    class Recorder:
        def run(self, outputs: list[str], feed: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
            seen.append(feed["grey"])
            return np.zeros((1, 6), np.float32), np.zeros((1, 6, 14, 14), np.float32)

    monkeypatch.setattr(detector._networks, "_slices", Recorder())
    picture = shared_data / "physionet_ct_ich" / "images" / "049_15.jpg"
    scan = hemoscope.read_scan(picture, window=Window(40, 120))
    detector._networks.score([[HuSlice(0, scan.hu[0], scan.pixel_spacing_mm)]])
    prepared, _ = detector.bundle.input.frame(scan.hu[0], scan.pixel_spacing_mm)
    assert np.array_equal(seen[0][0], prepared) and prepared.std() > 20
    assert np.array_equal(scan.hu[0], from_grey(cv2.imread(str(picture), cv2.IMREAD_GRAYSCALE), Window(40, 120)))


def test_a_threshold_is_a_name_or_a_probability() -> None:
    for threshold, name in (("sensitive", "sensitive"), ("specific", "specific"), ("0.3", "custom"), (0.3, "custom")):
        points = Detector.load("default", threshold=threshold)._scan_points
        assert points[0] == points[1] and points[0].name == name
    for wrong in ("high", "1.5", "0", float("nan")):
        with pytest.raises(UsageError, match="threshold"):
            Detector.load("default", threshold=wrong)
