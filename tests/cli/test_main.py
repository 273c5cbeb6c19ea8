from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from hemoscope.cli import info as info_module
from hemoscope.cli.main import cli

HEAVY = ("numpy", "pydicom", "onnxruntime", "nibabel", "cv2", "jinja2", "rich", "gdcm", "torch", "pandas",
         "pyarrow", "matplotlib")  # fmt: skip


@pytest.mark.parametrize(
    "arguments", [["--help"], *([name, "--help"] for name in ("detect", "info", "bundles", "dataset", "train"))]
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom hemoscope.cli.main import main\n"
        f"try: main({arguments})\nexcept SystemExit as end: assert end.code == 0\n"
        f"print('LOADED', [name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage: hemoscope" in done.stdout
    assert "LOADED []" in done.stdout


def test_the_commands_are_listed_with_the_main_one_first(run: Callable[..., Any]) -> None:
    training = ["train", "predict", "export", "runs", "networks"]
    measuring = ["evaluate", "compare", "readers", "submit"]
    assert list(cli.commands) == ["detect", "info", "bundles", "dataset", *training, *measuring]
    helped = run("--help")
    assert helped.code == 0
    assert "Research use only. Not a medical device." in helped.out


def test_version(run: Callable[..., Any]) -> None:
    assert run("--version").out.startswith("hemoscope ")


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["detect"], ["detect", "--jobs", "0", "x", "--out", "y"]])
def test_usage_errors_end_with_2(run: Callable[..., Any], arguments: list[str]) -> None:
    ended = run(*arguments)
    assert ended.code == 2
    assert "Traceback" not in ended.text


@pytest.mark.parametrize("debug", [False, True])
def test_a_defect_is_a_sentence_and_a_traceback_only_with_debug(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, debug: bool
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(info_module, "read_options", fail)
    ended = run(*(["--debug"] if debug else []), "info", "somewhere")
    assert ended.code == 1
    assert "Error: Hemoscope failed (ZeroDivisionError: by nothing). This is a defect" in ended.text
    assert ("Traceback" in ended.text) is debug
