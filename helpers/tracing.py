"""The shape tracer: which shape each layer gives, why, with how many parameters, and
what does not fit.

Nothing is computed and nothing is allocated: torch works the shapes out on its "meta"
device, where a tensor has a shape and no numbers
(https://docs.pytorch.org/docs/stable/meta.html).
"""

import copy
import html
import re
import reprlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import prod
from numbers import Integral

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, resolve_name

from helpers import sizes
from helpers.sizes import times

LARGE = 10**9  # bytes of float32 that a layer may take before the tracer speaks of it
WINDOWS = nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d
LAYERS_OF = {"max_pool2d": nn.MaxPool2d, "avg_pool2d": nn.AvgPool2d}
FLATTENING = {"view", "reshape", "flatten", "ravel", "Flatten"}
LEFT = 'style="text-align: left"'
NEIGHBOURS = (
    8  # pixels more and fewer at which the tracer looks for pictures that would fit
)
BATCH = 7  # pictures at once: a prime, so that what mixes them comes to light
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """One layer, or one function that `forward` calls: shapes without the batch, and
    why they are so.
    """

    name: str
    layer: str
    shape: Shape
    size_rule: str
    parameters: int = 0
    count_rule: str = ""

    @property
    def found(self) -> list[str]:
        """What the tracer has found about the layer, as texts: shape and why,
        parameters and why.
        """
        count = f"{self.parameters:,}" if self.parameters else ""
        return [times(self.shape), self.size_rule, count, self.count_rule]


@dataclass
class Trace:
    """What `trace` found: the rows as far as the shapes fit, and in `trouble` one
    sentence where they do not.
    """

    input_shape: Shape
    rows: list[Row] = field(default_factory=list)
    parameters: int = 0
    trouble: str = ""
    remark: str = ""

    @property
    def shape(self) -> Shape:
        """The last shape that could be worked out, without the batch."""
        return self.rows[-1].shape if self.rows else self.input_shape

    @property
    def ending(self) -> list[str]:
        """The number of all parameters, and the remark where there is one."""
        return [
            line
            for line in (f"{self.parameters:,} parameters in all.", self.remark)
            if line
        ]

    def _table(self) -> list[list[str]]:
        head = ["", "layer", "shape", "why this shape", "parameters", "why so many"]
        rows = [[row.name, row.layer, *row.found] for row in self.rows]
        return [head, ["input", "", times(self.input_shape), "", "", ""], *rows]

    def _end(self) -> list[str]:
        return [f"✗ {self.trouble}"] * bool(self.trouble) + self.ending

    def __repr__(self) -> str:
        table = self._table()
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in table]
        return "\n".join(lines + self._end())

    def _repr_html_(self) -> str:
        # Each why stands below its number, as in the widget: so the table fits into a
        # narrow window.
        rows = []
        for line in self._table():
            name, layer, shape, size_rule, count, count_rule = map(html.escape, line)
            cells = (
                name,
                layer,
                f"{shape}<br><small>{size_rule}</small>",
                f"{count}<br><small>{count_rule}</small>",
            )
            rows.append(
                "".join(
                    f"<td {LEFT}>{cell.removesuffix('<br><small></small>')}</td>"
                    for cell in cells
                )
            )
        head, *body = (f"<tr>{row}</tr>" for row in rows)
        ends = "".join(f"<p>{html.escape(line)}</p>" for line in self._end())
        return f"<table>{head.replace('td', 'th')}{''.join(body)}</table>{ends}"


def trace(model: nn.Module | Callable[[], nn.Module], shape: Sequence[int]) -> Trace:
    """Follow one input of the given shape, C×H×W without the batch, through a module.

    `model` is a module, which stays as it is, or what makes one when called (`Net`,
    `lambda: nn.Linear(…)`); then not even its weights are allocated. Raises ValueError
    for what is no module or no shape.
    """
    shape, recorder = _checked(shape), _Recorder(_on_meta(model))
    found = recorder.follow(shape)
    if found.trouble and recorder.running and recorder.running.takes_a_row:
        found.trouble += _neighbours(recorder, shape)
    found.remark = " ".join(_remarks(found))
    return found


def _checked(shape: Sequence[int]) -> Shape:
    fits = isinstance(shape, Sequence) and 1 <= len(shape) <= 4
    if not fits or any(
        not isinstance(size, Integral) or isinstance(size, bool) or size < 1
        for size in shape
    ):
        wanted = "one to four whole numbers from 1 on, such as (1, 32, 32) for channels, height and width"
        raise ValueError(f"shape must be {wanted}, not {reprlib.repr(shape)}.")
    return tuple(
        map(int, shape[1:] if len(shape) == 4 else shape)
    )  # four: the first is the batch


