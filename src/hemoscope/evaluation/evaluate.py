"""Predictions and a Manifest to tables: read, match, choose the cases, measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from hemoscope.datasets.manifest import Manifest
from hemoscope.evaluation.matching.cases import Cases
from hemoscope.evaluation.matching.flow import Step, evaluated_steps, flow_table
from hemoscope.evaluation.matching.predictions import Predictions
from hemoscope.evaluation.matching.scored import Scored, scored_scans, scored_slices
from hemoscope.evaluation.matching.truth import Truth
from hemoscope.evaluation.measures.calibration import calibration_of, calibration_table, reliability_table
from hemoscope.evaluation.measures.measures import at_points, at_prevalences, discrimination
from hemoscope.evaluation.measures.operating_points import FIXED, OperatingPoint, chosen_points
from hemoscope.evaluation.measures.rule_table import OWN, compare_rules
from hemoscope.evaluation.measures.scan_rules import RULES
from hemoscope.evaluation.measures.subgroups import by_subgroup
from hemoscope.evaluation.protocols.catalogue import PROTOCOLS
from hemoscope.evaluation.question import INTERVALS, Question
from hemoscope.evaluation.statistics.bootstrap import Draws
from hemoscope.evaluation.table import Table
from hemoscope.reasons import UsageError

NAMED_PATIENTS = 3  # that the error about a leak names


@dataclass(frozen=True, eq=False)
class Part:
    """One level of the cases that are evaluated, and those that operating points were chosen on, if any."""

    cases: Cases
    validation: Cases | None
    points: tuple[OperatingPoint, ...]
    draws: Draws  # of the patients of the cases

    @property
    def shown(self) -> OperatingPoint:
        """That of subgroups, curves and mistakes: Youden's where it was chosen, else the first."""
        return next((one for one in self.points if one.name == "Youden"), self.points[0])


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What came of a question.

    slices: None where they were not predicted; scans: scored by `scan_score`, None where there are none. rules: scans
    by the way in which they were scored. steps: the flow of cases.
    """

    question: Question
    manifest: Manifest
    slices: Part | None
    scans: Part | None
    scan_score: str
    rules: Mapping[str, Part]
    steps: tuple[Step, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        """Slices and scans, as far as there are any."""
        return tuple(part for part in (self.slices, self.scans) if part is not None)


def evaluate(question: Question) -> Evaluation:
    """Find the cases of a question; raises UsageError where there are none, or thresholds would be chosen on them."""
    truth = Truth.of(Manifest.read(question.manifest))
    check_splits(question, truth.manifest)
    slices, by_rule = score(question, truth)
    part = None if slices is None else part_of(slices, question)
    found = {rule: part_of(scored, question) for rule, scored in by_rule.items()}
    rules = {rule: of_rule for rule, of_rule in found.items() if of_rule is not None}
    scan_score = next(iter(rules), "")
    levels = [(slices, part), (by_rule.get(scan_score), rules.get(scan_score))]
    steps = tuple(step for scored, of in levels if scored is not None for step in flow_of(scored, of, question))
    evaluation = Evaluation(question, truth.manifest, part, rules.get(scan_score), scan_score, rules, steps)
    check_cases(evaluation)
    return evaluation


def check_splits(question: Question, manifest: Manifest) -> None:
    """Raise UsageError where a split is named that the Manifest does not have."""
    there = sorted(pc.unique(manifest.table["split"]).drop_null().to_pylist())
    for name in (*question.splits, *question.validation):
        if name not in there:
            has = f"it has {', '.join(there)}" if there else "it is not split (`hemoscope dataset split`)"
            raise UsageError(f"The Manifest {question.manifest} has no split '{name}': {has}.")


def score(question: Question, truth: Truth) -> tuple[Scored | None, dict[str, Scored]]:
    """The slices that were predicted, and the scans by rule: the system's own output first, where there is one."""
    slices, named, by_rule = None, None, {}
    if question.slices is not None:
        predictions = Predictions.read(question.slices)
        slices, matches = scored_slices(predictions, truth)
        named = (predictions, matches)
    if question.scans is not None:
        by_rule[OWN] = scored_scans(Predictions.read(question.scans), truth, named)
    if slices is not None:
        from_slices = {name: slices.by_scan(rule, name) for name, rule in RULES.items()}
        by_rule |= {name: scored for name, scored in from_slices.items() if len(scored.rows)}
    return slices, by_rule


