"""docs/protocols.md names every protocol and holds what scripts/check_papers.py prints."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from hemoscope.evaluation.protocols.catalogue import PROTOCOLS

ROOT = Path(__file__).resolve().parents[3]


def test_every_protocol_is_in_the_table() -> None:
    page = (ROOT / "docs" / "protocols.md").read_text()
    assert [name for name in PROTOCOLS if f"| `{name}` |" not in page] == []


def test_what_does_not_add_up_is_as_the_script_prints_it() -> None:
    spec = importlib.util.spec_from_file_location("check_papers", ROOT / "scripts" / "check_papers.py")
    assert spec and spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.section() in (ROOT / "docs" / "protocols.md").read_text()
