"""A run of training: the recipe that it follows, and the history that it leaves."""

from dataclasses import dataclass, field, replace

import torch

from helpers import figures
from helpers.validation import SentenceError, check_choice, check_number, check_whole

State = dict[str, torch.Tensor]
HEAD = "epoch  seconds  train loss  accuracy  validation loss  accuracy"
ROW = (
    "{epoch:5}{seconds:9.1f} {train_loss:11.4f}{train_accuracy:10.2%}"
    " {validation_loss:16.4f}{validation_accuracy:10.2%}"
)


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
        check_number("epochs", self.epochs)
        check_number("lr", self.lr)
        check_number("weight_decay", self.weight_decay, zero=True)
        check_choice("optimizer", self.optimizer, ["Adam", "SGD"])

    def changed(self, changes: dict[str, object]) -> "Recipe":
        """Return this recipe with other settings; unknown ones raise ValueError."""
        if unknown := [name for name in changes if name not in vars(self)]:
            listed = ", ".join(vars(self)).replace("lr", "lr (the learning rate)")
            raise SentenceError(
                f"There is no setting {unknown[0]!r}; there are {listed}."
            )
        return replace(self, **changes)


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
        if not self.rows:
            raise SentenceError(
                "This run was interrupted before it had measured an epoch, so there "
                "is nothing to read from it: run its cell again."
            )
        return self.rows[place]

    def __repr__(self) -> str:
        lines = [f"trained on {self.source}", HEAD]
        lines += [ROW.format(**row) for row in self.rows]
        return "\n".join(lines + [self.stopped] * bool(self.stopped))

    def curves(self) -> dict[str, list]:
        """Return the run as `figures.training` takes it, the batches in bins."""
        steps, losses = figures.in_bins(self.losses)
        _, accuracies = figures.in_bins(self.accuracies)
        names = ("batches", "validation_loss", "validation_accuracy")
        return {
            "steps": steps,
            "losses": losses,
            "accuracies": accuracies,
            "validation": [[row[name] for name in names] for row in self.rows],
        }

    def plot(self) -> figures.Picture:
        """Draw loss and accuracy along the batches."""
        return figures.training({"": self.curves()}, self.source)
