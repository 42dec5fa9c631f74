"""The map of digits: a point to drag over the plane of two numbers, and the digit that
a decoder makes of it.

The page computes the decoder itself (network.js), so it answers within a frame, with or
without a kernel; `bench.digit` is what torch makes of the point.
"""

import math
import reprlib
from collections.abc import Sequence
from contextlib import suppress

import ipywidgets as widgets
import torch
from torch import Tensor, nn

from helpers import planes
from helpers.figures import Picture
from helpers.inspection import copied
from helpers.validation import SentenceError, check_switch
from helpers.widgets.base import Bench, View, label, listed, shared
from helpers.widgets.network import described

SIDE, ACROSS = 28, 12  # pixels of a digit, and digits in a row of the map
USUAL = torch.tensor([[-3.0, -3.0], [3.0, 3.0]])  # the plane where no points are given
TICKS = 6  # along an axis, or a few more
STEPS = 20  # from tick to tick, so that a key moves by about a hundredth of the plane
CLOSEST = 1e-6  # points that are nearer to each other lie in one place
APART = 0.06  # of the plane: names of classes are no nearer to each other
NAMES = "number_0", "number_1"
TIPS = {
    "number_0": "The first number: from left to right",
    "number_1": "The second number: from bottom to top",
    "all": "Fill the plane with the digits that the decoder makes all over it",
}


class DigitMap(Bench):
    """A plane of two numbers, and the digit that a decoder makes of the point on it.

    The decoder turns N×2 into N×1×28×28, grey levels from 0 to 1; the bench keeps a
    copy of it as it is now. The `points`, N×2, are what an encoder makes of digits, and
    `labels`, N, say of which, 0 to 9. From the 1st to the 99th percentile they lie on
    the plane; without points it goes from -3 to 3. `bench.point` and `bench.all` can be
    set. Raises SentenceError for a decoder that the page cannot run, and for points,
    labels or a point that do not fit.
    """

    all = shared("all", check_switch, TIPS["all"])

    def __init__(
        self,
        decoder: nn.Sequential,
        points: Tensor | None = None,
        labels: Tensor | None = None,
        point: Sequence[float] | None = None,
        all: bool = False,
    ) -> None:
        layers, self._decoder = described(decoder), _checked(decoder)
        places, classes = _codes(points, labels)
        self._axes = _axes(USUAL if points is None else places)
        given = {"decoder": decoder, "points": points, "labels": labels}
        self._given = [name for name, value in given.items() if value is not None]
        seen = _seen(self._axes, places, classes)
        middle = [(axis["low"] + axis["high"]) / 2 for axis in self._axes]
        state = dict(zip(NAMES, middle, strict=True)) | {"all": False} | seen
        state |= {"layers": layers, "axes": self._axes, "across": ACROSS}
        self._view = View("digit_map", **state)
        self._linked = {
            name: [_slider(name, axis)]
            for name, axis in zip(NAMES, self._axes, strict=True)
        }
        box = label("all over the plane", TIPS["all"])
        self._linked["all"] = [widgets.Checkbox(indent=False, **box)]
        super().__init__(self._tied())
        self.point, self.all = middle if point is None else point, all

    @property
    def point(self) -> tuple[float, float]:
        """The two numbers: the nearest to what was given that the page can show."""
        held = zip(NAMES, self._axes, strict=True)
        return tuple(_rounded(getattr(self._view, name), axis) for name, axis in held)

    @point.setter
    def point(self, given: Sequence[float]) -> None:
        values = _within(given, self._axes)
        for name, value, axis in zip(NAMES, values, self._axes, strict=True):
            self._put(name, _rounded(value, axis))

    @property
    def digit(self) -> Tensor:
        """What the decoder makes of the point: 28×28, float32."""
        return self._decoded(torch.tensor([self.point]))[0]

    @property
    def code(self) -> str:
        """The same as a line of Python."""
        texts = [
            f"{value:.{axis['decimals']}f}"
            for value, axis in zip(self.point, self._axes, strict=True)
        ]
        return f"decoder(torch.tensor([[{', '.join(texts)}]]))"

    @torch.no_grad()
    def _decoded(self, points: Tensor) -> Tensor:
        return self._decoder(points)[:, 0]

    def _map(self) -> Tensor:
        """Return the digits all over the plane as one picture, its top row first."""
        ends = [(axis["low"], axis["high"]) for axis in self._axes]
        shares = (torch.arange(ACROSS) + 0.5) / ACROSS
        across, up = (low + (high - low) * shares for low, high in ends)
        digits = self._decoded(torch.cartesian_prod(up.flip(0), across).flip(1))
        rows = digits.view(ACROSS, ACROSS, SIDE, SIDE).transpose(1, 2)
        return rows.reshape(ACROSS * SIDE, ACROSS * SIDE)

    def __repr__(self) -> str:
        return f"DigitMap({', '.join(self._given)}, {listed(self._told())})"

    def _still(self) -> Picture:
        ends = [(axis["low"], axis["high"]) for axis in self._axes]
        return planes.digit_map(self._map(), ends, self.point, self.digit)


