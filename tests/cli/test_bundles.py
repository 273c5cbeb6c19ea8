from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hemoscope.detector import bundle as bundle_module


def test_the_installed_bundles_and_their_figures(run: Callable[..., Any]) -> None:
    ended = run("bundles")
    assert ended.code == 0
    default = bundle_module.Bundle.load("default")
    for part in (f"default {default.version}", default.sha256, "sensitive, scan", "specific, scan", "MODEL_CARD.md"):
        assert part in ended.text
    assert default.facts["metrics"]
    for name, figure in default.facts["metrics"].items():
        assert f"{name} {figure}" in ended.text


def test_without_bundles(run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_module, "INSTALLED", tmp_path)
    assert "No bundle is installed" in run("bundles").text
