"""Run commands as a user does, in this process or in one of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hemoscope.cli.main import main
from hemoscope.detector.bundle import INSTALLED
from hemoscope.report.results import schema


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Both outputs, lines joined."""
        return " ".join((self.out + self.err).split())


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Call the command; its exit code and what it printed."""

    def call(*arguments: object) -> Outcome:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return Outcome(ended.value.code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def bundle() -> Path:
    """The bundle that comes with the package."""
    return INSTALLED / "default"


@pytest.fixture
def results_of() -> Callable[[Path], dict[str, Any]]:
    """Read the results.json of an output folder, which must follow the schema."""

    def read(out: Path) -> dict[str, Any]:
        results = json.loads((out / "results.json").read_text())
        jsonschema.Draft202012Validator(schema()).validate(results)
        return dict(results)

    return read
