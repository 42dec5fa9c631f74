"""The graph that autograd keeps behind a tensor: walked, named, laid out, and watched
while gradients flow through it.

torch's own words on it: https://docs.pytorch.org/docs/stable/notes/autograd.html
"""

import gc
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, count

import networkx as nx
import torch
from torch import Tensor, nn
from torch.autograd.graph import Node, get_gradient_edge

from helpers import figures
from helpers.tracing import times

LEAF = "AccumulateGrad"
MOST_NODES, MOST_COLUMNS = 400, 24  # more than this is no picture any more
DEEPEST = 90  # letters of indenting: a line further down starts no further right
DEFAULTS = {"alpha": 1, "beta": 1, "transposed": False, "reduction": 1}
FREED, CHANGED = (
    "backward through the graph a second time",
    "modified by an inplace operation",
)  # torch's words
Shape = tuple[int, ...]
Place = tuple[float, float]


class TooLarge(ValueError):
    """A graph has more nodes than a picture can show."""


class Graph(nx.DiGraph):
    """The operations behind a tensor, each with edges to those that get its gradients.

    Nodes are numbered as backward reaches them, from 0, the operation that made the
    tensor; leaves that it could reach at the same time may come in another order. Each
    has `operation` (torch's name), `name` (of a parameter or of a tensor that was
    named, else ""), `layer` (the module whose parameters it uses, else ""), `leaf`,
    `shapes` (of what arrives, one for each output), `saved` (by name the shapes of what
    is kept for backward, or "freed" or "changed in place"), `usual` (whether its
    settings are torch's defaults) and `next` (torch's `next_functions` as numbers, None
    where no gradient is needed).
    """

    def __repr__(self) -> str:
        """Return the graph as a text: below each node, with its place in
        `next_functions`, who gets its gradients.
        """
        lines, seen, waiting = [], set(), [(0, "", "")] if self else []
        while waiting:
            number, head, rest = waiting.pop()
            if number is None:
                lines.append(f"{head}no gradient needed")
                continue
            after, again = self.nodes[number]["next"], number in seen
            lines.append(
                f"{head}{number} {'  '.join(label(self, number))}{', as above' if again and after else ''}"
            )
            for place in reversed(range(0 if again else len(after))):
                branch, trunk = (
                    ("├─", "│  ") if place < len(after) - 1 else ("└─", "   ")
                )
                waiting.append(
                    (
                        after[place],
                        f"{rest}{branch}[{place}] ",
                        (rest + trunk)[:DEEPEST],
                    )
                )
            seen.add(number)
        return "\n".join(lines)

    __str__ = __repr__

    def _repr_mimebundle_(self, **kwargs: object) -> tuple[dict, dict] | dict:
        try:
            data, metadata = self.picture()._repr_mimebundle_()
        except TooLarge as error:
            return {"text/plain": str(error)}
        return data | {"text/plain": repr(self)}, metadata

    def picture(self, current: int | None = None, says: str = "") -> figures.Picture:
        """Draw the graph, the tensor at the top, one node marked;
        `picture().save("graph.svg")` keeps it sharp.
        """
        places, routes = layout(self)
        words = {number: label(self, number) for number in self}
        leaves = {number for number, leaf in self.nodes(data="leaf") if leaf}
        says = f"The autograd graph: {len(self)} nodes, {len(leaves)} of them leaves. {says}".strip()
        return figures.graph(places, routes, words, leaves, current, says)


def graph(tensor: Tensor, model: nn.Module | None = None, **names: Tensor) -> Graph:
    """Return the graph behind a tensor; leaves get the model's parameter names, tensors
    the names they are given.

    `graph(loss, net)`, `graph(z, a=a, b=b)`. The graph holds no tensor and keeps
    nothing alive. Raises ValueError where the tensor has no graph, or one of numbers
    that are not real.
    """
    return _graph(_nodes(tensor), model, names)


