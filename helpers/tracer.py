"""The shape tracer: which shape each layer gives, why, with how many parameters, and what does not fit.

Nothing is computed and nothing is allocated: torch works the shapes out on its "meta" device, where a tensor has a
shape and no numbers (https://docs.pytorch.org/docs/stable/meta.html).
"""

import copy
import html
import re
import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import prod
from numbers import Integral

import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode, resolve_name

from helpers import arithmetic

LARGE = 100_000_000  # bytes of float32 that a layer may take before the tracer speaks of it
WINDOWS = nn.Conv1d, nn.Conv2d, nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d
ROWS = {"view", "reshape", "flatten", "ravel", "Flatten"}
LAYERS_OF = {
    "max_pool1d": nn.MaxPool1d,
    "max_pool2d": nn.MaxPool2d,
    "avg_pool1d": nn.AvgPool1d,
    "avg_pool2d": nn.AvgPool2d,
}
LEFT = 'style="text-align: left"'
NEIGHBOURS = 8  # pixels more and fewer at which the tracer looks for pictures that would fit
BATCH = 7  # pictures at once: a prime, so that what mixes them comes to light
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """One layer, or one function that `forward` calls: shapes without the batch, and why they are so."""

    name: str
    layer: str
    shape: Shape
    size_rule: str
    parameters: int = 0
    count_rule: str = ""

    @property
    def found(self) -> list[str]:
        """What the tracer has found about the layer, as texts: shape and why, parameters and why."""
        count = f"{self.parameters:,}" if self.parameters else ""
        return [times(self.shape), self.size_rule, count, self.count_rule]


@dataclass
class Trace:
    """What `trace` found: the rows as far as the shapes fit, and in `trouble` one sentence where they do not."""

    input_shape: Shape
    rows: list[Row] = field(default_factory=list)
    parameters: int = 0
    trouble: str = ""
    remark: str = ""

    @property
    def shape(self) -> Shape:
        """The last shape that could be worked out, without the batch."""
        return self.rows[-1].shape if self.rows else self.input_shape

    def _table(self) -> list[list[str]]:
        head = ["", "layer", "shape", "why this shape", "parameters", "why so many"]
        rows = [[row.name, row.layer, *row.found] for row in self.rows]
        return [head, ["input", "", times(self.input_shape), "", "", ""], *rows]

    @property
    def ending(self) -> list[str]:
        """The number of all parameters, and the remark where there is one."""
        return [line for line in (f"{self.parameters:,} parameters in all.", self.remark) if line]

    def _end(self) -> list[str]:
        return [f"✗ {self.trouble}"] * bool(self.trouble) + self.ending

    def __repr__(self) -> str:
        table = self._table()
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in table]
        return "\n".join(lines + self._end())

    def _repr_html_(self) -> str:
        # Each why stands below its number, as in the widget: so the table fits into a narrow window.
        rows = []
        for line in self._table():
            name, layer, shape, size_rule, count, count_rule = map(html.escape, line)
            cells = name, layer, f"{shape}<br><small>{size_rule}</small>", f"{count}<br><small>{count_rule}</small>"
            rows.append("".join(f"<td {LEFT}>{cell.removesuffix('<br><small></small>')}</td>" for cell in cells))
        head, *body = (f"<tr>{row}</tr>" for row in rows)
        ends = "".join(f"<p>{html.escape(line)}</p>" for line in self._end())
        return f"<table>{head.replace('td', 'th')}{''.join(body)}</table>{ends}"


def trace(model: nn.Module | Callable[[], nn.Module], shape: Sequence[int]) -> Trace:
    """Follow one input of the given shape, C×H×W without the batch, through a module.

    `model` is a module, which stays as it is, or what makes one when called (`Net`, `lambda: nn.Linear(…)`); then
    not even its weights are allocated. Raises ValueError for what is no module or no shape.
    """
    return _follow(_on_meta(model), _checked(shape))


def times(shape: Sequence[int]) -> str:
    """Return a shape as text, such as 6×15×15."""
    return "×".join(map(str, shape))


def _checked(shape: Sequence[int]) -> Shape:
    wanted = "shape must be one to four whole numbers from 1 on, such as (1, 32, 32) for channels, height and width"
    if not isinstance(shape, Sequence) or not 1 <= len(shape) <= 4:
        raise ValueError(f"{wanted}, not {reprlib.repr(shape)}.")
    if any(not isinstance(size, Integral) or isinstance(size, bool) or size < 1 for size in shape):
        raise ValueError(f"{wanted}, not {reprlib.repr(shape)}.")
    return tuple(map(int, shape[1:] if len(shape) == 4 else shape))  # four: the first is the batch


