"""A network as plain text: what network.js needs to compute it in the page."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.utils import _pair

from helpers.validation import SentenceError
from helpers.widgets.base import as_text

SLIDING = "stride", "padding", "dilation"
# By the kind of a layer, the settings that the page needs; both are torch's names.
SETTINGS = {
    nn.Linear: (),
    nn.Conv2d: (*SLIDING, "groups"),
    nn.ConvTranspose2d: (*SLIDING, "output_padding", "groups"),
    nn.MaxPool2d: ("kernel_size", *SLIDING, "ceil_mode"),
    nn.AvgPool2d: ("kernel_size", "stride", "padding", "ceil_mode")
    + ("count_include_pad", "divisor_override"),
    nn.ReLU: (),
    nn.Sigmoid: (),
    nn.Softmax: ("dim",),
    nn.Flatten: ("start_dim", "end_dim"),
    nn.Unflatten: ("dim", "unflattened_size"),
}
PAIRS = {*SLIDING, "output_padding", "kernel_size"}
PASSED = nn.Identity, nn.Dropout, nn.Dropout2d  # in eval mode they change nothing


def described(model: nn.Sequential) -> list[dict[str, object]]:
    """Return the layers of a network as it is in eval mode: each its kind, its settings
    and its weights, all of them text, numbers and lists.

    Raises SentenceError for what network.js cannot run.
    """
    if type(model) is not nn.Sequential:
        kind = type(model).__name__
        raise SentenceError(f"The page runs the layers of nn.Sequential, not {kind}.")
    return [_described(name, layer) for name, layer in _layers(model)]


def _layers(model: nn.Sequential, before: str = "") -> Iterator[tuple[str, nn.Module]]:
    for name, layer in model.named_children():
        if type(layer) is nn.Sequential:
            yield from _layers(layer, f"{before}{name}.")
        elif type(layer) not in PASSED:
            yield before + name, layer


def _described(name: str, layer: nn.Module) -> dict[str, object]:
    if flaw := _flaw(layer):
        raise SentenceError(f"The page cannot run layer {name}, {layer}: {flaw}.")
    found = {one: getattr(layer, one) for one in SETTINGS[type(layer)]}
    if found.get("padding") in ("same", "valid"):
        found["padding"] = [total // 2 for total in _padded(layer)]
    pairs = {one: [*_pair(found[one])] for one in PAIRS & found.keys()}
    if "unflattened_size" in found:
        pairs["unflattened_size"] = [*found["unflattened_size"]]
    weights = {part: packed(values) for part, values in layer.named_parameters()}
    return {"kind": type(layer).__name__} | found | pairs | weights


def _flaw(layer: nn.Module) -> str:
    """Return why the page cannot run a layer, or ""."""
    if type(layer) not in SETTINGS:
        return f"it knows {', '.join(kind.__name__ for kind in SETTINGS)}"
    if getattr(layer, "padding_mode", "zeros") != "zeros":
        return "it pads with zeros alone"
    if getattr(layer, "return_indices", False):
        return "it returns no indices"
    if getattr(layer, "padding", 0) == "same" and any(n % 2 for n in _padded(layer)):
        return "it pads both sides alike"
    return ""


def _padded(layer: nn.Conv2d) -> list[int]:
    """Return how much padding="same" or "valid" adds to rows and to columns."""
    if layer.padding == "valid":
        return [0, 0]
    sizes = zip(layer.dilation, layer.kernel_size, strict=True)
    return [dilation * (size - 1) for dilation, size in sizes]


def packed(values: Tensor) -> dict[str, object]:
    """Return a tensor as its shape and its bytes in base64: float16 where that holds
    each value exactly, else float32.
    """
    values = values.detach().cpu().float()
    small = values.half()
    exact = bool(small.isfinite().all()) and torch.equal(small.float(), values)
    data = as_text((small if exact else values).numpy().tobytes())
    kind = "float16" if exact else "float32"
    return {"shape": [*values.shape], "type": kind, "data": data}
