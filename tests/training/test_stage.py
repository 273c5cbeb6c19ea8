"""What a stage holds against what it held out."""

from __future__ import annotations

from training_examples import Data

from hemoscope.datasets.manifest import UNKNOWN, Manifest
from hemoscope.datasets.slice_store.store import SliceStore
from hemoscope.training.examples import Examples
from hemoscope.training.stage import _labels_of_whole_scans


def test_a_slice_by_itself_is_no_scan(data: Data) -> None:
    manifest, store = Manifest.read(data.manifest), SliceStore.open(data.store)
    series = manifest.table["series"].to_pylist()
    number = [
        None if name == "077" else place
        for name, place in zip(series, manifest.table["slice"].to_pylist(), strict=True)
    ]
    examples = Examples.of(manifest.with_columns({"slice": number}), store, None, ["any"])
    labels = _labels_of_whole_scans(examples, (2, 1024))
    assert (labels[examples.lengths == 1] == UNKNOWN).all()
    assert labels[examples.lengths > 1][:, 0].tolist() == [1, 0]
    assert (_labels_of_whole_scans(examples, (2, 5)) == UNKNOWN).all()
