"""What commands print: tables for people, on a terminal of any width and in a file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import compress
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
NARROW = 110  # columns of a terminal; on a narrower one, BESIDES is left out
BESIDES = ("Input", "Seconds")


def console() -> Console:
    """The terminal; where there is none, lines are wide enough that tables are not cut."""
    width = None if sys.stdout.isatty() else WIDTH_OF_FILES
    return Console(width=width, markup=False, highlight=False)


def say(screen: Console, sentence: str, style: str = "") -> None:
    """Print a sentence on one line, which the terminal wraps and a file keeps whole."""
    screen.print(Text(sentence, style), soft_wrap=True)


def plain_table(*columns: str, right: Sequence[str] = (), gap: int = 2) -> Table:
    """A table with a line under its header; the columns in `right` hold numbers; `gap` spaces lie between columns."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, gap, 0, 0), pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def print_detections(records: Sequence[Json], places: Sequence[str], refusals: Sequence[Refusal], out: Path) -> None:
    """The table of scans, then a sentence for each scan and file without a sure answer, then where the outputs are.

    places: the input that each scan came from.
    """
    screen = console()
    abbreviations = ["Any" if finding.name == "any" else finding.abbreviation for finding in FINDINGS]
    numbers = [*abbreviations, "Slice", "Seconds"]
    columns = ["Scan", "Input", "State", *numbers]
    shown = [name not in BESIDES or screen.width >= NARROW for name in columns]
    table = plain_table(*compress(columns, shown), right=numbers, gap=2 if all(shown) else 1)
    for record, place in zip(records, places, strict=True):
        table.add_row(*compress(_cells(record, place), shown))
    if records:
        screen.print(table)
    for record in records:
        if record["state"] == "not_analysed":
            say(screen, f"{record['scan']} was not analysed. {_found(record, 'hard')}")
        elif doubt := _found(record, "soft", "incomplete"):
            say(screen, f"{record['scan']} is to be read with care. {doubt}")
    print_refusals(refusals, screen)
    if records:
        say(screen, f"Probabilities are in %; Slice is the most suspicious one, from 0. The outputs are in {out}.")
    else:
        say(screen, f"No scan was found in the input. The outputs are in {out}.")
    say(screen, RESEARCH_USE)


def print_refusals(refusals: Sequence[Refusal], screen: Console) -> None:
    """A sentence for each file that needs attention, and the number of those set aside beside a scan."""
    serious = needs_attention(refusals)
    for refusal in serious[:MOST_SENTENCES]:
        say(screen, f"Not analysed: {refusal.detail}")
    if len(serious) > MOST_SENTENCES:
        say(screen, f"... and {len(serious) - MOST_SENTENCES} more that were not analysed.")
    aside = len(refusals) - len(serious)
    if aside:
        were = "file or series was" if aside == 1 else "files or series were"
        say(screen, f"{aside} {were} set aside: see `hemoscope info`.")


def _cells(record: Json, place: str) -> list[Text]:
    scores = record["probabilities"]
    if scores is None:
        numbers = ["-"] * (len(FINDINGS) + 1)
    else:
        numbers = [percent(scores[finding.name]).removesuffix("%") for finding in FINDINGS]
        numbers.append(f"{record['suspicious_slice']} of {record['slices_found']}")
    state = Text(STATES[record["state"]], style=STATE_STYLES[record["state"]])
    return [Text(record["scan"]), Text(place), state, *map(Text, numbers), Text(f"{record['seconds']['total']:.2f}")]


def _found(record: Json, *severities: str) -> str:
    """What the checks of these severities found."""
    checks = [check for check in record["checks"] if check["severity"] in severities]
    return " ".join(check["detail"] or check["sentence"] for check in checks)
