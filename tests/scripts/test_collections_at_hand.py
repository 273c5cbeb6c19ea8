"""The script for the collections at hand says in one sentence what is wrong with its arguments, and what it skips."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "scripts" / "collections_at_hand.py"
    spec = importlib.util.spec_from_file_location("collections_at_hand", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("words", "sentence"),
    [([], "required: data, out"), (["gone", "out"], "gone is no folder"), (["empty", "out"], "holds none of the coll")],
)
def test_wrong_arguments_are_one_sentence(
    script: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit) as end:
        script.main(words)
    assert end.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_collection_that_is_not_there_is_skipped_with_a_line(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "phe_sich").mkdir()
    (tmp_path / "cq500_reads").mkdir()
    assert list(script.collections_in(tmp_path, tmp_path / "out")) == ["phe-sich"]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert f"cq500 is skipped: {tmp_path} holds no head_ct_hu and no bhx_boxes." in lines


def test_patients_whose_name_in_rsna_2019_is_hidden_are_unknown(
    script: ModuleType, shared_data: Path, tmp_path: Path
) -> None:
    script.name_patients_of_bhsd(shared_data / "bhsd_images" / "slices.csv", tmp_path / "bhsd.csv")
    with (tmp_path / "bhsd.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    hidden = [row for row in rows if not row["patient"]]
    assert (len(hidden), len({row["volume"] for row in hidden})) == (17, 13)
    assert all(row["patient"].startswith("rsna2019:") for row in rows if row["rsna_patient_study"])
