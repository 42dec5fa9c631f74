"""The shape tracer: which shape each layer gives, why, with how many parameters, and
what does not fit.

Nothing is computed and nothing is allocated: torch works the shapes out on its "meta"
device, where a tensor has a shape and no numbers
(https://docs.pytorch.org/docs/stable/meta.html).
"""

import copy
import html
import reprlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import prod
from numbers import Integral
from operator import itemgetter

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from helpers import layers
from helpers.layers import Shape
from helpers.sizes import times
from helpers.validation import SentenceError

LARGE = 10**9  # bytes of float32 that a layer may take before the tracer speaks of it
NEIGHBOURS = 8  # pixels more and fewer at which pictures that would fit are looked for
BATCH = 97  # pictures at once: a prime that nobody types, so it shows where it goes
MOST = 10**15  # numbers of one picture: so many for each of BATCH can be counted
POOLING = {"max_pool2d": nn.MaxPool2d, "avg_pool2d": nn.AvgPool2d}
POOLING |= {"adaptive_avg_pool2d": nn.AdaptiveAvgPool2d}
WEIGHING = nn.Conv2d.__module__, nn.Linear.__module__  # torch's layers with weights
FLATTENING = {"view", "reshape", "flatten", "ravel"}
ASKING = {"bool", "int", "float", "complex", "index", "item"}  # for numbers
ASKING |= {"tolist", "numpy", "array", "allclose", "contains"}


@dataclass
class Row:
    """One layer, or one function that `forward` calls: shapes without the batch, and
    why they are so. `module` is the layer, or one that does the same.
    """

    name: str
    layer: str
    module: nn.Module | None
    flattens: bool
    before: Shape = ()
    shape: Shape = ()
    size_rule: str = ""
    parameters: int = 0
    count_rule: str = ""

    @property
    def found(self) -> list[str]:
        """What is found about the layer: shape and why, parameters and why."""
        count = f"{self.parameters:,}" if self.parameters else ""
        return [times(self.shape), self.size_rule, count, self.count_rule]


@dataclass
class Trace:
    """What `trace` found: the rows as far as the shapes fit, in `misfit` what does not,
    in `advice` which pictures would, and in `remark` what else should be known.
    """

    input_shape: Shape
    rows: list[Row] = field(default_factory=list)
    parameters: int = 0
    misfit: str = ""
    advice: str = ""
    remark: str = ""

    @property
    def shape(self) -> Shape:
        """The last shape that could be worked out, without the batch."""
        return self.rows[-1].shape if self.rows else self.input_shape

    @property
    def trouble(self) -> str:
        """What does not fit, and the advice where there is one."""
        return f"{self.misfit} {self.advice}".strip()

    @property
    def ending(self) -> list[str]:
        """The number of all parameters, and the remark where there is one."""
        lines = f"{self.parameters:,} parameters in all.", self.remark
        return [line for line in lines if line]

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
        head, *body = self._table()
        rows = [_html_row("th", head), *(_html_row("td", line) for line in body)]
        ends = [f"<p>{html.escape(line)}</p>" for line in self._end()]
        return f"<table>{''.join(rows)}</table>{''.join(ends)}"


def _html_row(tag: str, line: list[str]) -> str:
    """Return a row where each why stands below its number, so that it is narrow."""
    name, layer, *found = map(html.escape, line)
    pairs = zip(found[::2], found[1::2], strict=True)
    below = [f"{text}<br><small>{why}</small>" if why else text for text, why in pairs]
    left = 'style="text-align: left"'
    cells = [f"<{tag} {left}>{cell}</{tag}>" for cell in (name, layer, *below)]
    return f"<tr>{''.join(cells)}</tr>"


def trace(model: nn.Module | Callable[[], nn.Module], shape: Sequence[int]) -> Trace:
    """Follow one input of the given shape, C×H×W without the batch, through a module.

    `model` is a module, which stays as it is, or what makes one when called (`Net`,
    `lambda: nn.Linear(…)`); then not even its weights are allocated. Raises ValueError
    for what is no module or no shape.
    """
    shape, model = _checked(shape), _on_meta(model)
    if len(shape) == 4 and all(layers.axes(part) != 3 for part in model.modules()):
        shape = shape[1:]  # the first is the batch
    recorder = _Recorder(model)
    found, row = recorder.follow(shape), recorder.running
    dense = row and isinstance(row.module, nn.Linear) and len(row.before) == 1
    if row and (dense or row.flattens) and len(shape) == 3:
        found.advice = _neighbours(recorder, shape)
    found.remark = " ".join(_remarks(found))
    return found


