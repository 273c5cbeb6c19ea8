"""A slice store, built: shard by shard in several processes, going on where an earlier run was stopped."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hemoscope.ct.dicom_file import MAX_ROWS_OR_COLUMNS
from hemoscope.ct.prepare import Framing
from hemoscope.ct.windows import Window
from hemoscope.datasets.collection import OnProgress
from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.parallel import in_processes
from hemoscope.datasets.problems import Found, Problem
from hemoscope.datasets.slice_store.claim import claimed, discard, settle
from hemoscope.datasets.slice_store.plan import Plan, plan_store
from hemoscope.datasets.slice_store.read_slices import slice_sources
from hemoscope.datasets.slice_store.shard import (
    SHARDS,
    Shard,
    ShardTask,
    SliceForm,
    UselessStoreError,
    read_shard,
    write_shard,
    write_whole,
)
from hemoscope.datasets.slice_store.store import FACTS, FORMAT, INDEX
from hemoscope.reasons import UsageError

SHARD_BYTES = 64 << 20  # of HU: what a process holds in memory, and the most work that a kill costs it
NATIVE_SIDE = 512  # pixels, of most CT: how many slices of native size a shard has
SMALLEST_SIDE = 16  # pixels: less shows no head

INDEX_SCHEMA = pa.schema([
    ("key", pa.string()), ("scan", pa.string()), ("kind", pa.string()), ("file", pa.int32()), ("row", pa.int32()),
    ("window", pa.string()), ("hu_low", pa.float32()), ("hu_high", pa.float32()),
    ("row_spacing_mm", pa.float32()), ("column_spacing_mm", pa.float32()),
    ("native_rows", pa.int32()), ("native_columns", pa.int32()),
    ("crop_top", pa.int32()), ("crop_left", pa.int32()), ("crop_height", pa.int32()), ("crop_width", pa.int32()),
    ("hash", pa.binary(32)),
])  # fmt: skip


def build_store(
    manifest: Manifest,
    folder: Path,
    size: int | None,
    jobs: int,
    on_progress: OnProgress,
    framing: Framing = "whole",
) -> list[Found]:
    """Write the slices of a Manifest to a store of [size, size] HU, None keeps their own size; returns what was wrong.

    A build that was stopped at any point, even killed, goes on where it was. Slices that cannot be read are left out.
    framing: the whole slice, or cut to the head, in which its scale is about the same in children and adults. jobs:
    processes; the calling script needs `if __name__ == "__main__"` where there are several. on_progress: called
    with (slices done, slices in all). Raises UsageError when the folder is something else, in use or not writable, when
    the root of a dataset is not there, and when no slice can be read.
    """
    if size is not None and not SMALLEST_SIDE <= size <= MAX_ROWS_OR_COLUMNS:
        limits = f"{SMALLEST_SIDE} to {MAX_ROWS_OR_COLUMNS}"
        raise UsageError(f"The slices of a store have {limits} rows and columns, not {size}.")
    plan = plan_store(manifest, size, framing, SHARD_BYTES // (2 * (size or NATIVE_SIDE) ** 2))
    _check_roots(manifest, plan)
    try:
        with claimed(folder):
            finished = (folder / FACTS).exists()
            try:
                form = settle(manifest, plan, folder, size, framing)
                shards = _build_shards(manifest, plan, folder, form, jobs, on_progress)
                _check_any_slice(manifest, plan, shards)
            except UselessStoreError:
                if not finished:
                    discard(folder)
                raise
            _finish(manifest, plan, folder, form, shards)
    except OSError as error:
        sentence = f"The slice store {folder} cannot be written: {error.strerror}."
        raise UsageError(f"{sentence} What is finished is kept; start again when it can.") from error
    return _found(manifest, plan, shards)


def _check_roots(manifest: Manifest, plan: Plan) -> None:
    """Raise UsageError where the data are away: every slice would be missing."""
    if not len(plan.rows):
        raise UsageError("The Manifest names no file of a slice: there is nothing to store.")
    for dataset in pc.unique(manifest.table["dataset"].take(pa.array(plan.rows))).to_pylist():
        root = manifest.roots[dataset]
        if not os.path.isdir(root):  # unlike Path.is_dir, this raises nothing where a folder above is closed to us
            sentence = f"The folder {root}, in which the Manifest says the dataset {dataset} is, is not there."
            advice = "Put it back, or import the dataset again with its new --root"
            raise UsageError(f"{sentence} {advice}: a store that was begun goes on.")


def _check_any_slice(manifest: Manifest, plan: Plan, shards: list[Shard]) -> None:
    """Raise UsageError where nothing could be read: an empty store would be taken for a good one."""
    if not any(shard.slices for shard in shards):
        first = shards[0].failures[0].sentence
        raise UselessStoreError(
            f"None of the {len(plan.rows):,} slices of the Manifest can be read. The first: {first}"
        )


def _build_shards(
    manifest: Manifest, plan: Plan, folder: Path, form: SliceForm, jobs: int, on_progress: OnProgress
) -> list[Shard]:
    """Write the shards that are not there yet; returns all, in order."""
    there = [read_shard(folder, number, plan.digest) for number in range(len(plan.shards))]
    shards = {shard.number: shard for shard in there if shard is not None and _is_final(manifest, plan, shard)}
    (folder / SHARDS).mkdir(exist_ok=True)
    if len(shards) < len(there):
        (folder / FACTS).unlink(missing_ok=True)  # the store is not a finished one until they are written
    tasks = (
        ShardTask(folder, number, plan.digest, slice_sources(manifest.take(plan.rows[start:end])), form)
        for number, (start, end) in enumerate(plan.shards)
        if number not in shards
    )
    done = sum(plan.shards[number][1] - plan.shards[number][0] for number in shards)
    on_progress(done, len(plan.rows))
    for shard in in_processes(write_shard, tasks, jobs):
        shards[shard.number] = shard
        done += plan.shards[shard.number][1] - plan.shards[shard.number][0]
        on_progress(done, len(plan.rows))
    return [shards[number] for number in sorted(shards)]


def _is_final(manifest: Manifest, plan: Plan, shard: Shard) -> bool:
    """Whether no slice of a shard could be read now that could not be read before: its file is there (again)."""
    start = plan.shards[shard.number][0]
    planned = [start + one.place for one in shard.failures if one.may_pass]
    if not planned:
        return True  # most shards; there may be thousands
    return not any(os.path.exists(source.path) for source in slice_sources(manifest.take(plan.rows[planned])))


def _finish(manifest: Manifest, plan: Plan, folder: Path, form: SliceForm, shards: list[Shard]) -> None:
    """Write the index, then the facts that make the store a finished one."""
    files = [one for shard in shards for one in shard.files.values()]
    table = _index(manifest, plan, shards)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    index = memoryview(sink.getvalue())
    write_whole(folder / INDEX, index)
    facts = {
        "format": FORMAT,
        "plan": plan.digest,
        "rows": form.shape[0],
        "columns": form.shape[1],
        "framing": form.framing,
        "slices": len(table),
        "index_sha256": hashlib.sha256(index).hexdigest(),
        "files": [asdict(one) for one in files],
    }
    write_whole(folder / FACTS, json.dumps(facts, indent=1).encode())


def _index(manifest: Manifest, plan: Plan, shards: list[Shard]) -> pa.Table:
    """One row a slice that could be read, in the order of the plan."""
    slices = [one for shard in shards for one in shard.slices]
    planned = [plan.shards[shard.number][0] + one.place for shard in shards for one in shard.slices]
    numbers = {(shard.number, kind): 0 for shard in shards for kind in shard.files}
    numbers = {file: number for number, file in enumerate(numbers)}
    chosen = manifest.take(plan.rows[np.array(planned, np.int64)])
    windows = {text: Window.from_text(text) for text in {one.window for one in slices} if text is not None}
    lows = [windows[one.window].low if one.window else None for one in slices]
    highs = [windows[one.window].high if one.window else None for one in slices]
    columns = {
        "key": chosen.keys,
        "scan": chosen.scans,
        "file": [numbers[shard.number, one.kind] for shard in shards for one in shard.slices],
        "hu_low": pc.coalesce(chosen.table["hu_low"], pa.array(lows, pa.float32())),
        "hu_high": pc.coalesce(chosen.table["hu_high"], pa.array(highs, pa.float32())),
        "hash": [bytes.fromhex(one.hash) if one.hash else None for one in slices],
    }
    own = [name for name in INDEX_SCHEMA.names if name not in columns]
    columns |= {name: [getattr(one, name) for one in slices] for name in own}
    return pa.table({name: columns[name] for name in INDEX_SCHEMA.names}, schema=INDEX_SCHEMA).combine_chunks()


def _found(manifest: Manifest, plan: Plan, shards: list[Shard]) -> list[Found]:
    """What was wrong: repeated rows, then the slices that could not be read."""
    keys = manifest.keys
    found = [
        Found(Problem.DUPLICATE_ROW, keys[row].as_py(), "Another row of the Manifest names the same slice.")
        for row in plan.repeated.tolist()
    ]
    for shard in shards:
        start = plan.shards[shard.number][0]
        for one in shard.failures:
            found.append(Found(Problem[one.problem], keys[int(plan.rows[start + one.place])].as_py(), one.sentence))
    return found
