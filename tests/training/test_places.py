"""Boxes as a loss: where they lie in the store, what they teach and what they do not, and that maps learn them."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from training_examples import Data, run

from hemoscope.ct.prepare import Crop, Framing, cut, fit_square
from hemoscope.datasets.collections.ct_ich import COLLECTION
from hemoscope.datasets.manifest import UNKNOWN, Manifest
from hemoscope.datasets.slice_store.build import build_store
from hemoscope.datasets.slice_store.store import SliceStore
from hemoscope.findings import ANY, FINDING_NAMES
from hemoscope.networks.system import PooledNetwork
from hemoscope.reasons import UsageError
from hemoscope.training.batches import Pictures, Slices
from hemoscope.training.building import new_system
from hemoscope.training.examples import Examples
from hemoscope.training.learner import Learner
from hemoscope.training.places import Boxes, places_loss, taught
from hemoscope.training.recipe import Recipe

CLEAR = ("066", "075", "081", "087")  # patients of CT-ICH with large epidural and subdural hemorrhage, and boxes
BOX = {"finding": "epidural", "xmin": 10.0, "ymin": 20.0, "xmax": 30.0, "ymax": 60.0}


@pytest.mark.parametrize("framing", ["whole", "head"])
@pytest.mark.parametrize("size", [64, 128])
def test_boxes_lie_on_the_blood_of_stored_slices(
    shared_data: Path, tmp_path: Path, framing: Framing, size: int
) -> None:
    """It is brighter there than in the rest of the brain, and than at the same place on the other side."""
    root, file = shared_data / "physionet_ct_ich", shared_data / "physionet_ct_ich_boxes" / "boxes.csv"
    manifest = COLLECTION.read(root, "ct-ich", 1, lambda done, total: None, boxes=file).manifest
    chosen = np.isin(manifest.table["series"].to_pylist(), CLEAR) & manifest.table["boxes"].is_valid().to_numpy()
    manifest = manifest.take(np.flatnonzero(chosen))
    build_store(manifest, tmp_path / "store", size, 1, lambda done, total: None, framing)
    store = SliceStore.open(tmp_path / "store")
    examples = Examples.of(manifest, store, None, FINDING_NAMES)
    masks = Boxes.of(examples, store, "cnn").masks(np.arange(len(examples)))[:, ANY] == 1
    brighter, than_mirrored = [], []
    for stored, mask in zip(examples.stored, masks, strict=True):
        hu = store.hu(stored).astype(float)
        brain = (hu > 5) & (hu < 90)
        inside = hu[mask & brain].mean()
        brighter.append(inside > hu[~mask & brain].mean())
        than_mirrored.append(inside > hu[mask[:, ::-1] & brain].mean())
    assert len(brighter) == 55 and all(brighter) and np.mean(than_mirrored) > 0.9


def loose(root: Path, shape: tuple[int, int], spacing_mm: tuple[float, float] | None, **columns: object) -> Manifest:
    """One picture: a head as a bright square, off the middle."""
    grey = np.zeros(shape, np.uint8)
    grey[30:80, 25:90] = 128
    cv2.imwrite(str(root / "one.png"), grey)
    row_mm, column_mm = spacing_mm or (None, None)
    given = {"path": "one.png", "window": "40/80", "split": "train", "row_spacing_mm": row_mm,
             "column_spacing_mm": column_mm, **columns}  # fmt: skip
    return Manifest.from_columns("loose", root, {name: [value] for name, value in given.items()})


@pytest.mark.parametrize("framing", ["whole", "head"])
@pytest.mark.parametrize(("shape", "spacing_mm"), [((100, 140), None), ((120, 100), (0.5, 1.5)), ((96, 96), (1, 1))])
def test_a_box_moves_as_its_pixels(
    tmp_path: Path, framing: Framing, shape: tuple[int, int], spacing_mm: tuple[float, float] | None
) -> None:
    """To within a pixel of the store, that rounding outwards and the padding of the square may cost."""
    manifest = loose(tmp_path, shape, spacing_mm, boxes=[BOX], epidural=1)
    build_store(manifest, tmp_path / "store", 64, 1, lambda done, total: None, framing)
    store = SliceStore.open(tmp_path / "store")
    mask = Boxes.of(Examples.of(manifest, store, None, ["epidural"]), store, "cnn").masks(np.array([0]))[0, 0]
    facts = store.index.to_pylist()[0]
    crop = Crop(*(facts[name] for name in ("crop_top", "crop_left", "crop_height", "crop_width")))
    drawn = np.zeros(shape, np.int16)
    drawn[20:60, 10:30] = 1000
    expected = fit_square(cut(drawn, crop) if framing == "head" else drawn, spacing_mm, 64)[0] > 500
    assert expected.any()
    for axis in (0, 1):
        own, other = (np.flatnonzero(one.any(axis=axis))[[0, -1]] for one in (mask == 1, expected))
        assert (np.abs(own - other) <= 1).all()


def test_a_native_store_shows_the_whole_slice(tmp_path: Path) -> None:
    manifest = loose(tmp_path, (96, 96), None, boxes=[BOX], epidural=1)
    build_store(manifest, tmp_path / "store", None, 1, lambda done, total: None)
    store = SliceStore.open(tmp_path / "store")
    boxes = Boxes.of(Examples.of(manifest, store, None, ["epidural"]), store, "cnn")
    assert boxes.sides.tolist() == [[20, 10, 60, 30]]


@pytest.mark.parametrize(("subdural", "boxes_of_any"), [(0, 1), (None, 1), (1, 0)])
def test_any_is_where_its_subtypes_are_when_all_are_drawn(
    tmp_path: Path, subdural: int | None, boxes_of_any: int
) -> None:
    manifest = loose(tmp_path, (96, 96), None, boxes=[BOX], epidural=1, subdural=subdural, any=1)
    build_store(manifest, tmp_path / "store", 64, 1, lambda done, total: None)
    store = SliceStore.open(tmp_path / "store")
    masks = Boxes.of(Examples.of(manifest, store, None, FINDING_NAMES), store, "cnn").masks(np.array([0]))[0]
    assert [int(mask.any()) for mask in masks] == [1, 0, 0, 0, 0, boxes_of_any]


def boxed(data: Data, folder: Path) -> Path:
    """The Manifest with a box in the second half of the pictures of epidural slices."""
    manifest = Manifest.read(data.manifest)
    box = {"finding": "epidural", "xmin": 200.0, "ymin": 100.0, "xmax": 300.0, "ymax": 250.0}
    epidural = manifest.labels[:, FINDING_NAMES.index("epidural")] == 1
    manifest.with_columns({"boxes": [[box] if one else None for one in epidural]}).write(folder / "boxed.parquet")
    return folder / "boxed.parquet"


def test_boxes_are_mirrored_with_their_pictures(data: Data, recipe: Path, tmp_path: Path) -> None:
    flips = "{set: none, flip_probability: 0.5}"
    read = Recipe.read(recipe, [f"stages.slices.augmentation={flips}"])
    manifest, store = Manifest.read(boxed(data, tmp_path)), SliceStore.open(data.store)
    examples = Examples.of(manifest, store, None, ["epidural"])
    numbers = np.flatnonzero(examples.labels[:, 0] == 1)
    batch = Slices(examples, store, read.input, Boxes.of(examples, store, "slices"))[numbers]
    assert batch.hu is not None and batch.boxes is not None
    generator = torch.Generator().manual_seed(1)
    plain = Pictures(read.input, Recipe.read(recipe, ["stages.slices.augmentation={set: none}"]).stages[0])
    before = plain(batch, batch.hu, generator, whole_scans=False)
    after = Pictures(read.input, read.stages[0])(batch, batch.hu, generator, whole_scans=False)
    assert before.mask is not None and after.mask is not None
    mirrored = [not torch.equal(old, new) for old, new in zip(before.pictures, after.pictures, strict=True)]
    assert 0 < sum(mirrored) < len(mirrored)
    for flipped, old, new in zip(mirrored, before.mask, after.mask, strict=True):
        assert torch.equal(new, old.flip(-1) if flipped else old)
        assert not torch.equal(old, old.flip(-1))


def test_what_is_not_known_of_places_teaches_nothing() -> None:
    """By slice: label 0; label 1 without a box; unknown without; label 1 with a box; unknown with one."""
    labels = torch.tensor([[0], [1], [UNKNOWN], [1], [UNKNOWN]], dtype=torch.int8)
    boxes = torch.zeros(5, 1, 8, 8, dtype=torch.uint8)
    boxes[3:, :, 2:4, 4:8] = 1
    logits = torch.randn(5, 1, 4, 4, requires_grad=True)
    known = taught(labels, boxes)
    assert known[:, 0].tolist() == [True, False, False, True, True]
    loss = places_loss(logits, labels, boxes, known.sum())
    inside = logits[3:, 0, 1, 2:]
    outside = logits[3:].flatten(1)[:, [number for number in range(16) if number not in (6, 7)]]
    expected = [F.softplus(logits[0]).mean(), *(F.softplus(outside).mean(1) + F.softplus(-inside.amax(1))) / 2]
    assert torch.isclose(loss, torch.stack(expected).mean())
    loss.backward()
    assert logits.grad is not None and logits.grad.isfinite().all()
    assert (logits.grad[1:3] == 0).all() and (logits.grad[0] > 0).all()
    for slice_ in (3, 4):
        assert sorted((logits.grad[slice_, 0, 1, 2:] < 0).tolist()) == [False, True], (
            "one place of the box, the highest"
        )
        assert (logits.grad[slice_] > 0).sum() == 14


class Small(PooledNetwork):
    """Two convolutions; a place of its maps sees 8 x 8 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.findings, self.channels, self.feature_count = ("any",), 1, 8
        self.convolutions = nn.Sequential(nn.Conv2d(1, 8, 4, 4), nn.ReLU(), nn.Conv2d(8, 8, 2, 2), nn.ReLU())
        self.dropout, self.linear = nn.Identity(), nn.Linear(8, 1)

    def feature_maps(self, pictures: Tensor) -> Tensor:
        return self.convolutions(pictures)  # type: ignore[no-any-return]


