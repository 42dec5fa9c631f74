"""The checkers of notebook 04 tell right from wrong kindly."""

import copy
from functools import partial

import numpy as np
import torch
from answers import Exercise
from exercises import lesson_04 as checks
from exercising import Lesson, train
from refresh import NOTEBOOKS
from torch import nn


def relu_nodes(loss, place=1):
    first = loss.grad_fn.next_functions[0][0].next_functions[place][0]
    return [first, first.next_functions[0][0].next_functions[1][0]]


def mean_of_losses(net, batches, criterion):
    with torch.no_grad():
        return sum(criterion(net(x), target).item() for x, target in batches) / len(
            batches
        )


def momentum(parameters, velocities, lr, keep, first="velocity"):
    with torch.no_grad():
        for parameter, velocity in zip(parameters, velocities, strict=True):
            if first == "parameter":
                parameter.sub_(lr * velocity)
            velocity.mul_(keep).add_(parameter.grad)
            if first == "velocity":
                parameter.sub_(lr * velocity)


def new_parameters(parameters, velocities, lr, keep):
    parameters[:] = [p.detach() - lr * p.grad for p in parameters]


def one_over(exponent=-1, backward=lambda x, arriving: -arriving / x**2):
    def keep(ctx, x):
        ctx.save_for_backward(x)
        return x**exponent

    parts = {
        "forward": keep,
        "backward": lambda ctx, arriving: backward(*ctx.saved_tensors, arriving),
    }
    return type(
        "OneOver",
        (torch.autograd.Function,),
        {name: staticmethod(part) for name, part in parts.items()},
    )


def no_step(net, x, target, steps, lr):
    return [nn.functional.mse_loss(net(x), target).item() for _ in range(steps)]


def switch_off(net, batches, criterion):
    torch.set_grad_enabled(False)
    return mean_of_losses(net, batches, criterion)


def slow_mean(net, batches, criterion):
    return sum(criterion(net(x), target).item() for x, target in batches) / len(batches)


def by_forward(net, batches, criterion):
    return sum(criterion(net.forward(x), y).item() for x, y in batches) / len(batches)


def leaving(change):
    def mean(net, batches, criterion):
        right = mean_of_losses(net, batches, criterion)
        change(net)
        return right

    return mean


def frozen_step(parameters, *rest):
    momentum(parameters, *rest)
    parameters[0].requires_grad_(False)


def new_velocities(parameters, velocities, lr, keep):
    for i, parameter in enumerate(parameters):
        velocities[i] = keep * velocities[i] + parameter.grad
        parameter.data -= lr * velocities[i]


class SavesResult(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(1 / x)
        return 1 / x

    @staticmethod
    def backward(ctx, arriving):
        return -(ctx.saved_tensors[0] ** 2) * arriving


class SavesOnClass(SavesResult):
    @staticmethod
    def forward(ctx, x):
        SavesOnClass.x = x
        return 1 / x

    @staticmethod
    def backward(ctx, arriving):
        return -arriving / SavesOnClass.x**2


class InPlace(SavesResult):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x.reciprocal_())
        return x.clone()


class OnlyTheFirstTime(SavesResult):
    calls = 0

    @staticmethod
    def backward(ctx, arriving):
        OnlyTheFirstTime.calls += 1
        right = SavesResult.backward(ctx, arriving)
        return right if OnlyTheFirstTime.calls < 3 else 2 * right


def by_hand(net, x, target, steps, lr):
    losses = []
    for _ in range(steps):
        loss = ((net(x) - target) ** 2).mean()
        losses.append(loss.item())
        gradients = torch.autograd.grad(loss, net.parameters())
        with torch.no_grad():
            for parameter, gradient in zip(net.parameters(), gradients, strict=True):
                parameter.sub_(lr * gradient)
    return losses


def last_update_missing(net, x, target, steps, lr):
    losses = train(net, x, target, steps - 1, lr)
    return [*losses, nn.functional.mse_loss(net(x), target).item()]


def weights_back(net, *rest):
    start = copy.deepcopy(net.state_dict())
    losses = train(net, *rest)
    net.load_state_dict({**start, "2.bias": net[2].bias})
    return losses