def _checked(shape: Sequence[int]) -> Shape:
    sizes = tuple(shape) if isinstance(shape, Sequence) else ()
    whole = all(isinstance(size, Integral) and size > 0 for size in sizes)
    if not whole or not 1 <= len(sizes) <= 4:
        wanted = "one to four whole numbers from 1 on, such as (1, 32, 32) for channels"
        given = reprlib.repr(shape)
        raise ValueError(f"shape must be {wanted}, height and width, not {given}.")
    sizes = tuple(map(int, sizes))
    if prod(sizes) > MOST:
        raise ValueError(f"{times(sizes)} are more numbers than torch can follow.")
    return sizes


def _on_meta(model: nn.Module | Callable[[], nn.Module]) -> nn.Module:
    """Return a copy for prediction, whose tensors have no numbers, without hooks."""
    try:
        if not isinstance(model, nn.Module) and callable(model):
            with torch.device("meta"):
                model = model()
        model = getattr(model, "_orig_mod", model)  # what torch.compile has wrapped
        with _Shadows():
            copied = copy.deepcopy(model)
    except Exception as error:  # whatever a student's own class does
        reason = f"{type(error).__name__}: {_first_line(error)}"
        raise ValueError(f"The model cannot be made: {reason}.") from None
    _check(copied)
    for part in copied.modules():
        part._forward_hooks.clear()
        part._forward_pre_hooks.clear()
    return copied.eval()


def _check(model: nn.Module) -> None:
    if not isinstance(model, nn.Module):
        wanted = "an nn.Module, or a function that makes one"
        raise SentenceError(f"model must be {wanted}, not {reprlib.repr(model)}.")
    for name, part in model.named_modules():
        kind = layers.name_of(name, part)
        if isinstance(part, torch.jit.ScriptModule):
            way = "Give the module that it was made from"
            raise SentenceError(f"{kind} is compiled and cannot be followed. {way}.")
        if any(map(nn.parameter.is_lazy, part.parameters(recurse=False))):
            way = "Call the model once with a picture, or write them"
            raise SentenceError(f"{kind} does not know all its sizes yet. {way}.")


