"""What an evaluation leaves in its folder: tables, cases, and what it was made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hemoscope.evaluation.evaluate import Evaluation, Part
from hemoscope.evaluation.matching.case_files import FILES, cases_to_parquet
from hemoscope.evaluation.output_folder import OutputFolder
from hemoscope.evaluation.table import Table
from hemoscope.evaluation.table_files import files_of
from hemoscope.findings import FINDING_NAMES
from hemoscope.report.results import library_version

FACTS = "evaluation.json"


def write(evaluation: Evaluation, tables: Sequence[Table], folder: OutputFolder) -> None:
    """Write tables (`tables/NAME.csv`, `.md`, `.tex`), cases (`cases_slices.parquet`, ...) and evaluation.json."""
    for table in tables:
        for name, content in files_of(table).items():
            folder.write(f"tables/{name}", content)
    for part in evaluation.parts:
        folder.write(FILES[part.cases.level], cases_to_parquet(part.cases))
    folder.write(FACTS, facts_of(evaluation))


def facts_of(evaluation: Evaluation) -> bytes:
    """Files by name and SHA-256, splits, how scans were scored, and the threshold of each operating point."""
    question = evaluation.question
    files = {"slices": question.slices, "scans": question.scans, "manifest": question.manifest}
    split = evaluation.manifest.split
    facts: dict[str, Any] = {
        "hemoscope": library_version("hemoscope"),
        "files": {of: _file(path) for of, path in files.items() if path is not None},
        "split": None if split is None else vars(split),
        "evaluated": list(question.splits) or None,  # null: all
        "operating_points_chosen_on": list(question.validation),
        "scans_scored_by": evaluation.scan_score or None,
        "interval_of_independent_scans": question.interval,
        "operating_points": {part.cases.level: _points(part) for part in evaluation.parts},
    }
    return json.dumps(facts, indent=1).encode()


def _file(path: Path) -> dict[str, str]:
    with path.open("rb") as stream:
        return {"name": path.name, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def _points(part: Part) -> dict[str, dict[str, float | None]]:
    return {
        point.name: {name: one.value for name, one in zip(FINDING_NAMES, point.thresholds, strict=True)}
        for point in part.points
    }
