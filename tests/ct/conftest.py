"""A small part of a real head, for volumes that are stored in many ways."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom import dcmread
from scan_writers import places_of

SHAPE = (14, 40, 32)


@pytest.fixture(scope="session")
def head(examples):
    """HU [slice, row, column] without any symmetry that could hide a flip."""
    paths = sorted((examples / "ge_tilted_head_series").glob("*.dcm"))[: SHAPE[0]]
    return np.stack([dcmread(path).pixel_array[100:420:8, 150:406:8] for path in paths]).clip(-1024, 3071)


@pytest.fixture
def places():
    """The places of the voxels of `head`, axial slices 5 mm apart."""
    return places_of(SHAPE)
