"""The training loop that notebook 05 builds up, with what a class needs around it: a
live view and a history.
"""

import math
import reprlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from numbers import Real

import torch
import torch.nn.functional as F
from IPython import get_ipython
from IPython.display import display
from torch import nn

from helpers import figures
from helpers.digits import Digits, Split
from helpers.validation import check_whole
from helpers.widgets.monitor import Monitor

State = dict[str, torch.Tensor]
# By name: the optimiser's class and settings, and those of the schedule that goes with
# it.
OPTIMIZERS = {
    "Adam": (
        torch.optim.Adam,
        {"betas": (0.7, 0.9)},
        {"pct_start": 0.1, "cycle_momentum": False},
    ),
    "SGD": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}, {"pct_start": 0.3}),
}
SNAPSHOTS = 40


@dataclass(frozen=True)
class Recipe:
    """The hyper-parameters of a run; a value that makes no sense raises ValueError.

    `epochs` may be a part of one. `lr` is the highest rate: it rises to there and falls
    again, a step each batch (torch.optim.lr_scheduler.OneCycleLR; Smith and Topin 2017,
    https://arxiv.org/abs/1708.07120). `shift` moves each training image at random by up
    to so many pixels along either axis.
    """

    epochs: float = 1
    batch_size: int = 128
    lr: float = 0.01
    optimizer: str = "Adam"
    weight_decay: float = 0.0
    shift: int = 0

    def __post_init__(self) -> None:
        check_whole("batch_size", self.batch_size, 1, 10**6)
        check_whole("shift", self.shift, 0, 8)
        _check_number("epochs", self.epochs)
        _check_number("lr", self.lr)
        _check_number("weight_decay", self.weight_decay, zero=True)
        if self.optimizer not in [*OPTIMIZERS]:
            raise ValueError(
                f"optimizer must be one of {', '.join(OPTIMIZERS)}, not {reprlib.repr(self.optimizer)}."
            )


def _check_number(name: str, value: float, zero: bool = False) -> None:
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not 0 <= value <= 10**6 or (value == 0 and not zero):
        least = "from 0" if zero else "above 0"
        raise ValueError(
            f"{name} must be a number {least} to a million, not {reprlib.repr(value)}."
        )


QUICK = Recipe()
LONG = Recipe(
    epochs=12, batch_size=256, lr=0.1, optimizer="SGD", weight_decay=5e-4, shift=1
)


@dataclass
class History:
    """What a run left behind: loss and accuracy of each batch before its step, and a
    row for each epoch.

    `history.rows` is a list of dicts, ready for a table; `history.best` is the
    state_dict of the epoch with the best validation accuracy, or of the start while
    there is none; `history.snapshots` holds (batches done, kernels); `history.stopped`
    says why a run ended early.
    """

    source: str
    recipe: Recipe
    best: State
    best_epoch: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)
    batches: list[tuple[float, float]] = field(default_factory=list)
    snapshots: list[tuple[int, State]] = field(default_factory=list)
    stopped: str = ""

    @property
    def losses(self) -> list[float]:
        """The mean loss of each batch."""
        return [loss for loss, _ in self.batches]

    @property
    def accuracies(self) -> list[float]:
        """The share of each batch that was right."""
        return [accuracy for _, accuracy in self.batches]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> dict[str, float]:
        return self.rows[place]

    def __repr__(self) -> str:
        head = f"{'epoch':>5}{'seconds':>9}{'train loss':>12}{'accuracy':>10}{'validation loss':>17}{'accuracy':>10}"
        lines = [
            f"{row['epoch']:5}{row['seconds']:9.1f} {row['train_loss']:11.4f}{row['train_accuracy']:10.2%}"
            f" {row['validation_loss']:16.4f}{row['validation_accuracy']:10.2%}"
            for row in self
        ]
        return "\n".join(
            [f"trained on {self.source}", head, *lines, *filter(None, [self.stopped])]
        )

    def curves(self) -> dict[str, list]:
        """Return the run as it is drawn: loss and accuracy of the batches in bins, and
        each epoch's validation.
        """
        steps, losses = figures.in_bins(self.losses)
        validation = [
            [
                row[name]
                for name in ("batches", "validation_loss", "validation_accuracy")
            ]
            for row in self
        ]
        accuracies = figures.in_bins(self.accuracies)[1]
        return {
            "steps": steps,
            "losses": losses,
            "accuracies": accuracies,
            "validation": validation,
        }

    def plot(self) -> figures.Picture:
        """Draw loss and accuracy along the batches."""
        return figures.training({"": self.curves()}, self.source)


