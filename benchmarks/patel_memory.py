"""A training step of Patel 2019 end to end on one thin scan: with checkpointing under 12 GB, the paper's GPU.

160 pairs are a scan of 320 thin slices after the paper's 2 x 2 x 2 maximum filter; 320 slices are one that was filtered
in its plane only. `in parts` is gradient checkpointing of so many slices at once; `kept` is without. All tensors are
float32, and every figure is of a CPU: the peak is that of a fresh process (VmHWM), less what it held before the step.
On a GPU the convolutions' workspaces differ; no GPU was measured.

The accounting beside it counts tensors: weights, gradients, RMSprop's state, and the activations that autograd keeps.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import torch
from measure import report
from torch import Tensor, nn

from hemoscope.networks.patel2019 import Patel2019, build
from hemoscope.networks.system import System

SLICES_AT_ONCE = 16
CASES = {
    "320 slices, in parts": (320, SLICES_AT_ONCE),
    "160 pairs, in parts": (160, SLICES_AT_ONCE),
    "160 pairs, kept": (160, None),
    "320 slices, kept": (320, None),
}
LIMIT_GB = 12  # of the GeForce GTX Titan X
LIMIT_SECONDS = 600


def process_memory(field: str) -> int:
    """VmRSS (now) or VmHWM (the most so far) of this process in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def size_of(tensors: list[Tensor]) -> int:
    """Bytes of tensors."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


class Kept:
    """Counts the bytes of storage that autograd keeps while it is entered, weights and inputs left out."""

    def __init__(self, apart_from: list[Tensor]) -> None:
        self._known = {tensor.untyped_storage().data_ptr() for tensor in apart_from}
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._note, lambda tensor: tensor)
        self.bytes = 0

    def _note(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._known:
            self._known.add(storage.data_ptr())
            self.bytes += storage.nbytes()
        return tensor

    def __enter__(self) -> Kept:
        self._hooks.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._hooks.__exit__(*error)


def activations(system: System, pictures: Tensor) -> int:
    """Bytes that a step keeps: of the whole scan, and of the one part that is being computed anew."""
    weights = list(system.parameters())
    with Kept([*weights, pictures]) as whole:
        answer = system(pictures, torch.tensor([len(pictures)]))
    del answer
    if system.slices_at_once is None:
        return whole.bytes
    with Kept([*weights, pictures]) as part:
        features = system.slice_network.features(pictures[: system.slices_at_once])
    del features
    return whole.bytes + part.bytes


def step(system: System, pictures: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """One step of section III-C.3: a batch of one scan, binary cross-entropy, RMSprop."""
    answer = system(pictures, torch.tensor([len(pictures)]))
    loss = nn.functional.binary_cross_entropy_with_logits(answer.scans, torch.ones(1, 1))
    loss.backward()
    optimizer.step()


def measure(slices: int, slices_at_once: int | None) -> dict[str, float]:
    """One case, in a process that has done nothing else: bytes and seconds.

    The peak comes first, as the accounting after it keeps as much again.
    """
    torch.manual_seed(7)
    system = build(Patel2019())
    system.slices_at_once = slices_at_once
    pictures = torch.rand(slices, 1, 256, 256)
    optimizer = torch.optim.RMSprop(system.parameters(), 1e-4)
    before, start = process_memory("VmRSS"), time.perf_counter()
    step(system, pictures, optimizer)
    seconds, peak = time.perf_counter() - start, process_memory("VmHWM") - before
    weights = list(system.parameters())
    return {
        "weights": size_of(weights),
        "gradients": size_of([weight.grad for weight in weights if weight.grad is not None]),
        "optimizer": size_of([state["square_avg"] for state in optimizer.state.values()]),
        "activations": activations(system, pictures),
        "peak": peak + size_of(weights) + size_of([pictures]),  # what the step needs beside the program itself
        "seconds": seconds,
    }


def main() -> None:
    """Measure every case in a process of its own and report."""
    results = {}
    for name, case in CASES.items():
        child = subprocess.run([sys.executable, __file__, json.dumps(case)], stdout=subprocess.PIPE, check=True)
        results[name] = json.loads(child.stdout)
    print(f"{'float32 on a CPU, GB (1e9 bytes)':<24} weights gradients optimizer activations     sum  peak of process")
    for name, found in results.items():
        parts = [found[part] / 1e9 for part in ("weights", "gradients", "optimizer", "activations")]
        print(f"{name:<32} {'  '.join(f'{part:8.2f}' for part in [*parts, sum(parts), found['peak'] / 1e9])}")
    peaks = {
        f"peak_{name.replace(',', '').replace(' ', '_')}_GB": found["peak"] / 1e9 for name, found in results.items()
    }
    report(
        "patel memory: a training step of 320 thin slices end to end, float32 on a CPU",
        {name: [found["seconds"]] for name, found in results.items()},
        LIMIT_SECONDS,
        {"peak_320_slices_in_parts_GB": LIMIT_GB},
        **peaks,
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(*json.loads(sys.argv[1]))))
    else:
        main()
