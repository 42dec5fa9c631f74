"""The bench for every layer that slides a window: its numbers forward, backward, as
stamps and as a matrix.

The page computes all that it shows from one list of taps (taps.js), with or without a
kernel. Python holds the truth: what the properties return is torch's.
"""

import math
import reprlib
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import ipywidgets as widgets
import torch
from torch import Tensor, nn

from helpers import figures, presets
from helpers.validation import SentenceError, check_choice, check_switch, check_whole
from helpers.widgets import signatures
from helpers.widgets.base import OWN, Bench, View, index_of, label, listed, slider
from helpers.widgets.signatures import KINDS, MODES, NEUTRAL, PAIRS, RANGES, Settings

LARGEST_INPUT, LARGEST_KERNEL, LARGEST_NUMBER = 12, 7, 1e6
INPUTS = [*presets.inputs(LARGEST_INPUT), OWN]
WEIGHTS = [*presets.kernels(LARGEST_KERNEL, LARGEST_KERNEL), OWN]
VIEWS = ["forward", "backward", "stamps", "matrix"]
SWITCHES = ["same", "bias", "ceil_mode", "count_include_pad"]
FIRST = ["input_size", *KINDS["AvgPool2d"][:5], "dilation"]  # seen at once
TIPS = {
    "kind": "Which layer of torch slides the window",
    "input_size": "Pixels from top to bottom of the input",
    "kernel_size": "Pixels along one side of the window",
    "stride": "Pixels from one window to the next",
    "padding": "Rings around the input; a transposed convolution takes them off",
    "dilation": "Pixels from one weight's pixel to the next weight's",
    "output_padding": "Rows and columns added at the end of the output",
    "in_channels": "Pictures that come in",
    "out_channels": "Pictures that come out, each with a kernel of its own",
    "groups": "Into how many parts the channels are split",
    "divisor_override": "What the sum is divided by; 0: the numbers in the window",
    "same": "padding='same': as much padding as keeps the size",
    "bias": "A number added to each output of a channel",
    "ceil_mode": "One more window where something is left over",
    "count_include_pad": "The average counts the padding's zeros",
    "padding_mode": "What the padding is filled with",
    "input": "A ready-made input; more channels take the next ones",
    "weight": "A ready-made kernel; more output channels take the next ones",
    "locked": "Height and width stay equal",
}


class Gradients(NamedTuple):
    """What the outputs send back; None where the layer has no such part."""

    input: Tensor
    weight: Tensor | None
    bias: Tensor | None


