"""A bundle that is calibrated on what folds say of the patients that they held out."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from lightning_fabric import Fabric
from numpy.typing import NDArray
from training_examples import Data, run, start

from hemoscope import Detector, read_scan
from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.slice_store.build import build_store
from hemoscope.detector.detection import State
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError
from hemoscope.training import held_out
from hemoscope.training.calibrate import Settings
from hemoscope.training.held_out import ANSWERS, held_out_examples, held_out_table
from hemoscope.training.run import Run

FOLDS = {"077": "fold0", "101": "fold0", "052": "fold1", "ge": "fold1"}


@pytest.fixture(scope="module")
def folds(examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Data:
    """Two patients a fold, one of them with an epidural hemorrhage."""
    folder = tmp_path_factory.mktemp("folds")
    columns: dict[str, list[object]] = defaultdict(list)

    def add(patient: str, path: str, number: int, frame: int, epidural: int, scan_epidural: int) -> None:
        row: dict[str, object] = {"path": path, "patient": patient, "series": patient, "slice": number, "frame": frame}
        row["split"] = FOLDS[patient]
        row |= {prefix + "epidural": value for prefix, value in (("", epidural), ("scan_", scan_epidural))}
        row |= {prefix + "any": row[prefix + "epidural"] for prefix in ("", "scan_")}
        for name, value in row.items():
            columns[name].append(value)

    with (examples / "physionet_ct_ich/labels.csv").open(newline="") as file:
        for one in csv.DictReader(file):
            patient = one["file"].removeprefix("patient_").removesuffix(".nii.gz")
            add(patient, f"physionet_ct_ich/{one['file']}", int(one["slice"]), int(one["slice"]), int(one["any"]),
                int(patient != "101"))  # fmt: skip
    for number, path in enumerate(sorted((examples / "ge_tilted_head_series").glob("*.dcm"))):
        add("ge", str(path.relative_to(examples)), number, 0, 0, 0)
    manifest = Manifest.from_columns("mixed", examples, columns)
    manifest.write(folder / "manifest.parquet")
    build_store(manifest, folder / "store", 64, 1, lambda done, total: None)
    return Data(folder / "manifest.parquet", folder / "store")


@pytest.fixture(scope="module")
def runs(folds: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that holds out each fold, in folders of one name, and one on both."""
    folder = tmp_path_factory.mktemp("runs")
    stage = {"name": "slices", "trains": "slice_network", "steps": 12, "batch": 8, "loss": {"slices": 1},
             "optimizer": {"learning_rate": 3e-3}, "sampling": {"kind": "weighted"}}  # fmt: skip
    network = {"name": "current", "channels": 1, "findings": ["epidural", "any"], "backbone": "mobilenetv2_050",
               "sequence": "none"}  # fmt: skip
    recipe = {"name": "small", "source": "a test", "input": {"size": 64, "windows": ["40/80"]}, "network": network,
              "initial_weights": "random", "stages": [stage]}  # fmt: skip
    (folder / "small.yaml").write_text(yaml.safe_dump(recipe))
    parts = {"0/run": ("fold1", "fold0"), "1/run": ("fold0", "fold1"), "all": ("fold0, fold1", "")}
    for name, (learned, left_out) in parts.items():
        split = f"split={{train: [{learned}], validation: [{left_out}]}}"
        run("train", folder / "small.yaml", split, *folds.options, "--out", folder / name)
    Run.open(folder / "all").update(manifest_split={"scheme": "given:/somewhere/folds.csv", "seed": 7, "caveat": ""})
    return folder


def test_a_bundle_is_calibrated_on_two_folds(runs: Path, examples: Path, tmp_path: Path) -> None:
    given = [word for fold in ("0/run", "1/run") for word in ("--fold", runs / fold)]
    run("export", runs / "all", *given, "--out", tmp_path / "bundle", "--held-out", tmp_path / "held_out")
    facts = json.loads((tmp_path / "bundle/bundle.json").read_text())
    assert facts["calibration"]["method"] == "platt"
    point = facts["operating_points"]["scan"]["sensitive"]
    assert (point["positives"], point["negatives"]) == (2, 2)
    with (tmp_path / "held_out/scans.csv").open(newline="") as file:
        assert sorted(row["scan"] for row in csv.DictReader(file)) == sorted(f"mixed/{name}" for name in FOLDS)
    card = (tmp_path / "bundle/MODEL_CARD.md").read_text()
    assert "| mixed | 4 | 4 |" in card
    assert "| split | given:folds.csv |" in card
    detection = Detector.load(tmp_path / "bundle")(read_scan(examples / "physionet_ct_ich/patient_077.nii.gz"))
    assert detection.state is not State.NOT_ANALYSED
    assert not any("Not calibrated" in remark for remark in detection.remarks)


