"""The five papers' tables of their data, made from any Manifest; patients are counted beside slices and scans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemoscope.datasets.description.counting import Rows
from hemoscope.datasets.description.table import Cell, Table
from hemoscope.datasets.manifest import UNKNOWN, Manifest
from hemoscope.datasets.patients import patients_of
from hemoscope.findings import ANY, FINDING_NAMES, FINDINGS


def wong_labels(rows: Rows) -> Table:
    """Files by finding, and `pos_weight`, the negative divided by the positive ones: Wong 2019, Table 2, left."""
    body: list[tuple[Cell, ...]] = []
    for finding, name in enumerate(FINDING_NAMES):
        positive, negative = rows.labels[:, finding] == 1, rows.labels[:, finding] == 0
        count, against = rows.slices(positive), rows.slices(negative)
        body.append((name, count, against, round(against / count, 2) if count else None, rows.patients(positive)))
    return Table(
        "Slices and positive weights by finding",
        ("finding", "slices", "slices without", "pos_weight", "patients"),
        body,
        "Slices whose label is known. pos_weight = slices without / slices.",
        "Wong 2019, Table 2",
    )


def wong_numbers(rows: Rows) -> Table:
    """Files by their number of findings, `any` not counted: Wong 2019, Table 2, right."""
    subtypes = rows.labels[:, :ANY]
    known = (subtypes != UNKNOWN).all(axis=1)
    number = (subtypes == 1).sum(axis=1)
    chosen = [(count, known & (number == count)) for count in (*range(1, ANY + 1), 0)]
    body = [(count, rows.slices(mask), rows.patients(mask)) for count, mask in chosen]
    return Table(
        "Slices by number of findings",
        ("findings", "slices", "patients"),
        body,
        f"Slices of which all {ANY} subtypes are known; `any` is not counted.",
        "Wong 2019, Table 2",
    )


def burduja_findings(rows: Rows) -> Table:
    """Slices, scans and patients of each finding by split: Burduja et al. 2020, Table 1, with splits going down."""
    columns = _burduja_columns(rows)
    body: list[tuple[Cell, ...]] = []
    for split, inside in rows.parts:
        for unit, count in (("slices", rows.slices), ("scans", rows.scans), ("patients", rows.patients)):
            of_slices = unit == "slices"
            cells: list[Cell] = []
            for column in columns:
                known = inside & (column.known_slices if of_slices else column.known_scans)
                chosen = column.slices if of_slices else column.scans
                cells.append(count(inside & chosen) if known.any() else None)
            body.append((split, unit, *cells))
    return Table(
        "Slices, scans and patients of each finding by split",
        ("split", "", *(column.name for column in columns)),
        body,
        "none: known to be without hemorrhage; -: no label is known. Patients are those whose name is known; one with"
        " two scans may be counted with and without.",
        "Burduja et al. 2020, Table 1",
    )


@dataclass(frozen=True, eq=False)
class _Column:
    """A column of Burduja's table: the rows that it counts for slices and for scans, and those that could tell."""

    name: str
    slices: NDArray[np.bool_]
    scans: NDArray[np.bool_]
    known_slices: NDArray[np.bool_]
    known_scans: NDArray[np.bool_]


def _burduja_columns(rows: Rows) -> list[_Column]:
    """In the paper's order."""
    of_slices = rows.labels != UNKNOWN
    of_scans = of_slices | (rows.scan_labels != UNKNOWN)
    findings = [_Column(FINDINGS[place].abbreviation, rows.labels[:, place] == 1, rows.positive[:, place],
                        of_slices[:, place], of_scans[:, place]) for place in (ANY, *range(ANY))]  # fmt: skip
    without = _Column("none", rows.labels[:, ANY] == 0, rows.scan_negative, of_slices[:, ANY], of_scans[:, ANY])
    return [*findings, without, _Column("total", *[rows.everything] * 4)]


def efficientclass_slices(rows: Rows) -> Table:
    """Patients and slices with and without ICH by split, and after balancing: Cortes-Ferre et al. 2021, section 4.3."""
    body: list[tuple[Cell, ...]] = []
    for split, inside in rows.labelled_parts:
        with_ich, without = (inside & (rows.labels[:, ANY] == value) for value in (1, 0))
        balanced = rows.slices(with_ich) + min(rows.slices(with_ich), rows.slices(without))
        body.append((split, rows.patients(with_ich | without), rows.patients(with_ich), rows.slices(with_ich),
                     rows.slices(without), balanced))  # fmt: skip
    return Table(
        "Slices with and without hemorrhage by split",
        ("split", "patients", "patients with ICH", "slices with ICH", "slices without", "slices when balanced"),
        body,
        "Balanced: as many slices without hemorrhage, at random, as with it (`splitting.sampling`).",
        "Cortes-Ferre et al. 2021, section 4.3",
    )


