"""The checkers of notebook 02, pooling."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from exercises import chosen_settings, expect_three
from helpers.checking import (
    as_numbers,
    exercise,
    expect,
    expect_same,
)
from helpers.sizes import pooled_size

PICTURE = torch.tensor([[[1.0, 3, 2, 0], [5, 2, 1, 1], [3, 1, 4, 8], [2, 1, 2, 2]]])


@exercise("one number for each window, the rest is gone.")
def two_poolings(answer: tuple) -> None:
    """Check max and average pooling of a 4×4 picture with a window of 2, as a pair of
    2×2 tables.
    """
    expect(
        isinstance(answer, tuple | list) and len(answer) == 2,
        "give two tables, (largest, average).",
    )
    largest, average = F.max_pool2d(PICTURE, 2)[0], F.avg_pool2d(PICTURE, 2)[0]
    swapped = "the two tables change places: give (largest, average)."
    hint = "{lead} has another number{at}; which 2×2 pixels does that window read?"
    expect_same(answer[0], largest, [(average, swapped)], hint, "the largest table")
    expect_same(answer[1], average, [(largest, swapped)], hint, "the average table")


@exercise("floor, ceiling, and the dropped window.")
def pooled_sizes(answer: tuple) -> None:
    """Check the sizes of (13, k 2), (13, k 2, ceil_mode), (3, k 2, s 3, ceil_mode)."""
    hints = (
        "without ceil_mode it rounds down.",
        "with ceil_mode it rounds up.",
        "where would the second window start?",
    )
    right = (
        pooled_size(13, 2),
        pooled_size(13, 2, ceil_mode=True),
        pooled_size(3, 2, 3, ceil_mode=True),
    )
    expect_three(answer, right, hints)


@exercise(
    "your function agrees with F.avg_pool2d for every setting that was tried.",
    of="image, kernel_size, stride",
)
def average_pooling(answer: Callable) -> None:
    """Check a function of image (H×W), kernel_size and stride against F.avg_pool2d."""
    sizes = (4, 4, 2, 2), (4, 6, 2, 2), (9, 10, 3, 2), (7, 7, 2, 3)
    cases = [
        (torch.randint(9, (height, width)).float(), k, stride)
        for height, width, k, stride in sizes
    ]
    answer.agrees(
        lambda image, kernel_size, stride: F.avg_pool2d(
            image[None], kernel_size, stride
        )[0],
        cases,
    )


@exercise("it halves the size, and neighbouring windows share pixels.")
def overlapping_windows(answer: dict) -> None:
    """Check settings of a pooling that brings 28 to 14 with windows that overlap."""
    answer = chosen_settings(
        answer, {"kernel_size", "stride", "padding"}, ["kernel_size", "stride"]
    )
    k, s, p = answer["kernel_size"], answer["stride"], answer.get("padding", 0)
    expect(k > s, f"with kernel_size {k} and stride {s} the windows do not overlap.")
    expect(
        2 * p <= k,
        f"padding {p} is more than half of kernel_size {k}: use {k // 2} or less.",
    )
    size = pooled_size(28, k, s, p)
    expect(size == 14, f"the windows overlap, and 28×28 becomes {size}×{size}.")


@exercise("9 ones and 16 zeros, and all 25 count.")
def average_corner(answer: float) -> None:
    """Check the corner of the average pooling of ones, kernel_size 5, stride 1, padding
    2, to three decimals.
    """
    smaller = "4/9 is for a window of 3; here the window is 5×5 and the padding 2."
    mistakes = [
        (1, "1 is what count_include_pad=False gives; by default the zeros count."),
        (0.444, smaller),
        (0.44, smaller),  # as the tables show it
    ]
    hint = "divide the ones under the corner's window by all the pixels under it, 25."
    expect_same(as_numbers(answer, ()).round(decimals=3), 0.36, mistakes, hint)


@exercise("overlaps add up, and a tie goes to the first.")
def pooled_gradient(answer: object) -> None:
    """Check the gradient of max pooling of a 3×3 picture with a window of 2 and stride
    1, each output sending 1.
    """
    given = as_numbers(answer, (3, 3), "your table")
    expect(
        given.sum() == 4,
        f"your numbers add up to {given.sum():g}; four windows send back 1 each.",
    )
    expect(
        given[1, 0] == 2,
        f"the 4 is the largest of two windows, and you give it {given[1, 0]:g}.",
    )
    expect(
        given[2, 2] == 1,
        f"the 5 is the largest of one window, and you give it {given[2, 2]:g}.",
    )
    expect(
        given[1, 1] == 1,
        "one window has two largest numbers; torch gives all of its 1 to the first of them.",
    )
    wins = "{lead} is {given}{at}, and should be 0: this pixel wins in no window."
    expect_same(given, [[0, 0, 0], [2, 1, 0], [0, 0, 1]], (), wins, "your number")


@exercise("two pictures, one pooled picture: what tells them apart is gone.")
def pooled_alike(answer: object) -> None:
    """Check a 4×4 picture that differs from a given one and pools to the same, with max
    and with average.
    """
    given = as_numbers(answer, (4, 4), "your picture")[None].float()
    expect(
        bool(given.isfinite().all()),
        "nan and inf are no brightness; give 4 rows of 4 numbers, [[…], […]].",
    )
    expect(
        bool((given - PICTURE).abs().gt(0.01).any()),
        "that is the picture itself; change it.",
    )
    for name, pool in (("largest", F.max_pool2d), ("average", F.avg_pool2d)):
        differ = int((pool(given, 2) - pool(PICTURE, 2)).abs().gt(1e-4).sum())
        expect(
            differ == 0,
            f"in {differ} of 4 windows the {name} is another; which changes inside a window keep both?",
        )


@exercise("a step of the output is 2·2 pixels.")
def one_step(answer: int) -> None:
    """Check after how many pixels the output of two poolings with stride 2 has moved by
    exactly one.
    """
    early = (
        "after 2 pixels the first pooling has moved by one, and the second has not yet."
    )
    expect_same(
        answer,
        4,
        [(2, early)],
        "each pooling moves by one when its input moves by a whole stride.",
    )
