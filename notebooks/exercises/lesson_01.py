"""The checkers of notebook 01, convolution arithmetic."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from exercises import chosen_settings, expect_three
from helpers.checking import (
    as_numbers,
    exercise,
    expect,
    expect_same,
    plain,
)
from helpers.sizes import output_size, pixels_read


@exercise("the first product to the last, row by row, and nothing flipped.")
def one_window(answer: float) -> None:
    """Check the sum of the products of [[1, 2], [3, 4]] and [[0, 1], [2, 3]]."""
    flipped = "10 is what the flipped kernel gives; conv2d multiplies number by number as they lie."
    hint = "multiply each input number with the weight in the same place, then add the four products."
    expect_same(answer, 20, [(10, flipped)], hint)


@exercise("floor and all.")
def three_sizes(answer: tuple) -> None:
    """Check the output sizes of (28, k 5), (28, k 5, p 2), (32, k 3, s 2)."""
    right = (
        output_size(28, 5),
        output_size(28, 5, padding=2),
        output_size(32, 3, stride=2),
    )
    expect_three(
        answer, right, ["put n, k, p and s into the formula, and mind the floor."] * 3
    )


@exercise("2p = k − 1, so an odd kernel needs p = (k − 1) / 2.", of="kernel_size")
def padding_to_keep(answer: Callable) -> None:
    """Check a function that gives the padding with which an odd kernel keeps the size."""
    for kernel_size in (1, 3, 5, 7, 11):
        padding, lead = (
            plain(answer(kernel_size)),
            f"for kernel_size {kernel_size} the result",
        )
        size = 28 + 2 * as_numbers(padding, (), lead) - (kernel_size - 1)
        expect(
            isinstance(padding, int),
            f"{lead} is {padding}; padding is a whole number, so use //.",
        )
        expect(size == 28, f"{lead} is {padding}, and 28 pixels become {size:g}.")


@exercise(
    "your function agrees with F.conv2d for every setting that was tried.",
    of="image, kernel, stride",
)
def strided_convolution(answer: Callable) -> None:
    """Check a function of image (H×H), kernel (K×K) and stride against F.conv2d."""
    sizes = (5, 3, 1), (5, 3, 2), (8, 3, 2), (8, 2, 3), (7, 7, 4)
    cases = [(torch.randn(n, n), torch.randn(k, k), stride) for n, k, stride in sizes]
    hint = "the shape is right and the numbers are not: where does the window start, and is nothing flipped?"
    answer.agrees(
        lambda image, kernel, s: F.conv2d(
            image[None, None], kernel[None, None], stride=s
        )[0, 0],
        cases,
        hint,
    )


@exercise("it halves the size and leaves no pixel out.")
def halve(answer: dict) -> None:
    """Check settings that bring 28 to 14 with a kernel of at least 3 and no pixel
    unread.
    """
    answer = chosen_settings(
        answer, {"kernel_size", "stride", "padding", "dilation"}, ["kernel_size"]
    )
    expect(
        answer["kernel_size"] >= 3,
        f"kernel_size is {answer['kernel_size']}; take one of 3 or more.",
    )
    size = output_size(28, **answer)
    expect(size == 14, f"28×28 becomes {size}×{size}, not 14×14.")
    unread = 28**2 - len(pixels_read(28, **answer)) ** 2
    expect(
        unread == 0, f"the size is right, and {unread} pixels are read by no window."
    )


@exercise(
    "dark to the left, bright to the right gives a large number, and a flat picture gives 0."
)
def edge_kernel(answer: object) -> None:
    """Check a 3×3 kernel that finds vertical edges, dark left of bright, and nothing on
    flat ground or flat edges.
    """
    kernel = as_numbers(answer, (3, 3), "your kernel")
    flat, level = kernel.sum().item(), kernel.sum(1).abs().max().item()
    expect(
        abs(flat) < 1e-6,
        f"its weights add up to {flat:g}, so a flat wall would answer; make them add up to 0.",
    )
    expect(
        level < 1e-6, "it answers to a level edge as well; make each row add up to 0."
    )
    upright = sorted(kernel[:, place:].sum().item() for place in (1, 2))
    where = "where it is dark on the left and bright on the right, it gives"
    expect(upright[0] > -1e-6, f"{where} a negative number.")
    expect(upright[1] > 1e-6, f"{where} 0.")


@exercise("d(k − 1) + 1 pixels, read with only k·k weights.")
def see_far(answer: dict) -> None:
    """Check settings of a 3×3 kernel that spans 9 pixels and keeps the size of a 28×28
    picture.
    """
    answer = chosen_settings(answer, {"dilation", "padding"}, ["dilation"])
    span, size = answer["dilation"] * 2 + 1, output_size(28, 3, **answer)
    expect(
        span == 9,
        f"with dilation {answer['dilation']} the window spans {span} pixels, not 9.",
    )
    expect(
        size == 28,
        f"the window spans 9 pixels, and 28×28 becomes {size}×{size}; which padding makes up for it?",
    )