def _nodes(tensor: Tensor) -> list[Node]:
    """Return torch's nodes behind a tensor as backward reaches them: leaves first, then
    the last made first.
    """
    way, waiting = nx.DiGraph(), [_root(tensor)]
    way.add_node(waiting[0])
    try:
        for node in waiting:
            for after, _ in node.next_functions:
                if after is not None:
                    waiting += [after] * (after not in way)
                    way.add_edge(node, after)
        return list(
            nx.lexicographical_topological_sort(
                way, key=lambda node: -node._sequence_nr()
            )
        )
    finally:
        # it refers to itself, and would hold torch's nodes until Python tidies up
        way.clear()


def _root(tensor: Tensor) -> Node:
    if not isinstance(tensor, Tensor):
        raise ValueError(
            f"Give a tensor that was computed, such as a loss, not a {type(tensor).__name__}."
        )
    if tensor.grad_fn is not None:
        return tensor.grad_fn
    why = "has no graph: nothing behind it requires a gradient, or it was computed under no_grad, or detached."
    if not tensor.is_floating_point():
        why = f"of {tensor.dtype} has no graph here: compute with floating-point numbers, such as .float() of it."
    elif tensor.requires_grad:
        why = "is a leaf: it was not computed from others. Give what was computed from it."
    raise ValueError(f"The tensor {why}")


def _names(
    nodes: set[Node], model: nn.Module | None, given: dict[str, Tensor]
) -> dict[Node, str]:
    """Return names for nodes: of a leaf, or of what was computed there; a shared
    parameter has several.
    """
    if model is not None and not isinstance(model, nn.Module):
        raise ValueError(
            f"model must be an nn.Module, not a {type(model).__name__}; tensors get a name like this: x=x."
        )
    parameters = (
        dict(model.named_parameters(remove_duplicate=False))
        if model is not None
        else {}
    )
    found: dict[Node, list[str]] = {}
    for name, tensor in [*parameters.items(), *given.items()]:
        with torch.inference_mode(
            False
        ):  # under it torch cannot say which node is a leaf's
            node = (
                get_gradient_edge(tensor).node
                if isinstance(tensor, Tensor) and tensor.requires_grad
                else None
            )
        if node in nodes:
            found.setdefault(node, []).append(name)
        elif name in given:
            raise ValueError(
                f"{name} is not in the graph: nothing was computed from it, or it requires no gradient."
            )
    if parameters and not parameters.keys() & set().union(*found.values()):
        raise ValueError(
            "No parameter of the model is in the graph: the tensor was computed by another one."
        )
    return {
        node: (" = " if type(node).__name__ == LEAF else ", ").join(names)
        for node, names in found.items()
    }


def _graph(
    nodes: list[Node], model: nn.Module | None, given: dict[str, Tensor]
) -> Graph:
    unreal = {
        made.dtype
        for node in nodes
        for made in node._input_metadata
        if made.dtype.is_complex
    }
    if unreal:
        raise ValueError(
            f"The graph computes with {unreal.pop()}; gradients are shown for real numbers only."
        )
    names = _names(set(nodes), model, given)
    found, number_of = Graph(), {node: number for number, node in enumerate(nodes)}
    for number, node in enumerate(nodes):
        leaf = type(node).__name__ == LEAF
        found.add_node(
            number,
            operation=type(node).__name__,
            name=names.get(node, ""),
            leaf=leaf,
            shapes=tuple(tuple(made.shape) for made in node._input_metadata),
            saved={} if leaf else _saved(node),
            usual=all(
                getattr(node, f"_saved_{name}", usual) == usual
                for name, usual in DEFAULTS.items()
            ),
            next=tuple(number_of.get(after) for after, _ in node.next_functions),
        )
    found.add_edges_from(
        (number, other)
        for number in found
        for other in found.nodes[number]["next"]
        if other is not None
    )
    for number in found:
        found.nodes[number]["layer"] = _layer(found, number)
    return found


