"""The protocols by name."""

from __future__ import annotations

from collections.abc import Mapping

from hemoscope.evaluation.protocols import burduja2020, default, efficientclass2021, patel2019, wong2019, ye2019
from hemoscope.evaluation.protocols.protocol import Protocol

PROTOCOLS: Mapping[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        default.PROTOCOL,
        burduja2020.PROTOCOL,
        efficientclass2021.PROTOCOL,
        wong2019.PROTOCOL,
        ye2019.PROTOCOL,
        patel2019.PROTOCOL,
    )
}
