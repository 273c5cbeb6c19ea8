"""Readers and a model against the truth, as in Ye et al. 2019, Table 3, and Burduja et al. 2020, Table 5."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import mean, stdev

import numpy as np
from numpy.typing import NDArray

from hemoscope.evaluation.matching.cases import UNKNOWN
from hemoscope.evaluation.readers.reader_study import ReaderStudy
from hemoscope.evaluation.readers.readers import INDEPENDENT
from hemoscope.evaluation.readers.readings import Labels
from hemoscope.evaluation.statistics.confusion import Counts, Measure
from hemoscope.evaluation.statistics.delong import auc_delong
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.evaluation.table import Cell, Table
from hemoscope.findings import ANY, FINDINGS

MODEL = "Model"
THRESHOLD = 0.5  # at or above which a model says yes (Ye et al. 2019, "Statistical analysis")
YE: tuple[tuple[str, Measure], ...] = (
    ("accuracy", "accuracy"),
    ("sensitivity", "sensitivity"),
    ("specificity", "specificity"),
    ("F1", "f1"),
)
BURDUJA = YE[:3]
CALLED = f"The model says yes at a probability of {THRESHOLD} and above."
CIRCULAR = "The truth is the majority of these readers themselves: against it they look better than they are."
AGAINST_VOTE = "No truth was given: the model is measured against the majority of the readers, and they are not."

AGAINST_READER = "No truth was given: the model is measured against the one reader."


@dataclass(frozen=True, eq=False)
class Answers:
    """What a reader, or the model, says of one finding where the truth is known: labels, calls and scores, all (n,)."""

    labels: Labels
    calls: NDArray[np.bool_]
    scores: NDArray[np.float64]

    def estimate(self, measure: Measure) -> Estimate:
        """With Clopper and Pearson's interval."""
        return Counts.of(self.labels, self.calls).estimate(measure)

    def auc(self) -> Estimate:
        """Of the scores, with DeLong's interval; that of calls is the mean of sensitivity and specificity."""
        return auc_delong(self.labels, self.scores)

    def auc_of_calls(self) -> Estimate:
        """Of the calls alone."""
        return auc_delong(self.labels, self.calls.astype(np.float64))


def answers_of(study: ReaderStudy, finding: int, rows: NDArray[np.bool_]) -> Iterator[tuple[str, Answers]]:
    """The model, where there is one, and where a truth was given each reader, on some of the scans (N,)."""
    label = study.label(finding)
    if study.model is not None:
        scores = study.model[:, finding]
        there = rows & (label != UNKNOWN) & ~np.isnan(scores)
        yield MODEL, Answers(label[there], scores[there] >= THRESHOLD, scores[there])
    if study.truth is not None:
        for name, readings in zip(study.readings.readers, study.readings.labels[:, :, finding], strict=True):
            there = rows & (label != UNKNOWN) & (readings != UNKNOWN)
            yield name, Answers(label[there], readings[there] == 1, readings[there].astype(np.float64))


def by_finding_table(study: ReaderStudy) -> Table:
    """Layout of Ye et al. 2019, Table 3: finding by finding, the types among scans with hemorrhage only."""
    rows: list[tuple[Cell, ...]] = []
    for finding in (ANY, *range(ANY)):
        among = np.ones(len(study.readings.scans), bool) if finding == ANY else study.label(ANY) == 1
        measured = {name: _by_finding(one) for name, one in answers_of(study, finding, among)}
        entry = FINDINGS[finding].abbreviation
        rows += [(entry, name, scans, *cells) for name, (scans, cells) in measured.items()]
        readers = [cells for name, (_, cells) in measured.items() if name != MODEL]
        if len(readers) > 1:
            columns = zip(*readers, strict=True)
            rows.append((entry, "readers, mean ± SD", None, *(_spread(column) for column in columns)))
    return Table(
        "readers_by_finding",
        "Readers and model, finding by finding",
        ("finding", "who", "scans", *(name for name, _ in YE), "AUC"),
        tuple(rows),
        ("The types are measured among the scans that show hemorrhage. SD is the standard deviation between readers.",
         "The AUC of the model is of its probabilities, that of a reader the mean of sensitivity and specificity.",
         *_notes(study)),
    )  # fmt: skip


def by_reader_table(study: ReaderStudy) -> Table:
    """Layout of Burduja et al. 2020, Table 5: reader by reader, all findings on all scans."""
    everywhere = np.ones(len(study.readings.scans), bool)
    cells: dict[tuple[str, str], list[Cell]] = {}
    for finding in range(len(FINDINGS)):
        for name, one in answers_of(study, finding, everywhere):
            cells.setdefault((name, "scans"), []).append(len(one.labels))
            cells.setdefault((name, "with the finding"), []).append(int(one.labels.sum()))
            for title, measure in BURDUJA:
                cells.setdefault((name, title), []).append(one.estimate(measure))
            cells.setdefault((name, "AUC of the calls"), []).append(one.auc_of_calls())
    return Table(
        "readers_by_reader",
        "Readers and model, reader by reader",
        ("who", "measure", *(entry.abbreviation for entry in FINDINGS)),
        tuple((*key, *row) for key, row in cells.items()),
        ("All findings are measured on all scans whose label is known.", *_notes(study)),
    )


def _by_finding(one: Answers) -> tuple[int, tuple[Estimate, ...]]:
    """Scans and what the table says of them."""
    return len(one.labels), (*(one.estimate(measure) for _, measure in YE), one.auc())


def _spread(estimates: tuple[Estimate, ...]) -> Cell:
    """Mean and standard deviation between readers; None where a reader has no value."""
    values = [one.value for one in estimates if one.value is not None]
    return f"{mean(values):.3f} ± {stdev(values):.3f}" if len(values) == len(estimates) else None


def _notes(study: ReaderStudy) -> tuple[str, ...]:
    notes = [INDEPENDENT] + [CALLED] * (study.model is not None)
    if study.truth is None:
        return (*notes, AGAINST_VOTE if len(study.readings.readers) > 1 else AGAINST_READER)
    known = (study.truth != UNKNOWN) & (study.vote != UNKNOWN)
    circular = len(study.readings.readers) > 1 and known.any() and (study.truth == study.vote)[known].all()
    return (*notes, *[CIRCULAR] * bool(circular))