def test_what_the_folds_said_is_kept_until_anything_it_depends_on_changes(runs: Path, tmp_path: Path) -> None:
    one = Run.open(runs / "0/run")
    examples = held_out_examples(one, ("epidural", "any"))
    fabric = Fabric(accelerator="cpu", precision="32-true")
    scored: list[int] = []

    def slices_of_fold() -> NDArray[np.float32]:
        scored.clear()
        table = held_out_table(one, "fold", fabric, lambda done, total: scored.append(done))
        return table[["epidural", "any"]].to_numpy(np.float32)

    (one.folder / ANSWERS).unlink(missing_ok=True)
    first = slices_of_fold()
    assert scored
    np.testing.assert_array_equal(slices_of_fold(), first)
    assert not scored
    weights, facts = one.folder / "slices.last.safetensors", (one.folder / "run.json").read_bytes()
    away = weights.rename(weights.with_suffix(".away"))
    try:
        np.testing.assert_array_equal(slices_of_fold(), first)  # no weights are needed
        other = Run.open(runs / "1/run")
        one.update(stages=other.facts["stages"])
        with pytest.raises(UsageError, match="the weights to score these are not there"):
            slices_of_fold()
        weights.write_bytes((other.folder / weights.name).read_bytes())
        assert not np.array_equal(slices_of_fold(), first)
        assert scored
    finally:
        away.replace(weights)
        (one.folder / "run.json").write_bytes(facts)
    np.testing.assert_array_equal(slices_of_fold(), first)
    assert len(first) == len(examples)


def test_slices_of_unknown_place_do_not_speak_for_each_other(runs: Path, folds: Data) -> None:
    fabric = Fabric(accelerator="cpu", precision="32-true")
    before = folds.manifest.read_bytes()
    manifest = Manifest.read(folds.manifest)
    series, numbers = manifest.table["series"].to_pylist(), manifest.table["slice"].to_pylist()
    unknown = [None if name == "101" else number for name, number in zip(series, numbers, strict=True)]
    manifest.with_columns({"slice": unknown}).write(folds.manifest)
    try:
        table = held_out_table(Run.open(runs / "0/run"), "fold", fabric, lambda done, total: None)
    finally:
        folds.manifest.write_bytes(before)
    loose = table[table["patient"].str.endswith("101")]
    assert len(loose) > 1
    assert loose["scan"].tolist() == loose["key"].tolist()
    assert table[~table.index.isin(loose.index)]["scan"].unique().tolist() == ["mixed/077"]


def test_a_part_of_a_scan_is_dropped_though_another_dataset_has_its_slice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = ["loose/f.png#0", "whole/1", "whole/1"]  # of scans; the first slice of both is one
    slices = pd.DataFrame({"scan": names, "slice": [0, 0, 1], "source": ["loose", "whole", "whole"]})
    slices = slices.assign(key=["loose/f.png#0", "whole/a#0", "whole/b#0"], sop_instance_uid=["A", "A", "B"])
    slices = slices.assign(position_mm=np.nan, label_any=0, **dict.fromkeys(FINDING_NAMES, 0.5))
    fitted = slices, slices.drop_duplicates("scan")[["scan", *FINDING_NAMES]]
    monkeypatch.setattr(held_out, "to_calibrate_on", lambda table: table)
    monkeypatch.setattr(held_out, "cross_fitted", lambda table, settings, fitted_on: fitted)
    held_out.write_held_out(slices, Settings(), tmp_path)
    assert pd.read_csv(tmp_path / "slices.csv")["source"].tolist() == ["whole/a#0", "whole/b#0"]
    assert pd.read_csv(tmp_path / "scans.csv")["scan"].tolist() == ["whole/1"]


def test_one_fold_is_not_enough(runs: Path, tmp_path: Path) -> None:
    process = start("export", runs / "all", "--fold", runs / "0/run", "--out", tmp_path / "bundle")
    printed, _ = process.communicate()
    assert (process.returncode, "give --fold for two runs or more" in printed) == (2, True), printed
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("command", ["predict", "export"])
def test_patients_that_were_split_anew_are_not_held_out(runs: Path, folds: Data, tmp_path: Path, command: str) -> None:
    before = folds.manifest.read_bytes()
    manifest = Manifest.read(folds.manifest)
    other = {"fold0": "fold1", "fold1": "fold0"}
    split = [other[name] for name in manifest.table["split"].to_pylist()]
    manifest.with_columns({"split": split}).write(folds.manifest)
    try:
        given = ["predict", runs / "0/run", "--split", "fold0"] if command == "predict" else [
            "export", runs / "all", "--fold", runs / "0/run", "--fold", runs / "1/run"]  # fmt: skip
        process = start(*given, "--out", tmp_path / "out")
        printed, _ = process.communicate()
    finally:
        folds.manifest.write_bytes(before)
    assert (process.returncode, "is split in another way" in printed) == (2, True), printed
    assert not (tmp_path / "out").exists()