def _on_meta(model: nn.Module | Callable[[], nn.Module]) -> nn.Module:
    """Return a copy of the module whose tensors have shapes and no numbers, and whose hooks are torch's own."""
    if not isinstance(model, nn.Module) and callable(model):
        with torch.device("meta"):
            model = _attempt(model, "The model cannot be made")
    if not isinstance(model, nn.Module):
        raise ValueError(f"model must be an nn.Module, or a function that makes one, not {reprlib.repr(model)}.")
    if isinstance(model, torch.jit.ScriptModule):
        raise ValueError(
            "A scripted model runs outside Python, where it cannot be followed: give the nn.Module itself."
        )
    copied = _attempt(lambda: copy.deepcopy(model, _shadows(model)).eval(), "The model cannot be copied")
    for part in copied.modules():
        for hooks in (part._forward_hooks, part._forward_pre_hooks):
            for key in [key for key, hook in hooks.items() if not _is_torchs(hook)]:
                del hooks[key]
    return copied


def _attempt(make: Callable, sentence: str) -> nn.Module:
    try:
        return make()
    except Exception as error:  # whatever a student's own class does
        raise ValueError(f"{sentence}: {type(error).__name__}: {_first_line(error)}.") from None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")


def _shadows(model: nn.Module) -> dict[int, torch.Tensor]:
    """Return for every tensor of the module, by its id, one of the same shape without numbers."""
    kept = [value for part in model.modules() for value in vars(part).values() if isinstance(value, torch.Tensor)]
    tensors = [*model.parameters(), *model.buffers(), *kept]
    if any(nn.parameter.is_lazy(tensor) for tensor in tensors):
        raise RuntimeError("it has lazy layers, whose sizes are not known before it has run once")
    shadows = {id(tensor): tensor.detach().to("meta") for tensor in tensors}
    return shadows | {id(p): nn.Parameter(shadows[id(p)], p.requires_grad) for p in model.parameters()}


def _follow(model: nn.Module, shape: Shape, look_around: bool = True) -> Trace:
    recorder = _Recorder(model)
    found = Trace(shape, recorder.rows, sum(p.numel() for p in model.parameters()))
    try:
        with torch.no_grad(), torch.device("meta"):
            pictures = torch.empty(BATCH, *shape)
            with recorder:
                if model(pictures) is None:
                    found.trouble = "forward gives nothing back: is a return missing?"
    except Exception as error:  # a student's own forward may fail in any way, and gets a sentence for it
        found.trouble = recorder.explain(error)
    finally:
        recorder.close()
    if look_around and found.trouble and recorder.is_about_the_row():
        found.trouble += _neighbours(model, shape)
    found.remark = " ".join(filter(None, (_large(found), _left_out(found), recorder.remark)))
    return found


def _neighbours(model: nn.Module, shape: Shape) -> str:
    """Say which square pictures of about this size would fit."""
    if len(shape) < 3:
        return ""
    sides = range(max(1, shape[1] - NEIGHBOURS), shape[1] + NEIGHBOURS + 1)
    fit = [side for side in sides if not _follow(model, (shape[0], side, side), look_around=False).trouble]
    if not fit:
        return ""
    span = f"{fit[0]}×{fit[0]}" + (f" to {fit[-1]}×{fit[-1]}" if len(fit) > 1 else "")
    return f" Or feed pictures of {span}: those fit."


def _left_out(found: Trace) -> str:
    rest = found.parameters - sum(row.parameters for row in found.rows)
    if found.trouble or not rest:
        return ""
    return f"{rest:,} of the parameters belong to no layer that ran."


def _large(found: Trace) -> str:
    row = max(found.rows, key=lambda row: max(row.parameters, prod(row.shape)), default=None)
    size = 4 * max(row.parameters, prod(row.shape)) if row else 0
    if size <= LARGE:
        return ""
    part = f"parameters of {row.name}" if row.parameters >= prod(row.shape) else f"output of {row.name} for one picture"
    amount = f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"
    return f"The {part} would take {amount} as float32. Nothing of it was allocated here."


