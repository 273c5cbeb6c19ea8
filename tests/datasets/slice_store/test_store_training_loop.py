"""The training loop of docs/slice_store.md runs as it is written, on a Manifest with every trap that it names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from store_examples import build, mixed_manifest

from hemoscope.datasets.augment.augmenter import Augmenter
from hemoscope.datasets.augment.sets import SETS
from hemoscope.datasets.manifest import UNKNOWN, Manifest
from hemoscope.datasets.slice_store.store import Indices, SliceStore
from hemoscope.findings import FINDING_NAMES

PAGE = Path(__file__).parents[3] / "docs" / "slice_store.md"
ANY = FINDING_NAMES.index("any")


def labelled(manifest: Manifest) -> Manifest:
    """Give slices folds and labels: some in no split or `test`, some only labelled `any`, two without any label.

    The last row names a file of which the store has nothing.
    """
    count = len(manifest)
    splits = [f"fold{row % 5}" for row in range(count)]
    splits[:4] = ["train", "test", None, "train"]
    labels = np.random.default_rng(3).integers(0, 2, (count, 6)).astype(np.int8)
    labels[::3, :ANY] = UNKNOWN
    labels[[5, 6]] = UNKNOWN
    columns: dict[str, Any] = {name: labels[:, place] for place, name in enumerate(FINDING_NAMES)}
    paths = manifest.table["path"].to_pylist()
    return manifest.with_columns({**columns, "split": pa.array(splits), "path": [*paths[:-1], "gone.png"]})


@pytest.fixture(scope="module")
def ran(examples: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The names that the page's code leaves, after it ran in a folder with a Manifest and a store."""
    folder = tmp_path_factory.mktemp("training")
    manifest = mixed_manifest(examples, folder / "pictures")
    manifest = labelled(manifest.take(np.random.default_rng(7).permutation(len(manifest))))
    manifest.write(folder / "manifest.parquet")
    build(manifest, folder / "store", 64)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    read: list[int] = []
    batch = SliceStore.batch

    def recorded(store: SliceStore, indices: Indices) -> Any:
        read.extend(np.asarray(indices).tolist())
        return batch(store, indices)

    names: dict[str, Any] = {"read": read}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(SliceStore, "batch", recorded)
        torch.manual_seed(7)
        exec(compile(code, str(PAGE), "exec"), names)
    return names


def test_it_trains_on_the_other_folds_and_slices_of_unknown_patients_only(ran: dict[str, Any]) -> None:
    split = np.array(ran["manifest"].table["split"].to_pylist(), object)
    assert set(split[ran["training"]]) == {"fold1", "fold2", "fold3", "fold4", "train"}
    assert set(split[ran["validation"]]) == {"fold0"}
    unlabelled, gone, neither = {5, 6}, {len(split) - 1}, {1, 2}
    assert set(range(len(split))) - {*ran["training"], *ran["validation"]} == unlabelled | gone | neither


def test_it_reads_the_slices_that_its_labels_are_of(ran: dict[str, Any]) -> None:
    """The rows of the Manifest are not in the order of the store."""
    stored = ran["stored"]
    assert (np.diff(stored[:28]) < 0).any()
    training, validation = stored[ran["training"]].tolist(), stored[ran["validation"]].tolist()
    assert sorted(ran["read"][: len(training)]) == sorted(training) and ran["read"][len(training) :] == validation
    for row in (*ran["training"], *ran["validation"]):
        assert ran["store"].keys[int(stored[row])] == ran["manifest"].keys[int(row)]


def test_it_has_learned_and_gives_a_loss_for_what_is_held_out(ran: dict[str, Any]) -> None:
    gradients = [parameter.grad for parameter in ran["network"].parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    assert len(ran["losses"]) == 1 and torch.isfinite(ran["losses"][0]) and ran["loss"].item() > 0


def test_unknown_labels_change_nothing(ran: dict[str, Any]) -> None:
    rows = ran["training"][:12]
    pictures = torch.rand(len(rows), 3, 64, 64)
    labels, before = ran["labels"], ran["loss_of"](pictures, rows)
    assert (labels[rows] == UNKNOWN).any()
    logits = ran["network"](pictures)
    by_hand = [
        torch.nn.functional.softplus(-logit if label else logit)
        for logit, label in zip(logits.flatten(), labels[rows].flatten(), strict=True)
        if label != UNKNOWN
    ]
    assert before.item() == pytest.approx(torch.stack(by_hand).mean().item(), rel=1e-5)


def test_training_and_validation_see_pictures_of_one_kind(ran: dict[str, Any]) -> None:
    """Without augmentation, both ways of the page give the same grey levels."""
    numbers = ran["stored"][ran["validation"]]
    shown = torch.from_numpy(ran["store"].windowed(numbers, ran["WINDOWS"])) / 255
    hu = torch.from_numpy(ran["store"].batch(numbers))[:, None]
    trained = Augmenter(SETS["none"], ran["WINDOWS"]).slices(hu, ran["generator"]).pictures
    assert shown.shape == trained.shape and (shown - trained).abs().max() <= 0.5 / 255 + 1e-6
    assert shown.std() > 0.1
