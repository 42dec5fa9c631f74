"""The sizes of a sliding window, in whole numbers: along one side, as every side is
alike; and shapes as text.

The formula is the one on PyTorch's page for `Conv2d`:
https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html
"""

from collections.abc import Sequence

from helpers.validation import check_whole


def output_size(
    input_size: int,
    kernel_size: int,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> int:
    """Return ⌊(n + 2p − d(k − 1) − 1) / s⌋ + 1, the number of places at which the
    window stands.

    All sizes are in pixels along one side. Raises ValueError where no window fits.
    """
    span, padded = _lengths(input_size, kernel_size, stride, padding, dilation)
    if span > padded:
        window = f"A window of {span} (kernel_size {kernel_size}, dilation {dilation})"
        room = (
            f"{counted(padded, 'pixel')} (input_size {input_size}, padding {padding})"
        )
        more = counted(span - padded, "pixel")
        raise ValueError(
            f"{window} does not fit into {room}: use a smaller window, or {more} more."
        )
    return (padded - span) // stride + 1


def pooled_size(
    input_size: int,
    kernel_size: int,
    stride: int | None = None,
    padding: int = 0,
    ceil_mode: bool = False,
    dilation: int = 1,
) -> int:
    """Return how many pooling windows stand along one side; the stride is the
    kernel_size where none is given.

    With `ceil_mode` one more window stands in what is left over, unless it would start
    in the padding at the end. Raises ValueError where no window fits or more than half
    of one could be padding. See
    https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html
    """
    stride = kernel_size if stride is None else stride
    span, padded = _lengths(input_size, kernel_size, stride, padding, dilation)
    left_over = padded - span
    if not ceil_mode or left_over + stride <= 0:
        places = output_size(input_size, kernel_size, stride, padding, dilation)
    else:
        places = -(-left_over // stride) + 1
    if 2 * padding > kernel_size:
        raise ValueError(
            f"padding {padding} is more than half of kernel_size {kernel_size}: "
            f"use {kernel_size // 2} or less."
        )
    return places - (ceil_mode and (places - 1) * stride >= input_size + padding)


def _lengths(
    input_size: int, kernel_size: int, stride: int, padding: int, dilation: int
) -> tuple[int, int]:
    """Return the span of the window and the padded input; ValueError for no sizes."""
    span = window_span(kernel_size, dilation)
    check_whole("input_size", input_size, 1)
    check_whole("stride", stride, 1)
    check_whole("padding", padding, 0)
    return span, input_size + 2 * padding


def window_span(kernel_size: int, dilation: int = 1) -> int:
    """Return d(k − 1) + 1, the pixels from the first to the last that are read."""
    check_whole("kernel_size", kernel_size, 1)
    check_whole("dilation", dilation, 1)
    return dilation * (kernel_size - 1) + 1


def pixels_read(
    input_size: int,
    kernel_size: int,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> list[int]:
    """Return which of the pixels 0 … n − 1 along one side at least one window reads, in
    order.
    """
    places = output_size(input_size, kernel_size, stride, padding, dilation)
    read = {
        place * stride + tap * dilation - padding
        for place in range(places)
        for tap in range(kernel_size)
    }
    return sorted(pixel for pixel in read if 0 <= pixel < input_size)


def times(shape: Sequence[int]) -> str:
    """Return a shape as text, such as 6×15×15."""
    return "×".join(map(str, shape))


def counted(count: int, word: str) -> str:
    """Return a number of things as text, such as 2 pixels."""
    return f"{count} {word}{'' if count == 1 else 's'}"
