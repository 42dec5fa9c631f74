"""The benches: a window slides over a small input, and every number of it is in sight.

Sliders and view are tied together in the browser (`jslink`), so they answer within a
frame, with or without a kernel. Python holds the truth: `bench.output` is what torch
computes.
"""

import reprlib
from collections.abc import Sequence

import ipywidgets as widgets
import torch
import torch.nn.functional as F

from helpers import figures, presets, sizes
from helpers.validation import check_switch, check_whole
from helpers.widgets.base import (
    OWN,
    Bench,
    View,
    index_of,
    label,
    listed,
    player,
    slider,
)

RANGES = {
    "input_size": (3, 12),
    "kernel_size": (1, 7),
    "stride": (1, 4),
    "padding": (0, 3),
    "dilation": (1, 3),
}
LARGEST_INPUT, LARGEST_KERNEL, LARGEST_NUMBER = 12, 7, 1e6
INPUTS = [*presets.inputs(LARGEST_INPUT), OWN]
KERNELS = [*presets.kernels(LARGEST_KERNEL), OWN]
TIPS = {
    "input_size": "Pixels along one side of the input",
    "kernel_size": "Pixels along one side of the window",
    "stride": "Pixels from one window to the next",
    "padding": "Rings of zeros around the input, or of −∞ for max pooling",
    "dilation": "Pixels from one weight's pixel to the next weight's",
    "step": "Which output the window computes, row by row",
    "input": "A ready-made input",
    "kernel": "A ready-made kernel",
    "mode": "Which number of the window is kept",
    "ceil_mode": "One more window where something is left over",
    "count_include_pad": "The average counts the padding's zeros",
}


def _setting(name: str) -> property:
    return property(
        lambda bench: bench.settings[name],
        lambda bench, value: bench.set(**{name: value}),
        doc=TIPS[name],
    )


def _numbers(part: str, tip: str) -> property:
    return property(
        lambda bench: bench._seen(part),
        lambda bench, values: bench._take(part, values),
        doc=tip,
    )


