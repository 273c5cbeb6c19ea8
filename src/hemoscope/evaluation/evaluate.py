"""Predictions and a Manifest to tables: read, match, choose the cases, measure, write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hemoscope.datasets.manifest import Manifest
from hemoscope.evaluation.bootstrap import Draws
from hemoscope.evaluation.case_files import FILES, cases_to_parquet
from hemoscope.evaluation.cases import Cases
from hemoscope.evaluation.flow import Step, evaluated_steps, flow_table
from hemoscope.evaluation.measures import at_points, at_prevalences, discrimination
from hemoscope.evaluation.operating_points import FIXED, OperatingPoint, chosen_points
from hemoscope.evaluation.output_folder import OutputFolder
from hemoscope.evaluation.predictions import Predictions
from hemoscope.evaluation.proportions import clopper_pearson
from hemoscope.evaluation.scan_rules import maximum
from hemoscope.evaluation.scored import Scored, scored_scans, scored_slices
from hemoscope.evaluation.table import Table
from hemoscope.evaluation.table_files import files_of
from hemoscope.evaluation.truth import Truth
from hemoscope.reasons import UsageError

PREVALENCES = (0.03, 0.10)


@dataclass(frozen=True)
class Question:
    """What is asked: of which files, which splits are evaluated (none named: all), and where thresholds are chosen.

    sensitivity, specificity: what the operating points that are chosen on the validation splits have there at least.
    """

    manifest: Path
    slices: Path | None = None
    scans: Path | None = None
    splits: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    sensitivity: float = 0.95
    specificity: float = 0.90
    prevalences: tuple[float, ...] = PREVALENCES

    def __post_init__(self) -> None:
        both = sorted(set(self.splits) & set(self.validation))
        if both:
            raise UsageError(f"The split {both[0]} is to be evaluated and to choose thresholds: keep them apart.")
        if self.slices is None and self.scans is None:
            raise UsageError("Give the predictions of slices, of scans, or both.")


@dataclass(frozen=True, eq=False)
class Part:
    """The cases of one level that are evaluated, and the operating points that their calls are made at."""

    cases: Cases
    points: tuple[OperatingPoint, ...]
    draws: Draws


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What came of it. slices, scans: None where there are no predictions of them."""

    slices: Part | None
    scans: Part | None
    tables: tuple[Table, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        """Those of slices and of scans that there are."""
        return tuple(part for part in (self.slices, self.scans) if part is not None)


def evaluate(question: Question) -> Evaluation:
    """Measure predictions against the labels of a Manifest; raises UsageError where that makes no sense."""
    truth = Truth.of(Manifest.read(question.manifest))
    slices, scans = score(question, truth)
    steps = [step for scored in (slices, scans) if scored is not None for step in flow_of(scored, question)]
    parts = [None if scored is None else part_of(scored, question) for scored in (slices, scans)]
    tables = [flow_table(steps), *(table for part in parts if part is not None for table in tables_of(part, question))]
    return Evaluation(*parts, tuple(tables))


def score(question: Question, truth: Truth) -> tuple[Scored | None, Scored | None]:
    """The slices and the scans that were predicted; without predictions of scans, the maximum over their slices."""
    slices, named = None, None
    if question.slices is not None:
        predictions = Predictions.read(question.slices)
        slices, matches = scored_slices(predictions, truth)
        named = (predictions, matches)
    if question.scans is not None:
        return slices, scored_scans(Predictions.read(question.scans), truth, named)
    return slices, slices.by_scan(maximum) if slices is not None else None


def flow_of(scored: Scored, question: Question) -> list[Step]:
    """From the rows of the predictions to the cases that are evaluated."""
    cases = scored.cases(question.splits, question.validation)
    return [*scored.steps, *scored.selection_steps(question.splits, question.validation), *evaluated_steps(cases)]


def part_of(scored: Scored, question: Question) -> Part:
    """The cases to evaluate, with operating points chosen on others."""
    cases = scored.cases(question.splits, question.validation)
    points = tuple(map(OperatingPoint.fixed, FIXED))
    if question.validation:
        validation = scored.cases(question.validation)
        points += chosen_points(validation, question.sensitivity, question.specificity)
    return Part(cases, points, Draws.of(cases.patients))


def tables_of(part: Part, question: Question) -> Sequence[Table]:
    """The tables of one level."""
    return (
        discrimination(part.cases, part.draws),
        at_points(part.cases, part.points, part.draws, clopper_pearson),
        at_prevalences(part.cases, part.points, question.prevalences, part.draws),
    )


def write(evaluation: Evaluation, folder: OutputFolder) -> None:
    """Write the tables (`tables/NAME.csv`, `.md`, `.tex`) and the cases (`cases_slices.parquet`, ...)."""
    for table in evaluation.tables:
        for name, content in files_of(table).items():
            folder.write(f"tables/{name}", content)
    for part in evaluation.parts:
        folder.write(FILES[part.cases.level], cases_to_parquet(part.cases))
