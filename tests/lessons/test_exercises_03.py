"""The checkers of notebook 03 tell right from wrong kindly."""

import pytest
import torch
import torch.nn.functional as F
from exercises import lesson_03 as checks
from exercising import Lesson, said
from refresh import NOTEBOOKS
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from helpers.checking import leaves_unchanged


def seen(layers):
    sees, step = 1, 1
    for kernel_size, stride in layers:
        sees, step = sees + (kernel_size - 1) * step, step * stride
    return sees


def grouped():
    """Return what torch says of the layer of exercise 9."""
    layer = nn.Conv2d(12, 24, kernel_size=5, groups=3)
    with FlopCounterMode(display=False) as counter:
        assert layer(torch.zeros(1, 12, 14, 14)).shape[2:] == (10, 10)
    # it counts a product and its addition apart
    multiply_adds = counter.get_total_flops() // 2
    return layer.weight.shape[1], checks._parameters(layer), multiply_adds


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


class Own(nn.Conv2d):
    """A student's convolution."""


class Stack(nn.Module):
    """The repaired stack as a class; the settings are what a student may change."""

    def __init__(self, layer=nn.Conv2d, pool=F.max_pool2d, more=None, act=F.relu):
        super().__init__()
        self.last = nn.Linear(256, 10)
        self.second, self.first = layer(8, 16, 5), layer(1, 8, 5)
        self.pool, self.more, self.act = pool, more, act

    def forward(self, x):
        x = self.pool(self.act(self.first(x)), 2)
        x = self.act(self.pool(self.second(x), 2))
        x = self.last(x.flatten(1))
        return x if self.more is None else self.more(x)


