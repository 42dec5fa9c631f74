"""The checkers of notebook 04, inspecting the autograd graph."""

import copy
import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from exercises import expect_kind, expect_three
from helpers.checking import (
    exercise,
    expect,
    expect_same,
    plain,
)
from helpers.networks import Net


@exercise("what arrives, times the own gradient, is passed on.")
def chain(answer: tuple) -> None:
    """Check the gradients of (a·b + c)² by a, b and c at a = 1, b = 4, c = −2."""
    expect(
        plain(answer) != [4, 1, 1],
        "those are for a·b + c; what arrives at it has still to be multiplied.",
    )
    hints = [
        f"what arrives at a·b + c, and how fast does that change with {name}?"
        for name in "abc"
    ]
    expect_three(answer, (16, 4, 4), hints)


def _loss_of_net() -> tuple[Net, torch.Tensor]:
    net = Net()
    return net, F.mse_loss(net(torch.randn(1, 1, 32, 32)), torch.randn(1, 10))


@exercise("MSE, dense layer, ReLU, dense layer, TBackward0, and there it is.")
def path_to_weight(answer: list) -> None:
    """Check the places of next_functions that lead from the loss of Net to the leaf of
    fc2.weight.
    """
    places = plain(answer)
    expect(isinstance(places, list), "give a list of places, like [0, 1].")
    net, loss = _loss_of_net()
    node, way = loss.grad_fn, type(loss.grad_fn).__name__
    for place in places:
        expect(
            isinstance(place, int),
            f"places are whole numbers, like [0, 1]; {place!r} is none.",
        )
        expect(
            place in range(len(node.next_functions)), f"{way} has no place {place!r}."
        )
        node = node.next_functions[place][0]
        expect(
            node is not None,
            f"at place {place}, behind {way}, no gradient is needed: nobody is there.",
        )
        way = f"{way} → {type(node).__name__}"
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    found = names.get(id(getattr(node, "variable", None)), "no leaf")
    expect(found == "fc2.weight", f"it leads {way}, which is {found}.")


@exercise("the input is a dense layer's second place.", of="loss")
def find_relus(answer: Callable) -> None:
    """Check a function that returns the nodes of the ReLUs in front of fc3 and fc2 of
    Net, given the loss.
    """
    _, loss = _loss_of_net()
    given, node = answer(loss), loss.grad_fn
    expect_kind(given, list, tuple)
    expect(len(given) == 2, "it does not return two nodes; put them into a list.")
    for which, found in zip(("first", "second"), given, strict=True):
        node = node.next_functions[0][0].next_functions[1][0]
        expect(
            not isinstance(found, tuple),
            f"the {which} is a pair (node, place); add [0].",
        )
        kind = type(found).__name__
        expect(
            kind == "ReluBackward0",
            f"the {which} is {kind}; which place is the layer's input?",
        )
        expect(
            found is node,
            f"the {which} is a ReLU, but another one; count the dense layers from the loss on.",
        )


@exercise("equal shapes, nothing is broadcast.", of="prediction, target")
def fitting_loss(answer: Callable) -> None:
    """Check a function of prediction (n×1) and target (n) that returns their mean
    squared error.
    """
    hint = "the loss is another; does each prediction meet only its own target?"
    cases = [(torch.randn(n, 1), torch.randn(n)) for n in (4, 1, 7)]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        answer.agrees(
            lambda prediction, target: F.mse_loss(prediction[:, 0], target), cases, hint
        )
    expect(
        not told,
        "the numbers are right, and torch still warns; are the shapes equal, for a single pair too?",
    )
    graph = getattr(
        answer(torch.zeros(3, 1, requires_grad=True), torch.ones(3)),
        "requires_grad",
        False,
    )
    expect(
        graph,
        "the loss has no graph; compute it from the prediction itself, without detach or item.",
    )


def _graphs(model: nn.Module) -> list[bool]:
    """Return a list that gets True for each later forward pass that makes a graph,
    False for the others.
    """
    found = []
    model.register_forward_hook(
        lambda _model, _given, output: found.append(output.grad_fn is not None)
    )
    return found