def flow_of(scored: Scored, part: Part | None, question: Question) -> list[Step]:
    """From the rows of the predictions to the cases that are evaluated."""
    evaluated = [] if part is None else evaluated_steps(part.cases)
    return [*scored.steps, *scored.selection_steps(question.splits, question.validation), *evaluated]


def part_of(scored: Scored, question: Question) -> Part | None:
    """The cases to evaluate, with operating points that are fixed or chosen on others; None where there are none."""
    cases = scored.cases(question.splits, question.validation)
    if not len(cases):
        return None
    points = tuple(map(OperatingPoint.fixed, FIXED))
    validation = scored.cases(question.validation) if question.validation else None
    if validation is not None:
        refuse_shared_patients(cases, validation, scored.truth.manifest)
        points += chosen_points(validation, question.sensitivity, question.specificity)
    return Part(cases, validation, points, Draws.of(cases.patients))


def check_cases(evaluation: Evaluation) -> None:
    """Raise UsageError where nothing is evaluated, or nothing is there to choose operating points on."""
    question = evaluation.question
    if not evaluation.parts:
        raise UsageError("None of the predicted slices and scans is to be evaluated: they are of other splits.")
    if question.validation and not any(part.validation for part in evaluation.parts):
        splits = " and ".join(question.validation)
        raise UsageError(f"Nothing of the split {splits} is predicted: operating points cannot be chosen on it.")


def refuse_shared_patients(cases: Cases, validation: Cases, manifest: Manifest) -> None:
    """Raise UsageError where thresholds would be chosen on patients that are evaluated, unless a paper split so."""
    shared = np.intersect1d(cases.patients, validation.patients)
    if len(shared) and not (manifest.split and manifest.split.caveat):
        some = ", ".join(map(str, shared[:NAMED_PATIENTS])) + (" ..." if len(shared) > NAMED_PATIENTS else "")
        raise UsageError(f"{len(shared):,} patients are both evaluated and used to choose operating points ({some}): "
                         "split the Manifest by patient.")  # fmt: skip


def tables_of(evaluation: Evaluation) -> list[Table]:
    """The flow, measures of slices and of scans with subgroups, ways to scans, and the tables of a paper."""
    tables = [flow_table(evaluation.steps)]
    for part in evaluation.parts:
        tables += measure_tables(part, evaluation.question)
    if evaluation.rules:
        tables.append(rule_table(evaluation))
    return [*tables, *paper_tables(evaluation)]


def measure_tables(part: Part, question: Question) -> Sequence[Table]:
    """The tables of one level."""
    interval = INTERVALS[question.interval]
    calibrated = calibration_of(part.cases, part.draws)
    return (
        discrimination(part.cases, part.draws, interval),
        at_points(part.cases, part.points, part.draws, interval),
        at_prevalences(part.cases, part.points, question.prevalences, part.draws),
        calibration_table(part.cases.level, calibrated),
        reliability_table(part.cases.level, calibrated),
        by_subgroup(part.cases, part.shown, part.draws, interval),
    )


def rule_table(evaluation: Evaluation) -> Table:
    """The ways from slices to scans beside each other."""
    cases = {rule: part.cases for rule, part in evaluation.rules.items()}
    validation = {rule: part.validation for rule, part in evaluation.rules.items() if part.validation is not None}
    return compare_rules(cases, validation, INTERVALS[evaluation.question.interval])


def paper_tables(evaluation: Evaluation) -> list[Table]:
    """The tables of the paper that the protocol follows."""
    protocol = PROTOCOLS[evaluation.question.protocol]
    slices, scans = (None if part is None else part.cases for part in (evaluation.slices, evaluation.scans))
    return protocol.tables(slices, scans, None if evaluation.scans is None else evaluation.scans.validation)
