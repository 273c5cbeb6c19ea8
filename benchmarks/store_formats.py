"""Claim: plain .npy shards are the fastest way to keep slices for training, and their size is worth it.

Slices of 256 x 256 int16 HU in each format that was weighed. `python benchmarks/store_formats.py [FOLDER ...]` takes
the DICOM slices of these folders; without any, those in examples/.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pyarrow as pa
import zarr
from made_series import EXAMPLE
from measure import forget, in_turn, report
from numpy.typing import NDArray

from hemoscope.ct.pixels import Decoder
from hemoscope.ct.prepare import fit_square
from hemoscope.datasets.slice_store.read_slices import SlicePixels, SliceSource, read_slices

SIZE, COUNT, SHARD, SCAN = 256, 2048, 512, 32
SLICE_BYTES = 2 * SIZE * SIZE
READ = 512  # slices a measurement
REPEATS = 5
LIMIT_SECONDS = 0.1  # for READ slices in random order, warm: 20 times as fast as 4 ms a slice

Slices = NDArray[np.int16]


class Format(ABC):
    """One way to keep slices: written once, opened, read slice by slice into memory of the reader."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def write(self, slices: Slices) -> None:
        """Write all slices, int16 [slice, row, column]."""

    @abstractmethod
    def open(self) -> Callable[[int, NDArray[np.int16]], object]:
        """Open for reading: a function that puts slice number i into an array."""


