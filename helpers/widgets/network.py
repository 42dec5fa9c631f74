"""A network as plain text: what network.js needs to compute it in the page."""

import operator
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.modules.utils import _pair

from helpers.inspection import copied
from helpers.training import logits
from helpers.validation import SentenceError
from helpers.widgets.base import as_text


class Affine(nn.Module):
    """Numbers times a factor plus a term, as a forward writes them between layers."""

    def __init__(self, factor: float = 1, term: float = 0) -> None:
        super().__init__()
        self.factor, self.term = factor, term

    def forward(self, x: Tensor) -> Tensor:
        """Return numbers of the same shape."""
        return x * self.factor + self.term


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
    Affine: ("factor", "term"),
}
PAIRS = {*SLIDING, "output_padding", "kernel_size"}
PASSED = nn.Identity, nn.Dropout, nn.Dropout2d  # in eval mode they change nothing
CLOSE = 0.001  # between probabilities


def _flat(start_dim: int = 0, end_dim: int = -1) -> list[nn.Module]:
    return [nn.Flatten(start_dim, end_dim)]


def _viewed(*sizes: int | tuple[int, ...]) -> list[nn.Module]:
    """Return what does the same: all numbers in one row, then the sizes."""
    (first, *_) = sizes
    return [nn.Flatten(0), nn.Unflatten(0, sizes if isinstance(first, int) else first)]


# By what a forward calls, on numbers and with arguments that are none, the layers that
# do the same.
CALLS = {
    F.relu: lambda inplace=False: [nn.ReLU()],
    F.max_pool2d: lambda *sizes, **settings: [nn.MaxPool2d(*sizes, **settings)],
    F.avg_pool2d: lambda *sizes, **settings: [nn.AvgPool2d(*sizes, **settings)],
    F.dropout: lambda p=0.5, training=True, inplace=False: {False: []}[training],
    torch.flatten: _flat,
    operator.add: lambda term: [Affine(term=float(term))],
    operator.sub: lambda term: [Affine(term=-float(term))],
    operator.mul: lambda factor: [Affine(float(factor))],
    operator.truediv: lambda factor: [Affine(1 / float(factor))],
}
CALLS |= {torch.relu: CALLS[F.relu], "relu": CALLS[F.relu]}
CALLS |= {"flatten": _flat, "view": _viewed, "reshape": _viewed}


def described(model: nn.Module) -> list[dict[str, object]]:
    """Return the layers of a network as it is in eval mode: each its name, its kind,
    its settings and its weights, all of them text, numbers and lists.

    Raises SentenceError for what network.js cannot run: a forward that is no straight
    way from layer to layer, and layers that it does not know.
    """
    layers = _layers(copied(model))
    return [_described(*one) for one in layers if type(one[1]) not in PASSED]


def _layers(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield names and layers in the order of a forward, as torch.fx follows it."""
    try:
        followed = fx.symbolic_trace(model)
    except Exception as fault:  # whatever a forward of the student's own raises
        why = f"{fault}".partition("\n")[0]
        raise SentenceError(f"torch.fx cannot follow this forward: {why}.") from fault
    before, *nodes = followed.graph.nodes
    for node in nodes:
        if node.all_input_nodes != [before] or node.args[0] is not before:
            raise SentenceError(
                "The page runs one layer after the other, and in this forward "
                f"{node.name} does not take just what is before it."
            )
        before = node
        if node.op == "call_module":
            yield node.target, followed.get_submodule(node.target)
        elif node.op != "output":
            yield from ((node.name, layer) for layer in _called(node))


def _called(node: fx.Node) -> list[nn.Module]:
    """Return the layers that do what a forward calls a function for."""
    try:
        return CALLS[node.target](*node.args[1:], **node.kwargs)
    except Exception as fault:  # of a function or of settings that it does not know
        flaw = f"The page cannot run the operation {node.name}."
        raise SentenceError(flaw) from fault


def halved(model: nn.Module, images: Tensor) -> nn.Module:
    """Return a copy of a network with its weights rounded to float16, where that moves
    no probability of the images by 0.001, and else the network itself.
    """
    short = copied(model).half().float()
    both = [logits(one, images).softmax(1) for one in (model, short)]
    return short if (both[0] - both[1]).abs().max() < CLOSE else model


def _described(name: str, layer: nn.Module) -> dict[str, object]:
    if flaw := _flaw(layer):
        raise SentenceError(f"The page cannot run layer {name}, {layer}: {flaw}.")
    found = {one: getattr(layer, one) for one in SETTINGS[type(layer)]}
    if found.get("padding") in ("same", "valid"):
        found["padding"] = [total // 2 for total in _padded(layer)]
    pairs = {one: [*_pair(found[one])] for one in PAIRS & found.keys()}
    if "unflattened_size" in found:
        pairs["unflattened_size"] = [*found["unflattened_size"]]
    parts = {part: getattr(layer, part, None) for part in ("weight", "bias")}
    weights = {part: packed(it) for part, it in parts.items() if it is not None}
    return {"name": name, "kind": type(layer).__name__} | found | pairs | weights


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
