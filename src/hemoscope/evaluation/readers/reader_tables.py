"""All tables of a study of readers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hemoscope.evaluation.readers.label_errors import disputed_labels, shared_mistakes
from hemoscope.evaluation.readers.reader_study import ReaderStudy
from hemoscope.evaluation.readers.readers import agreement_table, pairs_table, some_of
from hemoscope.evaluation.readers.readers_and_truth import by_finding_table, by_reader_table
from hemoscope.evaluation.table import Table
from hemoscope.evaluation.table_files import text_of
from hemoscope.findings import ANY, FINDINGS


def reader_tables(study: ReaderStudy) -> tuple[Table, ...]:
    """Agreement; with a truth or a model the readers and the model against it; with a truth the doubtful labels."""
    tables = [agreement_table(study.readings), pairs_table(study.readings)]
    if study.truth is not None or study.model is not None:
        tables += [by_finding_table(study), by_reader_table(study)]
    if study.truth is not None:
        tables += [shared_mistakes(study, study.truth), disputed_labels(study, study.truth)]
    return tuple(tables)


def lines_of_any(tables: Iterable[Table]) -> Iterator[str]:
    """What tables against a truth say of any hemorrhage, a line each reader, the model and the doubtful labels.

    The table reader by reader would say the same again, and that of shared mistakes is of all findings together.
    """
    entry = FINDINGS[ANY].abbreviation
    for table in tables:
        rows = [row for row in table.rows if row[0] == entry]
        if table.name == "readers_by_finding":
            for _, who, *cells in rows:
                named = zip(table.columns[2:], cells, strict=True)
                yield f"{who}, {entry}: " + ", ".join(
                    f"{name} {text_of(cell)}" for name, cell in named if cell is not None
                )
        elif table.name == "disputed_labels":
            scans = f" ({some_of([row[1] for row in rows])})" if rows else ""
            yield f"{table.title}, {entry}: {len(rows):,}{scans}."
