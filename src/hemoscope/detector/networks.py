"""The networks of a bundle in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hemoscope.detector.bundle import Bundle
from hemoscope.detector.scoring import HuSlice, Score
from hemoscope.findings import FINDING_NAMES

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


@dataclass(frozen=True, eq=False)
class Logits:
    """Logits of one scan, NaN for findings that are not scored and slices that have no score.

    slices: [slice, finding]; scan: [finding] of the network over the scan, None where its slices decide.
    """

    slices: NDArray[np.float32]
    scan: NDArray[np.float32] | None


class Networks:
    """The network that sees slices, and the one over the scan where the bundle has one."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._slices = _session(bundle.slice_network)
        self._scan = None if bundle.scan_network is None else _session(bundle.scan_network)
        wanted = ("logits", "maps") if self._scan is None else ("logits", "maps", "features")
        self._outputs = [name for name in _outputs(self._slices) if name in wanted]

    @property
    def slices_speak_for_themselves(self) -> bool:
        """Whether there is a network over the scan that scores no slices, only the scan."""
        return self._scan is not None and "slices" not in _outputs(self._scan)

    def score(self, shown: Sequence[Sequence[HuSlice]]) -> Score:
        """Prepare a picture and run the slice network on it. shown: its slices as `NetworkInput.shown` orders them."""
        wanted = self._bundle.input
        framed = [[wanted.frame(one.hu, one.spacing_mm) for one in group] for group in shown]
        grey = wanted.picture([[pixels for pixels, _ in group] for group in framed])
        given = self._slices.run(self._outputs, {"grey": grey[None]})
        outputs = {name: output[0] for name, output in zip(self._outputs, given, strict=True)}
        own = zip(shown[wanted.neighbours], framed[wanted.neighbours], strict=True)
        slices = {one.index: crop for one, (_, crop) in own}
        return Score(slices, outputs["logits"], outputs.get("features"), outputs.get("maps"))

    def logits(self, scores: Sequence[Score], slices: int) -> Logits | None:
        """Run the network over the scan on the scores of a scan of so many slices, foot to head.

        None where there is no score, or where that network gives no numbers.
        """
        if not scores:
            return None
        of_pictures, of_scan = np.stack([score.logits for score in scores]), None
        findings = self._bundle.slice_findings
        if self._scan is not None:
            there = {"logits": of_pictures, "features": np.stack([np.asarray(score.features) for score in scores])}
            feed = {wanted.name: there[wanted.name] for wanted in self._scan.get_inputs()}  # it may not need both
            given = dict(zip(_outputs(self._scan), self._scan.run(None, feed), strict=True))
            if not all(np.isfinite(output).all() for output in given.values()):
                return None
            if "scan" in given:
                of_scan = _all_findings(given["scan"], self._bundle.scan_findings)
            if "slices" in given:
                of_pictures, findings = given["slices"], self._bundle.scan_findings
        of_slices = np.full((slices, len(FINDING_NAMES)), np.nan, np.float32)
        for score, row in zip(scores, _all_findings(of_pictures, findings), strict=True):
            of_slices[list(score.slices)] = row
        return Logits(of_slices, of_scan)

    def maps(self, scores: Sequence[Score], slices: int) -> NDArray[np.float32] | None:
        """Class activation maps [slice, finding, h, w]; 0 in slices without a score, None where there are none."""
        first = scores[0].maps
        if first is None:
            return None
        maps = np.zeros((slices, len(FINDING_NAMES), *first.shape[1:]), np.float32)
        columns = [FINDING_NAMES.index(name) for name in self._bundle.slice_findings]
        maps[:, [column for column in range(len(FINDING_NAMES)) if column not in columns]] = np.nan
        for score in scores:
            for index in score.slices:
                maps[index, columns] = score.maps
        return maps


def _all_findings(logits: NDArray[np.float32], findings: Sequence[str]) -> NDArray[np.float32]:
    """[..., k] of `findings` as [..., finding], NaN for the others."""
    spread = np.full((*logits.shape[:-1], len(FINDING_NAMES)), np.nan, np.float32)
    spread[..., [FINDING_NAMES.index(name) for name in findings]] = logits
    return spread


def _outputs(session: InferenceSession) -> list[str]:
    return [output.name for output in session.get_outputs()]


def _session(model: bytes) -> InferenceSession:
    """One ONNX Runtime session with one thread a call: slices run side by side, which is faster for small networks."""
    import onnxruntime  # heavy: loaded only when a network is

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # the arena never shrinks again
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