def _on_meta(model: nn.Module | Callable[[], nn.Module]) -> nn.Module:
    """Return a copy of the module for prediction, whose tensors have shapes and no
    numbers, and which has no hooks.
    """
    try:
        if not isinstance(model, nn.Module) and callable(model):
            with torch.device("meta"):
                model = model()
        copied = (
            copy.deepcopy(model, _shadows(model)).eval()
            if isinstance(model, nn.Module)
            else None
        )
    except Exception as error:  # whatever a student's own class does
        raise ValueError(
            f"The model cannot be made: {type(error).__name__}: {_first_line(error)}."
        ) from None
    if copied is None:
        raise ValueError(
            f"model must be an nn.Module, or a function that makes one, not {reprlib.repr(model)}."
        )
    for part in copied.modules():
        part._forward_hooks.clear()
        part._forward_pre_hooks.clear()
    return copied


def _shadows(model: nn.Module) -> dict[int, Tensor]:
    """Return for every tensor that the module holds, by its id, one of the same shape
    without numbers.
    """
    held = [
        value
        for part in model.modules()
        for value in vars(part).values()
        if isinstance(value, Tensor)
    ]
    shadows = {
        id(tensor): tensor.detach().to("meta") for tensor in [*held, *model.buffers()]
    }
    return shadows | {
        id(p): nn.Parameter(p.detach().to("meta"), p.requires_grad)
        for p in model.parameters()
    }


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")


def _neighbours(recorder: "_Recorder", shape: Shape) -> str:
    """Say which square pictures of about this size would fit."""
    if len(shape) < 3:
        return ""
    sides = range(max(1, shape[1] - NEIGHBOURS), shape[1] + NEIGHBOURS + 1)
    fit = [
        f"{side}×{side}"
        for side in sides
        if not recorder.follow((shape[0], side, side)).trouble
    ]
    return (
        f" Or feed pictures of {' to '.join(dict.fromkeys((fit[0], fit[-1])))}: those fit."
        if fit
        else ""
    )


def _remarks(found: Trace) -> Iterator[str]:
    parts = [(row.parameters, f"parameters of {row.name}") for row in found.rows]
    parts += [
        (prod(row.shape), f"output of {row.name} for one picture") for row in found.rows
    ]
    numbers, part = max(parts, key=lambda part: part[0], default=(0, ""))
    if 4 * numbers > LARGE:
        yield f"The {part} would take {4 * numbers / 1e9:,.1f} GB as float32. Nothing of it was allocated here."
    rest = found.parameters - sum(row.parameters for row in found.rows)
    if rest and not found.trouble:
        yield f"{rest:,} of the parameters belong to no layer that ran."
    alone = [
        row.name
        for row in found.rows
        if row.layer.startswith("Linear(") and len(row.shape) == 3
    ]
    if alone:
        yield f"{alone[0]} took the last axis alone: no Flatten?"


@dataclass(frozen=True)
class _Call:
    """A layer or function that is running, as a layer where there is one that does the
    same.
    """

    name: str
    layer: nn.Module | None
    text: str
    before: Shape  # without the batch; () where no tensor came in

    @property
    def flattens(self) -> bool:
        return (type(self.layer).__name__ if self.layer else self.name) in FLATTENING

    @property
    def takes_a_row(self) -> bool:  # whose length depends on the size of the picture
        return self.flattens or (
            isinstance(self.layer, nn.Linear) and len(self.before) == 1
        )


