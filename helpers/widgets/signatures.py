"""The whole signatures of the layers that slide a window, and with which settings no
window fits.

Every setting that torch takes apart for height and width is a pair here. The sentences
go to the page too, which finds the same reasons; the tests compare both with torch.
"""

import torch
from torch import nn

from helpers.sizes import window_span
from helpers.validation import SentenceError

Settings = dict[str, object]
KINDS = {
    "Conv2d": ["in_channels", "out_channels", "kernel_size", "stride", "padding"]
    + ["same", "dilation", "groups", "bias", "padding_mode"],
    "ConvTranspose2d": ["in_channels", "out_channels", "kernel_size", "stride"]
    + ["padding", "output_padding", "dilation", "groups", "bias"],
    "MaxPool2d": ["kernel_size", "stride", "padding", "dilation", "ceil_mode"],
    "AvgPool2d": ["kernel_size", "stride", "padding", "ceil_mode"]
    + ["count_include_pad", "divisor_override"],
}
RANGES = {
    "input_size": (1, 12),
    "kernel_size": (1, 7),
    "stride": (1, 4),
    "padding": (0, 3),
    "dilation": (1, 3),
    "output_padding": (0, 3),
    "in_channels": (1, 3),
    "out_channels": (1, 4),
    "groups": (1, 4),
    "divisor_override": (0, 16),
}
PAIRS = [*RANGES][:6]
COUNTS = ["in_channels", "out_channels"]
MODES = ["zeros", "reflect", "replicate", "circular"]
# What a layer has that does not take the setting.
NEUTRAL = {"dilation": (1, 1), "output_padding": (0, 0), "groups": 1, "bias": False}
NEUTRAL |= {"same": False, "padding_mode": "zeros", "divisor_override": 0}
NEUTRAL |= {"ceil_mode": False, "count_include_pad": True, "out_channels": 1}
# What the line of code leaves out: torch's defaults, but for what the formula has.
USUAL = {"output_padding": 0, "groups": 1, "bias": True, "padding_mode": "zeros"}
USUAL = {kind: USUAL | {"dilation": 1, "divisor_override": 0} for kind in KINDS}
del USUAL["Conv2d"]["dilation"]
HALF = (
    "padding {{padding}} is more than half of kernel_size {{kernel_size}}; torch says: "
    "pad should be {}kernel size. Choose {{half}} or less."
)
ROOM = (
    "A window of {{span}} (kernel_size {{kernel_size}}, dilation {{dilation}}) does "
    "not fit into a side of {{room}} (input_size {{input_size}}, padding {{padding}}); "
    "torch says: {}. Choose a smaller window, or a side longer by {{more}}."
)
TROUBLES = {
    "groups": "in_channels={in_channels} and out_channels={out_channels} cannot be "
    "shared out among groups={groups}; torch says: channels must be divisible by "
    "groups. Choose in_channels and out_channels that are both multiples of groups.",
    "same": "padding='same' keeps the size, and stride {stride} makes it smaller; "
    "torch says: padding='same' is not supported for strided convolutions. Choose "
    "stride 1, or a padding in numbers.",
    "output_padding": "output_padding {output_padding} is smaller neither than stride "
    "{stride} nor than dilation {dilation}; torch says: output padding must be smaller "
    "than either stride or dilation. It stands for left-over pixels, and a stride of "
    "{stride} leaves at most {left}.",
    "empty": "({input_size} − 1)·{stride} − 2·{padding} + {dilation}·({kernel_size} − "
    "1) + {output_padding} + 1 = {size}: nothing is left; torch says: Output size is "
    "too small. Choose less padding, or a larger window.",
    "half": HALF.format("at most half of effective "),
    "half_plain": HALF.format("smaller than or equal to half of "),
    "reflect": "padding {after} cannot be mirrored from {input_size} pixels, as the "
    "pixel at the edge is not repeated; torch says: Padding size should be less than "
    "the corresponding input dimension. Choose {inner} or less, or a larger input.",
    "circular": "padding {after} goes around {input_size} pixels more than once; "
    "torch says: Padding value causes wrapping around more than once. Choose "
    "{input_size} or less, or a larger input.",
    "window": ROOM.format("Kernel size can't be greater than actual input size"),
    "pool": ROOM.format("Output size is too small"),
    "alone": "kernel_size {kernel_size} with dilation {dilation} and padding {padding} "
    "reads nothing but padding at one place, and the largest of nothing is −∞. torch "
    "does not refuse it, and its backward pass may crash. Choose less padding or less "
    "dilation.",
}


