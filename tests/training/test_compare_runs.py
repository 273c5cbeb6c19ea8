"""Runs side by side."""

from __future__ import annotations

import json
from pathlib import Path

from hemoscope.training.compare_runs import rows_of


def written(folder: Path, name: str) -> None:
    folder.mkdir(parents=True)
    stage = {"steps": 3, "train": {"patients": 2}, "held_out": {"patients": 1}, "validation": {"loss": 0.5}}
    (folder / "run.json").write_text(json.dumps({"name": name, "state": "finished", "stages": {"cnn": stage}}))


def test_runs_of_all_depths_are_listed_and_nothing_below_a_run(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    written(runs / "b/fold0", "second")
    written(runs / "a", "first")
    written(runs / "a/tensorboard", "none")
    rows = rows_of(runs)
    assert [row[:4] for row in rows] == [
        ("runs/a", "first", "finished", "cnn"),
        ("runs/b/fold0", "second", "finished", "cnn"),
    ]
    assert rows[0][4:7] == ("3", "2/1", "0.500")
    assert rows_of(runs / "a") == [("a", *row[1:]) for row in rows[:1]]