class NpyMemmap(Format):
    """One .npy file a shard, mapped into memory."""

    def write(self, slices: Slices) -> None:
        """SHARD slices a file."""
        for number, start in enumerate(range(0, len(slices), SHARD)):
            np.save(self.folder / f"{number}.npy", slices[start : start + SHARD])

    def open(self) -> Callable[[int, NDArray[np.int16]], object]:
        """Map the files."""
        shards = [np.load(self.folder / f"{number}.npy", mmap_mode="r") for number in range(COUNT // SHARD)]

        def read(index: int, into: NDArray[np.int16]) -> None:
            into[:] = shards[index // SHARD][index % SHARD]

        return read


class NpyRead(NpyMemmap):
    """The same files, each slice read by one call of the operating system."""

    def open(self) -> Callable[[int, NDArray[np.int16]], object]:
        """Open the files, and read at the place of a slice."""
        paths = [self.folder / f"{number}.npy" for number in range(COUNT // SHARD)]
        begin = np.load(paths[0], mmap_mode="r").offset
        shards = [os.open(path, os.O_RDONLY) for path in paths]

        def read(index: int, into: NDArray[np.int16]) -> None:
            os.preadv(shards[index // SHARD], [into], begin + index % SHARD * SLICE_BYTES)

        return read


class Compressed(Format):
    """One file, each slice compressed by itself."""

    def __init__(self, folder: Path, codec: str) -> None:
        super().__init__(folder)
        self.codec = codec

    def write(self, slices: Slices) -> None:
        """Compress, and keep where each slice ends."""
        codec = pa.Codec(self.codec)
        packed = [codec.compress(one.tobytes(), asbytes=True) for one in slices]
        np.save(self.folder / "ends.npy", np.cumsum([0, *map(len, packed)]))
        (self.folder / "data").write_bytes(b"".join(packed))

    def open(self) -> Callable[[int, NDArray[np.int16]], object]:
        """Read and decompress."""
        codec, ends = pa.Codec(self.codec), np.load(self.folder / "ends.npy")
        data = os.open(self.folder / "data", os.O_RDONLY)

        def read(index: int, into: NDArray[np.int16]) -> None:
            packed = os.pread(data, int(ends[index + 1] - ends[index]), int(ends[index]))
            into[:] = np.frombuffer(codec.decompress(packed, SLICE_BYTES), np.int16).reshape(into.shape)

        return read


class Zarr(Format):
    """Zarr 3 with sharding, one inner chunk a slice."""

    def __init__(self, folder: Path, compressor: Any) -> None:
        super().__init__(folder)
        self.compressor = compressor

    def write(self, slices: Slices) -> None:
        """SHARD slices a file, each compressed by itself."""
        array = zarr.create_array(
            self.folder / "zarr", shape=slices.shape, dtype="int16", chunks=(1, SIZE, SIZE), shards=(SHARD, SIZE, SIZE),
            compressors=self.compressor,
        )  # fmt: skip
        array[:] = slices

    def open(self) -> Callable[[int, NDArray[np.int16]], object]:
        """Let Zarr find, read and decompress."""
        array = zarr.open_array(self.folder / "zarr", mode="r")

        def read(index: int, into: NDArray[np.int16]) -> None:
            into[:] = array[index]

        return read


class Lmdb(Format):
    """LMDB, one value a slice."""

    def write(self, slices: Slices) -> None:
        """The key is the number of the slice."""
        with lmdb.open(str(self.folder / "lmdb"), map_size=4 << 30) as base, base.begin(write=True) as transaction:
            for index, one in enumerate(slices):
                transaction.put(b"%08d" % index, one.tobytes())

    def open(self) -> Callable[[int, NDArray[np.int16]], object]:
        """Copy out of the mapped base."""
        base = lmdb.open(str(self.folder / "lmdb"), readonly=True, lock=False)
        transaction = base.begin(buffers=True)

        def read(index: int, into: NDArray[np.int16]) -> None:
            into[:] = np.frombuffer(transaction.get(b"%08d" % index), np.int16).reshape(into.shape)

        return read


class Arrow(Format):
    """Arrow IPC file, one record batch a slice."""

    def __init__(self, folder: Path, codec: str | None) -> None:
        super().__init__(folder)
        self.codec = codec

    def write(self, slices: Slices) -> None:
        """The pixels are one column."""
        schema = pa.schema([("hu", pa.int16())])
        options = pa.ipc.IpcWriteOptions(compression=self.codec)
        with pa.ipc.new_file(str(self.folder / "slices.arrow"), schema, options=options) as file:
            for one in slices:
                file.write_batch(pa.record_batch([pa.array(one.ravel())], schema))

    def open(self) -> Callable[[int, NDArray[np.int16]], object]:
        """Copy out of the mapped file, or decompress."""
        file = pa.ipc.open_file(pa.memory_map(str(self.folder / "slices.arrow")))

        def read(index: int, into: NDArray[np.int16]) -> None:
            into[:] = file.get_batch(index).column(0).to_numpy().reshape(into.shape)

        return read


FORMATS: dict[str, Callable[[Path], Format]] = {
    "npy, read": NpyRead,
    "npy, memmap": NpyMemmap,
    "LMDB": Lmdb,
    "Arrow IPC": partial(Arrow, codec=None),
    "Arrow IPC lz4": partial(Arrow, codec="lz4"),
    "Arrow IPC zstd": partial(Arrow, codec="zstd"),
    "zstd a slice": partial(Compressed, codec="zstd"),
    "Zarr 3 zstd": partial(Zarr, compressor=zarr.codecs.ZstdCodec(level=1)),
    "Zarr 3 blosc lz4": partial(Zarr, compressor=zarr.codecs.BloscCodec(cname="lz4", shuffle="bitshuffle")),
}


def real_slices(folders: list[Path]) -> Slices:
    """COUNT slices at SIZE: those of the folders, repeated; no format compresses over more than one slice."""
    paths = [path for folder in folders for path in sorted(folder.rglob("*.dcm"))]
    with Decoder(jobs=1) as decoder:
        reads = [read for _, read in read_slices([SliceSource(path, path.name) for path in paths], decoder)]
    squares = [fit_square(one.pixels, one.spacing_mm, SIZE)[0] for one in reads if isinstance(one, SlicePixels)]
    print(f"{len(squares)} different slices")
    return np.stack([squares[index % len(squares)] for index in range(COUNT)]).astype(np.int16)


def read_many(make: Callable[[Path], Format], folder: Path, indices: list[int], cold: bool = False) -> None:
    """Open and read slices; cold: after the system was asked to forget the files."""
    if cold:
        forget(folder)
    read = make(folder).open()
    into = np.empty((SIZE, SIZE), np.int16)
    for index in indices:
        read(index, into)


def main() -> None:
    """Write every format, then measure."""
    slices = real_slices([Path(folder) for folder in sys.argv[1:]] or [EXAMPLE])
    random = np.random.default_rng(7)
    scattered = random.integers(0, COUNT, READ).tolist()
    starts = random.choice(COUNT // SCAN, READ // SCAN, replace=False) * SCAN
    scans = [int(index) for start in starts for index in range(start, start + SCAN)]
    figures: dict[str, float] = {}
    # beside this file, as temporary folders may lie in memory
    with (
        tempfile.TemporaryDirectory(dir=Path(__file__).parent) as work,
        ProcessPoolExecutor(2, get_context("spawn")) as two,
    ):
        sides: dict[str, Callable[[], object]] = {}
        cold: dict[str, Callable[[], object]] = {}
        for name, make in FORMATS.items():
            folder = Path(work) / name.replace(" ", "_")
            folder.mkdir()
            start = time.perf_counter()
            make(folder).write(slices)
            os.sync()
            figures[f"{name}: slices written a second"] = COUNT / (time.perf_counter() - start)
            figures[f"{name}: bytes a slice"] = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / COUNT
            sides[f"{name}: random"] = partial(read_many, make, folder, scattered)
            cold[f"{name}: random, cold"] = partial(read_many, make, folder, scattered, cold=True)
            sides[f"{name}: whole scans"] = partial(read_many, make, folder, scans)
            sides[f"{name}: all in order"] = partial(read_many, make, folder, list(range(READ)))
            sides[f"{name}: random, two processes, twice as many"] = partial(in_two, two, make, folder, scattered)
        # apart, as they leave the files half forgotten
        seconds = in_turn(sides, REPEATS) | in_turn(cold, REPEATS)
    report(f"store formats: {READ} slices of {SIZE} x {SIZE} int16", seconds, LIMIT_SECONDS, **figures)


def in_two(two: ProcessPoolExecutor, make: Callable[[Path], Format], folder: Path, indices: list[int]) -> None:
    """Two processes read the slices, in opposite order."""
    jobs = [two.submit(read_many, make, folder, order) for order in (indices, indices[::-1])]
    for job in jobs:
        job.result()


if __name__ == "__main__":
    main()
