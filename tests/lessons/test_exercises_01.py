"""The checkers of notebook 01 tell right from wrong kindly."""

import numpy as np
import torch
import torch.nn.functional as F
from exercises import lesson_01 as checks
from exercising import Lesson, by_unfold
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


def rounded(image, kernel, stride):
    k, size = len(kernel), round((len(image) - len(kernel)) / stride) + 1
    padded = F.pad(image, (0, k + stride, 0, k + stride))
    return double_loop(padded, kernel, stride)[:size, :size]


LAYER = nn.Conv2d(1, 1, kernel_size=(5, 2), stride=(2, 3), padding=(2, 0))
TORCHS = LAYER(torch.zeros(1, 1, 48, 64)).shape[2:]
RIGHT = [
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
    (
        checks.edge_kernel,
        torch.tensor([[-0.1, -0.2, 0.3], [-0.2, -0.4, 0.6], [-0.1, -0.2, 0.3]]),
    ),
    (
        checks.strided_convolution,
        lambda image, kernel, stride: double_loop(image, kernel, stride).double(),
    ),
    (checks.one_window, np.int64(20)),
    (checks.three_sizes, np.array([24, 28, 15])),
    (checks.padding_to_keep, lambda k: np.int64(k // 2)),
    (checks.padding_to_keep, lambda k: torch.tensor(k) // 2),
    (checks.padding_to_keep, lambda k: (k // 2, k // 2)),
    (checks.strided_convolution, by_unfold),
    (checks.halve, {"kernel_size": np.int64(3), "stride": 2, "padding": 1}),
    (checks.halve, {"kernel_size": (3, 3), "stride": [2, 2], "padding": 1}),
    (checks.halve, {"kernel_size": torch.tensor(15), "padding": "valid"}),
    (checks.see_far, {"dilation": 4, "padding": "same"}),
    (checks.see_far, {"dilation": (4, 4), "padding": torch.tensor([4, 4])}),
    (checks.two_sides, TORCHS),
    (checks.two_sides, [np.int64(24), torch.tensor(21.0)]),
]
WRONG = [
    (checks.one_window, 10, "flipped"),
    (checks.one_window, 14, "add the four products"),
    (checks.one_window, "20", "without quotes"),
    (checks.one_window, torch.ones(2, 2), "give one number"),
    (checks.three_sizes, 24, "give 3 numbers"),
    (checks.three_sizes, (24, 28, 15.5), "floor"),
    (checks.three_sizes, (24, 24, 15), "number 2 is not 24"),
    (checks.three_sizes, (24, 28, "15"), "without quotes"),
    (checks.padding_to_keep, 2, "function"),
    (checks.padding_to_keep, lambda k: k / 2 - 0.5, "is 0.0; padding is a whole"),
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
    (
        checks.edge_kernel,
        [[1, -1], [2]],
        "your kernel is [[1, -1], [2]]; give 3 rows",
    ),
    (checks.see_far, {"dilation": 2, "padding": 2}, "spans 5"),
    (checks.see_far, {"dilation": 4, "padding": 1}, "22×22"),
    (checks.see_far, {"kernel_size": 9}, "dilation, padding"),
    (checks.see_far, {"dilation": 4, "padding": (0, 4)}, "one whole number"),
    (checks.see_far, 4, "dict"),
    (checks.one_window, True, "give one number.\n"),
    (checks.one_window, {20: 20}, "your answer is {20: 20}; give one number.\n"),
    (checks.three_sizes, (24, 28, True), "give 3 numbers, (…, …).\n"),
    (checks.padding_to_keep, lambda k: k == 3, "give one number"),
    (checks.padding_to_keep, lambda k: (k // 2, 0), "has the shape (2,)"),
    (checks.padding_to_keep, {1: 0, 3: 1, 5: 2, 7: 3, 11: 5}.get, "is None"),
    (checks.strided_convolution, rounded, "has the shape"),
    (checks.halve, {"stride": 2, "kernel_size": True}, "kernel_size is True; give"),
    (checks.halve, {"kernel_size": (3, 5)}, "kernel_size is (3, 5); give one whole"),
    (checks.halve, {"kernel_size": 3, "padding": "same"}, "keeps the size"),
    (checks.halve, {"kernel_size": 3, "padding": "full"}, "padding is 'full'; give"),
    (checks.halve, 3, "such as dict(kernel_size=…); the names are"),
    (checks.halve, {"kernel_size": 3, "stride": 0}, "stride must be a whole number"),
    (checks.see_far, {"dilation": 4, "padding": "valid"}, "20×20"),
    (checks.see_far, {"dilation": 30}, "A window of 61"),
    (checks.two_sides, (21, 24), "both numbers are right and change places"),
    (checks.two_sides, (32, 21), "32 is the height with the input_size of the other"),
    (checks.two_sides, (26, 21), "26 is the height with the kernel_size of the other"),
    (checks.two_sides, (16, 21), "with the stride of the other side; for the height"),
    (
        checks.two_sides,
        (22, 21),
        "the padding of the other side; for the height it is 2",
    ),
    (checks.two_sides, (24, 16), "16 is the width with the input_size of the other"),
    (
        checks.two_sides,
        (24, 20),
        "kernel_size of the other side; for the width it is 2",
    ),
    (checks.two_sides, (24, 32), "stride of the other side; for the width it is 3"),
    (checks.two_sides, (24, 23), "23 is the width with the padding of the other side"),
    (checks.two_sides, (24, 24), "the width is not 24; put its own n, k, p and s"),
    (checks.two_sides, (21, 21), "the height is not 21; put its own n, k, p and s"),
    (checks.two_sides, (24.5, 21), "mind the floor"),
    (checks.two_sides, 24, "your answer is one number; give 2 numbers"),
    (checks.two_sides, (1, 1, 24, 21), "has the shape (4,); give 2 numbers"),
    (checks.two_sides, "24×21", "give 2 numbers, (…, …), without quotes"),
]


class TestCheckers(Lesson):
    right, wrong = RIGHT, WRONG
    notebook = NOTEBOOKS[0]