class _Recorder(TorchFunctionMode):
    """Notes each layer that runs, and each torch function that `forward` calls on the
    pictures between them.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        for name, part in model.named_modules():
            own_network = not name and not type(part).__module__.startswith(
                "torch."
            )  # written in functions alone
            if not own_network and not [*part.children()]:
                part.register_forward_pre_hook(partial(self._enter, _name(name, part)))
                part.register_forward_hook(
                    lambda part, _args, result: self._leave(result, part)
                )

    def follow(self, shape: Shape) -> Trace:
        """Run the model on pictures of a shape, and return what happens; `running`
        keeps what did not end.
        """
        self.rows: list[Row] = []
        self.running: _Call | None = None
        self.counted: set[Tensor] = set()
        found = Trace(shape, self.rows, sum(p.numel() for p in self.model.parameters()))
        try:
            pictures = torch.empty(BATCH, *shape, device="meta")
            with torch.no_grad(), torch.device("meta"), self:
                if self.model(pictures) is None:
                    found.trouble = "forward gives nothing back: is a return missing?"
        # a student's own forward may fail in any way, and gets a sentence for it
        except Exception as error:
            found.trouble = self._explain(error, shape)
        return found

    def __torch_function__(
        self,
        func: Callable,
        types: object,
        args: tuple = (),
        kwargs: dict | None = None,
    ) -> object:
        kwargs, name = kwargs or {}, getattr(func, "__name__", "function").strip("_")
        first = _first_tensor(args)
        if (
            self.running
            or name == "get"
            or first is None
            or first.shape[:1] != (BATCH,)
        ):
            return func(*args, **kwargs)
        layer = LAYERS_OF[name](*args[1:], **kwargs) if name in LAYERS_OF else None
        self.running = _Call(
            name, layer, _text(func, name, args, kwargs), tuple(first.shape[1:])
        )
        result = func(*args, **kwargs)
        self._leave(result)
        return result

    def _enter(self, name: str, layer: nn.Module, args: tuple) -> None:
        first = _first_tensor(args)
        self.running = _Call(
            name, layer, code(layer), () if first is None else tuple(first.shape[1:])
        )

    def _leave(self, result: object, module: nn.Module | None = None) -> None:
        call, result = self.running, _first_tensor(result)
        if result is not None:
            if call.flattens and result.ndim < 3 and result.shape[:1] != (BATCH,):
                raise ValueError("pictures were taken together or apart")
            count, after = self._count(module) if module else 0, tuple(result.shape[1:])
            rule = _count_rule(module) if count else ""
            self.rows.append(
                Row(call.name, call.text, after, _size_rule(call, after), count, rule)
            )
        self.running = None

    def _count(self, layer: nn.Module) -> int:
        """Return the layer's parameters, but none that another layer shares and that
        are counted already.
        """
        new = set(layer.parameters()) - self.counted
        self.counted |= new
        return sum(p.numel() for p in new)

    def _explain(self, error: Exception, shape: Shape) -> str:
        """Return what does not fit, in one or two sentences with the layer's name and
        the two numbers.
        """
        if not self.running:
            return f"forward stopped with {type(error).__name__}: {_first_line(error)}."
        call, place = (
            self.running,
            f" at {times(self.running.before)}" if self.running.before else "",
        )
        volume = next(
            (row.shape for row in reversed(self.rows) if len(row.shape) > 1), shape
        )
        return (
            _mismatch(call, volume)
            or f"{call.name} stopped{place}: {_first_line(error)}."
        )


def _first_tensor(things: object) -> Tensor | None:
    """Return a tensor, or the first of several things where that is one."""
    while isinstance(things, tuple | list) and things:
        things = things[0]
    return things if isinstance(things, Tensor) else None


def _name(name: str, layer: nn.Module) -> str:
    """Return the layer's name; a number alone says too little."""
    kind = type(layer).__name__
    return f"{name} ({kind})" if name.rpartition(".")[2].isdigit() else name or kind


def _text(func: Callable, name: str, args: tuple, kwargs: dict) -> str:
    if name == "getitem":
        return "x[…]"
    place = resolve_name(func) or name
    said = [] if ".Tensor." in place else ["x"]
    home = "F" if ".functional." in place else "torch" if said else "x"
    said += [str(value) for value in args[1:] if isinstance(value, int | tuple | list)]
    shown = {
        key: value
        for key, value in kwargs.items()
        if isinstance(value, int | tuple) and key != "training"
    }
    said += [
        f"{key}={value}"
        for key, value in shown.items()
        if value is True or value not in (0, 1)
    ]  # no defaults
    return f"{home}.{name}({', '.join(said)})"


def code(layer: nn.Module) -> str:
    """Return the layer as a line of Python with its defaults left out."""
    text = re.sub(r"\((\d+), \1\)", r"\1", str(layer))
    defaults = [
        "padding=0",
        "dilation=1",
        "ceil_mode=False",
        "bias=True",
        "inplace=False",
        "start_dim=1",
        "end_dim=-1",
    ]
    defaults += ["stride=1"] * isinstance(layer, nn.Conv2d)
    return re.sub(rf"(, )?\b({'|'.join(defaults)})(?=[,)])", "", text).replace(
        "(, ", "("
    )


def _size_rule(call: _Call, after: Shape) -> str:
    before, sides = call.before, zip(call.before[1:], after[1:], strict=False)
    if isinstance(call.layer, WINDOWS) and len(before) == len(after) == 3:
        return ", ".join(
            dict.fromkeys(
                _side_rule(call.layer, axis, *pair) for axis, pair in enumerate(sides)
            )
        )
    return _multiplied(before) if len(before) > 1 and after == (prod(before),) else ""


