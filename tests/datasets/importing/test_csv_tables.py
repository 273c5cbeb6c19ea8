"""CSV tables: columns by name, and what their cells hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hemoscope.datasets.importing.tables import numbers, read_labels, read_table, repeated, whole_numbers
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError


def test_columns_are_found_whatever_their_case_white_space_and_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text('"Patient Number","Age\n(years)",gender \n49, 35 ,Male\n50,,NA\n', encoding="utf-8-sig")
    table = read_table(path, {"patient": "patient number", "age": "Age (years)", "sex": "Gender"})
    assert table.to_dict("list") == {"patient": ["49", "50"], "age": ["35", ""], "sex": ["Male", "NA"]}


def test_a_comma_at_the_end_of_the_rows_does_not_move_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2,\n3,4,\n")
    with pytest.warns(pd.errors.ParserWarning):
        assert read_table(path, {"a": "a", "b": "b"}).to_dict("list") == {"a": ["1", "3"], "b": ["2", "4"]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,c\n1,2\n", "lacks the column b; it has a, c"),
        (b"", "is no CSV table"),
        (b"a,b\n1,2\n1,2,3\n", "is no CSV table: Error tokenizing data. C error: Expected 2 fields in line 3"),
        (b"\xff\xfe\x00", "is no CSV table"),
    ],
)
def test_a_file_that_is_not_the_table_gives_one_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(UsageError, match=words):
        read_table(tmp_path / "t.csv", {"a": "a", "b": "b"})
    with pytest.raises(UsageError, match=r"There is no table .*absent\.csv"):
        read_table(tmp_path / "absent.csv", {})


def test_what_is_no_number_is_not_taken_for_one() -> None:
    cells = pd.Series(["7", "7.0", "7.5", "", "x", "inf", "-1"])
    assert np.array_equal(whole_numbers(cells), [7, 7, np.nan, np.nan, np.nan, np.nan, -1], equal_nan=True)
    assert np.array_equal(numbers(cells)[:4], [7, 7, 7.5, np.nan], equal_nan=True)


def test_blank_labels_are_unknown_and_other_values_make_the_row_wrong() -> None:
    table = pd.DataFrame({"any": ["1", "0.0", "", "2", "yes"], "subdural": ["1", "0", "0", "1", "0"]})
    labels, wrong = read_labels(table)
    place = [FINDING_NAMES.index("subdural"), FINDING_NAMES.index("any")]
    assert labels[:, place].tolist() == [[1, 1], [0, 0], [0, -1], [-1, -1], [-1, -1]]
    assert wrong.tolist() == [False, False, False, True, True]
    assert (labels[:, FINDING_NAMES.index("epidural")] == -1).all()


def test_repeated_rows_are_told_from_conflicting_ones() -> None:
    again, conflicting = repeated(pd.Series(["a", "b", "a", "b", "c"]), np.array([[1], [0], [1], [1], [0]], np.int8))
    assert again.tolist() == [False, False, True, False, False]
    assert conflicting.tolist() == [False, True, False, True, False]
