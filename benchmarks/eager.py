"""The way of most published code: plain pydicom, then the same network slice by slice in eager PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from hemoscope.detector.bundle import Bundle


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

        from hemoscope.networks.current import Current, build
    except ImportError as error:
        print(f"The side in eager PyTorch is left out ({error}): it needs `pip install hemoscope[train]`.")
        return {}
    network = build(Current(channels=1, mirrored=True, sequence="none")).slice_network.eval()
    given = Bundle.load("default").input
    own_number = torch.get_num_threads()

    @torch.inference_mode()
    def detect(threads: int) -> list[float]:
        torch.set_num_threads(threads)
        scores = []
        for hu, dataset in plain_slices(folder):
            row_mm, column_mm = map(float, dataset.PixelSpacing)
            grey, _ = given.frame(hu, (row_mm, column_mm))
            logits = network(torch.from_numpy(grey)[None].float() / 255)
            scores.append(float(logits[0, -1]))
        return scores

    return {
        f"pydicom, then eager PyTorch (threads: {threads})": lambda threads=threads: detect(threads)
        for threads in sorted({1, own_number})
    }
