"""The backward stepper: a slider walks a backward pass, node by node.

The gradients are those of one real pass, caught with hooks; the browser only draws
them, with or without a kernel.
"""

from math import ceil, sqrt

import ipywidgets as widgets
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers import autograd
from helpers.validation import check_whole
from helpers.widgets.base import View, as_text, controls, mime, player, slider

TIP = "Which node of the graph, in the order in which backward reaches them"
LARGEST_PICTURE = 70_000  # numbers
LONGEST = 1024  # cells along a side of a picture
FOLDED = 32  # cells along the rows into which a long vector is folded
# In a picture: between its tiles; nan or inf; the largest number.
NO_COLOUR, NOT_FINITE, FULL = -128, 127, 126
FEW = 12  # numbers that are shown as they are
# Of pictures: rows, columns and numbers as text, each once, numbered in order.
Boards = dict[tuple[int, int, str], int]
DENSE = (
    "A dense layer: the bias gets what arrives, added up over the batch; the input "
    "gets it times the weight; the weight gets the input times it."
)
# What backward does where an operation has torch's default settings.
RULES = {
    autograd.LEAF: "A leaf: backward would add what arrives to its .grad.",
    "AddBackward0": (
        "A sum: each input gets what arrives, added up where it was broadcast."
    ),
    "AddmmBackward0": (
        "A matrix and a product: the matrix gets what arrives; each factor of the "
        "product gets what arrives times the other, turned over."
    ),
    "CloneBackward0": "A copy: what arrives passes.",
    "ConvolutionBackward0": (
        "A convolution: the bias gets the sum of each map; each weight the sum, over "
        "all windows, of what arrives times the number it met; the input gets the "
        "weights' shares of all windows."
    ),
    "DivBackward0": (
        "A quotient a / b: a gets what arrives / b, and b gets −a / b² times it; "
        "added up where broadcast."
    ),
    "LogSoftmaxBackward0": (
        "log_softmax: what arrives, less each probability times the sum of what "
        "arrives."
    ),
    "MaxPool2DWithIndicesBackward0": (
        "Max pooling: each number goes to the pixel that won its window; where "
        "windows overlap they add up; the others get 0."
    ),
    "MeanBackward0": (
        "A mean: each number gets what arrives, divided by how many there are."
    ),
    "MmBackward0": (
        "A matrix product: each factor gets what arrives times the other, turned over."
    ),
    "MseLossBackward0": (
        "Mean squared error: each output gets 2 · (output − target) / n, times what "
        "arrives."
    ),
    "MulBackward0": (
        "A product: each factor gets what arrives times the other factor, added up "
        "where it was broadcast."
    ),
    "NegBackward0": "A change of sign: what arrives passes with the other sign.",
    "NllLossBackward0": (
        "The right class's output gets −1 / n (with class weights: minus its share) "
        "times what arrives; the others get 0."
    ),
    "PowBackward0": "A power: what arrives times exponent · input^(exponent − 1).",
    "ReluBackward0": (
        "ReLU: what arrives passes where its output was positive, elsewhere it "
        "becomes 0."
    ),
    "SubBackward0": (
        "A difference: the first input gets what arrives, the second gets it with the"
        " other sign; added up where it was broadcast."
    ),
    "SumBackward0": "A sum over all: each number gets what arrives.",
    "TBackward0": "A table turned over: what arrives is turned back.",
    "ViewBackward0": (
        "Another shape: what arrives goes back into the shape from before."
    ),
}


class BackwardStepper:
    """One backward pass through the graph of a tensor, to be walked node by node.

    `BackwardStepper(loss, net)`, `BackwardStepper(out, net, gradient=g)`,
    `BackwardStepper(z, a=a, b=b)`: see `autograd.record`. No `.grad` changes, your own
    hooks on tensors run, and the graph stays for a backward() of your own.
    `stepper.step = 3` moves the slider too; `stepper.record` holds the gradients.
    """

    def __init__(
        self,
        tensor: Tensor,
        model: nn.Module | None = None,
        gradient: Tensor | None = None,
        **names: Tensor,
    ) -> None:
        self.record = autograd.record(tensor, model, gradient, **names)
        self._step = 0
        self._last = len(self.record.graph) - 1
        self._view: View | None = None  # widgets live on: none before it is shown

    @property
    def step(self) -> int:
        """The number of the node, in the order in which backward reaches them."""
        return self._view.step if self._view else self._step

    @step.setter
    def step(self, value: int) -> None:
        self._step = check_whole("step", value, 0, self._last)
        if self._view:
            self._slider.value = self._play.value = self._view.step = self._step

    def __repr__(self) -> str:
        return f"BackwardStepper at step {_where(self.record.graph, self.step)}"

    def _repr_mimebundle_(self, **kwargs: object) -> tuple[dict, dict] | dict:
        graph = self.record.graph
        try:
            still = graph.picture(self.step, f"Step {_where(graph, self.step)}.")
        except autograd.TooLarge:
            large = "The graph is too large to draw; stepper.record holds its gradients"
            return {"text/plain": f"{self!r}. {large}."}
        if self._view is None:
            self._show()
        return mime(self._box, self._view, still._repr_mimebundle_(), repr(self))

    def _show(self) -> None:
        self._view = View("stepper", graph=_shown(self.record), step=self._step)
        self._slider = slider("step", 0, self._last, TIP)
        self._play = player("Let the gradients flow")
        self._play.max = self._last
        links = [(self._slider, "value", "step"), (self._play, "value", "step")]
        self._box = widgets.VBox([controls(self._view, links), self._view])
        self.step = self._step


