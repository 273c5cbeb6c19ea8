"""Slices that were damaged are found among their neighbours; undamaged ones are not."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from real_scans import physionet_scans, rsna_scans

from hemoscope.ct.neighbours import misfits
from hemoscope.ct.read import read_scan

NOISE = np.random.default_rng(0)
DAMAGE = {
    "noise": lambda hu: NOISE.integers(hu.min(), hu.max() + 1, hu.shape),
    "shifted by 1000 HU": lambda hu: (hu + 1000).clip(hu.min(), hu.max()),
    "inverted": lambda hu: int(hu.min()) + int(hu.max()) - hu,
    "shuffled": lambda hu: hu[NOISE.permutation(len(hu))],
    "lower half noise": lambda hu: np.concatenate([hu[: len(hu) // 2], DAMAGE["noise"](hu[len(hu) // 2 :])]),
    "lower half lost": lambda hu: np.concatenate([hu[: len(hu) // 2], np.full_like(hu[len(hu) // 2 :], hu.min())]),
    "lost": lambda hu: np.full_like(hu, hu.min()),
    "moved": lambda hu: np.roll(hu, len(hu) // 3, axis=0),
    "turned": lambda hu: np.rot90(hu),
}


@pytest.fixture(scope="module")
def head(examples):
    return read_scan(examples / "ge_tilted_head_series").hu


def damaged(hu, numbers, damage):
    """The slices with some of them damaged."""
    spoilt = np.array(hu)
    for number in numbers:
        spoilt[number] = DAMAGE[damage](hu[number])
    return spoilt


def found(hu):
    return [int(i) for i in np.flatnonzero(misfits(list(hu)))]


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("numbers", [[7], [14], [20], [10, 11]])
def test_damaged_slices_and_only_they_are_found(head, numbers, damage):
    assert found(damaged(head, numbers, damage)) == numbers


@pytest.mark.parametrize("damage", sorted(DAMAGE.keys() - {"lost", "lower half lost"}))  # air is how a head ends
def test_a_damaged_end_is_found(head, damage):
    assert found(damaged(head, [0], damage)) == [0]


def test_real_slices_are_not_found(head):
    assert found(head) == []
    assert found(head[::-1]) == []


def test_a_slice_of_another_patient_is_found(shared_data):
    hits = []
    scans = [scan for scan in physionet_scans(shared_data) if len(scan.slices) >= 28][:20]
    for scan, other in pairwise(scans):
        mixed = scan.hu.copy()
        mixed[14] = other.hu[14]
        hits.append(14 in found(mixed))
    assert np.mean(hits) > 0.9


@pytest.mark.parametrize("damage", ["noise", "shifted by 1000 HU", "inverted", "shuffled", "moved"])
def test_damage_is_found_in_49_rsna_series(shared_data, damage):
    for scan in rsna_scans(shared_data):
        if scan.name != "72952d87fa":  # scanned twice over the same positions: its slices do not fit
            middle = len(scan.slices) // 2
            assert found(damaged(scan.hu, [middle], damage)) == [middle], scan.name


def test_few_slices_are_not_judged(head):
    assert found(damaged(head[:4], [1], "noise")) == []
