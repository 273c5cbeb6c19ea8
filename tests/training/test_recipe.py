"""Recipes: those that come with Hemoscope, changes, and what is wrong in one sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from hemoscope.reasons import UsageError
from hemoscope.training.building import new_system
from hemoscope.training.recipe import Recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))
SYSTEMS = (Path(__file__).parents[2] / "docs/systems.md").read_text()


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_builds_its_network(path: Path) -> None:
    recipe = Recipe.read(path)
    with torch.device("meta"):  # shapes alone: ResNeXt-101 takes seconds to fill
        system = new_system(recipe)
    assert recipe.name == path.stem
    assert re.search(rf"`(recipes/)?{path.stem}(\.yaml)?`", SYSTEMS), "docs/systems.md does not name it"
    for stage in recipe.stages:
        assert stage.trains == "slice_network" or system.scan_network is not None


def test_a_resolved_recipe_reads_back_the_same(recipe: Path, tmp_path: Path) -> None:
    read = Recipe.read(recipe, ["stages.slices.batch=9", "input.windows=[80/200]"])
    (tmp_path / "resolved.yaml").write_text(read.to_yaml())
    again = Recipe.read(tmp_path / "resolved.yaml")
    assert again == read
    assert again.stages[0].batch == 9
    assert [str(window) for window in again.input.display_windows] == ["80/200"]


def test_a_recipe_extends_another(recipe: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(f"extends: {recipe.name}\nname: other\nstages: {{sequence: {{batch: 3}}}}\n")
    other = Recipe.read(path)
    assert (other.name, other.stages[0].batch, other.stages[1].batch) == ("other", 4, 3)
    assert other.input == Recipe.read(recipe).input


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("stages.slices.bach=8", "there is no key 'stages.0.bach'"),
        ("stages.slices.batch=many", "stages.0.batch = 'many'"),
        ("input.windows=[40]", "input.windows.0 = 40"),
        ("input.windows=[wide]", "level/width"),
        ("stages.slices.loss={slices: 0}", "A loss needs labels"),
        ("stages.slices.loss={scans: 1}", "scores no scans"),
        ("stages.slices.epochs=3", "either `epochs` or `steps`"),
        ("stages.sequence.optimizer.learning_rate=[1e-3, 1e-4]", "2 learning rates"),
        ("stages.slices.augmentation={set: mine}", "augmentation"),
        ("input={size: 64, windows: [40/80], maximum_filter: [2, 1]}", "cannot be stored"),
        ("split={train: [a], validation: [a]}", "cannot both train and be held out"),
        ("seed=-1", "seed = -1"),
        ("stages.9.batch=1", "has no place 'stages.9.batch'"),
        ("batch", "written key=value"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(recipe: Path, change: str, sentence: str) -> None:
    with pytest.raises(UsageError) as error:
        Recipe.read(recipe, [change])
    assert sentence in error.value.sentence


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("network={name: none}", "There is no network 'none'"),
        ("network.colour=red", "has no setting colour"),
        ("network.layers=thick", "setting layers"),
        ("input.windows=[40/80, 80/200]", "pictures of 3 channels; 2 windows and 1 neighbours make 6"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(recipe: Path, change: str, sentence: str) -> None:
    with pytest.raises(UsageError) as error:
        new_system(Recipe.read(recipe, [change]))
    assert sentence in error.value.sentence
