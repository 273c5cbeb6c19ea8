"""A paper's table in its own layout: each column twice, as printed and as measured here."""

from __future__ import annotations

from collections.abc import Callable

from hemoscope.evaluation.matching.cases import Cases
from hemoscope.evaluation.protocols.sample import Figure, describe
from hemoscope.evaluation.published import NOTHING, Printed, PrintedTable, papers
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.evaluation.table import Cell, Table

FigureOf = Callable[[Printed], Figure | None]  # None where the printed cell is of a system that ours is not like
OTHER_SYSTEMS = (
    "Ours stands beside the system that it is compared with; the other rows are of other systems or readers."
)


def beside(paper: str, name: str, ours: FigureOf, data: tuple[Cases | None, ...], notes: tuple[str, ...]) -> Table:
    """A printed table with a figure of ours beside each of its cells.

    ours: gives the figure for a cell, or says why there is none. data: what it was measured on. notes: what differs
    from the paper. Figures of ours are in the unit of the printed cell.
    """
    table = papers()[paper].table(name)
    columns = [key.capitalize() for key in table.keys]
    for head in table.heads:
        columns += [f"{head}, printed", f"{head}, ours"]
    figures = [[ours(cell) for cell in row] for row in table.cells]
    measured = "; ".join(describe(cases) for cases in data if cases is not None) or "nothing was predicted"
    source = f"{papers()[paper].title}, {name}"
    about = [f"Printed: {source}; {table.data}.", f"Ours: {measured}.", *notes]
    if any(figure is None for row in figures for figure in row):
        about.append(OTHER_SYSTEMS)
    rows = tuple(_row(table, row, figures[row]) for row in range(len(table.rows)))
    file_name = f"{paper}_{name}".lower().replace(" ", "_").replace(",", "").replace(".", "_")
    return Table(file_name, f"{table.title} ({source})", tuple(columns), rows, tuple(about))


def beside_system(system: str, figure: FigureOf) -> FigureOf:
    """Figures beside the rows of one printed system alone."""

    def ours(cell: Printed) -> Figure | None:
        return figure(cell) if cell.what["system"] == system else None

    return ours


def _row(table: PrintedTable, row: int, figures: list[Figure | None]) -> tuple[Cell, ...]:
    cells: list[Cell] = [label.replace("_", " ") for label in table.labels(row)]
    for printed, figure in zip(table.cells[row], figures, strict=True):
        cells.append(None if printed.text == NOTHING else printed.text)
        cells.append(_in_unit(figure, printed.scale) if isinstance(figure, Estimate) else figure)
    return tuple(cells)


def _in_unit(figure: Estimate, scale: float) -> Estimate:
    """A fraction in the unit of the printed cell."""
    value, low, high = (None if part is None else part * scale for part in (figure.value, figure.low, figure.high))
    return Estimate(value, low, high, figure.method, figure.blank)
