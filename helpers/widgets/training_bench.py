"""The training sandbox: sliders, a button that trains, and the last runs at once."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import ipywidgets as widgets
from torch import nn

from helpers import figures
from helpers.digits import Digits, Split
from helpers.interrupts import in_main_thread
from helpers.networks import ConvNet
from helpers.runs import History
from helpers.training import fit, seeded
from helpers.validation import SentenceError, check_choice, check_kind
from helpers.widgets.base import Bench, label
from helpers.widgets.monitor import Monitor

SECONDS = 10
CHOICES = {
    "lr": [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0],
    "batch_size": [16, 32, 64, 128, 256, 512, 1024],
    "epochs": [1, 2, 3, 5, 10, 20, 50],
    "images": [100, 300, 1000, 3000, 10000],  # and all there are
}
TIPS = {
    "lr": "The highest learning rate of the run: how long the steps of Adam are",
    "batch_size": "How many images each step looks at",
    "epochs": "How often every image is seen",
    "images": "How many images of the training split are used",
}
TIP = f"Train a fresh network, for {SECONDS} seconds at most, or stop it"
READY = "Choose, then press Train. It needs a running kernel."
WAITS = "Waiting until the kernel is free."


def _chosen(name: str) -> property:
    def put(bench: "TrainingBench", value: float) -> None:
        check_choice(name, value, bench._sliders[name].options)
        bench._sliders[name].value = value

    return property(lambda bench: bench._sliders[name].value, put, doc=TIPS[name])


class TrainingBench(Bench):
    """Trains a fresh network, from one start, as the sliders say; ten seconds at most.

    `make` is a class or a function, such as ConvNet. `bench.train()` does what the
    button does and returns the history; `bench.histories` holds the runs in order. A
    setting that no slider has raises ValueError.
    """

    lr, batch_size, epochs, images = map(_chosen, CHOICES)

    def __init__(
        self, digits: Digits, make: Callable[[], nn.Module] = ConvNet, **settings: float
    ) -> None:
        check_kind("digits", digits, Digits, "what load_digits() returns")
        if isinstance(make, nn.Module) or not callable(make):
            raise SentenceError(
                "make must be a class or a function that makes a new network for each "
                f"run, such as ConvNet without brackets; it is a {type(make).__name__}."
            )
        self._digits, self._make, self._histories = digits, make, []
        count = len(digits.train.labels)
        images = [number for number in CHOICES["images"] if number < count] + [count]
        self._sliders = {
            name: widgets.SelectionSlider(
                options=values, continuous_update=False, **label(name, TIPS[name])
            )
            for name, values in (CHOICES | {"images": images}).items()
        }
        self._view = Monitor(source=digits.source, says=READY)
        self._button = widgets.ToggleButton(
            description="Train", tooltip=TIP, button_style="primary"
        )
        self._button.observe(self._pressed, "value")
        widgets.jslink((self._button, "value"), (self._view, "asked"))
        controls = [*self._sliders.values(), self._button]
        rows = widgets.Box(controls, layout={"flex_flow": "row wrap"})
        super().__init__([rows, self._view])
        usual = {"lr": 0.01, "batch_size": 128, "epochs": 1, "images": count}
        for name, value in (usual | settings).items():
            setattr(self, name, value)

    @property
    def histories(self) -> list[History]:
        """The runs so far, the first one first."""
        return [*self._histories]

    def train(self) -> History:
        """Train a fresh network with these settings and add the run to the view."""
        settings = self._told()
        name = ", ".join(f"{word} {value}" for word, value in settings.items())
        self._view.name = f"{len(self._histories) + 1}: {name}"
        count = settings.pop("images")
        few = Split(*(part[:count] for part in self._digits.train))
        digits = replace(self._digits, train=few)
        settings |= {"seconds": SECONDS, "monitor": self._view}
        try:
            with seeded(0):
                model = self._make()
            self._histories.append(fit(model, digits, **settings))
        except Exception as fault:  # a button has no place for a traceback
            self._view.says = f"This run failed with {type(fault).__name__}: {fault}"
            raise
        return self._histories[-1]

    def _pressed(self, change: dict) -> None:
        wanted = change["new"]
        self._button.description = "Stop" if wanted else "Train"
        self._view.stop = not wanted
        if wanted:
            self._view.says = WAITS
            in_main_thread(self._answer)

    def _answer(self) -> None:
        self._view.says = READY
        if self._button.value:  # Stop has not been pressed meanwhile
            with suppress(Exception):  # the view says what went wrong
                self.train()
            self._button.value = False
        self._view.stop = False

    def _still(self) -> figures.Picture:
        runs = dict(zip(self._view.names, self._view.runs, strict=True))
        return figures.training(runs, self._digits.source)
