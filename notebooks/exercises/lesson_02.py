"""The checkers of notebook 02, pooling."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from exercises import Called, as_hint, between, chosen_settings, expect_three
from helpers.checking import as_numbers, exercise, expect, expect_same, plain
from helpers.sizes import pooled_size

PICTURE = torch.tensor([[[1.0, 3, 2, 0], [5, 2, 1, 1], [3, 1, 4, 8], [2, 1, 2, 2]]])


@exercise("one number for each window, the rest is gone.")
def two_poolings(answer: tuple) -> None:
    """Check max and average pooling of a 4×4 picture with a window of 2, two tables."""
    tables, right = plain(answer), [F.max_pool2d(PICTURE, 2), F.avg_pool2d(PICTURE, 2)]
    pair = isinstance(tables, list) and len(tables) == 2
    expect(pair, "give two tables, (largest, average).")
    largest, average = (table[0].tolist() for table in right)
    swapped = "the two tables change places: give (largest, average)."
    expect(tables != [average, largest], swapped)
    hint = "{lead} has another number{at}; which 2×2 pixels does that window read?"
    again = "that is the other table again; take {} of each window."
    mistakes = [(average, again.format("the largest number"))]
    expect_same(tables[0], largest, mistakes, hint, "the largest table")
    mistakes = [(largest, again.format("the mean"))]
    expect_same(tables[1], average, mistakes, hint, "the average table")


@exercise("floor, ceiling, and the dropped window.")
def pooled_sizes(answer: tuple) -> None:
    """Check the sizes of (13, k 2), (13, k 2, ceil_mode), (3, k 2, s 3, ceil_mode)."""
    hints = ["without ceil_mode it rounds down.", "with ceil_mode it rounds up."]
    hints.append("where would the second window start?")
    right = [pooled_size(13, 2), pooled_size(13, 2, ceil_mode=True)]
    right.append(pooled_size(3, 2, 3, ceil_mode=True))
    expect_three(answer, right, hints)


@exercise(
    "it agrees with F.avg_pool2d wherever tried.", of="image, kernel_size, stride"
)
def average_pooling(answer: Callable) -> None:
    """Check a function of image (H×W), kernel_size and stride against F.avg_pool2d."""
    sizes = [(4, 4, 2, 2), (4, 6, 2, 2), (9, 10, 3, 2), (7, 7, 2, 3), (9, 5, 2, 4)]
    for _ in range(5):
        height, width = between(6, 12), between(6, 12)
        sizes.append((height, width, between(1, 6), between(1, 5)))
    cases = [(torch.randint(9, (h, w)).float(), k, stride) for h, w, k, stride in sizes]
    answer.agrees(lambda x, k, stride: F.avg_pool2d(x[None], k, stride)[0], cases)
    code = getattr(answer.function, "__code__", None)
    with Called() as called:
        answer(*cases[0])
    ready = {*getattr(code, "co_names", ())} & {"pool"}
    ready |= {name for name in called.names if "pool" in name}
    hint = f"the numbers are right, and {', '.join(ready)} makes them; "
    expect(not ready, hint + "write the loop yourself.")


@exercise("it halves the size, and neighbouring windows share pixels.")
def overlapping_windows(answer: dict) -> None:
    """Check settings of a pooling that brings 28 to 14 with windows that overlap."""
    names = "kernel_size", "stride", "padding"
    settings = {"padding": 0} | chosen_settings(answer, names, names[:2])
    k, s, p = (settings[name] for name in names)
    expect(k > s, f"with kernel_size {k} and stride {s} the windows do not overlap.")
    with as_hint():
        size = pooled_size(28, k, s, p)
    expect(size == 14, f"the windows overlap, and 28×28 becomes {size}×{size}.")


@exercise("9 ones and 16 zeros, and all 25 count.")
def average_corner(answer: float) -> None:
    """Check the corner of ones, averaged with window 5 and padding 2, to 0.001."""
    smaller = "4/9 is for a window of 3; here the window is 5×5 and the padding 2."
    counted = "1 is what count_include_pad=False gives; by default the zeros count."
    # 4/9, and as the tables show it
    mistakes = [(1, counted), (0.444, smaller), (0.44, smaller)]
    hint = "divide the ones under the corner's window by all the pixels under it, 25."
    expect_same(as_numbers(answer, ()).round(decimals=3), 0.36, mistakes, hint)


@exercise("overlaps add up, and a tie goes to the first.")
def pooled_gradient(answer: object) -> None:
    """Check what max pooling, window 2 and stride 1, sends back to a 3×3 picture."""
    given = as_numbers(answer, (3, 3), "your table")
    hint = f"your numbers add up to {given.sum():g}; four windows send back 1 each."
    expect(given.sum() == 4, hint)
    hint = f"the 4 is the largest of two windows, and you give it {given[1, 0]:g}."
    expect(given[1, 0] == 2, hint)
    hint = f"the 5 is the largest of one window, and you give it {given[2, 2]:g}."
    expect(given[2, 2] == 1, hint)
    hint = "one window has two largest numbers; "
    hint += "torch gives all of its 1 to the first of them."
    expect(given[1, 1] == 1, hint)
    wins = "{lead} is {given}{at}, and should be 0: this pixel wins in no window."
    expect_same(given, [[0, 0, 0], [2, 1, 0], [0, 0, 1]], (), wins, "your number")


@exercise("two pictures, one pooled picture: what tells them apart is gone.")
def pooled_alike(answer: object) -> None:
    """Check another picture than PICTURE that pools to the same in both ways."""
    given = as_numbers(answer, (4, 4), "your picture")[None].float()
    hint = "nan and inf are no brightness; give 4 rows of 4 numbers, [[…], […]]."
    expect(bool(given.isfinite().all()), hint)
    changed = bool((given - PICTURE).abs().gt(0.01).any())
    expect(changed, "that is the picture itself; change it.")
    for name, pool in (("largest", F.max_pool2d), ("average", F.avg_pool2d)):
        differ = int((pool(given, 2) - pool(PICTURE, 2)).abs().gt(1e-4).sum())
        hint = f"in {differ} of 4 windows the {name} is another; "
        expect(differ == 0, hint + "which changes inside a window keep both?")


@exercise("a step of the output is 2·2 pixels.")
def one_step(answer: int) -> None:
    """Check after how many pixels two poolings with stride 2 have moved by one."""
    early = "after 2 pixels the first pooling has moved by one, "
    early += "and the second has not yet."
    hint = "each pooling moves by one when its input moves by a whole stride."
    expect_same(answer, 4, [(2, early)], hint)
