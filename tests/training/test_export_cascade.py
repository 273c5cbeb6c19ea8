"""The bundle of two runs that make a cascade (Ye et al. 2019)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from training_examples import Data, run

from hemoscope import Detector, read_scan
from hemoscope.datasets.manifest import Manifest
from hemoscope.findings import FINDING_NAMES

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
SMALL = ("input.size=64", "network.filters=[16, 16]", "network.hidden=4", "precision=32", "scan_slices=[2, 100]")
SLICES = ("stages.end_to_end.epochs=1", "stages.end_to_end.loss={slices: 1}", "stages.end_to_end.keep=last")


def test_a_cascade_has_the_findings_of_both_runs_and_a_card_of_both(data: Data, examples: Path, tmp_path: Path) -> None:
    manifest = Manifest.read(data.manifest)
    number = np.arange(len(manifest))
    # made up, as the three patients have one subtype: what is learned of them is not looked at
    labels = {name: (number % (place + 2) == 0).astype(int) for place, name in enumerate(FINDING_NAMES[:-1])}
    labels["any"] = np.max(list(labels.values()), axis=0)
    manifest.with_columns({name: column.tolist() for name, column in labels.items()}).write(
        tmp_path / "made_up.parquet"
    )
    given = ("--manifest", tmp_path / "made_up.parquet", "--store", data.store)
    splits = {"two_type": "train", "five_type": "validation"}
    for seed, (name, split) in enumerate(splits.items()):
        recipe = RECIPES / f"ye2019_{name}_sli_lab.yaml"
        changes = (*SMALL, *SLICES, f"seed={seed}", f"split={{train: [{split}], validation: []}}")
        run("train", recipe, *given, "--out", tmp_path / name, *changes)
    run("export", *(tmp_path / name for name in splits), "--out", tmp_path / "bundle")
    facts = json.loads((tmp_path / "bundle/bundle.json").read_text())
    assert [one["seed"] for one in facts["provenance"]["recipes"]] == [0, 1]
    card = (tmp_path / "bundle/MODEL_CARD.md").read_text()
    assert "| seed | 0, 1 |" in card
    assert "| ct-ich, splits of ye2019_two_type_sli_lab | 2 |" in card
    assert "| ct-ich, splits of ye2019_five_type_sli_lab | 1 |" in card
    detection = Detector.load(tmp_path / "bundle")(read_scan(examples / "physionet_ct_ich/patient_077.nii.gz"))
    assert detection.scan_probabilities is not None and np.isfinite(detection.scan_probabilities).all()
