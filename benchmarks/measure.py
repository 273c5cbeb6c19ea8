"""Time several ways of one job in turn, print medians and ratios, and keep them in benchmarks/results/."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
LOAD_BEFORE = os.getloadavg()[0]  # what else the machine was doing, in busy cores


def in_turn(sides: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Wall seconds of each side, `repeats` times after one untimed round.

    The sides alternate, so that what else the machine does meets them alike.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(repeats + 1):
        for name, job in sides.items():
            start = time.perf_counter()
            job()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def report(
    claim: str,
    seconds: dict[str, list[float]],
    limit_seconds: float | None,
    limits: Mapping[str, float] | None = None,
    **figures: float,
) -> None:
    """Print and keep the medians, the ratios to the first side, and whether it stays under its limit.

    limit_seconds: None where nothing is claimed, and the sides are only shown. figures: other numbers that belong to
    the claim, by a name that ends in the unit; limits: what some of them must stay under.
    """
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    first, *_ = medians
    missed = [name for name, limit in (limits or {}).items() if figures[name] >= limit]
    if limit_seconds is not None and medians[first] >= limit_seconds:
        missed.insert(0, "seconds")
    print(f"\n{claim}")
    for name, median in medians.items():
        spread = f"{min(seconds[name]):.3f} to {max(seconds[name]):.3f}"
        print(f"  {name:<52} {median:8.3f} s ({spread})   {median / medians[first]:6.2f} x")
    for name, value in figures.items():
        print(f"  {name.replace('_', ' '):<52} {value:8.3g}")
    of_figures = "".join(f", {name.replace('_', ' ')} {limit:.3g}" for name, limit in (limits or {}).items())
    verdict = f"MISSED ({', '.join(missed)})" if missed else "kept"
    if limit_seconds is None:
        print("  no limit is claimed")
    else:
        print(f"  limits for {first}: {limit_seconds:.3g} s{of_figures}: {verdict}")
    RESULTS.mkdir(exist_ok=True)
    result = {
        "claim": claim,
        "limit_seconds": limit_seconds,
        "limits": dict(limits or {}),
        "kept": None if limit_seconds is None else not missed,
        "seconds": {name: [round(value, 4) for value in values] for name, values in seconds.items()},
        "median_seconds": {name: round(value, 4) for name, value in medians.items()},
        "ratio_to_first": {name: round(value / medians[first], 3) for name, value in medians.items()},
        "figures": {name: round(value, 4) for name, value in figures.items()},
        "cores": len(os.sched_getaffinity(0)),
        "load_before": round(LOAD_BEFORE, 1),
        "python": platform.python_version(),
        "processor": processor(),
    }
    file_name = claim.split(":")[0].replace(" ", "_") + ".json"
    (RESULTS / file_name).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def forget(folder: Path) -> None:
    """Drop the pages of all files from the cache of the operating system; the disk's own cache stays."""
    for path in folder.rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def processor() -> str:
    """The model name of the processor."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.machine()
