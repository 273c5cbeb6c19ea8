"""A table as CSV (numbers in columns of their own), Markdown, LaTeX and an HTML fragment."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from hemoscope.datasets.description.table import Table as Section
from hemoscope.datasets.description.table import is_numeric, to_markdown
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.evaluation.table import Cell, Table

DIGITS = 3  # of estimates, as in the papers
ESTIMATE_COLUMNS = ("", " low", " high", " interval", " blank because")  # after the name of the column, in CSV


def files_of(table: Table) -> Mapping[str, bytes]:
    """The files of a table, by name: CSV, Markdown and LaTeX."""
    texts = {"csv": csv_of(table), "md": markdown_of(table), "tex": latex_of(table)}
    return {f"{table.name}.{ending}": text.encode() for ending, text in texts.items()}


def csv_of(table: Table) -> str:
    """Plain numbers in full precision; a column of estimates becomes five, of ESTIMATE_COLUMNS. Unknown is empty."""
    columns: dict[str, list[Cell]] = {}
    for place, name in enumerate(table.columns):
        cells = [row[place] for row in table.rows]
        if not any(isinstance(cell, Estimate) for cell in cells):
            columns[name] = cells
            continue
        parts = [_parts(cell) for cell in cells]
        columns |= {name + ending: [part[at] for part in parts] for at, ending in enumerate(ESTIMATE_COLUMNS)}
    return str(pd.DataFrame(columns, dtype=object).to_csv(index=False, lineterminator="\n"))


def markdown_of(table: Table) -> str:
    """A section of a Markdown document."""
    note = "\n\n".join(table.notes)
    return to_markdown(Section(table.title, table.columns, _texts(table, keep_whole=True), note))


def latex_of(table: Table) -> str:
    """A table float; it needs the package booktabs."""
    text = str(
        _frame(table).to_latex(
            index=False,
            escape=True,
            caption=_escaped(" ".join([f"{table.title}.", *table.notes])),
            label=f"tab:{table.name}",
            column_format=_alignment(table),
        )
    )
    return f"% \\usepackage{{booktabs}}\n{text}"


def html_of(table: Table) -> str:
    """A `<table>` of the class `figures` to put into a page; every text is escaped."""
    return str(_frame(table).to_html(index=False, escape=True, border=0, classes="figures", table_id=None))


def text_of(cell: Cell) -> str:
    """A cell to read; what is unknown is a dash."""
    if cell is None:
        return "-"
    if isinstance(cell, Estimate):
        return cell.text(DIGITS)
    if isinstance(cell, float):
        return f"{cell:.4g}"
    return cell if isinstance(cell, str) else f"{cell:,}"


def _texts(table: Table, keep_whole: bool = False) -> list[list[str | int]]:
    return [[cell if keep_whole and isinstance(cell, int) else text_of(cell) for cell in row] for row in table.rows]


def _frame(table: Table) -> pd.DataFrame:
    return pd.DataFrame(_texts(table), columns=list(table.columns), dtype=object)


def _parts(cell: Cell) -> tuple[Cell, ...]:
    if isinstance(cell, Estimate):
        return cell.value, cell.low, cell.high, cell.method or None, cell.blank or None
    return cell, None, None, None, None


def _alignment(table: Table) -> str:
    section = Section(table.title, table.columns, _texts(table, keep_whole=True))
    return "".join("r" if is_numeric(section, column) else "l" for column in range(len(table.columns)))


def _escaped(text: str) -> str:
    """Text whose signs LaTeX would read as commands are written as themselves."""
    signs = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(signs.get(sign, "\\" + sign if sign in "&%$#_{}" else sign) for sign in text)
