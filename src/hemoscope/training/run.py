"""A run: the folder that a training leaves, and finds again when it is resumed."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.slice_store.store import SliceStore
from hemoscope.networks.system import System
from hemoscope.reasons import UsageError
from hemoscope.report.write import write_whole
from hemoscope.training.recipe import Recipe
from hemoscope.training.run_facts import FACTS, read_facts

FORMAT = 1
RECIPE, CHECKPOINT = "recipe.yaml", "checkpoint.pt"
PACKAGES = ("hemoscope", "torch", "torchvision", "timm", "effdet", "lightning-fabric", "numpy", "scikit-learn")


@dataclass(frozen=True)
class Run:
    """One training: its folder, its recipe, and the data that it learns from."""

    folder: Path
    recipe: Recipe
    manifest: Manifest
    store: SliceStore
    manifest_path: Path

    @classmethod
    def new(cls, folder: Path, recipe: Recipe, manifest_path: Path, store_path: Path) -> Run:
        """A run that is still to begin; raises UsageError where one is already, or where the data do not fit."""
        if (folder / FACTS).exists():
            raise UsageError(f"There is a run in {folder} already: go on with it with --resume, or give another --out.")
        manifest, store = Manifest.read(manifest_path), SliceStore.open(store_path)
        check_store(store, recipe)
        return cls(folder, recipe, manifest, store, manifest_path)

    @classmethod
    def open(cls, folder: Path, manifest_path: Path | None = None, store_path: Path | None = None) -> Run:
        """Open a run; manifest_path, store_path: instead of those that it was trained on. Raises UsageError."""
        if not (folder / FACTS).is_file():
            raise UsageError(f"There is no run in {folder}: it has no {FACTS}.")
        facts = read_facts(folder)
        recipe = Recipe.read(folder / RECIPE)
        store = SliceStore.open(store_path or Path(facts["store"]))
        check_store(store, recipe)
        manifest_path = manifest_path or Path(facts["manifest"])
        return cls(folder, recipe, Manifest.read(manifest_path), store, manifest_path)

    def begin(self) -> None:
        """Make the folder, with the recipe and what is known before the first step; nothing where it is begun."""
        if (self.folder / FACTS).exists():
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"The folder {self.folder} cannot be made: {error.strerror}.") from error
        write_whole(self.folder / RECIPE, self.recipe.to_yaml().encode())
        self.update(
            format=FORMAT,
            name=self.recipe.name,
            state="training",
            began=datetime.now(UTC).isoformat(timespec="seconds"),
            versions={name: found for name in PACKAGES if (found := _version(name))}
            | {"python": platform.python_version()},
            git_revision=_git_revision(),
            manifest=str(self.manifest_path.absolute()),
            store=str(self.store.folder.absolute()),
            manifest_split=None if self.manifest.split is None else vars(self.manifest.split),
            split_sha256=split_sha256(self.manifest),
            stages={},
        )

    @property
    def facts(self) -> dict[str, Any]:
        """What run.json says."""
        return read_facts(self.folder)

    def update(self, **facts: Any) -> None:
        """Change entries of run.json."""
        old = read_facts(self.folder) if (self.folder / FACTS).exists() else {}
        write_whole(self.folder / FACTS, json.dumps(old | facts, indent=2).encode() + b"\n")

    def update_stage(self, name: str, **facts: Any) -> None:
        """Change entries of one stage in run.json."""
        stages: dict[str, Any] = self.facts["stages"]
        self.update(stages=stages | {name: stages.get(name, {}) | facts})

    def check_same_split(self) -> None:
        """Raise UsageError where the Manifest is split in another way than when the run began."""
        if (self.folder / FACTS).exists() and self.facts["split_sha256"] != split_sha256(self.manifest):
            raise UsageError(
                f"The Manifest of {self.folder} is split in another way than when the run began: patients that it was "
                "trained on may be held out now. Split it as before, or begin a new run."
            )

    def check_finished(self) -> None:
        """Raise UsageError where training is not over."""
        if self.facts["state"] != "finished":
            raise UsageError(f"The run {self.folder} is not finished: hemoscope train --resume {self.folder}")

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Keep what resuming needs."""
        unfinished = self.folder / f".{CHECKPOINT}"
        torch.save(state, unfinished)
        unfinished.replace(self.folder / CHECKPOINT)

    def checkpoint(self) -> dict[str, Any] | None:
        """What resuming needs; None where the run was stopped before the first checkpoint."""
        path = self.folder / CHECKPOINT
        found: dict[str, Any] | None = (
            torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None
        )
        return found

    def save_weights(self, system: System, name: str) -> None:
        """Keep the weights of the whole system as safetensors."""
        unfinished = self.folder / f".{name}"
        save_file({key: value.detach().cpu().contiguous() for key, value in system.state_dict().items()}, unfinished)
        unfinished.replace(self.folder / name)

    def load_weights(self, system: System, name: str) -> None:
        """Put weights that were kept into the system; raises UsageError where there are none."""
        path = self.folder / name
        if not path.exists():
            raise UsageError(f"The run {self.folder} has no {name} yet: go on with `hemoscope train --resume`.")
        system.load_state_dict(load_file(path))


def check_store(store: SliceStore, recipe: Recipe) -> None:
    """Raise UsageError where the slices of the store are not of the size that the recipe wants."""
    size, framing = recipe.input.size, recipe.input.framing
    rows, columns = store.shape
    if (rows, columns, store.framing) != (size, size, framing):
        raise UsageError(
            f"The recipe {recipe.name} takes slices of {size} x {size}, framing {framing}; those of {store.folder} are "
            f"{rows} x {columns}, framing {store.framing}: build a store with `hemoscope dataset build --size {size} "
            f"--framing {framing}`, or change `input`."
        )


def split_sha256(manifest: Manifest) -> str:
    """What tells one split of one Manifest from another."""
    digest = hashlib.sha256()
    for name in ("dataset", "patient", "series", "slice", "path", "frame", "split"):
        digest.update("\x1f".join(map(str, manifest.table[name].to_pylist())).encode())
    return digest.hexdigest()


def _git_revision() -> str | None:
    """The revision of the repository that keeps this file, with `+` where files are changed; None where none does."""
    here = Path(__file__).parent
    try:
        # an installed copy may lie inside somebody else's repository
        subprocess.run(["git", "ls-files", "--error-unmatch", __file__], cwd=here, capture_output=True, check=True)
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True)
        changed = subprocess.run(["git", "status", "--porcelain", "-uno"], cwd=here, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
