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
SEEN = ["kernel_size", "stride", "padding", "dilation"]
MODES = ["zeros", "reflect", "replicate", "circular"]
# What a layer has that does not take the setting.
NEUTRAL = {"dilation": (1, 1), "output_padding": (0, 0), "groups": 1, "bias": False}
NEUTRAL |= {"same": False, "padding_mode": "zeros", "divisor_override": 0}
NEUTRAL |= {"ceil_mode": False, "count_include_pad": True, "out_channels": 1}
TROUBLES = {
    "in_groups": "in_channels={in_channels} cannot be shared out among "
    "groups={groups}; torch says: in_channels must be divisible by groups. Choose "
    "in_channels and out_channels that are both multiples of groups.",
    "out_groups": "out_channels={out_channels} cannot be shared out among "
    "groups={groups}; torch says: out_channels must be divisible by groups. Choose "
    "in_channels and out_channels that are both multiples of groups.",
    "same": "padding='same' keeps the size, and stride {stride} makes it smaller; "
    "torch says: padding='same' is not supported for strided convolutions. Choose "
    "stride 1, or a padding in numbers.",
    "output_padding": "output_padding {output_padding} is smaller neither than stride "
    "{stride} nor than dilation {dilation}; torch says: output padding must be smaller "
    "than either stride or dilation. It stands for left-over pixels, and a stride of "
    "{stride} leaves at most {most}.",
    "empty": "({input_size} − 1)·{stride} − 2·{padding} + {dilation}·({kernel_size} − "
    "1) + {output_padding} + 1 = {size}: nothing is left; torch says: Output size is "
    "too small. Choose less padding, or a larger window.",
    "half": "padding {padding} is more than half of kernel_size {kernel_size}; torch "
    "says: pad should be at most half of effective kernel size. Choose {most} or less.",
    "half_plain": "padding {padding} is more than half of kernel_size {kernel_size}; "
    "torch says: pad should be smaller than or equal to half of kernel size. Choose "
    "{most} or less.",
    "reflect": "padding {padding} cannot be mirrored from {input_size} pixels, as the "
    "pixel at the edge is not repeated; torch says: Padding size should be less than "
    "the corresponding input dimension. Choose {most} or less, or a larger input.",
    "circular": "padding {padding} goes around {input_size} pixels more than once; "
    "torch says: Padding value causes wrapping around more than once. Choose "
    "{input_size} or less, or a larger input.",
    "window": "A window of {span} (kernel_size {kernel_size}, dilation {dilation}) "
    "does not fit into a side of {room} (input_size {input_size}, padding {padding}); "
    "torch says: Kernel size can't be greater than actual input size. Choose a smaller "
    "window, or a side longer by {more}.",
    "pool": "A window of {span} (kernel_size {kernel_size}, dilation {dilation}) does "
    "not fit into a side of {room} (input_size {input_size}, padding {padding}); torch "
    "says: Output size is too small. Choose a smaller window, or a side longer by "
    "{more}.",
    "alone": "kernel_size {kernel_size} with dilation {dilation} and padding {padding} "
    "reads nothing but padding at one place, and the largest of nothing is −∞. torch "
    "does not refuse it, and its backward pass may crash. Choose less padding or less "
    "dilation.",
}


def trouble(kind: str, settings: Settings) -> str:
    """Return why torch finds no place for a window, as a sentence, or "".

    `settings` has every setting of the layer, and "input_size".
    """
    how = NEUTRAL | {name: settings[name] for name in [*KINDS[kind], "input_size"]}
    shared = {key: how.get(key, 1) for key in ("in_channels", "out_channels", "groups")}
    for key in ("in", "out"):
        if shared[f"{key}_channels"] % shared["groups"]:
            return TROUBLES[f"{key}_groups"].format(**shared)
    sides = [_side(kind, how, axis) for axis in (0, 1)]
    for key, sentence in TROUBLES.items():
        for side in sides:
            if side["troubles"].get(key):
                return sentence.format(**side)
    return ""


