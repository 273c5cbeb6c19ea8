"""Bundles whose networks are made by hand, so that every number they give is known."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hemoscope.detector.bundle import CARD, FACTS, SCAN, SLICES


def slice_network(weights: np.ndarray, scale: float = 1 / 255) -> bytes:
    """Features: the brightest pixel of each channel, 0 to 1; logits: weights [finding, channel] times these."""
    findings, channels = weights.shape
    nodes = [
        helper.make_node("Cast", ["grey"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["float"], ["brightest"], axes=[2, 3], keepdims=0),
        helper.make_node("Mul", ["brightest", "scale"], ["features"]),
        helper.make_node("MatMul", ["features", "weights"], ["logits"]),
    ]
    constants = {"weights": weights.T.astype(np.float32), "scale": np.float32(scale)}
    return _graph(nodes, constants, [("grey", TensorProto.UINT8, ["n", channels, None, None])],
                  [("logits", ["n", findings]), ("features", ["n", channels])])  # fmt: skip


def scan_network(outputs: Sequence[str]) -> bytes:
    """slices: logits less those of the first slice; scan: the mean of the logits over the scan."""
    nodes = [
        helper.make_node("Gather", ["logits", "first"], ["lowest"], axis=0),
        helper.make_node("Sub", ["logits", "lowest"], ["slices"]),
        helper.make_node("ReduceMean", ["logits"], ["scan"], axes=[0], keepdims=0),
    ]
    shapes = {"slices": ["s", "k"], "scan": ["k"]}
    needed = nodes[: 2 * ("slices" in outputs)] + nodes[2:] * ("scan" in outputs)
    return _graph(needed, {"first": np.array([0])}, [("logits", TensorProto.FLOAT, ["s", "k"])],
                  [(name, shapes[name]) for name in outputs])  # fmt: skip


def write_bundle(folder: Path, slices: bytes, findings: Sequence[str], scan: bytes | None = None, **facts: Any) -> Path:
    """A bundle that is not calibrated, unless `facts` say otherwise."""
    folder.mkdir()
    contents = {SLICES: slices, CARD: b"# Made by hand\n"} | ({SCAN: scan} if scan else {})
    described = {
        "format": 2, "name": "handmade", "version": "1", "licence": "none",
        "input": {"size": 32, "windows": ["40/80"], "neighbours": 0, "framing": "whole", "maximum_filter": [1, 1]},
        "networks": {"slices": {"findings": list(findings)}, "scan": {"findings": list(findings)} if scan else None},
        "calibration": None, "context": None, "operating_points": None, "scan_rule": "max",
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
    }  # fmt: skip
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / FACTS).write_text(json.dumps(described | facts))
    return folder


def _graph(nodes: list[Any], constants: dict[str, Any], inputs: list[Any], outputs: list[Any]) -> bytes:
    graph = helper.make_graph(
        nodes,
        "handmade",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
