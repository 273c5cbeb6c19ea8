"""Both stages of Burduja 2020: the CNN, then the feature selection and the LSTM on features that were stored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
import yaml
from lightning_fabric import Fabric
from training_examples import Data, run, weights

from hemoscope.datasets.manifest import Manifest
from hemoscope.findings import FINDING_NAMES
from hemoscope.training.answers import features_of
from hemoscope.training.examples import Examples
from hemoscope.training.run import Run
from hemoscope.training.train import trained_system


def test_the_feature_selection_is_fitted_on_the_training_slices(data: Data, tmp_path: Path) -> None:
    manifest = Manifest.read(data.manifest)
    bleeds = manifest.table["any"].to_pylist()
    manifest.with_columns(dict.fromkeys(FINDING_NAMES, bleeds)).write(tmp_path / "manifest.parquet")
    recipe = tmp_path / "lstm.yaml"
    learns = {"optimizer": {"learning_rate": 1e-3}, "loss": {"slices": 1}}
    cnn = {"name": "cnn", "trains": "slice_network", "steps": 1, "batch": 2} | learns
    lstm = {"name": "lstm", "trains": "scan_network", "features": "stored", "epochs": 1, "batch": 1} | learns
    network = {"name": "burduja2020", "cnn": "efficientnet_b4", "selection": "pca", "selected": 2, "lstm_layers": 1}
    windows = ["40/80", "80/200", "40/380"]
    recipe.write_text(
        yaml.safe_dump(
            {"name": "lstm", "source": "a test", "input": {"size": 64, "windows": windows}, "network": network,
             "initial_weights": "random", "stages": [cnn, lstm]}
        )
    )  # fmt: skip
    run("train", recipe, "--manifest", tmp_path / "manifest.parquet", "--store", data.store, "--out", tmp_path / "run")
    assert json.loads((tmp_path / "run/run.json").read_text())["state"] == "finished"
    selection = {
        name: weights(tmp_path / "run")[f"lstm.last.safetensors:scan_network.selection.{name}"]
        for name in ("components", "mean")
    }
    assert selection["components"].norm(dim=1).allclose(torch.ones(2)), "directions of PCA have length one"
    trained = Run.open(tmp_path / "run")
    learned, everything = (
        features_of(
            trained_system(trained), Examples.of(trained.manifest, trained.store, splits, FINDING_NAMES), trained.store,
            trained.recipe.input, Fabric(accelerator="cpu"), lambda done, total: None,
        ).features.mean(0)
        for splits in (["train"], None)
    )  # fmt: skip
    wrong = np.abs(everything - learned).max()
    assert np.abs(selection["mean"].numpy() - learned).max() < 0.1 * wrong, (
        "fitted on other slices than those trained on"
    )