@exercise("a plain number, and nothing is kept.", of="net, batches, criterion")
def mean_loss(answer: Callable) -> None:
    """Check a function of net, batches and criterion that returns the mean loss and
    keeps no graph.
    """
    for many, criterion in ((3, F.mse_loss), (2, F.l1_loss)):
        net, batches = (
            nn.Linear(3, 2),
            [(torch.randn(4, 3), torch.randn(4, 2)) for _ in range(many)],
        )
        right = sum(criterion(net(x), target).item() for x, target in batches) / many
        graphs = _graphs(net)
        given = answer(net, batches, criterion)
        expect(
            torch.is_grad_enabled(),
            "afterwards gradients are off for good; use a with block, which ends.",
        )
        expect(
            not isinstance(given, torch.Tensor),
            "it returns a tensor; make it a plain number with item().",
        )
        hint = "{lead} is {given}, and the mean of their losses is {right}."
        expect_same(given, right, (), hint, f"for {many} batches the result")
        expect(
            not any(graphs),
            "the number is right, and the graphs are still made; which block stops that?",
        )


@exercise(
    "first the velocity, then the parameter, as torch does.",
    of="parameters, velocities, lr, momentum",
)
def momentum_step(answer: Callable) -> None:
    """Check three steps of a function that changes lists of parameters and of
    velocities as torch.optim.SGD does.
    """
    start, ones, speed, way = torch.tensor([1.0, -2.0, 0.5]), torch.ones(3), 0, 0
    mine = [part.clone().requires_grad_() for part in start.split((2, 1))]
    parameters, velocities = [*mine], [torch.zeros_like(one) for one in mine]
    mistakes = [
        (0 * ones, "nothing has moved; is the velocity changed first, and then used?"),
        (
            -0.25 * ones,
            "after the second step it is SGD without momentum; does the velocity keep what it had?",
        ),
        (
            torch.tensor([-0.05, -0.05, 0]),
            "only the first parameter has moved; does the loop reach them all?",
        ),
    ]
    for number, lr in ((1, 0.05), (2, 0.1), (3, 0.02)):
        for one in mine:
            one.grad = torch.full_like(one, number)
        speed = 0.8 * speed + number
        way += lr * speed
        answer(parameters, velocities, lr, 0.8)
        own = [id(one) for one in parameters] == [id(one) for one in mine]
        expect(
            own,
            "the list holds new tensors; change the parameters themselves, with -= under no_grad.",
        )
        hint = f"after step {number} the parameters are not torch's; are lr and momentum used where they belong?"
        expect_same(torch.cat(mine).detach() - start, -way * ones, mistakes, hint)


@exercise("finite differences agree, and so does torch.")
def reciprocal(answer: type) -> None:
    """Check a torch.autograd.Function that gives 1/x and its gradient."""
    made = isinstance(answer, type) and issubclass(answer, torch.autograd.Function)
    expect(made, "give the class itself, a torch.autograd.Function, without ().")
    x = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64, requires_grad=True)
    result, arriving = (
        answer.apply(x),
        torch.tensor([1.0, 10.0, -2.0], dtype=torch.float64),
    )
    expect_same(result, 1 / x, (), "forward does not give 1/x.", "what forward returns")
    (given,) = torch.autograd.grad(result, x, arriving.clone(), allow_unused=True)
    own = -1 / x**2
    mistakes = [
        (own, "backward gives −1/x²; what arrives has still to be multiplied."),
        (-arriving * own, "the gradient has the wrong sign."),
    ]
    expect_same(
        given,
        arriving * own,
        mistakes,
        "backward does not give what arrives times −1/x².",
        "what backward returns",
    )


@exercise(
    "clear, forward, loss, backward, step.", of="net, x, target, steps, lr", trains=True
)
def five_lines(answer: Callable) -> None:
    """Check a function that makes so many steps of SGD and returns the losses, against
    a loop of ours.
    """
    first = (
        "the first loss is another; is it the mean squared error before the first step?"
    )
    second = "the second loss is another; is it one step of plain SGD with the lr that is given?"
    later = (
        "two losses are right and a later one is not; is .grad cleared at each step?"
    )
    unmoved = "net has not changed; make the optimizer of its parameters, and clear before backward, not after."
    for steps, lr in ((5, 0.1), (3, 0.02)):
        net, x, target = nn.Linear(3, 2), torch.randn(4, 3), torch.randn(4, 2)
        mine = copy.deepcopy(net)
        given = answer(mine, x, target, steps, lr)
        expect_kind(given, list, tuple)
        expect(
            not any(isinstance(one, torch.Tensor) for one in given),
            "the losses are tensors; keep loss.item().",
        )
        expect(
            len(given) == steps, f"for {steps} steps it returns {len(given)} losses."
        )
        expect(not torch.equal(mine.weight, net.weight), unmoved)
        optimizer = torch.optim.SGD(net.parameters(), lr=lr)
        for loss, hint in zip(given, (first, second, *[later] * steps), strict=False):
            right = F.mse_loss(net(x), target)
            expect_same(loss, right, (), hint, "a loss")
            optimizer.zero_grad()
            right.backward()
            optimizer.step()
