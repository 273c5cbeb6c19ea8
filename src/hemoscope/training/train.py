"""Trains a run stage by stage, and goes on exactly where it was stopped."""

from __future__ import annotations

import os

import torch
from lightning_fabric import Fabric

from hemoscope.networks.initial_weights import load_initial_weights
from hemoscope.networks.system import System
from hemoscope.training.building import new_system, place
from hemoscope.training.run import Run
from hemoscope.training.stage import Settings, StageTraining, kept_weights


def train(run: Run, fabric: Fabric, settings: Settings) -> None:
    """Train all stages that are not done yet.

    Every stage is checked before the first one begins. A run that was stopped at any step, even killed, goes on from
    its last checkpoint and ends with the same weights (on the same machine, with as many processes).
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it a GPU's matrix products may vary
    torch.use_deterministic_algorithms(True, warn_only=True)  # warns of what a GPU has no such algorithm for
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing reads such memory
    run.check_same_split()
    system = new_system(run.recipe)
    checkpoint = run.checkpoint()
    if checkpoint is not None:
        system.load_state_dict(checkpoint["system"])
    elif run.recipe.initial_weights != "random":
        load_initial_weights(system.slice_network, run.recipe.initial_weights)
    place(system, fabric.device)
    stages = [StageTraining(run, fabric, settings, system, number) for number in range(len(run.recipe.stages))]
    first = checkpoint["stage"] if checkpoint else 0
    for stage in stages[first:]:
        stage.check_memory()
    if fabric.is_global_zero:
        run.begin()
    fabric.barrier()
    for number, stage in enumerate(stages[first:], first):
        begun = checkpoint if checkpoint is not None and number == first and checkpoint["step"] else None
        stage.train(begun, sum(one.steps for one in stages[:number]))
    if fabric.is_global_zero:
        run.update(state="finished")


def trained_system(run: Run) -> System:
    """The system of a run with the weights that training kept last; raises UsageError where it is not finished."""
    run.check_finished()
    system = new_system(run.recipe)
    run.load_weights(system, kept_weights(run.recipe.stages[-1]))
    system.eval()
    return system
