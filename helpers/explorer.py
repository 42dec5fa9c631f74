"""The benches: a window slides over a small input, and every number of it is in sight.

Sliders, view and picture are tied together in the browser (`jslink`), so they answer within a frame and go on
answering in an exported page without a kernel. Python holds the truth: `bench.output` is what torch computes.
"""

import base64
import reprlib
from collections.abc import Callable, Sequence
from pathlib import Path

import anywidget
import ipywidgets as widgets
import torch
import torch.nn.functional as F
from traitlets import Bool, Dict, Int, List

from helpers import arithmetic, figures, presets

HERE = Path(__file__).parent
STYLE = HERE / "grid.css"
RANGES = {"input_size": (3, 12), "kernel_size": (1, 7), "stride": (1, 4), "padding": (0, 3), "dilation": (1, 3)}
LARGEST_INPUT, LARGEST_KERNEL = RANGES["input_size"][1], RANGES["kernel_size"][1]
LARGEST_NUMBER = 1e6
OWN = "my own"
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


def script(*names: str) -> str:
    """Return what the browser runs for one bench: the tables of numbers, then what else is named, the bench last."""
    return "\n".join((HERE / f"{part}.js").read_text(encoding="utf-8") for part in ("grid", *names))


def as_text(data: bytes) -> str:
    """Return bytes for the browser as base64, which survives in exported pages."""
    return base64.b64encode(data).decode()


class SlidingWindowView(anywidget.AnyWidget):
    """What the browser draws; its traits are the whole state of a bench."""

    _esm = script("explorer")
    _css = STYLE
    modes = List().tag(sync=True)
    mode_index = Int(0).tag(sync=True)
    names = List().tag(sync=True)
    ranges = Dict().tag(sync=True)
    ceil_mode = Bool(False).tag(sync=True)
    count_include_pad = Bool(True).tag(sync=True)
    step = Int(0).tag(sync=True)
    step_max = Int(0).tag(sync=True)
    input_presets = List().tag(sync=True)
    kernel_presets = List().tag(sync=True)
    input_index = Int(0).tag(sync=True)
    kernel_index = Int(0).tag(sync=True)
    pixels = List().tag(sync=True)
    weights = List().tag(sync=True)

    def __init__(self, **state: object) -> None:
        self.add_traits(
            **{name + part: Int(0).tag(sync=True) for name in state["ranges"] for part in ("", "_min", "_max")}
        )
        super().__init__(**state)


def _setting(name: str) -> property:
    return property(lambda bench: bench.settings[name], lambda bench, value: bench.set(**{name: value}), doc=TIPS[name])


class Bench(widgets.VBox):
    """Controls above a view that the browser draws, with a still picture for those who have no browser at hand."""

    _linked: dict[str, list[widgets.Widget]]  # by the name of the view's trait, the controls that hold its value

    def _put(self, name: str, value: object) -> None:
        for control in self._linked[name]:
            control.value = value
        setattr(self._view, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_") and not hasattr(type(self), name):
            raise AttributeError(f"The bench has no {name!r} to set; it has {', '.join(self._settable())}.")
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._told().items())})"

    def _repr_mimebundle_(self, **kwargs: object) -> tuple[dict, dict]:
        # The picture is for those who read without a kernel: GitHub, a printout.
        data, metadata = self._still()._repr_mimebundle_()
        return super()._repr_mimebundle_(**kwargs) | data | {"text/plain": repr(self)}, metadata


def shared(name: str, check: Callable, tip: str) -> property:
    """Return a property of a bench that its view and its controls hold; `check` returns the value or raises."""
    return property(
        lambda bench: getattr(bench._view, name), lambda bench, value: bench._put(name, check(value)), doc=tip
    )


