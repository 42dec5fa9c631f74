"""The dropout bench: a probability to drag, and a mask that falls on the numbers of a
layer.

Like the sliding window it answers in the browser, with or without a kernel;
`bench.output` is what torch makes of it.
"""

import ipywidgets as widgets
import torch

from helpers import figures, presets
from helpers.validation import check_step, check_switch, check_whole
from helpers.widgets.base import Bench, View, label, player, shared, slider

DRAWS = 100
PS = 0, 0.95, 0.05  # the smallest, the largest, the step
TIPS = {
    "p": "The probability with which each number is dropped",
    "draw": "Which of the random masks",
    "training": "On as in train(), off as in eval()",
}


class DropoutBench(Bench):
    """An 8×8 layer of numbers, the mask of one draw, the output, and the mean output of
    all draws so far.

    Each number of each draw has a chance from 0 to 99 of its own and is dropped where
    that is less than 100·p. Paper: Srivastava et al. 2014,
    https://jmlr.org/papers/v15/srivastava14a.html
    """

    p = shared("p", check_step, TIPS["p"], *PS)
    draw = shared("draw", check_whole, TIPS["draw"], 1, DRAWS)
    training = shared("training", check_switch, TIPS["training"])

    def __init__(self, p: float = 0.5, draw: int = 1, training: bool = True) -> None:
        dice = torch.Generator().manual_seed(0)
        self._chances = torch.randint(100, (DRAWS, 8, 8), generator=dice)
        state = {"values": self.input.tolist(), "chances": self._chances.tolist()}
        self._view = View("dropout", **state, p=0.5, draw=1, training=True)
        play = player("Draw one mask after the other")
        play.min, play.max = 1, DRAWS
        low, high, step = PS
        share = label("p", TIPS["p"]) | {"min": low, "max": high, "step": step}
        switch = label("training", TIPS["training"])
        self._linked = {
            "p": [widgets.FloatSlider(**share)],
            "draw": [slider("draw", 1, DRAWS, TIPS["draw"]), play],
            "training": [widgets.Checkbox(indent=False, **switch)],
        }
        super().__init__(self._tied())
        self.p, self.draw, self.training = p, draw, training

    @property
    def input(self) -> torch.Tensor:
        """The 8×8 numbers before, float64."""
        return presets.inputs(8)["digit"]

    @property
    def mask(self) -> torch.Tensor:
        """The 8×8 mask of this draw: True where the number survives."""
        return self._masks()[self.draw - 1]

    @property
    def output(self) -> torch.Tensor:
        """The 8×8 numbers after: in training 0, or divided by 1 − p."""
        return self._outputs()[self.draw - 1]

    @property
    def mean(self) -> torch.Tensor:
        """The mean output, number by number, of the draws up to this one."""
        return self._outputs()[: self.draw].mean(dim=0)

    @property
    def code(self) -> str:
        """The layer as a line of Python."""
        return f"nn.Dropout(p={self.p:.2f}).{'train' if self.training else 'eval'}()"

    def _masks(self) -> torch.Tensor:
        return self._chances >= (round(100 * self.p) if self.training else 0)

    def _outputs(self) -> torch.Tensor:
        return self.input * self._masks() / (1 - self.p if self.training else 1)

    def _still(self) -> figures.Picture:
        boards = {"input": self.input, "mask": self.mask.double()}
        boards |= {"output": self.output, f"mean of draws 1 to {self.draw}": self.mean}
        return figures.matrices(boards)
