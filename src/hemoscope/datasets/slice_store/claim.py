"""The folder of a slice store while it is built: one builder at a time, and what the store will hold settled first."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from hemoscope.ct.pixels import Decoder
from hemoscope.ct.prepare import Framing
from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.slice_store.plan import Plan
from hemoscope.datasets.slice_store.read_slices import SlicePixels, read_slices, slice_sources
from hemoscope.datasets.slice_store.shard import SHARDS, SliceForm, write_whole
from hemoscope.datasets.slice_store.store import FACTS, FORMAT, INDEX, PLAN
from hemoscope.reasons import UsageError

LOCK = ".lock"


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Keep others from building in the same folder; a process that dies gives it free.

    Raises UsageError when it is a file, is something else or is in use, and OSError when it cannot be written.
    """
    if folder.is_file():
        raise UsageError(f"{folder} is a file; give a folder.")
    folder.mkdir(parents=True, exist_ok=True)
    # A build that is killed before it has written its plan leaves no more than these.
    strange = [entry for entry in folder.iterdir() if not entry.name.startswith((LOCK, f".{PLAN}."))]
    if strange and not (folder / PLAN).exists():
        raise UsageError(f"{folder} is not empty and holds no slice store; give a new folder.")
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"Another process is building the slice store {folder}.") from None
        yield


def settle(manifest: Manifest, plan: Plan, folder: Path, size: int | None, framing: Framing) -> SliceForm:
    """Write down what the folder will hold, or raise UsageError where an earlier build settled something else."""
    for unfinished in (*folder.glob(".*.json.*"), *folder.glob(".*.parquet.*"), *(folder / SHARDS).glob(".*")):
        unfinished.unlink()
    try:
        begun = json.loads((folder / PLAN).read_bytes())
        if (begun["format"], begun["plan"]) != (FORMAT, plan.digest):
            kept = f"{begun['size']}, {begun['framing']}"
            sentence = f"{folder} is the slice store of another Manifest, or of another size or framing ({kept})"
            raise UsageError(f"{sentence}; give a new folder, or delete it.")
        return SliceForm(size, (int(begun["rows"]), int(begun["columns"])), framing, begun.get("first"))
    except FileNotFoundError:
        form = SliceForm(size, (size, size), framing) if size else _native_form(manifest, plan)
    facts = {"format": FORMAT, "plan": plan.digest, "size": size or "native", "framing": framing,
             "rows": form.shape[0], "columns": form.shape[1]}  # fmt: skip
    facts |= {"first": form.first} if form.first else {}
    write_whole(folder / PLAN, json.dumps(facts, indent=2).encode())
    return form


def discard(folder: Path) -> None:
    """Leave nothing that would keep the folder from another Manifest or size."""
    if (folder / SHARDS).exists():
        shutil.rmtree(folder / SHARDS)
    for name in (FACTS, INDEX, PLAN):  # the plan last: without it, what is left would be taken for something else
        (folder / name).unlink(missing_ok=True)


def _native_form(manifest: Manifest, plan: Plan) -> SliceForm:
    """The form of the first slice that can be read."""
    why = ""
    with Decoder(jobs=1) as decoder:
        for row in plan.rows:
            (source,) = slice_sources(manifest.take(np.array([row])))
            ((_, read),) = read_slices([source], decoder)
            if isinstance(read, SlicePixels):
                rows, columns = read.pixels.shape
                return SliceForm(None, (rows, columns), first=source.name)
            why = why or read.sentence
    raise UsageError(f"None of the {len(plan.rows):,} slices of the Manifest can be read. The first: {why}")
