"""A slice store, read: HU by slice, batch or scan, from which any window can be cut.

Any number of processes, on any number of machines, may read one store at once. Slices are read by their place in the
file, not mapped: that is faster where the file is not in memory, and a damaged disk gives an error and not a crash.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hemoscope.ct.prepare import Framing, to_channels
from hemoscope.ct.windows import Window, from_grey
from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.slice_store.shard import KINDS, SHARDS, ShardFile
from hemoscope.reasons import UsageError

FORMAT = 1
FACTS = "store.json"  # written last: a folder that has it is a finished store
INDEX = "index.parquet"
PLAN = "plan.json"  # written first
FILES_OPEN = 128  # at once in a process

Indices = Sequence[int] | NDArray[np.integer[Any]]


class SliceStore:
    """The slices of a Manifest as [row, column] of one size, numbered from 0 scan by scan, foot to head.

    shape: (rows, columns) of every slice. framing: what they show, the whole slice or the head. bytes: of all shards.
    A copy that is sent to another process opens the folder anew.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any]) -> None:
        """Use `SliceStore.open`."""
        self.folder = folder
        self.shape = (int(facts["rows"]), int(facts["columns"]))
        self.framing: Framing = facts["framing"]
        self._files = [ShardFile(**one) for one in facts["files"]]
        self._index_sha256 = facts["index_sha256"]
        self.bytes = sum(one.bytes for one in self._files)
        places = pq.read_table(folder / INDEX, columns=["file", "row", "window"])
        self._file = places["file"].to_numpy()
        self._row = places["row"].to_numpy()
        windows = places["window"].combine_chunks().dictionary_encode()
        self._window = pc.fill_null(windows.indices, -1).to_numpy()
        self._tables = [_hu_of_grey(Window.from_text(text)) for text in windows.dictionary.to_pylist()]
        self._is_grey = np.array([one.name.endswith(".grey.npy") for one in self._files], bool)
        self._open_file = lru_cache(FILES_OPEN)(self._opened)

    @classmethod
    def open(cls, folder: Path | str) -> SliceStore:
        """Open a finished store; raises UsageError where there is none."""
        folder = Path(folder)
        try:
            facts = json.loads((folder / FACTS).read_bytes())
            if facts["format"] != FORMAT:
                sentence = (
                    f"{folder} is a slice store of format {facts['format']}; this Hemoscope reads format {FORMAT}."
                )
                raise UsageError(sentence)
            return cls(folder, facts)
        except FileNotFoundError:
            begun = (folder / PLAN).exists()
            advice = "is not finished; start `hemoscope dataset build` again" if begun else "holds no slice store"
            raise UsageError(f"{folder} {advice}.") from None
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            raise UsageError(f"The slice store {folder} is damaged: {str(error).splitlines()[0]}") from error

    def __reduce__(self) -> tuple[Callable[[Path], SliceStore], tuple[Path]]:
        return SliceStore.open, (self.folder,)

    def __len__(self) -> int:
        return len(self._row)

    @cached_property
    def index(self) -> pa.Table:
        """What is known of each slice: docs/slice_store.md lists the columns."""
        return pq.read_table(self.folder / INDEX)

    @cached_property
    def keys(self) -> pa.Array:
        """The keys of the slices, as in the Manifest: `dataset/path#frame`."""
        return pq.read_table(self.folder / INDEX, columns=["key"])["key"].combine_chunks()

    @cached_property
    def scans(self) -> dict[str, range]:
        """The slices of each scan, by the name that `Manifest.scans` gives it."""
        names = pq.read_table(self.folder / INDEX, columns=["scan"])["scan"].combine_chunks().dictionary_encode()
        codes = names.indices.to_numpy()
        starts = np.flatnonzero(np.diff(codes, prepend=-1))
        ends = [*starts[1:].tolist(), len(codes)]
        scans = names.dictionary.to_pylist()
        return {scans[codes[start]]: range(start, end) for start, end in zip(starts.tolist(), ends, strict=True)}

    def rows_of(self, manifest: Manifest) -> NDArray[np.int64]:
        """The number in the store of each row of a Manifest; -1 where the store does not have it."""
        found = pc.fill_null(pc.index_in(manifest.keys, value_set=self.keys), -1)
        return np.asarray(found.to_numpy(zero_copy_only=False), np.int64)

    def hu(self, index: int) -> NDArray[np.int16]:
        """One slice: HU [row, column]; those of a picture are restored through its window."""
        return np.asarray(self.batch([index])[0])

    def scan(self, name: str) -> NDArray[np.int16]:
        """One scan: HU [slice, row, column], foot to head, without slices that could not be read; raises KeyError."""
        return self.batch(np.asarray(self.scans[name]))

    def batch(self, indices: Indices) -> NDArray[np.int16]:
        """Several slices in any order: HU [slice, row, column]; raises IndexError."""
        wanted = np.asarray(indices, np.int64)
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise IndexError(f"the store has slices 0 to {len(self) - 1}, not {wanted.min()} to {wanted.max()}")
        hu = np.empty((len(wanted), *self.shape), np.int16)
        files, rows = self._file[wanted], self._row[wanted]
        # Slices that follow each other in a file, as those of a scan do, are read in one go.
        breaks = np.flatnonzero((np.diff(files) != 0) | (np.diff(rows) != 1)) + 1
        for start, end in zip([0, *breaks.tolist()], [*breaks.tolist(), len(wanted)], strict=True):
            if start < end:
                self._read(int(files[start]), int(rows[start]), hu[start:end], self._window[wanted[start:end]])
        return hu

    def windowed(self, indices: Indices, windows: Sequence[Window]) -> NDArray[np.uint8]:
        """Several slices as training sees them: grey levels [slice, window, row, column], as `to_grey` gives them."""
        hu = self.batch(indices)
        grey = np.empty((len(hu), len(windows), *self.shape), np.uint8)
        for channels, one in zip(grey, hu, strict=True):
            to_channels(one, windows, channels)
        return grey

    def verify(self, on_progress: Callable[[int, int], None]) -> None:
        """Compare the index and every shard with their checksums; raises UsageError that names those that differ."""
        checksums = {INDEX: self._index_sha256} | {f"{SHARDS}/{one.name}": one.sha256 for one in self._files}
        differing = []
        for number, (name, sha256) in enumerate(checksums.items()):
            try:
                with (self.folder / name).open("rb") as stream:
                    same = hashlib.file_digest(stream, "sha256").hexdigest() == sha256
            except OSError:
                same = False
            if not same:
                differing.append(name)
            on_progress(number + 1, len(checksums))
        if differing:
            advice = "delete what is there, and `hemoscope dataset build` writes it again"
            raise UsageError(f"Damaged or missing in {self.folder}: {', '.join(differing)}; {advice}.")

    def _read(self, file: int, row: int, hu: NDArray[np.int16], windows: NDArray[np.integer[Any]]) -> None:
        """Read slices that follow each other in a file into hu [slice, row, column]."""
        stored: NDArray[Any] = np.empty(hu.shape, KINDS["grey"]) if self._is_grey[file] else hu
        advice = "`hemoscope dataset build --verify` names all damaged"
        try:
            stream, begin = self._open_file(file)
            count = os.preadv(stream.fileno(), [stored.data], begin + row * stored[0].nbytes)
        except OSError as error:
            shard = self.folder / SHARDS / self._files[file].name
            raise UsageError(f"The shard {shard} cannot be read: {error.strerror}; {advice}.") from error
        if count != stored.nbytes:
            raise UsageError(f"The shard {stream.name} is cut off; {advice}.")
        if stored is not hu:
            for one, grey, window in zip(hu, stored, windows, strict=True):
                np.take(self._tables[window], grey, out=one)

    def _opened(self, file: int) -> tuple[FileIO, int]:
        """(a shard, open until nobody uses it, the offset of its first slice)."""
        facts = self._files[file]
        kind = KINDS["grey" if self._is_grey[file] else "hu"]
        pixels = facts.slices * self.shape[0] * self.shape[1] * kind.itemsize
        return FileIO(self.folder / SHARDS / facts.name), facts.bytes - pixels


def _hu_of_grey(window: Window) -> NDArray[np.int16]:
    """The HU of each of the 256 grey levels."""
    return from_grey(np.arange(256, dtype=np.uint8), window)
