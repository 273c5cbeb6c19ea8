"""Two processes that share each batch train as one does."""

from __future__ import annotations

from pathlib import Path

import torch
import yaml
from training_examples import Data, run, weights

TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def test_two_processes_end_with_the_weights_of_one(data: Data, tmp_path: Path) -> None:
    # no dropout, augmentation or batch statistics: these differ between the processes by intention
    recipe = tmp_path / "ddp.yaml"
    stage = {"optimizer": {"learning_rate": 1e-3}, "batch": 5}
    recipe.write_text(
        yaml.safe_dump(
            {
                "name": "ddp",
                "source": "a test",
                "input": {"size": 64, "windows": ["40/80"]},
                "network": {"name": "patel2019", "size": 64, "dropout": 0.0, "features": 16, "hidden": 8},
                "initial_weights": "random",
                "stages": [
                    stage | {"name": "cnn", "trains": "slice_network", "epochs": 1, "loss": {"slices": 1}},
                    stage | {"name": "lstm", "trains": "system", "epochs": 2, "batch": 2, "loss": {"scans": 1}},
                ],
            }
        )
    )
    run("train", recipe, *data.options, "--out", tmp_path / "one")
    run("train", recipe, *data.options, "--out", tmp_path / "two", launcher=TWO)
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert one.keys() == two.keys()
    moved = 0.0
    for name, value in one.items():
        assert torch.allclose(value, two[name], atol=1e-5), name
        if name.startswith("cnn.last") and "weight" in name:
            moved += float((value - one[name.replace("cnn.last", "lstm.last")]).abs().sum())
    assert moved > 0, "the second stage trained nothing"
