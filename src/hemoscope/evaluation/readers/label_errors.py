"""Labels that may be wrong: readers agree with each other, or with the model, against the truth.

Burduja et al. 2020, section 5, found so at least 25 wrong labels among 600 of RSNA 2019.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hemoscope.evaluation.matching.cases import UNKNOWN
from hemoscope.evaluation.readers.reader_study import ReaderStudy
from hemoscope.evaluation.readers.readers_and_truth import MODEL, THRESHOLD
from hemoscope.evaluation.readers.readings import Labels
from hemoscope.evaluation.table import Cell, Table
from hemoscope.findings import FINDING_NAMES, FINDINGS

NAMES = {0: "absent", 1: "present"}


def disputed_labels(study: ReaderStudy, truth: Labels) -> Table:
    """Each scan and finding (truth: (N, 6)) where all who read it, at least two, say the opposite of the truth."""
    readings = study.readings.labels
    read = (readings != UNKNOWN).sum(axis=0)
    against = np.sum([_contradicts(one, truth) for one in readings], axis=0)
    rows: list[tuple[Cell, ...]] = []
    for finding in range(len(FINDING_NAMES)):
        everyone = (read[:, finding] >= 2) & (against[:, finding] == read[:, finding])
        for scan in map(int, np.flatnonzero(everyone)):
            label = int(truth[scan, finding])
            row = (FINDINGS[finding].abbreviation, str(study.readings.scans[scan]), NAMES[label], NAMES[1 - label],
                   int(read[scan, finding]))  # fmt: skip
            rows.append((*row, *_of_model(study, scan, finding, 1 - label)))
    model = ("model's probability", "model is with the readers") if study.model is not None else ()
    return Table(
        "disputed_labels",
        "Labels that all readers contradict",
        ("finding", "scan", "truth", "readers", "who read it", *model),
        tuple(rows),
        (f"{len(rows):,} of {int((truth != UNKNOWN).sum()):,} known labels. Such a label may be wrong: look again.",),
    )


def shared_mistakes(study: ReaderStudy, truth: Labels) -> Table:
    """How many labels of truth (N, 6) each reader contradicts, and of these the model, where it scored them."""
    model = _calls(study)
    rows: list[tuple[Cell, ...]] = []
    given = dict(zip(study.readings.readers, study.readings.labels, strict=True))
    for name, labels in given.items():
        wrong = _contradicts(labels, truth)
        row: tuple[Cell, ...] = (name, int(((labels != UNKNOWN) & (truth != UNKNOWN)).sum()), int(wrong.sum()))
        shared = () if model is None else (int((wrong & _contradicts(model, truth)).sum()),)
        rows.append((*row, *shared))
    if model is not None:
        known = int(((model != UNKNOWN) & (truth != UNKNOWN)).sum())
        rows.append((MODEL, known, int(_contradicts(model, truth).sum()), None))
    return Table(
        "shared_mistakes",
        "Labels that readers and model contradict",
        ("who", "labels", "contradicted", *(("also by the model",) if model is not None else ())),
        tuple(rows),
        ("Labels of all six findings together. What readers and model contradict alike may be an error of the label.",),
    )


def _contradicts(answers: Labels, truth: Labels) -> NDArray[np.bool_]:
    """Where answers and truth, both (N, 6), are known and differ."""
    return np.asarray((answers == 1 - truth) & (truth != UNKNOWN))


def _calls(study: ReaderStudy) -> Labels | None:
    """What the model says (N, 6), UNKNOWN where it does not score."""
    if study.model is None:
        return None
    scored: NDArray[np.int8] = np.where(np.isnan(study.model), UNKNOWN, study.model >= THRESHOLD).astype(np.int8)
    return scored


def _of_model(study: ReaderStudy, scan: int, finding: int, answer: int) -> tuple[Cell, ...]:
    """Its probability, and whether it answers as the readers do."""
    if study.model is None:
        return ()
    probability = float(study.model[scan, finding])
    if np.isnan(probability):
        return None, None
    return probability, "yes" if (probability >= THRESHOLD) == (answer == 1) else "no"
