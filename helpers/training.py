"""The training loop that notebook 05 builds up, with what a class needs around it: a live view and a history."""

import copy
import math
import time
from collections.abc import Iterator
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
    """The hyper-parameters of a run. The rate rises to `lr` and falls again, a step each batch.

    Schedule: Smith and Topin 2017, https://arxiv.org/abs/1708.07120, as torch.optim.lr_scheduler.OneCycleLR has it.
    """

    epochs: float = 1
    batch_size: int = 128
    lr: float = 0.01
    optimizer: str = "Adam"
    weight_decay: float = 0.0
    shift: int = 0

    def __post_init__(self) -> None:
        check_whole("batch_size", self.batch_size, 1)
        check_whole("shift", self.shift, 0, 8)
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}, not {self.optimizer!r}.")
        for name in ("epochs", "lr"):
            value = getattr(self, name)
            if not isinstance(value, Real) or isinstance(value, bool) or not 0 < value < math.inf:
                raise ValueError(f"{name} must be a number above 0, not {value!r}.")


QUICK = Recipe()
LONG = Recipe(epochs=12, batch_size=256, lr=0.1, optimizer="SGD", weight_decay=5e-4, shift=1)


@dataclass
class History:
    """What a run left behind: a row for each epoch, loss and accuracy of each batch, weights on the way.

    `history.rows` is a list of dicts, ready for a table; `history.best` is the state_dict of the epoch with the best
    validation accuracy; `history.snapshots` holds (batches done, convolution weights); `history.stopped` says why a
    run ended early.
    """

    source: str
    recipe: Recipe
    best: State = field(repr=False)
    best_epoch: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list, repr=False)
    accuracies: list[float] = field(default_factory=list, repr=False)
    snapshots: list[tuple[int, State]] = field(default_factory=list, repr=False)
    stopped: str = ""

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
    """Return the logits N×10 for images N×1×28×28, some hundred at a time; the model is left in the mode it was in."""
    was_training = model.training
    model.eval()
    outputs = torch.cat([model(batch) for batch in images.split(500)])
    model.train(was_training)
    return outputs


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

    Runs on torch's accelerator where there is one; the model comes back on the CPU, in eval mode. The same seed, model
    and number of threads give the same numbers. `seconds` bounds the time. Interrupting the kernel keeps the model and
    the history.
    """
    run = _Run(model, digits, _changed(recipe, changes), seconds, monitor or Monitor(digits.source, show=show))
    history = run.go(seed)
    if history.stopped and not monitor:
        print(history.stopped)
    return history


def _changed(recipe: Recipe, changes: dict[str, object]) -> Recipe:
    known = [part.name for part in fields(Recipe)]
    for name in changes:
        if name not in known:
            raise ValueError(f"fit has no setting {name!r}; it has {', '.join(known)}, seed and seconds.")
    return replace(recipe, **changes)


class _Run:
    """One run, from the first batch to the last or to what ends it early."""

    def __init__(
        self, model: nn.Module, digits: Digits, recipe: Recipe, seconds: float | None, monitor: Monitor
    ) -> None:
        self.model, self.seconds, self.monitor = model, seconds or float("inf"), monitor
        accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        self.device = accelerator or torch.device("cpu")
        self.train, self.validation = (_on(self.device, split) for split in (digits.train, digits.validation))
        self.batches = math.ceil(recipe.epochs * math.ceil(len(self.train.labels) / recipe.batch_size))
        self.history = History(digits.source, recipe, best=_copy(model))

    def go(self, seed: int) -> History:
        """Train, whatever ends it, and return the history."""
        self.start = time.monotonic()
        self.monitor.start(self.batches)
        try:
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                self._train()
        except KeyboardInterrupt:
            self._stop("Interrupted", f"the model keeps the weights it had then, and history.best {self._best()}")
        finally:
            self.model.to("cpu").eval()
            self.monitor.finish(self.history, time.monotonic() - self.start)
        return self.history

    def _train(self) -> None:
        # Convolutions on a CPU are faster where the channels of a pixel lie side by side.
        self.model.to(self.device, memory_format=torch.channels_last)
        self._prepare()
        while not self._over():
            self._epoch()

    def _prepare(self) -> None:
        recipe = self.history.recipe
        kind, settings, schedule = copy.deepcopy(OPTIMIZERS[recipe.optimizer])
        self.optimizer = kind(
            self.model.parameters(), recipe.lr, weight_decay=recipe.weight_decay, fused=True, **settings
        )
        steps = max(self.batches, 4)  # with fewer, OneCycleLR divides by zero
        schedule["pct_start"] = max(schedule["pct_start"], 2 / steps)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, recipe.lr, steps, final_div_factor=1e4, **schedule
        )

    def _epoch(self) -> None:
        self.model.train()
        first, order = len(self.history.losses), torch.randperm(len(self.train.labels)).to(self.device)
        for batch in order.split(self.history.recipe.batch_size):
            self._step(self.train.images[batch], self.train.labels[batch])
            self._look_at_loss_and_clock()
            if self._over():
                break
        if torch.tensor(self.history.losses[first:]).isfinite().all():
            self._validate(first)

    def _step(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        outputs = self.model(shifted(images, self.history.recipe.shift))
        loss = F.cross_entropy(outputs, labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.history.losses.append(loss.item())
        self.history.accuracies.append((outputs.argmax(1) == labels).float().mean().item())
        if len(self.history.losses) % -(-self.batches // SNAPSHOTS) == 1:
            self.history.snapshots.append((len(self.history.losses), _kernels(self.model)))
        self.monitor.tick(self.history, time.monotonic() - self.start, self.seconds)

    def _over(self) -> bool:
        return bool(self.history.stopped) or len(self.history.losses) == self.batches

    def _look_at_loss_and_clock(self) -> None:
        if not math.isfinite(self.history.losses[-1]):
            lr = self.history.recipe.lr
            self.model.load_state_dict(self.history.best)
            self._stop(
                "The loss is not a number any more",
                f"the steps were too long. Try a smaller lr, such as {lr / 10:g} instead of {lr:g}; check too that "
                f"the images lie between 0 and 1. The model has the weights of history.best, which {self._best()}",
            )
        elif time.monotonic() - self.start > self.seconds:
            self._stop("Time is up", f"{self.seconds:g} seconds were asked for. The model keeps the weights it has")

    def _validate(self, first: int) -> None:
        loss, accuracy = evaluate(self.model, self.validation)
        losses, accuracies = self.history.losses[first:], self.history.accuracies[first:]
        if accuracy > max([row["validation_accuracy"] for row in self.history], default=0):
            self.history.best, self.history.best_epoch = _copy(self.model), len(self.history) + 1
        self.history.rows.append(
            {
                "epoch": len(self.history) + 1,
                "batches": first + len(losses),
                "seconds": time.monotonic() - self.start,
                "train_loss": sum(losses) / len(losses),
                "train_accuracy": sum(accuracies) / len(accuracies),
                "validation_loss": loss,
                "validation_accuracy": accuracy,
            }
        )

    def _stop(self, what: str, then: str) -> None:
        done, all_ = len(self.history.losses), self.batches
        self.history.stopped = f"{what} in epoch {len(self.history) + 1}, after {done} of {all_} batches: {then}."

    def _best(self) -> str:
        if not self.history.rows:
            return "holds those from before the run"
        accuracy = self.history[self.history.best_epoch - 1]["validation_accuracy"]
        return f"holds those of epoch {self.history.best_epoch} ({accuracy:.2%} of the validation digits right)"


def shifted(images: torch.Tensor, most: int) -> torch.Tensor:
    """Return images N×1×28×28, each moved at random by up to `most` pixels along either axis."""
    if not most:
        return images
    count, _, height, width = images.shape
    moves = torch.randint(-most, most + 1, (2, count, 1)).to(images.device)
    rows = (torch.arange(height, device=images.device) + moves[0]).clamp(0, height - 1)
    columns = (torch.arange(width, device=images.device) + moves[1]).clamp(0, width - 1)
    return images[
        torch.arange(count, device=images.device)[:, None, None], :, rows[:, :, None], columns[:, None]
    ].movedim(-1, 1)


def _on(device: torch.device, split: Split) -> Split:
    return Split(*(part.to(device) for part in split))


def _copy(model: nn.Module) -> State:
    return {name: values.detach().to("cpu", copy=True) for name, values in model.state_dict().items()}


def _kernels(model: nn.Module) -> State:
    return {name: values for name, values in _copy(model).items() if values.ndim == 4}
