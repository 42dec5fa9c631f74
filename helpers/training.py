"""The training loop that notebook 05 builds up, and what measures a network."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from IPython import get_ipython
from IPython.display import display
from torch import nn

from helpers.digits import Digits, Split
from helpers.interrupts import noted_interrupts
from helpers.runs import LONG, QUICK, History, Recipe, State
from helpers.sizes import times
from helpers.validation import (
    SentenceError,
    check_kind,
    check_number,
    check_whole,
)
from helpers.widgets.monitor import Monitor

__all__ = ["LONG", "QUICK", "History", "Recipe", "evaluate", "fit", "logits"]
__all__ += ["seeded", "shifted"]
OPTIMIZERS = {
    "Adam": partial(torch.optim.Adam, betas=(0.7, 0.9), fused=True),
    "SGD": partial(torch.optim.SGD, momentum=0.9, nesterov=True, fused=True),
}
RISE = {"Adam": 0.1, "SGD": 0.3}  # the share of the steps in which the rate rises
SNAPSHOTS = 40


def evaluate(model: nn.Module, split: Split) -> tuple[float, float]:
    """Return the mean cross entropy and the accuracy of a model on a split, in eval
    mode and without a graph.
    """
    outputs = logits(model, split.images)
    right = outputs.argmax(1) == split.labels
    return F.cross_entropy(outputs, split.labels).item(), right.double().mean().item()


@torch.no_grad()
def logits(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return the logits N×10 for images N×1×28×28 in eval mode, some hundred at a time;
    each module keeps its mode.
    """
    with _evaluating(model):
        return torch.cat([model(batch) for batch in images.split(500)])


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in model.modules()}
    try:
        model.eval()
        yield
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
    numbers. `seconds` bounds the time. Interrupting the kernel ends the run after the
    batch or validation that it is at, and keeps model and history. `show=False` is
    without the live view, and `monitor` brings a view of its own. What cannot be
    trained raises ValueError before anything has changed.
    """
    with noted_interrupts() as noted, torch.enable_grad():
        wanted = "a Recipe; give single settings by name, such as epochs=3"
        check_kind("recipe", recipe, Recipe, wanted)
        recipe = recipe.changed(changes)
        check_whole("seed", seed, 0)
        if seconds is not None:
            check_number("seconds", seconds)
        with seeded(seed):
            _check_fit(model, digits)
        view = monitor
        if show and not monitor and hasattr(get_ipython(), "kernel"):
            view = Monitor(source=digits.source)
            display(view)
        with seeded(seed):
            run = _Run(model, digits, recipe, seconds or math.inf, view, noted)
            history = run.go()
        if history.stopped and not monitor:
            print(history.stopped)
    return history


def _check_fit(model: nn.Module, digits: Digits) -> None:
    check_kind("model", model, nn.Module, "a network, such as ConvNet()")
    check_kind("digits", digits, Digits, "what load_digits() returns")
    for name in ("train", "validation"):
        _check_split(model, f"digits.{name}", getattr(digits, name))


def _check_split(model: nn.Module, name: str, split: Split) -> None:
    """Raise SentenceError where a model cannot be trained on a split; it is tried with
    a few images and stays as it is.
    """
    images, labels = split
    if not len(images) == len(labels) > 0:
        raise SentenceError(
            f"{name} has {len(images)} images and {len(labels)} labels: it needs at "
            "least one image, and a label for each."
        )
    few = [0, labels.argmin().item(), labels.argmax().item()]
    device = next(model.parameters(), images).device
    try:
        with _evaluating(model):
            outputs = model(images[few].to(device))
        loss = F.cross_entropy(outputs, labels[few].to(device))
    except (RuntimeError, ValueError, IndexError, TypeError) as fault:
        size, why = times(images.shape[1:]), str(fault).partition("\n")[0]
        raise SentenceError(
            f"The model must take the images of {name}, {size}, and give one output "
            f"for each label, {labels.min()} to {labels.max()}; torch says: {why}"
        ) from fault
    if not (loss.requires_grad and any(p.requires_grad for p in model.parameters())):
        raise SentenceError(
            "The model has nothing to train: its outputs depend on no parameter that "
            "requires a gradient. Is it frozen, or are its layers in a plain list?"
        )


@dataclass
class _Run:
    """One run, from the first batch to the last or to what ends it early."""

    model: nn.Module
    digits: Digits
    recipe: Recipe
    seconds: float
    monitor: Monitor | None
    interrupts: list[int]
    why: str = ""

    def __post_init__(self) -> None:
        an_epoch = math.ceil(len(self.digits.train.labels) / self.recipe.batch_size)
        self.batches = math.ceil(self.recipe.epochs * an_epoch)
        start = _copy(self.model.state_dict())
        self.history = History(self.digits.source, self.recipe, best=start)
        self.start = time.monotonic()

    def go(self) -> History:
        """Train until what ends the run, and return the history."""
        kept = "from then"
        try:
            self._prepare()
            while not self._over():
                self._epoch()
        except KeyboardInterrupt:  # the second one
            self.why = "Interrupted"
        except FloatingPointError as fault:
            self.why, kept = str(fault), "of history.best"
            self.model.load_state_dict(self.history.best)
        finally:
            self.model.to("cpu", memory_format=torch.contiguous_format)
            self.model.eval().zero_grad()
        if self.why:
            self.history.stopped = self._ended(kept)
        if self.monitor:
            self.monitor.finish(self.history, self._elapsed())
        return self.history

    def _prepare(self) -> None:
        if self.monitor:
            self.monitor.start(self.batches)
        device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
        # On a CPU, convolutions are faster with a pixel's channels side by side.
        self.model.to(device, memory_format=torch.channels_last)
        self.train, self.validation = (
            Split(*(part.to(device) for part in split))
            for split in (self.digits.train, self.digits.validation)
        )
        name, lr, decay = (
            self.recipe.optimizer,
            self.recipe.lr,
            self.recipe.weight_decay,
        )
        self.optimizer = OPTIMIZERS[name](
            self.model.parameters(), lr=lr, weight_decay=decay
        )
        steps = max(self.batches, 4)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            lr,
            steps,
            pct_start=max(RISE[name], 2 / steps),  # it divides by one less than a rise
            cycle_momentum=name == "SGD",
            final_div_factor=1e4,
        )

    def _over(self) -> bool:
        """Return whether the run ends here, and note why where that is early."""
        done = len(self.history.batches)
        if done == self.batches:
            return True
        if self.interrupts or (self.monitor and self.monitor.stop):
            self.why = "Interrupted"
        elif done and self._elapsed() > self.seconds:
            self.why = f"Time is up ({self.seconds:g} seconds)"
        return bool(self.why)

    def _elapsed(self) -> float:
        return time.monotonic() - self.start

    def _epoch(self) -> None:
        self.model.train()
        first, labels = len(self.history.batches), self.train.labels
        order = torch.randperm(len(labels)).to(labels.device)
        for batch in order.split(int(self.recipe.batch_size)):
            self._step(self.train.images[batch], labels[batch])
            self._report()
            if self._over():
                break
        self._validate(first)

    def _step(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        outputs = self.model(shifted(images, self.recipe.shift))
        loss = F.cross_entropy(outputs, labels)
        right = (outputs.argmax(1) == labels).sum().item()
        measured = self._finite(loss.item()), right / len(labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.history.batches.append(measured)

    def _report(self) -> None:
        """Put the kernels aside now and then, and show how far the run is."""
        done = len(self.history.batches)
        if (done - 1) % math.ceil(self.batches / SNAPSHOTS) == 0:
            state = self.model.state_dict()
            kernels = {name: part for name, part in state.items() if part.ndim == 4}
            self.history.snapshots.append((done, _copy(kernels)))
        if self.monitor:
            self.monitor.tick(self.history, self._elapsed(), self.seconds)

    def _validate(self, first: int) -> None:
        loss, accuracy = evaluate(self.model, self.validation)
        history = self.history
        measured = zip(*history.batches[first:], strict=True)
        train_loss, train_accuracy = (sum(part) / len(part) for part in measured)
        row = {
            "epoch": len(history) + 1,
            "batches": len(history.batches),
            "seconds": self._elapsed(),
            "train_loss": train_loss,
            "train_accuracy": train_accuracy,
            "validation_loss": self._finite(loss),
            "validation_accuracy": accuracy,
        }
        if accuracy > max((row["validation_accuracy"] for row in history), default=-1):
            history.best = _copy(self.model.state_dict())
            history.best_epoch = row["epoch"]
        history.rows.append(row)

    def _finite(self, loss: float) -> float:
        if not math.isfinite(loss):
            lr = self.recipe.lr
            raise FloatingPointError(
                "The loss is not a number any more: the steps were too long, or the "
                "images do not lie between 0 and 1. Try a smaller lr, such as "
                f"{lr / 10:g} instead of {lr:g}. It ended"
            )
        return loss

    def _ended(self, kept: str) -> str:
        """Return why and where the run ended, and whose weights there are."""
        done, best = len(self.history.batches), "those from before the run"
        if epoch := self.history.best_epoch:
            share = self.history[epoch - 1]["validation_accuracy"]
            best = (
                f"those of epoch {epoch} ({share:.2%} of the validation digits right)"
            )
        epoch = max(1, math.ceil(done * self.recipe.epochs / self.batches))
        return (
            f"{self.why} in epoch {epoch}, after {done} of {self.batches} batches; the "
            f"model has the weights {kept}, and history.best has {best}."
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
    moved = images[which[:, None, None], :, rows[:, :, None], columns[:, None]]
    return moved.movedim(-1, 1)


def _copy(state: State) -> State:
    how = {"copy": True, "memory_format": torch.contiguous_format}
    return {name: part.detach().to("cpu", **how) for name, part in state.items()}
