"""From a recipe to a bundle on the command line, and what a user reads when something is wrong."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from training_examples import Data

from hemoscope import Detector, read_scan
from hemoscope.cli.main import main
from hemoscope.findings import ANY, FINDING_NAMES
from hemoscope.report.tables import SLICE_COLUMNS
from hemoscope.training import train as train_module
from hemoscope.training.building import new_system
from hemoscope.training.recipe import Recipe
from hemoscope.training.run import Run


@pytest.fixture
def hemoscope(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run a command in this process: its exit code, and all that it prints."""

    def call(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as end:
            main([str(one) for one in arguments])
        printed = capsys.readouterr()
        return int(end.value.code or 0), printed.out + printed.err

    return call


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_recipe_becomes_a_run_predictions_and_a_bundle(
    hemoscope: Callable[..., tuple[int, str]], data: Data, recipe: Path, examples: Path, tmp_path: Path
) -> None:
    run, bundle = tmp_path / "run", tmp_path / "bundle"
    changes = ["stages.slices.steps=2", "stages.sequence.epochs=1"]
    code, printed = hemoscope("train", recipe, *changes, *data.options, "--out", run)
    assert (code, "The run is in" in printed) == (0, True), printed
    facts = json.loads((run / "run.json").read_text())
    assert facts["state"] == "finished"
    assert facts["stages"]["slices"]["train"]["patients"] == 2
    assert facts["stages"]["slices"]["held_out"]["patients"] == 1
    for name in ("recipe.yaml", "loss.png", "roc_slices.png", "precision_recall_slices.png", "tensorboard"):
        assert (run / name).exists(), name
    assert "finished" in hemoscope("runs", tmp_path)[1]

    assert hemoscope("predict", run, "--out", tmp_path / "predictions")[0] == 0
    predicted = rows_of(tmp_path / "predictions/slices.csv")
    assert tuple(predicted[0]) == SLICE_COLUMNS
    assert predicted[0]["subdural"] == "", "a finding that is not scored is no 0"
    assert len(rows_of(tmp_path / "predictions/scans.csv")) == 3

    code, printed = hemoscope("export", run, "--out", bundle)
    assert (code, "is not calibrated" in printed) == (0, True), printed
    detection = Detector.load(bundle)(read_scan(examples / "physionet_ct_ich/patient_052.nii.gz"))
    assert detection.slice_probabilities is not None
    of_patient = [row for row in predicted if row["scan"] == "ct-ich/052"]
    # detection never lets `any` be below a subtype
    expected = np.array([max(float(row["any"]), float(row["epidural"])) for row in of_patient])
    assert np.abs(detection.slice_probabilities[:, ANY] - expected).max() < 1e-4
    scan = next(row for row in rows_of(tmp_path / "predictions/scans.csv") if row["scan"] == "ct-ich/052")
    assert detection.scan_probabilities is not None
    found = detection.scan_probabilities[[FINDING_NAMES.index("epidural"), ANY]]
    own = [float(scan["epidural"]), max(float(scan["any"]), float(scan["epidural"]))]
    assert np.abs(found - own).max() < 1e-4


def test_slices_that_no_label_taught_have_no_probability_and_make_no_bundle(
    hemoscope: Callable[..., tuple[int, str]], data: Data, recipe: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    whole = "{name: whole, trains: system, epochs: 1, batch: 1, optimizer: {learning_rate: 1.0e-4}, loss: {scans: 1}}"
    network = "network={name: patel2019, size: 64, first_filters: 1, features: 8, hidden: 4}"
    code, printed = hemoscope(
        "train", recipe, network, "input.neighbours=0", f"stages=[{whole}]", *data.options, "--out", run
    )
    assert code == 0, printed
    assert {row["slice_auc_any"] for row in rows_of(run / "epochs.csv")} == {""}
    assert hemoscope("predict", run, "--out", tmp_path / "predictions")[0] == 0
    slices, scans = (rows_of(tmp_path / f"predictions/{name}.csv") for name in ("slices", "scans"))
    assert slices and all(row[finding] == "" for row in slices for finding in FINDING_NAMES)
    assert [row["suspicious_slice"] for row in scans] == ["", "", ""]
    assert all(0 < float(row["any"]) < 1 for row in scans)
    code, printed = hemoscope("export", run, "--out", tmp_path / "bundle")
    assert (code, "taught" in printed, (tmp_path / "bundle").exists()) == (2, True, False), printed


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (["network.neighbours=1"], "has no setting neighbours"),
        (["input.size=32"], "build a store with `hemoscope dataset build --size 32"),
        (["input.framing=head"], "framing head"),
        (["split.train=[nothing]"], "none has a known label of epidural"),
        (["network.findings=[subdural, any]"], "none has a known label of subdural"),
        (["stages.slices.sampling={kind: weighted, shares: {rsna: 1}}"], "gives a share to rsna"),
        (["initial_weights=gone.safetensors"], "There is no file gone.safetensors"),
        (["stages.slices.batch=1000000"], "lower the stage's `batch`"),
        (["stages.sequence.keep=best", "split.validation=[nothing]"], "nothing is held out that has labels"),
        (["network={name: patel2019, size: 64, first_filters: 1}", "input.neighbours=0"], "set `loss.slices` to 0"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_written(
    hemoscope: Callable[..., tuple[int, str]],
    data: Data,
    recipe: Path,
    tmp_path: Path,
    changes: list[str],
    sentence: str,
) -> None:
    code, printed = hemoscope("train", recipe, *changes, *data.options, "--out", tmp_path / "run")
    assert code == 2
    assert sentence in printed
    assert printed.count("\n") == 1, "more than a sentence"
    assert not (tmp_path / "run").exists()


def test_options_that_are_missing_or_do_not_go_together(
    hemoscope: Callable[..., tuple[int, str]], data: Data, recipe: Path, tmp_path: Path
) -> None:
    for arguments, sentence in (
        (["train"], "Give RECIPE, --manifest, --store and --out"),
        (["train", recipe, "--resume", tmp_path], "give no recipe"),
        (["train", "--resume", tmp_path], "There is no run in"),
        (["train", tmp_path / "gone.yaml", *data.options, "--out", tmp_path / "x"], "cannot be read"),
        (["predict", tmp_path, "--out", tmp_path / "x"], "There is no run in"),
        (["export", tmp_path, "--out", tmp_path / "x"], "There is no run in"),
        (["export", tmp_path, "--out", tmp_path / "x", "--calibration", "isotonic"], "--calibration needs --fold"),
        (["export", tmp_path, "--out", tmp_path / "x", "--held-out", tmp_path], "--held-out needs --fold"),
        (["runs", tmp_path / "gone"], "There is no run in"),
        (["train", recipe, *data.options, "--out", tmp_path / "x", "--device", "tpu"], "--device is auto, cpu or cuda"),
    ):
        code, printed = hemoscope(*arguments)
        assert (code, sentence in printed) == (2, True), printed


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(
    hemoscope: Callable[..., tuple[int, str]], data: Data, recipe: Path, tmp_path: Path
) -> None:
    code, printed = hemoscope("train", recipe, *data.options, "--out", tmp_path / "x", "--device", "cuda")
    assert (code, "finds no GPU" in printed) == (2, True), printed


def test_a_run_that_is_not_finished_scores_nothing(
    hemoscope: Callable[..., tuple[int, str]], data: Data, recipe: Path, tmp_path: Path
) -> None:
    read = Recipe.read(recipe)
    run = Run.new(tmp_path / "run", read, data.manifest, data.store)
    run.begin()
    system = new_system(read)
    run.save_weights(system, "sequence.last.safetensors")
    for command in ("predict", "export"):
        code, printed = hemoscope(command, run.folder, "--out", tmp_path / "x")
        assert (code, f"hemoscope train --resume {run.folder}" in printed) == (2, True), printed
    assert not (tmp_path / "x").exists()


def test_a_loss_that_is_no_number_ends_the_training(
    hemoscope: Callable[..., tuple[int, str]], data: Data, recipe: Path, tmp_path: Path
) -> None:
    rate = ["stages.slices.optimizer={name: rmsprop, learning_rate: 1.0e+30}"]
    code, printed = hemoscope("train", recipe, *rate, *data.options, "--out", tmp_path / "run")
    assert code == 2
    assert "of the stage slices is no number. Begin a new run" in printed


@pytest.mark.parametrize(
    ("supported", "precision", "is_said"), [(False, "bf16", True), (True, "bf16", False), (False, "32", False)]
)
def test_a_processor_without_bfloat16_is_told_of(
    hemoscope: Callable[..., tuple[int, str]],
    data: Data,
    recipe: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    supported: bool,
    precision: str,
    is_said: bool,
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: supported)
    monkeypatch.setattr(train_module, "train", lambda run, fabric, settings: None)
    arguments = (f"precision={precision}", *data.options, "--device", "cpu", "--out", tmp_path / "run")
    code, printed = hemoscope("train", recipe, *arguments)
    assert (code, "begin anew with precision=32" in " ".join(printed.split())) == (0, is_said), printed