@dataclass(frozen=True)
class _Call:
    """A layer or function that is running."""

    name: str
    layer: nn.Module | None
    text: str
    before: Shape | None  # None where no tensor came in


class _Recorder(TorchFunctionMode):
    """Notes each layer that runs, and each torch function that `forward` calls on the pictures between them."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.rows: list[Row] = []
        self.volume: Shape = ()  # the last shape with several axes
        self.running: list[_Call] = []
        self.counted: set[int] = set()
        self.remark = ""
        leaves = [(_name(name, part), part) for name, part in model.named_modules() if _is_layer(name, part)]
        self.handles = [leaf.register_forward_pre_hook(partial(self._enter, name)) for name, leaf in leaves]
        self.handles += [leaf.register_forward_hook(self._leave) for _, leaf in leaves]

    def close(self) -> None:
        """Take the hooks off again."""
        for handle in self.handles:
            handle.remove()

    def __torch_function__(self, func: Callable, types: object, args: tuple = (), kwargs: dict | None = None) -> object:
        kwargs, name = kwargs or {}, getattr(func, "__name__", "function").strip("_")
        pictures = [x for x in args if isinstance(x, torch.Tensor) and x.ndim and len(x) == BATCH]
        if self.running or name == "get" or (not pictures and any(isinstance(x, torch.Tensor) for x in args)):
            return func(*args, **kwargs)
        self._begin(name, _as_layer(name, args[1:], kwargs), _call(func, name, args[1:], kwargs), args)
        result = func(*args, **kwargs)
        if isinstance(result, torch.Tensor):
            self._leave(None, args, result)
        else:
            self.running.pop()
        return result

    def _enter(self, name: str, layer: nn.Module, args: tuple) -> None:
        self._begin(name, layer, code(layer), args)

    def _begin(self, name: str, layer: nn.Module | None, text: str, args: tuple) -> None:
        first = _first_tensor(args) if layer is None else args[0] if args else None
        before = tuple(first.shape[1:]) if isinstance(first, torch.Tensor) else None
        self.running.append(_Call(name, layer, text, before))
        if before is not None and len(before) > 1:
            self.volume = before

    def _leave(self, module: nn.Module | None, _args: tuple, result: object) -> None:
        call, result = self.running[-1], _first_tensor(result)
        if result is not None:
            kind = type(module).__name__ if module else call.name
            if kind in ROWS and result.ndim < 3 and (not result.ndim or len(result) != BATCH):
                raise _PicturesMixed(tuple(result.shape))
            count, after = self._count(module) if module else 0, tuple(result.shape[1:])
            rule = _count_rule(module) if count else ""
            self.rows.append(Row(call.name, call.text, after, _size_rule(call.layer, call.before, after), count, rule))
            if isinstance(module, nn.Linear) and len(call.before or ()) == 3:
                self.remark = f"{call.name} took the last axis alone, {call.before[-1]} numbers at a time: no Flatten?"
        self.running.pop()

    def _count(self, layer: nn.Module) -> int:
        """Return the layer's parameters, but none that another layer shares and that are counted already."""
        new = {id(p): p.numel() for p in layer.parameters() if id(p) not in self.counted}
        self.counted |= new.keys()
        return sum(new.values())

    def explain(self, error: Exception) -> str:
        """Return what does not fit, in one or two sentences with the layer's name and the two numbers."""
        first = _first_line(error)
        if not self.running:
            return f"forward stopped with {type(error).__name__}: {first}."
        call = self.running[-1]
        if isinstance(error, _PicturesMixed) or (call.name in ROWS and "is invalid for input of size" in first):
            return _row_mismatch(call, error)
        place = f" at {times(call.before)}" if call.before else ""
        return _mismatch(call, self.volume) or f"{call.name} stopped{place}: {first}."

    def is_about_the_row(self) -> bool:
        """Say whether it stopped where a picture has become one row of numbers, whose length depends on its size."""
        call = self.running[-1] if self.running else _Call("", None, "", None)
        return call.name in ROWS or (isinstance(call.layer, nn.Linear) and len(call.before or ()) == 1)


class _PicturesMixed(Exception):
    """A flattening took the pictures of a batch together, or one picture apart; holds the shape that came out."""


def _first_tensor(result: object) -> torch.Tensor | None:
    """Return the result, or the first tensor in it where a layer gives several."""
    if isinstance(result, dict):
        result = tuple(result.values())
    if isinstance(result, tuple | list):
        return next(filter(lambda one: one is not None, map(_first_tensor, result)), None)
    return result if isinstance(result, torch.Tensor) else None


