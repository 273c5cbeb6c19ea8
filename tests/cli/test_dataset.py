"""`hemoscope dataset` as a user types it, on the example scans: import, merge, split, build, describe."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hemoscope.cli import screen
from hemoscope.datasets.collection import collections
from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.splitting.schemes import SCHEMES
from hemoscope.findings import FINDING_NAMES

PATIENTS = ("052", "077", "101")


@pytest.fixture
def labels(examples: Path, tmp_path: Path) -> Path:
    """The labels of the three CT-ICH volumes, a row a slice, and a row for a file that is not there."""
    table = tmp_path / "labels.csv"
    with (examples / "physionet_ct_ich" / "labels.csv").open(newline="") as given, table.open("w", newline="") as made:
        writer = csv.writer(made)
        writer.writerow(["path", "frame", "patient", "epidural", "any"])
        for row in csv.DictReader(given):  # stored from foot to head
            number = row["file"].removeprefix("patient_").removesuffix(".nii.gz")
            writer.writerow([row["file"], row["slice"], number, row["epidural"], row["any"]])
        writer.writerow(["patient_999.nii.gz", 0, "999", 0, 0])
    return table


@pytest.fixture
def imported(run: Callable[..., Any], examples: Path, labels: Path, tmp_path: Path) -> Path:
    """The Manifest of the three volumes."""
    out = tmp_path / "ct-ich.parquet"
    done = run("dataset", "import", "csv", "--root", examples / "physionet_ct_ich", "--table", labels,
               "--name", "ct-ich", "--out", out)  # fmt: skip
    assert done.code == 0
    assert "MISSING_FILE" in done.text
    problem = "MISSING_FILE,1,labels.csv row 63,There is no patient_999.nii.gz below the root."
    assert problem in out.with_suffix(".problems.csv").read_text()
    return out


def test_a_collection_goes_from_files_to_a_described_store(
    run: Callable[..., Any], imported: Path, tmp_path: Path
) -> None:
    merged, store, description = tmp_path / "all.parquet", tmp_path / "store", tmp_path / "description"
    assert run("dataset", "merge", imported, "--out", merged).code == 0

    split = run("dataset", "split", merged, "--scheme", "kfold:3", "--seed", "1")
    assert split.code == 0
    assert "patients in more than one split 0" in split.text
    table = Manifest.read(merged).table
    folds = {
        (patient, fold) for patient, fold in zip(table["patient"].to_pylist(), table["split"].to_pylist(), strict=True)
    }
    assert {patient for patient, _ in folds} == {f"ct-ich:{number}" for number in PATIENTS}
    assert {fold for _, fold in folds} == {"fold0", "fold1", "fold2"}

    built = run("dataset", "build", merged, "--store", store, "--size", "128", "--jobs", "1")
    assert built.code == 0
    assert f"{len(table):,} slices" in built.text
    assert "agrees with its checksum" in run("dataset", "build", merged, "--store", store, "--verify").text

    described = run("dataset", "describe", merged, "--store", store, "--out", description)
    assert described.code == 0
    assert "Wong 2019, Table 2" in described.text
    for name in ("tables.md", "contact_sheet.png", "positives.png"):
        assert (description / name).stat().st_size > 0


def test_strict_makes_what_was_kept_out_an_error(
    run: Callable[..., Any], examples: Path, labels: Path, tmp_path: Path
) -> None:
    out = tmp_path / "m.parquet"
    done = run("dataset", "import", "csv", "--root", examples / "physionet_ct_ich", "--table", labels, "--out", out,
               "--strict")  # fmt: skip
    assert done.code == 1
    assert "under --strict" in done.text
    assert not out.exists()
    assert out.with_suffix(".problems.csv").exists()


def test_an_import_of_nothing_fails_and_lists_why(run: Callable[..., Any], examples: Path, tmp_path: Path) -> None:
    table, out = tmp_path / "labels.csv", tmp_path / "m.parquet"
    table.write_text("path,any\nabsent.dcm,1\nalso_absent.dcm,0\n")
    done = run("dataset", "import", "csv", "--root", examples, "--table", table, "--out", out)
    assert done.code == 1
    assert "Nothing of the collection can be used" in done.text
    assert not out.exists()
    assert out.with_suffix(".problems.csv").read_text().count("MISSING_FILE") == 2


def test_a_damaged_store_is_told(run: Callable[..., Any], imported: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    assert run("dataset", "build", imported, "--store", store, "--size", "64", "--jobs", "1").code == 0
    shard = next((store / "shards").glob("*.npy"))
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.chmod(0o644)
    shard.write_bytes(content)
    told = run("dataset", "build", imported, "--store", store, "--verify")
    assert told.code != 0
    assert shard.name in told.text


def test_on_a_narrow_terminal_no_name_is_broken(
    run: Callable[..., Any], imported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen, "WIDTH_OF_FILES", 80)
    table = run("dataset", "describe", imported).out.split("Findings by dataset")[1].split("A scan or")[0]
    assert all(len(line.rstrip()) <= 80 for line in table.splitlines())
    named = [line.split()[:2] for line in table.splitlines() if line.startswith((" ct-ich", " all"))]
    assert named == [[name, finding] for name in ("ct-ich", "all") for finding in FINDING_NAMES]


def test_a_stopped_build_says_that_it_can_go_on(
    run: Callable[..., Any], imported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hemoscope.datasets.slice_store.build.build_store", stop)
    stopped = run("dataset", "build", imported, "--store", tmp_path / "store")
    assert stopped.code == 130
    assert "the same command goes on from there" in stopped.text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["import", "nothing", "--root", ".", "--out", "x"], "No such command 'nothing'"),
        (["import", "rsna2019", "--root", ".", "--out", "x.parquet"], "is not RSNA 2019 as Kaggle has it"),
        (["split", "MANIFEST", "--scheme", "mine"], "There is no split mine"),
        (["split", "MANIFEST", "--scheme", "kfold:9"], "labelled patients of the Manifest: 3"),
        (["split", "MANIFEST", "--scheme", "patel2019"], "give another Manifest with --out"),
        (["split", "absent.parquet", "--scheme", "kfold:3"], "There is no Manifest absent.parquet"),
        (["merge", "MANIFEST", "--out", "/proc/x/m.parquet"], "m.parquet cannot be written: No such file"),
        (["describe", "MANIFEST", "--out", "/proc/x"], "cannot be written to /proc/x: No such file"),
        (["import", "csv", "--root", ".", "--table", "labels.csv", "--out", "/proc/x/m.parquet"], "cannot be written"),
        (["build", "MANIFEST", "--store", "s", "--size", "big"], "number of pixels or native"),
        (["merge", "MANIFEST", "MANIFEST", "--out", "x"], "in two of the Manifests"),
    ],
)
def test_wrong_usage_is_one_sentence_and_ends_with_2(
    run: Callable[..., Any],
    imported: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    ended = run("dataset", *(imported if word == "MANIFEST" else word for word in arguments))
    assert ended.code == 2
    assert told in ended.text
    assert "Traceback" not in ended.text
    assert {path.name for path in tmp_path.iterdir()} == before


def test_the_help_of_split_names_every_scheme(run: Callable[..., Any]) -> None:
    words = run("dataset", "split", "--help").out.replace(",", " ").replace(".", " ").split()
    assert set(SCHEMES) <= set(words)


def test_every_collection_has_its_command_with_its_options(run: Callable[..., Any]) -> None:
    for name, collection in collections().items():
        helped = run("dataset", "import", name, "--help")
        assert helped.code == 0
        for option in ("--root", "--out", "--strict", *(option.flag for option in collection.options)):
            assert option in helped.out
