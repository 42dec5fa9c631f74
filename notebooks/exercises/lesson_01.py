"""The checkers of notebook 01, convolution arithmetic."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from exercises import WINDOW, as_hint, between, chosen_settings, expect_three, one_whole
from helpers.checking import NotYet, as_numbers, exercise, expect, expect_same, plain
from helpers.sizes import output_size, pixels_read, window_span

PADDINGS = {"padding": ("same", "valid")}
SIDES = (
    {"input_size": 48, "kernel_size": 5, "stride": 2, "padding": 2},
    {"input_size": 64, "kernel_size": 2, "stride": 3, "padding": 0},
)


@exercise("the first product to the last, row by row, and nothing flipped.")
def one_window(answer: float) -> None:
    """Check the sum of the products of [[1, 2], [3, 4]] and [[0, 1], [2, 3]]."""
    flipped = "10 is what the flipped kernel gives; "
    flipped += "conv2d multiplies number by number as they lie."
    hint = "multiply number by number in the same place, then add the four products."
    expect_same(answer, 20, [(10, flipped)], hint)


@exercise("floor and all.")
def three_sizes(answer: tuple) -> None:
    """Check the output sizes of (28, k 5), (28, k 5, p 2), (32, k 3, s 2)."""
    hint = "put n, k, p and s into the formula, and mind the floor."
    right = output_size(28, 5), output_size(28, 5, 1, 2), output_size(32, 3, 2)
    expect_three(answer, right, [hint] * 3)


@exercise("2p = k − 1, so an odd kernel needs p = (k − 1) / 2.", of="kernel_size")
def padding_to_keep(answer: Callable) -> None:
    """Check a function that gives the padding with which an odd kernel keeps a size."""
    for kernel_size in (1, 3, 5, 7, 11, *(2 * between(6, 13) + 1 for _ in range(3))):
        given, lead = answer(kernel_size), f"for kernel_size {kernel_size} the result"
        padding = one_whole(given)
        if padding is None:
            as_numbers(given, (), lead)
            hint = "padding is a whole number, so use //."
            raise NotYet(f"{lead} is {plain(given)}; {hint}")
        size = 28 + 2 * padding - (kernel_size - 1)
        expect(size == 28, f"{lead} is {padding}, and 28 pixels become {size}.")


@exercise(
    "it agrees with F.conv2d for every setting tried.", of="image, kernel, stride"
)
def strided_convolution(answer: Callable) -> None:
    """Check a function of image (H×H), kernel (K×K) and stride against F.conv2d."""
    sizes = [(5, 3, 1), (5, 3, 2), (8, 3, 2), (8, 2, 3), (7, 7, 4), (9, 2, 4)]
    sizes += [(between(6, 12), between(1, 6), between(1, 5)) for _ in range(6)]
    cases = [(torch.randn(n, n), torch.randn(k, k), stride) for n, k, stride in sizes]
    hint = "the shape is right and the numbers are not: "
    hint += "where does the window start, and is nothing flipped?"
    answer.agrees(
        lambda x, k, s: F.conv2d(x[None], k[None, None], None, s)[0], cases, hint
    )


@exercise("it halves the size and leaves no pixel out.")
def halve(answer: dict) -> None:
    """Check settings that bring 28 to 14, a kernel of 3 or more, every pixel read."""
    settings = chosen_settings(answer, WINDOW, ["kernel_size"], PADDINGS)
    kernel_size, padding = settings["kernel_size"], settings.get("padding", 0)
    expect(kernel_size >= 3, f"kernel_size is {kernel_size}; take one of 3 or more.")
    same = 'padding="same" keeps the size, and torch takes it with stride 1 only.'
    expect(padding != "same", same)
    settings["padding"] = 0 if padding == "valid" else padding
    with as_hint():
        size = output_size(28, **settings)
        unread = 28**2 - len(pixels_read(28, **settings)) ** 2 if size == 14 else 0
    expect(size == 14, f"28×28 becomes {size}×{size}, not 14×14.")
    hint = f"the size is right, and {unread} pixels are read by no window."
    expect(unread == 0, hint)


@exercise("dark left of bright gives a positive number, and a flat picture gives 0.")
def edge_kernel(answer: object) -> None:
    """Check a 3×3 kernel that finds dark left of bright, nothing flat and no level."""
    kernel = as_numbers(answer, (3, 3), "your kernel")
    flat, level = kernel.sum().item(), kernel.sum(1).abs().max().item()
    hint = f"its weights add up to {flat:g}, so a flat wall would answer; "
    expect(abs(flat) < 1e-6, hint + "make them add up to 0.")
    hint = "it answers to a level edge as well; make each row add up to 0."
    expect(level < 1e-6, hint)
    upright = sorted(kernel[:, place:].sum().item() for place in (1, 2))
    where = "where it is dark on the left and bright on the right, it gives"
    expect(upright[0] > -1e-6, f"{where} a negative number.")
    expect(upright[1] > 1e-6, f"{where} 0.")


@exercise("d(k − 1) + 1 pixels, read with only k·k weights.")
def see_far(answer: dict) -> None:
    """Check settings with which 3×3 weights span 9 pixels and keep 28×28 as it is."""
    settings = chosen_settings(answer, ("dilation", "padding"), ["dilation"], PADDINGS)
    dilation, padding = settings["dilation"], settings.get("padding", 0)
    padding = {"same": dilation, "valid": 0}.get(padding, padding)
    with as_hint():
        span = window_span(3, dilation)
        size = output_size(28, 3, padding=padding, dilation=dilation)
    hint = f"with dilation {dilation} the window spans {span} pixels, not 9."
    expect(span == 9, hint)
    hint = f"the window spans 9 pixels, and 28×28 becomes {size}×{size}; "
    expect(size == 28, hint + "which padding makes up for it?")


@exercise("each side has a formula of its own.")
def two_sides(answer: tuple) -> None:
    """Check the height and width of the output for a picture with these SIDES."""
    given = as_numbers(answer, (2,)).tolist()
    right = [output_size(**side) for side in SIDES]
    swapped = "both numbers are right and change places: the height comes first."
    expect(given != right[::-1], swapped)
    names, others = ("height", "width"), SIDES[::-1]
    for name, number, own, other in zip(names, given, SIDES, others, strict=True):
        for setting, value in other.items():
            mixed = f"{number:g} is the {name} with the {setting} of the other side; "
            hint = f"for the {name} it is {own[setting]}."
            expect(number != output_size(**own | {setting: value}), mixed + hint)
        hint = f"the {name} is not {number:g}; "
        hint += "put its own n, k, p and s into the formula, and mind the floor."
        expect(number == output_size(**own), hint)
