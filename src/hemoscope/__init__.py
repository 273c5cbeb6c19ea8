"""Hemoscope finds intracranial hemorrhage in head CT. Research use only.

>>> import hemoscope
>>> scan = hemoscope.read_scan("folder")  # doctest: +SKIP
>>> detection = hemoscope.Detector.load("default")(scan)  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from hemoscope.findings import FINDINGS

if TYPE_CHECKING:
    from hemoscope.ct.read import read_scan
    from hemoscope.ct.scan import Scan
    from hemoscope.detector.detection import Detection
    from hemoscope.detector.inference import Detector

__all__ = ["FINDINGS", "Detection", "Detector", "Scan", "read_scan"]

# Loaded when first asked for, so that `import hemoscope` and `hemoscope --help` stay fast.
_HOMES = {
    "read_scan": "hemoscope.ct.read",
    "Scan": "hemoscope.ct.scan",
    "Detection": "hemoscope.detector.detection",
    "Detector": "hemoscope.detector.inference",
}


def __getattr__(name: str) -> object:
    """Find a public name in its module (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'hemoscope' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
