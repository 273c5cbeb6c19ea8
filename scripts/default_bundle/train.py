"""Train the slice network of the `default` bundle: once per fold, once without each source, once on everything.

    python scripts/default_bundle/train.py ../shared/data runs/default            # all runs, in order
    python scripts/default_bundle/train.py ../shared/data runs/default fold0      # one run

Each run leaves `NAME.pt` (weights) and `NAME.csv` (logits of the slices of patients that it never saw). A run whose
files exist is skipped, so the command goes on where it was stopped.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from collections_table import FOLDS, SIZE, SUBTYPES, prepare, read_collections
from network import SliceNetwork
from torch.nn import functional as F  # noqa: N812  (the name that PyTorch's own documentation uses)

from hemoscope.findings import FINDING_NAMES


@dataclass(frozen=True)
class Settings:
    """Every number of the training."""

    steps: int = 500
    batch: int = 32
    learning_rate: float = 6e-4  # peak of a one-cycle schedule, AdamW
    weight_decay: float = 0.02
    dropout: float = 0.2
    average_decay: float = 0.99  # exponential average of the weights, which is what is kept
    seed: int = 7


# Share of each source in a batch. Within a source half of the slices are positive, so the source is not the label.
SOURCE_SHARES = {"physionet": 0.32, "phe_sich": 0.16, "rsna_series": 0.14, "rsna_loose": 0.38}
FINDING_WEIGHTS = torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, 2.0])  # `any` counts double, as in the RSNA 2019 metric


def sampling_weights(table: pd.DataFrame) -> np.ndarray:
    """Probability to draw each slice: sources by share, half positive, patients and rare subtypes evened out."""
    weights = np.zeros(len(table))
    source = table["source"].replace("bhsd", "rsna_loose")  # the same scanners; BHSD has no negatives of its own
    for name, share in SOURCE_SHARES.items():
        for label in (0, 1):
            rows = np.flatnonzero((source == name) & (table["any"] == label))
            part = table.iloc[rows]
            if not len(part):
                continue
            per_patient = part.groupby("patient")["any"].transform("size").where(part["patient"] != "", 1)
            weight = 1 / np.sqrt(per_patient.to_numpy(float))
            if label:
                counts = (part[SUBTYPES] == 1).sum().clip(lower=1)
                weight *= ((part[SUBTYPES] == 1) / np.sqrt(counts)).max(axis=1).to_numpy()
            weights[rows] = share / 2 * weight / weight.sum()
    return weights / weights.sum()


def augment(grey: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Vary what may tell the source but not the blood: pose, size, contrast, sharpness, noise and JPEG grain."""
    angle, zoom = random.uniform(-20, 20), random.uniform(0.85, 1.15)
    matrix = cv2.getRotationMatrix2D((SIZE / 2, SIZE / 2), angle, zoom)
    matrix[:, 2] += random.uniform(-0.07, 0.07, 2) * SIZE
    if random.random() < 0.5:
        grey = grey[:, ::-1]
    grey = cv2.warpAffine(np.ascontiguousarray(grey), matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR)
    if random.random() < 0.4:
        grey = cv2.GaussianBlur(grey, (0, 0), random.uniform(0.3, 1.2))
    noise = random.standard_normal(grey.shape, np.float32) * random.uniform(0, 9)
    gain, offset = random.uniform(0.9, 1.1), random.uniform(-11, 11)  # +-10 %, +-3 HU
    inside = (grey > 0) & (grey < 255)  # clipped air and bone stay clipped
    varied = np.where(inside, grey * gain + offset + noise, grey)
    grey = np.clip(varied, 0, 255).astype(np.uint8)
    if random.random() < 0.5:
        quality = int(random.integers(40, 96))
        grey = cv2.imdecode(cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE)
    return grey


class Batches(torch.utils.data.IterableDataset):
    """Augmented batches, drawn by `sampling_weights`: (uint8 [B, 1, 224, 224], labels int8 [B, 6])."""

    def __init__(self, prepared: np.ndarray, table: pd.DataFrame, settings: Settings) -> None:
        self.prepared, self.settings = prepared, settings
        self.labels = table[list(FINDING_NAMES)].to_numpy(np.int8)
        self.weights = sampling_weights(table)

    def __iter__(self):
        cv2.setNumThreads(0)
        random = np.random.default_rng(self.settings.seed)
        for _ in range(self.settings.steps):
            rows = random.choice(len(self.labels), self.settings.batch, p=self.weights)
            pictures = np.stack([augment(self.prepared[i], random) for i in rows])[:, None]
            yield torch.from_numpy(pictures), torch.from_numpy(self.labels[rows])


