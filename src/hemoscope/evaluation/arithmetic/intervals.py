"""Do printed intervals hold their values, follow from the counts, and agree where they are printed twice?"""

from __future__ import annotations

from collections.abc import Iterator

from hemoscope.evaluation.arithmetic.confusions import cases_of_prevalence, fitting, rows_of
from hemoscope.evaluation.arithmetic.statement import Statement
from hemoscope.evaluation.published import Printed, cells_of, papers
from hemoscope.evaluation.statistics.confusion import Measure
from hemoscope.evaluation.statistics.proportions import clopper_pearson

EXACT: tuple[Measure, ...] = ("accuracy", "sensitivity", "specificity")  # the paper has others for PPV and NPV


def intervals() -> Iterator[Statement]:
    """All statements about printed 95% intervals."""
    for paper in papers().values():
        for table in paper.tables:
            yield from (_holds(cell) for cell in cells_of(table) if cell.interval and cell.value is not None)
    yield from _clopper_pearson()
    yield _twice()


def _holds(cell: Printed) -> Statement:
    low, high = cell.interval or (0.0, 0.0)
    says = f"{cell.what['system']}, {cell.what['measure']}: the interval holds the value"
    return Statement(cell.paper, cell.table, says, cell.text, "in it", low <= (cell.value or 0) <= high)


def _clopper_pearson() -> Iterator[Statement]:
    """Cortes-Ferre 2021, Table 2: exact intervals of the counts that the row is of."""
    efficient = papers()["efficientclass2021"]
    for what, row in rows_of(cells_of(efficient.table("Table 2"))):
        counts = next(one for cases in cases_of_prevalence(row) for one in fitting(row, cases))
        for measure in EXACT:
            cell = row[measure]
            if cell.interval is not None:
                exact = clopper_pearson(*counts.fraction(measure))
                low, high = 100 * (exact.low or 0), 100 * (exact.high or 0)
                near = max(abs(cell.interval[0] - low), abs(cell.interval[1] - high)) <= 0.1
                says = f"{what['system']}, {measure}: Clopper-Pearson"
                yield Statement(cell.paper, cell.table, says, cell.text, f"{low:.2f}-{high:.2f}", near)


def _twice() -> Statement:
    """Patel 2019: the interval of the full model stands in Table 1 and in section IV.B."""
    patel = papers()["patel2019"]
    cell = patel.find("Table 1, interval", system="This work")
    other = patel.find("Figure 4", system="two LSTM layers, end to end")
    says = "interval of the full model, as in section IV.B"
    return Statement(patel.name, "Table 1", says, cell.text, other.text, cell.interval == other.interval)
