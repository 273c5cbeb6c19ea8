"""The system of a recipe, with random weights, the initial ones, or those of a run."""

from __future__ import annotations

from dataclasses import fields

import torch
from pydantic import TypeAdapter, ValidationError

from hemoscope.networks.catalogue import NETWORKS
from hemoscope.networks.system import System
from hemoscope.reasons import UsageError
from hemoscope.training.kernels import spare_slow_kernels
from hemoscope.training.recipe import Recipe


def new_system(recipe: Recipe) -> System:
    """Build the network of a recipe with the random weights that its seed gives.

    Raises UsageError for a network or a setting that there is not, and where it does not take the recipe's input.
    """
    settings = dict(recipe.network)
    name = settings.pop("name", None)
    if not isinstance(name, str) or name not in NETWORKS:
        raise UsageError(f"There is no network {name!r}; there are {', '.join(NETWORKS)}.")
    kind = NETWORKS[name]
    known = [field.name for field in fields(kind.settings)]
    if unknown := set(settings) - set(known):
        raise UsageError(f"The network {name} has no setting {', '.join(sorted(unknown))}; it has {', '.join(known)}.")
    try:
        checked = TypeAdapter(kind.settings).validate_python(settings)
    except ValidationError as error:
        found = error.errors()[0]
        place = ".".join(str(part) for part in found["loc"])
        raise UsageError(f"The setting {place} of the network {name} is wrong: {found['msg']}.") from None
    torch.manual_seed(recipe.seed)
    system: System = kind.build(checked)
    system.slices_at_once = recipe.slices_at_once or None
    _check_input(system, recipe)
    return system


def scores_slices(system: System, recipe: Recipe, stage: int) -> bool:
    """Whether what the system says of slices after a stage, by its number, means anything.

    Where only its slice network says it, that must have been taught.
    """
    scan_network = system.scan_network
    return (scan_network is not None and "slices" in scan_network.scores) or recipe.teaches_slices(stage)


def place(system: System, device: torch.device) -> None:
    """Put a system on a device, channels last and without slow kernels: convolutions are faster so."""
    spare_slow_kernels(system)
    system.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # which PyTorch does not list


def _check_input(system: System, recipe: Recipe) -> None:
    network, inputs = system.slice_network, recipe.input
    if network.channels != inputs.channels:
        raise UsageError(
            f"The network takes pictures of {network.channels} channels; {len(inputs.windows)} windows and "
            f"{inputs.neighbours} neighbours make {inputs.channels}."
        )
    size = inputs.size // inputs.maximum_filter[1]
    if network.size is not None and network.size != size:
        raise UsageError(f"The network takes pictures of {network.size} x {network.size}, not of {size} x {size}.")
