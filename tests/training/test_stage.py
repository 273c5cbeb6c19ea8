"""What a stage holds against what it held out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from training_examples import Data

from hemoscope.datasets.manifest import UNKNOWN, Manifest
from hemoscope.datasets.slice_store.store import SliceStore
from hemoscope.training import watch
from hemoscope.training.examples import Examples
from hemoscope.training.recipe import Stage
from hemoscope.training.sampling import positive_alone
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


def test_a_stage_of_positive_scans_holds_out_positive_scans_alone(data: Data) -> None:
    examples = Examples.of(Manifest.read(data.manifest), SliceStore.open(data.store), None, ["epidural"])
    stage = Stage.model_validate(
        {"name": "s", "trains": "system", "steps": 1, "batch": 1, "optimizer": {"learning_rate": 1e-3},
         "loss": {"slices": 1, "scans": 1}, "sampling": {"kind": "positive"}}
    )  # fmt: skip
    bleeds = examples.labels_of_scans[:, 0] == 1
    assert bleeds.tolist().count(True) == 2
    alone = positive_alone(stage, examples)
    assert (alone.labels_of_scans[:, 0] == np.where(bleeds, 1, UNKNOWN)).all()
    of_slices = bleeds[examples.scan_of]
    assert (alone.labels[of_slices] == examples.labels[of_slices]).all()
    assert (alone.labels[~of_slices] == UNKNOWN).all()
    by_slice = positive_alone(stage.model_copy(update={"trains": "slice_network"}), examples)
    assert by_slice.labels.tolist() == np.where(examples.labels == 1, 1, UNKNOWN).tolist()
    assert (by_slice.scan_labels == examples.scan_labels).all()


@pytest.mark.parametrize(("logit", "written"), [(0.0, []), (np.nan, ["nothing to measure"])])
def test_curves_without_a_score_say_so(
    logit: float, written: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(watch, "_save", lambda figure, path: drawn.append(figure))
    labels, logits = np.array([[0], [1]], np.int8), np.full((2, 1), logit, np.float32)
    watch.plot_curves(tmp_path, "slices", labels, logits, ["any"])
    assert [[text.get_text() for text in figure.axes[0].texts] for figure in drawn] == [written, written]
