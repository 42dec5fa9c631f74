"""The checkers of notebook 04, inspecting the autograd graph."""

import copy
import warnings
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parameters_to_vector

from exercises import expect_kind, expect_number, expect_three, graphs_of, one_whole
from helpers.checking import exercise, expect, expect_same, leaves_unchanged, plain
from helpers.networks import Net


@exercise("what arrives, times the own gradient, is passed on.")
def chain(answer: tuple) -> None:
    """Check the gradients of (a·b + c)² by a, b and c at a = 1, b = 4, c = −2."""
    early = "those are for a·b + c; what arrives at it has still to be multiplied."
    expect(plain(answer) != [4, 1, 1], early)
    hint = "what arrives at a·b + c, and how fast does that change with {}?"
    expect_three(answer, (16, 4, 4), [hint.format(name) for name in "abc"])


def _loss_of_net() -> tuple[Net, torch.Tensor]:
    net = Net()
    return net, F.mse_loss(net(torch.randn(1, 1, 32, 32)), torch.randn(1, 10))


@exercise("MSE, dense layer, ReLU, dense layer, TBackward0, and there it is.")
def path_to_weight(answer: list) -> None:
    """Check the places of next_functions from the loss of Net to fc2.weight."""
    places = plain(answer)
    expect(isinstance(places, list), "give a list of places, like [0, 1].")
    net, loss = _loss_of_net()
    node, way = _walk(loss.grad_fn, places)
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    found = names.get(id(getattr(node, "variable", None)), "no leaf")
    expect(found == "fc2.weight", f"it leads {way}, which is {found}.")


def _walk(node: torch.autograd.graph.Node, places: list) -> tuple:
    """Return the node to which the places lead, and the names on the way."""
    way = type(node).__name__
    for place in places:
        whole = one_whole(place, pairs=False) is not None
        expect(whole, f"places are whole numbers, like [0, 1]; {place!r} is none.")
        there = place in range(len(node.next_functions))
        expect(there, f"{way} has no place {place!r}.")
        node = node.next_functions[place][0]
        hint = f"at place {place}, behind {way}, no gradient is needed: "
        expect(node is not None, hint + "nobody is there.")
        way = f"{way} → {type(node).__name__}"
    return node, way


@exercise("the input is a dense layer's second place.", of="loss")
def find_relus(answer: Callable) -> None:
    """Check a function of Net's loss: the nodes of the ReLUs before fc3 and fc2."""
    _, loss = _loss_of_net()
    given, node = answer(loss), loss.grad_fn
    expect_kind(given, list, tuple)
    expect(len(given) == 2, "it does not return two nodes; put them into a list.")
    for which, found in zip(("first", "second"), given, strict=True):
        node, _ = _walk(node, [0, 1])
        hint = f"the {which} is a pair (node, place); add [0]."
        expect(not isinstance(found, tuple), hint)
        kind = type(found).__name__
        hint = f"the {which} is {kind}; which place is the layer's input?"
        expect(kind == "ReluBackward0", hint)
        hint = f"the {which} is a ReLU, but another one; "
        expect(found is node, hint + "count the dense layers from the loss on.")


@exercise("equal shapes, nothing is broadcast.", of="prediction, target")
def fitting_loss(answer: Callable) -> None:
    """Check the mean squared error of a prediction (n×1) and a target (n)."""
    hint = "the loss is another; does each prediction meet only its own target?"
    cases = [(torch.randn(n, 1), torch.randn(n)) for n in (4, 1, 7)]
    with warnings.catch_warnings(record=True, action="always") as told:
        answer.agrees(lambda p, target: F.mse_loss(p[:, 0], target), cases, hint)
    warns = any(issubclass(one.category, UserWarning) for one in told)
    hint = "the numbers are right, and torch still warns; "
    expect(not warns, hint + "are the shapes equal, for a single pair too?")
    loss = answer(torch.zeros(3, 1, requires_grad=True), torch.ones(3))
    hint = "the loss has no graph; compute it from the prediction itself, "
    expect(getattr(loss, "requires_grad", False), hint + "without detach or item.")


