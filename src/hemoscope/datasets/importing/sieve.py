"""The rows of a collection's table that can be used, and why the others cannot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hemoscope.datasets.problems import Found, Problem


class Sieve:
    """Sorts out rows step by step. names: what each row is about, for the list of problems."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = np.asarray(names, object)
        self.kept: NDArray[np.bool_] = np.ones(len(self._names), bool)
        self.found: list[Found] = []

    def report(self, rows: NDArray[np.bool_], problem: Problem, detail: str | Sequence[str]) -> None:
        """Add a problem for each of these rows that is still kept; keep them out where the problem is of that kind.

        Rows of one name, the slices of a volume that one row of a table names, are one problem. detail: the sentence,
        or one for each row of the table.
        """
        rows = rows & self.kept
        details = np.broadcast_to(np.asarray(detail, object), rows.shape)
        named = dict.fromkeys(zip(self._names[rows], details[rows], strict=True))
        self.found += [Found(problem, name, one) for name, one in named]
        if problem.kept_out:
            self.kept &= ~rows


def missing_files(root: Path, paths: Sequence[str]) -> NDArray[np.bool_]:
    """Which of the files, relative to the root, are not there."""
    there = {path: (root / path).is_file() for path in set(paths)}
    return np.array([not there[path] for path in paths], bool)
