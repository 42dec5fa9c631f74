"""The training loop that notebook 05 builds up, and what measures a network."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from operator import itemgetter

import torch
import torch.nn.functional as F
from IPython import get_ipython
from IPython.display import display
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from helpers.digits import Digits, Split
from helpers.interrupts import noted_interrupts
from helpers.runs import LONG, QUICK, History, Recipe, State
from helpers.sharing import THREADS, trim
from helpers.sizes import times
from helpers.validation import SentenceError, check_kind, check_number, check_whole
from helpers.widgets.monitor import Monitor

__all__ = [
    "LONG",
    "QUICK",
    "Recipe",
    "evaluate",
    "fit",
    "logits",
    "rotated",
    "seeded",
    "shifted",
]
OPTIMIZERS = {
    "Adam": partial(torch.optim.Adam, betas=(0.7, 0.9), fused=True),
    "SGD": partial(torch.optim.SGD, momentum=0.9, nesterov=True, fused=True),
}
RISE = {"Adam": 0.1, "SGD": 0.3}  # the share of the steps in which the rate rises
SNAPSHOTS = 40
BATCH = 128  # images; more at once are no faster and take more memory


def evaluate(model: nn.Module, split: Split) -> tuple[float, float]:
    """Return a model's mean cross entropy and accuracy on a split, in eval mode."""
    outputs = logits(model, split.images)
    right = outputs.argmax(1) == split.labels
    return F.cross_entropy(outputs, split.labels).item(), right.double().mean().item()


@torch.no_grad()
def logits(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return logits N×10 for images N×1×28×28, in eval mode; modes stay as they are."""
    outputs = []
    with _evaluating(model):
        for batch in images.split(BATCH):
            outputs.append(model(batch))
            THREADS.step((id(model), "logits"))
    return torch.cat(outputs)


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
    """Train a model on digits and return the history: `fit(model, digits, epochs=3)`.

    Runs on torch's accelerator, if any; the model comes back on the CPU, in eval mode.
    On a CPU the same seed, model and number of threads give the same numbers (see
    `helpers.sharing`). `seconds` bounds the time. Interrupting ends the run after the
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
        check_kind("model", model, nn.Module, "a network, such as ConvNet()")
        check_kind("digits", digits, Digits, "what load_digits() returns")
        with seeded(seed):
            _check_split(model, "digits.train", digits.train)
            _check_split(model, "digits.validation", digits.validation)
        view = monitor
        if show and not monitor and hasattr(get_ipython(), "kernel"):
            view = Monitor(source=digits.source)
            display(view)
        with seeded(seed):
            history = _Run(model, digits, recipe, seconds or math.inf, view, noted).go()
        if history.stopped and not monitor:
            print(history.stopped)
    return history


def _check_split(model: nn.Module, name: str, split: Split) -> None:
    """Try a model with a few images; raise SentenceError where it cannot be trained."""
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

    def go(self) -> History:
        an_epoch = math.ceil(len(self.digits.train.labels) / self.recipe.batch_size)
        self.batches = math.ceil(self.recipe.epochs * an_epoch)
        self.history = History(self.digits.source, self.recipe, _weights(self.model))
        self.start, kept = time.monotonic(), "from then"
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
            trim()
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
        self.images, self.labels = (part.to(device) for part in self.digits.train)
        self.validation = Split(*(part.to(device) for part in self.digits.validation))
        recipe, steps = self.recipe, max(self.batches, 4)
        self.optimizer = OPTIMIZERS[recipe.optimizer](
            self.model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay
        )
        # It divides by the steps of the rise less one.
        rise, cycles = max(RISE[recipe.optimizer], 2 / steps), recipe.optimizer == "SGD"
        self.schedule = OneCycleLR(
            self.optimizer, recipe.lr, steps, pct_start=rise, cycle_momentum=cycles
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
        first = len(self.history.batches)
        for batch in torch.randperm(len(self.labels)).split(
            int(self.recipe.batch_size)
        ):
            self._step(self.images[batch], self.labels[batch])
            self._keep_kernels()
            if self.monitor:
                self.monitor.tick(self.history, self._elapsed(), self.seconds)
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

    def _keep_kernels(self) -> None:
        done = len(self.history.batches)
        if (done - 1) % math.ceil(self.batches / SNAPSHOTS) == 0:
            weights = _weights(self.model).items()
            kernels = {name: part for name, part in weights if part.ndim == 4}
            self.history.snapshots.append((done, kernels))

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
        history.rows.append(row)
        if row is max(history.rows, key=itemgetter("validation_accuracy")):
            history.best, history.best_epoch = _weights(self.model), len(history)

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
        done, best = len(self.history.batches), "those from before the run"
        if top := self.history.best_epoch:
            share = self.history[top - 1]["validation_accuracy"]
            best = f"those of epoch {top} ({share:.2%} of the validation digits right)"
        epoch = max(1, math.ceil(done * self.recipe.epochs / self.batches))
        return (
            f"{self.why} in epoch {epoch}, after {done} of {self.batches} batches; the "
            f"model has the weights {kept}, and history.best has {best}."
        )


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch within the block; the caller's random numbers stay as they are."""
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield


def shifted(images: torch.Tensor, most: int) -> torch.Tensor:
    """Return images N×1×28×28, each moved at random by up to `most` pixels along either
    axis; its edge is repeated.
    """
    if not most:
        return images
    height, width = images.shape[2:]
    edged = F.pad(images, [most] * 4, mode="replicate")
    places = edged.unfold(2, height, 1).unfold(3, width, 1)
    rows, columns = torch.randint(2 * most + 1, (2, len(images)))
    return places[torch.arange(len(images)), :, rows, columns]


def rotated(images: torch.Tensor, most: float) -> torch.Tensor:
    """Return images N×1×H×W, each turned at random about its middle by up to `most`
    degrees either way, on black; between pixels their greys are mixed.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.affine_grid.html
    """
    check_number("most", most, zero=True)
    angles = math.radians(most) * (2 * torch.rand(len(images)) - 1)
    cos, sin, zero = angles.cos(), angles.sin(), torch.zeros(len(images))
    rows = [cos, -sin, zero], [sin, cos, zero]
    turns = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
    places = F.affine_grid(turns, list(images.shape), align_corners=False)
    return F.grid_sample(images, places, align_corners=False)


def _weights(model: nn.Module) -> State:
    how = {"device": "cpu", "copy": True, "memory_format": torch.contiguous_format}
    return {name: part.to(**how) for name, part in model.state_dict().items()}
