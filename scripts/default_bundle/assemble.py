"""Make the `default` bundle from the trained runs: ONNX graph, calibration, operating points, model card.

    python scripts/default_bundle/assemble.py ../shared/data runs/default src/hemoscope/detector/bundles/default

The logits of all held-out slices are kept beside this script (crossvalidation.csv), so that the model card and later
evaluations can be made again without training.
"""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import torch
from calibrate import SETTINGS, WHOLE_SCANS
from collections_table import FOLDS, SIZE, read_collections
from dicom_series import dicom_logits
from model_card import model_card
from network import SliceNetwork

from hemoscope.ct.prepare import NETWORK_WINDOW
from hemoscope.findings import FINDING_NAMES
from hemoscope.training.calibrate import (
    LABELS,
    NAMES,
    SCAN_TARGETS,
    SLICE_TARGETS,
    cross_fitted,
    fit,
    operating_points,
)

VERSION = "0.1.0"
CROSSVALIDATION = Path(__file__).parent / "crossvalidation.csv"
LARGEST_DIFFERENCE = 1e-4  # of logits between ONNX Runtime and PyTorch


def held_out_logits(root: Path, runs: Path) -> pd.DataFrame:
    """Logits and labels of every slice from each run that had not trained on its patient."""
    slices = read_collections(root).set_index(["scan", "slice"])
    labels = slices[[*NAMES, "position_mm", "age_years"]].set_axis([*LABELS, "position_mm", "age_years"], axis=1)
    parts = [pd.read_csv(file, dtype={"patient": str}).assign(run=file.stem) for file in sorted(runs.glob("*.csv"))
             if file.stem.startswith(("fold", "without"))]  # fmt: skip
    table = pd.concat(parts).join(labels, on=["scan", "slice"])
    table = pd.concat([table, dicom_logits(root, runs)])
    for column in ("patient", "scan"):
        table[column] = table[column].map(pseudonym)
    columns = ["run", "source", "patient", "scan", "slice", "position_mm", "age_years", *NAMES, *LABELS]
    return table[columns].round(3)


def pseudonym(name: str) -> str:
    """A name in crossvalidation.csv: as it is where the licence lets it be shared, else a hash after the collection."""
    collection, _, number = name.partition(":")
    if collection == "physionet":
        return name
    return f"{collection}:{hashlib.sha256(number.encode()).hexdigest()[:10]}"


def export(weights: Path, out: Path, prepared: np.ndarray) -> None:
    """Write the network as ONNX and compare it with PyTorch on real slices."""
    network = SliceNetwork()
    network.load_state_dict(torch.load(weights, weights_only=True))
    network.eval()
    torch.onnx.export(
        network,
        (torch.zeros(1, 1, SIZE, SIZE, dtype=torch.uint8),),
        str(out),
        input_names=["grey"],
        output_names=["logits", "maps"],
        opset_version=17,
        dynamo=False,
    )
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    for grey in prepared[:: max(1, len(prepared) // 20)]:
        logits, maps = session.run(None, {"grey": grey[None, None]})
        with torch.inference_mode():
            expected = [part.numpy() for part in network(torch.from_numpy(grey[None, None]))]
        difference = max(np.abs(logits - expected[0]).max(), np.abs(maps - expected[1]).max())
        assert difference < LARGEST_DIFFERENCE * max(1, np.abs(expected[1]).max()), difference


def main(root: Path, runs: Path, out: Path) -> None:
    """Write bundle.json, model.onnx and MODEL_CARD.md into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    table = held_out_logits(root, runs)
    table.to_csv(CROSSVALIDATION, index=False)
    export(runs / "all.pt", out / "model.onnx", np.load(runs / "prepared.npy", mmap_mode="r"))
    folds = table[table["run"].str.startswith("fold")]
    fitted = fit(folds, SETTINGS)
    measured = (part[part["source"].isin(WHOLE_SCANS)] for part in cross_fitted(folds, SETTINGS))
    points = operating_points(fitted, *measured)
    card, metrics = model_card(table)
    (out / "MODEL_CARD.md").write_text(card)
    facts = {
        "format": 1,
        "name": "default",
        "version": VERSION,
        "findings": list(FINDING_NAMES),
        "input": {"size": SIZE, "window": {"level": NETWORK_WINDOW.level, "width": NETWORK_WINDOW.width}},
        "context": vars(fitted.calibration.context),
        "calibration": {
            level: {"slope": [line.slope for line in curves.of], "intercept": [line.intercept for line in curves.of]}
            for level, curves in (("slice", fitted.calibration.slice), ("scan", fitted.calibration.scan))
        },
        "operating_points": points,
        "operating_point_targets": {"scan": SCAN_TARGETS, "slice": SLICE_TARGETS},
        "metrics": metrics,
        "provenance": {
            "date": date.today().isoformat(),
            "trained_by": "scripts/default_bundle/train.py, then scripts/default_bundle/assemble.py",
            "folds": FOLDS,
            "versions": {name: version(name) for name in ("torch", "timm", "onnxruntime", "numpy")},
            "initial_weights": "mobilenetv2_100, ImageNet-1k (torchvision 8-bit weights, BSD-3-Clause)",
        },
        "licence": "Weights: research use, non-commercial, as the training data demand. Code: Apache-2.0.",
        "files": {
            name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in ("model.onnx", "MODEL_CARD.md")
        },
    }
    (out / "bundle.json").write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
