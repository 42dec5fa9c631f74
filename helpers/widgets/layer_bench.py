"""The bench for every layer that slides a window: its numbers forward, backward, as
stamps and as a matrix.

The page computes all that it shows from one list of taps (taps.js), with or without a
kernel. Python holds the truth: what the properties return is torch's.
"""

import math
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from helpers import figures
from helpers.sizes import counted
from helpers.validation import SentenceError, check_choice, check_switch, check_whole
from helpers.widgets import layer_controls, layer_numbers, signatures
from helpers.widgets.base import OWN, Bench, index_of, listed, shared, tie
from helpers.widgets.layer_controls import INPUTS, SETTINGS, SWITCHES, WEIGHTS
from helpers.widgets.layer_numbers import Gradients, numbers, own
from helpers.widgets.signatures import COUNTS, KINDS, MODES, NEUTRAL, PAIRS, RANGES

# What the line of Python leaves out.
USUAL = {"step": 0, "channel": 0, "view": "forward", "alone": False}
USUAL |= {"transposed": False}


def _setting(name: str) -> property:
    return property(
        lambda bench: signatures.plain(bench.settings[name]),
        lambda bench, value: bench.set(**{name: value}),
        doc=layer_controls.TIPS[name],
    )


def _one_of(name: str, value: str, names: list[str]) -> str:
    return names[index_of(value, names, name)]