def trouble(kind: str, settings: Settings) -> str:
    """Return why torch finds no place for a window, as a sentence, or "".

    `settings` has every setting of the layer, "input_size" and "in_channels".
    """
    taken = [*KINDS[kind], "input_size", "in_channels"]
    how = NEUTRAL | {name: settings[name] for name in taken}
    sides = [_side(kind, how, axis) for axis in (0, 1)]
    found = (
        sentence.format(**side)
        for key, sentence in TROUBLES.items()
        for side in sides
        if side["troubles"][key]
    )
    return next(found, "")


def _side(kind: str, how: Settings, axis: int) -> dict[str, object]:
    """Return the numbers of one side, and which troubles it has."""
    side = how | {name: how[name][axis] for name in PAIRS}
    n, k, s, p, d, rest = (side[name] for name in PAIRS)
    mode, pools = how["padding_mode"], "Pool" in kind
    span = window_span(k, d)
    room, after = (n + span - 1, span // 2) if how["same"] else (n + 2 * p, p)
    size = (n - 1) * s - 2 * p + span + rest
    beyond = s - 1 if how["ceil_mode"] else 0
    starts = range(-p, min(room - p - span + beyond + 1, n), s)
    side |= {"span": span, "room": room, "more": span - room, "size": size}
    side |= {"after": after, "left": s - 1, "half": k // 2, "inner": n - 1}
    side["troubles"] = {
        "groups": how["in_channels"] % how["groups"]
        or how["out_channels"] % how["groups"],
        "same": how["same"] and s > 1,
        "output_padding": rest >= max(s, d),
        "empty": kind == "ConvTranspose2d" and size < 1,
        "half": pools and 2 * p > span,
        "half_plain": pools and 2 * p > k,
        "reflect": mode == "reflect" and after >= n,
        "circular": mode == "circular" and after > n,
        "window": kind == "Conv2d" and span > room,
        "pool": pools and span - room > beyond,
        "alone": kind == "MaxPool2d"
        and any(not {*range(n)} & {*range(at, at + span, d)} for at in starts),
    }
    return side


def read(layer: nn.Module) -> tuple[str, Settings]:
    """Return the class and the settings of a torch layer; SentenceError for others."""
    kind = next((kind for kind in KINDS if isinstance(layer, getattr(nn, kind))), "")
    if not kind:
        wanted = f"one of {', '.join(f'nn.{kind}' for kind in KINDS)}"
        raise SentenceError(f"layer must be {wanted}; it is {type(layer).__name__}.")
    found = {name: getattr(layer, name, None) for name in KINDS[kind]}
    padding = 0 if isinstance(layer.padding, str) else layer.padding
    found |= {"padding": padding, "same": layer.padding == "same"}
    found["bias"] = found.get("bias") is not None
    return kind, found | {"divisor_override": found.get("divisor_override") or 0}


def arguments(kind: str, settings: Settings) -> Settings:
    """Return the arguments of the layer's class."""
    how = {name: plain(settings[name]) for name in KINDS[kind]}
    if how.pop("same", False):
        how["padding"] = "same"
    if not how.get("divisor_override", True):
        del how["divisor_override"]
    return how


def make(kind: str, settings: Settings) -> nn.Module:
    """Return a torch layer, float64, with parameters that have no numbers yet."""
    # those that torch would draw are missed by whoever has set a seed
    how = {"dtype": torch.float64, "device": "meta"} if "groups" in KINDS[kind] else {}
    return getattr(nn, kind)(**arguments(kind, settings), **how)


def code(kind: str, settings: Settings) -> str:
    """Return the layer as a line of Python."""
    how = arguments(kind, settings)
    told = [str(how.pop(name)) for name in COUNTS if name in how]
    usual = USUAL[kind]
    told += [f"{name}={one!r}" for name, one in how.items() if usual.get(name) != one]
    return f"nn.{kind}({', '.join(told)})"


def plain(value: object) -> object:
    """Return a pair of equal numbers as one number."""
    pair = isinstance(value, tuple)
    return value[0] if pair and value[0] == value[1] else value
