"""The graph that autograd keeps behind a tensor: walked, named, laid out, and watched while gradients flow through it.

torch's own words on it: https://docs.pytorch.org/docs/stable/notes/autograd.html
"""

import gc
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, count

import networkx as nx
import torch
from torch import nn
from torch.autograd.graph import Node

from helpers import figures
from helpers.tracer import times

LEAF = "AccumulateGrad"
MOST_NODES, MOST_COLUMNS = 400, 24  # more than this is no picture any more
MOST_LINES = 60  # of text that a notebook shows of a graph that is too large to draw
DEEPEST = 90  # letters of indenting: a line further down starts no further right
DEFAULTS = {"alpha": 1, "beta": 1, "transposed": False, "reduction": 1}
FREED, CHANGED = "backward through the graph a second time", "modified by an inplace operation"  # torch's words
Shape = tuple[int, ...]


class TooLarge(ValueError):
    """A graph has more nodes than a picture can show."""


class Graph(nx.DiGraph):
    """The operations behind a tensor, each with edges to those that get its gradients.

    Nodes are numbered in the order in which backward reaches them, from 0, the operation that made the tensor. Each has
    `operation` (torch's name), `name` (of a parameter or of a tensor that was named, else ""), `layer` (the module
    whose parameters it uses, else ""), `leaf`, `shapes` (of the gradients that arrive, one for each output of the
    operation), `saved` (shapes of the tensors kept for backward, by name; or "freed", "changed in place" or "packed
    away"), `usual` (whether its settings are torch's defaults) and `next` (for each place of torch's `next_functions`
    the node's number, or None where no gradient is needed). Edges have `places`, the places of `next_functions` that
    they stand for. Leaves that backward could reach at the same time may come in another order than in torch.
    """

    def __repr__(self) -> str:
        return _tree(self)

    __str__ = __repr__

    def _repr_mimebundle_(self, **kwargs: object) -> tuple[dict, dict] | dict:
        try:
            data, metadata = self.picture()._repr_mimebundle_()
        except TooLarge:
            lines = str(self).splitlines()
            more = f"… {len(lines) - MOST_LINES:,} more lines; print(…) shows them all."
            return {"text/plain": "\n".join(lines[:MOST_LINES] + [more] * (len(lines) > MOST_LINES))}
        return data | {"text/plain": repr(self)}, metadata

    def picture(self, current: int | None = None, says: str = "") -> figures.Picture:
        """Draw the graph, the tensor at the top, one node marked; `picture().save("graph.svg")` keeps it sharp."""
        places, routes = layout(self)
        words = {number: label(self, number) for number in self}
        leaves = {number for number, leaf in self.nodes(data="leaf") if leaf}
        says = f"The autograd graph: {len(self)} nodes, {len(leaves)} of them leaves. {says}".strip()
        return figures.graph(places, routes, words, leaves, current, says)


def graph(tensor: torch.Tensor, model: nn.Module | None = None, **names: torch.Tensor) -> Graph:
    """Return the graph behind a tensor; leaves get the model's parameter names, tensors the names they are given.

    `graph(loss, net)`, `graph(z, a=a, b=b)`. The graph holds no tensor and keeps nothing alive. Raises ValueError
    where the tensor has no graph, or one of numbers that are not real.
    """
    return _graph(_nodes(tensor), model, names)


def _nodes(tensor: torch.Tensor) -> list[Node]:
    """Return torch's nodes behind a tensor as backward reaches them: leaves first, then the last made first."""
    way = nx.DiGraph()
    way.add_node(_root(tensor))
    waiting = [*way]
    try:
        while waiting:
            node = waiting.pop()
            for after, _ in node.next_functions:
                if after is not None:
                    waiting += [after] * (after not in way)
                    way.add_edge(node, after)
        return list(nx.lexicographical_topological_sort(way, key=lambda node: -node._sequence_nr()))
    finally:
        way.clear()  # it refers to itself, and would hold torch's nodes until Python tidies up


def _root(tensor: torch.Tensor) -> Node:
    if not isinstance(tensor, torch.Tensor):
        raise ValueError(f"Give a tensor that was computed, such as a loss, not {_a(tensor)}.")
    if tensor.grad_fn is not None:
        return tensor.grad_fn
    if not tensor.is_floating_point():
        raise ValueError(
            f"A tensor of {_kind(tensor.dtype)} has no graph here: gradients are for real numbers; "
            "compute with floating-point numbers, such as .float() of it."
        )
    if tensor.requires_grad:
        raise ValueError("The tensor is a leaf: it was not computed from others. Give what was computed from it.")
    raise ValueError(
        "The tensor has no graph: nothing that it was computed from requires a gradient, "
        "or it was computed under no_grad or inference_mode, or detached."
    )


