"""Fixtures: a real scan as a tensor, and a seeded generator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hemoscope import read_scan


@pytest.fixture(scope="module")
def scan(examples: Path) -> Tensor:
    """HU [28, 1, 256, 256] of a real scan, every second pixel."""
    hu = read_scan(examples / "ge_tilted_head_series").hu
    return torch.from_numpy(np.ascontiguousarray(hu[:, ::2, ::2]))[:, None]


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)
