"""Every system that can be trained, as a table that recipes, the command line and tests read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hemoscope.networks import burduja2020, current, efficientclass2021, patel2019, wong2019, ye2019
from hemoscope.networks.system import System


@dataclass(frozen=True)
class NetworkKind:
    """A system: its name in recipes, the paper in a line, the class of its settings, and how it is built."""

    name: str
    paper: str
    settings: type[Any]
    build: Callable[[Any], System]  # from settings to the system with random weights


NETWORKS: Mapping[str, NetworkKind] = {
    kind.name: kind
    for kind in (
        NetworkKind(
            "burduja2020",
            "Burduja et al. 2020: a CNN, few of its features, an LSTM over the scan",
            burduja2020.Burduja2020,
            burduja2020.build,
        ),
        NetworkKind(
            "efficientclass2021",
            "EfficientClass 2021: a detector's pyramid, drawn for a ResNet",
            efficientclass2021.EfficientClass2021,
            efficientclass2021.build,
        ),
        NetworkKind("wong2019", "Wong 2019: a ResNet for each slice", wong2019.Wong2019, wong2019.build),
        NetworkKind("ye2019", "Ye et al. 2019: a CNN and a GRU, trained as one", ye2019.Ye2019, ye2019.build),
        NetworkKind(
            "patel2019", "Patel et al. 2019: a CNN and an LSTM over thin scans", patel2019.Patel2019, patel2019.build
        ),
        NetworkKind(
            "current", "our own: a small backbone, neighbours, attention pooling", current.Current, current.build
        ),
    )
}
