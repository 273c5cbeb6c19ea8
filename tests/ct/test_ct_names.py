"""Names of scans, and the order in which people count files."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hemoscope.ct.names import natural_key


def test_numbers_in_names_count_as_numbers():
    names = ["a1b10", "a1b2", "a10", "a2", "A1b3", "a02", "b", ""]
    assert sorted(names, key=natural_key) == ["", "a1b2", "A1b3", "a1b10", "a02", "a2", "a10", "b"]


@given(st.integers(0, 10**30), st.integers(0, 10**30))
def test_numbers_of_any_length_are_in_order(one, other):
    assert (natural_key(f"s{one}.png") < natural_key(f"s{other}.png")) == (one < other)


def test_a_number_longer_than_python_converts_is_sorted_too():
    assert natural_key("9" * 5000) > natural_key("8")
