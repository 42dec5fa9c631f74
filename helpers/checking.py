"""Friendly checkers: each says in one sentence whether an answer is right, and never
raises.

A checker takes what the student made (a number, a tuple, a function), `None` while
there is nothing yet. Known mistakes are data: pairs of the numbers that such a mistake
gives and the hint for it.
"""

import copy
import functools
import html
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from numbers import Real

import torch
from IPython import get_ipython
from IPython.display import display
from torch import nn

from helpers.tracing import times

YOURS = "your answer"
DIFFERENT = "{lead} is {given}{at}, and should be {right}."
Pairs = Sequence[tuple[object, str]]  # what known mistakes give, each with its hint


class NotYet(Exception):
    """The answer is not right yet; the message is the hint that the student reads."""


def expect(condition: bool, hint: str) -> None:
    """Raise NotYet with the hint unless the condition holds."""
    if not condition:
        raise NotYet(hint)


def exercise(
    praise: str, of: str = "", errors: dict[type, str] | None = None
) -> Callable:
    """Turn a function that expects things of an answer into a checker that prints a
    verdict.

    Where the answer is a function, `of` names its arguments, and `errors` says what an
    error usually comes from.
    """

    def decorate(examine: Callable) -> Callable:
        @functools.wraps(examine)
        def check(answer: object = None) -> None:
            if answer is None or answer is ...:
                print(
                    "… Nothing to check yet: put your answer in place of None and run the cell again."
                )
                return
            try:
                # Whatever the student's code does to the seed, and to whether gradients
                # are on, ends here.
                with torch.random.fork_rng([]), torch.enable_grad():
                    torch.manual_seed(0)
                    examine(_Function(answer, of) if of else answer)
                print(f"✓ Right: {praise}")
            except NotYet as hint:
                print(f"✗ Not yet: {hint}")
            # whatever the student's own code does must not end in a traceback from here
            except Exception as error:
                why = (errors or {}).get(type(error), "")
                print(
                    f"✗ Not yet: your answer stopped with {type(error).__name__}: {first_line(error)}{why}"
                )

        del check.__wrapped__  # or Jupyter shows the signature of what is wrapped
        return check

    return decorate


def first_line(value: object) -> str:
    return str(value).partition("\n")[0]


class _Function:
    """A student's function, and the names of its arguments."""

    def __init__(self, function: object, names: str) -> None:
        expect(callable(function), f"the answer is a function of {names}.")
        self.function, self.names = function, names.split(", ")

    def __call__(self, *given: object) -> object:
        return self.function(*given)

    def gives(
        self,
        right: object,
        case: Sequence,
        mistakes: Pairs = (),
        otherwise: str = DIFFERENT,
    ) -> None:
        """Expect the numbers of `right` for the arguments in `case`; the function gets
        copies, which it may change.
        """
        said = ", ".join(
            f"{name} {_said(value)}"
            for name, value in zip(self.names, case, strict=True)
        )
        expect_same(
            self(*copy.deepcopy(case)),
            right,
            mistakes,
            otherwise,
            f"for {said} the result",
        )

    def agrees(
        self, right: Callable, cases: Sequence, otherwise: str = DIFFERENT
    ) -> None:
        """Expect what another function gives, in each of the cases."""
        for case in cases:
            self.gives(right(*case), case, (), otherwise)


def _said(value: object) -> str:
    if isinstance(value, torch.Tensor) and value.numel() > 8:
        return f"of shape {times(value.shape)}"
    return (
        f"({type(value).__name__})"
        if isinstance(value, nn.Module)
        else str(plain(value))
    )


def expect_same(
    given: object,
    right: object,
    mistakes: Pairs = (),
    otherwise: str = DIFFERENT,
    lead: str = YOURS,
) -> None:
    """Expect the numbers of `right`, or say the hint of the mistake that gives such
    numbers, or else `otherwise`.
    """
    right = torch.as_tensor(right).detach().double()
    harmful = [pair for pair in mistakes if not close(right, pair[0])]
    given = as_numbers(given, right.shape, lead, harmful)
    for place in (
        (~torch.isclose(given, right, rtol=1e-5, atol=1e-5)).nonzero().tolist()
    ):
        at = f" at {place}" if place else ""
        one, other = (f"{table[tuple(place)]:.6g}" for table in (given, right))
        raise NotYet(otherwise.format(lead=lead, given=one, at=at, right=other))


