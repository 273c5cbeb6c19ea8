"""All tables of a study of readers."""

from __future__ import annotations

from hemoscope.evaluation.readers.label_errors import disputed_labels, shared_mistakes
from hemoscope.evaluation.readers.reader_study import ReaderStudy
from hemoscope.evaluation.readers.readers import agreement_table, pairs_table
from hemoscope.evaluation.readers.readers_and_truth import by_finding_table, by_reader_table
from hemoscope.evaluation.table import Table


def reader_tables(study: ReaderStudy) -> tuple[Table, ...]:
    """Agreement; with a truth or a model the readers and the model against it; with a truth the doubtful labels."""
    tables = [agreement_table(study.readings), pairs_table(study.readings)]
    if study.truth is not None or study.model is not None:
        tables += [by_finding_table(study), by_reader_table(study)]
    if study.truth is not None:
        tables += [shared_mistakes(study, study.truth), disputed_labels(study, study.truth)]
    return tuple(tables)
