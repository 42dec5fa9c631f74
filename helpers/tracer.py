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
from torch.overrides import TorchFunctionMode, resolve_name

from helpers import arithmetic

LARGE = 100_000_000  # bytes of float32 that a layer may take before the tracer speaks of it
WINDOWS = nn.Conv1d | nn.Conv2d | nn.MaxPool1d | nn.MaxPool2d | nn.AvgPool1d | nn.AvgPool2d
ROWS = {"view", "reshape"}
LAYERS_OF = {"max_pool2d": nn.MaxPool2d, "avg_pool2d": nn.AvgPool2d, "max_pool1d": nn.MaxPool1d}
NEIGHBOURS = 8  # pixels more and fewer at which the tracer looks for pictures that would fit
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
        lines = [
            ["", "layer", "shape", "why this shape", "parameters", "why so many"],
            ["input", "", times(self.input_shape), "", "", ""],
        ]
        for row in self.rows:
            count = f"{row.parameters:,}" if row.parameters else ""
            lines.append([row.name, row.layer, times(row.shape), row.size_rule, count, row.count_rule])
        return lines

    def _end(self) -> list[str]:
        ends = [f"✗ {self.trouble}" if self.trouble else "", f"{self.parameters:,} parameters in all.", self.remark]
        return [line for line in ends if line]

    def __repr__(self) -> str:
        table = self._table()
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in table]
        return "\n".join(lines + self._end())

    def _repr_html_(self) -> str:
        head, *body = [[html.escape(text) for text in line] for line in self._table()]
        rows = "".join(f"<tr>{''.join(f'<td>{text}</td>' for text in line)}</tr>" for line in body)
        ends = "".join(f"<p>{html.escape(line)}</p>" for line in self._end())
        return f"<table><tr>{''.join(f'<th>{text}</th>' for text in head)}</tr>{rows}</table>{ends}"


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
    """Return a copy of the module whose tensors have shapes and no numbers."""
    if not isinstance(model, nn.Module) and callable(model):
        with torch.device("meta"):
            model = model()
    if not isinstance(model, nn.Module):
        raise ValueError(f"model must be an nn.Module, or a function that makes one, not {reprlib.repr(model)}.")
    tensors = [*model.parameters(), *model.buffers()]
    if any(nn.parameter.is_lazy(tensor) for tensor in tensors):
        raise ValueError("The model has lazy layers, whose sizes are not known yet: run it once on a small batch.")
    shadows = {id(tensor): tensor.detach().to("meta").requires_grad_(tensor.requires_grad) for tensor in tensors}
    shadows |= {id(p): nn.Parameter(shadows[id(p)], p.requires_grad) for p in model.parameters()}
    return copy.deepcopy(model, shadows).eval()


def _follow(model: nn.Module, shape: Shape, look_around: bool = True) -> Trace:
    recorder = _Recorder(model)
    found = Trace(shape, recorder.rows, sum(p.numel() for p in model.parameters()))
    try:
        with torch.no_grad(), torch.device("meta"):
            picture = torch.empty(1, *shape)
            with recorder:
                model(picture)
    except Exception as error:  # a student's own forward may fail in any way, and gets a sentence for it
        found.trouble = recorder.explain(error)
    finally:
        recorder.close()
    if look_around and found.trouble and recorder.is_about_the_row():
        found.trouble += _neighbours(model, shape)
    found.remark = _remark(found)
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


def _remark(found: Trace) -> str:
    row = max(found.rows, key=lambda row: max(row.parameters, prod(row.shape)), default=None)
    size = 4 * max(row.parameters, prod(row.shape)) if row else 0
    if size <= LARGE:
        return ""
    part = f"parameters of {row.name}" if row.parameters >= prod(row.shape) else f"output of {row.name} for one picture"
    amount = f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"
    return f"The {part} would take {amount} as float32. Nothing of it was allocated here."


