"""The three readings of each CQ500 scan, and the vote of their majority."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemoscope.datasets.importing.sieve import Sieve
from hemoscope.datasets.importing.tables import read_labels, read_own_table, repeated
from hemoscope.datasets.labels import contradictions
from hemoscope.datasets.manifest import UNKNOWN
from hemoscope.datasets.problems import Found, Problem
from hemoscope.findings import ANY, FINDING_NAMES, FINDINGS

READERS = ("R1", "R2", "R3")
Reading = dict[str, str | int]


@dataclass(frozen=True, eq=False)
class Votes:
    """names: of the scans, `CQ500-CT-12`. labels: int8 [scan, finding]. readings: three of each scan, READING each."""

    names: tuple[str, ...]
    labels: NDArray[np.int8]
    readings: tuple[list[Reading], ...]
    found: tuple[Found, ...]


def read_votes(path: Path) -> Votes:
    """Read `reads.csv`; raises UsageError where it is not there or lacks a column.

    A finding is 1 where at least two of the three readers say so (Chilamkurthy et al., Lancet 2018;392:2388). Where
    that leaves a hemorrhage without any type, the types that one reader named are unknown.
    """
    columns = {f"{reader}:{one.name}": f"{reader}:{one.abbreviation}" for reader in READERS for one in FINDINGS}
    table = read_own_table(path, {"name": "name", **columns}, "CQ500")
    readings, wrong = _readings(table)
    labels = (readings.sum(axis=0) >= 2).astype(np.int8)
    again, conflicting = repeated(table["name"], readings.transpose(1, 0, 2).reshape(len(table), -1))
    sieve = Sieve(table["name"])
    sieve.report(wrong, Problem.BAD_ROW, "A reading is missing or is not 0 or 1.")
    sieve.report(conflicting, Problem.CONFLICTING_ROWS, f"{path.name} gives it different readings.")
    sieve.report(again, Problem.DUPLICATE_ROW, f"{path.name} lists it more than once.")
    sieve.kept &= ~again
    for reader, reading in zip(READERS, readings, strict=True):
        sieve.report(contradictions(reading), Problem.DOUBTFUL_LABEL, f"{reader} contradicts themselves: {_SUBTYPE}.")
    untyped = contradictions(labels) & (labels[:, ANY] == 1)
    sieve.report(
        contradictions(labels) & ~untyped, Problem.CONTRADICTION, f"The majority contradicts itself: {_SUBTYPE}."
    )
    sieve.report(untyped, Problem.DOUBTFUL_LABEL, "The majority sees a hemorrhage and agrees on no type of it.")
    named = (readings[:, :, :ANY] == 1).any(axis=0)
    labels[:, :ANY] = np.where(untyped[:, None] & named, UNKNOWN, labels[:, :ANY])
    kept = np.flatnonzero(sieve.kept)
    return Votes(
        names=tuple(table["name"].iloc[kept]),
        labels=labels[kept],
        readings=tuple(_as_struct(readings[:, scan]) for scan in kept),
        found=tuple(sieve.found),
    )


_SUBTYPE = "a type of hemorrhage, but no hemorrhage"


def _readings(table: pd.DataFrame) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """(int8 [reader, scan, finding], which rows are wrong)."""
    readings, wrong = [], np.zeros(len(table), bool)
    for reader in READERS:
        own = pd.DataFrame({name: table[f"{reader}:{name}"] for name in FINDING_NAMES})
        labels, unusable = read_labels(own)
        readings.append(labels)
        wrong |= unusable | (labels == UNKNOWN).any(axis=1)
    return np.stack(readings), wrong


def _as_struct(readings: NDArray[np.int8]) -> list[Reading]:
    """Readings [reader, finding] of one scan as a Manifest keeps them."""
    return [
        {"reader": reader, **dict(zip(FINDING_NAMES, labels.tolist(), strict=True))}
        for reader, labels in zip(READERS, readings, strict=True)
    ]