def numbers_of(net, back=True):
    before = net.training
    net.train()
    if back:
        net.train(before)
    return sum(p.numel() for p in net.parameters())


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
CONV = {"in_channels": 64, "out_channels": 16, "kernel_size": 1}
RIGHT = [
    (checks.count_weights, 1216),
    (checks.in_features, 3136),
    (checks.count_parameters, lambda net: sum(p.numel() for p in net.parameters())),
    (checks.drop, lambda x, p, mask: x * mask / (1 - p)),
    (
        checks.drop,
        lambda x, p, mask: torch.where(mask > 0, x / (1 - p), 0.0).double(),
    ),
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
    (checks.count_weights, torch.tensor(1216)),
    (checks.count_parameters, numbers_of),
    (checks.drop, lambda x, p, mask: torch.where(mask.bool(), x / (1 - p), 0)),
    (checks.mix_channels, CONV | {"bias": False}),
    (checks.mix_channels, CONV | {"padding": "same"}),
    (checks.mix_channels, CONV | {"kernel_size": (1, 1), "stride": [1, 1]}),
    (checks.mix_channels, CONV | {"kernel_size": 3, "padding": 1, "groups": 16}),
    (checks.own_network, nn.Sequential(*ten_logits(4)[:4], nn.LazyLinear(10))),
    (checks.count_in_groups, grouped()),
    (checks.repaired, Stack()),
    (checks.repaired, Stack(Own, act=nn.ReLU())),
    (checks.repaired, Stack().double().train()),
    (checks.repaired, Stack(pool=lambda x, k: nn.MaxPool2d(k)(x))),
    (
        checks.own_network,
        nn.Sequential(Own(1, 4, 5, 4), nn.Flatten(), nn.Linear(144, 10)),
    ),
    (checks.own_network, Ending(lambda x: x.sub(x.mean(1, keepdim=True)))),
]
WRONG = [
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
        "for x [1.0, 2.0, 3.0, 4.0], p 0.5, mask [1.0, 0.0, 1.0, 1.0] "
        "the result is 1 at [0], and should be 2",
    ),
    (
        checks.drop,
        lambda x, p, mask: (x * mask).sum(),
        "is one number; give 4 numbers",
    ),
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
    (
        checks.mix_channels,
        nn.Conv2d(64, 16, 1),
        "such as dict(in_channels=…, out_channels=…, kernel_size=…)",
    ),
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
    (
        checks.own_network,
        nn.Linear(784, 10),
        "takes a row of in_features=784 numbers",
    ),
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
    (
        checks.count_parameters,
        lambda net: sum(value.numel() for value in net.state_dict().values()),
        "and should be",
    ),
    (
        checks.count_parameters,
        lambda net: sum(
            p.numel() for layer in net.children() for p in layer.parameters()
        ),
        "the result is 0, and should be 8",
    ),
    (
        checks.count_parameters,
        lambda net: numbers_of(net.eval()),
        "the model came in train(True), and it, or a layer of it, goes out in",
    ),
    (
        checks.count_parameters,
        lambda net: numbers_of(net, back=False),
        "the model came in train(False), and it, or a layer of it, goes out in",
    ),
    (checks.drop, lambda x, p, mask: x * mask / mask.mean(), "and should be"),
    (checks.mix_channels, CONV | {"kernel_size": True}, "kernel_size is True; give"),
    (
        checks.mix_channels,
        CONV | {"out_channels": (16, 16)},
        "give one whole number",
    ),
    (checks.receptive_field, lambda layers: seen(layers[::-1]), "and should be"),
    (checks.own_network, Ending(lambda x: x.T), "64 pictures give 10×64"),
    (
        checks.own_network,
        ten_logits(8, nn.ReLU()),
        "never negative, as behind a ReLU",
    ),
    (checks.own_network, ten_logits(8, nn.Sigmoid()), "never negative"),
    (checks.own_network, Ending(lambda x: x - x.mean(0)), "always get the same"),
    (
        checks.own_network,
        Ending(lambda x: x.log_softmax(0)),
        "log_softmax is harmless",
    ),
    (checks.own_network, Ending(F.dropout), "is dropout on in eval mode"),
    (
        checks.repaired,
        nn.Sequential(
            *[nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3)],
            *[nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 10)],
        ),
        "keep both convolutions, from 1 to 8 and from 8 to 16 maps with 5×5",
    ),
    (checks.repaired, Stack(more=nn.Linear(10, 10)), "2 dense layers; keep the one"),
    (checks.repaired, Stack(pool=F.avg_pool2d), "both of MaxPool2d"),
    (checks.repaired, Stack(act=torch.tanh), "keep both layers of ReLU"),
    (checks.repaired, Stack(more=lambda x: 2 * x), "keep both layers of ReLU"),
    (
        checks.repaired,
        Stack(more=nn.Softmax(dim=1)),
        "leave the softmax to the loss",
    ),
    (checks.repaired, Stack(more=nn.BatchNorm1d(10)), "6,014 parameters"),
    (checks.count_in_groups, (12, 2424, 240_000), "1 is not 12; groups=3 divides"),
    (checks.count_in_groups, (8, 2424, 240_000), "the depth comes from the channels"),
    (checks.count_in_groups, (3, 2424, 240_000), "how many of the 12 channels"),
    (checks.count_in_groups, (4, 7224, 240_000), "7224; that is without groups"),
    (checks.count_in_groups, (4, 2400, 240_000), "each map has a bias too"),
    (checks.count_in_groups, (4, 2408, 240_000), "each of the 24 maps keeps its"),
    (checks.count_in_groups, (4, 808, 240_000), "the kernels of one group"),
    (checks.count_in_groups, (4, 100, 240_000), "weights and a bias each"),
    (checks.count_in_groups, (4, 2424, 720_000), "that is without groups"),
    (checks.count_in_groups, (4, 2424, 80_000), "those are for one group"),
    (checks.count_in_groups, (4, 2424, 2400), "a map has 10·10"),
    (checks.count_in_groups, (4, 2424, 242_400), "multiplied with nothing"),
    (checks.count_in_groups, (4, 2424, 480_000), "multiply the outputs, 24·10·10"),
    (checks.count_in_groups, 2424, "give 3 numbers"),
]


class TestCheckers(Lesson):
    right, wrong = RIGHT, WRONG
    notebook = NOTEBOOKS[2]


@pytest.mark.parametrize("check", [checks.own_network, checks.repaired])
def test_a_network_stays_as_it_was_made(check):
    answer = Stack(more=nn.BatchNorm1d(10)).train()
    answer.first.register_forward_hook(lambda *_: None)
    with leaves_unchanged(answer):
        said(check, answer)


def test_how_far_a_stack_sees_is_what_the_gradient_of_torch_reaches():
    for layers in ([(3, 1), (2, 2), (5, 2)], [(4, 3), (3, 3), (2, 1)], [(7, 2)] * 2):
        x = out = torch.zeros(1, 1, 60, requires_grad=True)
        for kernel_size, stride in layers:
            out = F.conv1d(out, torch.ones(1, 1, kernel_size), stride=stride)
        out[0, 0, 0].backward()
        assert int(x.grad.count_nonzero()) == checks._seen(layers)