class _Recorder(TorchFunctionMode):
    """Notes each layer that runs, and each torch function that `forward` calls between them."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.rows: list[Row] = []
        self.volume: Shape = ()  # the last shape with several axes
        self.running: list[tuple] = []
        self.counted: set[int] = set()
        leaves = [(_name(name, leaf), leaf) for name, leaf in model.named_modules() if not [*leaf.children()]]
        self.handles = [leaf.register_forward_pre_hook(partial(self._enter, name)) for name, leaf in leaves]
        self.handles += [leaf.register_forward_hook(self._leave) for _, leaf in leaves]

    def close(self) -> None:
        """Take the hooks off again."""
        for handle in self.handles:
            handle.remove()

    def __torch_function__(self, func: Callable, types: object, args: tuple = (), kwargs: dict | None = None) -> object:
        kwargs = kwargs or {}
        if self.running:
            return func(*args, **kwargs)
        name = getattr(func, "__name__", "function").strip("_")
        self._begin(name, _as_layer(name, args[1:], kwargs), _call(func, name, args), args)
        result = func(*args, **kwargs)
        if isinstance(result, torch.Tensor):
            if name in ROWS and result.ndim == 2 and len(result) != 1:  # one picture would become several rows
                raise RuntimeError(f"shape '[-1, {result.shape[1]}]' is invalid for input of size {result.numel()}")
            self._leave(None, args, result)
        else:
            self.running.pop()
        return result

    def _enter(self, name: str, layer: nn.Module, args: tuple) -> None:
        self._begin(name, layer, code(layer), args)

    def _begin(self, name: str, layer: nn.Module | None, text: str, args: tuple) -> None:
        before = next((tuple(x.shape[1:]) for x in args if isinstance(x, torch.Tensor)), ())
        self.running.append((name, layer, text, before))
        if len(before) > 1:
            self.volume = before

    def _leave(self, module: nn.Module | None, _args: tuple, result: object) -> None:
        name, layer, text, before = self.running.pop()
        if isinstance(result, torch.Tensor):
            count = self._count(module) if module else 0
            after = tuple(result.shape[1:])
            rule = _count_rule(module) if count else ""
            self.rows.append(Row(name, text, after, _size_rule(layer, before, after), count, rule))

    def _count(self, layer: nn.Module) -> int:
        """Return the layer's parameters, but none that another layer shares and that are counted already."""
        new = {id(p): p.numel() for p in layer.parameters() if id(p) not in self.counted}
        self.counted |= new.keys()
        return sum(new.values())

    def explain(self, error: Exception) -> str:
        """Return what does not fit, in one or two sentences with the layer's name and the two numbers."""
        first = str(error).partition("\n")[0].rstrip(".")
        if not self.running:
            return f"forward stopped with {type(error).__name__}: {first}."
        name, layer, _, before = self.running[-1]
        return (
            _mismatch(name, layer, before, self.volume, first)
            or f"{name} stopped{' at ' * bool(before)}{times(before)}: {first}."
        )

    def is_about_the_row(self) -> bool:
        """Say whether it stopped where a picture has become one row of numbers, whose length depends on its size."""
        name, layer, _, before = self.running[-1] if self.running else ("", None, "", ())
        return name in ROWS or (isinstance(layer, nn.Linear) and len(before) == 1)


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


def _call(func: Callable, name: str, args: tuple) -> str:
    place = resolve_name(func) or name
    home = "F." if ".functional." in place else "x." if ".Tensor." in place else "torch."
    values = [str(value) for value in args if isinstance(value, int | tuple)]
    return f"{home}{name}({', '.join([*([] if home == 'x.' else ['x']), *values])})"


def code(layer: nn.Module) -> str:
    """Return the layer as a line of Python with its defaults left out."""
    text = re.sub(r"\((\d+), \1\)", r"\1", str(layer))
    defaults = ["padding=0", "dilation=1", "ceil_mode=False", "bias=True", "inplace=False", "start_dim=1", "end_dim=-1"]
    defaults += ["stride=1"] * isinstance(layer, nn.Conv1d | nn.Conv2d)
    return re.sub(rf"(, )?\b({'|'.join(defaults)})(?=[,)])", "", text).replace("(, ", "(")


