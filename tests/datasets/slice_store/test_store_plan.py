"""The plan of a store: scans whole and foot to head, and the same plan only for the same slices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.slice_store.plan import plan_store


def some_manifest(**columns: object) -> Manifest:
    """Three scans of 4, 3 and 1 slices, two loose slices, and a scan of which only labels are known."""
    series = ["a"] * 4 + ["b"] * 3 + ["c"] + [None, None] + ["d"]
    given = {
        "path": [*(f"{number}.dcm" for number in range(10)), None],
        "series": series,
        "slice": [0, 1, 2, 3, 0, 1, 2, 0, None, None, None],
    }
    return Manifest.from_columns("set", Path("root"), {**given, **columns})


@pytest.mark.parametrize("seed", range(5))
def test_scans_are_whole_and_foot_to_head_whatever_the_order_of_rows(seed: int) -> None:
    manifest = some_manifest()
    manifest = manifest.take(np.random.default_rng(seed).permutation(len(manifest)))
    plan = plan_store(manifest, 256, "whole", 4)
    rows = manifest.take(plan.rows)
    scans, slices = rows.scans.to_pylist(), rows.table["slice"].to_pylist()
    assert len(plan.rows) == 10 and rows.table["path"].null_count == 0
    for name, count in (("set/a", 4), ("set/b", 3), ("set/c", 1)):
        places = [place for place, scan in enumerate(scans) if scan == name]
        assert places == list(range(places[0], places[0] + count))
        assert [slices[place] for place in places] == list(range(count))
        assert any(start <= places[0] and places[-1] < end for start, end in plan.shards)


def test_shards_follow_each_other_and_are_not_larger_than_asked_for() -> None:
    plan = plan_store(some_manifest(), 256, "whole", 4)
    assert [start for start, _ in plan.shards] == [0, *(end for _, end in plan.shards[:-1])]
    assert plan.shards[-1][1] == 10 and all(end - start <= 4 for start, end in plan.shards)
    (whole, *_) = plan_store(some_manifest(), 256, "whole", 2).shards
    assert whole == (0, 4)  # a scan that is larger is one shard


def test_a_slice_that_two_rows_name_is_planned_once() -> None:
    manifest = some_manifest(path=["0.dcm"] * 2 + [f"{number}.dcm" for number in range(2, 10)] + [None])
    plan = plan_store(manifest, 256, "whole", 4)
    assert len(plan.rows) == 9
    assert manifest.keys.take(plan.repeated).to_pylist() == ["set/0.dcm#0"]


def test_only_what_changes_the_slices_changes_the_plan() -> None:
    digest = plan_store(some_manifest(), 256, "whole", 4).digest
    assert plan_store(some_manifest(), 256, "whole", 4).digest == digest
    assert (
        plan_store(some_manifest(any=[1] * 11, age=[50] * 11, split=["train"] * 11), 256, "whole", 4).digest == digest
    )
    others = [
        plan_store(some_manifest(), 128, "whole", 4),
        plan_store(some_manifest(), None, "whole", 4),
        plan_store(some_manifest(window=["40/80"] + [None] * 10), 256, "whole", 4),
        plan_store(some_manifest(patient_orientation=["LA"] + [None] * 10), 256, "whole", 4),
        plan_store(some_manifest(row_spacing_mm=[0.5] + [None] * 10), 256, "whole", 4),
        plan_store(some_manifest(frame=[2] + [None] * 10), 256, "whole", 4),
        plan_store(some_manifest(series=["a"] * 8 + [None, None] + ["d"]), 256, "whole", 4),
        plan_store(some_manifest().take(np.arange(9)), 256, "whole", 4),
    ]
    assert len({digest, *(plan.digest for plan in others)}) == 9


def test_a_manifest_without_files_gives_an_empty_plan() -> None:
    plan = plan_store(some_manifest(path=[None] * 11), 256, "whole", 4)
    assert len(plan.rows) == 0 and plan.shards == ()