def _multiplied(shape: Shape) -> str:
    return f"{'·'.join(map(str, shape))} = {prod(shape)}"


def _along(layer: nn.Module, axis: int) -> dict[str, int | str]:
    """Return kernel_size, stride, padding and dilation along one axis."""
    names = ("kernel_size", "stride", "padding", "dilation")
    values = {name: getattr(layer, name, 1) for name in names}
    return {
        name: value[axis] if isinstance(value, tuple | list) else value
        for name, value in values.items()
    }


def _side_rule(layer: nn.Module, axis: int, before: int, after: int) -> str:
    k, s, p, d = _along(layer, axis).values()
    if isinstance(p, str):
        return f"padding={p!r}: {before} → {after}"
    left, right = "⌈⌉" if getattr(layer, "ceil_mode", False) else "⌊⌋"
    span = f"{k}" if d == 1 else f"{d}·({k} − 1) − 1"
    places = before + 2 * p - sizes.window_span(k, d)
    dropped = (
        " − 1" if left == "⌈" and -(-places // s) + 1 > after else ""
    )  # the last would start in the padding
    return f"{left}({before} + 2·{p} − {span}) / {s}{right} + 1{dropped} = {after}"


def _count_rule(layer: nn.Module) -> str:
    bias = " + 1" if getattr(layer, "bias", None) is not None else ""
    if isinstance(layer, nn.Conv2d):
        inner = "·".join(
            map(str, (layer.in_channels // layer.groups, *layer.kernel_size))
        )
        return f"({inner}{bias})·{layer.out_channels}"
    return (
        f"({layer.in_features}{bias})·{layer.out_features}"
        if isinstance(layer, nn.Linear)
        else ""
    )


def _mismatch(call: _Call, volume: Shape) -> str:
    """Say what a layer takes and what comes in, or nothing where it is not about that."""
    name, layer, before = call.name, call.layer, call.before
    if not before:
        return ""
    if call.flattens:
        flat = f"one of {times(before)} has {_multiplied(before)} numbers"
        return f"{name}: {call.text} does not give one row for each picture: {flat}. x.flatten(1) does."
    if isinstance(layer, nn.Linear) and before[-1] != layer.in_features:
        return _linear_mismatch(name, layer, before, volume)
    if isinstance(layer, (*WINDOWS, nn.BatchNorm2d)) and len(before) != 3:
        arrives = f"a row of {before[0]} number{'s' * (before[0] != 1)} arrives. Put it before the flattening"
        if len(before) != 1:
            arrives = f"{times(before)} arrives. Say the channels too, as in {(1, *before)[-3:]}"
        return f"{name} takes a volume C×H×W, and {arrives}."
    for setting in ("in_channels", "num_features"):
        wanted, came = getattr(layer, setting, before[0]), before[0]
        if wanted != came:
            arrive = f"{came} channel{' arrives' if came == 1 else 's arrive'}"
            return f"{name} takes {setting}={wanted}, and {arrive}. Write {setting}={came}."
    return _window_mismatch(name, layer, before) if isinstance(layer, WINDOWS) else ""


def _linear_mismatch(name: str, layer: nn.Linear, before: Shape, volume: Shape) -> str:
    wanted, numbers = layer.in_features, prod(before)
    if len(before) > 1:
        arrives = f"a volume of {times(before)} arrives: flatten it first, which makes {_multiplied(before)}"
        return f"{name} takes a row of in_features={wanted} numbers, and {arrives}."
    origin = (
        f", as {times(volume)} flattened is {_multiplied(volume)}"
        if prod(volume) == numbers
        else ""
    )
    return f"{name} takes in_features={wanted}, and {numbers} numbers arrive{origin}. Write in_features={numbers}."


def _window_mismatch(name: str, layer: nn.Module, before: Shape) -> str:
    for axis, side in enumerate(before[1:]):
        how = _along(layer, axis)
        try:
            sizes.output_size(side, **how)
            if not isinstance(layer, nn.Conv2d):
                sizes.pooled_size(
                    side, how["kernel_size"], how["stride"], how["padding"]
                )
        except ValueError as error:
            reason, more = (
                str(error).partition(": ")[0],
                "Use a smaller window, more padding or a larger picture.",
            )
            return (
                f"{name}: {reason}. {more}"
                if "does not fit" in reason
                else f"{name}: {error}"
            )
    return ""