class Shown(Tensor):
    """Numbers of a bench. They are a copy, and say so where one of them is set."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    def __setitem__(self, place: object, value: object) -> None:
        how = "x = bench.input.clone(), change x, then bench.input = x"
        raise SentenceError(f"These numbers are a copy of the bench's: {how}.")

    def __repr__(self) -> str:
        return repr(self.clone())


def _setting(name: str) -> property:
    return property(
        lambda bench: _plain(bench.settings[name]),
        lambda bench, value: bench.set(**{name: value}),
        doc=TIPS[name],
    )


class LayerBench(Bench):
    """Sliders, input, window, output and gradients of one layer that slides a window.

    `layer` is an `nn.Conv2d`, `nn.ConvTranspose2d`, `nn.MaxPool2d` or `nn.AvgPool2d`;
    `picture` the name of a ready-made input of `size` (a number or a pair), or numbers
    H×W or C×H×W. `weight` is the name of a ready-made kernel, or numbers; without it
    the layer's own are shown. `bench.stride = 2, 1` moves the sliders too. Raises
    ValueError for what the bench has no place for.
    """

    locals().update({name: _setting(name) for name in NEUTRAL if name != "bias"})
    input_size, kernel_size, stride, padding, in_channels = map(
        _setting, ("input_size", "kernel_size", "stride", "padding", "in_channels")
    )

    def __init__(
        self,
        layer: nn.Module,
        picture: str | Sequence = "digit",
        size: int | tuple[int, int] = 8,
        weight: str | Sequence | None = None,
        **state: object,
    ) -> None:
        kind, found = signatures.read(layer)
        self._view = View("layer_bench", **_state(), **_boards())
        self._linked = _controls()
        main, more = self._tied()
        super().__init__([main, more, self._view])
        self.kind = kind
        self.set(input_size=size, **found)
        if kind[0] == "C":
            self.weight = layer.weight if weight is None else weight
            self.bias = False if layer.bias is None else layer.bias
        self.input = picture
        if kind[0] == "C" and self.in_channels != layer.in_channels:
            given = f"picture has {self.in_channels} channels"
            raise SentenceError(f"{given}, and the layer takes {layer.in_channels}.")
        for name, value in state.items():
            setattr(self, name, value)
        more.selected_index = 0 if self._unusual() else None

    def _tied(self) -> list[widgets.Widget]:
        """Return the controls that are seen at once, and the others in a fold."""
        for name, held in self._linked.items():
            for control in held:
                what = "index" if isinstance(control, widgets.Dropdown) else "value"
                widgets.jslink((control, what), (self._view, name))
        rows = {"first": [], "more": []}
        for name, held in self._linked.items():
            seen = name.removesuffix("_width") in [*FIRST, "input_index"]
            seen |= name == "weight_index"
            rows["first" if seen else "more"] += held
        wrapped = {"flex_flow": "row wrap"}
        first, more = (widgets.Box(held, layout=wrapped) for held in rows.values())
        return [first, widgets.Accordion([more], titles=["more settings"])]

    def _unusual(self) -> bool:
        plain = NEUTRAL | {"out_channels": 1, "in_channels": 1}
        hidden = [name for name in KINDS[self.kind] if name not in FIRST]
        found = any(self.settings[name] != plain[name] for name in hidden)
        return found or self.in_channels > 1 or not self._view.locked

    @property
    def settings(self) -> Settings:
        """Every setting by name, height and width as pairs; also those that this kind
        of layer does not take.
        """
        view = self._view
        found = {name: getattr(view, name) for name in [*RANGES, *SWITCHES]}
        for name in PAIRS:
            other = name if view.locked else f"{name}_width"
            found[name] = found[name], getattr(view, other)
        return found | {"padding_mode": MODES[view.padding_mode_index]}

    def set(self, **settings: object) -> None:
        """Change several settings at once, or none: ValueError for what is none."""
        checked = {name: self._checked(name, value) for name, value in settings.items()}
        pairs = {name: self.settings[name] for name in PAIRS}
        pairs |= {name: value for name, value in checked.items() if name in PAIRS}
        self._put("locked", all(high == wide for high, wide in pairs.values()))
        for name, (high, wide) in pairs.items():
            self._put(name, high)
            self._put(f"{name}_width", wide)
        for name in checked.keys() - {*PAIRS}:
            value = checked[name]
            mode = name == "padding_mode"
            self._put("padding_mode_index" if mode else name, value)

    def _checked(self, name: str, value: object) -> object:
        if name == "padding_mode":
            return index_of(value, MODES, "padding_mode")
        if name in SWITCHES:
            return check_switch(name, value)
        if name not in RANGES:
            names = ", ".join([*RANGES, *SWITCHES, "padding_mode"])
            raise ValueError(f"The bench has no setting {name!r}; it has {names}.")
        if name not in PAIRS:
            return check_whole(name, value, *RANGES[name])
        both = value if isinstance(value, tuple | list) else (value, value)
        if len(both) != 2:
            raise ValueError(f"{name} takes a number or (height, width), not {value}.")
        return tuple(check_whole(name, one, *RANGES[name]) for one in both)

    @property
    def kind(self) -> str:
        """The class of the layer, such as "Conv2d"."""
        return [*KINDS][self._view.kind_index]

    @kind.setter
    def kind(self, name: str) -> None:
        self._put("kind_index", index_of(name, [*KINDS], "layer"))

    @property
    def trouble(self) -> str:
        """Why no window fits, as the page says it, or ""."""
        return signatures.trouble(self.kind, self.settings)

    @property
    def layer(self) -> nn.Module:
        """The torch layer as it stands, float64; `.float()` makes it float32. Raises
        SentenceError where no window fits.
        """
        if self.trouble:
            raise SentenceError(self.trouble)
        made = signatures.make(self.kind, self.settings)
        if self.kind[0] == "C":
            made.weight = nn.Parameter(self.weight.clone())
            if self.bias is not None:
                made.bias = nn.Parameter(self.bias.clone())
        return made

    @property
    def _convolves(self) -> bool:
        return "groups" in KINDS[self.kind]

    @property
    def input(self) -> Tensor:
        """The input, in_channels × H × W, float64: ready-made or the student's own."""
        shape = self.in_channels, *self.settings["input_size"]
        if INPUTS[self._view.input_index] == OWN:
            return _own(self._view.input_own, shape)
        ready = [*presets.inputs(LARGEST_INPUT).values()]
        first, (channels, height, width) = self._view.input_index, shape
        chosen = [ready[(first + place) % len(ready)] for place in range(channels)]
        return torch.stack(chosen)[:, :height, :width].as_subclass(Shown)

    @input.setter
    def input(self, chosen: str | Sequence) -> None:
        if not isinstance(chosen, str):
            numbers = _numbers("input", chosen, [(1, 3), (1, 12), (1, 12)])
            self.set(in_channels=len(numbers), input_size=tuple(numbers.shape[1:]))
            self._view.input_own, chosen = numbers.tolist(), OWN
        self._put("input_index", index_of(chosen, INPUTS, "input"))

    @property
    def weight(self) -> Tensor | None:
        """The weight as torch keeps it, float64: out_channels × in_channels / groups ×
        H × W, of a transposed layer in_channels × out_channels / groups × H × W.
        """
        if not self._convolves:
            return None
        how = self.settings
        shape = [how["out_channels"], how["in_channels"]]
        transposed = self.kind == "ConvTranspose2d"
        outer, inner = shape[::-1] if transposed else shape
        inner = max(inner // how["groups"], 1)
        shape = outer, inner, *how["kernel_size"]
        if WEIGHTS[self._view.weight_index] == OWN:
            return _own(self._view.weight_own, shape)
        ready = [*presets.kernels(*how["kernel_size"]).values()]

        def chosen(place: int, within: int) -> Tensor:
            group = place // max(outer // how["groups"], 1)
            channel = group * inner + within if transposed else place
            return ready[(self._view.weight_index + channel) % len(ready)]

        rows = [torch.stack([chosen(i, j) for j in range(inner)]) for i in range(outer)]
        return torch.stack(rows).as_subclass(Shown)

    @weight.setter
    def weight(self, chosen: str | Sequence) -> None:
        if not isinstance(chosen, str):
            numbers = _numbers("weight", chosen, [(1, 4), (1, 4), (1, 7), (1, 7)])
            self.set(kernel_size=tuple(numbers.shape[2:]))
            wanted = self.weight.shape if self.weight is not None else ()
            if numbers.shape != wanted:
                given = f"{tuple(numbers.shape)}, and the layer has {tuple(wanted)}"
                raise SentenceError(f"weight is of shape {given}.")
            self._view.weight_own, chosen = numbers.tolist(), OWN
        self._put("weight_index", index_of(chosen, WEIGHTS, "kernel"))

    @property
    def bias(self) -> Tensor | None:
        """The bias, one number for each output channel, float64, or None. `True` and
        `False` switch it on and off.
        """
        how = self.settings
        if not self._convolves or not how["bias"]:
            return None
        return _own(self._view.bias_own, (how["out_channels"],))

    @bias.setter
    def bias(self, chosen: bool | Sequence) -> None:
        if not isinstance(chosen, bool):
            count = self.settings["out_channels"]
            self._view.bias_own = _numbers("bias", chosen, [(count, count)]).tolist()
        self._put("bias", chosen is not False)

    @property
    def output(self) -> Tensor:
        """The output that torch computes, channels × H × W, float64. Raises
        SentenceError where no window fits.
        """
        with torch.no_grad():
            return _run(self.layer, self.input)

    @property
    def sent(self) -> Tensor:
        """What each output sends back, in the shape of the output: 1, or what was typed
        or set. `bench.sent = "ones"` takes that back.
        """
        return _own(self._view.sent_own, tuple(self.output.shape), missing=1)

    @sent.setter
    def sent(self, chosen: str | Sequence) -> None:
        if isinstance(chosen, str):
            check_choice("sent", chosen, ["ones"])
            self._view.sent_own = []
        else:
            shape = [(size, size) for size in self.output.shape]
            self._view.sent_own = _numbers("sent", chosen, shape).tolist()

    @property
    def gradients(self) -> Gradients:
        """What arrives at input, weight and bias when every output, or with `alone` the
        chosen one, sends back its number of `sent`.
        """
        layer, pixels = self.layer, self.input.clone().requires_grad_()
        output, sent = _run(layer, pixels), self.sent
        if self.alone:
            only = torch.zeros_like(sent)
            only[self.channel].view(-1)[self.step] = 1
            sent = sent * only
        output.backward(sent)
        parts = (getattr(layer, name, None) for name in ("weight", "bias"))
        grads = [None if part is None else part.grad for part in parts]
        return Gradients(pixels.grad, *grads)

    @property
    def matrix(self) -> Tensor:
        """The layer as a matrix, outputs × inputs: the slope of each output by each
        input. Times the flattened input it gives the flattened output without the bias.
        """
        layer, pixels = self.layer, self.input.clone()
        slopes = torch.autograd.functional.jacobian(lambda x: _run(layer, x), pixels)
        return slopes.reshape(-1, pixels.numel())

    @property
    def view(self) -> str:
        """What is shown: "forward", "backward", "stamps" or "matrix"."""
        return self._view.view

    @view.setter
    def view(self, name: str) -> None:
        self._view.view = VIEWS[index_of(name, VIEWS, "view")]

    @property
    def alone(self) -> bool:
        """Backward, the chosen output alone sends back its number."""
        return self._view.alone

    @alone.setter
    def alone(self, value: bool) -> None:
        self._view.alone = check_switch("alone", value)

    @property
    def channel(self) -> int:
        """Which output channel is looked at."""
        return min(self._view.channel, self._channels - 1)

    @channel.setter
    def channel(self, value: int) -> None:
        self._view.channel = check_whole("channel", value, 0, self._channels - 1)

    @property
    def _channels(self) -> int:
        return self.settings["out_channels"] if self._convolves else self.in_channels

    @property
    def step(self) -> int:
        """Which output the window computes, row by row; with stamps, which input."""
        return min(self._view.step, self._steps - 1)

    @step.setter
    def step(self, value: int) -> None:
        self._view.step = check_whole("step", value, 0, self._steps - 1)

    @property
    def _steps(self) -> int:
        if self._stamps:
            return math.prod(self.settings["input_size"])
        return 1 if self.trouble else self.output[0].numel()

    @property
    def _stamps(self) -> bool:
        return self.kind == "ConvTranspose2d" and self.view == "stamps"

    @property
    def code(self) -> str:
        """The layer as a line of Python."""
        return signatures.code(self.kind, self.settings)

    def _told(self) -> dict[str, object]:
        """Return what the line of Python says beside the layer."""
        view, told = self._view, {"picture": INPUTS[self._view.input_index]}
        if told["picture"] == OWN:
            told["picture"] = self.input.tolist()
        else:
            told["size"] = _plain(self.settings["input_size"])
        if self._convolves:
            name = WEIGHTS[view.weight_index]
            told["weight"] = self.weight.tolist() if name == OWN else name
            told["bias"] = None if self.bias is None else self.bias.tolist()
        told |= {"sent": view.sent_own, "step": self.step, "channel": self.channel}
        told |= {"view": self.view, "alone": self.alone}
        usual = {"bias": None, "sent": [], "step": 0, "channel": 0}
        usual |= {"view": "forward", "alone": False}
        return {name: one for name, one in told.items() if usual.get(name, ...) != one}

    def __repr__(self) -> str:
        return f"LayerBench({self.code}, {listed(self._told())})"

    def _settable(self) -> list[str]:
        return [*RANGES, *SWITCHES, "padding_mode", *super()._settable()]

    def _still(self) -> figures.Picture:
        if self.trouble:
            return figures.sentence(self.trouble)
        return figures.boards(self._panels(), f"{self.code}: {self._result()}")

    def _result(self) -> str:
        if self._stamps:
            return f"stamp of input {divmod(self.step, self.settings['input_size'][1])}"
        output = self.output[self.channel]
        row, column = divmod(self.step, output.shape[1])
        return f"output[{row}, {column}] = {figures.short(output[row, column])}"

    def _panels(self) -> list[dict[str, Tensor]]:
        """Return the boards of the still picture, column by column."""
        if self.view == "matrix":
            return [{"matrix": self.matrix}]
        columns = [_named("input", self.input)]
        if self._convolves:
            columns.append(_named("kernel", self._kernels()))
        if self.view == "backward":
            back = self.gradients
            columns.append(_named("sent back", self.sent))
            columns.append(_named("gradient of the input", back.input))
            return columns
        return [*columns, _named("output", self.output)]

    def _kernels(self) -> Tensor:
        """Return the kernels of the chosen output channel, one for each input channel
        that it reads.
        """
        if self.kind == "Conv2d":
            return self.weight[self.channel]
        inner = self.weight.shape[1]
        outer = len(self.weight) // self.settings["groups"]
        group, within = divmod(self.channel, inner)
        return self.weight[group * outer : (group + 1) * outer, within]


def _plain(value: object) -> object:
    """Return a pair of equal numbers as one number."""
    pair = isinstance(value, tuple)
    return value[0] if pair and value[0] == value[1] else value


def _named(name: str, boards: Tensor) -> dict[str, Tensor]:
    names = [name] if len(boards) == 1 else [f"{name} {i}" for i in range(len(boards))]
    return dict(zip(names, boards, strict=True))


def _run(layer: nn.Module, pixels: Tensor) -> Tensor:
    with warnings.catch_warnings(action="ignore"):  # of "same" with an even window
        return layer(pixels)


def _own(values: list, shape: tuple[int, ...], missing: float = 0) -> Tensor:
    """Return the numbers that were typed, in a shape that may have grown or shrunk."""

    def part(inner: list, sizes: tuple[int, ...]) -> list:
        rest = [[]] * sizes[0] if sizes[1:] else [missing] * sizes[0]
        held = [*inner[: sizes[0]], *rest[len(inner) :]]
        return [part(one, sizes[1:]) for one in held] if sizes[1:] else held

    return torch.tensor(part(values, shape), dtype=torch.float64).as_subclass(Shown)


def _numbers(name: str, values: object, sizes: list[tuple[int, int]]) -> Tensor:
    """Return numbers as a float64 tensor with as many axes as there are ranges of
    sizes, or raise ValueError. Axes that are missing in front are added.
    """
    ends = "×".join(str(a) if a == b else f"({a} to {b})" for a, b in sizes)
    wanted = f"{name} must be numbers up to a million, {ends}"
    try:
        tensor = torch.as_tensor(values).detach().to_dense()
        if tensor.is_quantized:
            tensor = tensor.dequantize()
        tensor = tensor.to("cpu", torch.float64 if not tensor.is_complex() else None)
    except (TypeError, ValueError, RuntimeError, NotImplementedError):
        raise ValueError(f"{wanted}, not {reprlib.repr(values)}.") from None
    while 1 < tensor.ndim < len(sizes):
        tensor = tensor[None]
    fits = tensor.ndim == len(sizes)
    if not fits or not all(
        low <= size <= high
        for size, (low, high) in zip(tensor.shape, sizes, strict=True)
    ):
        raise ValueError(f"{wanted}, not of shape {tuple(tensor.shape)}.")
    if tensor.is_complex() or not (tensor.abs() <= LARGEST_NUMBER).all():
        raise ValueError(f"{wanted}, not {reprlib.repr(tensor.tolist())}.")
    return tensor


def _state() -> dict[str, object]:
    """Return what the view starts with, before a layer is put on."""
    pairs = {name: RANGES[name][0] for name in RANGES}
    pairs |= {f"{name}_width": RANGES[name][0] for name in PAIRS}
    places = ["kind_index", "padding_mode_index", "input_index", "weight_index"]
    own = ["input_own", "weight_own", "bias_own", "sent_own"]
    return {
        **pairs,
        **dict.fromkeys(SWITCHES, False),
        **dict.fromkeys([*places, "step", "channel"], 0),
        **{name: [] for name in own},
        **{"locked": True, "view": "forward", "alone": False, "turned": False},
    }


def _boards() -> dict[str, object]:
    """Return what the page needs to know and does not change."""
    sides = range(1, LARGEST_KERNEL + 1)
    kernels = [[presets.kernels(high, wide) for wide in sides] for high in sides]
    return {
        "kinds": KINDS,
        "pairs": PAIRS,
        "modes": MODES,
        "neutral": NEUTRAL,
        "troubles": signatures.TROUBLES,
        "input_names": INPUTS,
        "weight_names": WEIGHTS,
        "input_presets": [v.tolist() for v in presets.inputs(LARGEST_INPUT).values()],
        "weight_presets": [
            [[wide[name].tolist() for wide in high] for high in kernels]
            for name in WEIGHTS[:-1]
        ],
    }


def _controls() -> dict[str, list[widgets.Widget]]:
    """Return the controls by the name of the view's trait that they hold."""
    lists = {"kind": [*KINDS], "padding_mode": MODES}
    lists |= {"input": INPUTS, "weight": WEIGHTS}
    found = {}
    for name in [*RANGES, *SWITCHES, "locked", *lists]:
        tip = TIPS[name]
        if name in lists:
            word = {"kind": "layer", "weight": "kernel"}.get(name, name)
            control = widgets.Dropdown(options=lists[name], **label(word, tip))
        elif name in RANGES:
            control = slider(name, *RANGES[name], tip)
        else:
            control = widgets.Checkbox(indent=False, **label(name, tip))
        found[f"{name}_index" if name in lists else name] = [control]
        if name in PAIRS:
            wide = slider(f"{name} ↔", *RANGES[name], f"{tip}, from left to right")
            wide.add_class("bench-width")
            found[f"{name}_width"] = [wide]
    for name, held in found.items():
        _mark(held[0], name.removesuffix("_width").removesuffix("_index"))
    return found


def _mark(control: widgets.Widget, name: str) -> None:
    """Let the page hide a control where the layer has no such setting."""
    kinds = [kind for kind in KINDS if name in KINDS[kind]]
    if name == "weight":
        kinds = [kind for kind in KINDS if "groups" in KINDS[kind]]
    if name not in [*NEUTRAL, "kernel_size", "stride", "padding", "weight"]:
        return
    control.add_class("bench-part")
    for kind in kinds:
        control.add_class(f"for-{kind}")
