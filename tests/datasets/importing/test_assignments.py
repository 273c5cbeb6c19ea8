"""What users say that values, classes and names of files stand for."""

from __future__ import annotations

import numpy as np
import pytest

from hemoscope.datasets.importing.assignments import finding_called, findings_of, read_assignments, read_mask_values
from hemoscope.datasets.importing.file_names import read_names
from hemoscope.reasons import UsageError


@pytest.mark.parametrize(
    ("name", "finding"),
    [
        ("EDH", "epidural"),
        ("Extradural", "epidural"),
        ("cph", "intraparenchymal"),
        ("any_hemorrhage", "any"),
        ("No-Hemorrhage", "none"),
        ("normal", "none"),
        ("fracture", None),
    ],
)
def test_findings_are_known_by_all_their_names(name: str, finding: str | None) -> None:
    assert finding_called(name) == finding


def test_values_of_masks() -> None:
    values = read_mask_values("1=EDH, 2=none,255=any,0=none")
    assert values == {1: "epidural", 2: "none", 255: "any", 0: "none"}
    assert findings_of(values) == {1: "epidural", 255: "any"}


@pytest.mark.parametrize("text", ["1", "=any", "1=blood", "1=any,", "x=any", "256=any", "0=any", "1=any,1=EDH"])
def test_wrong_values_are_one_sentence(text: str) -> None:
    with pytest.raises(UsageError, match="--values"):
        read_mask_values(text)


def test_the_option_is_named_in_the_error() -> None:
    with pytest.raises(UsageError, match="--classes is written KEY=FINDING"):
        read_assignments("a=b", "--classes")


def test_names_of_files_say_patient_and_slice() -> None:
    read = read_names(r"(?P<patient>\d+)_(?P<slice>\d+)\.png$", ["x/049_012.png", "x/other.png"])
    assert read["patient"].tolist() == ["049", None]
    np.testing.assert_array_equal(read["slice"].to_numpy(float), [12, np.nan])