def evaluate(model: nn.Module, split: Split) -> tuple[float, float]:
    """Return the mean cross entropy and the accuracy of a model on a split, in eval
    mode and without a graph.
    """
    outputs = logits(model, split.images)
    return F.cross_entropy(outputs, split.labels).item(), (
        outputs.argmax(1) == split.labels
    ).double().mean().item()


@torch.no_grad()
def logits(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return the logits N×10 for images N×1×28×28 in eval mode, some hundred at a time;
    each module keeps its mode.
    """
    modes = {module: module.training for module in model.modules()}
    try:
        model.eval()
        return torch.cat([model(batch) for batch in images.split(500)])
    finally:
        for module, mode in modes.items():
            module.training = mode


def fit(
    model: nn.Module,
    digits: Digits,
    recipe: Recipe = QUICK,
    seed: int = 0,
    seconds: float | None = None,
    show: bool = True,
    monitor: Monitor | None = None,
    **changes: object,
) -> History:
    """Train a model on digits and return the history: `fit(model, digits, epochs=3,
    lr=0.01)`.

    Runs on torch's accelerator where there is one; the model comes back on the CPU, in
    eval mode. On a CPU the same seed, model and number of threads give the same
    numbers. `seconds` bounds the time. Interrupting the kernel ends the run and keeps
    model and history. `show=False` is without the live view, and `monitor` brings a
    view of its own. Settings that make no sense raise ValueError before anything has
    changed.
    """
    for name, value, kind, wanted in (
        ("model", model, nn.Module, "a network, such as ConvNet()"),
        ("digits", digits, Digits, "what load_digits() returns"),
        (
            "recipe",
            recipe,
            Recipe,
            "a Recipe; give single settings by name, such as epochs=3",
        ),
    ):
        if not isinstance(value, kind):
            raise ValueError(f"{name} must be {wanted}; it is {reprlib.repr(value)}.")
    recipe = replace(recipe, **changes)
    check_whole("seed", seed, 0)
    if seconds is not None:
        _check_number("seconds", seconds)
    view = monitor
    if show and not monitor and hasattr(get_ipython(), "kernel"):
        view = Monitor(source=digits.source)
        display(view)
    with seeded(seed):
        history = _Run(model, digits, recipe, seconds or math.inf, view).go()
    if history.stopped and not monitor:
        print(history.stopped)
    return history


class _Run:
    """One run, from the first batch to the last or to what ends it early."""

    def __init__(
        self,
        model: nn.Module,
        digits: Digits,
        recipe: Recipe,
        seconds: float,
        monitor: Monitor | None,
    ) -> None:
        self.model, self.digits, self.recipe, self.seconds, self.monitor = (
            model,
            digits,
            recipe,
            seconds,
            monitor,
        )
        self.batches = math.ceil(
            recipe.epochs * math.ceil(len(digits.train.labels) / recipe.batch_size)
        )
        self.history = History(digits.source, recipe, best=_copy(model.state_dict()))
        self.start, self.why = time.monotonic(), ""

    def go(self) -> History:
        """Train until the last batch or what comes before it, and return the history."""
        kept = "from then"
        try:
            self._prepare()
            while not self._over():
                self._epoch()
        except KeyboardInterrupt:
            self.why = "Interrupted"
        except FloatingPointError as fault:
            self.why, kept = str(fault), "of history.best"
            self.model.load_state_dict(self.history.best)
        self.model.to("cpu", memory_format=torch.contiguous_format).eval().zero_grad()
        if self.why:
            self.history.stopped = self._ended(kept)
        if self.monitor:
            self.monitor.finish(self.history, self._elapsed())
        return self.history

    def _prepare(self) -> None:
        if self.monitor:
            self.monitor.start(self.batches)
        device = (
            torch.accelerator.current_accelerator()
            if torch.accelerator.is_available()
            else "cpu"
        )
        # Convolutions on a CPU are faster where the channels of a pixel lie side by
        # side.
        self.model.to(device, memory_format=torch.channels_last)
        self.train, self.validation = (
            Split(*(part.to(device) for part in split))
            for split in (self.digits.train, self.digits.validation)
        )
        kind, settings, schedule = OPTIMIZERS[self.recipe.optimizer]
        settings = settings | {
            "lr": self.recipe.lr,
            "weight_decay": self.recipe.weight_decay,
            "fused": True,
        }
        self.optimizer = kind(self.model.parameters(), **settings)
        steps = max(self.batches, 4)
        # Where the rise takes one step or none, OneCycleLR divides by zero.
        schedule = schedule | {
            "pct_start": max(schedule["pct_start"], 2 / steps),
            "final_div_factor": 1e4,
        }
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, self.recipe.lr, steps, **schedule
        )

    def _over(self) -> bool:
        return bool(self.why) or len(self.history.batches) == self.batches

    def _elapsed(self) -> float:
        return time.monotonic() - self.start

    def _epoch(self) -> None:
        self.model.train()
        first, order = (
            len(self.history.batches),
            torch.randperm(len(self.train.labels)).to(self.train.labels.device),
        )
        try:
            for batch in order.split(int(self.recipe.batch_size)):
                self._step(self.train.images[batch], self.train.labels[batch])
                self._look_around()
                if self._over():
                    break
        except KeyboardInterrupt:
            self.why = "Interrupted"
        if len(self.history.batches) > first:
            self._validate(first)

    def _step(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        outputs = self.model(shifted(images, self.recipe.shift))
        loss = F.cross_entropy(outputs, labels)
        measured = (
            self._finite(loss.item()),
            (outputs.argmax(1) == labels).sum().item() / len(labels),
        )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.history.batches.append(measured)

    def _look_around(self) -> None:
        """Put weights aside, show how far it is, and see whether the time is up."""
        done, elapsed = len(self.history.batches), self._elapsed()
        if (done - 1) % math.ceil(self.batches / SNAPSHOTS) == 0:
            kernels = {
                name: values
                for name, values in self.model.state_dict().items()
                if values.ndim == 4
            }
            self.history.snapshots.append((done, _copy(kernels)))
        if self.monitor:
            self.monitor.tick(self.history, elapsed, self.seconds)
        if elapsed > self.seconds and done < self.batches:
            self.why = f"Time is up ({self.seconds:g} seconds)"

    def _validate(self, first: int) -> None:
        loss, accuracy = evaluate(self.model, self.validation)
        losses, accuracies = zip(*self.history.batches[first:], strict=True)
        row = {
            "epoch": len(self.history) + 1,
            "batches": len(self.history.batches),
            "seconds": self._elapsed(),
            "train_loss": sum(losses) / len(losses),
            "train_accuracy": sum(accuracies) / len(accuracies),
            "validation_loss": self._finite(loss),
            "validation_accuracy": accuracy,
        }
        best = accuracy > max(
            [row["validation_accuracy"] for row in self.history], default=-1
        )
        self.history.rows.append(row)
        if best:
            self.history.best, self.history.best_epoch = (
                _copy(self.model.state_dict()),
                row["epoch"],
            )

    def _finite(self, loss: float) -> float:
        if not math.isfinite(loss):
            raise FloatingPointError(
                "The loss is not a number any more: the steps were too long, or the images do not lie between 0 and 1. "
                f"Try a smaller lr, such as {self.recipe.lr / 10:g} instead of {self.recipe.lr:g}. It ended"
            )
        return loss

    def _ended(self, kept: str) -> str:
        """Return why and where the run ended, and whose weights there are."""
        done, best = len(self.history.batches), "has those from before the run"
        if epoch := self.history.best_epoch:
            accuracy = self.history[epoch - 1]["validation_accuracy"]
            best = f"has those of epoch {epoch} ({accuracy:.2%} of the validation digits right)"
        return (
            f"{self.why} in epoch {max(1, math.ceil(done * self.recipe.epochs / self.batches))}, after {done} of "
            f"{self.batches} batches; the model has the weights {kept}, and history.best {best}."
        )


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw random numbers from a seed within the block; those of the caller stay as
    they are.
    """
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield


def shifted(images: torch.Tensor, most: int) -> torch.Tensor:
    """Return images N×1×28×28, each moved at random by up to `most` pixels along either
    axis; its edge is repeated.
    """
    if not most:
        return images
    count, _, height, width = images.shape
    moves = torch.randint(-most, most + 1, (2, count, 1)).to(images.device)
    rows = (torch.arange(height, device=images.device) + moves[0]).clamp(0, height - 1)
    columns = (torch.arange(width, device=images.device) + moves[1]).clamp(0, width - 1)
    which = torch.arange(count, device=images.device)
    return images[which[:, None, None], :, rows[:, :, None], columns[:, None]].movedim(
        -1, 1
    )


def _copy(state: State) -> State:
    return {
        name: values.detach().to(
            "cpu", copy=True, memory_format=torch.contiguous_format
        )
        for name, values in state.items()
    }
