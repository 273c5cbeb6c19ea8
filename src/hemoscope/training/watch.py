"""How a training went: losses and measures as CSV and TensorBoard logs, and curves as PNG."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import PrecisionRecallDisplay, RocCurveDisplay, roc_auc_score
from torch.utils.tensorboard import SummaryWriter

from hemoscope.datasets.manifest import UNKNOWN
from hemoscope.report.write import write_whole

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

STEPS, EPOCHS = "steps.csv", "epochs.csv"
STEP_COLUMNS = ("stage", "step", "loss", "learning_rate")


class Log:
    """The tables of a run: a row a step in steps.csv, a row an epoch in epochs.csv, both in TensorBoard's format too.

    A row that a resumed run writes again replaces the old one.
    """

    def __init__(self, folder: Path, stage: str, step: int, steps_before: int) -> None:
        """step: of the stage that is gone on with; steps_before: of the stages before it."""
        self._folder, self._stage, self._before = folder, stage, steps_before
        for name in (STEPS, EPOCHS):
            _drop(folder / name, stage, step)
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=steps_before + step + 1)

    def step(self, step: int, loss: float, learning_rate: float) -> None:
        """Note a step that is done."""
        _append(
            self._folder / STEPS,
            {"stage": self._stage, "step": step, "loss": f"{loss:.6g}", "learning_rate": f"{learning_rate:.6g}"},
        )
        self._board.add_scalar(f"{self._stage}/loss", loss, self._before + step)

    def epoch(self, step: int, measures: Mapping[str, float | None]) -> None:
        """Note what the validation gave after a step."""
        cells = {name: "" if value is None else f"{value:.6g}" for name, value in measures.items()}
        _append(self._folder / EPOCHS, {"stage": self._stage, "step": step} | cells)
        for name, value in measures.items():
            if value is not None:
                self._board.add_scalar(f"{self._stage}/{name}", value, self._before + step)

    def close(self) -> None:
        """Write what TensorBoard still holds back."""
        self._board.close()


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table; none where it is not there yet."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _append(path: Path, row: Mapping[str, Any]) -> None:
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow(row)


def _drop(path: Path, stage: str, step: int) -> None:
    """Take the rows of a stage after a step out of a table: a run that was killed comes by them again."""
    rows = read_rows(path)
    kept = [row for row in rows if row["stage"] != stage or int(row["step"]) <= step]
    if len(kept) < len(rows):
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
        write_whole(path, text.getvalue().encode())


def aucs(labels: NDArray[np.int8], logits: NDArray[np.float32], findings: Sequence[str]) -> dict[str, float | None]:
    """ROC AUC by finding over known labels; None where only one class is known or a logit is no number."""
    found: dict[str, float | None] = {}
    for column, name in enumerate(findings):
        known = labels[:, column] != UNKNOWN
        truth, scores = labels[known, column], logits[known, column]
        usable = len(np.unique(truth)) == 2 and np.isfinite(scores).all()
        found[name] = float(roc_auc_score(truth, scores)) if usable else None
    return found


def plot_losses(folder: Path) -> None:
    """Draw loss.png: the loss of every step, smoothed, and of the validations, stage by stage."""
    steps, epochs = read_rows(folder / STEPS), read_rows(folder / EPOCHS)
    stages = list(dict.fromkeys(row["stage"] for row in steps))
    figure, axes = plt.subplots(1, len(stages), figsize=(5 * len(stages), 3.5), squeeze=False, layout="constrained")
    for axis, stage in zip(axes[0], stages, strict=True):
        x = [int(row["step"]) for row in steps if row["stage"] == stage]
        loss = np.array([float(row["loss"]) for row in steps if row["stage"] == stage])
        width = max(1, len(loss) // 50)
        smooth = np.convolve(loss, np.ones(width) / width, mode="valid")
        axis.plot(x, loss, color="0.85", linewidth=0.8)
        axis.plot(x[width - 1 :], smooth, label=f"training, mean of {width} steps")
        held_out = [(int(row["step"]), float(row["loss"])) for row in epochs if row["stage"] == stage and row["loss"]]
        if held_out:
            axis.plot(*zip(*held_out, strict=True), "o-", label="held out")
        axis.set(title=stage, xlabel="step", ylabel="loss")
        axis.legend()
    _save(figure, folder / "loss.png")


def plot_curves(
    folder: Path, unit: str, labels: NDArray[np.int8], logits: NDArray[np.float32], findings: Sequence[str]
) -> None:
    """Draw ROC and precision-recall curves of held-out slices or scans (`unit`) to roc_UNIT.png and so on."""
    for kind, display in (("roc", RocCurveDisplay), ("precision_recall", PrecisionRecallDisplay)):
        figure, axis = plt.subplots(figsize=(5, 4.5), layout="constrained")
        for column, name in enumerate(findings):
            known = labels[:, column] != UNKNOWN
            truth, scores = labels[known, column], logits[known, column]
            if len(np.unique(truth)) == 2 and np.isfinite(scores).all():
                label = f"{name}, {int((truth == 1).sum())} of {len(truth)}"
                display.from_predictions(truth, scores, name=label, ax=axis)
        if not axis.lines:
            axis.text(0.5, 0.5, "nothing to measure", ha="center")
        axis.set_title(f"Held-out {unit}: {kind.replace('_', ' ')}")
        _save(figure, folder / f"{kind}_{unit}.png")


def _save(figure: Figure, path: Path) -> None:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    plt.close(figure)
    write_whole(path, picture.getvalue())