@exercise("a plain number, and nothing is kept.", of="net, batches, criterion")
def mean_loss(answer: Callable) -> None:
    """Check a function that returns the mean loss of batches and makes no graph."""
    for many, criterion in ((3, F.mse_loss), (2, F.l1_loss)):
        net = nn.Sequential(nn.Linear(3, 2), nn.Dropout()).eval()
        batches = [(torch.randn(4, 3), torch.randn(4, 2)) for _ in range(many)]
        right = sum(criterion(net(x), y).item() for x, y in batches) / many
        graphs = graphs_of(net)
        given = answer(net, batches, criterion)
        expect_number(given)
        hint = "{lead} is {given}, and the mean of their losses is {right}."
        expect_same(given, right, (), hint, f"for {many} batches the result")
        hint = "the number is right, and the graphs are still made; "
        expect(not any(graphs), hint + "which block stops that?")


@exercise(
    "first the velocity, then the parameter, as torch does.",
    of="parameters, velocities, lr, momentum",
)
def momentum_step(answer: Callable) -> None:
    """Check three updates of parameters and velocities in place."""
    momentum, start, sizes = torch.rand(()).item(), torch.randn(5), (2, 3)
    mine = nn.ParameterList(map(torch.clone, start.split(sizes)))
    parameters, velocities = [*mine], [torch.zeros_like(one) for one in mine]
    right, without = start.clone(), start.clone()
    groups = {"params": [right], "momentum": momentum}, {"params": [without]}
    oracle = torch.optim.SGD(groups)
    for number, lr in enumerate((0.05, 0.1, 0.02), 1):
        gradient = torch.randn(5)
        for parameter, part in zip(mine, gradient.split(sizes), strict=True):
            parameter.grad = part.clone()
        with leaves_unchanged(mine, trains=True):
            answer(parameters, velocities, lr, momentum)
        hint = "the list holds new tensors; "
        hint += "change the parameters themselves, with -= under no_grad."
        expect([*map(id, parameters)] == [*map(id, mine)], hint)
        right.grad = without.grad = gradient
        for group in oracle.param_groups:
            group["lr"] = lr
        oracle.step()
        first = torch.cat([right[:2], start[2:]])
        mistakes = [*zip((start, without, first), SLIPS, strict=True)]
        hint = f"after step {number} the parameters are not torch's; "
        hint += "are lr and momentum used where they belong?"
        expect_same(parameters_to_vector(mine), right, mistakes, hint)


SLIPS = (
    "nothing has moved; is the velocity changed first, and then used?",
    "after the second step it is SGD without momentum; "
    "does the velocity keep what it had?",
    "only the first parameter has moved; does the loop reach them all?",
)


@exercise("finite differences agree, and so does torch.")
def reciprocal(answer: type) -> None:
    """Check a torch.autograd.Function that gives 1/x and its gradient."""
    made = isinstance(answer, type) and issubclass(answer, torch.autograd.Function)
    expect(made, "give the class itself, a torch.autograd.Function, without ().")
    inputs = [torch.rand(n, dtype=torch.float64) + 0.5 for n in (3, 5)]
    inputs[0] *= -1
    leaves = [x.clone().requires_grad_() for x in inputs]
    # Both forward passes come before the first backward: what a pass saves is its own.
    results = [answer.apply(x) for x in leaves]
    for x, result in zip(inputs, results, strict=True):
        hint = "forward does not give 1/x."
        expect_same(result, 1 / x, (), hint, "what forward returns")
    kept = all(map(torch.equal, leaves, inputs))
    expect(kept, "forward changes x itself; leave it as it came.")
    _expect_gradients(leaves, results)
    finite = torch.autograd.gradcheck(answer.apply, leaves[:1], raise_exception=False)
    expect(finite, "finite differences do not agree; is each call like the first?")


def _expect_gradients(leaves: list[torch.Tensor], results: list[torch.Tensor]) -> None:
    arriving = [torch.randn_like(x) for x in leaves]
    sent = [one.clone() for one in arriving]
    gradients = torch.autograd.grad(results, leaves, sent, allow_unused=True)
    for x, given, arrives in zip(leaves, gradients, arriving, strict=True):
        own = -1 / x.detach() ** 2
        mistakes = [
            (own, "backward gives −1/x²; what arrives has still to be multiplied."),
            (-arrives * own, "the gradient has the wrong sign."),
        ]
        hint = "backward does not give what arrives times −1/x²."
        expect_same(given, arrives * own, mistakes, hint, "what backward returns")


