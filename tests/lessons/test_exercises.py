"""Each checker tells right from wrong kindly, and each solution in a notebook passes
its own checker.
"""

import contextlib
import copy
import io
import math
import re
from collections import Counter
from functools import partial
from types import SimpleNamespace

import nbformat
import pytest
import torch
import torch.nn.functional as F
from exercises import (
    lesson_01,
    lesson_02,
    lesson_03,
    lesson_04,
    lesson_05,
    lesson_06,
)
from refresh import NOTEBOOKS
from torch import nn
from torch.utils.data import DataLoader, Subset

from helpers import checking

checks = SimpleNamespace(
    **vars(checking),
    **{
        name: value
        for lesson in (lesson_01, lesson_02, lesson_03, lesson_04, lesson_05, lesson_06)
        for name, value in vars(lesson).items()
        if name not in vars(checking)
    },
)


def said(check, *answer):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        check(*answer)
    return out.getvalue()


def double_loop(image, kernel, stride):
    starts = range(0, len(image) - len(kernel) + 1, stride)
    k = len(kernel)
    return torch.stack(
        [
            torch.stack([(image[r : r + k, c : c + k] * kernel).sum() for c in starts])
            for r in starts
        ]
    )


def averaged(image, kernel_size, stride):
    rows, columns = (range(0, size - kernel_size + 1, stride) for size in image.shape)
    windows = [
        [image[r : r + kernel_size, c : c + kernel_size].mean() for c in columns]
        for r in rows
    ]
    return torch.tensor(windows)


def seen(layers):
    sees, step = 1, 1
    for kernel_size, stride in layers:
        sees, step = sees + (kernel_size - 1) * step, step * stride
    return sees


def ten_logits(maps, *more):
    convolution = [nn.Conv2d(1, maps, 5), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*convolution, nn.Flatten(), nn.Linear(maps * 144, 10), *more)


class Ending(nn.Module):
    """Ten logits, and what a student's forward then makes of them."""

    def __init__(self, end):
        super().__init__()
        self.net, self.end = ten_logits(8), end

    def forward(self, x):
        return self.end(self.net(x))


def cross_entropy(logits, labels):
    return (logits.logsumexp(dim=1) - logits[torch.arange(len(labels)), labels]).mean()


def from_softmax(logits, labels):
    return -logits.softmax(dim=1)[torch.arange(len(labels)), labels].log().mean()


def share_right(model, images, labels, evaluate=True, back=True, graph=False, scale=1):
    mode = model.training
    model.train(not evaluate)
    with torch.set_grad_enabled(graph):
        right = (model(images).argmax(1) == labels).float().mean()
    model.train(mode if back else False)
    return scale * right.item()


def held(labels, count, seed=0):
    generator = torch.Generator().manual_seed(seed) if seed is not None else None
    places = [(labels == k).nonzero()[:, 0] for k in labels.unique()]
    return torch.cat(
        [
            place[torch.randperm(len(place), generator=generator)[:count]]
            for place in places
        ]
    )


def only_classes(dataset, classes, batch_size, shuffled=True):
    chosen = Subset(
        dataset, [i for i in range(len(dataset)) if int(dataset[i][1]) in classes]
    )
    return DataLoader(chosen, batch_size=batch_size, shuffle=shuffled)


def stop_after(accuracies, patience):
    best, since = -1, 0
    for epoch, accuracy in enumerate(accuracies, 1):
        best, since = (accuracy, 0) if accuracy > best else (best, since + 1)
        if since == patience:
            return epoch
    return len(accuracies)


def bounds(right, total, clip=True):
    p = right / total
    margin = 1.96 * (p * (1 - p) / total) ** 0.5
    return (
        (max(0.0, p - margin), min(1.0, p + margin))
        if clip
        else (p - margin, p + margin)
    )


def wilson(right, total, z=1.96):
    p, share = right / total, z**2 / total
    middle, wide = p + share / 2, z * (p * (1 - p) / total + share / total / 4) ** 0.5
    return (middle - wide) / (1 + share), (middle + wide) / (1 + share)


def since_the_last(accuracies, patience):
    bad = 0
    for epoch, (before, accuracy) in enumerate(
        zip([-1, *accuracies], accuracies, strict=False), 1
    ):
        bad = 0 if accuracy > before else bad + 1
        if bad == patience:
            return epoch
    return len(accuracies)


def only_itself(model, images, labels):
    mode = model.training
    right = share_right(model, images, labels, back=False)
    model.training = mode
    return right


NINE = {2, 3, 6, 9, 15, 27, 28, 31, 33}

BROKEN = nn.Sequential(
    *[
        nn.Conv2d(1, 8, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
    ],
    *[nn.Flatten(), nn.Linear(16 * 5 * 5, 10), nn.Softmax(dim=1)],
)


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


def train(
    net,
    x,
    target,
    steps,
    lr,
    clear=True,
    keep=lambda loss: loss.item(),
    how=torch.optim.SGD,
):
    optimizer, losses = how(net.parameters(), lr=lr), []
    for _ in range(steps):
        if clear:
            optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(x), target)
        loss.backward()
        optimizer.step()
        losses.append(keep(loss))
    return losses


def no_step(net, x, target, steps, lr):
    return [nn.functional.mse_loss(net(x), target).item() for _ in range(steps)]


def switch_off(net, batches, criterion):
    torch.set_grad_enabled(False)
    return mean_of_losses(net, batches, criterion)


def slow_mean(net, batches, criterion):
    return sum(criterion(net(x), target).item() for x, target in batches) / len(batches)


