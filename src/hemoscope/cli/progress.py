"""How far a run is, on the terminal: files done, and the time left."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

LOG_SECONDS = 30  # between two lines where stderr is a file


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how much of a long work is done, and the time left: gives a function to call with (done, total).

    On a terminal it is a bar, in a log a line now and then.
    """
    if not sys.stderr.isatty():
        yield _Log(what)
        return
    with _bar(what, "time left") as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _bar(what: str, before_time: str) -> Bar:
    """A bar on stderr that is wiped when it ends: what is done, how many of how many, words and the time left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn(before_time), TimeRemainingColumn())
    return Bar(*columns, console=Console(stderr=True), transient=True)


class _Log:
    """Writes a line now and then."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._start = self._said = time.monotonic()
        self._first: int | None = None

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = done  # what an earlier run had done took no time of this one
        if now - self._said < LOG_SECONDS or done == self._first:
            return
        self._said = now
        left = (now - self._start) / (done - self._first) * (total - done)
        print(f"{self._what}: {done:,} of {total:,}, {left / 60:.0f} min left", file=sys.stderr, flush=True)


class Progress:
    """A bar on stderr while a run lasts; nothing where stderr is no terminal.

    The unit is the file, as their number is known before they are opened. A zip counts as one.
    """

    def __init__(self, inputs: Sequence[Path]) -> None:
        self._inputs = inputs
        self._done = 0
        self._slices = 0
        self._shows = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        if self._shows:
            self._bar = _bar("Analysing", "files, time left")
            self._task = self._bar.add_task("", total=_count_files(self._inputs))
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shows:
            self._bar.stop()

    def slice_read(self) -> None:
        """A slice of the scan at hand has been decoded."""
        self._slices += 1
        self._show(self._done + self._slices)

    def scan_done(self, files: int) -> None:
        """A scan of so many files is finished."""
        self._done += files
        self._slices = 0
        self._show(self._done)

    def file_refused(self) -> None:
        """A file was set aside."""
        self._done += 1
        self._show(self._done)

    def _show(self, files: int) -> None:
        if self._shows:
            self._bar.update(self._task, completed=files)


def _count_files(inputs: Sequence[Path]) -> int:
    """How many files the inputs hold."""
    return sum(sum(len(files) for _, _, files in os.walk(given)) if given.is_dir() else 1 for given in inputs)
