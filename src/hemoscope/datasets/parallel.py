"""Work in several processes, which end with the one that started them even when that one is killed."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from hemoscope.reasons import UsageError

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_processes(work: Callable[[Task], Result], tasks: Iterable[Task], jobs: int) -> Iterator[Result]:
    """Yield the result of each task when it is done, in any order; one job works in this process.

    work: a function at the top level of a module. tasks: made as they are needed, a few at a time. What `work` raises
    is raised here, and what has not begun is dropped; UsageError when a process was killed.
    """
    if jobs == 1:
        yield from map(work, tasks)
        return
    # Not fork: threads of Arrow and OpenCV do not survive it.
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_end_with_parent)
    pending: set[Future[Result]] = set()
    try:
        for task in tasks:
            pending.add(pool.submit(work, task))
            if len(pending) >= 2 * jobs:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (one.result() for one in done)
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from (one.result() for one in done)
    except BrokenProcessPool as error:
        sentence = "A process was killed, most likely for want of memory: start again with fewer --jobs."
        raise UsageError(f"{sentence} What is finished is kept.") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """Without this, processes whose parent was killed wait for work for ever."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
