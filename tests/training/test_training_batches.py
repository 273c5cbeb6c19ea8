"""What a stage sees: the right slices, labels and pictures, and the same as detection."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from training_examples import Data

from hemoscope.ct.prepare import NetworkInput
from hemoscope.datasets.manifest import UNKNOWN, Manifest
from hemoscope.datasets.slice_store.store import SliceStore
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError
from hemoscope.training.answers import Answers
from hemoscope.training.batches import Scans, Slices, as_detection_sees, filtered_labels
from hemoscope.training.bundle import network_input
from hemoscope.training.examples import Examples, check_labels
from hemoscope.training.predict import drop_parts, tables
from hemoscope.training.recipe import Input


@pytest.fixture(scope="module")
def opened(data: Data) -> tuple[Manifest, SliceStore]:
    return Manifest.read(data.manifest), SliceStore.open(data.store)


def test_examples_have_the_labels_of_their_slices(opened: tuple[Manifest, SliceStore]) -> None:
    manifest, store = opened
    examples = Examples.of(manifest, store, ["train"], FINDING_NAMES)
    assert set(manifest.take(examples.rows).table["series"].to_pylist()) == {"077", "101"}
    assert examples.patients == 2
    assert (store.rows_of(manifest)[examples.rows] == examples.stored).all()
    assert (manifest.labels[examples.rows] == examples.labels).all()
    assert (np.diff(examples.stored) > 0).all(), "not in the order of the store"
    for scan, length in enumerate(examples.lengths):
        numbers = manifest.table["slice"].to_numpy()[examples.rows[examples.places_of_scan(scan)]]
        assert (numbers == np.arange(length)).all(), "not foot to head"


def test_neighbours_stay_in_their_scan(opened: tuple[Manifest, SliceStore]) -> None:
    examples = Examples.of(*opened, None, ["any"])
    around = examples.neighbours(1)
    assert (around[:, 1] == np.arange(len(examples))).all()
    assert (examples.scan_of[around] == examples.scan_of[:, None]).all()
    middle = examples.starts[1] + 3
    assert around[middle].tolist() == [middle - 1, middle, middle + 1]
    last = examples.starts[1] - 1
    assert around[last].tolist() == [last - 1, last, last]


def test_slices_of_unknown_place_stand_alone(opened: tuple[Manifest, SliceStore]) -> None:
    manifest, store = opened
    loose = manifest.with_columns({"slice": [None] * len(manifest)})
    examples = Examples.of(loose, store, None, ["any"])
    assert (examples.lengths == 1).all()
    assert (examples.neighbours(1) == np.arange(len(examples))[:, None]).all()
    logits = np.zeros((len(examples), 1), np.float32)
    slices, scans = tables(examples, Answers(logits, logits, from_slices=True))
    assert scans["scan"].tolist() == slices["scan"].tolist() == slices["source"].tolist()
    assert drop_parts(scans, slices["source"]).empty, "a part of a scan is no answer for it"


def test_the_only_slice_of_a_scan_needs_no_number(opened: tuple[Manifest, SliceStore]) -> None:
    manifest, store = opened
    _, first = np.unique(manifest.scans.to_pylist(), return_index=True)
    alone = manifest.take(first).with_columns({"slice": [None] * len(first)})
    examples = Examples.of(alone, store, None, ["any"])
    logits = np.zeros((len(examples), 1), np.float32)
    slices, scans = tables(examples, Answers(logits, logits, from_slices=True))
    assert sorted(drop_parts(scans, slices["source"])["scan"]) == sorted(manifest.scans.unique().to_pylist())


@pytest.mark.parametrize(
    ("neighbours", "maximum_filter"), [(0, (1, 1)), (1, (1, 1)), (0, (2, 2)), (0, (1, 2)), (0, (3, 1))]
)
def test_pictures_are_those_of_detection(
    opened: tuple[Manifest, SliceStore], neighbours: int, maximum_filter: tuple[int, int]
) -> None:
    manifest, store = opened
    inputs = Input(size=64, windows=("40/80", "80/200"), neighbours=neighbours, maximum_filter=maximum_filter)
    examples = Examples.of(manifest, store, None, ["any"])
    places = np.concatenate([examples.places_of_scan(0), examples.places_of_scan(1)])
    seen = as_detection_sees(store, examples.stored[places], torch.from_numpy(examples.lengths[:2]), inputs)
    given: NetworkInput = network_input(inputs)
    expected = []
    for scan in (0, 1):
        stored = examples.stored[examples.places_of_scan(scan)]
        framed = store.windowed(stored, inputs.display_windows)
        for picture in range(given.pictures(len(stored))):
            shown = given.shown(picture, len(stored))
            expected.append(given.picture([[framed[number] for number in group] for group in shown]))
    assert np.array_equal((seen * 255).round().to(torch.uint8).numpy(), np.stack(expected))


def test_slices_come_with_their_neighbours_below_first(opened: tuple[Manifest, SliceStore]) -> None:
    manifest, store = opened
    examples = Examples.of(manifest, store, None, ["epidural", "any"])
    batch = Slices(examples, store, Input(size=64, windows=("40/80",), neighbours=1))[np.array([5, 2])]
    assert batch.hu is not None
    for number, place in enumerate((5, 2)):
        expected = store.batch(examples.stored[[place - 1, place, place + 1]])
        assert np.array_equal(batch.hu[number].numpy(), expected)
        assert np.array_equal(batch.labels[number].numpy(), examples.labels[place])


def test_scans_come_whole_with_their_labels(opened: tuple[Manifest, SliceStore]) -> None:
    manifest, store = opened
    examples = Examples.of(manifest, store, None, ["any"])
    batch = Scans(examples, store)[np.array([2, 0])]
    assert batch.lengths.tolist() == examples.lengths[[2, 0]].tolist()
    assert batch.hu is not None
    stored = np.concatenate([examples.stored[examples.places_of_scan(scan)] for scan in (2, 0)])
    assert np.array_equal(batch.hu[:, 0].numpy(), store.batch(stored))
    assert np.array_equal(batch.scan_labels.numpy(), examples.labels_of_scans[[2, 0]])


def test_labels_of_joined_slices() -> None:
    labels = torch.tensor([[0], [1], [0], [UNKNOWN], [0], [1], [0]], dtype=torch.int8)
    inputs = Input(size=64, windows=("40/80",), maximum_filter=(2, 2))
    joined = filtered_labels(labels, torch.tensor([5, 2]), inputs)
    assert joined[:, 0].tolist() == [1, UNKNOWN, 0, 1]


def test_labels_that_teach_nothing_are_refused() -> None:
    for labels, sentence in (
        ([0, 0, UNKNOWN], "none has it"),
        ([1, 1], "all have it"),
        ([UNKNOWN], "none has a known"),
    ):
        with pytest.raises(UsageError) as error:
            check_labels(np.array(labels, np.int8)[:, None], ["any"], "slices")
        assert sentence in error.value.sentence
