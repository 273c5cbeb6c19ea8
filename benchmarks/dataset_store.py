"""Claim: a training batch comes from a slice store at least 20 times as fast as from DICOM the published way.

Batches of 32 slices of 256 x 256 in three windows, in random order. The published way, as in the code of Wong 2019 and
of the winners of RSNA 2019: pydicom and cv2 for each item, in a PyTorch DataLoader.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from made_series import EXAMPLE
from measure import forget, in_turn, report
from published_way import PublishedItems

from hemoscope.ct.prepare import NetworkInput
from hemoscope.ct.windows import BRAIN, SOFT_TISSUE, SUBDURAL
from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.slice_store.build import build_store
from hemoscope.datasets.slice_store.store import SliceStore

SLICES, SIZE, BATCH, BATCHES = 1120, 256, 32, 16
WINDOWS = (BRAIN, SUBDURAL, SOFT_TISSUE)
REPEATS = 5
LEAST_RATIO = 20
WITHOUT_TORCH, IN_ONE_PROCESS = "pydicom and cv2, item by item", "pydicom and cv2 in a DataLoader, no workers"
SHARE = "share of the time of the published way, both in one process"
RSNA_SLICES = 874_035  # of both stages, training and test


def made_store(work: Path) -> tuple[SliceStore, list[Path]]:
    """A store of real slices, repeated under different names, and their files in the order of the store."""
    originals = sorted(EXAMPLE.glob("*.dcm"))
    paths = [work / f"{number:05d}.dcm" for number in range(SLICES)]
    for number, path in enumerate(paths):
        path.symlink_to(originals[number % len(originals)])
    manifest = Manifest.from_columns("measured", work, {"path": [path.name for path in paths]})
    build_store(manifest, work / "store", SIZE, 1, lambda done, total: None)
    store = SliceStore.open(work / "store")
    return store, [work / key.removeprefix("measured/").removesuffix("#0") for key in store.keys.to_pylist()]


def batches() -> Iterator[list[int]]:
    """The slices of each batch, all different."""
    order = np.random.default_rng(7).permutation(SLICES)[: BATCH * BATCHES]
    yield from order.reshape(BATCHES, BATCH).tolist()


def from_store(store: SliceStore) -> None:
    """Uint8 [slice, window, row, column], batch by batch; turning them into floats is for the GPU."""
    for indices in batches():
        store.windowed(indices, WINDOWS)


def from_cold_store(store: SliceStore) -> None:
    """The same from the disk, after the system was asked to forget the files."""
    forget(store.folder)
    from_store(SliceStore.open(store.folder))


def copied(store: SliceStore) -> None:
    """The stored bytes of the same slices copied out of the mapped file: the limit that the memory sets."""
    shards = [np.load(path, mmap_mode="r") for path in sorted((store.folder / "shards").glob("*.npy"))]
    for indices in batches():
        for index in indices:
            np.array(shards[index // len(shards[0])][index % len(shards[0])])


def item_by_item(items: PublishedItems) -> None:
    """The published way without PyTorch."""
    for indices in batches():
        np.stack([items[index] for index in indices])


def torch_sides(items: PublishedItems) -> dict[str, Callable[[], object]]:
    """The published way in a DataLoader; nothing without PyTorch."""
    try:
        from torch.utils.data import DataLoader
    except ImportError as error:
        print(f"The sides in a PyTorch DataLoader are left out ({error}): they need `pip install hemoscope[train]`.")
        return {}

    def load(workers: int) -> Callable[[], object]:
        # the workers live on, as they do between the epochs of a training
        loader: Any = DataLoader(
            items, batch_sampler=list(batches()), num_workers=workers, persistent_workers=workers > 0
        )
        return lambda: [None for _ in loader]

    return {IN_ONE_PROCESS: load(0), "pydicom and cv2 in a DataLoader, 2 workers": load(2)}


def main() -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:
        store, paths = made_store(Path(folder))
        items = PublishedItems([[path] for path in paths], NetworkInput(SIZE, WINDOWS))
        sides: dict[str, Callable[[], object]] = {
            "slice store": lambda: from_store(store),
            "slice store, not in memory": lambda: from_cold_store(store),
            "the stored bytes copied": lambda: copied(store),
            WITHOUT_TORCH: lambda: item_by_item(items),
            **torch_sides(items),
        }
        seconds = in_turn(sides, REPEATS)
        medians = {name: statistics.median(values) for name, values in seconds.items()}
        published = medians.get(IN_ONE_PROCESS, medians[WITHOUT_TORCH])
        count = BATCH * BATCHES
        figures = {
            "slices a second from the store": count / medians["slice store"],
            "slices a second the published way, in one process": count / published,
            SHARE: medians["slice store"] / published,
            "bytes a slice": store.bytes / len(store),
            "computed, not measured: GB of a store of all of RSNA": RSNA_SLICES * store.bytes / len(store) / 1e9,
            "computed, not measured: minutes to read all of RSNA": RSNA_SLICES / count * medians["slice store"] / 60,
        }
    limits = {SHARE: 1 / LEAST_RATIO}
    claim = f"dataset store: {BATCHES} batches of {BATCH} slices in three windows"
    report(claim, seconds, published / LEAST_RATIO, limits, **figures)


if __name__ == "__main__":
    main()
