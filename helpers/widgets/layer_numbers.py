"""The numbers on a bench: ready-made ones, and those that a student gives."""

import reprlib
from typing import NamedTuple

import torch
from torch import Tensor

from helpers import presets
from helpers.sizes import times
from helpers.validation import SentenceError
from helpers.widgets.signatures import RANGES

LARGEST_NUMBER = 1e6
Sizes = tuple[int, ...]


class Gradients(NamedTuple):
    """What the outputs send back; None where the layer has no such part."""

    input: Tensor
    weight: Tensor | None = None
    bias: Tensor | None = None


class Shown(Tensor):
    """Numbers of a bench. They are a copy, and say so where one of them is set."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    def __getitem__(self, place: object) -> "Shown":
        return super().__getitem__(place).as_subclass(Shown)

    def __setitem__(self, place: object, value: object) -> None:
        how = "such as x = bench.input.clone(), and set it: bench.input = x"
        raise SentenceError(f"These numbers are a copy. Change a clone of them, {how}.")

    def __repr__(self) -> str:
        return repr(self.clone())


def own(values: list, sizes: Sizes, missing: float = 0) -> Tensor:
    """Return the numbers that were typed, in a shape that may have grown or shrunk."""

    def part(inner: list, sizes: Sizes) -> list:
        rest = [[] if sizes[1:] else missing] * max(sizes[0] - len(inner), 0)
        held = [*inner[: sizes[0]], *rest]
        return [part(one, sizes[1:]) for one in held] if sizes[1:] else held

    return torch.tensor(part(values, sizes), dtype=torch.float64).as_subclass(Shown)


def ready_input(first: int, sizes: Sizes) -> Tensor:
    """Return a ready-made input; more channels take the next ones."""
    channels, height, width = sizes
    ready = [*presets.inputs(RANGES["input_size"][1]).values()]
    chosen = [ready[(first + place) % len(ready)] for place in range(channels)]
    return torch.stack(chosen)[:, :height, :width].as_subclass(Shown)


def ready_weight(first: int, sizes: Sizes, groups: int | None) -> Tensor:
    """Return a ready-made weight: the kernels of each output channel are the next of
    the list. `groups` is given for a transposed layer, whose second axis are outputs.
    """
    ready = [*presets.kernels(*sizes[2:]).values()]
    outer, inner = torch.arange(sizes[0])[:, None], torch.arange(sizes[1])
    channels = outer + 0 * inner
    if groups:
        channels = outer * groups // sizes[0] * sizes[1] + inner
    return torch.stack(ready)[(first + channels) % len(ready)].as_subclass(Shown)


def numbers(name: str, values: object, sizes: list[tuple[int, int]]) -> Tensor:
    """Return numbers as a float64 tensor with as many axes as there are ranges of
    sizes, or raise SentenceError. Axes that are missing in front are added.
    """
    ends = "×".join(str(a) if a == b else f"({a} to {b})" for a, b in sizes)
    wanted = f"{name} must be numbers up to a million, of shape {ends}"
    try:
        # Lists would lose digits as float32.
        dtype = None if hasattr(values, "dtype") else torch.float64
        tensor = torch.as_tensor(values, dtype=dtype).detach().to_dense()
        tensor = tensor.dequantize() if tensor.is_quantized else tensor
        tensor = torch.tensor(tensor.tolist(), dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError, NotImplementedError):
        raise SentenceError(f"{wanted}, not {reprlib.repr(values)}.") from None
    while 1 < tensor.ndim < len(sizes):
        tensor = tensor[None]
    pairs = zip(tensor.shape, sizes, strict=False)
    inside = all(low <= size <= high for size, (low, high) in pairs)
    if tensor.ndim != len(sizes) or not inside:
        raise SentenceError(f"{wanted}, not {times(tensor.shape) or 'one number'}.")
    if not (tensor.abs() <= LARGEST_NUMBER).all():
        raise SentenceError(f"{wanted}, not {reprlib.repr(tensor.tolist())}.")
    return tensor
