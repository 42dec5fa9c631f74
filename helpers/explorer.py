"""The bench: a window slides over a small input, and every number of it is in sight.

Sliders, view and picture are tied together in the browser (`jslink`), so they answer within a frame and go on
answering in an exported page without a kernel. Python holds the truth: `bench.output` is what torch computes.
"""

import reprlib
from collections.abc import Sequence
from pathlib import Path

import anywidget
import ipywidgets as widgets
import torch
from traitlets import Dict, Int, List

from helpers import arithmetic, figures, presets

HERE = Path(__file__).parent
RANGES = {"input_size": (3, 12), "kernel_size": (1, 7), "stride": (1, 4), "padding": (0, 3), "dilation": (1, 3)}
LARGEST_INPUT, LARGEST_KERNEL = RANGES["input_size"][1], RANGES["kernel_size"][1]
LARGEST_NUMBER = 1e6
OWN = "my own"
TIPS = {
    "input_size": "Pixels along one side of the input",
    "kernel_size": "Weights along one side of the kernel",
    "stride": "Pixels from one window to the next",
    "padding": "Rings of zeros around the input",
    "dilation": "Pixels from one weight's pixel to the next weight's",
    "step": "Which output the window computes, row by row",
    "input": "A ready-made input",
    "kernel": "A ready-made kernel",
}


class SlidingWindowView(anywidget.AnyWidget):
    """What the browser draws; its traits are the whole state of a bench."""

    _esm = HERE / "explorer.js"
    _css = HERE / "explorer.css"
    ranges = Dict(RANGES).tag(sync=True)
    step = Int(0).tag(sync=True)
    step_max = Int(0).tag(sync=True)
    input_presets = List().tag(sync=True)
    kernel_presets = List().tag(sync=True)
    input_index = Int(0).tag(sync=True)
    kernel_index = Int(0).tag(sync=True)
    pixels = List().tag(sync=True)
    weights = List().tag(sync=True)

    def __init__(self, **state: object) -> None:
        self.add_traits(**{name + part: Int(0).tag(sync=True) for name in RANGES for part in ("", "_min", "_max")})
        super().__init__(**state)


def _setting(name: str) -> property:
    return property(lambda bench: bench.settings[name], lambda bench, value: bench.set(**{name: value}), doc=TIPS[name])