def _is_layer(name: str, part: nn.Module) -> bool:
    """Say whether a module is one row: it holds no others, and is no network that is written in functions alone."""
    if ".parametrizations." in f".{name}.":
        return False
    return parametrize.is_parametrized(part) or not ([*part.children()] or (not name and not _is_torchs(part)))


def _is_torchs(thing: object) -> bool:
    return type(thing).__module__.startswith("torch.")


def _name(name: str, layer: nn.Module) -> str:
    """Return the layer's name; a number alone says too little."""
    kind = type(layer).__name__
    return f"{name} ({kind})" if name.rpartition(".")[2].isdigit() else name or kind


def _as_layer(name: str, args: tuple, kwargs: dict) -> nn.Module | None:
    """Return the layer that does the same as a function, where the function is a window."""
    known = {key: value for key, value in kwargs.items() if key != "return_indices"}
    try:
        return LAYERS_OF[name](*args, **known)
    except (KeyError, TypeError):
        return None


def _call(func: Callable, name: str, args: tuple, kwargs: dict) -> str:
    place = resolve_name(func) or name
    home = "F." if ".functional." in place else "x." if ".Tensor." in place else "torch."
    if name == "getitem":
        return "x[…]"
    said = [str(value) for value in args if isinstance(value, int | tuple | list)]
    said += [
        f"{key}={value}" for key, value in kwargs.items() if isinstance(value, int | tuple) and value not in (0, 1)
    ]
    said += [f"{key}=True" for key, value in kwargs.items() if value is True and key != "training"]
    return f"{home}{name}({', '.join([*([] if home == 'x.' else ['x']), *said])})"


def code(layer: nn.Module) -> str:
    """Return the layer as a line of Python with its defaults left out."""
    text = re.sub(r"\((\d+), \1\)", r"\1", str(layer) if "\n" not in str(layer) else f"{type(layer).__name__}(…)")
    defaults = ["padding=0", "dilation=1", "ceil_mode=False", "bias=True", "inplace=False", "start_dim=1", "end_dim=-1"]
    defaults += ["stride=1"] * isinstance(layer, nn.Conv1d | nn.Conv2d)
    return re.sub(rf"(, )?\b({'|'.join(defaults)})(?=[,)])", "", text).replace("(, ", "(")


def _along(layer: nn.Module, axis: int) -> dict[str, int | str]:
    """Return kernel_size, stride, padding and dilation along one axis."""
    names = ("kernel_size", "stride", "padding", "dilation")
    values = {name: getattr(layer, name, 1) for name in names}
    return {name: value[axis] if isinstance(value, tuple | list) else value for name, value in values.items()}


def _size_rule(layer: nn.Module | None, before: Shape | None, after: Shape) -> str:
    if before is None:
        return ""
    if isinstance(layer, WINDOWS) and len(before) == len(after) > 1:
        rules = [_side_rule(layer, axis, *sides) for axis, sides in enumerate(zip(before[1:], after[1:], strict=True))]
        return ", ".join(dict.fromkeys(rules))
    if len(before) > 1 and after == (prod(before),):
        return _multiplied(before)
    return ""


def _multiplied(shape: Shape) -> str:
    return f"{'·'.join(map(str, shape))} = {prod(shape)}"