def cut(image, arriving, k, stride=1):
    slid = nn.functional.conv2d(image[None], arriving[None, None], dilation=stride)
    return slid[0, :k, :k]


RIGHT = {
    checks.chain: [(16, 4, 4), torch.tensor([16.0, 4, 4])],
    checks.path_to_weight: [
        [0, 1, 0, 2, 0],
        (0, 1, 0, 2, 0),
        [np.int64(0), torch.tensor(1), 0, 2, 0],
        np.array([0, 1, 0, 2, 0]),
    ],
    checks.find_relus: [relu_nodes],
    checks.fitting_loss: [
        lambda prediction, target: ((prediction.squeeze(1) - target) ** 2).mean()
    ],
    checks.mean_loss: [
        mean_of_losses,
        torch.inference_mode()(slow_mean),
        lambda *given: np.float64(mean_of_losses(*given)),
    ],
    checks.momentum_step: [momentum, new_velocities],
    checks.reciprocal: [
        one_over(),
        one_over(backward=lambda x, arriving: arriving.div_(-(x**2))),
        SavesResult,
    ],
    checks.five_lines: [train, by_hand, lambda *given: tuple(np.array(train(*given)))],
    checks.kernel_gradient: [cut, lambda *given: cut(*given).double().numpy()],
}
WRONG = {
    checks.chain: [
        ((4, 1, 1), "what arrives at it has still to be multiplied"),
        ((16, 4, 1), "number 3 is not 1"),
        (16, "give 3 numbers"),
    ],
    checks.path_to_weight: [
        (
            [0, 0],
            "it leads MseLossBackward0 → AddmmBackward0 → AccumulateGrad, "
            "which is fc3.bias",
        ),
        ([0, 1], "ReluBackward0, which is no leaf"),
        ([1], "at place 1, behind MseLossBackward0, no gradient is needed"),
        ([0, 7], "MseLossBackward0 → AddmmBackward0 has no place 7"),
        ([0, -1], "has no place -1"),
        ("0, 1", "give a list of places"),
        (
            [0.0, 1.0, 0.0, 2.0, 0.0],
            "places are whole numbers, like [0, 1]; 0.0 is none",
        ),
        ([False, True, False, 2, False], "whole numbers, like [0, 1]; False is none"),
    ],
    checks.find_relus: [
        (
            lambda loss: [relu_nodes(loss)[0]] * 2,
            "the second is a ReLU, but another one",
        ),
        (lambda loss: relu_nodes(loss)[::-1], "the first is a ReLU, but another one"),
        (
            lambda loss: loss.grad_fn.next_functions[0][0].next_functions[:2],
            "the first is a pair",
        ),
        (
            lambda loss: [loss.grad_fn, None],
            "the first is MseLossBackward0; which place",
        ),
        (lambda loss: relu_nodes(loss)[0], "not a list"),
        (lambda loss: None, "return missing"),
        ("ReLU", "function of loss"),
    ],
    checks.fitting_loss: [
        (nn.functional.mse_loss, "each prediction meet only its own target"),
        (lambda p, t: nn.functional.mse_loss(p.squeeze(), t), "torch still warns"),
        (lambda p, t: nn.functional.mse_loss(p.T, t), "torch still warns"),
        (lambda p, t: nn.functional.mse_loss(p[:, 0].detach(), t), "has no graph"),
        (lambda p, t: 0.5, "the loss is another"),
    ],
    checks.mean_loss: [
        (lambda net, batches, criterion: None, "return missing"),
        (
            lambda net, batches, criterion: sum(
                criterion(net(x), t) for x, t in batches
            ),
            "plain number with item()",
        ),
        (slow_mean, "which block stops that"),
        (switch_off, "gradients are off for good"),
        (lambda *given: 3 * mean_of_losses(*given), "the mean of their losses is"),
        (0.5, "the answer is a function of net, batches, criterion"),
        (by_forward, "which block stops that"),
        (leaving(lambda net: net.train()), "goes out in train(True)"),
        (leaving(lambda net: net.requires_grad_(False)), "requires_grad"),
        (leaving(lambda net: net.register_forward_hook(print)), "a hook stays behind"),
    ],
    checks.momentum_step: [
        (lambda *given: None, "nothing has moved"),
        (
            lambda *given: momentum(*given, first="parameter"),
            "changed first, and then used",
        ),
        (lambda ps, vs, lr, keep: momentum(ps, vs, lr, 0), "SGD without momentum"),
        (
            lambda ps, vs, lr, keep: momentum(ps, vs, 0.1, 0.9),
            "after step 1 the parameters are not",
        ),
        (
            lambda ps, vs, lr, keep: momentum(ps[:1], vs[:1], lr, keep),
            "only the first parameter",
        ),
        (new_parameters, "the list holds new tensors"),
        (0.9, "the answer is a function of parameters, velocities, lr, momentum"),
        (lambda ps, vs, lr, keep: momentum(ps, vs, lr, 0.8), "where they belong"),
        (lambda ps, vs, lr, keep: momentum(ps, vs, 0.1, keep), "where they belong"),
        (frozen_step, "requires_grad"),
    ],
    checks.reciprocal: [
        (
            one_over(backward=lambda x, arriving: arriving / x),
            "does not give what arrives times −1/x²",
        ),
        (one_over(backward=lambda x, arriving: arriving / x**2), "the wrong sign"),
        (
            one_over(backward=lambda x, arriving: -1 / x**2),
            "what arrives has still to be multiplied",
        ),
        (
            one_over(backward=lambda x, arriving: None),
            "what backward returns is None; is a return missing",
        ),
        (one_over(2), "forward does not give 1/x"),
        (one_over().apply, "give the class itself"),
        (one_over(backward=lambda x, arriving: -4 * arriving), "times −1/x²"),
        (
            one_over(
                backward=lambda x, arriving: arriving * torch.tensor([-4, -1, -0.25])
            ),
            "stopped with",
        ),
        (SavesOnClass, "stopped with RuntimeError"),
        (InPlace, "forward changes x itself"),
        (OnlyTheFirstTime, "finite differences do not agree"),
    ],
    checks.five_lines: [
        (lambda *given: train(*given, clear=False), "is .grad cleared at each step"),
        (lambda *given: train(*given, keep=lambda loss: loss), "keep loss.item()"),
        (lambda *given: train(*given, keep=lambda loss: loss.item), "give one number"),
        (lambda *given: train(*given, how=torch.optim.Adam), "one step of plain SGD"),
        (
            lambda net, x, target, steps, lr: train(net, x, target, steps, 0.01),
            "the lr that is given",
        ),
        (lambda *given: train(*given)[1:], "for 5 steps it returns 4 losses"),
        (
            lambda *given: train(*given, keep=lambda loss: 2 * loss.item()),
            "the first loss is another",
        ),
        (no_step, "net has not changed"),
        (lambda *given: None, "is a return missing?"),
        (
            partial(train, how=partial(torch.optim.SGD, momentum=0.9)),
            "without momentum",
        ),
        (partial(train, how=partial(torch.optim.SGD, weight_decay=0.1)), "plain SGD"),
        (last_update_missing, "the last update is missing"),
        (weights_back, "the weights of net are others"),
    ],
    checks.kernel_gradient: [
        (lambda x, g, k, s: cut(x, g, k), "that one weight meets lie stride apart"),
        (lambda *given: cut(*given).flip(0, 1), "back to front; flip nothing"),
        (lambda x, g, *rest: cut(x, g, *rest) / g.numel(), "and no mean is taken"),
        (lambda x, g, k, s: cut(x, g, 99, s), "cut off what is left over"),
        (lambda x, g, k, s: x[:k, :k] * g[0, 0], "and should be"),
        (lambda x, g, k, s: g, "has the shape (3, 4); give 3 rows of 3"),
        (lambda *given: None, "is a return missing?"),
        (4, "the answer is a function of image, arriving, kernel_size, stride"),
    ],
}


class TestCheckers(Lesson):
    right, wrong = RIGHT, WRONG
    notebook = NOTEBOOKS[3]


def test_an_answer_that_leaves_gradients_off_is_judged_twice_alike():
    one = Exercise(
        "find_relus", None, "answer = nodes", {"nodes": relu_nodes}, "answer"
    )

    def left_off(loss):
        torch.set_grad_enabled(False)
        return relu_nodes(loss)

    assert one.right(left_off) and one.right(left_off)
    assert torch.is_grad_enabled()
