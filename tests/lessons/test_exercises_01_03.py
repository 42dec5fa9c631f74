"""Each checker of notebooks 01 to 03 tells right from wrong kindly."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from exercises import lesson_01, lesson_02, lesson_03
from exercising import said, verdicts_on_solutions
from refresh import NOTEBOOKS
from torch import nn

from helpers.checking import leaves_unchanged


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


RIGHT = [
    (lesson_01.one_window, 20),
    (lesson_01.one_window, torch.tensor(20)),
    (lesson_01.three_sizes, (24, 28, 15)),
    (lesson_01.three_sizes, torch.tensor([24, 28, 15])),
    (lesson_01.padding_to_keep, lambda k: k // 2),
    (lesson_01.strided_convolution, double_loop),
    (lesson_01.halve, {"kernel_size": 4, "stride": 2, "padding": 1}),
    (lesson_01.halve, {"kernel_size": 15}),
    (lesson_01.edge_kernel, [[0, 0, 0], [-1, 0, 1], [0, 0, 0]]),
    (lesson_01.see_far, {"dilation": 4, "padding": 4}),
    (lesson_01.edge_kernel, [[-1, 1, 0]] * 3),
    (
        lesson_01.edge_kernel,
        torch.tensor([[-0.1, -0.2, 0.3], [-0.2, -0.4, 0.6], [-0.1, -0.2, 0.3]]),
    ),
    (
        lesson_01.strided_convolution,
        lambda image, kernel, stride: double_loop(image, kernel, stride).double(),
    ),
    (lesson_02.two_poolings, ([[5, 2], [3, 8]], [[2.75, 1], [1.75, 4]])),
    (
        lesson_02.two_poolings,
        (torch.tensor([[5, 2], [3, 8]]), torch.tensor([[2.75, 1], [1.75, 4]])),
    ),
    (lesson_02.pooled_sizes, (6, 7, 1)),
    (lesson_02.average_pooling, averaged),
    (lesson_02.overlapping_windows, {"kernel_size": 3, "stride": 2, "padding": 1}),
    (lesson_02.overlapping_windows, {"kernel_size": 15, "stride": 1}),
    (lesson_02.average_corner, 9 / 25),
    (lesson_02.average_corner, torch.tensor(0.36)),
    (lesson_02.pooled_gradient, [[0, 0, 0], [2, 1, 0], [0, 0, 1]]),
    (lesson_02.pooled_gradient, torch.tensor([[0, 0, 0], [2, 1, 0], [0, 0, 1]])),
    (lesson_02.pooled_alike, [[3, 1, 2, 0], [5, 2, 1, 1], [3, 1, 4, 8], [2, 1, 2, 2]]),
    (lesson_02.pooled_alike, [[2, 2, 2, 0], [5, 2, 1, 1], [3, 1, 4, 8], [2, 1, 2, 2]]),
    (lesson_02.one_step, 4),
    (lesson_03.count_weights, 1216),
    (lesson_03.in_features, 3136),
    (lesson_03.count_parameters, lambda net: sum(p.numel() for p in net.parameters())),
    (lesson_03.drop, lambda x, p, mask: x * mask / (1 - p)),
    (
        lesson_03.drop,
        lambda x, p, mask: torch.where(mask > 0, x / (1 - p), 0.0).double(),
    ),
    (lesson_03.mix_channels, {"in_channels": 64, "out_channels": 16, "kernel_size": 1}),
    (
        lesson_03.mix_channels,
        {
            "in_channels": 64,
            "out_channels": 16,
            "kernel_size": 1,
            "stride": 1,
            "padding": 0,
        },
    ),
    (lesson_03.receptive_field, seen),
    (lesson_03.own_network, ten_logits(8)),
    (lesson_03.own_network, ten_logits(4).eval()),
    (lesson_03.drop, lambda x, p, mask: x.mul_(mask).div_(1 - p)),
    (
        lesson_03.receptive_field,
        lambda layers: seen([layers.pop(0) for _ in range(len(layers))]),
    ),
    (
        lesson_03.repaired,
        nn.Sequential(
            nn.Conv2d(1, 8, 5),
            *BROKEN[1:3],
            nn.Conv2d(8, 16, 5),
            *BROKEN[4:7],
            nn.Linear(256, 10),
        ),
    ),
]
WRONG = [
    (lesson_01.one_window, 10, "flipped"),
    (lesson_01.one_window, 14, "add the four products"),
    (lesson_01.one_window, "20", "without quotes"),
    (lesson_01.one_window, torch.ones(2, 2), "give one number"),
    (lesson_01.three_sizes, 24, "give 3 numbers"),
    (lesson_01.three_sizes, (24, 28, 15.5), "floor"),
    (lesson_01.three_sizes, (24, 24, 15), "number 2 is not 24"),
    (lesson_01.three_sizes, (24, 28, "15"), "without quotes"),
    (lesson_01.padding_to_keep, 2, "function"),
    (lesson_01.padding_to_keep, lambda k: k / 2 - 0.5, "is 0.0; padding is a whole"),
    (lesson_01.padding_to_keep, lambda k: k, "28 pixels become"),
    (lesson_01.padding_to_keep, lambda: 1, "TypeError"),
    (lesson_01.padding_to_keep, lambda k: None, "return"),
    (lesson_01.padding_to_keep, lambda k: -1, "28 pixels become 26"),
    (
        lesson_01.strided_convolution,
        lambda image, kernel, stride: double_loop(image, kernel, 1),
        "shape",
    ),
    (
        lesson_01.strided_convolution,
        lambda image, kernel, stride: double_loop(image, kernel, stride) + 1,
        "numbers are not",
    ),
    (
        lesson_01.strided_convolution,
        lambda image, kernel, stride: 3,
        "is one number; give 3 rows of 3 numbers",
    ),
    (
        lesson_01.strided_convolution,
        lambda image, kernel, stride: double_loop(image, kernel.flip(0, 1), stride),
        "flipped",
    ),
    (lesson_01.halve, {"kernel_size": 2, "stride": 2}, "3 or more"),
    (lesson_01.halve, {"kernel_size": 3, "stride": 2}, "13×13, not 14×14"),
    (
        lesson_01.halve,
        {"kernel_size": 3, "stride": 2, "padding": 2, "dilation": 2},
        "read by no window",
    ),
    (lesson_01.halve, {"k": 3, "s": 2}, "dilation, kernel_size, padding, stride"),
    (lesson_01.halve, {"stride": 2}, "kernel_size is missing"),
    (
        lesson_01.halve,
        {"kernel_size": 3, "stride": 2, "padding": 10**6},
        "28×28 becomes 1000013×1000013, not 14×14.",
    ),
    (
        lesson_01.halve,
        {"kernel_size": 40},
        "A window of 40 (kernel_size 40, dilation 1) does not fit into 28 pixels",
    ),
    (lesson_01.three_sizes, {24, 28, 15}, "give 3 numbers, (…, …).\n"),
    (lesson_01.halve, {"kernel_size": 3.0}, "one whole number"),
    (lesson_01.halve, (3, 2, 1), "dict"),
    (lesson_01.edge_kernel, [[1, 1, 1]] * 3, "add up to 9"),
    (lesson_01.edge_kernel, [[1, 0, -1]] * 3, "negative number"),
    (lesson_01.edge_kernel, [[1, -2, 1]] * 3, "negative number"),
    (lesson_01.edge_kernel, [[0, 0, 1], [-1, -1, 1], [-1, 0, 1]], "level edge"),
    (lesson_01.edge_kernel, [[0, 0, 0]] * 3, "gives 0"),
    (lesson_01.edge_kernel, [[-1, -1, -1], [0, 0, 0], [1, 1, 1]], "level edge"),
    (lesson_01.edge_kernel, [[1, -1]], "(1, 2)"),
    (
        lesson_01.edge_kernel,
        [[1, -1], [2]],
        "your kernel is [[1, -1], [2]]; give 3 rows",
    ),
    (lesson_01.see_far, {"dilation": 2, "padding": 2}, "spans 5"),
    (lesson_01.see_far, {"dilation": 4, "padding": 1}, "22×22"),
    (lesson_01.see_far, {"kernel_size": 9}, "dilation, padding"),
    (lesson_01.see_far, {"dilation": 4, "padding": (0, 4)}, "one whole number"),
    (lesson_01.see_far, 4, "dict"),
    (
        lesson_02.two_poolings,
        [[5, 2], [3, 8]],
        "the largest table has the shape (2,); give 2 rows of 2 numbers",
    ),
    (
        lesson_02.two_poolings,
        ([[2.75, 1], [1.75, 4]], [[5, 2], [3, 8]]),
        "change places",
    ),
    (
        lesson_02.two_poolings,
        ([[5, 3], [2, 8]], [[2.75, 1], [1.75, 4]]),
        "another number at [0, 1]",
    ),
    (
        lesson_02.two_poolings,
        ([[5, 2], [3]], [[1, 1], [1, 1]]),
        "the largest table is [[5, 2], [3]]; give 2 rows of 2 numbers",
    ),
    (lesson_02.two_poolings, ([[5, 2], [3, 8]], None), "the average table is None"),
    (
        lesson_02.two_poolings,
        ([[5, 2], [3, 8]], [[2.75, 1], [1.75, 3]]),
        "the average table has another number at [1, 1]",
    ),
    (lesson_02.two_poolings, 5, "give two tables"),
    (
        lesson_02.pooled_sizes,
        (6, 7, 2),
        "number 3 is not 2; where would the second window start",
    ),
    (
        lesson_02.pooled_sizes,
        (6.5, 7, 1),
        "number 1 is not 6.5; without ceil_mode it rounds down",
    ),
    (lesson_02.pooled_sizes, (6, 7), "give 3 numbers"),
    (
        lesson_02.average_pooling,
        3,
        "the answer is a function of image, kernel_size, stride",
    ),
    (
        lesson_02.average_pooling,
        lambda image, kernel_size, stride: None,
        "return missing",
    ),
    (
        lesson_02.average_pooling,
        lambda *how: averaged(*how) * float("nan"),
        "the result is nan at [0, 0]",
    ),
    (
        lesson_02.average_pooling,
        lambda image, kernel_size, stride: 3,
        "is one number; give 2 rows of 2 numbers",
    ),
    (
        lesson_02.average_pooling,
        lambda image, kernel_size, stride: averaged(image, kernel_size, 1),
        "has the shape (3, 3); give 2 rows of 2 numbers",
    ),
    (
        lesson_02.average_pooling,
        lambda *how: averaged(*how) * 2,
        "at [0, 0], and should be",
    ),
    (lesson_02.overlapping_windows, {"kernel_size": 2, "stride": 2}, "do not overlap"),
    (lesson_02.overlapping_windows, {"kernel_size": 3, "stride": 2}, "becomes 13×13"),
    (
        lesson_02.overlapping_windows,
        {"kernel_size": 3, "stride": 2, "padding": 2},
        "padding 2 is more than half of kernel_size 3: use 1 or less",
    ),
    (lesson_02.overlapping_windows, {"kernel_size": 3}, "stride is missing"),
    (lesson_02.average_corner, 1, "count_include_pad=False"),
    (lesson_02.average_corner, 0.4444, "4/9 is for a window of 3"),
    (lesson_02.average_corner, 0.44, "4/9 is for a window of 3"),
    (lesson_02.average_corner, 9, "divide the ones"),
    (lesson_02.average_corner, "9/25", "give one number"),
    (lesson_02.pooled_gradient, [[0, 0, 0], [1, 1, 0], [0, 0, 1]], "add up to 3"),
    (
        lesson_02.pooled_gradient,
        [[0, 0, 0], [2, 0.5, 0.5], [0, 0, 1]],
        "all of its 1 to the first",
    ),
    (
        lesson_02.pooled_gradient,
        [[0, 0, 0], [2, 0, 1], [0, 0, 1]],
        "to the first of them",
    ),
    (
        lesson_02.pooled_gradient,
        [[0, 0, 0], [1, 1, 0], [0, 1, 1]],
        "the 4 is the largest of two windows, and you give it 1",
    ),
    (
        lesson_02.pooled_gradient,
        [[1, -1, 0], [2, 1, 0], [0, 0, 1]],
        "at [0, 0], and should be 0",
    ),
    (lesson_02.pooled_gradient, [1, 2], "give 3 rows of 3 numbers"),
    (lesson_02.pooled_gradient, "4", "your table is '4'; give 3 rows of 3 numbers"),
    (lesson_02.one_step, 2, "the second has not yet"),
    (lesson_02.one_step, 1, "a whole stride"),
    (
        lesson_02.pooled_alike,
        [[1, 3, 2, 0], [5, 2, 1, 1], [3, 1, 4, 8.000001], [2, 1, 2, 2]],
        "that is the picture itself",
    ),
    (
        lesson_02.pooled_alike,
        [[1, 3, 2, 0], [5, 1, 1, 1], [3, 1, 4, 8], [2, 1, 2, 2]],
        "in 1 of 4 windows the average",
    ),
    (
        lesson_02.pooled_alike,
        [[1, 3, 2, 0], [4, 3, 1, 1], [3, 1, 4, 8], [2, 1, 2, 2]],
        "in 1 of 4 windows the largest",
    ),
    (lesson_02.pooled_alike, [[1]], "give 4 rows of 4 numbers"),
    (lesson_02.pooled_alike, [[float("nan")] * 4] * 4, "nan and inf are no brightness"),
    (
        lesson_02.pooled_gradient,
        [[0, 0, 0], [2, 1, 0], [1, 0, 0]],
        "the 5 is the largest of one window",
    ),
    (lesson_03.count_weights, 1200, "a bias too"),
    (lesson_03.count_weights, 416, "as deep as its input"),
    (lesson_03.count_weights, 1201, "a bias of its own"),
    (lesson_03.count_weights, 5, "in_channels · k · k"),
    (lesson_03.in_features, 576, "is for 32×32"),
    (lesson_03.in_features, 4096, "takes 2 pixels off"),
    (lesson_03.in_features, 14, "how many maps"),
    (lesson_03.in_features, 3600, "mind the floor"),
    (lesson_03.in_features, 7, "what is its side"),
    (
        lesson_03.count_parameters,
        lambda net: len(list(net.parameters())),
        "the result is 2, and should be 8",
    ),
    (lesson_03.count_parameters, lambda net: [8], "give one number"),
    (lesson_03.count_parameters, lambda net: "8", "without quotes"),
    (lesson_03.count_parameters, 8, "the answer is a function of net"),
    (
        lesson_03.drop,
        lambda x, p, mask: x * mask,
        "for x [1.0, 2.0, 3.0, 4.0], p 0.5, mask [1.0, 0.0, 1.0, 1.0] "
        "the result is 1 at [0], and should be 2",
    ),
    (
        lesson_03.drop,
        lambda x, p, mask: (x * mask).sum(),
        "is one number; give 4 numbers",
    ),
    (
        lesson_03.mix_channels,
        {"in_channels": 64, "out_channels": 16, "kernel_size": 3, "padding": 1},
        "9,232 parameters",
    ),
    (
        lesson_03.mix_channels,
        {"in_channels": 16, "out_channels": 64, "kernel_size": 1},
        "takes in_channels=16, and 64",
    ),
    (
        lesson_03.mix_channels,
        {"in_channels": 64, "out_channels": 16, "kernel_size": 1, "stride": 2},
        "becomes 16×7×7",
    ),
    (
        lesson_03.mix_channels,
        {"in_channels": 64, "out_channels": -1, "kernel_size": 1},
        "negative",
    ),
    (
        lesson_03.mix_channels,
        nn.Conv2d(64, 16, 1),
        "such as dict(in_channels=…, out_channels=…, kernel_size=…)",
    ),
    (
        lesson_03.mix_channels,
        {"out_channels": 16},
        "in_channels and kernel_size are missing",
    ),
    (
        lesson_03.receptive_field,
        lambda layers: sum(k for k, _ in layers),
        "the result is 5, and should be 4",
    ),
    (lesson_03.receptive_field, lambda layers: None, "return missing"),
    (lesson_03.own_network, 5, "give a module"),
    (
        lesson_03.own_network,
        nn.Linear(784, 10),
        "takes a row of in_features=784 numbers",
    ),
    (
        lesson_03.own_network,
        nn.Sequential(nn.Flatten(), nn.Linear(784, 10)),
        "no nn.Conv2d",
    ),
    (lesson_03.own_network, nn.Linear, "with () behind the name"),
    (
        lesson_03.own_network,
        ten_logits(8, nn.LogSoftmax(dim=1)),
        "log_softmax is harmless and not needed",
    ),
    (
        lesson_03.repaired,
        nn.Sequential(
            nn.Conv2d(1, 8, 5), nn.Conv2d(8, 16, 5), nn.Flatten(), nn.Linear(6400, 10)
        ),
        "keep both layers of ReLU",
    ),
    (
        lesson_03.own_network,
        ten_logits(8, nn.Softmax(dim=0)),
        "leave the softmax to the loss",
    ),
    (lesson_03.own_network, ten_logits(8, nn.ReLU()), "end with the dense layer"),
    (lesson_03.repaired, BROKEN, "takes in_channels=6, and 8 channels arrive"),
    (lesson_03.repaired, ten_logits(8), "keep both convolutions"),
    (lesson_03.own_network, ten_logits(16), "23,466 parameters"),
    (
        lesson_03.own_network,
        ten_logits(8, nn.Softmax(dim=1)),
        "leave the softmax to the loss",
    ),
    (lesson_03.own_network, nn.Sequential(*ten_logits(8)[:4]), "the shape 1152"),
    (
        lesson_03.own_network,
        Ending(lambda x: x.argmax(1)),
        "gives a single number; ten logits",
    ),
    (
        lesson_03.own_network,
        Ending(lambda x: {"logits": x}),
        "forward returns a value of type dict",
    ),
    (
        lesson_03.own_network,
        Ending(lambda x: (x, x)),
        "forward returns a value of type tuple",
    ),
]


def picture_of(*tables):
    return [torch.tensor(table) for table in tables]


LARGEST, AVERAGE = [[5, 2], [3, 8]], [[2.75, 1.0], [1.75, 4.0]]


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


def rounded(image, kernel, stride):
    k, size = len(kernel), round((len(image) - len(kernel)) / stride) + 1
    padded = F.pad(image, (0, k + stride, 0, k + stride))
    return double_loop(padded, kernel, stride)[:size, :size]


def by_unfold(image, kernel, stride):
    windows = image.unfold(0, len(kernel), stride).unfold(1, len(kernel), stride)
    return (windows * kernel).sum((2, 3)).numpy()


def pool(image, kernel_size, stride, keep):
    return averaged(image, kernel_size, stride)


def numbers_of(net, back=True):
    before = net.training
    net.train()
    if back:
        net.train(before)
    return sum(p.numel() for p in net.parameters())


CONV = {"in_channels": 64, "out_channels": 16, "kernel_size": 1}
RIGHT += [
    (lesson_01.one_window, np.int64(20)),
    (lesson_01.three_sizes, np.array([24, 28, 15])),
    (lesson_01.padding_to_keep, lambda k: np.int64(k // 2)),
    (lesson_01.padding_to_keep, lambda k: torch.tensor(k) // 2),
    (lesson_01.padding_to_keep, lambda k: (k // 2, k // 2)),
    (lesson_01.strided_convolution, by_unfold),
    (lesson_01.halve, {"kernel_size": np.int64(3), "stride": 2, "padding": 1}),
    (lesson_01.halve, {"kernel_size": (3, 3), "stride": [2, 2], "padding": 1}),
    (lesson_01.halve, {"kernel_size": torch.tensor(15), "padding": "valid"}),
    (lesson_01.see_far, {"dilation": 4, "padding": "same"}),
    (lesson_01.see_far, {"dilation": (4, 4), "padding": torch.tensor([4, 4])}),
    (lesson_02.two_poolings, np.array([LARGEST, AVERAGE])),
    (lesson_02.two_poolings, torch.stack(picture_of(LARGEST, AVERAGE))),
    (lesson_02.average_pooling, lambda *how: averaged(*how).tolist()),
    (
        lesson_02.average_pooling,
        lambda x, k, s: by_unfold(x, torch.ones(k, k) / k**2, s),
    ),
    (
        lesson_02.overlapping_windows,
        {"kernel_size": (3, 3), "stride": np.int64(2), "padding": torch.tensor(1)},
    ),
    (lesson_03.count_weights, torch.tensor(1216)),
    (lesson_03.count_parameters, numbers_of),
    (lesson_03.drop, lambda x, p, mask: torch.where(mask.bool(), x / (1 - p), 0)),
    (lesson_03.mix_channels, CONV | {"bias": False}),
    (lesson_03.mix_channels, CONV | {"padding": "same"}),
    (lesson_03.mix_channels, CONV | {"kernel_size": (1, 1), "stride": [1, 1]}),
    (lesson_03.mix_channels, CONV | {"kernel_size": 3, "padding": 1, "groups": 16}),
    (lesson_03.own_network, nn.Sequential(*ten_logits(4)[:4], nn.LazyLinear(10))),
    (lesson_03.repaired, Stack()),
    (lesson_03.repaired, Stack(Own, act=nn.ReLU())),
    (lesson_03.repaired, Stack().double().train()),
    (lesson_03.repaired, Stack(pool=lambda x, k: nn.MaxPool2d(k)(x))),
    (
        lesson_03.own_network,
        nn.Sequential(Own(1, 4, 5, 4), nn.Flatten(), nn.Linear(144, 10)),
    ),
    (lesson_03.own_network, Ending(lambda x: x.sub(x.mean(1, keepdim=True)))),
]
WRONG += [
    (lesson_01.one_window, True, "give one number.\n"),
    (lesson_01.one_window, {20: 20}, "your answer is {20: 20}; give one number.\n"),
    (lesson_01.three_sizes, (24, 28, True), "give 3 numbers, (…, …).\n"),
    (lesson_01.padding_to_keep, lambda k: k == 3, "give one number"),
    (lesson_01.padding_to_keep, lambda k: (k // 2, 0), "has the shape (2,)"),
    (lesson_01.padding_to_keep, {1: 0, 3: 1, 5: 2, 7: 3, 11: 5}.get, "is None"),
    (lesson_01.strided_convolution, rounded, "has the shape"),
    (lesson_01.halve, {"stride": 2, "kernel_size": True}, "kernel_size is True; give"),
    (lesson_01.halve, {"kernel_size": (3, 5)}, "kernel_size is (3, 5); give one whole"),
    (lesson_01.halve, {"kernel_size": 3, "padding": "same"}, "keeps the size"),
    (lesson_01.halve, {"kernel_size": 3, "padding": "full"}, "padding is 'full'; give"),
    (lesson_01.halve, 3, "such as dict(kernel_size=…); the names are"),
    (lesson_01.halve, {"kernel_size": 3, "stride": 0}, "stride must be a whole number"),
    (lesson_01.see_far, {"dilation": 4, "padding": "valid"}, "20×20"),
    (lesson_01.see_far, {"dilation": 30}, "A window of 61"),
    (
        lesson_02.two_poolings,
        (LARGEST, LARGEST),
        "the other table again; take the mean",
    ),
    (lesson_02.two_poolings, (AVERAGE, AVERAGE), "again; take the largest number"),
    (lesson_02.two_poolings, {1: LARGEST, 2: AVERAGE}, "give two tables"),
    (lesson_02.pooled_sizes, (6, 7, True), "give 3 numbers"),
    (
        lesson_02.average_pooling,
        lambda x, k, s: F.avg_pool2d(x[None], k, s)[0],
        "avg_pool2d makes them; write the loop yourself",
    ),
    (
        lesson_02.average_pooling,
        lambda x, k, s: nn.AvgPool2d(k, s)(x[None])[0],
        "avg_pool2d makes them; write the loop yourself",
    ),
    (
        lesson_02.average_pooling,
        lambda x, k, s: pool(x, k, s, torch.mean),
        "pool makes them; write the loop yourself",
    ),
    (
        lesson_02.overlapping_windows,
        {"kernel_size": 3, "stride": 2, "padding": "same"},
        "padding is 'same'; give one whole number",
    ),
    (
        lesson_02.overlapping_windows,
        {"kernel_size": 2, "stride": True},
        "stride is True",
    ),
    (
        lesson_03.count_parameters,
        lambda net: sum(value.numel() for value in net.state_dict().values()),
        "and should be",
    ),
    (
        lesson_03.count_parameters,
        lambda net: sum(
            p.numel() for layer in net.children() for p in layer.parameters()
        ),
        "the result is 0, and should be 8",
    ),
    (
        lesson_03.count_parameters,
        lambda net: numbers_of(net.eval()),
        "the model came in train(True), and it, or a layer of it, goes out in",
    ),
    (
        lesson_03.count_parameters,
        lambda net: numbers_of(net, back=False),
        "the model came in train(False), and it, or a layer of it, goes out in",
    ),
    (lesson_03.drop, lambda x, p, mask: x * mask / mask.mean(), "and should be"),
    (lesson_03.mix_channels, CONV | {"kernel_size": True}, "kernel_size is True; give"),
    (
        lesson_03.mix_channels,
        CONV | {"out_channels": (16, 16)},
        "give one whole number",
    ),
    (lesson_03.receptive_field, lambda layers: seen(layers[::-1]), "and should be"),
    (lesson_03.own_network, Ending(lambda x: x.T), "64 pictures give 10×64"),
    (
        lesson_03.own_network,
        ten_logits(8, nn.ReLU()),
        "never negative, as behind a ReLU",
    ),
    (lesson_03.own_network, ten_logits(8, nn.Sigmoid()), "never negative"),
    (lesson_03.own_network, Ending(lambda x: x - x.mean(0)), "always get the same"),
    (
        lesson_03.own_network,
        Ending(lambda x: x.log_softmax(0)),
        "log_softmax is harmless",
    ),
    (lesson_03.own_network, Ending(F.dropout), "is dropout on in eval mode"),
    (
        lesson_03.repaired,
        nn.Sequential(
            *[nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3)],
            *[nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 10)],
        ),
        "keep both convolutions, from 1 to 8 and from 8 to 16 maps with 5×5",
    ),
    (lesson_03.repaired, Stack(more=nn.Linear(10, 10)), "2 dense layers; keep the one"),
    (lesson_03.repaired, Stack(pool=F.avg_pool2d), "both of MaxPool2d"),
    (lesson_03.repaired, Stack(act=torch.tanh), "keep both layers of ReLU"),
    (lesson_03.repaired, Stack(more=lambda x: 2 * x), "keep both layers of ReLU"),
    (
        lesson_03.repaired,
        Stack(more=nn.Softmax(dim=1)),
        "leave the softmax to the loss",
    ),
    (lesson_03.repaired, Stack(more=nn.BatchNorm1d(10)), "6,014 parameters"),
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


@pytest.mark.parametrize("path", NOTEBOOKS[:3], ids=lambda path: path.stem)
def test_solutions_in_the_notebook_pass(path):
    solutions = [*verdicts_on_solutions(path)]
    assert len(solutions) >= 6
    assert not [one for one in solutions if not one.startswith("✓ Right: ")]


@pytest.mark.parametrize("check", [lesson_03.own_network, lesson_03.repaired])
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
        assert int(x.grad.count_nonzero()) == lesson_03._seen(layers)
