"""A run that is killed goes on to the very same weights."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path

import pytest
import torch
from training_examples import Data, run, start, weights


def steps(folder: Path) -> list[tuple[str, str]]:
    """(stage, step) of every row of steps.csv."""
    with (folder / "steps.csv").open(newline="") as file:
        return [(row["stage"], row["step"]) for row in csv.DictReader(file)]


@pytest.fixture
def whole(data: Data, recipe: Path, tmp_path: Path) -> Path:
    """A run without interruption."""
    run("train", recipe, *data.options, "--out", tmp_path / "whole")
    return tmp_path / "whole"


@pytest.mark.parametrize(("stage", "after"), [("slices", 3), ("sequence", 2)])
def test_kill_and_resume_gives_the_weights_of_an_uninterrupted_run(
    data: Data, recipe: Path, whole: Path, tmp_path: Path, stage: str, after: int
) -> None:
    killed = tmp_path / "killed"
    process = start("train", recipe, *data.options, "--out", killed, "--checkpoint-every", 0)
    log = killed / "steps.csv"
    while process.poll() is None and not (log.exists() and (stage, str(after)) in steps(killed)):
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert json.loads((killed / "run.json").read_text())["state"] == "training", "it was not killed in time"
    run("train", "--resume", killed)
    assert json.loads((killed / "run.json").read_text())["state"] == "finished"
    assert steps(killed) == steps(whole), "steps are missing, or twice in the table"
    took = [json.loads((folder / "run.json").read_text())["stages"][stage]["seconds"] for folder in (killed, whole)]
    assert took[0] > 0.5 * took[1], "the seconds before the kill are lost"
    expected, found = weights(whole), weights(killed)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert torch.equal(value, found[name]), name


def test_a_finished_run_is_left_alone(data: Data, whole: Path) -> None:
    before = weights(whole)
    assert "is finished" in run("train", "--resume", whole)
    assert all(torch.equal(value, before[name]) for name, value in weights(whole).items())


def test_a_run_is_not_resumed_on_another_split(data: Data, recipe: Path, whole: Path, tmp_path: Path) -> None:
    from hemoscope.datasets.manifest import Manifest

    manifest = Manifest.read(data.manifest)
    manifest.with_columns({"split": ["train"] * len(manifest)}).write(tmp_path / "other.parquet")
    facts = json.loads((whole / "run.json").read_text())
    (whole / "run.json").write_text(json.dumps(facts | {"state": "training"}))
    process = start("train", "--resume", whole, "--manifest", tmp_path / "other.parquet")
    printed, _ = process.communicate()
    assert process.returncode == 2
    assert "split in another way" in printed
