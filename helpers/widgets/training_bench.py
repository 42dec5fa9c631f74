"""The training sandbox: hyper-parameters on sliders, a button that trains, and the last
runs side by side.
"""

import reprlib
from collections.abc import Callable
from dataclasses import replace

import ipywidgets as widgets
from torch import nn

from helpers import figures
from helpers.digits import Digits, Split
from helpers.networks import ConvNet
from helpers.training import History, fit, seeded
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
    "lr": "The learning rate: how long the steps are",
    "batch_size": "How many images each step looks at",
    "epochs": "How often every image is seen",
    "images": "How many images of the training split are used",
}


def _chosen(name: str) -> property:
    def put(bench: "TrainingBench", value: float) -> None:
        slider = bench._sliders[name]
        if isinstance(value, bool) or value not in slider.options:
            choices = ", ".join(map(str, slider.options))
            raise ValueError(
                f"{name} must be one of {choices}, not {reprlib.repr(value)}."
            )
        slider.value = value

    return property(lambda bench: bench._sliders[name].value, put, doc=TIPS[name])


class TrainingBench(Bench):
    """Trains a fresh network with the chosen hyper-parameters, for ten seconds at most,
    from the same start each time.

    `bench.train()` does what the button does and returns the history; `bench.histories`
    holds the runs in order. A setting that no slider has raises ValueError.
    """

    lr, batch_size, epochs, images = map(_chosen, CHOICES)

    def __init__(
        self, digits: Digits, make: Callable[[], nn.Module] = ConvNet, **settings: float
    ) -> None:
        self._digits, self._make, self._histories = digits, make, []
        count = len(digits.train.labels)
        choices = CHOICES | {
            "images": [number for number in CHOICES["images"] if number < count]
            + [count]
        }
        self._sliders = {
            name: widgets.SelectionSlider(
                options=values, continuous_update=False, **label(name, TIPS[name])
            )
            for name, values in choices.items()
        }
        self._view = Monitor(
            source=digits.source,
            says="Choose, then press Train. It needs a running kernel.",
        )
        tip = f"Train a fresh network, for {SECONDS} seconds at most"
        self._button = widgets.Button(
            description="Train", tooltip=tip, button_style="primary"
        )
        self._button.on_click(lambda _: self.train())
        controls = widgets.Box(
            [*self._sliders.values(), self._button], layout={"flex_flow": "row wrap"}
        )
        super().__init__([controls, self._view])
        for name, value in (
            {"lr": 0.01, "batch_size": 128, "epochs": 1, "images": count} | settings
        ).items():
            setattr(self, name, value)

    @property
    def histories(self) -> list[History]:
        """The runs so far, the first one first."""
        return [*self._histories]

    def train(self) -> History:
        """Train a fresh network with the settings as they stand and add the run to the
        view.
        """
        self._button.disabled = True
        try:
            self._histories.append(self._run())
        except Exception as fault:  # a button has no place for a traceback
            self._view.says = f"This run failed with {type(fault).__name__}: {fault}"
            raise
        finally:
            self._button.disabled = False
        return self._histories[-1]

    def _run(self) -> History:
        settings = self._told()
        name = ", ".join(f"{word} {value}" for word, value in settings.items())
        count = settings.pop("images")
        digits = replace(
            self._digits, train=Split(*(part[:count] for part in self._digits.train))
        )
        with seeded(0):
            model = self._make()
        self._view.name = f"{len(self._histories) + 1}: {name}"
        return fit(model, digits, seconds=SECONDS, monitor=self._view, **settings)

    def _settable(self) -> list[str]:
        return [*TIPS]

    def _told(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in TIPS}

    def _still(self) -> figures.Picture:
        return figures.training(
            dict(zip(self._view.names, self._view.runs, strict=True)),
            self._digits.source,
        )