def _checked(decoder: nn.Sequential) -> nn.Sequential:
    """Return a copy of a decoder; SentenceError where it does not draw digits."""
    with suppress(Exception), torch.no_grad():  # whatever its layers raise
        twin = copied(decoder)
        drawn = twin(torch.zeros(3, 2))
        if drawn.shape == (3, 1, SIDE, SIDE) and drawn.isfinite().all():
            return twin
    raise SentenceError(
        "DigitMap(decoder) takes a decoder that turns N×2 numbers into N×1×28×28 grey "
        "levels, finite numbers; this one does not."
    )


def _codes(points: Tensor | None, labels: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return points N×2 and their labels N, -1 where none are given."""
    places = torch.zeros(0, 2) if points is None else _numbers(points)
    fits = places.dim() == 2 and places.shape[1] == 2 and places.isfinite().all()
    if not fits or (points is not None and not len(places)):
        raise SentenceError("points must be N×2 finite numbers, a row for each digit.")
    classes = torch.full((len(places),), -1.0) if labels is None else _numbers(labels)
    known = torch.arange(-1.0 if labels is None else 0.0, 10.0)
    if classes.shape != (len(places),) or not torch.isin(classes, known).all():
        raise SentenceError(
            f"labels must be digits from 0 to 9, one for each of {len(places)} points."
        )
    return places, classes.int()


def _numbers(given: object) -> Tensor:
    """Return numbers as float32 on the CPU, and a single nan for what is none."""
    try:
        return torch.as_tensor(given).detach().cpu().float()
    except (TypeError, ValueError, RuntimeError):
        return torch.tensor(math.nan)


def _axes(places: Tensor) -> list[dict[str, float]]:
    """Return the axes of the plane, with as many decimals for both."""
    axes = [_axis(values) for values in places.T]
    most = max(axis["decimals"] for axis in axes)
    return [axis | {"decimals": most} for axis in axes]


def _axis(values: Tensor) -> dict[str, float]:
    """Return where an axis ends, its ticks and steps, and the decimals of its numbers.

    It holds the values from the 1st to the 99th percentile, and ends at ticks.
    """
    low, high = values.quantile(torch.tensor([0.01, 0.99])).tolist()
    if high - low < CLOSEST:
        low, high = low - 1, high + 1
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    tick = next(n * power for n in (1, 2, 5, 10) if n * power >= rough * 0.75)
    decimals = max(0, 2 - math.floor(math.log10(tick) + 0.01))
    ends = math.floor(low / tick + 0.01), math.ceil(high / tick - 0.01)
    parts = {"low": ends[0] * tick, "high": ends[1] * tick, "tick": tick}
    parts["step"] = tick / STEPS
    rounded = {name: round(value, decimals) for name, value in parts.items()}
    return rounded | {"decimals": decimals}


def _rounded(value: float, axis: dict[str, float]) -> float:
    """Return the nearest of the steps that begin at the axis's low end."""
    steps = round((value - axis["low"]) / axis["step"])
    return round(axis["low"] + steps * axis["step"], axis["decimals"]) + 0.0  # no -0.0


def _within(given: Sequence[float], axes: list[dict[str, float]]) -> list[float]:
    """Return a point as two floats; SentenceError for what is not on the plane."""
    values = _numbers(given)
    low, high = (torch.tensor([axis[end] for axis in axes]) for end in ("low", "high"))
    if values.shape != (2,) or not ((low <= values) & (values <= high)).all():
        ranges = " and ".join(f"{axis['low']:g} to {axis['high']:g}" for axis in axes)
        raise SentenceError(
            f"point must be two numbers, from {ranges}, not {reprlib.repr(given)}."
        )
    return values.tolist()


def _seen(axes: list[dict[str, float]], places: Tensor, classes: Tensor) -> dict:
    """Return what the page shows of the points: those on the plane, and where the name
    of each class stands, in shares of the plane.
    """
    low, high = (torch.tensor([axis[end] for axis in axes]) for end in ("low", "high"))
    shares = (places - low) / (high - low)
    kept = ((shares >= 0) & (shares <= 1)).all(dim=1)
    shares, classes = shares[kept], classes[kept]
    digits = [digit for digit in range(10) if (classes == digit).any()]
    middles = [shares[classes == digit].median(dim=0).values for digit in digits]
    named = zip(digits, _apart(middles), strict=True)
    return {
        "points": [[round(part, 4) for part in one] for one in shares.tolist()],
        "labels": classes.tolist(),
        "names": [[digit, *place] for digit, place in named],
    }


def _apart(places: list[Tensor]) -> list[list[float]]:
    """Return places in shares of the plane, moved until none hides another."""
    if not places:
        return []
    turns = torch.arange(float(len(places)))  # so that no two are in one place
    moved = torch.stack(places) + 1e-3 * torch.stack([turns.cos(), turns.sin()], 1)
    for _ in range(50):
        gaps = moved[:, None] - moved
        far = gaps.norm(dim=-1, keepdim=True)
        push = gaps / far.clamp(min=1e-6) * (APART - far).clamp(min=0) / 2
        moved = (moved + push.sum(dim=1)).clamp(APART / 2, 1 - APART / 2)
    return [[round(part, 4) for part in one] for one in moved.tolist()]


def _slider(name: str, axis: dict[str, float]) -> widgets.FloatSlider:
    how = {"min": axis["low"], "max": axis["high"], "step": axis["step"]}
    how |= {"value": axis["low"], "readout_format": f".{axis['decimals']}f"}
    return widgets.FloatSlider(**how, **label(name.replace("_", " "), TIPS[name]))