class ConvolutionBench(widgets.VBox):
    """Sliders, input, kernel, products and output of one 2-D convolution with one channel in and one out.

    `bench.kernel_size = 5` moves the slider too; `bench.input` (n×n) and `bench.kernel` (k×k) take any numbers;
    `bench.output` is `F.conv2d` of the two. A setting with which no window fits raises ValueError and changes nothing.
    """

    input_size, kernel_size, stride = _setting("input_size"), _setting("kernel_size"), _setting("stride")
    padding, dilation = _setting("padding"), _setting("dilation")

    def __init__(self, picture: str | Sequence = "digit", kernel: str | Sequence = "Sobel x", **settings: int) -> None:
        self._inputs = presets.inputs(LARGEST_INPUT)
        self._kernels = [presets.kernels(size) for size in range(1, LARGEST_KERNEL + 1)]
        self._names = {"input": [*self._inputs, OWN], "kernel": [*self._kernels[0], OWN]}
        self._view = SlidingWindowView(
            input_presets=[values.tolist() for values in self._inputs.values()],
            kernel_presets=[[sized[name].tolist() for sized in self._kernels] for name in self._kernels[0]],
            pixels=_canvas(LARGEST_INPUT, self._inputs["digit"]),
            weights=_canvas(LARGEST_KERNEL, self._kernels[2]["identity"]),
            **{"input_size": 8, "kernel_size": 3, "stride": 1, "padding": 0, "dilation": 1},
        )
        self._sliders = {name: _slider(name) for name in [*RANGES, "step"]}
        self._play = widgets.Play(
            interval=500, show_repeat=False, tooltip="Let the window walk", layout={"width": "auto"}
        )
        self._choices = {part: widgets.Dropdown(options=names, **_label(part)) for part, names in self._names.items()}
        super().__init__([self._controls(), self._view])
        for part, chosen in (("input", picture), ("kernel", kernel)):
            if isinstance(chosen, str):
                self._choose(part, chosen)
            else:
                setattr(self, part, chosen)
        self.set(**settings)

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_") and not hasattr(type(self), name):
            raise AttributeError(
                f"The bench has no {name!r} to set; it has {', '.join(RANGES)}, step, input and kernel."
            )
        super().__setattr__(name, value)

    @property
    def settings(self) -> dict[str, int]:
        """The five settings by name, as `nn.Conv2d` and this course call them."""
        return {name: getattr(self._view, name) for name in RANGES}

    def set(self, **settings: int) -> None:
        """Change several settings at once. Raises ValueError, and changes nothing, where no window fits."""
        for name, value in settings.items():
            if name not in RANGES:
                raise ValueError(f"The bench has no setting {name!r}; it has {', '.join(RANGES)}.")
            arithmetic.check_whole(name, value, *RANGES[name])
        changed = self.settings | settings
        last = arithmetic.output_size(**changed) ** 2 - 1
        limits = {name: _limits(name, changed) for name in RANGES} | {"step": (0, last)}
        changed["step"] = min(self.step, last)
        # Whatever is linked starts with what it holds, so play must hold the step and its end too.
        with self._play.hold_sync(), self._play.hold_trait_notifications():
            self._play.max, self._play.value = last, changed["step"]
        # The sliders first: in the browser each takes its new limits and value in one message, then carries them over.
        for name, slider in self._sliders.items():
            with slider.hold_sync(), slider.hold_trait_notifications():
                slider.min, slider.max = limits[name]
                slider.value = changed[name]
        with self._view.hold_sync():
            for name, value in changed.items():
                setattr(self._view, name, int(value))
            self._view.step_max = last
            for name in RANGES:
                self._view.set_trait(f"{name}_min", limits[name][0])
                self._view.set_trait(f"{name}_max", limits[name][1])

    @property
    def step(self) -> int:
        """Which output the window computes: row · output size + column."""
        return self._view.step

    @step.setter
    def step(self, value: int) -> None:
        arithmetic.check_whole("step", value, 0, len(self.output) ** 2 - 1)
        self._play.value = self._sliders["step"].value = self._view.step = int(value)

    @property
    def input(self) -> torch.Tensor:
        """The n×n input, float64."""
        own = torch.tensor(self._view.pixels, dtype=torch.float64)
        pixels = [*self._inputs.values(), own][self._view.input_index]
        return pixels[: self.input_size, : self.input_size].clone()

    @input.setter
    def input(self, values: Sequence) -> None:
        self._own("input", "pixels", values)

    @property
    def kernel(self) -> torch.Tensor:
        """The k×k kernel, float64."""
        size = self.kernel_size
        own = torch.tensor(self._view.weights, dtype=torch.float64)[:size, :size]
        return [*self._kernels[size - 1].values(), own][self._view.kernel_index].clone()

    @kernel.setter
    def kernel(self, values: Sequence) -> None:
        self._own("kernel", "weights", values)

    @property
    def output(self) -> torch.Tensor:
        """The output that torch computes, float64."""
        how = {name: self.settings[name] for name in ("stride", "padding", "dilation")}
        return torch.nn.functional.conv2d(self.input[None, None], self.kernel[None, None], **how)[0, 0]

    @property
    def code(self) -> str:
        """The layer as a line of Python."""
        how = ", ".join(f"{name}={value}" for name, value in self.settings.items() if name != "input_size")
        return f"nn.Conv2d(1, 1, {how}, bias=False)"

    def __repr__(self) -> str:
        return f"ConvolutionBench({', '.join(f'{name}={value}' for name, value in self.settings.items())})"

    def _repr_mimebundle_(self, **kwargs: object) -> tuple[dict, dict]:
        # The picture is for those who read without a kernel: GitHub, a printout.
        still = figures.sliding_window(self.input, self.kernel, self.output, self.settings, self.step)
        data, metadata = still._repr_mimebundle_()
        return super()._repr_mimebundle_(**kwargs) | data | {"text/plain": repr(self)}, metadata

    def _own(self, part: str, trait: str, values: Sequence) -> None:
        smallest, largest = RANGES[f"{part}_size"]
        numbers = _square(part, values, smallest, largest)
        self.set(**{f"{part}_size": len(numbers)})
        setattr(self._view, trait, _canvas(largest, numbers))
        self._choose(part, OWN)

    def _choose(self, part: str, name: str) -> None:
        names = self._names[part]
        if name not in names:
            raise ValueError(f"There is no {part} called {name!r}; choose one of {', '.join(names)}.")
        self._choices[part].index = names.index(name)
        setattr(self._view, f"{part}_index", names.index(name))

    def _controls(self) -> widgets.Box:
        """Lay out the controls, and tie each to the view in the browser."""
        links = [((slider, "value"), name) for name, slider in self._sliders.items()]
        links += [((self._sliders[name], part), f"{name}_{part}") for name in RANGES for part in ("min", "max")]
        links += [
            ((self._sliders["step"], "max"), "step_max"),
            ((self._play, "max"), "step_max"),
            ((self._play, "value"), "step"),
        ]
        links += [((choice, "index"), f"{part}_index") for part, choice in self._choices.items()]
        for source, trait in links:
            widgets.jslink(source, (self._view, trait))
        return widgets.Box(
            [*self._sliders.values(), self._play, *self._choices.values()], layout={"flex_flow": "row wrap"}
        )


def _label(name: str) -> dict[str, object]:
    return {
        "description": name,
        "tooltip": TIPS[name],
        "style": {"description_width": "82px"},
        "layout": {"width": "300px"},
    }


def _slider(name: str) -> widgets.IntSlider:
    low, high = RANGES.get(name, (0, 0))
    return widgets.IntSlider(min=low, max=high, **_label(name))


def _limits(name: str, settings: dict[str, int]) -> tuple[int, int]:
    """Return the least and the largest value of one setting with which a window fits, the others standing."""
    low, high = RANGES[name]
    fits = [value for value in range(low, high + 1) if _fits(settings | {name: value})]
    return fits[0], fits[-1]


def _fits(settings: dict[str, int]) -> bool:
    try:
        return arithmetic.output_size(**settings) > 0
    except ValueError:
        return False


def _square(name: str, values: Sequence, smallest: int, largest: int) -> torch.Tensor:
    """Return the numbers as a square float64 tensor, or raise ValueError where they are none."""
    wanted = f"{name} must be a square of numbers up to a million, from {smallest}×{smallest} to {largest}×{largest}"
    try:
        tensor = torch.as_tensor(values).detach().to_dense()
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{wanted}, not {reprlib.repr(values)}.") from None
    if tensor.ndim != 2 or tensor.shape[0] != tensor.shape[1] or not smallest <= len(tensor) <= largest:
        raise ValueError(f"{wanted}, not of shape {tuple(tensor.shape)}.")
    if tensor.is_complex() or not (tensor.double().abs() <= LARGEST_NUMBER).all():
        raise ValueError(f"{wanted}, not {reprlib.repr(tensor.tolist())}.")
    return tensor.double()


def _canvas(size: int, values: torch.Tensor) -> list[list[float]]:
    """Return the values in the top left corner of size×size zeros."""
    room = size - len(values)
    return torch.nn.functional.pad(values, (0, room, 0, room)).tolist()