def masked_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy over known labels only; logits [B, 6], labels int8 [B, 6] with -1 unknown."""
    known = (labels >= 0).float() * FINDING_WEIGHTS
    loss = F.binary_cross_entropy_with_logits(logits, labels.clamp(min=0).float(), reduction="none")
    return (loss * known).sum() / known.sum()


def train(prepared: np.ndarray, table: pd.DataFrame, settings: Settings, name: str) -> SliceNetwork:
    """Train on the rows of `table` and return the averaged network."""
    torch.manual_seed(settings.seed)
    network = SliceNetwork.from_imagenet(settings.dropout).to(memory_format=torch.channels_last)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(settings.average_decay), use_buffers=True
    )
    optimizer = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, settings.steps, pct_start=0.15, div_factor=10
    )
    compiled = torch.compile(network.logits)
    loader = torch.utils.data.DataLoader(Batches(prepared, table, settings), batch_size=None, num_workers=1)
    start, running = time.monotonic(), 0.7
    network.train()
    for step, (pictures, labels) in enumerate(loader, 1):
        with torch.autocast("cpu", torch.bfloat16):
            logits = compiled(pictures)
        loss = masked_loss(logits.float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(network)
        running = 0.98 * running + 0.02 * loss.item()
        if step % 25 == 0:
            seconds = time.monotonic() - start
            left = seconds / step * (settings.steps - step)
            print(
                f"{name} step {step}/{settings.steps} loss {running:.3f} {seconds:.0f} s, {left:.0f} s left", flush=True
            )
    return average.module.eval()


@torch.inference_mode()
def predict(network: SliceNetwork, prepared: np.ndarray) -> np.ndarray:
    """Logits [slice, finding] without augmentation."""
    return np.concatenate(
        [network.logits(torch.from_numpy(prepared[i : i + 32])[:, None]).numpy() for i in range(0, len(prepared), 32)]
    )


def splits(table: pd.DataFrame) -> dict[str, tuple[pd.Series, pd.Series]]:
    """Name of a run -> (rows to train on, rows to predict). Slices with unknown `any` never train."""
    usable = (table["any"] >= 0) & (table["fold"] > -2)
    rsna = table["source"].isin(["rsna_series", "rsna_loose", "bhsd"])
    runs = {f"fold{k}": (usable & (table["fold"] != k), table["fold"] == k) for k in range(FOLDS)}
    runs["all"] = (usable, table["fold"] == -2)
    for name, rows in (
        ("without_physionet", table["source"] == "physionet"),
        ("without_rsna", rsna),
        ("without_phe_sich", table["source"] == "phe_sich"),
    ):
        runs[name] = (usable & ~rows, rows & (table["fold"] != -1))
    return runs


def main(root: Path, out: Path, only: str | None = None) -> None:
    """Prepare the slices once, then train every run that is not there yet."""
    out.mkdir(parents=True, exist_ok=True)
    table = read_collections(root)
    cache = out / "prepared.npy"
    if not cache.exists():
        np.save(cache, prepare(table))
    prepared = np.load(cache, mmap_mode="r")
    table.to_csv(out / "slices.csv", index=False)
    for name, (training, held_out) in splits(table).items():
        if only not in (None, name) or (out / f"{name}.csv").exists():
            continue
        assert not set(table[training]["patient"]) & set(table[held_out]["patient"]) - {""}, (
            "a patient is on both sides"
        )
        network = train(prepared[training.to_numpy()], table[training], Settings(), name)
        torch.save(network.state_dict(), out / f"{name}.pt")
        logits = predict(network, prepared[held_out.to_numpy()])
        rows = table.loc[held_out, ["source", "patient", "scan", "slice"]]
        rows.assign(**dict(zip(FINDING_NAMES, logits.T, strict=True))).to_csv(out / f"{name}.csv", index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:4])