class _Shadows(TorchFunctionMode):
    """Copies a tensor as one with its shape and without its numbers."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func.__name__ in ("__deepcopy__", "clone"):
            return args[0].detach().to("meta")
        return func(*args, **(kwargs or {}))


def _tensors(things: object) -> list[Tensor]:
    """Return each tensor in things that may be nested, in order."""
    if isinstance(things, Tensor):
        return [things]
    inner = things.values() if isinstance(things, dict) else things
    nested = isinstance(things, list | tuple | dict)
    return [one for thing in inner for one in _tensors(thing)] if nested else []


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")


def _neighbours(recorder: "_Recorder", shape: Shape) -> str:
    """Say which pictures of about this size would fit."""
    channels, *sides = shape
    steps = range(max(-NEIGHBOURS, 1 - min(sides)), NEIGHBOURS + 1)
    near = [(channels, *(side + step for side in sides)) for step in steps]
    fit = [times(one[1:]) for one in near if not recorder.follow(one).misfit]
    span = " to ".join(dict.fromkeys(fit[:1] + fit[-1:]))
    return f"Or feed pictures of {span}: those fit." if fit else ""


def _remarks(found: Trace) -> Iterator[str]:
    rows = found.rows
    parts = [(row.parameters, f"parameters of {row.name}") for row in rows]
    parts += [
        (prod(row.shape), f"output of {row.name} for one picture") for row in rows
    ]
    numbers, part = max(parts, key=itemgetter(0), default=(0, ""))
    if 4 * numbers > LARGE:
        size = f"{(40 * numbers + LARGE // 2) // LARGE / 10:,.1f} GB as float32"
        yield f"The {part} would take {size}. Nothing of it was allocated here."
    rest = found.parameters - sum(row.parameters for row in rows)
    if rest and not found.misfit:
        yield f"{rest:,} of the parameters belong to no layer that ran."
    volume = found.input_shape  # its axes are those that the last window has left
    for row in rows:
        if layers.is_window(row.module):
            volume = row.shape
        dense = isinstance(row.module, nn.Linear)
        if dense and len(volume) == 3 and row.before == volume:
            yield f"{row.name} took the last axis alone: no Flatten?"
            return


class _NumbersWanted(Exception):
    """Raised where `forward` asks for the numbers in a tensor."""


class _Recorder(TorchFunctionMode):
    """Notes each layer that runs, and each function called on pictures between them."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        for name, part in layers.named(model):
            part.forward = partial(self._layer, name, part, part.forward)

    def follow(self, shape: Shape) -> Trace:
        """Run the model on pictures of a shape; `running` keeps what did not end."""
        weights, self.used, self.counted = [*self.model.parameters()], set(), set()
        found = Trace(shape, parameters=sum(p.numel() for p in weights))
        self.rows, self.running = found.rows, None
        dtype = next((p.dtype for p in weights if p.is_floating_point()), None)
        pictures = torch.empty(BATCH, *shape, dtype=dtype, device="meta")
        try:
            with torch.no_grad(), torch.device("meta"), self:
                if self.model(pictures) is None:
                    found.misfit = "forward gives nothing back: is a return missing?"
        # a student's own forward may fail in any way, and gets a sentence for it
        except Exception as error:
            found.misfit = self._explain(error, shape)
        return found

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name, kwargs = layers.plain_name(func), kwargs or {}
        if name in ASKING:
            raise _NumbersWanted(name)
        call = _on_no_device(func, name, args, kwargs)
        try:
            if self.running or name == "get":
                return call()
            found = _tensors([args, kwargs])
            self.used |= {one for one in found if isinstance(one, nn.Parameter)}
            how = {key: one for key, one in kwargs.items() if key != "input"}
            pooling = POOLING[name](*args[1:], **how) if name in POOLING else None
            text = layers.call(func, args, kwargs, {BATCH: "x.size(0)"})
            row = Row(name, text, pooling, name in FLATTENING)
            return self._run(row, call, [args, kwargs])
        except NotImplementedError:  # its shape would depend on the numbers
            raise _NumbersWanted(name) from None

    def _layer(self, name, layer, forward, *args, **kwargs):
        if self.running:  # a layer inside a layer
            return forward(*args, **kwargs)
        self.used |= {*layer.parameters()}
        row = Row(name, layers.code(layer), layer, isinstance(layer, nn.Flatten))
        return self._run(row, partial(forward, *args, **kwargs), [args, kwargs])

    def _run(self, row: Row, call: Callable, inputs: list) -> object:
        """Run a layer or a function, and note it where pictures come in."""
        shape = next((tuple(one.shape) for one in _tensors(inputs)), ())
        row.before, self.running = shape[1:], row
        own = type(row.module).__module__ in WEIGHING and shape[:1] == (BATCH,)
        if own and row.before and layers.misfit("", row.module, row.before, ()):
            raise ValueError("without numbers torch does not see it itself")
        result = call()
        leaving = _tensors(result)
        if leaving and (row.module or shape[:1] == (BATCH,)):
            self._note(row, tuple(leaving[0].shape))
        self.running = None
        return result

    def _note(self, row: Row, shape: Shape) -> None:
        few = 2 if row.flattens else layers.axes(row.module)
        if few and len(shape) <= few and shape[:1] != (BATCH,):
            raise ValueError("pictures were taken together or apart")
        if prod(shape[1:]) > MOST:
            raise OverflowError("a batch of it cannot be counted")
        new = self.used - self.counted
        self.counted |= new
        row.shape, row.parameters = shape[1:], sum(p.numel() for p in new)
        row.size_rule = layers.size_rule(row.module, row.before, row.shape)
        row.count_rule = layers.count_rule(row.module, row.parameters)
        self.rows.append(row)

    def _explain(self, error: Exception, shape: Shape) -> str:
        """Say what does not fit, with the layer's name and the two numbers."""
        row, reason = self.running, _first_line(error)
        if isinstance(error, _NumbersWanted):
            asks = f"forward asks for the numbers in a tensor ({error})"
            way = "Call the model with a picture instead"
            return f"{asks}, and the tracer has shapes alone. {way}."
        if row is None:
            return f"forward stopped with {type(error).__name__}: {reason}."
        if row.flattens and row.before:
            flat = f"one of {times(row.before)} has {layers.multiplied(row.before)}"
            wrong = f"{row.layer} does not give one row for each picture"
            return f"{row.name}: {wrong}: {flat} numbers. x.flatten(1) does."
        if not row.before:
            return f"{row.name} stopped: {reason}."
        volumes = [shape, *(row.shape for row in self.rows if len(row.shape) > 1)]
        misfit = layers.misfit(row.name, row.module, row.before, volumes[-1])
        here = times(row.before)
        heavy = type(row.module).__module__ in WEIGHING and prod(row.before) > 10**8
        if not misfit and (heavy or isinstance(error, OverflowError)):
            return f"{row.name} makes too many numbers of {here} for torch."
        return misfit or f"{row.name} stopped at {here}: {reason}."


def _on_no_device(func: Callable, name: str, args: tuple, kwargs: dict) -> Callable:
    """Return the call, but on no other device, as there are no numbers to move."""
    if name in ("to", "cpu", "cuda"):
        given = [*args[1:], *kwargs.values()]
        kinds = [one for one in given if isinstance(one, torch.dtype)]
        return partial(Tensor.to, args[0], *(kinds or ["meta"]))
    how = {key: value for key, value in kwargs.items() if key != "device"}
    return partial(func, *args, **how)
