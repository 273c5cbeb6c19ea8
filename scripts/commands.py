"""Commands of `hemoscope` as the scripts here run them: each is printed first, and what is done is not done again."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path


def run_command(*words: object) -> None:
    """Print a command of `hemoscope` and run it."""
    command = ["hemoscope", *map(str, words)]
    print("$", shlex.join(command), flush=True)
    subprocess.run([sys.executable, "-m", "hemoscope.cli.main", *command[1:]], check=True)


def train(recipe: Path, manifest: Path, store: Path, folder: Path, *changes: str) -> Path:
    """Train a run unless that is done; one that was stopped goes on."""
    if not (folder / "run.json").exists():
        run_command("train", recipe, "--manifest", manifest, "--store", store, "--out", folder, *changes)
    elif json.loads((folder / "run.json").read_text())["state"] != "finished":
        run_command("train", "--resume", folder)
    return folder