def _saved(node: Node) -> dict[str, Shape | str]:
    """Return the shapes of what an operation has saved for backward, or in a word why
    it cannot be read.
    """
    found: dict[str, Shape | str] = {}
    for attribute in dir(node):
        if (
            attribute.startswith("_saved_") or attribute == "saved_tensors"
        ):  # the latter of a Function of one's own
            name = attribute.removeprefix("_saved_")
            try:
                value = getattr(node, attribute)
            except RuntimeError as error:
                found[name] = "changed in place" if CHANGED in str(error) else "freed"
                continue
            parts = (
                {f"{name}[{i}]": one for i, one in enumerate(value)}
                if type(value) is tuple
                else {name: value}
            )
            found |= {
                name: tuple(one.shape)
                for name, one in parts.items()
                if isinstance(one, Tensor)
            }
    return found


def _layer(found: Graph, number: int) -> str:
    """Return the module whose parameters this operation takes, directly or behind one
    that turns them over.
    """
    below = [other for other in found[number] if found.nodes[other]["leaf"]]
    below = below or [
        next(iter(found[other])) for other in found[number] if len(found[other]) == 1
    ]
    layers = {found.nodes[other]["name"].rpartition(".")[0] for other in below}
    return layers.pop() if len(layers) == 1 else ""


def label(found: Graph, number: int) -> tuple[str, str]:
    """Return two lines for a node: what it is, and where it belongs with the shape of
    the gradient that it gets.
    """
    node = found.nodes[number]
    shapes = ", ".join(size(shape) for shape in node["shapes"])
    if node["leaf"]:
        return node["name"] or LEAF, shapes
    return node["operation"], " · ".join(
        filter(None, (node["name"] or node["layer"], shapes))
    )


def size(shape: Shape) -> str:
    """Return a shape as text, such as 1×10; no shape is a scalar."""
    return times(shape) or "scalar"


def layout(found: Graph) -> tuple[dict[int, Place], dict[tuple[int, int], list[Place]]]:
    """Return (column, row) for each node, row 0 at the top, and for each edge the
    points it passes.

    The longest chain of operations stands in column 0, what leads back to it on its
    left, what does not on its right. Raises TooLarge where nobody could read the
    picture.
    """
    generations, leaf = [*nx.topological_generations(found)], found.nodes(data="leaf")
    if len(found) > MOST_NODES or max(map(len, generations)) > MOST_COLUMNS:
        raise TooLarge(
            f"The graph has {len(found):,} nodes, too many to draw; print it to read it as a text."
        )
    rows = {
        number: row for row, numbers in enumerate(generations) for number in numbers
    }
    longest = nx.dag_longest_path(
        found.subgraph(number for number in found if not leaf[number])
    )
    beside = set().union(*(nx.ancestors(found, number) for number in longest))
    places = {number: (0, rows[number]) for number in longest}
    taken = set(places.values())
    for number in sorted(
        found.nodes - places.keys(),
        key=lambda number: (rows[number], leaf[number], number),
    ):
        parent = min(
            (places[other][0] for other in found.predecessors(number)), key=abs
        )
        side = -1 if number in beside or parent < 0 else 1
        columns = (parent + side * step for step in count())
        places[number] = next(
            (c, rows[number]) for c in columns if c and (c, rows[number]) not in taken
        )
        taken.add(places[number])
    return places, {
        (start, end): _route(places[start], places[end], taken)
        for start, end in found.edges
    }


def _route(start: Place, end: Place, taken: set[Place]) -> list[Place]:
    """Return the points of an edge; one that is longer than a row goes down a column
    that is free, and takes it.
    """
    between = range(start[1] + 1, end[1])
    if not between:
        return [start, end]
    columns = chain(
        (end[0], start[0]), (side * step for step in count(1) for side in (-1, 1))
    )
    column = next(c for c in columns if not any((c, row) in taken for row in between))
    taken.update((column, row) for row in between)
    return [start, (column, between[0]), (column, between[-1]), end]


