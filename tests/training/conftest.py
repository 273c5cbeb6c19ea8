"""A small Manifest of real slices, its store, and recipes that train on it in seconds."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import pytest
import yaml
from training_examples import Data

from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.slice_store.build import build_store

SIZE = 64


@pytest.fixture(scope="session")
def data(examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Data:
    """Three patients of CT-ICH with their labels: two train, one with an epidural hemorrhage is held out."""
    folder = tmp_path_factory.mktemp("data")
    columns: dict[str, list[object]] = defaultdict(list)
    with (examples / "physionet_ct_ich/labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        patient = row["file"].removeprefix("patient_").removesuffix(".nii.gz")
        in_patient = [one for one in rows if one["file"] == row["file"]]
        columns["path"].append(f"physionet_ct_ich/{row['file']}")
        columns["patient"].append(f"ct-ich:{patient}")
        columns["series"].append(patient)
        columns["split"].append("validation" if patient == "052" else "train")
        for name in ("slice", "frame"):
            columns[name].append(int(row["slice"]))
        for name in ("epidural", "any"):
            columns[name].append(int(row[name]))
            columns[f"scan_{name}"].append(max(int(one[name]) for one in in_patient))
    manifest = Manifest.from_columns("ct-ich", examples, columns)
    manifest.write(folder / "manifest.parquet")
    build_store(manifest, folder / "store", SIZE, 1, lambda done, total: None)
    return Data(folder / "manifest.parquet", folder / "store")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """Two stages of a small network: slices with dropout, augmentation and averaged weights, then the sequence."""
    path = tmp_path / "small.yaml"
    optimizer = {"name": "adamw", "learning_rate": 1e-3, "schedule": "one_cycle", "clip_gradient": 2.0}
    path.write_text(
        yaml.safe_dump(
            {
                "name": "small",
                "source": "a test",
                "input": {"size": SIZE, "windows": ["40/80"], "neighbours": 1},
                "network": {
                    "name": "current",
                    "channels": 3,
                    "findings": ["epidural", "any"],
                    "backbone": "mobilenetv2_050",
                    "width": 16,
                },
                "initial_weights": "random",
                "stages": [
                    {
                        "name": "slices",
                        "trains": "slice_network",
                        "steps": 8,
                        "batch": 4,
                        "optimizer": optimizer,
                        "loss": {"slices": 1},
                        "augmentation": {"set": "default"},
                        "sampling": {"kind": "weighted"},
                        "average": 0.9,
                    },
                    {
                        "name": "sequence",
                        "trains": "scan_network",
                        "features": "stored",
                        "epochs": 3,
                        "batch": 1,
                        "optimizer": {"learning_rate": 1e-3},
                        "loss": {"slices": 1, "scans": 1},
                    },
                ],
            }
        )
    )
    return path
