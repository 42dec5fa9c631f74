"""The checkers of the exercises, one file a lesson, and what several of them expect."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from helpers.checking import NotYet, as_numbers, expect, plain

# Torch takes these as pairs too.
WINDOW = "kernel_size", "stride", "padding", "dilation"


def expect_kind(given: object, *kinds: type) -> None:
    """Expect what a function returned to be of one of the kinds."""
    expect(given is not None, "it returns None; is a return missing?")
    kind, wanted = type(given).__name__, kinds[0].__name__
    fits = isinstance(given, kinds)
    expect(fits, f"it returns a value of type {kind}, not a {wanted}.")


def expect_number(given: object) -> None:
    """Expect anything but a tensor."""
    tensor = isinstance(given, torch.Tensor)
    expect(not tensor, "it returns a tensor; make it a plain number with item().")


def expect_three(answer: object, right: Sequence[float], hints: Sequence[str]) -> None:
    """Expect three numbers, and say the hint that belongs to the first wrong one."""
    given = as_numbers(answer, (3,)).tolist()
    for place, one in enumerate(given):
        expect(
            one == right[place], f"number {place + 1} is not {one:g}; {hints[place]}"
        )


def one_whole(value: object, pairs: bool = True) -> int | None:
    """Return a whole number as an int, also from a pair of equal ones, or else None."""
    value = plain(value)
    if pairs and isinstance(value, list) and len(value) == 2 and value[0] == value[1]:
        value = value[0]
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def chosen_settings(
    answer: object, names: Sequence, needed: Sequence, words: dict | None = None
) -> dict:
    """Return settings with every number, or pair of equal ones, as an int.

    `words` are by name what else a setting may be, such as padding="same".
    """
    listed, example = ", ".join(sorted(names)), ", ".join(f"{one}=…" for one in needed)
    made = isinstance(answer, dict)
    expect(made, f"give a dict such as dict({example}); the names are {listed}.")
    expect({*answer} <= {*names}, f"only these names are yours to choose: {listed}.")
    missing = sorted({*needed} - {*answer})
    verb = "is" if len(missing) == 1 else "are"
    expect(not missing, f"{' and '.join(missing)} {verb} missing.")
    words = words or {}
    return {name: _setting(name, answer[name], words.get(name, ())) for name in answer}


def _setting(name: str, value: object, words: Sequence[str | bool]) -> object:
    if isinstance(value, str | bool) and value in words:
        return value
    number = one_whole(value, name in WINDOW)
    whole = number is not None and number >= 0
    expect(whole, f"{name} is {value!r}; give one whole number, not a negative one.")
    return number


def chosen_numbers(what: str, answer: object, most: int) -> set[int]:
    """Return a set of whole numbers from 1 to `most`, or expect one."""
    chosen = plain(answer)
    several = isinstance(chosen, set | frozenset | list)
    expect(several, f"give a set of {what} numbers, like {{1, 2}}.")
    numbers = [one_whole(one, pairs=False) for one in chosen]
    within = {*numbers} <= {*range(1, most + 1)}
    expect(within, f"give {what} numbers, whole ones from 1 to {most}.")
    return {*numbers}


def between(low: int, high: int) -> int:
    """Return a whole number drawn from `low` to `high`, both of them among it."""
    return int(torch.randint(low, high + 1, ()))


@contextlib.contextmanager
def as_hint() -> Iterator[None]:
    """Give what the helpers say of sizes that do not fit as the hint of a checker."""
    try:
        yield
    except ValueError as error:
        raise NotYet(str(error)) from None


def graphs_of(model: nn.Sequential) -> list[bool]:
    """Return a list that grows with each pass: whether the pass made a graph."""
    made = []  # heard at the last layer, where model.forward and copies meet it too
    model[-1].register_forward_hook(lambda *seen: made.append(seen[2].requires_grad))
    return made


class Called(TorchFunctionMode):
    """While it is entered, notes by name which functions of torch are called."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_function__(
        self, func: Callable, types: object, args: tuple = (), kwargs: object = None
    ) -> object:
        """Note the function, and call it."""
        self.names.add(getattr(func, "__name__", ""))
        return func(*args, **(kwargs or {}))
