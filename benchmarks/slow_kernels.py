"""A training step of the `default` recipe's network in bfloat16 on a CPU is 1.2 times as fast without slow kernels.

Forward and backward of 32 slices, eager, channels last: as the recipe has it (coarse training, layers that are slow in
bfloat16 in float32, training/kernels.py), with all layers in bfloat16, and at the stride of detection, either way.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace

import torch
from measure import in_turn, report

from hemoscope.networks.current import Current, build
from hemoscope.training.kernels import spare_slow_kernels

AS_TRAINED = Current(channels=1, sequence="none", mirrored=True, coarse_training=True)
BATCH, SIDE, REPEATS = 32, 224, 5
AIM = 1.2
OURS, PLAIN = "coarse, without slow kernels", "coarse, all in bfloat16"


def step_of(settings: Current, spared: bool) -> Callable[[], object]:
    """A step of a network with random weights, which do not change its time."""
    network = build(settings).slice_network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    pictures = torch.rand(BATCH, settings.channels, SIDE, SIDE).to(memory_format=torch.channels_last)
    if spared:
        spare_slow_kernels(network)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(pictures)
        logits.float().square().mean().backward()
        network.zero_grad(set_to_none=True)

    return step


def main() -> None:
    """Measure and report."""
    fine = replace(AS_TRAINED, coarse_training=False)
    sides = {
        OURS: step_of(AS_TRAINED, spared=True),
        PLAIN: step_of(AS_TRAINED, spared=False),
        "at stride 16, without slow kernels": step_of(fine, spared=True),
        "at stride 16, all in bfloat16": step_of(fine, spared=False),
    }
    seconds = in_turn(sides, REPEATS)
    report(
        f"slow kernels: a step of {BATCH} slices of {SIDE} x {SIDE}",
        seconds,
        limit_seconds=statistics.median(seconds[PLAIN]) / AIM,
        slices_per_second=BATCH / statistics.median(seconds[OURS]),
    )


if __name__ == "__main__":
    main()