@exercise(
    "clear, forward, loss, backward, step.", of="net, x, target, steps, lr", trains=True
)
def five_lines(answer: Callable) -> None:
    """Check losses and weights of so many steps of plain SGD on the squared error."""
    for steps, lr in ((5, 0.1), (3, 0.02)):
        net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        x, target = torch.randn(4, 3), torch.randn(4, 2)
        mine = copy.deepcopy(net)
        given = answer(mine, x, target, steps, lr)
        expect_kind(given, list, tuple)
        tensors = any(isinstance(one, torch.Tensor) for one in given)
        expect(not tensors, "the losses are tensors; keep loss.item().")
        hint = f"for {steps} steps it returns {len(given)} losses."
        expect(len(given) == steps, hint)
        start, weights = (parameters_to_vector(one.parameters()) for one in (net, mine))
        hint = "net has not changed; make the optimizer of its parameters, "
        hint += "and clear before backward, not after."
        expect(not torch.equal(weights, start), hint)
        _expect_losses(given, net, (x, target), lr)
        _, right = _plain_sgd(net, (x, target), steps, lr)
        _, before = _plain_sgd(net, (x, target), steps - 1, lr)
        mistakes = [(before, "the losses are right, and the last update is missing.")]
        hint = "the losses are right, and the weights of net are others."
        expect_same(weights, right, mistakes, hint)


def _expect_losses(given: Sequence, net: nn.Module, pair: tuple, lr: float) -> None:
    right, _ = _plain_sgd(net, pair, len(given), lr)
    uncleared, _ = _plain_sgd(net, pair, len(given), lr, clear=False)
    later = "two losses are right and a later one is not; "
    others = "does each step subtract lr · gradient and no more, without momentum?"
    hints = [
        "the first loss is another; "
        "is it the mean squared error before the first step?",
        "the second loss is another; "
        "is it one step of plain SGD with the lr that is given?",
        *[later + others] * (len(given) - 2),
    ]
    for loss, wanted, wrong, hint in zip(given, right, uncleared, hints, strict=True):
        mistakes = [(wrong, f"{later}is .grad cleared at each step?")]
        expect_same(loss, wanted, mistakes, hint, "a loss")


def _plain_sgd(
    net: nn.Module, pair: tuple, steps: int, lr: float, clear: bool = True
) -> tuple[list[float], torch.Tensor]:
    """Return the loss before each step, and the weights after all, of a copy of net."""
    net, (x, target), losses = copy.deepcopy(net), pair, []
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    for _ in range(steps):
        if clear:
            optimizer.zero_grad()
        loss = F.mse_loss(net(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, parameters_to_vector(net.parameters())


@exercise(
    "each weight gathers the pixels that it meets, times what arrives there.",
    of="image, arriving, kernel_size, stride",
)
def kernel_gradient(answer: Callable) -> None:
    """Check the gradient of a kernel that slides over an image, against torch's."""
    cases = (5, 6, 3, 1), (6, 8, 3, 2), (5, 9, 2, 3), (4, 7, 1, 2), (9, 8, 4, 3)
    for height, width, k, stride in cases:
        x, kernel = torch.randn(1, height, width), torch.zeros(1, 1, k, k)
        output = F.conv2d(x, kernel.requires_grad_(), stride=stride)
        g = torch.randn_like(output)
        right = torch.autograd.grad(output, kernel, g)[0][0, 0]
        mistakes = [
            (F.conv2d(x, g[None])[0, :k, :k], APART),
            (right.flip(0, 1), "the numbers come back to front; flip nothing."),
            (right / g.numel(), "the products are added up, and no mean is taken."),
            (F.conv2d(x, g[None], dilation=stride)[0], LEFT_OVER),
        ]
        answer.gives(right, (x[0], g[0], k, stride), mistakes)


APART = "with a stride, the pixels that one weight meets lie stride apart."
LEFT_OVER = "it has more numbers than the kernel; cut off what is left over."
