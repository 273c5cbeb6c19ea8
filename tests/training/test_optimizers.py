"""Optimizers with their schedules."""

from __future__ import annotations

import pytest
from torch import nn

from hemoscope.training.optimizers import optimizer_and_schedule
from hemoscope.training.recipe import Optimizer


@pytest.mark.parametrize("schedule", ["constant", "one_cycle"])
def test_rmsprop_has_no_momentum_with_any_schedule(schedule: str) -> None:
    settings = Optimizer.model_validate({"name": "rmsprop", "learning_rate": 1e-3, "schedule": schedule})
    optimizer, rates = optimizer_and_schedule(nn.Linear(2, 1), settings, steps=10, steps_an_epoch=10)
    for _ in range(10):
        assert optimizer.param_groups[0]["momentum"] == 0
        optimizer.step()
        rates.step()


def test_one_cycle_rises_to_the_rate_of_the_recipe_and_falls() -> None:
    settings = Optimizer.model_validate({"name": "adam", "learning_rate": 1e-3, "schedule": "one_cycle"})
    optimizer, schedule = optimizer_and_schedule(nn.Linear(2, 1), settings, steps=100, steps_an_epoch=100)
    rates = []
    for _ in range(100):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates[0] == pytest.approx(1e-4)
    assert max(rates) == pytest.approx(1e-3, rel=1e-3)
    assert 10 < rates.index(max(rates)) < 20
    assert rates[-1] < 1e-5
