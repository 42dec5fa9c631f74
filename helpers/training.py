"""The training loop that notebook 05 builds up, with what a class needs around it: a live view and a history."""

import copy
import math
import reprlib
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from numbers import Real

import torch
import torch.nn.functional as F
from torch import nn

from helpers import figures
from helpers.arithmetic import check_whole
from helpers.data import Digits, Split
from helpers.monitor import Monitor

State = dict[str, torch.Tensor]
# By name: the optimiser's class and settings, and those of the schedule that goes with it.
OPTIMIZERS = {
    "Adam": (torch.optim.Adam, {"betas": (0.7, 0.9)}, {"pct_start": 0.1, "cycle_momentum": False}),
    "SGD": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}, {"pct_start": 0.3}),
}
SNAPSHOTS = 40


@dataclass(frozen=True)
class Recipe:
    """The hyper-parameters of a run; a value that makes no sense raises ValueError.

    `epochs` may be a part of one. `lr` is the highest rate: it rises to there and falls again, a step each batch
    (torch.optim.lr_scheduler.OneCycleLR; Smith and Topin 2017, https://arxiv.org/abs/1708.07120). `shift` moves each
    training image at random by up to so many pixels along either axis.
    """

    epochs: float = 1
    batch_size: int = 128
    lr: float = 0.01
    optimizer: str = "Adam"
    weight_decay: float = 0.0
    shift: int = 0

    def __post_init__(self) -> None:
        for name, smallest, largest in (("batch_size", 1, 10**6), ("shift", 0, 8)):
            object.__setattr__(self, name, check_whole(name, getattr(self, name), smallest, largest))
        for name, least in (("epochs", "above 0"), ("lr", "above 0"), ("weight_decay", "from 0")):
            _check_number(name, getattr(self, name), least)
        if not isinstance(self.optimizer, str) or self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}, not {reprlib.repr(self.optimizer)}.")


def _check_number(name: str, value: float, least: str) -> None:
    fits = isinstance(value, Real) and not isinstance(value, bool) and (value > 0 or (value == 0 and least == "from 0"))
    if not fits or value > 10**6:
        raise ValueError(f"{name} must be a number {least} to a million, not {reprlib.repr(value)}.")


QUICK = Recipe()
LONG = Recipe(epochs=12, batch_size=256, lr=0.1, optimizer="SGD", weight_decay=5e-4, shift=1)


@dataclass
class History:
    """What a run left behind: a row for each epoch, loss and accuracy of each batch, weights on the way.

    `history.rows` is a list of dicts, ready for a table; `history.best` is the state_dict of the epoch with the best
    validation accuracy, or of the start while there is none; `history.snapshots` holds (batches done, kernels);
    `history.stopped` says why a run ended early.
    """

    source: str
    recipe: Recipe
    best: State = field(repr=False)
    best_epoch: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)
    batches: list[tuple[float, float]] = field(default_factory=list, repr=False)
    snapshots: list[tuple[int, State]] = field(default_factory=list, repr=False)
    stopped: str = ""

    @property
    def losses(self) -> list[float]:
        """The mean loss of each batch, before its step."""
        return [loss for loss, _ in self.batches]

    @property
    def accuracies(self) -> list[float]:
        """The share of each batch that was right, before its step."""
        return [accuracy for _, accuracy in self.batches]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, float]]:
        return iter(self.rows)

    def __getitem__(self, place: int) -> dict[str, float]:
        return self.rows[place]

    def __repr__(self) -> str:
        head = f"{'epoch':>5}{'seconds':>9}{'train loss':>12}{'accuracy':>10}{'validation loss':>17}{'accuracy':>10}"
        lines = [
            f"{row['epoch']:5}{row['seconds']:9.1f}{row['train_loss']:12.4f}{row['train_accuracy']:10.2%}"
            f"{row['validation_loss']:17.4f}{row['validation_accuracy']:10.2%}"
            for row in self
        ]
        return "\n".join([f"trained on {self.source}", head, *lines, *filter(None, [self.stopped])])

    def curves(self) -> dict[str, list]:
        """Return the run as it is drawn: loss and accuracy of the batches in bins, and each epoch's validation."""
        steps, losses = figures.in_bins(self.losses)
        validation = [[row[name] for name in ("batches", "validation_loss", "validation_accuracy")] for row in self]
        accuracies = figures.in_bins(self.accuracies)[1]
        return {"steps": steps, "losses": losses, "accuracies": accuracies, "validation": validation}

    def plot(self) -> figures.Picture:
        """Draw loss and accuracy along the batches."""
        return figures.training({"": self.curves()}, self.source)


