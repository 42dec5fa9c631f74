"""The graph that autograd keeps behind a tensor, and the gradients that flow there.

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
from helpers.sizes import times

LEAF = "AccumulateGrad"
MOST_NODES, MOST_COLUMNS = 400, 24  # more than this is no picture any more
DEEPEST = 90  # letters of indenting: a line further down starts no further right
DEFAULTS = {"alpha": 1, "beta": 1, "transposed": False, "reduction": 1}
# torch has one kind of error for both, so its words must tell them apart.
FREED = "backward through the graph a second time"
CHANGED = "modified by an inplace operation"
Shape = tuple[int, ...]
Place = tuple[float, float]


class TooLarge(ValueError):
    """A graph has more nodes than a picture can show."""


class Graph(nx.DiGraph):
    """The operations behind a tensor, each with edges to those that get its gradients.

    Nodes are numbered as backward reaches them, from 0, the operation that made the
    tensor; leaves that it could reach at the same time may come in another order. Each
    has `operation` (torch's name), `name` (of a parameter or a named tensor), `layer`
    (the module whose parameters it uses), `leaf`, `shapes` (of what arrives, one for
    each output), `saved` (by name the shapes of what is kept for backward, or "freed"
    or "changed in place"), `usual` (whether its settings are torch's defaults) and
    `next` (torch's `next_functions` as numbers, None where no gradient is needed).
    """

    def __repr__(self) -> str:
        """Return the graph as a text: below each node, who gets its gradients."""
        lines, seen, waiting = [], set(), [(0, "", "")] if self else []
        while waiting:
            number, head, rest = waiting.pop()
            if number is None:
                lines.append(f"{head}no gradient needed")
                continue
            after, again = self.nodes[number]["next"], number in seen
            above = ", as above" if again and after else ""
            lines.append(f"{head}{number} {'  '.join(label(self, number))}{above}")
            for place in reversed(range(0 if again else len(after))):
                more = place < len(after) - 1
                branch = f"{rest}{'├─' if more else '└─'}[{place}] "
                trunk = (rest + ("│  " if more else "   "))[:DEEPEST]
                waiting.append((after[place], branch, trunk))
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
        """Draw the graph, the tensor at the top, one node marked."""
        places, routes = layout(self)
        words = {number: label(self, number) for number in self}
        leaves = {number for number, leaf in self.nodes(data="leaf") if leaf}
        count = f"{len(self)} nodes, {len(leaves)} of them leaves"
        says = f"The autograd graph: {count}. {says}".strip()
        return figures.graph(places, routes, words, leaves, current, says)


def graph(tensor: Tensor, model: nn.Module | None = None, **names: Tensor) -> Graph:
    """Return the graph behind a tensor: `graph(loss, net)`, `graph(z, a=a, b=b)`.

    Leaves get the model's parameter names, tensors the names that they are given. The
    graph holds no tensor and keeps nothing alive. Raises ValueError where the tensor
    has no graph, or one of numbers that are not real.
    """
    nodes = _nodes(tensor)
    made = [one.dtype for node in nodes for one in node._input_metadata]
    if unreal := [dtype for dtype in made if dtype.is_complex]:
        real = "gradients are shown for real numbers only"
        raise ValueError(f"The graph computes with {unreal[0]}; {real}.")
    name_of = _names(nodes, model, names)
    number_of = {node: number for number, node in enumerate(nodes)}
    found = Graph()
    for node, number in number_of.items():
        after = tuple(number_of.get(other) for other, _ in node.next_functions)
        found.add_node(number, name=name_of[node], next=after, **_about(node))
    for number, after in found.nodes(data="next"):
        found.add_edges_from((number, other) for other in after if other is not None)
    for number in found:
        found.nodes[number]["layer"] = _layer(found, number)
    return found


def _nodes(tensor: Tensor) -> list[Node]:
    """Return torch's nodes behind a tensor in the order in which backward comes."""
    way, waiting = nx.DiGraph(), [_root(tensor)]
    way.add_node(waiting[0])
    for node in waiting:
        for after, _ in node.next_functions:
            if after is not None:
                if after not in way:
                    waiting.append(after)
                way.add_edge(node, after)
    # Leaves come first, then what was made last.
    nodes = [*nx.lexicographical_topological_sort(way, lambda one: -one._sequence_nr())]
    way.clear()  # it refers to itself, and would hold torch's nodes for longer
    return nodes


def _root(tensor: Tensor) -> Node:
    if not isinstance(tensor, Tensor):
        wanted = "Give a tensor that was computed, such as a loss"
        raise ValueError(f"{wanted}, not a {type(tensor).__name__}.")
    if tensor.grad_fn is not None:
        return tensor.grad_fn
    if not tensor.is_floating_point():
        why = f"of {tensor.dtype} has no graph here"
        do = "compute with floating-point numbers, such as .float() of it"
        raise ValueError(f"The tensor {why}: {do}.")
    if tensor.requires_grad:
        why = "is a leaf: it was not computed from others"
        raise ValueError(f"The tensor {why}. Give what was computed from it.")
    why = "nothing behind it requires a gradient, or it was computed under no_grad"
    raise ValueError(f"The tensor has no graph: {why}, or detached.")


def _names(
    nodes: list[Node], model: nn.Module | None, given: dict[str, Tensor]
) -> dict[Node, str]:
    """Return names for nodes; a parameter that is shared has several."""
    if not isinstance(model, nn.Module | None):
        kind = f"model must be an nn.Module, not a {type(model).__name__}"
        raise ValueError(f"{kind}; tensors get a name like this: x=x.")
    parameters = {}
    if model is not None:
        parameters = dict(model.named_parameters(remove_duplicate=False))
    found: dict[Node, list[str]] = {node: [] for node in nodes}
    for name, tensor in [*parameters.items(), *given.items()]:
        node = _made_by(tensor)
        if node in found:
            found[node].append(name)
        elif name in given:
            why = "nothing was computed from it, or it requires no gradient"
            raise ValueError(f"{name} is not in the graph: {why}.")
    learn = {name for name, tensor in parameters.items() if tensor.requires_grad}
    if learn and learn.isdisjoint(chain(*found.values())):
        why = "the tensor was computed by another one"
        raise ValueError(f"No parameter of the model is in the graph: {why}.")
    return {
        node: (" = " if type(node).__name__ == LEAF else ", ").join(names)
        for node, names in found.items()
    }


def _made_by(tensor: object) -> Node | None:
    """Return the node of a leaf, or the one that made the tensor."""
    if not isinstance(tensor, Tensor) or not tensor.requires_grad:
        return None
    with torch.inference_mode(False):  # under it torch cannot say which is a leaf's
        return get_gradient_edge(tensor).node


def _about(node: Node) -> dict[str, object]:
    """Return what torch tells of one node."""
    operation = type(node).__name__
    usual = [getattr(node, f"_saved_{name}", x) == x for name, x in DEFAULTS.items()]
    return {
        "operation": operation,
        "leaf": operation == LEAF,
        "shapes": tuple(tuple(made.shape) for made in node._input_metadata),
        "saved": _saved(node),
        "usual": all(usual),
    }


def _saved(node: Node) -> dict[str, Shape | str]:
    """Return the shapes of what is saved for backward, or why it cannot be read."""
    found: dict[str, Shape | str] = {}
    for attribute in dir(node):
        # A Function of one's own keeps saved_tensors.
        if attribute.startswith(("_saved_", "saved_tensors")):
            name = attribute.removeprefix("_saved_")
            try:
                found |= _shapes(name, getattr(node, attribute))
            except RuntimeError as error:
                found[name] = "changed in place" if CHANGED in str(error) else "freed"
    return found


def _shapes(name: str, value: object) -> dict[str, Shape]:
    """Return the shapes of a tensor or a tuple of them; what is no tensor has none."""
    parts = {name: value}
    if isinstance(value, tuple):
        parts = {f"{name}[{i}]": one for i, one in enumerate(value)}
    return {
        part: tuple(one.shape) for part, one in parts.items() if isinstance(one, Tensor)
    }


def _layer(found: Graph, number: int) -> str:
    """Return the module whose parameters this operation takes, turned over or not."""
    after = found[number]
    below = [other for other in after if found.nodes[other]["leaf"]]
    below = below or [next(iter(found[one])) for one in after if len(found[one]) == 1]
    layers = {found.nodes[other]["name"].rpartition(".")[0] for other in below}
    return layers.pop() if len(layers) == 1 else ""


def label(found: Graph, number: int) -> tuple[str, str]:
    """Return two lines for a node: what it is, and where it belongs, with shapes."""
    node = found.nodes[number]
    shapes = ", ".join(size(shape) for shape in node["shapes"])
    if node["leaf"]:
        return node["name"] or LEAF, shapes
    home = node["name"] or node["layer"]
    return node["operation"], " · ".join(filter(None, (home, shapes)))


def size(shape: Shape) -> str:
    """Return a shape as text, such as 1×10; no shape is a scalar."""
    return times(shape) or "scalar"


def layout(found: Graph) -> tuple[dict[int, Place], dict[tuple[int, int], list[Place]]]:
    """Return (column, row) for each node, and the points that each edge passes.

    Row 0 is at the top. The longest chain of operations stands in column 0, what leads
    back to it on its left, what does not on its right. Raises TooLarge where nobody
    could read the picture.
    """
    generations = [*nx.topological_generations(found)]
    if len(found) > MOST_NODES or max(map(len, generations)) > MOST_COLUMNS:
        large = f"The graph has {len(found):,} nodes, too many to draw"
        raise TooLarge(f"{large}; print it to read it as a text.")
    rows = {number: row for row, some in enumerate(generations) for number in some}
    leaf = found.nodes(data="leaf")
    operations = found.subgraph(number for number in found if not leaf[number])
    longest = nx.dag_longest_path(operations)
    beside = set().union(*(nx.ancestors(found, number) for number in longest))
    places = {number: (0, rows[number]) for number in longest}
    taken = set(places.values())

    order = {number: (rows[number], leaf[number], number) for number in found}
    for number in sorted(found.nodes - places.keys(), key=order.get):
        row, above = rows[number], found.predecessors(number)
        nearest = min((places[other][0] for other in above), key=abs)
        columns = count(nearest, -1 if number in beside or nearest < 0 else 1)
        column = next(c for c in columns if c and (c, row) not in taken)
        places[number] = column, row
        taken.add(places[number])
    edges = found.edges
    return places, {edge: _route(*(places[n] for n in edge), taken) for edge in edges}


def _route(start: Place, end: Place, taken: set[Place]) -> list[Place]:
    """Return an edge's points; a long one goes down a free column, and takes it."""
    between = range(start[1] + 1, end[1])
    if not between:
        return [start, end]
    others = (side * step for step in count(1) for side in (-1, 1))
    columns = chain((end[0], start[0]), others)
    column = next(c for c in columns if not any((c, row) in taken for row in between))
    taken.update((column, row) for row in between)
    return [start, (column, between[0]), (column, between[-1]), end]


@dataclass
class Record:
    """What one backward pass carried through a graph, in tensors of no graph.

    `arriving[node]` are the gradients that came to a node, one for each of its outputs
    (None where nothing came), at a leaf what backward() would add to its `.grad`;
    `leaving[node]` those that it passed on, one for each place of `next_functions`,
    before your own hooks change them; `before[leaf]` is the `.grad` that a leaf had.
    """

    graph: Graph
    before: dict[int, Tensor | None]
    arriving: dict[int, list[Tensor | None]] = field(default_factory=dict)
    leaving: dict[int, list[Tensor | None]] = field(default_factory=dict)

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
    """Send gradients once from a tensor to its leaves, and keep what each node gets.

    It is what backward() does, but no `.grad` changes, your own hooks on tensors run,
    and the graph stays for a backward() of your own. `gradient` is what backward()
    takes where the tensor is no scalar. Raises ValueError where it cannot be done.
    """
    nodes, found = _nodes(tensor), graph(tensor, model, **names)
    if gradient is None and tensor.numel() != 1:
        shape = f"The tensor has the shape {size(tensor.shape)}"
        one = "backward starts from one number: give gradient= too"
        raise ValueError(f"{shape}, and {one}.")
    leaves = {n: nodes[n].variable for n, leaf in found.nodes(data="leaf") if leaf}
    before = {number: _apart(leaf.grad) for number, leaf in leaves.items()}
    kept = Record(found, before)
    with ExitStack() as undo:
        _keep_grads(undo)
        for number in found.nodes - leaves.keys():
            catch = partial(_catch, kept, number, nodes[number].next_functions)
            undo.enter_context(nodes[number].register_hook(catch))
        how = {"retain_graph": True, "allow_unused": True}
        try:
            results = torch.autograd.grad(tensor, [*leaves.values()], [gradient], **how)
        except (RuntimeError, TypeError) as error:
            raise ValueError(_reason(str(error))) from error
    for number, result in zip(leaves, results, strict=True):
        kept.arriving[number] = [_apart(result)]
    return kept


def _keep_grads(undo: ExitStack) -> None:
    """Keep the .grad of tensors with retain_grad(), which even torch's grad() fills."""
    # A node does not know its tensors, so all there are must be asked.
    for one in gc.get_objects():
        if type(one) is Tensor and one.retains_grad:
            undo.callback(setattr, one, "grad", one.grad)


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
        why = "backward() has been through it. Compute the tensor anew"
        return f"The graph is freed: {why}, or use retain_graph=True."
    if CHANGED in text:
        why = "was changed in place after it was saved; change a copy of it instead"
        return f"A tensor that backward needs {why}."
    return f"The gradients could not be computed: {text.splitlines()[0].rstrip('.')}."
