"""What was wrong with a collection: rows kept out or doubted, each with its kind; counted, listed, never lost."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Problem(Enum):
    """The kinds of problems. The value of each is (whether the slice is kept out, the general sentence)."""

    MISSING_FILE = (True, "The file of a labelled slice is not there.")
    UNREADABLE_FILE = (True, "A file cannot be read as CT slices.")
    KNOWN_CORRUPT = (True, "The collection is known to hold this file damaged.")
    BAD_ROW = (True, "A row of a table has a missing, malformed or impossible value.")
    CONTRADICTION = (True, "`any` contradicts the subtypes.")
    CONFLICTING_ROWS = (True, "Two rows give the same slice different labels.")
    NO_LABEL = (True, "A file has no label.")
    SHAPE_MISMATCH = (True, "An image and its mask do not have the same size.")
    MASK_VALUE = (True, "A mask has a value of which nothing says what it marks.")
    NO_SLICE = (True, "A label, box or mask belongs to no slice that is there.")
    DUPLICATE_ROW = (False, "The same row is there more than once; one was used.")
    UNKNOWN_PATIENT = (False, "The patient is unknown: the slice can serve for training only.")
    NO_POSITION = (False, "The position of the slice is unknown: its order in the scan is not sure.")
    DOUBTFUL_LABEL = (False, "The label is doubtful: see the page of the dataset.")

    def __init__(self, kept_out: bool, sentence: str) -> None:
        self.kept_out = kept_out
        self.sentence = sentence


@dataclass(frozen=True)
class Found:
    """One problem: its kind, the file or row that it is about, and the particulars in one sentence."""

    problem: Problem
    item: str
    detail: str


def count_problems(found: Iterable[Found]) -> dict[Problem, int]:
    """How often each kind was found, in the order of `Problem`."""
    counts = Counter(one.problem for one in found)
    return {problem: counts[problem] for problem in Problem if problem in counts}


def write_problems(found: Sequence[Found], path: Path) -> None:
    """Write one CSV row a problem: problem, kept_out (0/1), item, detail."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with unfinished.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(["problem", "kept_out", "item", "detail"])
        rows.writerows([one.problem.name, int(one.problem.kept_out), one.item, one.detail] for one in found)
    unfinished.replace(path)