class SlidingWindowBench(Bench):
    """What the benches share: sliders, an input, a window that walks over it, and the output.

    `bench.stride = 2` moves the slider too; `bench.input` (n×n) takes any numbers. A setting with which no window
    fits raises ValueError and changes nothing.
    """

    ranges: dict[str, tuple[int, int]]
    switches: tuple[str, ...] = ()
    input_size, kernel_size, stride = _setting("input_size"), _setting("kernel_size"), _setting("stride")
    padding = _setting("padding")

    def __init__(self, names: dict[str, list[str]], **state: object) -> None:
        self._inputs = presets.inputs(LARGEST_INPUT)
        self._names = {"input": [*self._inputs, OWN], **names}
        self._view = SlidingWindowView(
            names=[*self.ranges, *self.switches],
            ranges=self.ranges,
            input_presets=[values.tolist() for values in self._inputs.values()],
            pixels=canvas(LARGEST_INPUT, self._inputs["digit"]),
            **state,
        )
        self._sliders = {name: slider(name, *self.ranges.get(name, (0, 0))) for name in [*self.ranges, "step"]}
        self._play = player()
        self._boxes = {name: widgets.Checkbox(indent=False, **label(name)) for name in self.switches}
        self._choices = {part: widgets.Dropdown(options=names, **label(part)) for part, names in self._names.items()}
        self._linked = {"step": [self._play, self._sliders["step"]]}
        super().__init__([self._controls(), self._view])

    @property
    def settings(self) -> dict[str, int | bool]:
        """The settings by name, as torch's layers and this course call them."""
        return {name: getattr(self._view, name) for name in (*self.ranges, *self.switches)}

    def set(self, **settings: int | bool) -> None:
        """Change several settings at once. Raises ValueError, and changes nothing, where no window fits."""
        for name, value in settings.items():
            if name not in self.settings:
                raise ValueError(f"The bench has no setting {name!r}; it has {', '.join(self.settings)}.")
            if name in self.ranges:
                arithmetic.check_whole(name, value, *self.ranges[name])
            else:
                arithmetic.check_switch(name, value)
        changed = self.settings | settings
        last = self._size(**changed) ** 2 - 1
        limits = {name: self._limits(name, changed) for name in self.ranges} | {"step": (0, last)}
        self._show(changed | {"step": min(self.step, last)}, limits)

    def _show(self, changed: dict[str, int | bool], limits: dict[str, tuple[int, int]]) -> None:
        last = limits["step"][1]
        # Whatever is linked starts with what it holds, so play must hold the step and its end too.
        with self._play.hold_sync(), self._play.hold_trait_notifications():
            self._play.max, self._play.value = last, changed["step"]
        # The sliders first: in the browser each takes its new limits and value in one message, then carries them over.
        for name, slider_ in self._sliders.items():
            with slider_.hold_sync(), slider_.hold_trait_notifications():
                slider_.min, slider_.max = limits[name]
                slider_.value = changed[name]
        for name, box in self._boxes.items():
            box.value = changed[name]
        with self._view.hold_sync():
            for name, value in changed.items():
                setattr(self._view, name, value if isinstance(value, bool) else int(value))
            self._view.step_max = last
            for name in self.ranges:
                self._view.set_trait(f"{name}_min", limits[name][0])
                self._view.set_trait(f"{name}_max", limits[name][1])

    def _limits(self, name: str, settings: dict[str, int | bool]) -> tuple[int, int]:
        """Return the least and the largest value of one setting with which a window fits, the others standing."""
        low, high = self.ranges[name]
        fits = [value for value in range(low, high + 1) if self._fits(settings | {name: value})]
        return fits[0], fits[-1]

    def _fits(self, settings: dict[str, int | bool]) -> bool:
        try:
            return self._size(**settings) > 0
        except ValueError:
            return False

    @property
    def step(self) -> int:
        """Which output the window computes: row · output size + column."""
        return self._view.step

    @step.setter
    def step(self, value: int) -> None:
        self._put("step", arithmetic.check_whole("step", value, 0, len(self.output) ** 2 - 1))

    @property
    def input(self) -> torch.Tensor:
        """The n×n input, float64."""
        own = torch.tensor(self._view.pixels, dtype=torch.float64)
        pixels = [*self._inputs.values(), own][self._view.input_index]
        return pixels[: self.input_size, : self.input_size].clone()

    @input.setter
    def input(self, values: str | Sequence) -> None:
        self._choose("input", values, "pixels")

    def _told(self) -> dict[str, object]:
        return self.settings

    def _settable(self) -> list[str]:
        return [*self.settings, "step", *self._names]

    def _still(self) -> figures.Picture:
        return figures.sliding_window(self._panels(), self._told(), self.step)

    def _choose(self, part: str, chosen: str | Sequence, trait: str | None = None) -> None:
        """Take one of the names in a list, or, where the trait can hold them, numbers of the student's own."""
        names = self._names[part]
        if not isinstance(chosen, str) and trait:
            smallest, largest = self.ranges[f"{part}_size"]
            numbers = _square(part, chosen, smallest, largest)
            self.set(**{f"{part}_size": len(numbers)})
            setattr(self._view, trait, canvas(largest, numbers))
            chosen = OWN
        index = index_of(chosen, names, part)
        self._choices[part].index = index
        setattr(self._view, f"{part}_index", index)

    def _controls(self) -> widgets.Box:
        """Lay out the controls, and tie each to the view in the browser."""
        links = [(slider_, "value", name) for name, slider_ in self._sliders.items()]
        links += [(self._sliders[name], part, f"{name}_{part}") for name in self.ranges for part in ("min", "max")]
        links += [(self._sliders["step"], "max", "step_max"), (self._play, "max", "step_max")]
        links += [(self._play, "value", "step")]
        links += [(box, "value", name) for name, box in self._boxes.items()]
        links += [(choice, "index", f"{part}_index") for part, choice in self._choices.items()]
        return controls(self._view, links)


