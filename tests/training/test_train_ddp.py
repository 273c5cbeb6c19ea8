"""Two processes that share each batch train as one does."""

from __future__ import annotations

from pathlib import Path

import yaml
from safetensors.torch import load_file
from training_examples import Data, run

from hemoscope.training.building import new_system
from hemoscope.training.recipe import Recipe

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
    begin = new_system(Recipe.read(recipe)).state_dict()
    for stage_name in ("cnn", "lstm"):
        one = load_file(tmp_path / "one" / f"{stage_name}.last.safetensors")
        two = load_file(tmp_path / "two" / f"{stage_name}.last.safetensors")
        moved = sum(float((one[name] - value).abs().sum()) for name, value in begin.items())
        apart = sum(float((one[name] - two[name]).abs().sum()) for name in begin)
        # Adam turns the rounding of a gradient near zero into a whole step, so the weights are not equal to the bit
        assert moved > 0
        assert apart < 0.02 * moved, stage_name
        begin = one
