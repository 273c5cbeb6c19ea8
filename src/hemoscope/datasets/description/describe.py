"""What a Manifest holds, as tables: by dataset and split, as the five papers describe their data, and every doubt."""

from __future__ import annotations

import pandas as pd
import pyarrow.compute as pc

from hemoscope.datasets.description.counting import NO_SPLIT, Rows
from hemoscope.datasets.description.paper_tables import burduja_findings, paper_tables
from hemoscope.datasets.description.table import Cell, Table
from hemoscope.datasets.duplicates import find_duplicates, shared_by_datasets
from hemoscope.datasets.labels import contradictions
from hemoscope.datasets.manifest import UNKNOWN, Manifest
from hemoscope.datasets.patients import patients_of, scan_names
from hemoscope.datasets.slice_store.store import SliceStore
from hemoscope.datasets.splitting.schemes import SCHEMES
from hemoscope.datasets.splitting.split import TRAIN, check_leaks, leaks
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError

MOST_WINDOWS = 4  # of a dataset that are named


def describe(manifest: Manifest, store: SliceStore | None = None) -> list[Table]:
    """All tables of a Manifest; its slice store adds the search for pictures that two patients share.

    Raises UsageError for the store of other slices, and when a patient is in more than one split, unless that is the
    caveat of a paper's own split.
    """
    check_leaks(manifest)
    if store is not None and not (store.rows_of(manifest) >= 0).any():
        raise UsageError("None of the slices is in the store: is it that of another Manifest?")
    rows = Rows.of(manifest)
    general = [by_dataset(manifest, rows), findings_by_dataset(rows)]
    papers = paper_tables(manifest, rows)
    shared = [shared_pictures(manifest, store)] if store else []
    splits = [about_split(manifest), by_split(rows)]
    return [*general, *splits, *papers, doubts(manifest, rows), *shared]


def describe_split(manifest: Manifest) -> list[Table]:
    """What the split does: how it was made, its sizes, and the findings in each part."""
    rows = Rows.of(manifest)
    return [about_split(manifest), by_split(rows), burduja_findings(rows)]


def by_dataset(manifest: Manifest, rows: Rows) -> Table:
    """Patients, scans and slices of each dataset, how many of them are labelled, and the windows of its pictures."""
    files = manifest.table.select(["dataset", "window"]).filter(manifest.table["path"].is_valid())
    windows = files.to_pandas().fillna({"window": "HU"}).drop_duplicates().groupby("dataset")["window"].agg(list)
    body: list[tuple[Cell, ...]] = []
    for name in sorted(pd.unique(rows.dataset)):
        inside = rows.dataset == name
        scan_labelled = inside & (rows.scan_labels != UNKNOWN).any(axis=1)
        body.append((name, rows.patients(inside), rows.scans(inside), rows.slices(inside),
                     rows.slices(inside & (rows.scan < 0)), rows.slices(inside & (rows.patient < 0)),
                     rows.slices(inside & rows.labelled), rows.scans(scan_labelled),
                     _shown(windows.get(name))))  # fmt: skip
    return Table(
        "Datasets",
        ("dataset", "patients", "scans", "slices", "loose slices", "slices without patient", "labelled slices",
         "labelled scans", "windows"),
        body,
        "Datasets can share patients. Loose: of no known scan. HU: no display window; -: no files.",
    )  # fmt: skip


def _shown(windows: list[str] | None) -> str | None:
    """The windows of a dataset; only their number where there are many, None where there are no files."""
    if windows is None or len(windows) <= MOST_WINDOWS:
        return ", ".join(sorted(windows)) if windows else None
    return f"{len(windows)} windows"


def findings_by_dataset(rows: Rows) -> Table:
    """Positive slices, scans and patients of each finding in each dataset, and over all."""
    body: list[tuple[Cell, ...]] = []
    for name in [*sorted(pd.unique(rows.dataset)), "all"]:
        inside = (rows.dataset == name) | (name == "all")
        for finding, label in enumerate(FINDING_NAMES):
            known = inside & ((rows.labels[:, finding] != UNKNOWN) | (rows.scan_labels[:, finding] != UNKNOWN))
            if known.any():
                slices = inside & (rows.labels[:, finding] == 1)
                positive = inside & rows.positive[:, finding]
                body.append((name, label, rows.slices(slices), rows.scans(positive), rows.patients(positive),
                             rows.slices(inside & (rows.labels[:, finding] == 0)), rows.patients(known)))  # fmt: skip
    return Table(
        "Findings by dataset",
        ("dataset", "finding", "positive slices", "positive scans", "positive patients", "negative slices",
         "patients with the label known"),
        body,
        "A scan or patient is positive by its slices or by a label of the scan. Findings of which nothing is known are"
        " left out.",
    )  # fmt: skip