def _along(layer: nn.Module, axis: int) -> dict[str, int | str]:
    """Return kernel_size, stride, padding and dilation along one axis."""
    names = ("kernel_size", "stride", "padding", "dilation")
    values = {name: getattr(layer, name, 1) for name in names}
    return {name: value[axis] if isinstance(value, tuple) else value for name, value in values.items()}


def _size_rule(layer: nn.Module | None, before: Shape, after: Shape) -> str:
    if isinstance(layer, WINDOWS) and len(before) == len(after) > 1:
        rules = [_side_rule(layer, axis, *sides) for axis, sides in enumerate(zip(before[1:], after[1:], strict=True))]
        return ", ".join(dict.fromkeys(rules))
    if len(before) > 1 and after == (prod(before),):
        return f"{'·'.join(map(str, before))} = {after[0]}"
    return ""


def _side_rule(layer: nn.Module, axis: int, before: int, after: int) -> str:
    how = _along(layer, axis)
    if isinstance(how["padding"], str):
        return f"padding={how['padding']!r}: {before} → {after}"
    k, s, p, d = how.values()
    (left, right), span = (
        "⌈⌉" if getattr(layer, "ceil_mode", False) else "⌊⌋",
        f"{k}" if d == 1 else f"{d}·({k} − 1) − 1",
    )
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


def _mismatch(name: str, layer: nn.Module | None, before: Shape, volume: Shape, first: str) -> str:
    """Say what a layer takes and what comes in, or nothing where it is not about that."""
    if isinstance(layer, nn.Linear):
        return _linear_mismatch(name, layer, before, volume)
    if isinstance(layer, WINDOWS):
        return _window_mismatch(name, layer, before)
    if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) and before and before[0] != layer.num_features:
        return (
            f"{name} takes num_features={layer.num_features}, and {before[0]} arrive. Write num_features={before[0]}."
        )
    shaped = re.match(r"shape '\[(.*)\]' is invalid for input of size (\d+)", first)
    if not shaped:
        return ""
    wanted, origin = shaped[1].split(", ")[-1], f"{times(before)} has {'·'.join(map(str, before))} = {shaped[2]}"
    return f"{name} makes rows of {wanted} numbers, and a picture of {origin}. x.flatten(1) takes any number."


def _linear_mismatch(name: str, layer: nn.Linear, before: Shape, volume: Shape) -> str:
    wanted, numbers = layer.in_features, prod(before)
    if len(before) > 1:
        return (
            f"{name} takes a row of in_features={wanted} numbers, and a volume of {times(before)} arrives: flatten it "
            f"first, which makes {'·'.join(map(str, before))} = {numbers}."
        )
    origin = (
        f", as {times(volume)} flattened is {'·'.join(map(str, volume))} = {numbers}" if prod(volume) == numbers else ""
    )
    return f"{name} takes in_features={wanted}, and {numbers} numbers arrive{origin}. Write in_features={numbers}."


def _window_mismatch(name: str, layer: nn.Module, before: Shape) -> str:
    if len(before) < 2:
        return (
            f"{name} takes a volume C×H×W, and a row of {prod(before)} numbers arrives. Put it before the flattening."
        )
    convolves = isinstance(layer, nn.Conv1d | nn.Conv2d)
    if convolves and before[0] != layer.in_channels:
        wanted = f"in_channels={before[0]}"
        return f"{name} takes in_channels={layer.in_channels}, and {before[0]} channels arrive. Write {wanted}."
    for axis, side in enumerate(before[1:]):
        how = _along(layer, axis)
        try:
            arithmetic.output_size(side, **how)
            if not convolves:
                arithmetic.pooled_size(side, how["kernel_size"], how["stride"], how["padding"])
        except ValueError as error:
            return f"{name}: {error}"
    return ""