def striped(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures, labels and boxes: positive ones have upright stripes in the box, and lying ones somewhere else."""
    pictures, boxes = torch.rand(count, 1, 32, 32, generator=generator) / 4, torch.zeros(count, 1, 32, 32)
    labels = (torch.arange(count) % 2).to(torch.int8)[:, None]
    for number in range(1, count, 2):
        places = torch.randperm(16, generator=generator)[:2]
        (row, other_row), (column, other_column) = (places // 4 * 8).tolist(), (places % 4 * 8).tolist()
        pictures[number, 0, row : row + 8, column : column + 8 : 2] = 1
        pictures[number, 0, other_row : other_row + 8 : 2, other_column : other_column + 8] = 1
        boxes[number, 0, row : row + 8, column : column + 8] = 1
    return pictures, labels, boxes


@pytest.mark.parametrize(("weight", "in_box"), [(0.0, False), (1.0, True)])
def test_a_map_learns_to_lie_in_the_box(weight: float, in_box: bool) -> None:
    """Both kinds of stripes tell that a picture is positive; only the boxes tell which are meant."""
    torch.manual_seed(7)
    network, generator = Small(), torch.Generator().manual_seed(7)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(200):
        pictures, labels, boxes = striped(32, generator)
        maps = network.feature_maps(pictures)
        loss = F.binary_cross_entropy_with_logits(network.classify(maps.mean((2, 3))), labels.float())
        places = network.logits_of_places(maps)
        loss = loss + weight * places_loss(places, labels, boxes, taught(labels, boxes).sum())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    pictures, labels, boxes = striped(200, generator)
    with torch.no_grad():
        places = network.logits_of_places(network.feature_maps(pictures))
        assert ((network(pictures) > 0) == (labels == 1)).float().mean() > 0.95
        torch.testing.assert_close(places.mean((2, 3)), network(pictures))
    highest = F.adaptive_max_pool2d(boxes, places.shape[-2:])[1::2].flatten(1)
    found = highest.gather(1, places[1::2].flatten(1).argmax(1, keepdim=True)).mean()
    assert (found > 0.95) == in_box


def test_a_run_learns_places(data: Data, recipe: Path, tmp_path: Path) -> None:
    options = ["--manifest", boxed(data, tmp_path), "--store", data.store]
    changes = ["stages.slices.steps=2", "stages.sequence.epochs=1", "seed=3", "stages.slices.batch=16"]
    losses = []
    for weight in (0, 10):
        folder = tmp_path / f"run{weight}"
        run("train", recipe, *changes, f"stages.slices.loss.places={weight}", *options, "--out", folder)
        losses.append([float(row["loss"]) for row in csv.DictReader((folder / "steps.csv").open(newline=""))])
    assert losses[1][0] > losses[0][0] + 1, "the same step, with ten times a cross-entropy more"


def test_what_cannot_learn_places_is_refused(data: Data, recipe: Path, tmp_path: Path) -> None:
    manifest, store = Manifest.read(data.manifest), SliceStore.open(data.store)
    with pytest.raises(UsageError, match=r"none of its slices has a box of epidural, any"):
        Boxes.of(Examples.of(manifest, store, None, ["epidural", "any"]), store, "slices")
    with pytest.raises(UsageError, match=r"`loss.places` is for a stage of the slice_network"):
        Recipe.read(recipe, ["stages.sequence.loss.places=0.1"])
    patel = Recipe.read(recipe, ["network={name: patel2019}", "input={size: 256, windows: [40/80]}",
                                 "stages.slices.loss.places=0.1"])  # fmt: skip
    with pytest.raises(UsageError, match="no class activation maps"):
        Learner(new_system(patel), patel.stages[0])


def test_a_store_that_does_not_know_its_crops_serves_without_places(data: Data, recipe: Path, tmp_path: Path) -> None:
    """One that was built before its index had them; building it again adds them."""
    shutil.copytree(data.store, tmp_path / "old")
    names = [name for name in SliceStore.open(data.store).index.column_names if not name.startswith("crop_")]
    pq.write_table(pq.read_table(data.store / "index.parquet", columns=names), tmp_path / "old" / "index.parquet")
    for path in (tmp_path / "old" / "shards").glob("*.json"):
        shard = json.loads(path.read_text())
        shard["slices"] = [{key: one[key] for key in one if not key.startswith("crop_")} for one in shard["slices"]]
        path.write_text(json.dumps(shard))
    store, manifest = SliceStore.open(tmp_path / "old"), Manifest.read(boxed(data, tmp_path))
    examples = Examples.of(manifest, store, None, ["epidural"])
    assert Slices(examples, store, Recipe.read(recipe).input)[np.array([0])].hu is not None
    with pytest.raises(UsageError, match=r"has no crop_top.*`hemoscope dataset build` again adds it"):
        Boxes.of(examples, store, "slices")
    build_store(manifest, tmp_path / "old", 64, 1, lambda done, total: None)
    assert Boxes.of(examples, SliceStore.open(tmp_path / "old"), "slices").masks(np.array([0])).shape == (1, 1, 64, 64)