def evaluate(model: nn.Module, split: Split) -> tuple[float, float]:
    """Return the mean cross entropy and the accuracy of a model on a split, in eval mode and without a graph."""
    outputs = logits(model, split.images)
    return F.cross_entropy(outputs, split.labels).item(), (outputs.argmax(1) == split.labels).double().mean().item()


@torch.no_grad()
def logits(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return the logits N×10 for images N×1×28×28 in eval mode, some hundred at a time; each module keeps its mode."""
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
    """Train a model on digits and return the history: `fit(model, digits, epochs=3, lr=0.01)`.

    Runs on torch's accelerator where there is one; the model comes back on the CPU, in eval mode. On a CPU the same
    seed, model and number of threads give the same numbers. `seconds` bounds the time. Interrupting the kernel ends
    the run after the present batch and keeps model and history. `show=False` is without the live view, and `monitor`
    brings a view of its own. Settings that make no sense raise ValueError before anything has changed.
    """
    recipe = _changed(recipe, changes)
    check_whole("seed", seed, 0)
    if seconds is not None:
        _check_number("seconds", seconds, "above 0")
    for name in ("train", "validation"):
        if not len(getattr(digits, name).labels):
            raise ValueError(f"digits.{name} holds no images; it needs one at least.")
    if not any(values.requires_grad for values in model.parameters()):
        raise ValueError("The model has no parameters that could be trained.")
    history = _Run(model, digits, recipe, seconds, monitor or Monitor(digits.source, show=show)).go(seed)
    if history.stopped and not monitor:
        print(history.stopped)
    return history


def _changed(recipe: Recipe, changes: dict[str, object]) -> Recipe:
    if not isinstance(recipe, Recipe):
        raise ValueError(f"recipe must be a Recipe such as training.QUICK, not {reprlib.repr(recipe)}.")
    known = [part.name for part in fields(Recipe)]
    for name in changes:
        if name not in known:
            raise ValueError(f"fit has no setting {name!r}; it has {', '.join(known)}, seed, seconds and show.")
    return replace(recipe, **changes)


class _Run:
    """One run, from the first batch to the last or to what ends it early."""

    def __init__(
        self, model: nn.Module, digits: Digits, recipe: Recipe, seconds: float | None, monitor: Monitor
    ) -> None:
        self.model, self.digits, self.recipe = model, digits, recipe
        self.seconds, self.monitor = seconds or math.inf, monitor
        self.batches = math.ceil(recipe.epochs * math.ceil(len(digits.train.labels) / recipe.batch_size))
        self.history = History(digits.source, recipe, best=_copy(model.state_dict()))
        self.why = ""
        self.lost, self.interrupted, self.ending = False, False, False

    def go(self, seed: int) -> History:
        """Train, whatever ends it, and return the history."""
        self.start = time.monotonic()
        with self._patience():
            try:
                self.monitor.start(self.batches)
                device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
                with seeded(seed):
                    self._train(device or torch.device("cpu"))
            except KeyboardInterrupt:
                self.why = "Interrupted"
            except Exception as fault:
                self.why = f"Failed ({type(fault).__name__})"
                raise
            finally:
                self.ending = True
                self._end()
        return self.history

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Hold an interruption back until the batch is done; a second one interrupts at once, and none the end."""
        before = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is not threading.main_thread() or before in (None, signal.SIG_IGN):
            yield
            return

        def hold(_number: int, _frame: object) -> None:
            if self.interrupted and not self.ending:
                raise KeyboardInterrupt
            self.interrupted = True

        signal.signal(signal.SIGINT, hold)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _train(self, device: torch.device) -> None:
        # Convolutions on a CPU are faster where the channels of a pixel lie side by side.
        self.model.to(device, memory_format=torch.channels_last)
        self.images, self.labels = (part.to(device) for part in self.digits.train)
        self.validation = Split(*(part.to(device) for part in self.digits.validation))
        self._prepare()
        while not self._over():
            self._epoch()

    def _prepare(self) -> None:
        kind, settings, schedule = copy.deepcopy(OPTIMIZERS[self.recipe.optimizer])
        settings |= {"lr": self.recipe.lr, "weight_decay": self.recipe.weight_decay, "fused": True}
        self.optimizer = kind(self.model.parameters(), **settings)
        steps = max(self.batches, 4)
        # Where the rise takes one step or none, OneCycleLR divides by zero.
        schedule["pct_start"] = max(schedule["pct_start"], 2 / steps)
        schedule |= {"max_lr": self.recipe.lr, "total_steps": steps, "final_div_factor": 1e4}
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, **schedule)

    def _over(self) -> bool:
        return bool(self.why) or len(self.history.batches) == self.batches

    def _epoch(self) -> None:
        self.model.train()
        first, order = len(self.history.batches), torch.randperm(len(self.labels)).to(self.images.device)
        for batch in order.split(self.recipe.batch_size):
            self._step(self.images[batch], self.labels[batch])
            if self._over():
                break
        if len(self.history.batches) > first and not self.lost:
            self._validate(first)

    def _step(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        outputs = self.model(shifted(images, self.recipe.shift))
        loss = F.cross_entropy(outputs, labels)
        measured = loss.item(), (outputs.argmax(1) == labels).sum().item() / len(labels)
        if not math.isfinite(measured[0]):
            self._give_up()
            return
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self._note(measured)

    def _note(self, measured: tuple[float, float]) -> None:
        """Keep what a batch gave, show it, and look whether the run has to end."""
        self.history.batches.append(measured)
        done, elapsed = len(self.history.batches), time.monotonic() - self.start
        if (done - 1) % math.ceil(self.batches / SNAPSHOTS) == 0:
            kernels = {name: values for name, values in self.model.state_dict().items() if values.ndim == 4}
            self.history.snapshots.append((done, _copy(kernels)))
        self.monitor.tick(self.history, elapsed, self.seconds)
        if self.interrupted:
            self.why = "Interrupted"
        elif elapsed > self.seconds and done < self.batches:
            self.why = f"Time is up ({self.seconds:g} seconds)"

    def _give_up(self) -> None:
        self.model.load_state_dict(self.history.best)
        self.lost, lr = True, self.recipe.lr
        self.why = (
            f"The loss is not a number any more: the steps were too long, or the images do not lie between 0 and 1. "
            f"Try a smaller lr, such as {lr / 10:g} instead of {lr:g}. It ended"
        )

    def _validate(self, first: int) -> None:
        loss, accuracy = evaluate(self.model, self.validation)
        if not math.isfinite(loss):
            self._give_up()
            return
        losses, accuracies = zip(*self.history.batches[first:], strict=True)
        row = {
            "epoch": len(self.history) + 1,
            "batches": len(self.history.batches),
            "seconds": time.monotonic() - self.start,
            "train_loss": sum(losses) / len(losses),
            "train_accuracy": sum(accuracies) / len(accuracies),
            "validation_loss": loss,
            "validation_accuracy": accuracy,
        }
        if accuracy > max([row["validation_accuracy"] for row in self.history], default=-1):
            best, self.history.best_epoch = _copy(self.model.state_dict()), row["epoch"]
            self.history.best = best
        self.history.rows.append(row)

    def _end(self) -> None:
        """Bring the model back as it is expected, and say how the run ended."""
        self.model.to("cpu", memory_format=torch.contiguous_format).eval()
        self.model.zero_grad()
        done, all_ = len(self.history.batches), self.batches
        if self.why:
            kept = "of history.best" if self.lost else "from then"
            epoch = max(1, math.ceil(done * self.recipe.epochs / all_))
            self.history.stopped = (
                f"{self.why} in epoch {epoch}, after {done} of {all_} batches; "
                f"the model has the weights {kept}, and history.best {self._best()}."
            )
        self.monitor.finish(self.history, time.monotonic() - self.start)

    def _best(self) -> str:
        epoch = self.history.best_epoch
        if not epoch or epoch > len(self.history):
            return "has those from before the run"
        accuracy = self.history[epoch - 1]["validation_accuracy"]
        return f"has those of epoch {epoch} ({accuracy:.2%} of the validation digits right)"


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw random numbers from a seed within the block; those of the caller stay as they are."""
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield


def shifted(images: torch.Tensor, most: int) -> torch.Tensor:
    """Return images N×1×28×28, each moved at random by up to `most` pixels along either axis; its edge is repeated."""
    if not most:
        return images
    count, _, height, width = images.shape
    moves = torch.randint(-most, most + 1, (2, count, 1)).to(images.device)
    rows = (torch.arange(height, device=images.device) + moves[0]).clamp(0, height - 1)
    columns = (torch.arange(width, device=images.device) + moves[1]).clamp(0, width - 1)
    which = torch.arange(count, device=images.device)
    return images[which[:, None, None], :, rows[:, :, None], columns[:, None]].movedim(-1, 1)


def _copy(state: State) -> State:
    return {
        name: values.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, values in state.items()
    }
