"""Work in several processes; that they end with a killed parent is tested with the header scan."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from hemoscope.datasets.parallel import in_processes
from hemoscope.reasons import UsageError


def square(number: int) -> int:
    return number * number


def fail(number: int) -> int:
    raise ArithmeticError(f"{number} is wrong")


def die(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_task_is_done_once(jobs: int) -> None:
    assert sorted(in_processes(square, range(20), jobs)) == [number * number for number in range(20)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_is_raised_here(jobs: int) -> None:
    with pytest.raises(ArithmeticError, match="is wrong"):
        list(in_processes(fail, range(20), jobs))


def test_a_killed_process_is_told() -> None:
    with pytest.raises(UsageError, match="fewer --jobs"):
        list(in_processes(die, range(3), 2))


def test_tasks_are_made_as_they_are_needed() -> None:
    made: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    results = in_processes(square, tasks(), 2)
    next(results)
    assert len(made) <= 4
    results.close()  # type: ignore[attr-defined]