def _side_rule(layer: nn.Module, axis: int, before: int, after: int) -> str:
    how = _along(layer, axis)
    if isinstance(how["padding"], str):
        return f"padding={how['padding']!r}: {before} → {after}"
    k, s, p, d = how.values()
    left, right = "⌈⌉" if getattr(layer, "ceil_mode", False) else "⌊⌋"
    span = f"{k}" if d == 1 else f"{d}·({k} − 1) − 1"
    places = before + 2 * p - arithmetic.window_span(k, d)
    dropped = " − 1" if left == "⌈" and -(-places // s) + 1 > after else ""
    return f"{left}({before} + 2·{p} − {span}) / {s}{right} + 1{dropped} = {after}"


def _count_rule(layer: nn.Module) -> str:
    bias = " + 1" if getattr(layer, "bias", None) is not None else ""
    if isinstance(layer, nn.Conv1d | nn.Conv2d):
        inner = "·".join(map(str, (layer.in_channels // layer.groups, *layer.kernel_size)))
        return f"({inner}{bias})·{layer.out_channels}"
    if isinstance(layer, nn.Linear):
        return f"({layer.in_features}{bias})·{layer.out_features}"
    return ""


def _mismatch(call: _Call, volume: Shape) -> str:
    """Say what a layer takes and what comes in, or nothing where it is not about that."""
    name, layer, before = call.name, call.layer, call.before
    if before is None:
        return (
            f"{name} gets no tensor. A layer before it gives several things: take the one that is meant, such as x[0]."
        )
    if isinstance(layer, nn.Linear):
        return _linear_mismatch(name, layer, before, volume)
    if isinstance(layer, (*WINDOWS, nn.BatchNorm2d)) and len(before) != _axes(layer):
        return _axes_mismatch(name, layer, before)
    for setting in ("in_channels", "num_features"):
        if getattr(layer, setting, before[0]) != before[0]:
            return _channel_mismatch(name, setting, getattr(layer, setting), before[0])
    return _window_mismatch(name, layer, before) if isinstance(layer, WINDOWS) else ""


def _axes_mismatch(name: str, layer: nn.Module, before: Shape) -> str:
    wanted, side = "a volume C×H×W" if _axes(layer) == 3 else "a signal C×L", before[-1] if before else 1
    if len(before) == 1:
        return f"{name} takes {wanted}, and a row of {_numbers(side)} arrives. Put it before the flattening."
    example = (1, side, side)[: _axes(layer)]
    return f"{name} takes {wanted}, and {times(before)} arrives. Say the channels too, as in {example}."


def _axes(layer: nn.Module) -> int:
    return 2 if type(layer).__name__.endswith("1d") else 3


def _numbers(count: int) -> str:
    return f"{count} number{'' if count == 1 else 's'}"


def _channel_mismatch(name: str, setting: str, wanted: int, came: int) -> str:
    arrive = f"{came} channel{' arrives' if came == 1 else 's arrive'}"
    return f"{name} takes {setting}={wanted}, and {arrive}. Write {setting}={came}."


def _row_mismatch(call: _Call, error: Exception) -> str:
    """Say what a flattening makes of a picture: rows of another length, or rows that mix the pictures of a batch."""
    flat = f"a picture of {times(call.before)} has {_multiplied(call.before)}"
    asked = re.search(r"shape '\[(.+)\]' is invalid", str(error))
    wanted = [int(size) for size in asked[1].split(", ")] if asked else error.args[0]
    if asked and (len(wanted) != 2 or wanted[0] > 0):
        return f"{call.name} asks for {asked[1]}, and {flat} in every batch. x.flatten(1) takes any number."
    width = wanted[1] if len(wanted) == 2 else prod(call.before)
    if width > 0 and width != prod(call.before) and call.name != "flatten":
        return f"{call.name} makes rows of {width} numbers, and {flat}. x.flatten(1) takes any number."
    return f"{call.name} puts the pictures of a batch together; {flat}. x.flatten(1) makes one row of each picture."


def _linear_mismatch(name: str, layer: nn.Linear, before: Shape, volume: Shape) -> str:
    wanted, numbers = layer.in_features, prod(before)
    flat = _multiplied(before)
    if len(before) == 2:
        return f"{name} takes in_features={wanted}, and a tensor of {times(before)} arrives; flattened it has {flat}."
    if len(before) > 2:
        return (
            f"{name} takes a row of in_features={wanted} numbers, and a volume of {times(before)} arrives: flatten it "
            f"first, which makes {flat}."
        )
    made = f", as {times(volume)} flattened is {_multiplied(volume)}"
    origin = made if volume and prod(volume) == numbers else ""
    return f"{name} takes in_features={wanted}, and {numbers} numbers arrive{origin}. Write in_features={numbers}."


def _window_mismatch(name: str, layer: nn.Module, before: Shape) -> str:
    for axis, side in enumerate(before[1:]):
        how = _along(layer, axis)
        try:
            arithmetic.output_size(side, **how)
            if not isinstance(layer, nn.Conv1d | nn.Conv2d):
                arithmetic.pooled_size(side, how["kernel_size"], how["stride"], how["padding"])
        except ValueError as error:
            reason, _, advice = str(error).partition(": ")
            more = "Use a smaller window, more padding or a larger picture."
            return f"{name}: {reason}. {more}" if "does not fit" in reason else f"{name}: {reason}: {advice}"
    return ""
