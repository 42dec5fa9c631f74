"""The checkers of notebook 02 tell right from wrong kindly."""

import numpy as np
import torch
import torch.nn.functional as F
from exercises import lesson_02 as checks
from exercising import Lesson, by_unfold
from refresh import NOTEBOOKS
from torch import nn


def averaged(image, kernel_size, stride):
    rows, columns = (range(0, size - kernel_size + 1, stride) for size in image.shape)
    windows = [
        [image[r : r + kernel_size, c : c + kernel_size].mean() for c in columns]
        for r in rows
    ]
    return torch.tensor(windows)


def pool(image, kernel_size, stride, keep):
    return averaged(image, kernel_size, stride)


def picture_of(*tables):
    return [torch.tensor(table) for table in tables]


LARGEST, AVERAGE = [[5, 2], [3, 8]], [[2.75, 1.0], [1.75, 4.0]]
RIGHT = [
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
    (checks.one_step, 4),
    (checks.two_poolings, np.array([LARGEST, AVERAGE])),
    (checks.two_poolings, torch.stack(picture_of(LARGEST, AVERAGE))),
    (checks.average_pooling, lambda *how: averaged(*how).tolist()),
    (
        checks.average_pooling,
        lambda x, k, s: by_unfold(x, torch.ones(k, k) / k**2, s),
    ),
    (
        checks.overlapping_windows,
        {"kernel_size": (3, 3), "stride": np.int64(2), "padding": torch.tensor(1)},
    ),
]
WRONG = [
    (
        checks.two_poolings,
        [[5, 2], [3, 8]],
        "the largest table has the shape (2,); give 2 rows of 2 numbers",
    ),
    (
        checks.two_poolings,
        ([[2.75, 1], [1.75, 4]], [[5, 2], [3, 8]]),
        "change places",
    ),
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
    (
        checks.average_pooling,
        lambda image, kernel_size, stride: None,
        "return missing",
    ),
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
    (
        checks.pooled_gradient,
        [[0, 0, 0], [2, 0, 1], [0, 0, 1]],
        "to the first of them",
    ),
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
    (
        checks.pooled_gradient,
        [[0, 0, 0], [2, 1, 0], [1, 0, 0]],
        "the 5 is the largest of one window",
    ),
    (
        checks.two_poolings,
        (LARGEST, LARGEST),
        "the other table again; take the mean",
    ),
    (checks.two_poolings, (AVERAGE, AVERAGE), "again; take the largest number"),
    (checks.two_poolings, {1: LARGEST, 2: AVERAGE}, "give two tables"),
    (checks.pooled_sizes, (6, 7, True), "give 3 numbers"),
    (
        checks.average_pooling,
        lambda x, k, s: F.avg_pool2d(x[None], k, s)[0],
        "avg_pool2d makes them; write the loop yourself",
    ),
    (
        checks.average_pooling,
        lambda x, k, s: nn.AvgPool2d(k, s)(x[None])[0],
        "avg_pool2d makes them; write the loop yourself",
    ),
    (
        checks.average_pooling,
        lambda x, k, s: pool(x, k, s, torch.mean),
        "pool makes them; write the loop yourself",
    ),
    (
        checks.overlapping_windows,
        {"kernel_size": 3, "stride": 2, "padding": "same"},
        "padding is 'same'; give one whole number",
    ),
    (
        checks.overlapping_windows,
        {"kernel_size": 2, "stride": True},
        "stride is True",
    ),
]


class TestCheckers(Lesson):
    right, wrong = RIGHT, WRONG
    notebook = NOTEBOOKS[1]
