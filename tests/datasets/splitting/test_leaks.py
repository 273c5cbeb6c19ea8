"""Nobody is in two splits: people made up with all that collections leave out or name differently."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hemoscope.datasets.manifest import UNKNOWN, Manifest
from hemoscope.datasets.merge import merge
from hemoscope.datasets.splitting.schemes import split
from hemoscope.reasons import UsageError

SCHEMES = ("kfold:2", "holdout:50/20/30", "efficientclass2021", "ye2019")


class Slice(NamedTuple):
    """A slice as one dataset has it: of which person and scan it is, and what the dataset says of that."""

    dataset: str
    person: int
    scan: int
    number: int
    names_patient: bool
    names_scan: bool
    names_slice: bool
    label: int  # UNKNOWN in a collection's own test set
    official_test: bool


slices = st.builds(
    Slice,
    st.sampled_from("ab"),
    st.integers(0, 5),
    st.integers(0, 1),
    st.integers(0, 2),
    *[st.sampled_from([True, True, False])] * 3,
    st.sampled_from([0, 1, UNKNOWN]),
    st.sampled_from([False, False, False, True]),
)


def key(one: Slice) -> str:
    return f"{one.person}.{one.scan}.{one.number}"


def links(one: Slice) -> list[tuple[str, ...]]:
    """All that tells whose the slice is."""
    told: list[tuple[str, ...]] = []
    if one.names_patient:
        told.append(("patient", one.dataset, str(one.person)))
    if one.names_scan:
        told.append(("scan", one.dataset, f"{one.person}.{one.scan}"))
    if one.names_slice:
        told.append(("slice", key(one)))
    return told


def people(rows: list[Slice]) -> list[set[int]]:
    """Rows that are linked, by hand: sets of rows are joined until none share a name."""
    groups = [({row}, set(links(one))) for row, one in enumerate(rows)]
    merged = True
    while merged:
        merged = False
        for first in range(len(groups)):
            for second in range(len(groups) - 1, first, -1):
                if groups[first][1] & groups[second][1]:
                    groups[first] = (groups[first][0] | groups[second][0], groups[first][1] | groups[second][1])
                    del groups[second]
                    merged = True
    return [group for group, _ in groups]


def manifest(rows: Iterable[tuple[int, Slice]]) -> Manifest:
    """Of one dataset. `study` carries the number of the row."""
    rows = list(rows)
    official = [one.official_test and one.label == UNKNOWN for _, one in rows]
    columns: dict[str, Any] = {
        "study": [str(row) for row, _ in rows],
        "patient": [f"{one.dataset}:{one.person}" if one.names_patient else None for _, one in rows],
        "series": [f"{one.person}.{one.scan}" if one.names_scan else None for _, one in rows],
        "sop_instance_uid": [key(one) if one.names_slice else None for _, one in rows],
        "path": [f"{one.dataset}{row:03}" for row, one in rows],
        "any": np.array([one.label for _, one in rows], np.int8),
        "split": ["test" if test else None for test in official],
    }
    return Manifest.from_columns(rows[0][1].dataset, Path("/data"), columns)


def of_each(done: Manifest) -> dict[str, str | None]:
    return dict(zip(done.table["study"].to_pylist(), done.table["split"].to_pylist(), strict=True))


@given(st.lists(slices, min_size=8, max_size=40), st.sampled_from(SCHEMES), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_rows_that_can_be_told_to_be_of_one_person_are_in_one_split(rows: list[Slice], scheme: str, seed: int) -> None:
    numbered = list(enumerate(rows))
    parts = [manifest(part) for name in "ab" if (part := [(row, one) for row, one in numbered if one.dataset == name])]
    try:
        done = of_each(split(merge(parts), scheme, seed))
    except UsageError as error:
        assert "a labelled patient for each" in str(error)  # fewer than two people: nothing to fold
        return
    for group in people(rows):
        of_group = {done[str(row)] for row in group} - {None}
        assert len(of_group) <= 1
        named = any(rows[row].names_patient for row in group)
        labelled = any(rows[row].label != UNKNOWN for row in group)
        tested = any(rows[row].official_test and rows[row].label == UNKNOWN for row in group)
        assert bool(of_group) == (labelled or tested)
        assert tested == (of_group == {"test"}) or (named and not tested)
        assert named or tested or of_group <= {"train"}
    # neither the order of rows nor that of merging matters
    turned = merge(parts[::-1])
    shuffled = turned.take(np.random.default_rng(seed).permutation(len(turned)))
    assert of_each(split(shuffled, scheme, seed)) == done


@pytest.mark.parametrize("scheme", ["wong2019", "burduja2020", "patel2019"])
def test_papers_splits_do_not_depend_on_the_order_of_rows_either(scheme: str) -> None:
    rows = [Slice("ab"[i % 2], i // 10, i % 2, i, True, True, i % 3 > 0, int(i % 7 < 3), False) for i in range(200)]
    parts = [manifest([(row, one) for row, one in enumerate(rows) if one.dataset == name]) for name in "ab"]
    parts = [part.with_columns({"scan_any": [int(i % 3 > 0) for i in range(len(part))]}) for part in parts]
    first, turned = merge(parts), merge(parts[::-1])
    shuffled = turned.take(np.random.default_rng(1).permutation(len(turned)))
    assert of_each(split(shuffled, scheme, 7)) == of_each(split(first, scheme, 7))
    assert of_each(split(first, scheme, 8)) != of_each(split(first, scheme, 7))


def test_a_slice_of_unknown_patient_that_a_challenge_tests_on_is_not_trained_on() -> None:
    tested = {"sop_instance_uid": ["ID_1", "ID_2"], "series": ["A", "A"], "split": ["test", "test"]}
    challenge = Manifest.from_columns("rsna", Path("/data"), tested)
    copies = Manifest.from_columns("copies", Path("/data"), {"sop_instance_uid": ["ID_1", "ID_9"], "any": [1, 1]})
    rest = Manifest.from_columns("rest", Path("/data"), {"patient": list("abcd"), "any": [0, 1, 0, 1]})
    done = split(merge([challenge, copies, rest]), "kfold:2", 1)
    assert done.table["split"].to_pylist()[:4] == ["test", "test", "test", "train"]


def test_a_scan_of_two_patients_cannot_be_split() -> None:
    of = Manifest.from_columns(
        "one", Path("/data"), {"patient": list("abcd"), "series": ["1"] * 4, "any": [0, 1, 0, 1]}
    )
    with pytest.raises(UsageError, match=r"Scans are in more than one split \(1: one/1\); they have slices of several"):
        split(of, "kfold:2", 1)
