"""The way of most published code: plain pydicom, then the same network slice by slice in eager PyTorch."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from hemoscope.ct.prepare import prepare_slice

NETWORK = Path(__file__).resolve().parent.parent / "scripts" / "default_bundle"
SIZE = 224


def plain_slices(folder: Path) -> list[tuple[NDArray[np.int16], Dataset]]:
    """Read a folder file by file: (HU [row, column], data set), in the order of the file names."""
    slices = []
    for path in sorted(folder.iterdir()):
        dataset = dcmread(path)
        hu = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        slices.append((hu.astype(np.int16), dataset))
    return slices


def plain_sum(folder: Path) -> int:
    """Read and decode a folder with pydicom and add up its pixels: what reading alone costs."""
    return sum(int(dcmread(path).pixel_array.sum(dtype=np.int64)) for path in sorted(folder.iterdir()))


def eager_sides(folder: Path) -> dict[str, Callable[[], object]]:
    """Detection in the slices of a folder, with one thread and with PyTorch's own number; empty without PyTorch.

    Both are shown because several threads for one small slice can be slower than one, above all on a busy machine.

    The network has the architecture of the default bundle with random weights: their values do not change the time.
    """
    try:
        import torch

        sys.path.insert(0, str(NETWORK))
        from network import SliceNetwork
    except ImportError as error:
        print(f"The side in eager PyTorch is left out ({error}): it needs `pip install hemoscope[train]`.")
        return {}
    network = SliceNetwork().eval()
    own_number = torch.get_num_threads()

    @torch.inference_mode()
    def detect(threads: int) -> list[float]:
        torch.set_num_threads(threads)
        scores = []
        for hu, dataset in plain_slices(folder):
            row_mm, column_mm = map(float, dataset.PixelSpacing)
            grey, _ = prepare_slice(hu, (row_mm, column_mm), SIZE)
            logits, _ = network(torch.from_numpy(grey)[None, None])
            scores.append(float(logits[0, -1]))
        return scores

    return {
        f"pydicom, then eager PyTorch (threads: {threads})": lambda threads=threads: detect(threads)
        for threads in sorted({1, own_number})
    }