class SlidingWindowBench(Bench):
    """What both benches share: sliders, an input, a window that walks, the output.

    `bench.stride = 2` moves the slider too; `bench.input` (n×n) takes any numbers. A
    setting with which no window fits raises ValueError and changes nothing.
    """

    start: dict[str, int | bool]  # the settings at first
    lists: dict[str, list[str]]  # what there is to choose from
    tight: tuple[str, ...]  # takes room where it grows; the other numbers make room
    input_size, kernel_size, stride, padding = map(
        _setting, ("input_size", "kernel_size", "stride", "padding")
    )
    input = _numbers("input", "The n×n input, float64.")

    def __init__(self, settings: dict[str, int | bool], **chosen: object) -> None:
        self._ranges = {name: RANGES[name] for name in self.start if name in RANGES}
        self._limits = {
            f"{name}_{end}": (name, end)
            for name in self._ranges
            for end in ("min", "max")
        }
        self._view = View("sliding_window", **self._state())
        self._linked = self._controls()
        # The page finds the limits and tells the sliders.
        limits = [
            (self._linked[name][0], end, trait)
            for trait, (name, end) in self._limits.items()
        ]
        steps = [(control, "max", "step_max") for control in self._linked["step"]]
        super().__init__(self._tied(*limits, *steps))
        self.set(**self.start)
        for name, value in chosen.items():
            setattr(self, name, value)
        self.set(**settings)

    def _state(self) -> dict[str, object]:
        """Return what the view starts with."""
        places = "step", "step_max", "input_index", "kernel_index", "mode_index"
        return {
            **self.start,
            **dict.fromkeys([*self._limits, *places], 0),
            "names": [*self.start],
            "ranges": self._ranges,
            "modes": self.lists.get("mode", ["convolution"]),
            **_boards(),
        }

    def _controls(self) -> dict[str, list[widgets.Widget]]:
        """Return the controls by the name of the view's trait that they hold."""
        found = {
            name: [slider(name, *ends, TIPS[name])]
            for name, ends in self._ranges.items()
        }
        found["step"] = [slider("step", 0, 0, TIPS["step"]), player()]
        for name in [name for name in self.start if name not in self._ranges]:
            found[name] = [widgets.Checkbox(indent=False, **label(name, TIPS[name]))]
        for part, names in self.lists.items():
            lists = widgets.Dropdown(options=names, **label(part, TIPS[part]))
            found[f"{part}_index"] = [lists]
        return found

    @property
    def settings(self) -> dict[str, int | bool]:
        """The settings by name, as torch's layers and this course call them."""
        return {name: getattr(self._view, name) for name in self.start}

    def set(self, **settings: int | bool) -> None:
        """Change several settings at once, or none: ValueError where no window fits."""
        settings = {
            name: self._checked(name, value) for name, value in settings.items()
        }
        last = self._size(**self.settings | settings) ** 2 - 1
        before = self.settings

        def takes_room(name: str) -> bool:
            return (settings[name] > before[name]) == (name in self.tight)

        # What makes room comes first: a page that draws slowly finds limits for what it
        # has seen by then.
        for name in sorted(settings, key=takes_room):
            self._put(name, settings[name])
        self._put("step", min(self.step, last))

    def _checked(self, name: str, value: int | bool) -> int | bool:
        if name not in self.start:
            raise ValueError(
                f"The bench has no setting {name!r}; it has {', '.join(self.start)}."
            )
        if name not in RANGES:
            return check_switch(name, value)
        return check_whole(name, value, *RANGES[name])

    @property
    def step(self) -> int:
        """Which output the window computes: row · output size + column."""
        return self._view.step

    @step.setter
    def step(self, value: int) -> None:
        self._put("step", check_whole("step", value, 0, len(self.output) ** 2 - 1))

    def _seen(self, part: str) -> torch.Tensor:
        """Return the input or the kernel, float64: ready-made or the student's own."""
        size = getattr(self, f"{part}_size")
        own = torch.tensor(getattr(self._view, f"{part}_own"), dtype=torch.float64)
        ready = (
            presets.inputs(LARGEST_INPUT) if part == "input" else presets.kernels(size)
        )
        chosen = [*ready.values(), own][getattr(self._view, f"{part}_index")]
        return chosen[:size, :size].clone()

    def _take(self, part: str, chosen: str | Sequence) -> None:
        if not isinstance(chosen, str):
            smallest, largest = RANGES[f"{part}_size"]
            numbers = _square(part, chosen, smallest, largest)
            self.set(**{f"{part}_size": len(numbers)})
            setattr(self._view, f"{part}_own", canvas(largest, numbers))
            chosen = OWN
        self._put(f"{part}_index", index_of(chosen, self.lists[part], part))

    @property
    def _how(self) -> dict[str, int | bool]:
        """The settings that torch's layer takes."""
        return {
            name: value for name, value in self.settings.items() if name != "input_size"
        }

    @property
    def _corner(self) -> tuple[int, int]:
        return tuple(
            self.stride * place for place in divmod(self.step, len(self.output))
        )

    def _told(self) -> dict[str, object]:
        return {"input_size": self.input_size, **self._how}

    def _settable(self) -> list[str]:
        return [*self.start, "step", *self.lists]

    def _still(self) -> figures.Picture:
        return figures.sliding_window(self._panels(), self._told(), self.step)


class ConvolutionBench(SlidingWindowBench):
    """Sliders, input, kernel, products and output of one 2-D convolution with one
    channel in and one out.

    `bench.kernel` (k×k) takes any numbers; `bench.output` is `F.conv2d` of input and
    kernel.
    """

    start = {
        "input_size": 8,
        "kernel_size": 3,
        "stride": 1,
        "padding": 0,
        "dilation": 1,
    }
    lists = {"input": INPUTS, "kernel": KERNELS}
    tight = "kernel_size", "dilation"
    dilation = _setting("dilation")
    kernel = _numbers("kernel", "The k×k kernel, float64.")
    _size = staticmethod(sizes.output_size)

    def __init__(
        self,
        picture: str | Sequence = "digit",
        kernel: str | Sequence = "Sobel x",
        **settings: int,
    ) -> None:
        super().__init__(settings, input=picture, kernel=kernel)

    @property
    def output(self) -> torch.Tensor:
        """The output that torch computes, float64."""
        how = {
            name: value for name, value in self._how.items() if name != "kernel_size"
        }
        return F.conv2d(self.input[None, None], self.kernel[None, None], **how)[0, 0]

    @property
    def code(self) -> str:
        """The layer as a line of Python."""
        return f"nn.Conv2d(1, 1, {listed(self._how)}, bias=False)"

    def _panels(self) -> dict[str, torch.Tensor]:
        padded, kernel = F.pad(self.input, (self.padding,) * 4), self.kernel
        span = sizes.window_span(self.kernel_size, self.dilation)
        rows, columns = (
            slice(start, start + span, self.dilation) for start in self._corner
        )
        products = padded[rows, columns] * kernel
        return dict(input=padded, kernel=kernel, products=products, output=self.output)


