"""Splits by patient: nobody in two of them, shares met, strata met, the same whatever the order of rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hemoscope.datasets.manifest import UNKNOWN, Manifest, Split
from hemoscope.datasets.merge import merge, unsplit
from hemoscope.datasets.splitting.schemes import split
from hemoscope.datasets.splitting.split import check_leaks, deal, leaks, sizes
from hemoscope.reasons import UsageError


def manifest(patients: list[str | None], labels: list[int], dataset: str = "one", **columns: object) -> Manifest:
    given = {"patient": patients, "any": np.array(labels, np.int8), "sop_instance_uid": range_names(len(labels))}
    return Manifest.from_columns(dataset, Path("/data"), {**given, **columns})


def range_names(count: int) -> list[str]:
    return [f"{number:03}" for number in range(count)]


def by_patient(of: Manifest) -> dict[str | None, set[str | None]]:
    found: dict[str | None, set[str | None]] = {}
    for patient, name in zip(of.table["patient"].to_pylist(), of.table["split"].to_pylist(), strict=True):
        found.setdefault(patient, set()).add(name)
    return found


@given(
    st.integers(2, 300),
    st.lists(st.floats(0.02, 1), min_size=2, max_size=10),
    st.integers(1, 8),
    st.integers(0, 2**32),
)
@settings(max_examples=100, deadline=None)
def test_every_share_is_met_over_all_and_in_each_stratum(
    count: int, weights: list[float], strata: int, seed: int
) -> None:
    shares = {f"s{i}": weight / sum(weights) for i, weight in enumerate(weights)}
    random = np.random.default_rng(seed)
    of_stratum = random.integers(strata, size=count)
    dealt = deal(of_stratum, shares, random)
    assert Counter(dealt) == {name: n for name, n in sizes(count, shares).items() if n}
    for name, share in shares.items():
        assert abs((dealt == name).sum() - share * count) < 1
        for stratum in range(strata):
            inside = of_stratum == stratum
            # caps at the end of the deal may move one more
            assert abs((dealt[inside] == name).sum() - share * inside.sum()) <= 3


def test_sizes_are_rounded_by_largest_remainder() -> None:
    assert sizes(18_938, {"train": 0.9, "validation": 0.05, "test": 0.05}) == {
        "train": 17_044, "validation": 947, "test": 947}  # fmt: skip
    assert sizes(100, {"a": 0.29, "b": 0.71}) == {"a": 29, "b": 71}


def test_a_patient_of_two_datasets_is_in_one_split() -> None:
    one = manifest([f"x:{i % 40}" for i in range(120)], [i % 3 == 0 for i in range(120)])
    two = manifest([f"x:{i % 70}" for i in range(140)], [i % 5 == 0 for i in range(140)], "two")
    done = split(merge([one, two]), "holdout:60/20/20", 3)
    found = by_patient(done)
    assert all(len(names) == 1 for names in found.values())
    assert Counter(name for names in found.values() for name in names) == {"train": 42, "validation": 14, "test": 14}
    assert leaks(done, done.table["patient"]) == []


def test_rare_findings_are_in_every_fold() -> None:
    labels = np.zeros((200, 2), np.int8)
    labels[:10, 0] = labels[:50, 1] = 1  # ten patients with epidural, fifty with any
    done = split(
        manifest([f"x:{i:03}" for i in range(200)], labels[:, 1].tolist(), epidural=labels[:, 0]), "kfold:5", 1
    )
    positives = done.take(np.asarray(done.labels[:, 0] == 1)).table["split"].to_pylist()
    assert Counter(positives) == {f"fold{i}": 2 for i in range(5)}
    assert Counter(done.table["split"].to_pylist()) == {f"fold{i}": 40 for i in range(5)}


def test_seed_and_names_make_the_split_not_the_order_of_rows() -> None:
    patients, labels = [f"x:{i % 30}" for i in range(90)], [int(i % 30 < 9) for i in range(90)]
    first = split(manifest(patients, labels), "kfold:3", 7)
    shuffled = manifest(patients, labels).take(np.random.default_rng(0).permutation(90))
    assert by_patient(split(shuffled, "kfold:3", 7)) == by_patient(first)
    assert by_patient(split(first, "kfold:3", 7)) == by_patient(first)
    assert by_patient(split(first, "kfold:3", 8)) != by_patient(first)


def test_unknown_patients_train_and_unlabelled_ones_are_in_no_split() -> None:
    patients = [None, None, *(f"x:{i}" for i in range(10)), "x:blank"]
    done = split(manifest(patients, [1, UNKNOWN, *[0, 1] * 5, UNKNOWN]), "holdout:50/0/50", 1)
    rows = dict(zip(done.table["sop_instance_uid"].to_pylist(), done.table["split"].to_pylist(), strict=True))
    assert rows["000"] == "train"
    assert rows["001"] is None
    assert rows["012"] is None
    assert Counter(rows[f"{i:03}"] for i in range(2, 12)) == {"train": 5, "test": 5}


def test_an_official_test_set_stays_what_it_is() -> None:
    # x:0 has a slice in the official test set: its labelled slices are tested on, in whatever split
    patients = ["x:0", "x:0", *(f"x:{i}" for i in range(1, 9)), None]
    official = ["test"] + [None] * 9 + ["test"]
    of = manifest(patients, [UNKNOWN, 1, *[0] * 8, UNKNOWN], split=official)
    done = split(of, "kfold:4", 1)
    assert by_patient(done)["x:0"] == {"test"}
    assert by_patient(done)[None] == {"test"}
    assert Counter(done.table["split"].to_pylist()) == {"test": 3, **{f"fold{i}": 2 for i in range(4)}}
    assert unsplit(done).table["split"].to_pylist() == of.table["split"].to_pylist()


def test_a_split_can_be_taken_back_where_only_scans_are_labelled() -> None:
    of = manifest([f"x:{i}" for i in range(10)], [UNKNOWN] * 10, scan_any=[0, 1] * 5)
    done = split(of, "holdout:50/20/30", 1)
    assert Counter(done.table["split"].to_pylist()) == {"train": 5, "validation": 2, "test": 3}
    assert unsplit(done).table.equals(of.table)


def test_a_leak_is_an_error() -> None:
    leaking = manifest(["x:1", "x:1", "x:2"], [0, 1, 0], split=["train", "test", "train"])
    with pytest.raises(UsageError, match=r"more than one split \(1: x:1\)"):
        check_leaks(Manifest(leaking.table, leaking.roots, {}, Split("kfold:5", 1)))


@pytest.mark.parametrize(
    ("scheme", "words"),
    [
        ("kfold:1", "at least 2 folds"),
        ("kfold:9", "labelled patients of the Manifest: 3"),
        ("holdout:80/10/20", "add up to 110 percent"),
        ("stratified", "There is no split stratified"),
    ],
)
def test_a_wrong_scheme_gives_one_sentence(scheme: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        split(manifest(["x:1", "x:2", "x:3"], [0, 1, 0]), scheme, 1)