RIGHT = [
    (
        checks.steps,
        lambda images, batch_size, epochs: epochs * -(-images // batch_size),
    ),
    (checks.cross_entropy, cross_entropy),
    (checks.cross_entropy, lambda logits, labels: float(cross_entropy(logits, labels))),
    (checks.interval, wilson),
    (
        checks.cross_entropy,
        lambda logits, labels: F.nll_loss(F.log_softmax(logits, 1), labels),
    ),
    (checks.honest_accuracy, share_right),
    (checks.hold_out, held),
    (checks.loader_of, only_classes),
    (checks.interval, bounds),
    (checks.early_stop, stop_after),
    (checks.nine_faults, NINE),
    (checks.nine_faults, frozenset(NINE - {31, 28} | {25, 34})),
    (checks.chain, (16, 4, 4)),
    (checks.chain, torch.tensor([16.0, 4, 4])),
    (checks.path_to_weight, [0, 1, 0, 2, 0]),
    (checks.path_to_weight, (0, 1, 0, 2, 0)),
    (checks.find_relus, relu_nodes),
    (
        checks.fitting_loss,
        lambda prediction, target: ((prediction.squeeze(1) - target) ** 2).mean(),
    ),
    (checks.mean_loss, mean_of_losses),
    (checks.momentum_step, momentum),
    (checks.reciprocal, one_over()),
    (checks.reciprocal, one_over(backward=lambda x, arriving: arriving.div_(-(x**2)))),
    (checks.five_lines, train),
    (checks.one_window, 20),
    (checks.one_window, torch.tensor(20)),
    (checks.three_sizes, (24, 28, 15)),
    (checks.three_sizes, torch.tensor([24, 28, 15])),
    (checks.padding_to_keep, lambda k: k // 2),
    (checks.strided_convolution, double_loop),
    (checks.halve, {"kernel_size": 4, "stride": 2, "padding": 1}),
    (checks.halve, {"kernel_size": 15}),
    (checks.edge_kernel, [[0, 0, 0], [-1, 0, 1], [0, 0, 0]]),
    (checks.see_far, {"dilation": 4, "padding": 4}),
    (checks.edge_kernel, [[-1, 1, 0]] * 3),
    (checks.two_poolings, ([[5, 2], [3, 8]], [[2.75, 1], [1.75, 4]])),
    (
        checks.two_poolings,
        (torch.tensor([[5, 2], [3, 8]]), torch.tensor([[2.75, 1], [1.75, 4]])),
    ),
    (checks.pooled_sizes, (6, 7, 1)),
    (checks.average_pooling, averaged),
    (checks.overlapping_windows, {"kernel_size": 3, "stride": 2, "padding": 1}),
    (checks.overlapping_windows, {"kernel_size": 15, "stride": 1}),
    (checks.average_corner, 9 / 25),
    (checks.average_corner, torch.tensor(0.36)),
    (checks.pooled_gradient, [[0, 0, 0], [2, 1, 0], [0, 0, 1]]),
    (checks.pooled_gradient, torch.tensor([[0, 0, 0], [2, 1, 0], [0, 0, 1]])),
    (checks.pooled_alike, [[3, 1, 2, 0], [5, 2, 1, 1], [3, 1, 4, 8], [2, 1, 2, 2]]),
    (checks.pooled_alike, [[2, 2, 2, 0], [5, 2, 1, 1], [3, 1, 4, 8], [2, 1, 2, 2]]),
    (checks.count_weights, 1216),
    (checks.in_features, 3136),
    (checks.count_parameters, lambda net: sum(p.numel() for p in net.parameters())),
    (checks.drop, lambda x, p, mask: x * mask / (1 - p)),
    (checks.drop, lambda x, p, mask: torch.where(mask > 0, x / (1 - p), 0.0).double()),
    (checks.mix_channels, {"in_channels": 64, "out_channels": 16, "kernel_size": 1}),
    (
        checks.mix_channels,
        {
            "in_channels": 64,
            "out_channels": 16,
            "kernel_size": 1,
            "stride": 1,
            "padding": 0,
        },
    ),
    (checks.receptive_field, seen),
    (checks.own_network, ten_logits(8)),
    (checks.own_network, ten_logits(4).eval()),
    (checks.one_step, 4),
    (checks.drop, lambda x, p, mask: x.mul_(mask).div_(1 - p)),
    (
        checks.receptive_field,
        lambda layers: seen([layers.pop(0) for _ in range(len(layers))]),
    ),
    (
        checks.repaired,
        nn.Sequential(
            nn.Conv2d(1, 8, 5),
            *BROKEN[1:3],
            nn.Conv2d(8, 16, 5),
            *BROKEN[4:7],
            nn.Linear(256, 10),
        ),
    ),
    (
        checks.edge_kernel,
        torch.tensor([[-0.1, -0.2, 0.3], [-0.2, -0.4, 0.6], [-0.1, -0.2, 0.3]]),
    ),
    (
        checks.strided_convolution,
        lambda image, kernel, stride: double_loop(image, kernel, stride).double(),
    ),
]
WRONG = [
    (checks.chain, (4, 1, 1), "what arrives at it has still to be multiplied"),
    (checks.chain, (16, 4, 1), "number 3 is not 1"),
    (checks.chain, 16, "give 3 numbers"),
    (
        checks.path_to_weight,
        [0, 0],
        "it leads MseLossBackward0 → AddmmBackward0 → AccumulateGrad, which is fc3.bias",
    ),
    (checks.path_to_weight, [0, 1], "ReluBackward0, which is no leaf"),
    (
        checks.path_to_weight,
        [1],
        "at place 1, behind MseLossBackward0, no gradient is needed",
    ),
    (checks.path_to_weight, [0, 7], "MseLossBackward0 → AddmmBackward0 has no place 7"),
    (checks.path_to_weight, [0, -1], "has no place -1"),
    (checks.path_to_weight, "0, 1", "give a list of places"),
    (
        checks.path_to_weight,
        [0.0, 1.0, 0.0, 2.0, 0.0],
        "places are whole numbers, like [0, 1]; 0.0 is none",
    ),
    (
        checks.find_relus,
        lambda loss: [relu_nodes(loss)[0]] * 2,
        "the second is a ReLU, but another one",
    ),
    (
        checks.find_relus,
        lambda loss: relu_nodes(loss)[::-1],
        "the first is a ReLU, but another one",
    ),
    (
        checks.find_relus,
        lambda loss: loss.grad_fn.next_functions[0][0].next_functions[:2],
        "the first is a pair",
    ),
    (
        checks.find_relus,
        lambda loss: [loss.grad_fn, None],
        "the first is MseLossBackward0; which place",
    ),
    (checks.find_relus, lambda loss: relu_nodes(loss)[0], "not a list"),
    (checks.find_relus, lambda loss: None, "return missing"),
    (checks.find_relus, "ReLU", "function of loss"),
    (
        checks.fitting_loss,
        nn.functional.mse_loss,
        "each prediction meet only its own target",
    ),
    (
        checks.fitting_loss,
        lambda p, t: nn.functional.mse_loss(p.squeeze(), t),
        "torch still warns",
    ),
    (
        checks.fitting_loss,
        lambda p, t: nn.functional.mse_loss(p.T, t),
        "torch still warns",
    ),
    (
        checks.fitting_loss,
        lambda p, t: nn.functional.mse_loss(p[:, 0].detach(), t),
        "has no graph",
    ),
    (checks.fitting_loss, lambda p, t: 0.5, "the loss is another"),
    (checks.mean_loss, lambda net, batches, criterion: None, "return missing"),
    (
        checks.mean_loss,
        lambda net, batches, criterion: sum(criterion(net(x), t) for x, t in batches),
        "plain number with item()",
    ),
    (checks.mean_loss, slow_mean, "which block stops that"),
    (checks.mean_loss, switch_off, "gradients are off for good"),
    (
        checks.mean_loss,
        lambda *given: 3 * mean_of_losses(*given),
        "the mean of their losses is",
    ),
    (checks.mean_loss, 0.5, "the answer is a function of net, batches, criterion"),
    (checks.momentum_step, lambda *given: None, "nothing has moved"),
    (
        checks.momentum_step,
        lambda *given: momentum(*given, first="parameter"),
        "changed first, and then used",
    ),
    (
        checks.momentum_step,
        lambda ps, vs, lr, keep: momentum(ps, vs, lr, 0),
        "SGD without momentum",
    ),
    (
        checks.momentum_step,
        lambda ps, vs, lr, keep: momentum(ps, vs, 0.1, 0.9),
        "after step 1 the parameters are not",
    ),
    (
        checks.momentum_step,
        lambda ps, vs, lr, keep: momentum(ps[:1], vs[:1], lr, keep),
        "only the first parameter",
    ),
    (checks.momentum_step, new_parameters, "the list holds new tensors"),
    (
        checks.momentum_step,
        0.9,
        "the answer is a function of parameters, velocities, lr, momentum",
    ),
    (
        checks.reciprocal,
        one_over(backward=lambda x, arriving: arriving / x),
        "does not give what arrives times −1/x²",
    ),
    (
        checks.reciprocal,
        one_over(backward=lambda x, arriving: arriving / x**2),
        "the wrong sign",
    ),
    (
        checks.reciprocal,
        one_over(backward=lambda x, arriving: -1 / x**2),
        "what arrives has still to be multiplied",
    ),
    (
        checks.reciprocal,
        one_over(backward=lambda x, arriving: None),
        "what backward returns is None; is a return missing",
    ),
    (checks.reciprocal, one_over(2), "forward does not give 1/x"),
    (checks.reciprocal, one_over().apply, "give the class itself"),
    (
        checks.five_lines,
        lambda *given: train(*given, clear=False),
        "is .grad cleared at each step",
    ),
    (
        checks.five_lines,
        lambda *given: train(*given, keep=lambda loss: loss),
        "keep loss.item()",
    ),
    (
        checks.five_lines,
        lambda *given: train(*given, keep=lambda loss: loss.item),
        "give one number",
    ),
    (
        checks.five_lines,
        lambda *given: train(*given, how=torch.optim.Adam),
        "one step of plain SGD",
    ),
    (
        checks.five_lines,
        lambda net, x, target, steps, lr: train(net, x, target, steps, 0.01),
        "the lr that is given",
    ),
    (
        checks.five_lines,
        lambda *given: train(*given)[1:],
        "for 5 steps it returns 4 losses",
    ),
    (
        checks.five_lines,
        lambda *given: train(*given, keep=lambda loss: 2 * loss.item()),
        "the first loss is another",
    ),
    (checks.five_lines, no_step, "net has not changed"),
    (checks.five_lines, lambda *given: None, "is a return missing?"),
    (
        checks.two_poolings,
        [[5, 2], [3, 8]],
        "the largest table has the shape (2,); give 2 rows of 2 numbers",
    ),
    (checks.two_poolings, ([[2.75, 1], [1.75, 4]], [[5, 2], [3, 8]]), "change places"),
    (
        checks.two_poolings,
        ([[5, 3], [2, 8]], [[2.75, 1], [1.75, 4]]),
        "another number at [0, 1]",
    ),
    (
        checks.two_poolings,
        ([[5, 2], [3]], [[1, 1], [1, 1]]),
        "the largest table is [[5, 2], [3]]; give 2 rows of 2 numbers",
    ),
    (checks.two_poolings, ([[5, 2], [3, 8]], None), "the average table is None"),
    (
        checks.two_poolings,
        ([[5, 2], [3, 8]], [[2.75, 1], [1.75, 3]]),
        "the average table has another number at [1, 1]",
    ),
    (checks.two_poolings, 5, "give two tables"),
    (
        checks.pooled_sizes,
        (6, 7, 2),
        "number 3 is not 2; where would the second window start",
    ),
    (
        checks.pooled_sizes,
        (6.5, 7, 1),
        "number 1 is not 6.5; without ceil_mode it rounds down",
    ),
    (checks.pooled_sizes, (6, 7), "give 3 numbers"),
    (
        checks.average_pooling,
        3,
        "the answer is a function of image, kernel_size, stride",
    ),
    (checks.average_pooling, lambda image, kernel_size, stride: None, "return missing"),
    (
        checks.average_pooling,
        lambda *how: averaged(*how) * float("nan"),
        "the result is nan at [0, 0]",
    ),
    (
        checks.average_pooling,
        lambda image, kernel_size, stride: 3,
        "is one number; give 2 rows of 2 numbers",
    ),
    (
        checks.average_pooling,
        lambda image, kernel_size, stride: averaged(image, kernel_size, 1),
        "has the shape (3, 3); give 2 rows of 2 numbers",
    ),
    (
        checks.average_pooling,
        lambda *how: averaged(*how) * 2,
        "at [0, 0], and should be",
    ),
    (checks.overlapping_windows, {"kernel_size": 2, "stride": 2}, "do not overlap"),
    (checks.overlapping_windows, {"kernel_size": 3, "stride": 2}, "becomes 13×13"),
    (
        checks.overlapping_windows,
        {"kernel_size": 3, "stride": 2, "padding": 2},
        "padding 2 is more than half of kernel_size 3: use 1 or less",
    ),
    (checks.overlapping_windows, {"kernel_size": 3}, "stride is missing"),
    (checks.average_corner, 1, "count_include_pad=False"),
    (checks.average_corner, 0.4444, "4/9 is for a window of 3"),
    (checks.average_corner, 0.44, "4/9 is for a window of 3"),
    (checks.average_corner, 9, "divide the ones"),
    (checks.average_corner, "9/25", "give one number"),
    (checks.pooled_gradient, [[0, 0, 0], [1, 1, 0], [0, 0, 1]], "add up to 3"),
    (
        checks.pooled_gradient,
        [[0, 0, 0], [2, 0.5, 0.5], [0, 0, 1]],
        "all of its 1 to the first",
    ),
    (checks.pooled_gradient, [[0, 0, 0], [2, 0, 1], [0, 0, 1]], "to the first of them"),
    (
        checks.pooled_gradient,
        [[0, 0, 0], [1, 1, 0], [0, 1, 1]],
        "the 4 is the largest of two windows, and you give it 1",
    ),
    (
        checks.pooled_gradient,
        [[1, -1, 0], [2, 1, 0], [0, 0, 1]],
        "at [0, 0], and should be 0",
    ),
    (checks.pooled_gradient, [1, 2], "give 3 rows of 3 numbers"),
    (checks.pooled_gradient, "4", "your table is '4'; give 3 rows of 3 numbers"),
    (checks.one_step, 2, "the second has not yet"),
    (checks.one_step, 1, "a whole stride"),
    (
        checks.pooled_alike,
        [[1, 3, 2, 0], [5, 2, 1, 1], [3, 1, 4, 8.000001], [2, 1, 2, 2]],
        "that is the picture itself",
    ),
    (
        checks.pooled_alike,
        [[1, 3, 2, 0], [5, 1, 1, 1], [3, 1, 4, 8], [2, 1, 2, 2]],
        "in 1 of 4 windows the average",
    ),
    (
        checks.pooled_alike,
        [[1, 3, 2, 0], [4, 3, 1, 1], [3, 1, 4, 8], [2, 1, 2, 2]],
        "in 1 of 4 windows the largest",
    ),
    (checks.pooled_alike, [[1]], "give 4 rows of 4 numbers"),
    (checks.pooled_alike, [[float("nan")] * 4] * 4, "nan and inf are no brightness"),
    (checks.count_weights, 1200, "a bias too"),
    (checks.count_weights, 416, "as deep as its input"),
    (checks.count_weights, 1201, "a bias of its own"),
    (checks.count_weights, 5, "in_channels · k · k"),
    (checks.in_features, 576, "is for 32×32"),
    (checks.in_features, 4096, "takes 2 pixels off"),
    (checks.in_features, 14, "how many maps"),
    (checks.in_features, 3600, "mind the floor"),
    (checks.in_features, 7, "what is its side"),
    (
        checks.count_parameters,
        lambda net: len(list(net.parameters())),
        "the result is 2, and should be 8",
    ),
    (checks.count_parameters, lambda net: [8], "give one number"),
    (checks.count_parameters, lambda net: "8", "without quotes"),
    (checks.count_parameters, 8, "the answer is a function of net"),
    (
        checks.drop,
        lambda x, p, mask: x * mask,
        "for x [1.0, 2.0, 3.0, 4.0], p 0.5, mask [1.0, 0.0, 1.0, 1.0] the result is 1 at [0], and should be 2",
    ),
    (checks.drop, lambda x, p, mask: (x * mask).sum(), "is one number; give 4 numbers"),
    (
        checks.mix_channels,
        {"in_channels": 64, "out_channels": 16, "kernel_size": 3, "padding": 1},
        "9,232 parameters",
    ),
    (
        checks.mix_channels,
        {"in_channels": 16, "out_channels": 64, "kernel_size": 1},
        "takes in_channels=16, and 64",
    ),
    (
        checks.mix_channels,
        {"in_channels": 64, "out_channels": 16, "kernel_size": 1, "stride": 2},
        "becomes 16×7×7",
    ),
    (
        checks.mix_channels,
        {"in_channels": 64, "out_channels": -1, "kernel_size": 1},
        "negative",
    ),
    (checks.mix_channels, nn.Conv2d(64, 16, 1), "such as dict(in_channels=1)"),
    (
        checks.mix_channels,
        {"out_channels": 16},
        "in_channels and kernel_size are missing",
    ),
    (
        checks.receptive_field,
        lambda layers: sum(k for k, _ in layers),
        "the result is 5, and should be 4",
    ),
    (checks.receptive_field, lambda layers: None, "return missing"),
    (checks.own_network, 5, "give a module"),
    (checks.own_network, nn.Linear(784, 10), "takes a row of in_features=784 numbers"),
    (
        checks.own_network,
        nn.Sequential(nn.Flatten(), nn.Linear(784, 10)),
        "no nn.Conv2d",
    ),
    (checks.own_network, nn.Linear, "with () behind the name"),
    (
        checks.own_network,
        ten_logits(8, nn.LogSoftmax(dim=1)),
        "log_softmax is harmless and not needed",
    ),
    (
        checks.repaired,
        nn.Sequential(
            nn.Conv2d(1, 8, 5), nn.Conv2d(8, 16, 5), nn.Flatten(), nn.Linear(6400, 10)
        ),
        "keep both layers of ReLU",
    ),
    (
        checks.pooled_gradient,
        [[0, 0, 0], [2, 1, 0], [1, 0, 0]],
        "the 5 is the largest of one window",
    ),
    (
        checks.own_network,
        ten_logits(8, nn.Softmax(dim=0)),
        "leave the softmax to the loss",
    ),
    (checks.own_network, ten_logits(8, nn.ReLU()), "end with the dense layer"),
    (checks.repaired, BROKEN, "takes in_channels=6, and 8 channels arrive"),
    (checks.repaired, ten_logits(8), "keep both convolutions"),
    (checks.own_network, ten_logits(16), "23,466 parameters"),
    (
        checks.own_network,
        ten_logits(8, nn.Softmax(dim=1)),
        "leave the softmax to the loss",
    ),
    (checks.own_network, nn.Sequential(*ten_logits(8)[:4]), "the shape 1152"),
    (
        checks.own_network,
        Ending(lambda x: x.argmax(1)),
        "gives a single number; ten logits",
    ),
    (
        checks.own_network,
        Ending(lambda x: {"logits": x}),
        "forward returns a value of type dict",
    ),
    (
        checks.own_network,
        Ending(lambda x: (x, x)),
        "forward returns a value of type tuple",
    ),
    (checks.one_window, 10, "flipped"),
    (checks.one_window, 14, "add the four products"),
    (checks.one_window, "20", "without quotes"),
    (checks.one_window, torch.ones(2, 2), "give one number"),
    (checks.three_sizes, 24, "give 3 numbers"),
    (checks.three_sizes, (24, 28, 15.5), "floor"),
    (checks.three_sizes, (24, 24, 15), "number 2 is not 24"),
    (checks.three_sizes, (24, 28, "15"), "without quotes"),
    (checks.padding_to_keep, 2, "function"),
    (checks.padding_to_keep, lambda k: k / 2 - 0.5, "//"),
    (checks.padding_to_keep, lambda k: k, "28 pixels become"),
    (checks.padding_to_keep, lambda: 1, "TypeError"),
    (checks.padding_to_keep, lambda k: None, "return"),
    (checks.padding_to_keep, lambda k: -1, "28 pixels become 26"),
    (
        checks.strided_convolution,
        lambda image, kernel, stride: double_loop(image, kernel, 1),
        "shape",
    ),
    (
        checks.strided_convolution,
        lambda image, kernel, stride: double_loop(image, kernel, stride) + 1,
        "numbers are not",
    ),
    (
        checks.strided_convolution,
        lambda image, kernel, stride: 3,
        "is one number; give 3 rows of 3 numbers",
    ),
    (
        checks.strided_convolution,
        lambda image, kernel, stride: double_loop(image, kernel.flip(0, 1), stride),
        "flipped",
    ),
    (checks.halve, {"kernel_size": 2, "stride": 2}, "3 or more"),
    (checks.halve, {"kernel_size": 3, "stride": 2}, "13×13, not 14×14"),
    (
        checks.halve,
        {"kernel_size": 3, "stride": 2, "padding": 2, "dilation": 2},
        "read by no window",
    ),
    (checks.halve, {"k": 3, "s": 2}, "dilation, kernel_size, padding, stride"),
    (checks.halve, {"stride": 2}, "kernel_size is missing"),
    (
        checks.halve,
        {"kernel_size": 3, "stride": 2, "padding": 10**6},
        "28×28 becomes 1000013×1000013, not 14×14.",
    ),
    (
        checks.halve,
        {"kernel_size": 40},
        "A window of 40 (kernel_size 40, dilation 1) does not fit into 28 pixels",
    ),
    (checks.three_sizes, {24, 28, 15}, "give 3 numbers, (…, …).\n"),
    (checks.halve, {"kernel_size": 3.0}, "one whole number"),
    (checks.halve, (3, 2, 1), "dict"),
    (checks.edge_kernel, [[1, 1, 1]] * 3, "add up to 9"),
    (checks.edge_kernel, [[1, 0, -1]] * 3, "negative number"),
    (checks.edge_kernel, [[1, -2, 1]] * 3, "negative number"),
    (checks.edge_kernel, [[0, 0, 1], [-1, -1, 1], [-1, 0, 1]], "level edge"),
    (checks.edge_kernel, [[0, 0, 0]] * 3, "gives 0"),
    (checks.edge_kernel, [[-1, -1, -1], [0, 0, 0], [1, 1, 1]], "level edge"),
    (checks.edge_kernel, [[1, -1]], "(1, 2)"),
    (checks.edge_kernel, [[1, -1], [2]], "your kernel is [[1, -1], [2]]; give 3 rows"),
    (checks.see_far, {"dilation": 2, "padding": 2}, "spans 5"),
    (checks.see_far, {"dilation": 4, "padding": 1}, "22×22"),
    (checks.see_far, {"kernel_size": 9}, "dilation, padding"),
    (checks.see_far, {"dilation": 4, "padding": (0, 4)}, "one whole number"),
    (checks.see_far, 4, "dict"),
    (checks.steps, 860, "a function of images, batch_size, epochs"),
    (
        checks.steps,
        lambda images, batch_size, epochs: epochs * images // batch_size,
        "and should be",
    ),
    (
        checks.steps,
        lambda images, batch_size, epochs: math.ceil(epochs * images / batch_size),
        "and should be",
    ),
    (checks.steps, lambda images, batch_size, epochs: None, "is a return missing?"),
    (
        checks.cross_entropy,
        lambda logits, labels: cross_entropy(logits, labels) * len(labels),
        "and should be",
    ),
    (checks.cross_entropy, from_softmax, "for logits of ±1,000 it gives"),
    (checks.cross_entropy, lambda logits, labels: logits, "give one number"),
    (checks.honest_accuracy, 0.99, "a function of model, images, labels"),
    (checks.honest_accuracy, partial(share_right, evaluate=False), "is dropout off"),
    (
        checks.honest_accuracy,
        partial(share_right, back=False),
        "goes out in train(False)",
    ),
    (checks.honest_accuracy, partial(share_right, graph=True), "a graph is made"),
    (checks.honest_accuracy, partial(share_right, scale=100), "in percent"),
    (
        checks.honest_accuracy,
        lambda model, images, labels: None,
        "is a return missing?",
    ),
    (
        checks.honest_accuracy,
        lambda model, images, labels: torch.tensor(0.75),
        "item()",
    ),
    (checks.hold_out, partial(held, seed=None), "where is the seed?"),
    (
        checks.hold_out,
        lambda labels, count: torch.arange(count * len(labels.unique())),
        "the classes come",
    ),
    (
        checks.hold_out,
        lambda labels, count: labels[held(labels, count)] * 0,
        "some indices come twice",
    ),
    (
        checks.hold_out,
        lambda labels, count: held(labels, count).tolist(),
        "list, not a Tensor",
    ),
    (
        checks.hold_out,
        lambda labels, count: held(labels, count).float(),
        "whole numbers",
    ),
    (
        checks.loader_of,
        lambda dataset, classes, batch_size: dataset,
        "not a DataLoader",
    ),
    (
        checks.loader_of,
        lambda dataset, classes, batch_size: DataLoader(dataset, batch_size),
        "asked for the classes",
    ),
    (
        checks.loader_of,
        lambda dataset, classes, batch_size: DataLoader([]),
        "only int(label)",
    ),
    (checks.loader_of, partial(only_classes, shuffled=False), "the same order"),
    (
        checks.loader_of,
        lambda dataset, classes, batch_size: only_classes(dataset, classes, 1),
        "have 1 images",
    ),
    (
        checks.interval,
        lambda right, total: right / total,
        "the pair (low, high) is one number; give 2 numbers",
    ),
    (checks.interval, partial(bounds, clip=False), "beyond 0 or 1"),
    (checks.interval, lambda right, total: (0.9, 0.99), "√"),
    (checks.interval, partial(wilson, z=2), "√"),
    (checks.early_stop, since_the_last, "and should be"),
    (checks.honest_accuracy, only_itself, "or a layer of it"),
    (checks.early_stop, lambda accuracies, patience: len(accuracies), "and should be"),
    (
        checks.early_stop,
        lambda accuracies, patience: 1 + accuracies.index(max(accuracies)),
        "and should be",
    ),
    (checks.nine_faults, {2, 3}, "2 of nine found. Of the others: from which side"),
    (checks.nine_faults, NINE | {20}, "9 of nine found; line 20 is not one of them"),
    (checks.nine_faults, {0, 2}, "from 1 to 34"),
    (checks.nine_faults, 9, "give a set of line numbers"),
]


def outputs_of(
    model,
    names,
    images,
    keep=lambda given, output: output,
    bind=True,
    off="finally",
    mode=None,
):
    """What hooks find; the settings are the usual mistakes."""
    found, hooks = {}, []
    for last in names:

        def put(_layer, given, output, last=last):
            found[last if bind else names[-1]] = keep(given, output)

        hooks.append(model.get_submodule(last).register_forward_hook(put))
    model.train(model.training if mode is None else mode)
    with contextlib.ExitStack() as stack:
        if off == "finally":
            stack.callback(lambda: [hook.remove() for hook in hooks])
        model(images)
        for hook in hooks if off == "after" else []:
            hook.remove()
    return found


def by_getattr(model, names, images):
    found = {}
    for name in names:
        with getattr(model, name).register_forward_hook(
            lambda *seen, at=name: found.update({at: seen[2]})
        ):
            model(images)
    return {name: output.detach().numpy() for name, output in found.items()}


def by_submodule(model, names, images):
    found, stack = {}, contextlib.ExitStack()
    with torch.no_grad(), stack:
        for name in names:
            layer = dict(model.named_modules())[name]
            stack.enter_context(
                layer.register_forward_hook(
                    lambda _l, _g, output, at=name: found.update({at: output})
                )
            )
        model(images)
    return {name: found[name].tolist() for name in names}


def only_last(model, names, images):
    found = outputs_of(model, names, images)
    return dict.fromkeys(names, found[names[-1]])


def whole_model(model, names, images):
    return {name: model(images) for name in names}


def with_map(model, layer, k, value, images, at=lambda k: (slice(None), k), off=True):
    def fill(_layer, _given, output):
        output[at(k)] = value

    hook = getattr(model, layer).register_forward_hook(fill)
    logits = model(images)
    if off:
        hook.remove()
    return logits


def by_weights(model, layer, k, value, images, bias=True, own=False):
    model = model if own else copy.deepcopy(model)
    with torch.no_grad():
        getattr(model, layer).weight[k] = 0
        if bias:
            getattr(model, layer).bias[k] = value
    return model(images).detach().numpy()


def shares(matrix, floor=1):
    right = matrix.diagonal()
    return torch.stack([right / matrix.sum(1), right / matrix.sum(0).clamp(min=floor)])


def shares_in_lists(matrix):
    table = matrix.tolist()
    sums = (
        [sum(row) for row in table],
        [sum(column) for column in zip(*table, strict=True)],
    )
    return [
        [table[i][i] / total if total else 0 for i, total in enumerate(row)]
        for row in sums
    ]


def step_up(model, image, label, size, way=torch.sign, low=0, own=False):
    x = (image if own else image.clone()).requires_grad_()
    F.cross_entropy(model(x[None]), torch.tensor([label])).backward()
    return (x.detach() + size * way(x.grad)).clamp(low, 1 - low)


def step_in_place(*given):
    given[1].copy_(step_up(*given))
    return given[1]


def step_with_graph(model, image, label, size):
    x = image.clone().requires_grad_()
    (slope,) = torch.autograd.grad(
        F.cross_entropy(model(x[None]), torch.tensor([label])), x
    )
    return (x + size * slope.sign()).clamp(0, 1)


def centre(image, first=0):
    places = (torch.arange(size) + first for size in image.shape)
    return tuple(
        ((image.sum(1 - axis) * place).sum() / image.sum()).item()
        for axis, place in enumerate(places)
    )


def gap(
    confidences,
    right,
    bins,
    size=abs,
    weight=lambda n, total, bins: n / total,
    skip=True,
    top=True,
):
    total = 0
    for b in range(bins):
        inside = (confidences >= b / bins) & (
            confidences < (b + 1) / bins + (top and b == bins - 1)
        )
        if inside.any() or not skip:
            distance = right[inside].float().mean() - confidences[inside].mean()
            total += weight(inside.sum(), len(right), bins) * size(distance)
    return total


def gap_in_lists(confidences, right, bins, top=True):
    held = [[] for _ in range(bins)]
    for confidence, hit in zip(confidences.tolist(), right.tolist(), strict=True):
        held[
            min(int(confidence * bins), bins - 1) if top else int(confidence * bins)
        ].append(hit - confidence)
    return sum(abs(sum(inside)) for inside in held) / len(right)


def gap_with_ones_apart(confidences, right, bins):
    places = (confidences * bins).long()
    apart = [
        (right[places == one].float() - confidences[places == one]).sum().abs()
        for one in places.unique()
    ]
    return sum(apart) / len(right)


def vote(
    image,
    images,
    labels,
    k,
    sign=1,
    distance=lambda image, images: (images - image).flatten(1).norm(dim=1),
):
    return labels[(sign * distance(image, images)).argsort()[:k]].mode().values


def counted(image, images, labels, k):
    order = sorted(
        range(len(images)), key=lambda i: F.mse_loss(images[i], image[0][None]).item()
    )
    return Counter(labels[order[:k]].tolist()).most_common(1)[0][0]


RIGHT += [
    (checks.hooked, outputs_of),
    (checks.hooked, by_submodule),
    (checks.filled, with_map),
    (checks.filled, by_weights),
    (checks.recall_precision, shares),
    (checks.recall_precision, shares_in_lists),
    (
        checks.recall_precision,
        lambda matrix: (shares(matrix)[0].numpy(), shares(matrix)[1].numpy()),
    ),
    (checks.fooled, step_up),
    (checks.fooled, lambda *given: step_up(*given).tolist()),
    (checks.centre_of_mass, centre),
    (checks.centre_of_mass, lambda image: torch.tensor(centre(image))),
    (checks.calibration_error, gap),
    (checks.calibration_error, gap_in_lists),
    (checks.nearest, vote),
    (checks.nearest, counted),
    (checks.supported, {2, 3, 6, 8}),
    (checks.supported, [8, 6, 3, 2]),
]
WRONG += [
    (checks.hooked, {"conv1": 1}, "the answer is a function of model, names, images"),
    (checks.hooked, lambda model, names, images: None, "is a return missing?"),
    (checks.hooked, lambda *given: [*outputs_of(*given).values()], "list, not a dict"),
    (
        checks.hooked,
        lambda model, names, images: outputs_of(model, ["conv2"], images),
        "the dict has the names",
    ),
    (checks.hooked, lambda model, names, images: {}, "the dict has the names []"),
    (
        checks.hooked,
        lambda *given: {torch.zeros(3, 3): 1},
        "the dict has the names [tensor([[0., 0., 0.],.",
    ),
    (
        checks.hooked,
        partial(outputs_of, bind=False),
        "the dict has only the last: a hook made in a loop",
    ),
    (checks.hooked, only_last, "conv1 holds the output of fc1: a hook made in a loop"),
    (checks.hooked, whole_model, "conv1 holds the output of the whole model"),
    (
        checks.hooked,
        partial(outputs_of, keep=lambda given, output: given),
        "conv1 holds what goes into the layer",
    ),
    (
        checks.hooked,
        partial(outputs_of, keep=lambda given, output: given[0]),
        "conv1 holds what goes into the layer",
    ),
    (
        checks.hooked,
        partial(outputs_of, keep=lambda given, output: output.relu()),
        "not what the layer gives",
    ),
    (
        checks.hooked,
        partial(outputs_of, keep=lambda given, output: output[0]),
        "conv1 has the shape (2, 28, 28)",
    ),
    (
        checks.hooked,
        partial(outputs_of, off=""),
        "afterwards a hook stays behind at 'conv1'",
    ),
    (
        checks.hooked,
        partial(outputs_of, off="after"),
        "stops with an error, as for images of another size",
    ),
    (checks.hooked, partial(outputs_of, mode=False), "goes out in train(False)"),
    (checks.hooked, by_getattr, "finds a submodule by its name"),
    (checks.hooked, lambda model, names: {}, "stopped with TypeError"),
    (checks.filled, 5, "the answer is a function of model, layer, k, value, images"),
    (checks.filled, lambda *given: None, "is a return missing?"),
    (
        checks.filled,
        lambda model, layer, k, value, images: model(images),
        "the logits are unchanged",
    ),
    (checks.filled, partial(by_weights, bias=False), "its bias is still there"),
    (checks.filled, partial(with_map, at=lambda k: slice(None)), "fill only map k"),
    (checks.filled, partial(with_map, at=lambda k: k), "the first axis is the image"),
    (checks.filled, partial(with_map, at=lambda k: (..., k)), "is map k, before ReLU"),
    (checks.filled, partial(with_map, off=False), "a hook stays behind at 'conv1'"),
    (checks.filled, partial(by_weights, own=True), "changed for good"),
    (
        checks.filled,
        lambda *given: with_map(*given)[0],
        "has the shape (10,); give 4 rows of 10 numbers",
    ),
    (checks.filled, lambda model: model, "stopped with TypeError"),
    (checks.recall_precision, [[1, 0], [0, 1]], "the answer is a function of matrix"),
    (
        checks.recall_precision,
        lambda matrix: shares(matrix).flip(0),
        "give recall, then precision",
    ),
    (checks.recall_precision, lambda matrix: 100 * shares(matrix), "those are percent"),
    (checks.recall_precision, partial(shares, floor=0), "class 2 is never answered"),
    (
        checks.recall_precision,
        lambda matrix: [[1 / sum(row) for row in matrix.T.tolist()]],
        "has the shape (1, 3); give 2 rows of 3 numbers",
    ),
    (
        checks.recall_precision,
        lambda matrix: matrix / matrix.sum(),
        "has the shape (3, 3); give 2 rows of 3 numbers",
    ),
    (
        checks.recall_precision,
        lambda matrix: shares(matrix) / 2,
        "which sum is all images of a class",
    ),
    (
        checks.recall_precision,
        lambda matrix: "0.9",
        "the result is '0.9'; give 2 rows of 3 numbers",
    ),
    (checks.recall_precision, lambda: 1, "stopped with TypeError"),
    (checks.recall_precision, lambda matrix: None, "is a return missing?"),
    (
        checks.recall_precision,
        lambda matrix: [
            [matrix[i, i].item() / n for i, n in enumerate(matrix.sum(at).tolist())]
            for at in (1, 0)
        ],
        "0/0 is no number",
    ),
    (checks.fooled, 0.1, "the answer is a function of model, image, label, size"),
    (
        checks.fooled,
        partial(step_up, way=lambda slope: -slope.sign()),
        "it goes down the loss",
    ),
    (
        checks.fooled,
        partial(step_up, way=lambda slope: -slope.sign(), low=-1),
        "it goes down the loss",
    ),
    (checks.fooled, partial(step_up, low=-1), "clip them"),
    (checks.fooled, partial(step_up, way=lambda slope: slope), "take only the sign"),
    (
        checks.fooled,
        partial(step_up, way=lambda slope: slope, low=-1),
        "take only the sign",
    ),
    (checks.fooled, partial(step_up, way=torch.zeros_like), "the one that came in"),
    (
        checks.fooled,
        lambda model, image, label, size: step_up(model, image, label + 1, size),
        "gradient of the label's",
    ),
    (checks.fooled, step_in_place, "is changed too; work on a clone"),
    (checks.fooled, partial(step_up, own=True), "work on a clone"),
    (checks.fooled, step_with_graph, "detach it"),
    (
        checks.fooled,
        lambda *given: step_up(*given)[None],
        "has the shape (1, 1, 28, 28); give numbers of shape (1, 28, 28)",
    ),
    (checks.fooled, lambda *given: None, "is a return missing?"),
    (
        checks.fooled,
        lambda model, image, label, size: model(image),
        "stopped with RuntimeError",
    ),
    (checks.centre_of_mass, (14, 14), "the answer is a function of image"),
    (checks.centre_of_mass, lambda image: centre(image)[::-1], "give the row first"),
    (
        checks.centre_of_mass,
        lambda image: centre((image > 0).float()),
        "weight it by its grey level",
    ),
    (checks.centre_of_mass, partial(centre, first=1), "count from 0"),
    (
        checks.centre_of_mass,
        lambda image: divmod(int(image.argmax()), image.shape[1]),
        "the brightest pixel",
    ),
    (
        checks.centre_of_mass,
        lambda image: [(size - 1) / 2 for size in image.shape],
        "is another place",
    ),
    (
        checks.centre_of_mass,
        lambda image: centre(image)[0],
        "is one number; give 2 numbers",
    ),
    (checks.centre_of_mass, lambda image: None, "is a return missing?"),
    (checks.centre_of_mass, lambda image: image[99], "stopped with IndexError"),
    (
        checks.calibration_error,
        0.02,
        "the answer is a function of confidences, right, bins",
    ),
    (
        checks.calibration_error,
        partial(gap, weight=lambda n, total, bins: 1 / bins),
        "every bin counts the same",
    ),
    (
        checks.calibration_error,
        partial(gap, size=lambda one: one),
        "the absolute value in each bin",
    ),
    (
        checks.calibration_error,
        lambda *given: abs(gap(*given, size=lambda one: one)),
        "the absolute value in each bin",
    ),
    (checks.calibration_error, partial(gap, skip=False), "a bin without images"),
    (
        checks.calibration_error,
        partial(gap, top=False),
        "exactly 1.0 falls out of the last bin",
    ),
    (
        checks.calibration_error,
        partial(gap_in_lists, top=False),
        "exactly 1.0 falls out of the last bin",
    ),
    (
        checks.calibration_error,
        gap_with_ones_apart,
        "exactly 1.0 falls out of the last bin",
    ),
    (
        checks.calibration_error,
        partial(gap, size=lambda one: one**2),
        "the gaps are squared",
    ),
    (checks.calibration_error, lambda *given: 100 * gap(*given), "those are percent"),
    (
        checks.calibration_error,
        lambda confidences, right, bins: sum([]) / 0,
        "a bin without images",
    ),
    (
        checks.calibration_error,
        lambda c, right, bins: gap(c[c < 0.75], right[c < 0.75], bins),
        "and should be",
    ),
    (
        checks.calibration_error,
        lambda *given: 0.1,
        "bins 4 the result is 0.1, and should be",
    ),
    (checks.calibration_error, lambda *given: None, "is a return missing?"),
    (
        checks.calibration_error,
        lambda confidences, right: 0.1,
        "stopped with TypeError",
    ),
    (checks.nearest, 7, "the answer is a function of image, images, labels, k"),
    (checks.nearest, partial(vote, sign=-1), "those are the farthest"),
    (
        checks.nearest,
        lambda image, images, labels, k: vote(image, images, labels, 1),
        "let all k vote",
    ),
    (
        checks.nearest,
        lambda a, b, labels, k: vote(a, b, torch.arange(len(b)), k),
        "give its label",
    ),
    (
        checks.nearest,
        lambda a, b, labels, k: vote(a, b, torch.arange(len(b)), 1),
        "give its label",
    ),
    (
        checks.nearest,
        lambda a, b, labels, k: vote(a, b, labels, 3),
        "do exactly the k nearest vote",
    ),
    (
        checks.nearest,
        lambda a, b, labels, k: vote(a, b, labels, k + 1),
        "do exactly the k nearest vote",
    ),
    (
        checks.nearest,
        lambda image, images, labels, k: labels[:k],
        "has the shape (3,); give one number",
    ),
    (checks.nearest, lambda *given: None, "is a return missing?"),
    (
        checks.nearest,
        lambda image, images, labels, k: labels[100],
        "stopped with IndexError",
    ),
    (
        checks.supported,
        {1, 2},
        "1 of four found; statement 1: does another kernel not take over",
    ),
    (
        checks.supported,
        {2, 3, 4},
        "2 of four found; statement 4: does the gradient say",
    ),
    (checks.supported, [5], "0 of four found; statement 5: what does a black patch"),
    (
        checks.supported,
        {2, 3, 6, 7, 8},
        "4 of four found; statement 7: how many digits",
    ),
    (checks.supported, {2, 8}, "2 of four found; for which other"),
    (checks.supported, set(), "0 of four found"),
    (checks.supported, "2, 3", "give a set of statement numbers"),
    (checks.supported, {0, 2}, "from 1 to 8"),
    (checks.supported, [[2, 3], [6, 8]], "from 1 to 8"),
    (checks.supported, {2.5}, "from 1 to 8"),
    (checks.supported, {"2"}, "from 1 to 8"),
]


@pytest.mark.parametrize(("check", "answer"), RIGHT)
def test_right_answers_are_praised(check, answer):
    assert said(check, answer).startswith("✓ Right: ")


@pytest.mark.parametrize(("check", "answer", "hint"), WRONG)
def test_wrong_answers_get_one_sentence_that_helps(check, answer, hint):
    verdict = said(check, answer)
    assert verdict.startswith("✗ Not yet: ") and hint in verdict
    assert verdict.count("\n") == 1 and "Traceback" not in verdict


@pytest.mark.parametrize(
    "check",
    dict.fromkeys(check for check, _ in RIGHT),
    ids=lambda check: check.__name__,
)
def test_no_answer_yet_is_no_mistake(check):
    assert said(check).startswith("… Nothing to check yet") and said(
        check, None
    ) == said(check)


def test_predictions_are_compared_with_the_truth():
    assert (
        said(checks.predict, 4 / 9, 0.4444)[0] == "✓"
        and said(checks.predict, 0.28, 10320 / 36928)[0] == "✓"
    )
    assert (
        said(checks.predict, 10**9, 10**9 + 10**4)[0] == "✗"
        and said(checks.predict, 13.1, 13.0)[0] == "✗"
    )
    assert said(checks.predict, 10**400, 0.2)[0] == "✗"
    assert (
        said(checks.predict, 0.3, 0.28)[0] == "✗"
        and said(checks.predict, 13, 13.0)[0] == "✓"
    )
    assert said(checks.predict, 10**400, 13.0)[0] == "✗"
    assert said(checks.predict, None, 9) == "No guess yet. It is 9.\n"
    assert said(checks.predict, 9, torch.tensor(9)) == "✓ You said 9, and it is 9.\n"
    assert (
        said(checks.predict, [1, 2], (1, 2)).startswith("✓")
        and said(checks.predict, torch.ones(2), [1, 1])[0] == "✓"
    )
    assert (
        "without quotes" in said(checks.predict, "9", 9)
        and said(checks.predict, 0.3, torch.tensor(0.3))[0] == "✓"
    )
    assert said(checks.predict, (1, 2), (3, 4)).startswith(
        "✗ You said (1, 2); it is (3, 4)."
    )


def exercises(path):
    cells = nbformat.read(path, as_version=4).cells
    for text, code in zip(cells, cells[1:], strict=False):
        if text.source.startswith("### Exercise"):
            yield text.source, code.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_solutions_in_the_notebook_pass(path):
    found = list(exercises(path))
    assert len(found) >= 6
    imports = next(
        cell.source
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "code"
    )
    for text, code in found:
        assert (
            "<summary>Hint</summary>" in text and "<summary>Solution</summary>" in text
        )
        solution = re.search(
            r"<summary>Solution</summary>.*?```python\n(.+?)```", text, re.DOTALL
        )[1]
        unsolved, check = code.split("\n")
        space = {}
        exec(imports, space)
        exec(f"{unsolved}\n{solution}", space)
        assert said(lambda space=space, check=check: exec(check, space)).startswith(
            "✓ Right: "
        ), text[:40]
