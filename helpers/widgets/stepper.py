"""The backward stepper: a slider walks a backward pass, node by node, and shows the
gradients that come and go.

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
from helpers.widgets.base import ROOM, View, as_text, controls, player, slider

TIP = "Which node of the graph, in the order in which backward reaches them"
LARGEST_PICTURE = 70_000  # numbers
LONGEST, FOLDED = (
    1024,
    32,
)  # cells along a side of a picture; along the rows into which a long vector is folded
NO_COLOUR, NOT_FINITE, FULL = (
    -128,
    127,
    126,
)  # between the tiles of a picture; nan or inf; the largest number
FEW = 12  # numbers that are shown as they are
Boards = dict[
    tuple[tuple[int, int], bytes], int
]  # of pictures: size and bytes, each once, numbered in order
RULES = {  # where an operation has torch's default settings
    autograd.LEAF: "A leaf: backward would add what arrives to its .grad.",
    "AddBackward0": "A sum: each input gets what arrives, added up where it was broadcast.",
    "AddmmBackward0": "A dense layer: the bias gets what arrives, added up over the batch; the input gets it times the "
    "weight; the weight gets the input times it.",
    "CloneBackward0": "A copy: what arrives passes.",
    "ConvolutionBackward0": "A convolution: the bias gets the sum of each map; each weight the sum, over all windows, "
    "of what arrives times the number it met; the input gets the weights' shares of all windows.",
    "DivBackward0": "A quotient a / b: a gets what arrives / b, and b gets −a / b² times it; added up where broadcast.",
    "LogSoftmaxBackward0": "log_softmax: what arrives, less each probability times the sum of what arrives.",
    "MaxPool2DWithIndicesBackward0": "Max pooling: each number goes to the pixel that won its window; where windows "
    "overlap they add up; the others get 0.",
    "MeanBackward0": "A mean: each number gets what arrives, divided by how many there are.",
    "MmBackward0": "A matrix product: each factor gets what arrives times the other, turned over.",
    "MseLossBackward0": "Mean squared error: each output gets 2 · (output − target) / n, times what arrives.",
    "MulBackward0": "A product: each factor gets what arrives times the other factor, added up where it was broadcast.",
    "NegBackward0": "A change of sign: what arrives passes with the other sign.",
    "NllLossBackward0": "The right class's output gets −1 / n (with class weights: minus its share) times "
    "what arrives; the others get 0.",
    "PowBackward0": "A power: what arrives times exponent · input^(exponent − 1).",
    "ReluBackward0": "ReLU: what arrives passes where its output was positive, elsewhere it becomes 0.",
    "SubBackward0": "A difference: the first input gets what arrives, the second gets it with the other sign; added up "
    "where it was broadcast.",
    "SumBackward0": "A sum over all: each number gets what arrives.",
    "TBackward0": "A table turned over: what arrives is turned back.",
    "ViewBackward0": "Another shape: what arrives goes back into the shape from before.",
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
        self._view: View | None = (
            None  # widgets live on, so there is none before it is shown
        )

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
            return {
                "text/plain": f"{self!r}. The graph is too large to draw; stepper.record holds its gradients."
            }
        if self._view is None:
            self._show()
        data, metadata = still._repr_mimebundle_()
        live = self._box._repr_mimebundle_(**kwargs)
        return live | data | {"text/plain": repr(self)}, metadata | ROOM

    def _show(self) -> None:
        self._view = View("stepper", graph=_shown(self.record), step=self._step)
        self._slider, self._play = (
            slider("step", 0, self._last, TIP),
            player("Let the gradients flow"),
        )
        self._play.max = self._last
        links = [(self._slider, "value", "step"), (self._play, "value", "step")]
        self._box = widgets.VBox([controls(self._view, links), self._view])
        self.step = self._step


def _shown(found: autograd.Record) -> dict:
    """Return all that the browser shows, in words and bytes."""
    places, routes = autograd.layout(found.graph)
    boards: Boards = {}
    return {
        "nodes": [
            _node(found, number, boards) | {"place": list(places[number])}
            for number in found.graph
        ],
        "edges": [
            [*edge, [list(point) for point in route]] for edge, route in routes.items()
        ],
        "leaves": [_leaf(found, number) for number in found.before],
        "pictures": [[*size, as_text(numbers)] for size, numbers in boards],
    }


def _where(graph: autograd.Graph, number: int) -> str:
    return f"{number} of {len(graph) - 1}: {' '.join(autograd.label(graph, number))}"


def _node(found: autograd.Record, number: int, boards: Boards) -> dict:
    """Return all that is said of one node."""
    node, words, arriving = (
        found.graph.nodes[number],
        autograd.label(found.graph, number),
        found.arriving[number],
    )
    output = " for output {}" if len(arriving) > 1 else ""
    saved = [
        f"{name} {kept if isinstance(kept, str) else autograd.size(kept)}"
        for name, kept in node["saved"].items()
    ]
    return {
        "words": [f"{number}  {words[0]}", words[1]],
        "leaf": node["leaf"],
        "says": f"Step {_where(found.graph, number)}.",
        "rule": RULES.get(node["operation"], "") if node["usual"] else "",
        "saved": ", ".join(saved),
        "arriving": [
            _piece(f"arrives{output.format(i)}", gradient, boards)
            for i, gradient in enumerate(arriving)
        ],
        "leaving": [
            _piece(
                f"to {other} {autograd.label(found.graph, other)[0]}", gradient, boards
            )
            for other, gradient in zip(
                node["next"], found.leaving.get(number, []), strict=True
            )
            if other is not None
        ],
    }


def _leaf(found: autograd.Record, number: int) -> list:
    """Return a leaf's node, its name, its shape, and its `.grad` before and after."""
    before, arrived = found.before[number], found.arriving[number][0]
    after = (
        before if arrived is None else arrived if before is None else before + arrived
    )
    return [
        number,
        *autograd.label(found.graph, number),
        *("None" if x is None else _size(x) for x in (before, after)),
    ]