class ConvolutionBench(SlidingWindowBench):
    """Sliders, input, kernel, products and output of one 2-D convolution with one channel in and one out.

    `bench.kernel` (k×k) takes any numbers; `bench.output` is `F.conv2d` of input and kernel.
    """

    ranges = RANGES
    dilation = _setting("dilation")
    _size = staticmethod(arithmetic.output_size)

    def __init__(self, picture: str | Sequence = "digit", kernel: str | Sequence = "Sobel x", **settings: int) -> None:
        self._kernels = [presets.kernels(size) for size in range(1, LARGEST_KERNEL + 1)]
        super().__init__(
            {"kernel": [*self._kernels[0], OWN]},
            modes=["convolution"],
            kernel_presets=[[sized[name].tolist() for sized in self._kernels] for name in self._kernels[0]],
            weights=canvas(LARGEST_KERNEL, self._kernels[2]["identity"]),
            **{"input_size": 8, "kernel_size": 3, "stride": 1, "padding": 0, "dilation": 1},
        )
        self.input, self.kernel = picture, kernel
        self.set(**settings)

    @property
    def kernel(self) -> torch.Tensor:
        """The k×k kernel, float64."""
        size = self.kernel_size
        own = torch.tensor(self._view.weights, dtype=torch.float64)[:size, :size]
        return [*self._kernels[size - 1].values(), own][self._view.kernel_index].clone()

    @kernel.setter
    def kernel(self, values: str | Sequence) -> None:
        self._choose("kernel", values, "weights")

    @property
    def output(self) -> torch.Tensor:
        """The output that torch computes, float64."""
        how = {name: self.settings[name] for name in ("stride", "padding", "dilation")}
        return F.conv2d(self.input[None, None], self.kernel[None, None], **how)[0, 0]

    @property
    def code(self) -> str:
        """The layer as a line of Python."""
        how = ", ".join(f"{name}={value}" for name, value in self.settings.items() if name != "input_size")
        return f"nn.Conv2d(1, 1, {how}, bias=False)"

    def _panels(self) -> dict[str, torch.Tensor]:
        padded = F.pad(self.input, (self.padding,) * 4)
        span = arithmetic.window_span(self.kernel_size, self.dilation)
        top, left = (place * self.stride for place in divmod(self.step, len(self.output)))
        seen = padded[top : top + span : self.dilation, left : left + span : self.dilation]
        return {"input": padded, "kernel": self.kernel, "products": seen * self.kernel, "output": self.output}


