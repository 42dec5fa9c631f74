"""The dropout bench: a probability to drag, and a mask that falls on the numbers of a layer.

Like the sliding window it answers in the browser, with or without a kernel; `bench.output` is what torch makes of it.
"""

import math
import reprlib
from functools import partial
from numbers import Real

import anywidget
import ipywidgets as widgets
import torch
from traitlets import Bool, Float, Int, List

from helpers import arithmetic, figures, presets
from helpers.explorer import STYLE, Bench, controls, label, player, script, shared, slider

DRAWS, LARGEST_P, STEP = 100, 0.95, 0.05
TIPS = {
    "p": "The probability with which each number is dropped",
    "draw": "Which of the random masks",
    "training": "On as in train(), off as in eval()",
}


class DropoutView(anywidget.AnyWidget):
    """What the browser draws; its traits are the whole state of the bench."""

    _esm = script("dropout")
    _css = STYLE
    values = List().tag(sync=True)
    chances = List().tag(sync=True)
    p = Float(0.5).tag(sync=True)
    draw = Int(1).tag(sync=True)
    training = Bool(True).tag(sync=True)


def _probability(value: float) -> float:
    fits = isinstance(value, Real) and not isinstance(value, bool) and 0 <= value <= LARGEST_P
    if not fits or not math.isclose(value / STEP, round(value / STEP), abs_tol=1e-9):
        raise ValueError(f"p must be a number from 0 to {LARGEST_P} in steps of {STEP}, not {reprlib.repr(value)}.")
    return round(float(value), 2)


class DropoutBench(Bench):
    """An 8×8 layer of numbers, the mask of one draw, the output, and the mean output of all draws so far.

    Each number of each draw has a chance from 0 to 99 of its own and is dropped where that is less than 100·p.
    Paper: Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html
    """

    p = shared("p", _probability, TIPS["p"])
    draw = shared("draw", partial(arithmetic.check_whole, "draw", smallest=1, largest=DRAWS), TIPS["draw"])
    training = shared("training", partial(arithmetic.check_switch, "training"), TIPS["training"])

    def __init__(self, p: float = 0.5, draw: int = 1, training: bool = True) -> None:
        generator = torch.Generator().manual_seed(0)
        self._values = presets.inputs(8)["digit"]
        self._chances = torch.randint(100, (DRAWS, 8, 8), generator=generator)
        self._view = DropoutView(values=self._values.tolist(), chances=self._chances.tolist())
        play = player("Draw one mask after the other")
        play.min, play.max = 1, DRAWS
        self._linked = {
            "p": [widgets.FloatSlider(min=0, max=LARGEST_P, step=STEP, **label("p", TIPS["p"]))],
            "draw": [slider("draw", 1, DRAWS, TIPS["draw"]), play],
            "training": [widgets.Checkbox(indent=False, **label("training", TIPS["training"]))],
        }
        links = [(control, "value", name) for name, held in self._linked.items() for control in held]
        super().__init__([controls(self._view, links), self._view])
        self.p, self.draw, self.training = p, draw, training

    @property
    def input(self) -> torch.Tensor:
        """The 8×8 numbers before, float64."""
        return self._values.clone()

    @property
    def mask(self) -> torch.Tensor:
        """The 8×8 mask of this draw: True where the number survives."""
        return self._masks()[self.draw - 1]

    @property
    def output(self) -> torch.Tensor:
        """The 8×8 numbers after: survivors divided by 1 − p in training, all as they are in eval."""
        return self._outputs()[self.draw - 1]

    @property
    def mean(self) -> torch.Tensor:
        """The mean output, number by number, of the draws from the first to this one."""
        return self._outputs()[: self.draw].mean(dim=0)

    @property
    def code(self) -> str:
        """The layer as a line of Python."""
        return f"nn.Dropout(p={self.p:.2f}).{'train' if self.training else 'eval'}()"

    def _masks(self) -> torch.Tensor:
        return self._chances >= (round(100 * self.p) if self.training else 0)

    def _outputs(self) -> torch.Tensor:
        return self._values * self._masks() / (1 - self.p if self.training else 1)

    def _settable(self) -> list[str]:
        return [*TIPS]

    def _told(self) -> dict[str, object]:
        return {"p": self.p, "draw": self.draw, "training": self.training}

    def _still(self) -> figures.Picture:
        boards = {"input": self.input, "mask": self.mask.double(), "output": self.output}
        return figures.matrices(boards | {f"mean of draws 1 to {self.draw}": self.mean})