def about_split(manifest: Manifest) -> Table:
    """How the split was made, and what leaks through it."""
    split = manifest.split
    facts: list[tuple[str, Cell]] = [("scheme", split.scheme if split else "not split")]
    if split:
        paper = SCHEMES.get(split.scheme)
        rule = f"{paper.rule} ({paper.source})" if paper else "by patient, stratified over dataset and findings"
        facts += [("rule", rule), ("seed", split.seed), ("caveat", split.caveat or "none")]
    patients = patients_of(manifest)
    of_unknown = pc.and_(patients.is_null(), pc.fill_null(pc.equal(manifest.table["split"], TRAIN), False))
    facts += [("patients in more than one split", len(leaks(manifest, patients))),
              ("scans in more than one split", len(leaks(manifest, scan_names(manifest)))),
              ("training rows of unknown patient", int(pc.sum(of_unknown).as_py() or 0))]  # fmt: skip
    note = "Rows of unknown patient could be of a patient who is tested on: --store looks for shared pictures."
    return Table("Split", ("", "value"), facts, note)


def by_split(rows: Rows) -> Table:
    """The sizes of the splits."""
    body: list[tuple[Cell, ...]] = []
    for name in rows.splits:
        inside = rows.split == name
        body.append((name, rows.patients(inside), rows.scans(inside), rows.slices(inside),
                     rows.slices(inside & rows.labelled), rows.slices(inside & (rows.patient < 0))))  # fmt: skip
    return Table(
        "Sizes of the splits",
        ("split", "patients", "scans", "slices", "labelled slices", "slices without patient"),
        body,
        f"{NO_SPLIT}: in no split; not to be used. test with no labels: a collection's own test set.",
    )


def doubts(manifest: Manifest, rows: Rows) -> Table:
    """What is unknown or cannot be right."""
    denied = ((rows.scan_labels == 0) & (rows.labels == 1)).any(axis=1)
    owners = pd.DataFrame({"scan": rows.scan, "patient": rows.patient}).query("scan >= 0 and patient >= 0")
    several = int((owners.groupby("scan")["patient"].nunique() > 1).sum())
    facts: list[tuple[str, Cell]] = [
        ("slices without patient", rows.slices(rows.patient < 0)),
        ("loose slices: of no known scan", rows.slices(rows.scan < 0)),
        ("slices without any label", rows.slices(~rows.labelled)),
        ("slices with some labels unknown", rows.slices(rows.labelled & (rows.labels == UNKNOWN).any(axis=1))),
        ("contradictions left in slices", int(contradictions(manifest.labels).sum())),
        ("contradictions left in scans", rows.scans(contradictions(manifest.scan_labels))),
        ("negative scans with a positive slice", rows.scans(denied)),
        ("scans of more than one patient", several),
        ("slices in several datasets (each counts)", shared_by_datasets(manifest)),
    ]
    return Table("Unknown and doubtful", ("", "count"), facts)


def shared_pictures(manifest: Manifest, store: SliceStore) -> Table:
    """Pictures that two patients share, or a known and an unknown one, and whether they are in two splits."""
    number = store.rows_of(manifest)
    stored = store.index["hash"].to_pylist()
    hashes = [stored[place] if place >= 0 else None for place in number]
    found = find_duplicates(manifest, hashes, lambda row: store.hu(int(number[row])))
    keys, patients, split = (column.to_pylist() for column in
                             (manifest.keys, patients_of(manifest), manifest.table["split"]))  # fmt: skip
    body = [(keys[one.first], keys[one.second], patients[one.first], patients[one.second], split[one.first],
             split[one.second], one.bits, round(one.correlation, 3), "yes" if one.mirrored else "no")
            for one in found]  # fmt: skip
    compared = sum(value is not None for value in hashes)
    leaking = sum(None not in (split[one.first], split[one.second]) and split[one.first] != split[one.second]
                  for one in found)  # fmt: skip
    return Table(
        "Pictures shared by patients",
        ("slice", "other slice", "patient", "other patient", "split", "other split", "bits", "correlation", "mirrored"),
        body,
        f"{compared:,} of {len(manifest):,} slices were compared; the others show too little brain or are not in the"
        f" store. {len(found):,} pairs were found, {leaking:,} of them in two splits. Slices of one patient are not"
        " compared.",
    )
