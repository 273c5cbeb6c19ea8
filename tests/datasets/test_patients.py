"""One person has one name over all datasets, however they were named."""

from __future__ import annotations

from pathlib import Path

from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.merge import merge
from hemoscope.datasets.patients import patients_of
from hemoscope.datasets.splitting.schemes import split


def manifest(dataset: str, rows: list[tuple[str | None, str | None, str | None]], **columns: object) -> Manifest:
    """rows: (patient, series, sop_instance_uid)."""
    names = dict(zip(("patient", "series", "sop_instance_uid"), zip(*rows, strict=True), strict=True))
    return Manifest.from_columns(dataset, Path("/data"), {**names, "slice": range(len(rows)), **columns})


def by_slice(of: Manifest) -> dict[str, str | None]:
    names = [f"{a}/{b}" for a, b in zip(of.table["dataset"].to_pylist(), of.table["slice"].to_pylist(), strict=True)]
    return dict(zip(names, patients_of(of).to_pylist(), strict=True))


def test_a_slice_is_of_the_patient_of_its_scan() -> None:
    of = manifest("one", [("p:1", "A", "1"), (None, "A", "2"), (None, "B", "3"), (None, None, "4")])
    assert by_slice(of) == {"one/0": "p:1", "one/1": "p:1", "one/2": None, "one/3": None}


def test_one_slice_in_two_datasets_is_of_one_patient() -> None:
    one = manifest("one", [("p:1", "A", "ID_1"), ("p:2", "B", "ID_2"), ("p:3", "C", "ID_3")])
    two = manifest("two", [(None, "x", "ID_1"), (None, "x", "ID_9"), ("a:2", "y", "ID_2"), ("a:2", "z", None)])
    found = by_slice(merge([one, two]))
    assert found == {"one/0": "p:1", "one/1": "a:2", "one/2": "p:3",
                     "two/0": "p:1", "two/1": "p:1", "two/2": "a:2", "two/3": "a:2"}  # fmt: skip


def test_names_are_linked_through_a_chain_of_datasets() -> None:
    links = [
        manifest(f"d{i}", [(f"n{i}:x", f"s{i}", f"ID_{i}"), (f"n{i}:x", f"s{i}", f"ID_{i + 1}")]) for i in range(6)
    ]
    assert set(by_slice(merge(links)).values()) == {"n0:x"}


def test_a_series_that_two_patients_share_in_name_makes_them_not_one() -> None:
    of = manifest("one", [("p:1", "1", "a"), ("p:2", "1", "b"), ("p:3", "1", "c")])
    assert by_slice(of) == {"one/0": "p:1", "one/1": "p:2", "one/2": "p:3"}


def test_names_are_linked_through_slices_of_one_scan() -> None:
    one = manifest("one", [("p:1", "A", "ID_1"), (None, "A", "ID_2")])
    two = manifest("two", [("q:1", "B", "ID_2")])
    assert set(by_slice(merge([one, two])).values()) == {"p:1"}


def test_the_same_slice_under_another_name_is_in_the_same_split() -> None:
    count = 60
    one = manifest("one", [(f"p:{i}", f"s{i}", f"ID_{i}") for i in range(count)], any=[0, 1] * (count // 2))
    two = manifest("two", [(f"q:{i}" if i % 3 else None, f"t{i}", f"ID_{i}") for i in range(count)],
                   any=[0, 1] * (count // 2))  # fmt: skip
    done = split(merge([one, two]), "holdout:50/20/30", 1).table.select(["sop_instance_uid", "split"]).to_pandas()
    assert (done.groupby("sop_instance_uid")["split"].nunique() == 1).all()
    assert done["split"].value_counts().to_dict() == {"train": 60, "test": 36, "validation": 24}
