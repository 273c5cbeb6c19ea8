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


TRIALS = sorted((Path(__file__).parents[2] / "recipes/trials").glob("*.yaml"))


@pytest.mark.parametrize("path", TRIALS, ids=lambda path: path.stem)
def test_every_trial_builds_its_network(path: Path) -> None:
    recipe = Recipe.read(path)
    with torch.device("meta"):
        new_system(recipe)
    assert recipe.name == f"trial_{path.stem}"


# Rows of Burduja 2020, Table 2: what the LSTM gets, how many features, layers, cells, and whether predictions join.
TABLE_2 = {
    "burduja2020_predictions": ("predictions", None, 3, 256, False),
    "burduja2020_largest_deviation_192": ("largest_deviation", 192, 3, 256, False),
    "burduja2020_largest_weights_192": ("largest_weights", 192, 3, 256, False),
    "burduja2020_smallest_weights_192": ("smallest_weights", 192, 3, 256, False),
    "burduja2020_smallest_weights_120": ("smallest_weights", 120, 3, 256, False),
    "burduja2020_pca_192_2x128": ("pca", 192, 2, 128, False),
    "burduja2020_pca_192_3x128": ("pca", 192, 3, 128, False),
    "burduja2020_pca_192": ("pca", 192, 3, 256, False),
    "burduja2020_pca_120": ("pca", 120, 3, 256, False),
    "burduja2020": ("pca", 120, 3, 256, True),
}


@pytest.mark.parametrize("name", TABLE_2)
def test_the_lstm_is_that_of_its_row_of_the_table(name: str) -> None:
    network = Recipe.read(RECIPES[0].parent / f"{name}.yaml").network
    selected = None if network["selection"] == "predictions" else network["selected"]
    found = (network["selection"], selected, network["lstm_layers"], network["lstm_cells"], network["join_predictions"])
    assert found == TABLE_2[name]


@pytest.mark.parametrize("cnn", ["efficientnet_b4", "resnext101"])
def test_the_first_rows_of_the_table_have_no_lstm(cnn: str) -> None:
    recipe = Recipe.read(RECIPES[0].parent / f"burduja2020_{cnn}.yaml")
    assert recipe.network["cnn"].startswith(cnn)
    assert recipe.network["lstm_layers"] == 0
    assert [stage.trains for stage in recipe.stages] == ["slice_network"]


# Of each stage what learns, epochs, batch, optimizer and learning rate, as the papers print them or as is chosen.
STAGES = {
    "burduja2020": [("slice_network", 3, 32, "adam", (1e-4, 1e-4, 2e-5)), ("scan_network", 4, 1, "adam", 1e-4)],
    "wong2019_resnet34": [("slice_network", 5, 32, "adam", 2e-5), ("slice_network", 1, 32, "adam", 1e-5)],
    "patel2019": [("slice_network", 20, 25, "adam", 1e-4), ("scan_network", 10, 1, "rmsprop", 1e-3),
                  ("system", 11, 1, "rmsprop", 1e-4)],
}  # fmt: skip


@pytest.mark.parametrize("name", STAGES)
def test_stages_have_the_rates_of_the_paper(name: str) -> None:
    recipe = Recipe.read(RECIPES[0].parent / f"{name}.yaml")
    found = [
        (one.trains, one.epochs, one.batch, one.optimizer.name, one.optimizer.learning_rate) for one in recipe.stages
    ]
    assert found == STAGES[name]


def test_a_recipe_does_not_extend_itself(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{name}.yaml").write_text(f"extends: {other}.yaml\n")
    with pytest.raises(UsageError, match="extends itself"):
        Recipe.read(tmp_path / "a.yaml")


def test_a_change_of_a_stage_is_a_table(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(f"extends: {recipe.name}\nstages: {{sequence: 5}}\n")
    with pytest.raises(UsageError, match="is a table of keys and values"):
        Recipe.read(tmp_path / "other.yaml")


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


def test_nothing_is_held_out_once_some_of_it_was_trained_on(recipe: Path) -> None:
    read = Recipe.read(recipe, ["split={train: [a], validation: [b, c]}", "stages.sequence.splits=[a, b]"])
    assert read.held_out(0) == ("b", "c")
    assert read.held_out(1) == ()


def test_the_precision_is_also_known_as_a_number(recipe: Path) -> None:
    assert Recipe.read(recipe, ["precision=32"]).precision == "32"


@pytest.mark.parametrize(
    ("stages", "taught"),
    [
        ([("slice_network", {"slices": 1})], True),
        ([("slice_network", {"slices": 1}), ("scan_network", {"scans": 1})], True),
        ([("slice_network", {"slices": 1}), ("system", {"scans": 1})], False),
        ([("system", {"scans": 1}), ("slice_network", {"slices": 1})], True),
        ([("system", {"slices": 1, "scans": 1})], True),
        ([("scan_network", {"scans": 1})], False),
    ],
)
def test_slices_are_taught_if_their_labels_were_there_last(
    recipe: Path, stages: list[tuple[str, dict[str, int]]], taught: bool
) -> None:
    parts = [
        f"{{name: part{number}, trains: {trains}, epochs: 1, batch: 1, optimizer: {{learning_rate: 1}}, loss: {loss}}}"
        for number, (trains, loss) in enumerate(stages)
    ]
    assert Recipe.read(recipe, [f"stages=[{', '.join(parts)}]"]).teaches_slices(len(stages) - 1) is taught