def _a(thing: object) -> str:
    """Say of what type a thing is; its own repr could hold an address."""
    return f"something of type {type(thing).__name__}"


def _kind(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _names(nodes: list[Node], model: nn.Module | None, given: dict[str, torch.Tensor]) -> dict[Node, str]:
    """Return names for nodes: of a leaf, or of what was computed there; a shared parameter has several."""
    if model is not None and not isinstance(model, nn.Module):
        raise ValueError(f"model must be an nn.Module, not {_a(model)}; tensors get a name like this: x=x.")
    parameters = dict(model.named_parameters(remove_duplicate=False)) if model is not None else {}
    node_of = {id(node.variable): node for node in nodes if type(node).__name__ == LEAF}
    found: dict[Node, dict[int, str]] = {}
    for name, tensor in [*parameters.items(), *given.items()]:
        if not isinstance(tensor, torch.Tensor):
            raise ValueError(f"{name} must be a tensor, not {_a(tensor)}.")
        node = node_of.get(id(tensor), tensor.grad_fn)
        if node in nodes:
            outputs = found.setdefault(node, {})
            outputs[tensor.output_nr] = " = ".join(filter(None, (outputs.get(tensor.output_nr), name)))
        elif name in given:
            raise ValueError(f"{name} is not in the graph: nothing was computed from it, or it requires no gradient.")
    if parameters and not node_of.keys() & {id(tensor) for tensor in parameters.values()}:
        raise ValueError("No parameter of the model is in the graph: the tensor was computed by another one.")
    return {node: ", ".join(outputs.values()) for node, outputs in found.items()}


def _graph(nodes: list[Node], model: nn.Module | None, given: dict[str, torch.Tensor]) -> Graph:
    unreal = {_kind(m.dtype) for node in nodes for m in node._input_metadata if m.dtype.is_complex}
    if unreal:
        raise ValueError(
            f"The graph computes with complex numbers ({unreal.pop()}); here it can only be shown for real ones."
        )
    names = _names(nodes, model, given)
    found, number_of = Graph(), {node: number for number, node in enumerate(nodes)}
    for number, node in enumerate(nodes):
        leaf = type(node).__name__ == LEAF
        found.add_node(
            number,
            operation=type(node).__name__,
            name=names.get(node, ""),
            leaf=leaf,
            shapes=tuple(tuple(output.shape) for output in node._input_metadata),
            saved={} if leaf else _saved(node),
            usual=_usual(node),
            next=tuple(number_of.get(after) for after, _ in node.next_functions),
        )
    for number, after in found.nodes(data="next"):
        for place, other in enumerate(after):
            if other is not None:
                found.add_edge(number, other, places=(*found.get_edge_data(number, other, {}).get("places", ()), place))
    for number in found:
        found.nodes[number]["layer"] = _layer(found, number)
    return found


def _saved(node: Node) -> dict[str, Shape | str]:
    """Return the shapes of what an operation has saved for backward, or in a word why it cannot be read."""
    found: dict[str, Shape | str] = {}
    for raw in (attribute for attribute in dir(node) if attribute.startswith("_raw_saved_")):
        name = raw.removeprefix("_raw_saved_") if raw != "_raw_saved_tensors" else "saved_tensors"
        held = getattr(node, raw)
        several = isinstance(held, tuple)
        if any(one.unpack_hook is not None for one in (held if several else (held,))):
            found[name] = "packed away"  # reading it would call what packed it, and could compute a network anew
            continue
        try:
            value = getattr(node, raw.removeprefix("_raw") if name != "saved_tensors" else name)
        except RuntimeError as error:
            found[name] = "changed in place" if CHANGED in str(error) else "freed"
            continue
        tensors = {f"{name}[{i}]": one for i, one in enumerate(value)} if several else {name: value}
        found |= {name: tuple(one.shape) for name, one in tensors.items() if isinstance(one, torch.Tensor)}
    return found


def _usual(node: Node) -> bool:
    """Say whether an operation has torch's default settings, such as a mean over the batch and no factor."""
    return all(getattr(node, f"_saved_{name}", usual) == usual for name, usual in DEFAULTS.items())


def _layer(found: Graph, number: int) -> str:
    """Return the module whose parameters this operation takes, directly or behind one that turns them over."""
    below = [other for other in found[number] if found.nodes[other]["leaf"]]
    below = below or [next(iter(found[other])) for other in found[number] if len(found[other]) == 1]
    layers = {found.nodes[other]["name"].rpartition(".")[0] for other in below}
    return layers.pop() if len(layers) == 1 else ""


def label(found: Graph, number: int) -> tuple[str, str]:
    """Return two lines for a node: what it is, and where it belongs with the shape of the gradient that it gets."""
    node = found.nodes[number]
    shapes = ", ".join(size(shape) for shape in node["shapes"])
    if node["leaf"]:
        return node["name"] or LEAF, shapes
    return node["operation"], " · ".join(filter(None, (node["name"] or node["layer"], shapes)))


def size(shape: Shape) -> str:
    """Return a shape as text, such as 1×10; no shape is a scalar."""
    return times(shape) or "scalar"


def _tree(found: Graph) -> str:
    """Return the graph as a text: below each node, with its place in `next_functions`, who gets its gradients."""
    lines: list[str] = []
    seen: set[int] = set()
    waiting: list[tuple[int | None, str, str]] = [(0, "", "")] if found else []
    while waiting:
        number, head, rest = waiting.pop()
        if number is None:
            lines.append(f"{head}no gradient needed")
            continue
        again = ", as above" if number in seen and found.nodes[number]["next"] else ""
        lines.append(f"{head}{number} {'  '.join(label(found, number))}{again}")
        if number not in seen:
            after = found.nodes[number]["next"]
            marks = [("├─", "│  ")] * (len(after) - 1) + [("└─", "   ")]
            below = [
                (other, f"{rest}{branch}[{place}] ", (rest + trunk)[:DEEPEST])
                for place, (other, (branch, trunk)) in enumerate(zip(after, marks, strict=False))
            ]
            waiting += below[::-1]
        seen.add(number)
    return "\n".join(lines)


Place = tuple[float, float]


def layout(found: Graph) -> tuple[dict[int, Place], dict[tuple[int, int], list[Place]]]:
    """Return (column, row) for each node, row 0 at the top, and for each edge the points it passes.

    The longest chain of operations stands in column 0, what leads back to it on its left, what does not on its right.
    Raises TooLarge where nobody could read the picture.
    """
    if len(found) > MOST_NODES:
        raise TooLarge(_too_large(found))
    rows = {number: row for row, numbers in enumerate(nx.topological_generations(found)) for number in numbers}
    operations = found.subgraph([number for number, leaf in found.nodes(data="leaf") if not leaf])
    longest = nx.dag_longest_path(operations)
    beside = set().union(*(nx.ancestors(found, number) for number in longest))
    places = {number: (0, rows[number]) for number in longest}
    taken = set(places.values())
    for number in sorted(found, key=lambda number: (rows[number], found.nodes[number]["leaf"], number)):
        if number not in places:
            parent = min((places[other][0] for other in found.predecessors(number)), key=abs)
            side = -1 if number in beside or parent < 0 else 1
            columns = (parent + side * step for step in count())
            places[number] = next((c, rows[number]) for c in columns if c and (c, rows[number]) not in taken)
            taken.add(places[number])
    if len({column for column, _ in places.values()}) > MOST_COLUMNS:
        raise TooLarge(_too_large(found))
    return places, {edge: _route(places[edge[0]], places[edge[1]], taken) for edge in found.edges}


def _too_large(found: Graph) -> str:
    return f"The graph has {len(found):,} nodes, too many to draw; print it to read it as a text."


def _route(start: Place, end: Place, taken: set[Place]) -> list[Place]:
    """Return the points of an edge; one that is longer than a row goes down a column that is free, and takes it."""
    between = range(start[1] + 1, end[1])
    if not between:
        return [start, end]
    columns = chain((end[0], start[0]), (side * step for step in count(1) for side in (-1, 1)))
    column = next(c for c in columns if not any((c, row) in taken for row in between))
    taken.update((column, row) for row in between)
    return [start, (column, between[0]), (column, between[-1]), end]


@dataclass
class Record:
    """What one backward pass carried through a graph, in tensors that belong to no graph.

    `arriving[node]` are the gradients that came to a node, one for each of its outputs (None where nothing came);
    `leaving[node]` those that it passed on, one for each place of its `next_functions`; `before[leaf]` is the `.grad`
    that a leaf had. For a leaf, `arriving` holds what backward() would add to its `.grad`. What leaves one node and
    what arrives at the next differ only where a hook of your own on the tensor between them changes it.
    """

    graph: Graph
    arriving: dict[int, list[torch.Tensor | None]] = field(default_factory=dict)
    leaving: dict[int, list[torch.Tensor | None]] = field(default_factory=dict)
    before: dict[int, torch.Tensor | None] = field(default_factory=dict)

    def gradients(self) -> dict[str, torch.Tensor | None]:
        """Return the gradient of each leaf by its name."""
        return {self.graph.nodes[leaf]["name"] or f"leaf {leaf}": self.arriving[leaf][0] for leaf in self.before}


def record(
    tensor: torch.Tensor,
    model: nn.Module | None = None,
    gradient: torch.Tensor | None = None,
    **names: torch.Tensor,
) -> Record:
    """Send gradients once from a tensor to its leaves, as backward() does, and keep what each node gets and gives.

    No `.grad` changes and the graph stays for a backward() of your own. Your own hooks on tensors do run; those that
    torch calls while it fills a `.grad` do not. `gradient` is what backward() takes where the tensor is no scalar.
    Raises ValueError where it cannot be done.
    """
    nodes = _nodes(tensor)
    found = Record(_graph(nodes, model, names))
    leaves = {number: node.variable for number, node in enumerate(nodes) if found.graph.nodes[number]["leaf"]}
    found.before = {number: _apart(leaf.grad) for number, leaf in leaves.items()}
    kept = _retaining(nodes)
    try:
        with ExitStack() as hooks:
            for number, node in enumerate(nodes):
                if number not in leaves:
                    hooks.enter_context(node.register_hook(partial(_catch, found, number, node.next_functions)))
            results = torch.autograd.grad(
                tensor, [*leaves.values()], _start(tensor, gradient), retain_graph=True, allow_unused=True
            )
    except RuntimeError as error:
        raise ValueError(_reason(error)) from error
    finally:
        for one, grad in kept:
            one.grad = grad
    found.arriving |= {number: [_apart(grad)] for number, grad in zip(leaves, results, strict=True)}
    missed = [number for number in found.graph if number not in found.arriving]
    if missed:
        what, _ = label(found.graph, missed[0])
        raise ValueError(f"No gradient could be caught at {what}: torch did not call the hook there.")
    return found


def _catch(found: Record, number: int, after: tuple, leaving: tuple, arriving: tuple) -> None:
    # torch adds up what was broadcast only after the hook, so it is done here as well.
    metadata = [None if node is None else node._input_metadata[output] for node, output in after]
    fitting = [
        None if grad is None or meta is None else grad.sum_to_size(meta.shape)
        for grad, meta in zip(leaving, metadata, strict=True)
    ]
    found.arriving[number] = [_apart(grad) for grad in arriving]
    found.leaving[number] = [_apart(grad) for grad in fitting]


def _apart(tensor: torch.Tensor | None) -> torch.Tensor | None:
    """Return the numbers of a tensor in one that is in no graph and dense."""
    if tensor is None:
        return None
    return tensor.detach().to_dense() if tensor.layout != torch.strided else tensor.detach().clone()


def _start(tensor: torch.Tensor, gradient: torch.Tensor | None) -> torch.Tensor | None:
    shape = tuple(tensor.shape)
    if tensor.is_meta:
        raise ValueError("A tensor on the meta device has a shape and no numbers, so there are no gradients to record.")
    if gradient is None and tensor.numel() != 1:
        raise ValueError(
            f"The tensor has the shape {size(shape)}, and backward starts from one number: give a loss, "
            f"or gradient=, a tensor of the shape {size(shape)}."
        )
    if gradient is not None and (not isinstance(gradient, torch.Tensor) or tuple(gradient.shape) != shape):
        given = f"of {size(tuple(gradient.shape))}" if isinstance(gradient, torch.Tensor) else _a(gradient)
        raise ValueError(f"gradient must be a tensor of the shape {size(shape)}, not {given}.")
    return gradient


def _retaining(nodes: list[Node]) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
    """Return the tensors of the graph with retain_grad(), and their `.grad`, which even torch.autograd.grad changes."""
    # A node does not know its tensors, so all that Python knows are looked through.
    tensors = [one for one in gc.get_objects() if type(one) is torch.Tensor]
    here = {id(node) for node in nodes}
    return [(one, one.grad) for one in tensors if one.retains_grad and id(one.grad_fn) in here]


def _reason(error: RuntimeError) -> str:
    text = str(error)
    if FREED in text:
        return "The graph is freed: backward() has been through it. Compute the tensor anew, or use retain_graph=True."
    if CHANGED in text:
        return "A tensor that backward needs was changed in place after it was saved; change a copy of it instead."
    return f"The gradients could not be computed: {text.partition(chr(10))[0].rstrip('.')}."
