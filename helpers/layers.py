"""What there is to say about one layer: its line of Python, why its output has that
shape and why it has so many parameters, and why it does not take what arrives.

Shapes are without the batch, from the channels on.
"""

import inspect
from collections.abc import Callable
from math import gcd, prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import resolve_name

from helpers.sizes import counted, times, window_span

KINDS = "Conv", "ConvTranspose", "MaxPool", "AvgPool", "BatchNorm", "InstanceNorm"
KINDS += "AdaptiveAvgPool", "AdaptiveMaxPool"
AXES = {getattr(nn, f"{kind}{n}d"): n for kind in KINDS for n in (1, 2, 3)}
VOLUMES = "", "a signal C×L", "a volume C×H×W", "a volume C×D×H×W"
LEAST = {"kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1}
LEAST |= {"output_padding": 0, "output_size": 0}
Shape = tuple[int, ...]


def multiplied(shape: Shape) -> str:
    """Return how many numbers a shape holds, such as 16·6·6 = 576."""
    return f"{'·'.join(map(str, shape))} = {prod(shape)}"


def axes(layer: nn.Module | None) -> int:
    """Return along how many axes a layer of windows or channels works, or 0."""
    return next((n for kind, n in AXES.items() if isinstance(layer, kind)), 0)


def is_window(layer: nn.Module | None) -> bool:
    """Say whether the layer is a convolution or a pooling."""
    return axes(layer) > 0 and not hasattr(layer, "num_features")


def named(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the layers of torch's, and modules without parts, with their names."""
    parts = model.named_modules()
    return [(name_of(*one), one[1]) for one in parts if _is_layer(*one)]


def _is_layer(name: str, part: nn.Module) -> bool:
    home = type(part).__module__
    if home.startswith(("torch.nn.modules.", "torch.nn.utils.")):
        return home != "torch.nn.modules.container"
    # The network itself may be written in functions alone.
    return name != "" and not [*part.children()]


def name_of(name: str, part: nn.Module) -> str:
    """Return what a part is called: a number alone says too little."""
    kind = type(part).__name__
    return f"{name} ({kind})" if name.rpartition(".")[2].isdigit() else name or kind


def code(layer: nn.Module) -> str:
    """Return the layer as a line of Python with its defaults left out."""
    usual = _defaults(type(layer))
    if not usual:
        return " ".join(str(layer).split())
    how = {name: _setting(layer, name, value) for name, value in usual.items()}
    return f"{type(layer).__name__}({', '.join(_said(how, usual))})"


def call(func: Callable, args: tuple, kwargs: dict, known: dict[int, str]) -> str:
    """Return the call of a torch function on x as it was written, with defaults left
    out; `known` are numbers that have a name.
    """
    name, place = plain_name(func), resolve_name(func) or ""
    if name == "getitem":
        return "x[…]"
    said = [_shown(value, known) for value in args]
    if args and isinstance(args[0], Tensor):
        said[0] = "x"
    home = "F" if place.startswith("torch.nn.functional.") else "torch"
    if place.startswith("torch.Tensor."):
        home = said.pop(0)
    # what follows the mode of the network says nothing about the function
    how = {key: value for key, value in kwargs.items() if key != "training"}
    said += _said(how, _defaults(getattr(F, f"_{name}", func)), known)
    return f"{home}.{name}({', '.join(said)})"


def plain_name(func: Callable) -> str:
    """Return the name of a function, without the underscores of Python's own."""
    name = func.__name__
    return name.strip("_") if name.startswith("__") else name


def _setting(layer: nn.Module, name: str, usual: object) -> object:
    value = getattr(layer, name, usual)
    if name == "bias":
        return isinstance(value, Tensor) or value is True
    alike = isinstance(value, tuple | list) and len({*map(_shown, value)}) == 1
    return value[0] if alike else value


def _defaults(function: Callable) -> dict[str, object]:
    """Return the default of each argument that has a name, where Python knows it."""
    try:
        arguments = inspect.signature(function).parameters
    except ValueError:  # it is written in C++
        return {}
    others = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    return {k: one.default for k, one in arguments.items() if one.kind not in others}


def _said(how: dict, usual: dict, known: dict | None = None) -> list[str]:
    """Return what differs from the defaults as the arguments of a call."""
    said = {name: _shown(value, known) for name, value in how.items()}
    return [
        text if name in ("in_channels", "out_channels") else f"{name}={text}"
        for name, text in said.items()
        if name == "p" or name not in usual or text != _shown(usual[name])
    ]


def _shown(value: object, known: dict[int, str] | None = None) -> str:
    """Return a value as Python writes it, or … for what is no number and no text."""
    if isinstance(value, tuple | list):
        inner = ", ".join(_shown(one, known) for one in value)
        comma = "," * (len(value) == 1)
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{comma})"
    if not isinstance(value, int | float | str | torch.dtype | None):
        return "…"
    return (known or {}).get(value, repr(value))


def size_rule(layer: nn.Module | None, before: Shape, after: Shape) -> str:
    """Return how the sizes come from those before, or "" where there is no formula."""
    if is_window(layer) and len(before) == len(after) == axes(layer) + 1:
        sides = enumerate(zip(before[1:], after[1:], strict=True))
        rules = [_side_rule(layer, axis, *pair) for axis, pair in sides]
        return ", ".join(dict.fromkeys(rules))
    flat = len(before) > 1 and after == (prod(before),)
    return multiplied(before) if flat else ""


def _along(layer: nn.Module, axis: int) -> list:
    """Return the settings of LEAST along one axis."""
    values = [getattr(layer, name, least) for name, least in LEAST.items()]
    along = [v[axis] if isinstance(v, tuple | list) else v for v in values]
    return [0 if value == "valid" else value for value in along]


def _size(layer: nn.Module, axis: int, side: int) -> int:
    """Return the size along one axis after a convolution, or pooling without ceil."""
    k, s, p, d, more, _ = _along(layer, axis)
    if p == "same":
        return side
    if getattr(layer, "transposed", False):
        return (side - 1) * s - 2 * p + window_span(k, d) + more
    return (side + 2 * p - window_span(k, d)) // s + 1


def _side_rule(layer: nn.Module, axis: int, before: int, after: int) -> str:
    k, s, p, d, more, asked = _along(layer, axis)
    if hasattr(layer, "output_size"):
        return f"output_size={asked}: {before} → {after}"
    if p == "same":
        return f"padding={p!r}: {before} → {after}"
    if getattr(layer, "transposed", False):
        more += after - _size(layer, axis, before)  # forward may ask for a size
        span = f"{k} + {more}" if d == 1 else f"{d}·({k} − 1) + {more} + 1"
        return f"({before} − 1)·{s} − 2·{p} + {span} = {after}"
    left, right = "⌈⌉" if getattr(layer, "ceil_mode", False) else "⌊⌋"
    span = f"{k}" if d == 1 else f"{d}·({k} − 1) − 1"
    rest = before + 2 * p - window_span(k, d)
    # the last window would start in the padding
    dropped = " − 1" * (left == "⌈" and -(-rest // s) + 1 > after)
    return f"{left}({before} + 2·{p} − {span}) / {s}{right} + 1{dropped} = {after}"


def count_rule(layer: nn.Module | None, count: int) -> str:
    """Return how weights and biases make the count, or "" where there is no formula."""
    if isinstance(layer, nn.Linear):
        inner, outer, groups = [layer.in_features], layer.out_features, 1
    elif axes(layer) and hasattr(layer, "out_channels"):
        inner, groups = [layer.in_channels, *layer.kernel_size], layer.groups
        outer = layer.out_channels
    else:
        return ""
    bias = layer.bias is not None
    more = count - (prod(inner) // groups + bias) * outer
    inner[0] = f"{inner[0]}/{groups}" if groups > 1 else inner[0]
    rule = f"({'·'.join(map(str, inner))}{' + 1' * bias})·{outer}"
    if more:
        rule += f" + {more} more" if more > 0 else f" − {-more} counted above"
    return rule if count else ""


def misfit(name: str, layer: nn.Module, before: Shape, volume: Shape) -> str:
    """Return what a layer takes and what arrives, or "" where it is not about that;
    `volume` is the last shape with several axes.
    """
    if isinstance(layer, nn.Linear):
        return _linear_misfit(name, layer.in_features, before, volume)
    if not axes(layer):
        return ""
    wanted, came = axes(layer) + 1, before[0]
    if len(before) != wanted and not isinstance(layer, nn.BatchNorm1d):
        return f"{name} takes {VOLUMES[axes(layer)]}, and {_arrival(before, wanted)}."
    for setting in ("in_channels", "num_features"):
        if getattr(layer, setting, came) != came:
            takes = f"{name} takes {setting}={getattr(layer, setting)}"
            arrive = "1 channel arrives" if came == 1 else f"{came} channels arrive"
            return f"{takes}, and {arrive}. Write {setting}={came}."
    wrong = _window_misfit(layer, before) if hasattr(layer, "kernel_size") else ""
    return wrong and f"{name}: {wrong}"


def _arrival(before: Shape, wanted: int) -> str:
    if len(before) == 1:
        row = f"a row of {counted(before[0], 'number')} arrives"
        return f"{row}. Put it before the flattening"
    more = f". Say the channels too, as in {(1, *before)}"
    return f"{times(before)} arrives{more * (len(before) == wanted - 1)}"


def _linear_misfit(name: str, wanted: int, before: Shape, volume: Shape) -> str:
    numbers, takes = prod(before), f"in_features={wanted}"
    if before[-1] == wanted:
        return ""
    if len(before) > 1:
        way = f"flatten it first, which makes {multiplied(before)}"
        arrives = f"a volume of {times(before)} arrives: {way}"
        return f"{name} takes a row of {takes} numbers, and {arrives}."
    known = prod(volume) == numbers
    origin = f", as {times(volume)} flattened is {multiplied(volume)}" * known
    arrive = f"{numbers} numbers arrive{origin}"
    return f"{name} takes {takes}, and {arrive}. Write in_features={numbers}."


def _window_misfit(layer: nn.Module, before: Shape) -> str:
    names = "in_channels", "out_channels", "groups"
    inner, outer, groups = (getattr(layer, name, 1) for name in names)
    if (most := gcd(inner, outer, groups)) < groups:
        both = f"both in_channels {inner} and out_channels {outer}"
        return f"groups {groups} must divide {both}. Use {most}."
    wrong = [_side_misfit(layer, *one) for one in enumerate(before[1:])]
    return next(filter(None, wrong), "")


def _side_misfit(layer: nn.Module, axis: int, side: int) -> str:
    k, s, p, d, more, _ = values = _along(layer, axis)
    for (name, least), value in zip(LEAST.items(), values, strict=True):
        if value != "same" and value < least:
            return f"{name} must be {least} or more, not {value}."
    size, transposed = _size(layer, axis, side), getattr(layer, "transposed", False)
    if transposed and more >= max(s, d):
        others = f"stride {s} or dilation {d}. Use at most {max(s, d) - 1}"
        return f"output_padding {more} must be smaller than {others}."
    if size >= 1:
        most = f"kernel_size {k}: use {k // 2} or less"
        pools = not hasattr(layer, "out_channels") and 2 * p > k
        return f"padding {p} is more than half of {most}." if pools else ""
    if transposed:
        ends = f"padding {p} takes {counted(p, 'pixel')} off each end of {size + 2 * p}"
        return f"{ends}, and none is left. Use at most {(size - 1) // 2 + p}."
    window = f"A window of {window_span(k, d)} (kernel_size {k}, dilation {d})"
    room = f"{counted(side + 2 * p, 'pixel')} (input_size {side}, padding {p})"
    ways = "Use a smaller window, more padding or a larger picture."
    return f"{window} does not fit into {room}. {ways}"
