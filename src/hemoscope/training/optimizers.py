"""Optimizers and learning rates of the recipes."""

from __future__ import annotations

from typing import Any

from torch import nn, optim
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from hemoscope.training.recipe import Optimizer

# Of the one-cycle schedule (Smith and Topin 2018): part of the steps that rise, and how far below the peak it begins.
RISING_SHARE, BEGIN_BELOW_PEAK = 0.15, 10.0


def optimizer_and_schedule(
    part: nn.Module, settings: Optimizer, steps: int, steps_an_epoch: int
) -> tuple[optim.Optimizer, LRScheduler]:
    """The optimizer of what learns, and the schedule that is moved on after every step."""
    given = settings.learning_rate
    rates = given if isinstance(given, tuple) else (given,)
    kinds: dict[str, Any] = {"adam": optim.Adam, "adamw": optim.AdamW, "rmsprop": optim.RMSprop}
    learning = [parameter for parameter in part.parameters() if parameter.requires_grad]
    # Patel 2019 gives none: 0.9 of Keras, which its other choices are from, not PyTorch's 0.99
    more = {"alpha": 0.9} if settings.name == "rmsprop" else {}
    optimizer: optim.Optimizer = kinds[settings.name](learning, lr=rates[0], weight_decay=settings.weight_decay, **more)
    if settings.schedule == "one_cycle":
        # Adam's first momentum moves against the rate, as PyTorch has it; RMSprop has none and gets none
        moves_momentum = settings.name != "rmsprop"
        return optimizer, OneCycleLR(
            optimizer, rates[0], total_steps=steps + 1, pct_start=RISING_SHARE, div_factor=BEGIN_BELOW_PEAK,
            cycle_momentum=moves_momentum,
        )  # fmt: skip

    def of_epoch(step: int) -> float:
        return rates[min(step // steps_an_epoch, len(rates) - 1)] / rates[0]

    return optimizer, LambdaLR(optimizer, of_epoch)
