"""What commands print: tables for people, on a terminal of any width and in a file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hemoscope.cli.analyse import needs_attention
from hemoscope.ct.inputs import Refusal
from hemoscope.findings import FINDINGS
from hemoscope.report.results import Json
from hemoscope.report.wording import RESEARCH_USE, STATE_WORDS, percent

STATE_STYLES = {"positive": "bold red", "negative": "cyan", "indeterminate": "bold yellow", "not_analysed": "dim"}
STATES = {state.value: word.lower() for state, word in STATE_WORDS.items()}
MOST_SENTENCES = 20
WIDTH_OF_FILES = 140  # where the output is no terminal


def console(stderr: bool = False) -> Console:
    """The terminal; where there is none, lines are wide enough that tables are not cut."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else WIDTH_OF_FILES
    return Console(file=stream, width=width, markup=False, highlight=False, soft_wrap=False)


def plain_table(*columns: str, right: Sequence[str] = ()) -> Table:
    """A table with a line under its header; the columns in `right` hold numbers."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def print_detections(records: Sequence[Json], places: Sequence[str], refusals: Sequence[Refusal], out: Path) -> None:
    """The table of scans, then a sentence for each scan and file without an answer, then where the outputs are.

    places: the input that each scan came from.
    """
    screen = console()
    abbreviations = ["Any" if finding.name == "any" else finding.abbreviation for finding in FINDINGS]
    numbers = [*abbreviations, "Slice", "Seconds"]
    table = plain_table("Scan", "Input", "State", *numbers, right=numbers)
    for record, place in zip(records, places, strict=True):
        table.add_row(*_cells(record, place))
    if records:
        screen.print(table)
    for record in records:
        if record["state"] == "not_analysed":
            screen.print(Text(f"{record['scan']} was not analysed. {_why(record)}"))
    print_refusals(refusals, screen)
    if not records:
        screen.print(Text("No scan was found in the input."))
    screen.print(Text(f"Probabilities are in %; Slice is the most suspicious one. The outputs are in {out}."))
    screen.print(Text(RESEARCH_USE))


def print_refusals(refusals: Sequence[Refusal], screen: Console) -> None:
    """A sentence for each file that needs attention, and the number of those set aside beside a scan."""
    serious = needs_attention(refusals)
    for refusal in serious[:MOST_SENTENCES]:
        screen.print(Text(f"Not analysed: {refusal.detail}"))
    if len(serious) > MOST_SENTENCES:
        screen.print(Text(f"... and {len(serious) - MOST_SENTENCES} more that were not analysed."))
    aside = len(refusals) - len(serious)
    if aside:
        screen.print(Text(f"{aside} {'file or series was' if aside == 1 else 'files or series were'} set aside."))


def _cells(record: Json, place: str) -> list[Text]:
    scores = record["probabilities"]
    if scores is None:
        numbers = ["-"] * (len(FINDINGS) + 1)
    else:
        numbers = [percent(scores[finding.name]).removesuffix("%") for finding in FINDINGS]
        numbers.append(f"{record['suspicious_slice']} of {record['slices_found']}")
    state = Text(STATES[record["state"]], style=STATE_STYLES[record["state"]])
    return [Text(record["scan"]), Text(place), state, *map(Text, numbers), Text(f"{record['seconds']['total']:.2f}")]


def _why(record: Json) -> str:
    return " ".join(check["detail"] or check["sentence"] for check in record["checks"] if check["severity"] == "hard")