class PoolingBench(SlidingWindowBench):
    """Sliders, input, window, output and gradient of one 2-D pooling, the largest number or the average.

    `bench.output` is `F.max_pool2d` or `F.avg_pool2d` of the input; `bench.gradient` is what autograd gives the
    input when every output sends back 1.
    """

    ranges = {name: RANGES[name] for name in ("input_size", "kernel_size", "stride", "padding")}
    switches = ("ceil_mode", "count_include_pad")
    ceil_mode, count_include_pad = map(_setting, switches)

    def __init__(self, picture: str | Sequence = "digit", mode: str = "max", **settings: int | bool) -> None:
        modes = ["max", "average"]
        start = {"input_size": 8, "kernel_size": 2, "stride": 2, "padding": 0}
        super().__init__({"mode": modes}, modes=modes, **start)
        self.input, self.mode = picture, mode
        self.set(**settings)

    @staticmethod
    def _size(count_include_pad: bool, **settings: int | bool) -> int:
        return arithmetic.pooled_size(**settings)

    @property
    def mode(self) -> str:
        """Which number of the window is kept, "max" or "average"."""
        return self._view.modes[self._view.mode_index]

    @mode.setter
    def mode(self, name: str) -> None:
        self._choose("mode", name)

    def _pool(self, values: torch.Tensor) -> torch.Tensor:
        how = {name: value for name, value in self.settings.items() if name != "input_size"}
        if self.mode == "average":
            return F.avg_pool2d(values[None], **how)[0]
        del how["count_include_pad"]
        return F.max_pool2d(values[None], **how)[0]

    @property
    def output(self) -> torch.Tensor:
        """The output that torch computes, float64."""
        return self._pool(self.input)

    @property
    def gradient(self) -> torch.Tensor:
        """The gradient of the sum of all outputs with respect to the n×n input, float64."""
        pixels = self.input.requires_grad_()
        self._pool(pixels).sum().backward()
        return pixels.grad

    @property
    def code(self) -> str:
        """The layer as a line of Python."""
        average = self.mode == "average"
        left_out = {"input_size"} if average else {"input_size", "count_include_pad"}
        how = ", ".join(f"{name}={value}" for name, value in self.settings.items() if name not in left_out)
        return f"nn.{'Avg' if average else 'Max'}Pool2d({how})"

    def _told(self) -> dict[str, object]:
        left_out = set() if self.mode == "average" else {"count_include_pad"}
        return {"mode": self.mode} | {name: value for name, value in self.settings.items() if name not in left_out}

    def _panels(self) -> dict[str, torch.Tensor]:
        n, k, p = self.input_size, self.kernel_size, self.padding
        output, nan = self.output, torch.nan
        beyond = max(0, (len(output) - 1) * self.stride + k - n - 2 * p)
        top, left = (place * self.stride for place in divmod(self.step, len(output)))
        padded = F.pad(self.input, (p,) * 4, value=nan if self.mode == "max" else 0.0)
        padded, gradient = (F.pad(x, (a, a + beyond) * 2, value=nan) for x, a in ((padded, 0), (self.gradient, p)))
        window = padded[top : top + k, left : left + k]
        return {"input": padded, "window": window, "output": output, "gradient": gradient}


def index_of(chosen: str, names: list[str], part: str) -> int:
    """Return the place of a name in a list of ready-made things; raise ValueError where it is not in there."""
    if chosen not in names:
        raise ValueError(f"There is no {part} called {chosen!r}; choose one of {', '.join(names)}.")
    return names.index(chosen)


def label(name: str, tip: str | None = None) -> dict[str, object]:
    """Return what names a control and lays it out."""
    return {
        "description": name,
        "tooltip": tip or TIPS[name],
        "style": {"description_width": "82px"},
        "layout": {"width": "300px"},
    }


def slider(name: str, low: int, high: int, tip: str | None = None) -> widgets.IntSlider:
    """Return a slider for whole numbers."""
    return widgets.IntSlider(min=low, max=high, **label(name, tip))


def player(tip: str = "Let the window walk") -> widgets.Play:
    """Return a button that walks through steps, two a second."""
    return widgets.Play(interval=500, show_repeat=False, tooltip=tip, layout={"width": "auto"})


def controls(view: widgets.DOMWidget, links: list[tuple[widgets.DOMWidget, str, str]]) -> widgets.Box:
    """Tie each control's trait to the view's in the browser, and return the controls in rows."""
    for control, trait, name in links:
        widgets.jslink((control, trait), (view, name))
    return widgets.Box(list(dict.fromkeys(control for control, _, _ in links)), layout={"flex_flow": "row wrap"})


def canvas(size: int, values: torch.Tensor) -> list[list[float]]:
    """Return the values in the top left corner of size×size zeros."""
    room = size - len(values)
    return F.pad(values, (0, room, 0, room)).tolist()


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
