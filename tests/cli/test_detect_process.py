"""`hemoscope detect` as a process of its own: Ctrl-C, and the terminal."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Read = Callable[[Path], dict[str, Any]]


def start(bundle: Path, out: Path, *inputs: Path, **streams: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "hemoscope.cli.main", "detect", *inputs, "--out", out, "--bundle", bundle]
    return subprocess.Popen([str(part) for part in command], start_new_session=True, **streams)  # type: ignore[call-overload]


def test_ctrl_c_keeps_what_is_done_and_leaves_no_half_file(
    examples: Path, bundle: Path, tmp_path: Path, results_of: Read
) -> None:
    out, many = tmp_path / "out", tmp_path / "many"
    many.mkdir()
    for copy in range(40):
        shutil.copy(examples / "physionet_ct_ich" / "patient_052.nii.gz", many / f"{copy}.nii.gz")
    process = start(bundle, out, many, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while len(list(out.rglob("report.html"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the run
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr.decode().strip() == "Stopped."
    assert b"The outputs are in" in stdout
    results = results_of(out)
    assert results["manifest"]["complete"] is False
    assert 0 < len(results["scans"]) < 40
    assert {path.parent.name for path in out.rglob("report.html")} == {scan["scan"] for scan in results["scans"]}
    assert not [path for path in out.rglob("*") if path.suffix == ".part"]


def test_a_terminal_shows_progress(examples: Path, bundle: Path, tmp_path: Path) -> None:
    reader, terminal = pty.openpty()
    process = start(bundle, tmp_path / "out", examples, stdout=subprocess.DEVNULL, stderr=terminal)
    os.close(terminal)
    shown = b""
    while True:
        try:
            shown += os.read(reader, 4096)
        except OSError:  # the terminal is closed when the process ends
            break
    assert process.wait(timeout=30) == 0
    assert b"files, time left" in shown
