"""`hemoscope submit` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hemoscope.cli.submit import submit
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """The options, with a sample of two slices and predictions of both."""
    slices = ["ID_000000001", "ID_000000002"]
    rows = [f"{name},{','.join(['0.25'] * 6)}" for name in slices]
    (tmp_path / "slices.csv").write_text("\n".join(["sop_instance_uid," + ",".join(FINDING_NAMES), *rows]))
    asked = [f"{name}_{finding},0.5" for name in slices for finding in FINDING_NAMES]
    (tmp_path / "sample.csv").write_text("\n".join(["ID,Label", *asked]))
    return ["--predictions", str(tmp_path / "slices.csv"), "--sample", str(tmp_path / "sample.csv"), "--out"]


def test_it_writes_the_rows_of_the_sample(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "submission.csv"
    submit.main([*files, str(out)], standalone_mode=False)
    assert out.read_text() == (tmp_path / "sample.csv").read_text().replace("0.5", "0.25") + "\n"
    assert "12 rows of 2 slices" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"slices.csv", "sample.csv", "submission.csv"}


def test_it_does_not_replace_what_it_reads(files: list[str], tmp_path: Path) -> None:
    before = (tmp_path / "sample.csv").read_text()
    with pytest.raises(UsageError, match="would replace"):
        submit.main([*files, str(tmp_path / "sample.csv")], standalone_mode=False)
    assert (tmp_path / "sample.csv").read_text() == before


def test_a_folder_that_is_not_there_is_one_sentence(files: list[str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"could not be written: No such file or directory"):
        submit.main([*files, str(tmp_path / "none" / "submission.csv")], standalone_mode=False)


def test_missing_slices_leave_no_submission(files: list[str], tmp_path: Path) -> None:
    table = tmp_path / "slices.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:-1]))
    with pytest.raises(UsageError, match="no row for ID_000000002"):
        submit.main([*files, str(tmp_path / "submission.csv")], standalone_mode=False)
    assert not (tmp_path / "submission.csv").exists()
