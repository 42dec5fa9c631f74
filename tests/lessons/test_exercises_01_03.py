"""Each checker of notebooks 01 to 03 tells right from wrong kindly."""

import pytest
import torch
from exercises import lesson_01, lesson_02, lesson_03
from exercising import said, verdicts_on_solutions
from refresh import NOTEBOOKS
from torch import nn


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
    (lesson_01.padding_to_keep, lambda k: k / 2 - 0.5, "//"),
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
