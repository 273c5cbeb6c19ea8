"""How far readers agree with each other, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from hemoscope.datasets.labels import contradictions
from hemoscope.evaluation.matching.cases import UNKNOWN
from hemoscope.evaluation.readers.readings import Readings
from hemoscope.evaluation.statistics.agreement import cohen_kappa, fleiss, majority, percentage_agreement, read_by_all
from hemoscope.evaluation.statistics.bootstrap import Draws
from hemoscope.evaluation.table import Cell, Table
from hemoscope.findings import FINDINGS

NAMED = 10  # scans in a sentence
INDEPENDENT = "Every scan counts as independent of the others."


def pairs_table(readings: Readings) -> Table:
    """Every two readers, as in Ye et al. 2019, Table 2: agreement and Cohen's kappa on the scans that both read."""
    rows: list[tuple[Cell, ...]] = []
    for finding, entry in enumerate(FINDINGS):
        for first, second in combinations(range(len(readings.readers)), 2):
            a, b = readings.labels[first, :, finding], readings.labels[second, :, finding]
            both = int(((a != UNKNOWN) & (b != UNKNOWN)).sum())
            names = f"{readings.readers[first]} and {readings.readers[second]}"
            rows.append((entry.abbreviation, names, both, percentage_agreement(a, b), cohen_kappa(a, b)))
    return Table(
        "reader_pairs",
        "Agreement of every two readers",
        ("finding", "readers", "scans", "agreement", "Cohen's kappa"),
        tuple(rows),
        ("Agreement is the share of scans that both read alike.", INDEPENDENT),
    )


def agreement_table(readings: Readings) -> Table:
    """All readers together: Fleiss' kappa, the vote of the majority, and how often each reader says yes."""
    draws = Draws.of(readings.scans)
    rows: list[tuple[Cell, ...]] = []
    for finding, entry in enumerate(FINDINGS):
        labels = readings.labels[:, :, finding]
        there, vote = read_by_all(labels), majority(labels)
        counts = [int((vote == answer).sum()) for answer in (1, 0, UNKNOWN)]
        unanimous = int((labels[:, there] == 1).all(axis=0).sum())
        own = (int((one == 1).sum()) for one in labels)
        kappa = fleiss(labels, draws.codes, draws)
        rows.append((entry.abbreviation, int(there.sum()), kappa, *counts, unanimous, *own))
    return Table(
        "reader_agreement",
        "Agreement of all readers",
        ("finding", "scans", "Fleiss' kappa", "majority yes", "majority no", "no majority", "all yes",
         *(f"{name} yes" for name in readings.readers)),
        tuple(rows),
        ("Scans and Fleiss' kappa are of those that all readers read; its interval resamples scans.",
         "The majority is of those who read the scan, at least two of them; a tie is no majority.",
         INDEPENDENT, *_contradictions(readings)),
    )  # fmt: skip


def some_of(scans: Sequence[object]) -> str:
    """The names of the first few scans."""
    return ", ".join([*map(str, scans[:NAMED]), *["..."] * (len(scans) > NAMED)])


def _contradictions(readings: Readings) -> list[str]:
    """What to say of readers who see a type of hemorrhage but none of any, or the other way round."""
    named = []
    for name, labels in zip(readings.readers, readings.labels, strict=True):
        scans = readings.scans[contradictions(labels)]
        if len(scans):
            named.append(f"{name} in {len(scans):,} ({some_of(scans.tolist())})")
    if not named:
        return []
    return [f"Scans in which a reader names a type but no hemorrhage, or the reverse: {', '.join(named)}."]
