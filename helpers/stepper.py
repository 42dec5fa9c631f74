"""The backward stepper: a slider walks a backward pass, node by node, and shows the gradients that come and go.

The gradients are those of one real pass, caught with hooks; the browser only draws them, with or without a kernel.
"""

from math import ceil, sqrt

import anywidget
import torch
import torch.nn.functional as F
from torch import nn
from traitlets import Int, List, Unicode

from helpers import autograd, figures
from helpers.arithmetic import check_whole
from helpers.explorer import STYLE, Bench, as_text, controls, player, script, shared, slider

TIP = "Which node of the graph, in the order in which backward reaches them"
LARGEST_PICTURE = 70_000  # numbers
LONGEST, FOLDED = 1024, 32  # cells along a side of a picture; along the rows into which a long vector is folded
NO_COLOUR, NOT_FINITE, FULL = -128, 127, 126  # between the tiles of a picture; nan or inf; the largest number
FEW = 12  # numbers that are shown as they are
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


class StepperView(anywidget.AnyWidget):
    """What the browser draws; apart from `step` nothing of it changes."""

    _esm = script("heat", "stepper")
    _css = STYLE
    nodes = List().tag(sync=True)
    edges = List().tag(sync=True)
    leaves = List().tag(sync=True)
    pictures = List().tag(sync=True)
    pixels = Unicode().tag(sync=True)
    step = Int(0).tag(sync=True)


class StepperBench(Bench):
    """The widget of a stepper: a slider, the graph, and what comes and goes at the node where it stands."""

    step = shared("step", lambda value: value, TIP)  # BackwardStepper has checked it

    def __init__(self, found: autograd.Record, step: int) -> None:
        self._graph = found.graph  # and not the record: shown widgets live on, and its tensors need not
        places, routes = autograd.layout(found.graph)
        album = _Album()
        nodes = [_node(found, number, place, album) for number, place in sorted(places.items())]
        edges = [[*edge, [list(point) for point in route]] for edge, route in routes.items()]
        leaves = [_leaf(found, number) for number in found.before]
        self._view = StepperView(nodes=nodes, edges=edges, leaves=leaves, pictures=album.sizes, pixels=album.text())
        play = player("Let the gradients flow")
        play.max = last = len(nodes) - 1
        self._linked = {"step": [slider("step", 0, last, TIP), play]}
        links = [(control, "value", "step") for control in self._linked["step"]]
        super().__init__([controls(self._view, links), self._view])
        self.step = step

    def _told(self) -> dict[str, object]:
        return {"step": self.step}

    def _settable(self) -> list[str]:
        return ["step"]

    def _still(self) -> figures.Picture:
        return self._graph.picture(self.step, self._view.nodes[self.step]["says"])


class BackwardStepper:
    """One backward pass through the graph of a tensor, to be walked node by node.

    `BackwardStepper(loss, net)`, `BackwardStepper(out, net, gradient=g)`, `BackwardStepper(z, a=a, b=b)`: see
    `autograd.record`. No `.grad` changes, your own hooks on tensors run, and the graph stays for a backward() of your
    own. `stepper.step = 3` moves the slider too; `stepper.record` holds the gradients. The widget is made when the
    stepper is first shown.
    """

    def __init__(
        self,
        tensor: torch.Tensor,
        model: nn.Module | None = None,
        gradient: torch.Tensor | None = None,
        **names: torch.Tensor,
    ) -> None:
        self.record = autograd.record(tensor, model, gradient, **names)
        self._bench: StepperBench | None = None
        self._step = 0

    @property
    def step(self) -> int:
        """The number of the node, in the order in which backward reaches them."""
        return self._bench.step if self._bench else self._step

    @step.setter
    def step(self, value: int) -> None:
        self._step = check_whole("step", value, 0, len(self.record.graph) - 1)
        if self._bench:
            self._bench.step = self._step

    def __repr__(self) -> str:
        operation, where = autograd.label(self.record.graph, self.step)
        return f"BackwardStepper at step {self.step} of {len(self.record.graph) - 1}: {operation} {where}"

    def _repr_mimebundle_(self, **kwargs: object) -> tuple[dict, dict] | dict:
        try:
            self._bench = self._bench or StepperBench(self.record, self._step)
        except autograd.TooLarge:
            return {"text/plain": f"{self!r}. The graph is too large to draw; stepper.record holds its gradients."}
        data, metadata = self._bench._repr_mimebundle_(**kwargs)
        return data | {"text/plain": repr(self)}, metadata