def ye_people(manifest: Manifest, rows: Rows) -> Table:
    """Number, age and sex of patients without and with hemorrhage: Ye et al. 2019, Table 1."""
    frame = manifest.table.select(["age", "sex"]).to_pandas()
    frame["patient"] = patients_of(manifest).to_pandas()
    frame["ich"] = rows.positive[:, ANY]
    frame["known"] = frame["ich"] | (rows.labels[:, ANY] == 0) | rows.scan_negative
    people = frame[frame["known"]].groupby("patient").agg({"ich": "max", "age": "median", "sex": "first"})
    groups = [people[~people["ich"].astype(bool)], people[people["ich"].astype(bool)]]
    lines: list[tuple[str, Callable[[pd.DataFrame], Cell]]] = [
             ("n", len), ("Age (years)", _age), ("age known", lambda group: int(group["age"].notna().sum())),
             ("Sex (male:female)", _sex), ("sex known", lambda group: int(group["sex"].notna().sum()))]  # fmt: skip
    body = [(name, *(count(group) for group in groups)) for name, count in lines]
    return Table(
        "Patients without and with hemorrhage",
        ("", "Non-ICH", "ICH"),
        body,
        "Age as mean ± standard deviation (minimum to maximum). Known patients with a known `any`.",
        "Ye et al. 2019, Table 1",
    )


def _age(group: pd.DataFrame) -> str | None:
    ages = group["age"].dropna()
    if not len(ages):
        return None
    spread = f"{ages.std():.2f}" if len(ages) > 1 else "-"
    return f"{ages.mean():.2f} ± {spread} ({ages.min():.1f} to {ages.max():.1f})"


def _sex(group: pd.DataFrame) -> str | None:
    counts = group["sex"].value_counts()
    return f"{counts.get('M', 0)}:{counts.get('F', 0)}" if len(counts) else None


def patel_scans(rows: Rows) -> Table:
    """Positive and negative scans by split: Patel et al. 2019, Table 2."""
    positive, negative = rows.positive[:, ANY] & (rows.scan >= 0), rows.scan_negative & (rows.scan >= 0)
    known = rows.scans(positive | negative)
    body: list[tuple[Cell, ...]] = []
    for split, inside in [*rows.labelled_parts, ("total", rows.everything)]:
        scans = [rows.scans(mask & inside) for mask in (positive, negative)]
        share = round(100 * sum(scans) / known, 2) if known else None
        patients = [rows.patients(mask & inside) for mask in (positive, negative)]
        body.append((split, *scans, sum(scans), share, *patients))
    return Table(
        "Positive and negative scans by split",
        ("split", "positive scans", "negative scans", "scans", "% of scans", "positive patients", "negative patients"),
        body,
        "Scans whose `any` is known. A patient with two scans may be both.",
        "Patel et al. 2019, Table 2",
    )


def patel_slices(rows: Rows) -> Table:
    """Patients and slices of the scans whose slices are labelled, by split: Patel et al. 2019, Table 3."""
    labelled = (rows.scan >= 0) & (rows.labels[:, ANY] != UNKNOWN)
    scans = [labelled & rows.positive[:, ANY], labelled & rows.scan_negative]
    body: list[tuple[Cell, ...]] = []
    for split, inside in [*rows.labelled_parts, ("total", rows.everything)]:
        counts = [count(mask & inside) for count in (rows.scans, rows.patients) for mask in scans]
        body.append((split, *counts, rows.slices(scans[0] & inside & (rows.labels[:, ANY] == 1)),
                     rows.slices(scans[1] & inside)))  # fmt: skip
    return Table(
        "Scans whose slices are labelled by split",
        ("split", "positive scans", "negative scans", "positive patients", "negative patients", "positive slices",
         "negative slices"),
        body,
        "Scans whose `any` is known, with a slice whose `any` is known. Negative slices: of negative scans only, as in"
        " the paper.",
        "Patel et al. 2019, Table 3",
    )  # fmt: skip


def paper_tables(manifest: Manifest, rows: Rows) -> list[Table]:
    """All of them, in the order of the papers' years and names."""
    return [
        wong_labels(rows),
        wong_numbers(rows),
        burduja_findings(rows),
        efficientclass_slices(rows),
        ye_people(manifest, rows),
        patel_scans(rows),
        patel_slices(rows),
    ]