def _shown(found: autograd.Record) -> dict:
    """Return all that the browser shows, in words and bytes."""
    places, routes = autograd.layout(found.graph)
    boards: Boards = {}
    nodes = [_node(found, n, boards) | {"place": places[n]} for n in found.graph]
    return {
        "nodes": nodes,
        "edges": [[*edge, route] for edge, route in routes.items()],
        "leaves": [_leaf(found, number) for number in found.before],
        "pictures": [*boards],
    }


def _where(graph: autograd.Graph, number: int) -> str:
    return f"{number} of {len(graph) - 1}: {' '.join(autograd.label(graph, number))}"


def _node(found: autograd.Record, number: int, boards: Boards) -> dict:
    """Return all that is said of one node."""
    graph, arriving = found.graph, found.arriving[number]
    node, words = graph.nodes[number], autograd.label(graph, number)
    output = " for output {}" if len(arriving) > 1 else ""
    kept = {
        name: what if isinstance(what, str) else autograd.size(what)
        for name, what in node["saved"].items()
    }
    leaving = zip(node["next"], found.leaving.get(number, []), strict=True)
    return {
        "words": [f"{number}  {words[0]}", words[1]],
        "leaf": node["leaf"],
        "says": f"Step {_where(graph, number)}.",
        "rule": _rule(graph, node),
        "saved": ", ".join(f"{name} {what}" for name, what in kept.items()),
        "arriving": [
            _piece(f"arrives{output.format(i)}", gradient, boards)
            for i, gradient in enumerate(arriving)
        ],
        "leaving": [
            _piece(f"to {other} {autograd.label(graph, other)[0]}", gradient, boards)
            for other, gradient in leaving
            if other is not None
        ],
    }


def _rule(graph: autograd.Graph, node: dict) -> str:
    """Return what backward does at a node, where that is what it usually does."""
    if not node["usual"]:
        return ""
    # F.linear turns its weight over; addmm of anything else is no dense layer.
    weight = node["next"][-1] if node["operation"] == "AddmmBackward0" else None
    if weight is not None and graph.nodes[weight]["operation"] == "TBackward0":
        return DENSE
    return RULES.get(node["operation"], "")


def _leaf(found: autograd.Record, number: int) -> list:
    """Return a leaf's node, its name, its shape, and its `.grad` before and after."""
    before, after = found.before[number], found.arriving[number][0]
    if before is not None:
        after = before if after is None else before + after
    grads = ["None" if grad is None else _size(grad) for grad in (before, after)]
    return [number, *autograd.label(found.graph, number), *grads]


def _piece(name: str, gradient: Tensor | None, boards: Boards) -> dict:
    """Return what is said of a gradient, and which picture it has (−1: none)."""
    if gradient is None:
        return {"name": name, "says": "nothing", "picture": -1}
    picture, numbers = -1, gradient.cpu().double()
    if 1 < numbers.numel() <= LARGEST_PICTURE:
        board = _board(numbers)
        if max(board.shape) <= LONGEST:
            key = *board.shape, as_text(board.numpy().tobytes())
            picture = boards.setdefault(key, len(boards))
    return {"name": name, "says": _says(numbers), "picture": picture}


def _size(gradient: Tensor) -> str:
    """Return a single number as it is, and several as their norm."""
    if gradient.numel() == 1:
        return f"{gradient.item():.4g}"
    return f"norm {float(gradient.double().norm()):.4g}"


def _says(gradient: Tensor) -> str:
    """Say shape, norm, zeros and range of a gradient, or its numbers where few."""
    numbers = gradient.flatten()
    head = f"{autograd.size(gradient.shape)}, {_size(gradient)}"
    if len(numbers) == 1:
        return head
    if len(numbers) <= FEW:
        return f"{head}: {'  '.join(f'{value:.4g}' for value in numbers.tolist())}"
    finite, zeros = numbers[numbers.isfinite()], int((numbers == 0).sum())
    count, lost = f"{len(numbers):,} numbers", len(numbers) - len(finite)
    told = [f"{zeros:,} of {count} are 0" if zeros else f"{count}, none is 0"]
    told += [f"{lost:,} are not finite"] * bool(lost)
    if len(finite):
        told.append(f"from {finite.min():.2g} to {finite.max():.2g}")
    return f"{head}; {', '.join(told)}"


def _board(gradient: Tensor) -> Tensor:
    """Return H×W int8, −126 … 126: the last two axes as tiles, with lines between."""
    finite = gradient.nan_to_num(0, 0, 0)
    share = finite / finite.abs().max().clamp(min=1e-300)
    tiles = (FULL * share).round().to(torch.int8)
    tiles[~gradient.isfinite()] = NOT_FINITE
    if tiles.numel() == tiles.shape[-1] > 2 * FOLDED:
        rest = (0, -tiles.numel() % FOLDED)
        tiles = F.pad(tiles.flatten(), rest, value=NO_COLOUR).view(-1, FOLDED)
    columns = ceil(sqrt(tiles.shape[:-2].numel()))
    if gradient.ndim == 4 and len(gradient) > 1:  # kernels: wider than high
        tiles = tiles.transpose(0, 1) if len(gradient) > gradient.shape[1] else tiles
        columns = tiles.shape[1]
    return _tiled(tiles.reshape(-1, *(1, *tiles.shape)[-2:]), columns)


def _tiled(tiles: Tensor, columns: int) -> Tensor:
    """Return tiles N×h×w as one board, row by row, with a line between them."""
    missing = -len(tiles) % columns
    spaced = F.pad(tiles, (0, 1, 0, 1, 0, missing), value=NO_COLOUR)
    rows = spaced.unflatten(0, (-1, columns)).transpose(1, 2)
    return rows.flatten(2).flatten(0, 1)[:-1, :-1]
