"""Where the small data of these tests are, and the command line on them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor


@dataclass(frozen=True)
class Data:
    """A Manifest and its slice store."""

    manifest: Path
    store: Path

    @property
    def options(self) -> list[str]:
        """The options that name them."""
        return ["--manifest", str(self.manifest), "--store", str(self.store)]


def start(*arguments: object, launcher: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Start `hemoscope` in its own process, on one thread so that sums come in one order."""
    command = [sys.executable, *launcher, "-m", "hemoscope.cli.main", *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def run(*arguments: object, launcher: tuple[str, ...] = ()) -> str:
    """What `hemoscope` prints; it must succeed."""
    process = start(*arguments, launcher=launcher)
    printed, _ = process.communicate()
    assert process.returncode == 0, printed
    return printed


def weights(folder: Path) -> Mapping[str, Tensor]:
    """All weights that a run left, by file and name."""
    return {
        f"{path.name}:{name}": value
        for path in sorted(folder.glob("*.safetensors"))
        for name, value in load_file(path).items()
    }