def _piece(name: str, gradient: Tensor | None, boards: Boards) -> dict:
    """Return what is said of a gradient, and the number of its picture, or −1 where it
    has none.
    """
    if gradient is None:
        return {"name": name, "says": "nothing", "picture": -1}
    picture, numbers = -1, gradient.cpu().double()
    if 1 < numbers.numel() <= LARGEST_PICTURE:
        board = _board(numbers)
        if max(board.shape) <= LONGEST:
            picture = boards.setdefault(
                (tuple(board.shape), board.numpy().tobytes()), len(boards)
            )
    return {"name": name, "says": _says(numbers), "picture": picture}


def _size(gradient: Tensor) -> str:
    """Return a single number as it is, and several as their norm."""
    return (
        f"{gradient.item():.4g}"
        if gradient.numel() == 1
        else f"norm {float(gradient.double().norm()):.4g}"
    )


def _says(gradient: Tensor) -> str:
    """Say shape, norm, zeros and range of a gradient, or its numbers where they are
    few.
    """
    numbers, head = (
        gradient.flatten(),
        f"{autograd.size(tuple(gradient.shape))}, {_size(gradient)}",
    )
    if len(numbers) == 1:
        return head
    if len(numbers) <= FEW:
        return f"{head}: {'  '.join(f'{value:.4g}' for value in numbers.tolist())}"
    finite, count, zeros = (
        numbers[numbers.isfinite()],
        f"{len(numbers):,} numbers",
        int((numbers == 0).sum()),
    )
    told = [f"{zeros:,} of {count} are 0" if zeros else f"{count}, none is 0"]
    told += [f"{len(numbers) - len(finite):,} are not finite"] * (
        len(finite) < len(numbers)
    )
    if len(finite):
        told.append(f"from {finite.min():.2g} to {finite.max():.2g}")
    return f"{head}; {', '.join(told)}"


def _board(gradient: Tensor) -> Tensor:
    """Return H×W int8, −126 … 126 for the largest of either sign: the last two axes as
    tiles, with lines between.
    """
    finite = gradient.nan_to_num(0, 0, 0)
    tiles = (
        (FULL * finite / finite.abs().max().clamp(min=1e-300)).round().to(torch.int8)
    )
    tiles[~gradient.isfinite()] = NOT_FINITE
    if tiles.numel() == tiles.shape[-1] > 2 * FOLDED:
        tiles = F.pad(
            tiles.flatten(), (0, -tiles.numel() % FOLDED), value=NO_COLOUR
        ).view(-1, FOLDED)
    columns = ceil(sqrt(tiles.shape[:-2].numel()))
    if gradient.ndim == 4 and len(gradient) > 1:  # kernels: wider than high
        tiles = tiles.transpose(0, 1) if len(gradient) > gradient.shape[1] else tiles
        columns = tiles.shape[1]
    tiles = tiles.reshape(-1, *(1, *tiles.shape)[-2:])
    rows = ceil(len(tiles) / columns)
    board = torch.full(
        (rows * columns, tiles.shape[1] + 1, tiles.shape[2] + 1),
        NO_COLOUR,
        dtype=torch.int8,
    )
    board[: len(tiles), :-1, :-1] = tiles
    return (
        board.unflatten(0, (rows, columns))
        .transpose(1, 2)
        .flatten(2)
        .flatten(0, 1)[:-1, :-1]
        .contiguous()
    )
