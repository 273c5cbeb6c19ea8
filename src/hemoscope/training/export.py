"""A trained system to the networks of a bundle: ONNX graphs that are compared with PyTorch before they are kept."""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hemoscope.ct.prepare import NetworkInput
from hemoscope.detector.bundle import CARD, FACTS, FORMAT_VERSION, SCAN, SLICES, Bundle, describe_input
from hemoscope.networks.system import PooledNetwork, ScanNetwork, SliceNetwork, System
from hemoscope.reasons import UsageError

OPSET = 17  # ONNX Runtime reads it from 1.12 on
LARGEST_DIFFERENCE = 1e-4  # of ONNX Runtime and PyTorch
SCALED = ("features", "maps")  # which may be large: their difference counts by their largest number
TRACED_SLICES = 5  # of the scan that the graph of a scan network is traced with

Pictures = NDArray[np.uint8]
# Outputs by name.
Outputs = Mapping[str, NDArray[np.float32]]


class SliceGraph(nn.Module):
    """What slices.onnx holds: uint8 pictures (n, channels, side, side) to logits, features and maps if it has them."""

    def __init__(self, network: SliceNetwork) -> None:
        super().__init__()
        self.network = network
        self.names = ["logits", "features"] + (["maps"] if isinstance(network, PooledNetwork) else [])
        self.eval()  # torch.onnx.export puts every part back into the mode that it finds the whole in

    def forward(self, grey: Tensor) -> tuple[Tensor, ...]:
        """Outputs in the order of `names`."""
        pictures = grey.float() / 255
        if not isinstance(self.network, PooledNetwork):
            features = self.network.features(pictures)
            return self.network.classify(features), features
        feature_maps = self.network.feature_maps(pictures)
        features = feature_maps.mean((2, 3))
        return self.network.classify(features), features, self.network.class_activation_maps(feature_maps)


class ScanGraph(nn.Module):
    """What scan.onnx holds: features (S, F) and logits (S, k) of one scan to "slices" (S, K), "scan" (K) or both."""

    def __init__(self, network: ScanNetwork) -> None:
        super().__init__()
        self.network = network
        self.names = [name for name, unit in (("scan", "scans"), ("slices", "slices")) if unit in network.scores]
        self.eval()

    def forward(self, features: Tensor, logits: Tensor) -> tuple[Tensor, ...]:
        """Outputs in the order of `names`."""
        # Counted, and not read from the shape, so that the graph counts them too.
        lengths = torch.ones_like(features[:, :1], dtype=torch.int64).sum(0)
        answer = self.network(features, logits, lengths)
        outputs = {"scan": answer.scans[0] if answer.scans is not None else None, "slices": answer.slices}
        return tuple(outputs[name] for name in self.names)


def export_system(
    system: System,
    given: NetworkInput,
    folder: Path,
    facts: Mapping[str, Any],
    card: str,
    scans: Sequence[Pictures],
) -> Bundle:
    """Write a bundle into a folder that is not there yet, and load it.

    facts: of bundle.json, `name`, `version`, `licence`, `metrics`, `provenance`; `calibration`, `context`,
    `operating_points` and `scan_rule` where they are known. card: MODEL_CARD.md. scans: the pictures of real scans,
    uint8 [picture, channel, side, side], on which ONNX Runtime must agree with PyTorch, as on their first one alone.
    Raises UsageError, and writes nothing, where it does not agree or the input does not fit the network.
    """
    _check(system, given, folder, scans)
    system = deepcopy(system).cpu().float().eval()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as aside, torch.no_grad():
        written = Path(aside) / "bundle"
        written.mkdir()
        difference = _write_graphs(system, scans, written)
        (written / CARD).write_text(card)
        scan = system.scan_network
        defaults: dict[str, Any] = {
            "calibration": None,
            "context": None,
            "operating_points": None,
            "scan_rule": "max",
            "metrics": {},
        }
        description = {
            "format": FORMAT_VERSION,
            **defaults,
            **facts,
            "input": describe_input(given),
            "networks": {
                "slices": {"findings": list(system.slice_network.findings)},
                "scan": None if scan is None else {"findings": list(scan.findings)},
            },
            "largest_difference_from_pytorch": difference,
            "files": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(written.iterdir())},
        }
        (written / FACTS).write_text(json.dumps(description, indent=2) + "\n")
        Bundle.load(written)
        shutil.move(written, folder)
    return Bundle.load(folder)


def check_new(folder: Path) -> None:
    """Raise UsageError where a bundle cannot be written, as something is there already."""
    if folder.exists():
        raise UsageError(f"{folder} is there already; give --out a new folder.")


def _check(system: System, given: NetworkInput, folder: Path, scans: Sequence[Pictures]) -> None:
    network = system.slice_network
    check_new(folder)
    if given.channels != network.channels:
        raise UsageError(f"The input has {given.channels} channels, but the network sees {network.channels}.")
    if network.size not in (None, given.side):
        raise UsageError(f"The input has {given.side} rows and columns, but the network needs {network.size}.")
    if not scans:
        raise UsageError("An export needs pictures of at least one scan, on which it is compared with PyTorch.")