def _side(kind: str, how: Settings, axis: int) -> dict[str, object]:
    """Return the numbers of one side, and which troubles it has."""
    side = {name: how[name][axis] for name in PAIRS}
    n, k, s, p, d, rest = (side[name] for name in PAIRS)
    span = window_span(k, d)
    room = n + (span - 1 if how["same"] else 2 * p)
    more = span - room
    side |= {"span": span, "room": room, "more": more, "size": (n - 1) * s - 2 * p}
    side["size"] += span + rest
    if kind == "ConvTranspose2d":
        side["most"] = s - 1
        found = {"output_padding": rest >= max(s, d), "empty": side["size"] < 1}
    elif kind == "Conv2d":
        mode = how["padding_mode"]
        around = (span - 1) - (span - 1) // 2 if how["same"] else p
        side |= {"most": n - 1, "padding": around}
        found = {"same": how["same"] and s > 1, "window": more > 0}
        found["reflect"] = mode == "reflect" and around >= n
        found["circular"] = mode == "circular" and around > n
    else:
        side["most"] = k // 2
        beyond = s - 1 if how["ceil_mode"] else 0
        found = {"half": 2 * p > span, "half_plain": 2 * p > k, "pool": more > beyond}
        found["alone"] = kind == "MaxPool2d" and _alone(n, k, s, p, d, beyond)
    return side | {"troubles": found}


def _alone(n: int, k: int, s: int, p: int, d: int, beyond: int) -> bool:
    """Say whether a window along one side would read padding alone."""
    last = n + 2 * p - d * (k - 1) - 1 + beyond
    starts = range(-p, min(last - p + 1, n), s)
    return any(
        all(not 0 <= start + tap * d < n for tap in range(k)) for start in starts
    )


def read(layer: nn.Module) -> tuple[str, Settings]:
    """Return the class and the settings of a torch layer; SentenceError for others."""
    kind = next((kind for kind in KINDS if isinstance(layer, getattr(nn, kind))), "")
    if not kind:
        wanted = f"one of {', '.join(f'nn.{kind}' for kind in KINDS)}"
        raise SentenceError(f"layer must be {wanted}; it is {type(layer).__name__}.")
    found = {name: getattr(layer, name) for name in KINDS[kind] if name != "same"}
    if "same" in KINDS[kind]:
        found["same"] = layer.padding == "same"
        found["padding"] = 0 if isinstance(layer.padding, str) else layer.padding
    if "bias" in found:
        found["bias"] = layer.bias is not None
    if "divisor_override" in found:
        found["divisor_override"] = layer.divisor_override or 0
    return kind, found


def arguments(kind: str, settings: Settings) -> Settings:
    """Return the arguments of the layer's class."""
    how = {name: plain(settings[name]) for name in KINDS[kind]}
    if how.pop("same", False):
        how["padding"] = "same"
    if "divisor_override" in how:
        how["divisor_override"] = how["divisor_override"] or None
    return how


def make(kind: str, settings: Settings) -> nn.Module:
    """Return a torch layer, float64."""
    dtype = {"dtype": torch.float64} if "groups" in KINDS[kind] else {}
    return getattr(nn, kind)(**arguments(kind, settings), **dtype)


def code(kind: str, settings: Settings) -> str:
    """Return the layer as a line of Python: what is usual is left out, but not what the
    formula of the size has.
    """
    how = arguments(kind, settings)
    counts = [str(how.pop(name)) for name in COUNTS if name in how]
    seen = SEEN[: 4 if kind == "Conv2d" else 3] + ["ceil_mode", "count_include_pad"]
    usual = NEUTRAL | {"bias": True, "divisor_override": None}
    told = [name for name in how if name in seen or how[name] != plain(usual[name])]
    words = [f"{name}={how[name]!r}" for name in told]
    return f"nn.{kind}({', '.join(counts + words)})"


def plain(value: object) -> object:
    """Return a pair of equal numbers as one number."""
    pair = isinstance(value, tuple)
    return value[0] if pair and value[0] == value[1] else value