@dataclass
class Record:
    """What one backward pass carried through a graph, in tensors that belong to no
    graph.

    `arriving[node]` are the gradients that came to a node, one for each of its outputs
    (None where nothing came), at a leaf what backward() would add to its `.grad`;
    `leaving[node]` those that it passed on, one for each place of `next_functions`,
    before your own hooks change them; `before[leaf]` is the `.grad` that a leaf had.
    """

    graph: Graph
    arriving: dict[int, list[Tensor | None]] = field(default_factory=dict)
    leaving: dict[int, list[Tensor | None]] = field(default_factory=dict)
    before: dict[int, Tensor | None] = field(default_factory=dict)

    def gradients(self) -> dict[str, Tensor | None]:
        """Return the gradient of each leaf by its name."""
        return {
            self.graph.nodes[leaf]["name"] or f"leaf {leaf}": self.arriving[leaf][0]
            for leaf in self.before
        }


def record(
    tensor: Tensor,
    model: nn.Module | None = None,
    gradient: Tensor | None = None,
    **names: Tensor,
) -> Record:
    """Send gradients once from a tensor to its leaves, as backward() does, and keep
    what each node gets and gives.

    No `.grad` changes, your own hooks on tensors run, and the graph stays for a
    backward() of your own. `gradient` is what backward() takes where the tensor is no
    scalar. Raises ValueError where it cannot be done.
    """
    nodes = _nodes(tensor)
    found = Record(_graph(nodes, model, names))
    if gradient is None and tensor.numel() != 1:
        shape = size(tuple(tensor.shape))
        raise ValueError(
            f"The tensor has the shape {shape}, and backward starts from one number: give gradient= too."
        )
    leaves = {
        number: nodes[number].variable
        for number, leaf in found.graph.nodes(data="leaf")
        if leaf
    }
    found.before = {number: _apart(leaf.grad) for number, leaf in leaves.items()}
    # Even torch.autograd.grad fills the .grad of tensors with retain_grad(), and a node
    # does not know its tensors.
    kept = [
        (one, one.grad)
        for one in gc.get_objects()
        if type(one) is Tensor and one.retains_grad
    ]
    try:
        with ExitStack() as hooks:
            for number in found.graph.nodes - leaves.keys():
                hooks.enter_context(
                    nodes[number].register_hook(
                        partial(_catch, found, number, nodes[number].next_functions)
                    )
                )
            results = torch.autograd.grad(
                tensor,
                [*leaves.values()],
                [gradient],
                retain_graph=True,
                allow_unused=True,
            )
    except (RuntimeError, TypeError) as error:
        raise ValueError(_reason(str(error))) from error
    finally:
        for one, grad in kept:
            one.grad = grad
    found.arriving |= {
        number: [_apart(grad)] for number, grad in zip(leaves, results, strict=True)
    }
    return found


def _catch(
    found: Record, number: int, after: tuple, leaving: tuple, arriving: tuple
) -> None:
    # torch adds up what was broadcast only after the hook, so it is done here as well.
    found.arriving[number] = [_apart(grad) for grad in arriving]
    found.leaving[number] = [
        None
        if grad is None or node is None
        else _apart(grad.sum_to_size(node._input_metadata[output].shape))
        for grad, (node, output) in zip(leaving, after, strict=True)
    ]


def _apart(tensor: Tensor | None) -> Tensor | None:
    """Return the numbers of a tensor in one that is in no graph and dense."""
    return None if tensor is None else tensor.detach().to_dense().clone()


def _reason(text: str) -> str:
    if FREED in text:
        return "The graph is freed: backward() has been through it. Compute the tensor anew, or use retain_graph=True."
    if CHANGED in text:
        return "A tensor that backward needs was changed in place after it was saved; change a copy of it instead."
    return f"The gradients could not be computed: {text.partition(chr(10))[0].rstrip('.')}."
