"""What is checked before a helper begins, and errors that a notebook shows as one
sentence.
"""

import math
import reprlib
from collections.abc import Sequence
from numbers import Integral, Real

LARGEST = 2**31 - 1


class SentenceError(ValueError):
    """An error that a notebook shows as one sentence, as the student's code is not at
    fault.
    """

    def _render_traceback_(self) -> list[str]:  # what IPython shows for a traceback
        return [f"{type(self).__name__}: {self}"]


def check_whole(name: str, value: int, smallest: int, largest: int = LARGEST) -> int:
    """Return a whole number in the range; raise SentenceError for another."""
    if not _is(value, Integral) or not smallest <= value <= largest:
        wanted = f"a whole number from {smallest} to {largest}"
        raise SentenceError(_refusal(name, wanted, value))
    return int(value)


def check_number(name: str, value: float, zero: bool = False) -> None:
    """Raise SentenceError for what is no number above 0, or 0 where that will do."""
    if not _is(value, Real) or not 0 <= value <= 10**6 or (value == 0 and not zero):
        wanted = f"a number {'from' if zero else 'above'} 0 to a million"
        raise SentenceError(_refusal(name, wanted, value))


def check_choice(name: str, value: object, choices: Sequence) -> None:
    """Raise SentenceError for what is not one of the choices."""
    if isinstance(value, bool) or value not in [*choices]:
        wanted = f"one of {', '.join(map(str, choices))}"
        raise SentenceError(_refusal(name, wanted, value))


def check_kind(name: str, value: object, kind: type, wanted: str) -> None:
    """Raise SentenceError for an object of another class than the wanted one."""
    if not isinstance(value, kind):
        raise SentenceError(f"{name} must be {wanted}; it is {reprlib.repr(value)}.")


def check_switch(name: str, value: bool) -> bool:
    """Return True or False; raise SentenceError for anything else."""
    if not isinstance(value, bool):
        raise SentenceError(_refusal(name, "True or False", value))
    return value


def check_step(
    name: str, value: float, smallest: float, largest: float, step: float
) -> float:
    """Return a number in the range, a multiple of 0.01 such as `step` is; raise
    SentenceError for another.
    """
    fits = _is(value, Real) and smallest <= value <= largest
    if not fits or not math.isclose(value / step, round(value / step), abs_tol=1e-9):
        wanted = f"a number from {smallest} to {largest} in steps of {step}"
        raise SentenceError(_refusal(name, wanted, value))
    return round(float(value), 2)


def _is(value: object, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _refusal(name: str, wanted: str, value: object) -> str:
    return f"{name} must be {wanted}, not {reprlib.repr(value)}."
