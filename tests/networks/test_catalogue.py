"""The table of all systems."""

from __future__ import annotations

from dataclasses import is_dataclass

import pytest
import torch

from hemoscope.findings import FINDING_NAMES
from hemoscope.networks.catalogue import NETWORKS
from hemoscope.networks.system import System


def test_it_holds_the_five_papers_and_our_own() -> None:
    papers = {"burduja2020", "efficientclass2021", "wong2019", "ye2019", "patel2019"}
    assert set(NETWORKS) == papers | {"current"}


@pytest.mark.parametrize("name", NETWORKS)
def test_each_is_built_from_its_default_settings(name: str) -> None:
    kind = NETWORKS[name]
    assert kind.name == name
    assert is_dataclass(kind.settings)
    with torch.device("meta"):
        system = kind.build(kind.settings())
    assert isinstance(system, System)
    assert set(system.findings) <= set(FINDING_NAMES)
    assert system.slice_network.channels >= 1