def as_numbers(
    given: object, shape: Sequence[int], lead: str = YOURS, mistakes: Pairs = ()
) -> torch.Tensor:
    """Return numbers of this shape as float64, or expect them."""
    words = "one number", "{} numbers, (…, …)", "{} rows of {} numbers, [[…], […]]"
    wanted = (
        words[len(shape)].format(*shape)
        if len(shape) < 3
        else f"numbers of shape {tuple(shape)}"
    )
    expect(given is not None, f"{lead} is None; is a return missing?")
    try:
        numbers = torch.as_tensor(plain(given), dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        said = first_line(repr(given))
        quotes = ", without quotes" if {"'", '"'} & set(said) else ""
        raise NotYet(f"{lead} is {said}; give {wanted}{quotes}.") from None
    for wrong, hint in mistakes:
        expect(not close(numbers, wrong), hint)
    has = f"has the shape {tuple(numbers.shape)}" if numbers.ndim else "is one number"
    expect(numbers.shape == tuple(shape), f"{lead} {has}; give {wanted}.")
    return numbers


def close(one: torch.Tensor, other: object) -> bool:
    other = torch.as_tensor(other).detach().double()
    return one.shape == other.shape and torch.allclose(
        one, other, rtol=1e-5, atol=1e-5, equal_nan=True
    )


def plain(value: object) -> object:
    """Return numbers as numbers and anything with several as a list, so that (1, 2)
    equals [1, 2].
    """
    value = value.tolist() if hasattr(value, "tolist") else value
    return [plain(one) for one in value] if isinstance(value, tuple | list) else value


def expect_kind(given: object, *kinds: type) -> None:
    expect(given is not None, "it returns None; is a return missing?")
    expect(
        isinstance(given, kinds),
        f"it returns a value of type {type(given).__name__}, not a {kinds[0].__name__}.",
    )


def expect_settings(
    answer: object, names: set[str], needed: Sequence[str] = ()
) -> None:
    listed = ", ".join(sorted(names))
    expect(
        isinstance(answer, dict),
        f"give a dict such as dict({min(names)}=1); the names are {listed}.",
    )
    expect(set(answer) <= names, f"only these names are yours to choose: {listed}.")
    missing = sorted(set(needed) - set(answer))
    expect(
        not missing,
        f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing.",
    )
    for name, value in answer.items():
        whole = isinstance(value, int) and value >= 0
        expect(
            whole, f"{name} is {value!r}; give one whole number, not a negative one."
        )


def chosen_numbers(what: str, answer: object, most: int) -> set[int]:
    """Return a set of whole numbers from 1 to `most`, or expect one."""
    chosen = plain(answer)
    expect(
        isinstance(chosen, set | frozenset | list),
        f"give a set of {what} numbers, like {{1, 2}}.",
    )
    whole = all(isinstance(one, Real) and one in range(1, most + 1) for one in chosen)
    expect(whole, f"give {what} numbers, whole ones from 1 to {most}.")
    return set(chosen)


def predict(guess: object, truth: object) -> None:
    """Compare a prediction with what came out, and say both; without a guess, show a
    closed fold with the answer in it.
    """
    said, came = plain(guess), plain(truth)
    shown = truth.tolist() if hasattr(truth, "tolist") else truth
    if guess is None:
        _fold(str(shown))
    elif isinstance(guess, str) and not isinstance(truth, str):
        print(
            f"✗ You said the text {guess!r}; numbers, True and False go without "
            f"quotes. It is {shown}."
        )
    elif _near(said, came):
        print(f"✓ You said {guess}, and it is {shown}.")
    else:
        print(f"✗ You said {guess}; it is {shown}. What made the difference?")


def _fold(answer: str) -> None:
    words = "No guess yet. Open the answer."
    if getattr(get_ipython(), "kernel", None) is None:
        print("No guess yet. Put one in place of None.")
        return
    fold = (
        f'<details class="prediction"><summary>{words}</summary>'
        f"{html.escape(answer)}</details>"
    )
    data = {"text/plain": words, "text/html": fold}
    display(data, raw=True, metadata={"text/html": {"prediction": True}})


def _near(said: object, came: object) -> bool:
    """Say whether a guess is near enough: whole numbers must be met, others to one part
    in a hundred, or rounded as the guess is, to two digits or more.
    """
    if isinstance(said, list) and isinstance(came, list):
        return len(said) == len(came) and all(map(_near, said, came))
    if isinstance(said, bool) or isinstance(came, bool):
        return said is came
    numbers = isinstance(said, Real) and isinstance(came, float)
    if not numbers or not abs(said) < 1e300 or not math.isfinite(came):
        return said == came
    if math.isclose(said, came, rel_tol=1e-5 if came == round(came) else 0.01):
        return True
    written = Decimal(f"{float(said):.6g}").as_tuple()
    rounded = round(came, -written.exponent)
    return len(written.digits) > 1 and math.isclose(said, rounded, rel_tol=1e-6)


def expect_three(answer: object, right: Sequence[float], hints: Sequence[str]) -> None:
    for place, (given, number, hint) in enumerate(
        zip(as_numbers(answer, (3,)).tolist(), right, hints, strict=True), 1
    ):
        expect(given == number, f"number {place} is not {given:g}; {hint}")