def _write_graphs(system: System, scans: Sequence[Pictures], folder: Path) -> float:
    """Write and compare the graphs; returns their largest difference from PyTorch."""
    slices = SliceGraph(system.slice_network)
    first = torch.from_numpy(np.ascontiguousarray(scans[0][:2]))
    _export(slices, {"grey": first}, folder / SLICES)
    graph, scan_graph = _session(folder / SLICES), None
    cases = [case for scan in scans for case in (scan, scan[:1])]
    scored = [_by_pytorch(slices, {"grey": case}) for case in cases]
    differences = [_difference(graph.run(slices.names, {"grey": case}), outputs, slices.names)
                   for case, outputs in zip(cases, scored, strict=True)]  # fmt: skip
    if system.scan_network is not None:
        of_scan = {name: torch.from_numpy(scored[0][name]) for name in ("features", "logits")}
        repeated = {name: value[torch.arange(TRACED_SLICES) % len(value)] for name, value in of_scan.items()}
        over_scan = ScanGraph(system.scan_network)
        _export(over_scan, repeated, folder / SCAN)
        scan_graph = _session(folder / SCAN)
        names = [wanted.name for wanted in scan_graph.get_inputs()]
        for outputs in scored:
            given = {name: outputs[name] for name in ("features", "logits")}
            expected = _by_pytorch(over_scan, given)
            found = scan_graph.run(over_scan.names, {name: given[name] for name in names})
            differences.append(_difference(found, expected, over_scan.names))
    return max(differences)


def _export(graph: SliceGraph | ScanGraph, inputs: Mapping[str, Tensor], path: Path) -> None:
    """Trace a graph that takes any number of pictures."""
    many = {name: {0: "pictures"} for name in (*inputs, *graph.names) if name != "scan"}
    with warnings.catch_warnings(), _attention_as_onnx_has_it(graph), _means_in_short_sums():
        warnings.simplefilter("ignore")  # of tracing: what they warn of is found by the comparison
        torch.onnx.export(
            graph,
            tuple(inputs.values()),
            str(path),
            input_names=list(inputs),
            output_names=graph.names,
            dynamic_axes=many,
            opset_version=OPSET,
            dynamo=False,
        )


@contextmanager
def _means_in_short_sums() -> Iterator[None]:
    """Let means over several axes, as in squeeze-and-excitation, and nn.GroupNorm be traced as means of means.

    ONNX Runtime adds the hundred thousand pixels of a plane up one after another in float32, and loses four digits.
    """
    whole_mean, whole_norm = Tensor.mean, nn.GroupNorm.forward

    def mean(tensor: Tensor, *given: Any, **named: Any) -> Tensor:
        axes = given[0] if given else named.get("dim")
        if not isinstance(axes, tuple | list):
            return whole_mean(tensor, *given, **named)
        keepdim = given[1] if len(given) > 1 else named.get("keepdim", False)
        for axis in sorted((axis % tensor.ndim for axis in axes), reverse=True):
            tensor = whole_mean(tensor, axis, keepdim)
        return tensor

    def normalised(layer: nn.GroupNorm, maps: Tensor) -> Tensor:
        groups: Tensor = maps.unflatten(1, (layer.num_groups, -1))  # type: ignore[no-untyped-call]
        centred = groups - groups.mean((2, 3, 4), keepdim=True)
        deviation = torch.sqrt((centred * centred).mean((2, 3, 4), keepdim=True) + layer.eps)
        normal = (centred / deviation).flatten(1, 2)
        scaled: Tensor = normal * layer.weight[:, None, None] + layer.bias[:, None, None]
        return scaled

    Tensor.mean = mean  # type: ignore[method-assign, assignment]
    nn.GroupNorm.forward = normalised  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Tensor.mean = whole_mean  # type: ignore[method-assign]
        nn.GroupNorm.forward = whole_norm  # type: ignore[method-assign]


@contextmanager
def _attention_as_onnx_has_it(graph: nn.Module) -> Iterator[None]:
    """Let transformer layers be traced for any number of slices.

    PyTorch would run a layer as one operation that ONNX does not have; and where query, key and value are one tensor it
    splits them by an operation whose export keeps the number of slices of the traced scan.
    """

    def apart(_: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(tensor.clone() for tensor in given)

    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    hooks = [
        part.register_forward_pre_hook(apart) for part in graph.modules() if isinstance(part, nn.MultiheadAttention)
    ]
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for hook in hooks:
            hook.remove()


def _by_pytorch(graph: SliceGraph | ScanGraph, inputs: Outputs | Mapping[str, Pictures]) -> dict[str, Any]:
    outputs = graph(*(torch.from_numpy(np.ascontiguousarray(value)) for value in inputs.values()))
    return {name: output.numpy() for name, output in zip(graph.names, outputs, strict=True)}


def _difference(found: Sequence[NDArray[np.float32]], expected: Outputs, names: Sequence[str]) -> float:
    """The largest difference from PyTorch; raises UsageError where it is too large."""
    largest = 0.0
    for name, output in zip(names, found, strict=True):
        if output.shape != expected[name].shape:
            raise UsageError(
                f"The exported network gives {name} of the shape {output.shape}, PyTorch of {expected[name].shape}: "
                "nothing was written."
            )
        difference = float(np.abs(output - expected[name]).max())
        if name in SCALED:
            difference /= max(1.0, float(np.abs(expected[name]).max()))
        if not difference <= LARGEST_DIFFERENCE:
            raise UsageError(
                f"The exported network differs from PyTorch by {difference:.2g} in its {name}: nothing was written."
            )
        largest = max(largest, difference)
    return largest


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