def _node(found: autograd.Record, number: int, place: autograd.Place, album: "_Album") -> dict:
    """Return all that the browser shows of one node."""
    node, words = found.graph.nodes[number], autograd.label(found.graph, number)
    arriving = [
        album.piece(f"arrives{_which(found.arriving[number], i)}", x) for i, x in enumerate(found.arriving[number])
    ]
    leaving = [
        album.piece(f"to {other} {autograd.label(found.graph, other)[0]}", gradient)
        for other, gradient in zip(node["next"], found.leaving.get(number, []), strict=bool(node["next"]))
        if other is not None
    ]
    says = f"Step {number} of {len(found.graph) - 1}: {' '.join(words)}."
    return {
        "words": [f"{number}  {words[0]}", words[1]],
        "leaf": node["leaf"],
        "place": list(place),
        "says": says,
        "rule": RULES.get(node["operation"], "") if node["usual"] else "",
        "saved": ", ".join(
            f"{name} {shape if isinstance(shape, str) else autograd.size(shape)}"
            for name, shape in node["saved"].items()
        ),
        "arriving": arriving,
        "leaving": leaving,
    }


def _which(gradients: list, place: int) -> str:
    return f" for output {place}" if len(gradients) > 1 else ""


def _leaf(found: autograd.Record, number: int) -> list:
    """Return a leaf's node, its name, its shape, and its `.grad` before and after."""
    before, arrived = found.before[number], found.arriving[number][0]
    after = before if arrived is None else arrived if before is None else before + arrived
    return [number, *autograd.label(found.graph, number), *("None" if x is None else _size(x) for x in (before, after))]


def _size(gradient: torch.Tensor) -> str:
    """Return a single number as it is, and several as their norm."""
    numbers = gradient.cpu().double()
    return f"{numbers.item():.4g}" if numbers.numel() == 1 else f"norm {float(numbers.norm()):.4g}"


class _Album:
    """Pictures of gradients, one byte for a number; what looks the same is kept once."""

    def __init__(self) -> None:
        self._boards: dict[tuple[tuple[int, int], bytes], int] = {}  # size and bytes, numbered in order

    @property
    def sizes(self) -> list[list[int]]:
        """Rows and columns of each picture."""
        return [list(size) for size, _ in self._boards]

    def text(self) -> str:
        """Return all bytes for the browser."""
        return as_text(b"".join(numbers for _, numbers in self._boards))

    def piece(self, name: str, gradient: torch.Tensor | None) -> dict:
        """Return what is said of a gradient, and the number of its picture, or −1 where it has none."""
        if gradient is None:
            return {"name": name, "says": "nothing", "picture": -1}
        return {"name": name, "says": _says(gradient), "picture": self._picture(gradient)}

    def _picture(self, gradient: torch.Tensor) -> int:
        if not 1 < gradient.numel() <= LARGEST_PICTURE:
            return -1
        board = _board(gradient.cpu().double())
        if max(board.shape) > LONGEST:
            return -1
        return self._boards.setdefault((tuple(board.shape), board.numpy().tobytes()), len(self._boards))


def _says(gradient: torch.Tensor) -> str:
    """Say shape, norm, zeros and range of a gradient, or its numbers where they are few."""
    numbers = gradient.cpu().double().flatten()
    head = f"{autograd.size(tuple(gradient.shape))}, {_size(gradient)}"
    if len(numbers) == 1:
        return head
    if len(numbers) <= FEW:
        return f"{head}: {'  '.join(f'{value:.4g}' for value in numbers.tolist())}"
    finite, count = numbers[numbers.isfinite()], f"{len(numbers):,} numbers"
    zeros, odd = int((numbers == 0).sum()), len(numbers) - len(finite)
    told = [f"{zeros:,} of {count} are 0" if zeros else f"{count}, none is 0"]
    told += [f"{odd:,} are not finite"] * (odd > 0)
    told += [f"from {finite.min():.2g} to {finite.max():.2g}"] * (len(finite) > 0)
    return f"{head}; {', '.join(told)}"


def _board(gradient: torch.Tensor) -> torch.Tensor:
    """Return H×W int8, −126 … 126 for the largest of either sign: the last two axes as tiles, with lines between."""
    finite = gradient.nan_to_num(0, 0, 0)
    scaled = (FULL * finite / finite.abs().max().clamp(min=1e-300)).round().to(torch.int8)
    scaled[~gradient.isfinite()] = NOT_FINITE
    if scaled.numel() == scaled.shape[-1] > 2 * FOLDED:
        scaled = F.pad(scaled.flatten(), (0, -scaled.numel() % FOLDED), value=NO_COLOUR).view(-1, FOLDED)
    tiles = scaled.reshape(-1, *(1, *scaled.shape)[-2:])
    columns = max(gradient.shape[:2]) if gradient.ndim == 4 and len(gradient) > 1 else ceil(sqrt(len(tiles)))
    tiles = F.pad(tiles, (0, 1, 0, 1), value=NO_COLOUR)
    missing = -len(tiles) % columns
    tiles = F.pad(tiles, (0, 0, 0, 0, 0, missing), value=NO_COLOUR)
    if gradient.ndim == 4 and columns > gradient.shape[1]:
        tiles = tiles.unflatten(0, gradient.shape[:2]).transpose(0, 1).flatten(0, 1)
    rows = tiles.unflatten(0, (-1, columns)).transpose(1, 2).flatten(2)
    return rows.flatten(0, 1)[:-1, :-1].contiguous()
