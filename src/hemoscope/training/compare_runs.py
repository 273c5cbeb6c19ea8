"""Runs side by side. Needs no PyTorch: it reads what they wrote."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hemoscope.findings import ANY, FINDING_NAMES
from hemoscope.training.run_facts import FACTS, read_facts

COLUMNS = ("Run", "Recipe", "State", "Stage", "Steps", "Patients", "Loss", "Slice AUC", "Scan AUC", "Seconds")


def rows_of(folder: Path) -> list[tuple[str, ...]]:
    """A row for each stage of each run in a folder or below, as text; the folder may be a run itself."""
    rows = []
    for path in _runs_in(folder):
        facts = read_facts(path)
        name = str(path.relative_to(folder.parent))
        stages = facts["stages"] or {"-": {}}
        for place, (stage, found) in enumerate(stages.items()):
            first = (name, facts["name"], facts["state"]) if place == 0 else ("", "", "")
            rows.append((*first, stage, *_cells(found)))
    return rows


def _runs_in(folder: Path) -> Iterator[Path]:
    """The folders of runs in a folder or below, in the order of their names; nothing lies below a run."""
    for name, inside, files in os.walk(folder):
        inside.sort()
        if FACTS in files:
            inside.clear()
            yield Path(name)


def _cells(stage: dict[str, Any]) -> tuple[str, ...]:
    held_out = stage.get("validation", {})
    patients = [str(stage[part]["patients"]) if part in stage else "-" for part in ("train", "held_out")]
    return (
        str(stage.get("steps", "-")),
        "/".join(patients),
        _number(held_out.get("loss")),
        _number(_auc(held_out, "slice_auc_")),
        _number(_auc(held_out, "scan_auc_")),
        str(stage.get("seconds", "-")),
    )


def _auc(measures: dict[str, float | None], prefix: str) -> float | None:
    """That of `any`, or of the first finding of a system that does not score it."""
    named = {name.removeprefix(prefix): value for name, value in measures.items() if name.startswith(prefix)}
    return named.get(FINDING_NAMES[ANY], next(iter(named.values()), None))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