class PoolingBench(SlidingWindowBench):
    """Sliders, input, window, output and gradient of one 2-D pooling.

    `bench.output` is `F.max_pool2d` or `F.avg_pool2d` of the input; `bench.gradient` is
    what autograd gives the input when every output sends back 1.
    """

    start = {
        "input_size": 8,
        "kernel_size": 2,
        "stride": 2,
        "padding": 0,
        "ceil_mode": False,
        "count_include_pad": True,
    }
    lists = {"input": INPUTS, "mode": ["max", "average"]}
    tight = "kernel_size", "padding"  # padding is at most half of kernel_size
    ceil_mode, count_include_pad = _setting("ceil_mode"), _setting("count_include_pad")

    def __init__(
        self,
        picture: str | Sequence = "digit",
        mode: str = "max",
        **settings: int | bool,
    ) -> None:
        super().__init__(settings, input=picture, mode=mode)

    @staticmethod
    def _size(count_include_pad: bool, **settings: int | bool) -> int:
        return sizes.pooled_size(**settings)

    @property
    def mode(self) -> str:
        """Which number of the window is kept, "max" or "average"."""
        return self.lists["mode"][self._view.mode_index]

    @mode.setter
    def mode(self, name: str) -> None:
        self._put("mode_index", index_of(name, self.lists["mode"], "mode"))

    @property
    def _how(self) -> dict[str, int | bool]:
        left_out = "count_include_pad" if self.mode == "max" else ""
        return {name: value for name, value in super()._how.items() if name != left_out}

    def _pool(self, values: torch.Tensor) -> torch.Tensor:
        pool = F.max_pool2d if self.mode == "max" else F.avg_pool2d
        return pool(values[None], **self._how)[0]

    @property
    def output(self) -> torch.Tensor:
        """The output that torch computes, float64."""
        return self._pool(self.input)

    @property
    def gradient(self) -> torch.Tensor:
        """The gradient of the sum of all outputs by the n×n input, float64."""
        pixels = self.input.requires_grad_()
        self._pool(pixels).sum().backward()
        return pixels.grad

    @property
    def code(self) -> str:
        """The layer as a line of Python."""
        return f"nn.{'Max' if self.mode == 'max' else 'Avg'}Pool2d({listed(self._how)})"

    def _told(self) -> dict[str, object]:
        return {"mode": self.mode, **super()._told()}

    def _panels(self) -> dict[str, torch.Tensor]:
        k, p, output = self.kernel_size, self.padding, self.output
        top, left = self._corner
        beyond = max(0, (len(output) - 1) * self.stride + k - self.input_size - 2 * p)
        around = torch.nan if self.mode == "max" else 0.0
        padded = F.pad(self.input, (p,) * 4, value=around)
        padded = F.pad(padded, (0, beyond) * 2, value=torch.nan)
        gradient = F.pad(self.gradient, (p, p + beyond) * 2, value=torch.nan)
        window = padded[top : top + k, left : left + k]
        return dict(input=padded, window=window, output=output, gradient=gradient)


def canvas(size: int, values: torch.Tensor) -> list[list[float]]:
    """Return the values in the top left corner of size×size zeros."""
    room = size - len(values)
    return F.pad(values, (0, room, 0, room)).tolist()


def _boards() -> dict[str, list]:
    """Return the ready-made inputs and kernels, and where own ones start."""
    inputs = presets.inputs(LARGEST_INPUT)
    kernels = [presets.kernels(size) for size in range(1, LARGEST_KERNEL + 1)]
    return {
        "input_presets": [values.tolist() for values in inputs.values()],
        "kernel_presets": [
            [sized[name].tolist() for sized in kernels] for name in kernels[0]
        ],
        "input_own": inputs["digit"].tolist(),
        "kernel_own": canvas(LARGEST_KERNEL, kernels[2]["identity"]),
    }


def _square(name: str, values: Sequence, smallest: int, largest: int) -> torch.Tensor:
    """Return the numbers as a square float64 tensor, or raise ValueError."""
    ends = f"from {smallest}×{smallest} to {largest}×{largest}"
    wanted = f"{name} must be a square of numbers up to a million, {ends}"
    try:
        tensor = torch.as_tensor(values).detach().to_dense()
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{wanted}, not {reprlib.repr(values)}.") from None
    side = tensor.shape[0] if tensor.ndim else 0
    if tensor.shape != (side, side) or not smallest <= side <= largest:
        raise ValueError(f"{wanted}, not of shape {tuple(tensor.shape)}.")
    if tensor.is_complex() or not (tensor.double().abs() <= LARGEST_NUMBER).all():
        raise ValueError(f"{wanted}, not {reprlib.repr(tensor.tolist())}.")
    return tensor.double()
