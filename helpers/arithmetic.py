"""The sizes of a sliding window, in whole numbers: along one side, as every side is alike.

The formula is the one on PyTorch's page for `Conv2d`:
https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html
"""

import math
import reprlib
from numbers import Integral, Real

LARGEST = 2**31 - 1
SMALLEST = {"input_size": 1, "kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1}


def output_size(input_size: int, kernel_size: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """Return ⌊(n + 2p − d(k − 1) − 1) / s⌋ + 1, the number of places at which the window stands.

    All sizes are in pixels along one side. Raises ValueError where no window fits.
    """
    span = window_span(kernel_size, dilation)
    for name, value in (("input_size", input_size), ("stride", stride), ("padding", padding)):
        check_whole(name, value)
    padded = input_size + 2 * padding
    if span > padded:
        raise ValueError(
            f"A window of {span} (kernel_size {kernel_size}, dilation {dilation}) does not fit into {_pixels(padded)} "
            f"(input_size {input_size}, padding {padding}): use a smaller window, or {_pixels(span - padded)} more."
        )
    return (padded - span) // stride + 1


def pooled_size(
    input_size: int, kernel_size: int, stride: int | None = None, padding: int = 0, ceil_mode: bool = False
) -> int:
    """Return how many pooling windows stand along one side; the stride is the kernel_size where none is given.

    With `ceil_mode` one more window stands in what is left over, unless it would start in the padding at the end.
    Raises ValueError where no window fits or more than half of one could be padding.
    See https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html
    """
    stride = kernel_size if stride is None else stride
    size = output_size(input_size, kernel_size, stride, padding)
    if 2 * padding > kernel_size:
        raise ValueError(
            f"padding {padding} is more than half of kernel_size {kernel_size}: use {kernel_size // 2} or less."
        )
    left_over = (input_size + 2 * padding - kernel_size) % stride
    return size + (ceil_mode and left_over > 0 and size * stride < input_size + padding)


def window_span(kernel_size: int, dilation: int = 1) -> int:
    """Return d(k − 1) + 1, the pixels from the first to the last that one window reads."""
    check_whole("kernel_size", kernel_size)
    check_whole("dilation", dilation)
    return dilation * (kernel_size - 1) + 1


def pixels_read(
    input_size: int, kernel_size: int, stride: int = 1, padding: int = 0, dilation: int = 1, places: int | None = None
) -> list[int]:
    """Return which of the pixels 0 … n − 1 along one side at least one window reads, in order.

    `places` is the number of windows, where `ceil_mode` makes it another than the output size.
    """
    places = output_size(input_size, kernel_size, stride, padding, dilation) if places is None else places
    read = {place * stride + tap * dilation - padding for place in range(places) for tap in range(kernel_size)}
    return sorted(pixel for pixel in read if 0 <= pixel < input_size)


def _pixels(count: int) -> str:
    return f"{count} pixel{'' if count == 1 else 's'}"


def check_whole(name: str, value: int, smallest: int | None = None, largest: int = LARGEST) -> int:
    """Return a whole number in the range, by default from the least that makes sense; raise ValueError for another."""
    smallest = SMALLEST[name] if smallest is None else smallest
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or not smallest <= value <= largest:
        raise ValueError(f"{name} must be a whole number from {smallest} to {largest}, not {reprlib.repr(value)}.")
    return int(value)


def check_switch(name: str, value: bool) -> bool:
    """Return True or False; raise ValueError for anything else."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False, not {reprlib.repr(value)}.")
    return value


def check_step(name: str, value: float, smallest: float, largest: float, step: float) -> float:
    """Return a number in the range, a multiple of 0.01 such as `step` is; raise ValueError for another."""
    fits = isinstance(value, Real) and not isinstance(value, bool) and smallest <= value <= largest
    if not fits or not math.isclose(value / step, round(value / step), abs_tol=1e-9):
        wanted = f"{name} must be a number from {smallest} to {largest} in steps of {step}"
        raise ValueError(f"{wanted}, not {reprlib.repr(value)}.")
    return round(float(value), 2)