class LayerBench(Bench):
    """Sliders, input, window, output and gradients of one layer that slides a window.

    `layer` is an `nn.Conv2d`, `nn.ConvTranspose2d`, `nn.MaxPool2d` or `nn.AvgPool2d`;
    `picture` the name of a ready-made input of `size` (a number or a pair), or numbers
    H×W or C×H×W. `weight` is the name of a ready-made kernel, or numbers; without it
    the layer's own are shown. `bench.stride = 2, 1` moves the sliders too. Raises
    SentenceError for what the bench has no place for; a setting with which no window
    fits is none of that, and `output` says why.
    """

    locals().update({name: _setting(name) for name in SETTINGS})
    view = shared(
        "view", _one_of, "Which view of the layer is shown", layer_controls.VIEWS
    )
    alone = shared("alone", check_switch, "The chosen output alone sends back")
    transposed = shared("transposed", check_switch, "The view of the matrix is turned")

    def __init__(
        self,
        layer: nn.Module,
        picture: str | Sequence = "digit",
        size: int | tuple[int, int] = 8,
        weight: str | Sequence | None = None,
        **state: object,
    ) -> None:
        kind, found = signatures.read(layer)
        self._view, self._linked = layer_controls.view(), layer_controls.controls()
        tie(self._view, self._linked)
        super().__init__([*layer_controls.in_rows(self._linked), self._view])
        self.kind = kind
        self.set(**NEUTRAL | {"input_size": size} | found)
        if self._convolves or weight is not None:
            self.weight = layer.weight if weight is None else weight
            self.bias = layer.bias
        self.input = picture
        if self.in_channels != found.get("in_channels", self.in_channels):
            given = f"picture has {counted(self.in_channels, 'channel')}"
            raise SentenceError(f"{given}, and the layer takes {layer.in_channels}.")
        # The view comes first, as it says how many steps there are.
        for name in sorted(state, key="view".__ne__):
            setattr(self, name, state[name])

    @property
    def settings(self) -> signatures.Settings:
        """Every setting by name, height and width as pairs; also those that this kind
        of layer does not take.
        """
        view = self._view
        found = {name: getattr(view, name) for name in [*RANGES, *SWITCHES]}
        for name in PAIRS:
            width = name if view.locked else f"{name}_width"
            found[name] = found[name], getattr(view, width)
        return found | {"padding_mode": MODES[view.padding_mode_index]}

    def set(self, **settings: object) -> None:
        """Change several settings at once, or none: SentenceError for what is none."""
        given = {name: self._checked(name, value) for name, value in settings.items()}
        sides = {name: given.pop(name, self.settings[name]) for name in PAIRS}
        self._put("locked", all(high == wide for high, wide in sides.values()))
        for name, (high, wide) in sides.items():
            self._put(name, high)
            self._put(f"{name}_width", wide)
        for name, value in given.items():
            self._put(f"{name}_index" if name == "padding_mode" else name, value)

    def _checked(self, name: str, value: object) -> object:
        if name == "padding_mode":
            return index_of(value, MODES, name)
        if name in SWITCHES:
            return check_switch(name, value)
        if name not in RANGES:
            names = ", ".join(SETTINGS)
            raise SentenceError(f"The bench has no setting {name!r}; it has {names}.")
        if name not in PAIRS:
            return check_whole(name, value, *RANGES[name])
        both = value if isinstance(value, tuple | list) else (value, value)
        if len(both) != 2:
            raise SentenceError(
                f"{name} takes a number or (height, width), not {value}."
            )
        return tuple(check_whole(name, one, *RANGES[name]) for one in both)

    @property
    def kind(self) -> str:
        """The class of the layer, such as "Conv2d"."""
        return [*KINDS][self._view.kind_index]

    @kind.setter
    def kind(self, name: str) -> None:
        self._put("kind_index", index_of(name, [*KINDS], "layer"))

    @property
    def _convolves(self) -> bool:
        return "groups" in KINDS[self.kind]

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
        for name, _ in [*made.named_parameters()]:
            setattr(made, name, nn.Parameter(getattr(self, name).clone()))
        return made

    @property
    def input(self) -> Tensor:
        """The input, in_channels × H × W, float64: ready-made or the student's own."""
        sizes = self.in_channels, *self.settings["input_size"]
        place = self._view.input_index
        if INPUTS[place] == OWN:
            return own(self._view.input_own, sizes)
        return layer_numbers.ready_input(place, sizes)

    @input.setter
    def input(self, chosen: str | Sequence) -> None:
        if not isinstance(chosen, str):
            given = numbers("input", chosen, [(1, 3), (1, 12), (1, 12)])
            self.set(in_channels=len(given), input_size=tuple(given.shape[1:]))
            self._view.input_own, chosen = given.tolist(), OWN
        self._put("input_index", index_of(chosen, INPUTS, "input"))

    @property
    def weight(self) -> Tensor | None:
        """The weight as torch keeps it, float64: out_channels × in_channels / groups ×
        H × W, of a transposed layer in_channels × out_channels / groups × H × W.
        """
        if not self._convolves:
            return None
        how, turned = self.settings, self.kind == "ConvTranspose2d"
        outer, inner = (how[name] for name in (COUNTS if turned else COUNTS[::-1]))
        sizes = outer, max(inner // how["groups"], 1), *how["kernel_size"]
        if WEIGHTS[self._view.weight_index] == OWN:
            return own(self._view.weight_own, sizes)
        groups = how["groups"] if turned else None
        return layer_numbers.ready_weight(self._view.weight_index, sizes, groups)

    @weight.setter
    def weight(self, chosen: str | Sequence) -> None:
        self._check_part("weight")
        if not isinstance(chosen, str):
            given = numbers("weight", chosen, [(1, 4), (1, 4), (1, 7), (1, 7)])
            wanted = () if self.weight is None else self.weight.shape[:2]
            if given.shape[:2] != wanted:
                shapes = f"{tuple(given.shape)}, and the layer's begins {tuple(wanted)}"
                raise SentenceError(f"weight is of shape {shapes}.")
            self.set(kernel_size=tuple(given.shape[2:]))
            self._view.weight_own, chosen = given.tolist(), OWN
        self._put("weight_index", index_of(chosen, WEIGHTS, "kernel"))

    @property
    def bias(self) -> Tensor | None:
        """The bias, one number for each output channel, float64, or None, which takes
        it off, as `False` does; `True` brings the last one back.
        """
        if not self._convolves or not self._view.bias:
            return None
        return own(self._view.bias_own, (self._channels,))

    @bias.setter
    def bias(self, chosen: bool | Sequence | None) -> None:
        off = chosen is None or chosen is False
        if not off:
            self._check_part("bias")
        if not isinstance(chosen, bool | None):
            sizes = [(self._channels, self._channels)]
            self._view.bias_own = numbers("bias", chosen, sizes).tolist()
        self._put("bias", not off)

    def _check_part(self, name: str) -> None:
        if not self._convolves:
            raise SentenceError(f"nn.{self.kind} has no {name} to set.")

    @property
    def output(self) -> Tensor:
        """The output that torch computes, channels × H × W, float64. Raises
        SentenceError where no window fits.
        """
        with torch.no_grad():
            return _run(self.layer, self.input.clone())

    @property
    def sent(self) -> Tensor:
        """What each output sends back, in the shape of the output: 1, or what was typed
        or set. `bench.sent = "ones"` takes that back.
        """
        return own(self._view.sent_own, tuple(self.output.shape), missing=1)

    @sent.setter
    def sent(self, chosen: str | Sequence) -> None:
        if isinstance(chosen, str):
            check_choice("sent", chosen, ["ones"])
            chosen = []
        elif chosen != []:
            shape = [(size, size) for size in self.output.shape]
            chosen = numbers("sent", chosen, shape).tolist()
        self._view.sent_own = chosen

    @property
    def gradients(self) -> Gradients:
        """What arrives at input, weight and bias when every output, or with `alone` the
        chosen one, sends back its number of `sent`.
        """
        layer, pixels = self.layer, self.input.clone().requires_grad_()
        sent = self.sent.clone()
        if self.alone:
            chosen = self.channel * sent[0].numel() + self.step
            sent *= (torch.arange(sent.numel()) == chosen).view(sent.shape)
        parts = {"input": pixels, **dict(layer.named_parameters())}
        found = torch.autograd.grad(_run(layer, pixels), [*parts.values()], sent)
        return Gradients(**dict(zip(parts, found, strict=True)))

    @property
    def matrix(self) -> Tensor:
        """The layer as a matrix, outputs × inputs: the slope of each output by each
        input. Times the flattened input it gives the flattened output without the bias.
        """
        layer, pixels = self.layer, self.input.clone()
        slopes = torch.autograd.functional.jacobian(lambda x: _run(layer, x), pixels)
        return slopes.reshape(-1, pixels.numel())

    @property
    def _channels(self) -> int:
        return self.settings["out_channels"] if self._convolves else self.in_channels

    @property
    def channel(self) -> int:
        """Which output channel is looked at."""
        return min(self._view.channel, self._channels - 1)

    @channel.setter
    def channel(self, value: int) -> None:
        self._view.channel = check_whole("channel", value, 0, self._channels - 1)

    @property
    def _stamps(self) -> bool:
        return self.kind == "ConvTranspose2d" and self.view == "stamps"

    @property
    def _steps(self) -> int:
        if self._stamps:
            return math.prod(self.settings["input_size"])
        return 1 if self.trouble else self.output[0].numel()

    @property
    def step(self) -> int:
        """Which output the window computes, row by row; with stamps, which input."""
        return min(self._view.step, self._steps - 1)

    @step.setter
    def step(self, value: int) -> None:
        self._view.step = check_whole("step", value, 0, self._steps - 1)

    @property
    def code(self) -> str:
        """The layer as a line of Python."""
        return signatures.code(self.kind, self.settings)

    def _told(self) -> dict[str, object]:
        """Return what the line of Python says beside the layer."""
        told = {"picture": INPUTS[self._view.input_index]}
        if told["picture"] == OWN:
            told["picture"] = self.input.tolist()
        else:
            told["size"] = signatures.plain(self.settings["input_size"])
            if not self._convolves and self.in_channels > 1:
                told["in_channels"] = self.in_channels
        if self._convolves:
            name = WEIGHTS[self._view.weight_index]
            told["weight"] = self.weight.tolist() if name == OWN else name
        if self.bias is not None:
            told["bias"] = self.bias.tolist()
        if self._view.sent_own and not self.trouble:
            told["sent"] = self.sent.tolist()
        told |= {name: getattr(self, name) for name in USUAL}
        return {name: one for name, one in told.items() if USUAL.get(name) != one}

    def __repr__(self) -> str:
        how, told = self.settings, self._told()
        for name in ("groups", "same") if self.trouble else ():
            if name in KINDS[self.kind] and how[name] != NEUTRAL[name]:
                told[name], how[name] = how[name], NEUTRAL[name]  # torch may refuse it
        return f"LayerBench({signatures.code(self.kind, how)}, {listed(told)})"

    def _still(self) -> figures.Picture:
        if self.trouble:
            return figures.sentence(self.trouble)
        shown = self.input if self._stamps else self.output[self.channel :]
        row, column = divmod(self.step, shown.shape[2])
        at = f"[{row}, {column}]"
        result = f"output{at} = {figures.short(shown[0, row, column])}"
        title = f"{self.code}: {f'the stamp of input{at}' if self._stamps else result}"
        marked = [] if self._stamps else ["output", "sent back"]
        places = dict.fromkeys(marked, (row, column))
        return figures.boards(self._columns(), title, places)

    def _columns(self) -> list[dict[str, Tensor]]:
        """Return the boards of the still picture, column by column."""
        if self.view == "matrix":
            turned = {"transposed matrix": self.matrix.T}
            return [turned if self.transposed else {"matrix": self.matrix}]
        found = {"input": self.input, "kernel": self._kernels(self.weight)}
        if self.view == "backward":
            back = self.gradients
            found["gradient of the kernel"] = self._kernels(back.weight)
            found |= {"sent back": self.sent, "gradient of the input": back.input}
        else:
            found["output"] = self.output
        return [_named(name, one) for name, one in found.items() if one is not None]

    def _kernels(self, weight: Tensor | None) -> Tensor | None:
        """Return what belongs to the kernels of the chosen output channel."""
        if weight is None:
            return None
        if self.kind == "Conv2d":
            return weight[self.channel]
        group, within = divmod(self.channel, weight.shape[1])
        return weight.chunk(self.settings["groups"])[group][:, within]


def _named(name: str, boards: Tensor) -> dict[str, Tensor]:
    names = [name] if len(boards) == 1 else [f"{name} {i}" for i in range(len(boards))]
    return dict(zip(names, boards, strict=True))


def _run(layer: nn.Module, pixels: Tensor) -> Tensor:
    with warnings.catch_warnings(action="ignore"):  # of "same" with an even window
        return layer(pixels)
