"""Checkers of exercises: one sentence says whether an answer is right; none raises,
unless it is called with `must=True`, as where nbgrader counts points.

A checker takes what the student made, or `None` while there is nothing yet. Known
mistakes are pairs: the numbers that such a mistake gives, and the hint for it.
"""

import contextlib
import copy
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import nn

from helpers.predictions import plain, predict
from helpers.progress import notes
from helpers.validation import SentenceError

__all__ = ["predict"]  # and what the lessons' checkers are made of

YOURS = "your answer"
DIFFERENT = "{lead} is {given}{at}, and should be {right}."
NOTHING = "put your answer in place of None and run the cell again"
Pairs = Sequence[tuple[object, str]]  # what known mistakes give, each with its hint


class NotYet(Exception):
    """The answer is not right yet; the message is the hint that a student reads."""


class MustBeRight(AssertionError, SentenceError):
    """The verdict on an answer that is not right, where a grade hangs on it."""


def expect(condition: bool, hint: str) -> None:
    """Raise NotYet with the hint unless the condition holds."""
    if not condition:
        raise NotYet(hint)


def exercise(
    praise: str, of: str = "", errors: dict | None = None, trains: bool = False
) -> Callable:
    """Make a function that expects things of an answer a checker that prints a verdict.

    Where the answer is a function, `of` names its arguments, `errors` says what an
    error usually comes from, and `trains` lets it change a model's parameters.
    """

    def decorate(examine: Callable) -> Callable:
        name = notes.KERNEL.exercise(examine)

        @functools.wraps(examine)
        def check(answer: object = None, must: bool = False) -> None:
            if answer is None or answer is ...:
                notes.KERNEL.note("exercises", name)
                _say(f"… Nothing to check yet: {NOTHING}.", must)
                return
            wrapped = [of, trains] * bool(of)
            hint = _missing(examine, answer, wrapped, errors or {})
            said = f"✓ Right: {praise}" if hint is None else f"✗ Not yet: {hint}"
            notes.KERNEL.note("exercises", name, answer, hint is None, said)
            _say(said, must and hint is not None)

        del check.__wrapped__  # or Jupyter shows the signature of what is wrapped
        return check

    return decorate


def _missing(
    examine: Callable, answer: object, wrapped: Sequence, errors: dict
) -> str | None:
    """Return the hint for what an answer still misses, or None."""
    try:
        with torch.random.fork_rng([]), torch.enable_grad(), leaves_unchanged():
            torch.manual_seed(0)
            examine(_Function(answer, *wrapped) if wrapped else answer)
    except NotYet as hint:
        return str(hint)
    # whatever the student's own code does must not end in a traceback from here
    except Exception as error:
        end = errors.get(type(error), ".")
        said = f"{type(error).__name__}: {first_line(error)}".rstrip(".: ")
        return f"your answer stopped with {said}{end}"
    return None


def _say(verdict: str, fails: bool) -> None:
    if fails:
        raise MustBeRight(verdict)
    print(verdict)


def first_line(value: object) -> str:
    """Return the first line of what an object says of itself, if it says anything."""
    with contextlib.suppress(Exception):
        return str(value).partition("\n")[0]
    return ""


@contextlib.contextmanager
def leaves_unchanged(*models: nn.Module, trains: bool = False) -> Iterator[None]:
    """Expect models, and torch's own switches, to be afterwards as they were.

    Where `trains` is true, the numbers and .grad of parameters may change.
    """
    gradients, dtype = torch.is_grad_enabled(), torch.get_default_dtype()
    before = [*_state(models, trains)]
    try:
        yield
        after = [*_state(models, trains)]
        expect(len(before) == len(after), "afterwards the model has other layers.")
        for (hint, was), (_, now) in zip(before, after, strict=True):
            expect(was == now, f"afterwards {hint}")
    finally:
        torch.set_grad_enabled(gradients)
        torch.set_default_dtype(dtype)


def _state(models: Sequence[nn.Module], trains: bool) -> Iterator[tuple[str, object]]:
    """Yield what could stay changed, each with the sentence that says so."""
    dtype, off = torch.get_default_dtype(), "use a with block, which ends"
    yield f"gradients are off for good; {off}.", torch.is_grad_enabled()
    yield f"torch's default dtype is no longer {dtype}; put it back.", dtype
    for name, layer in itertools.chain(*(one.named_modules() for one in models)):
        mode, kept = layer.training, "and it, or a layer of it, goes out in train"
        yield f"the model came in train({mode}), {kept}({not mode}).", mode
        hooks = [[*held] for key, held in vars(layer).items() if key.endswith("_hooks")]
        remove = "remove() it in finally, or use with"
        yield f"a hook stays behind at {name!r}; {remove}.", hooks
    tensors = ([*one.named_parameters(), *one.named_buffers()] for one in models)
    for name, tensor in itertools.chain(*tensors):
        needs = tensor.requires_grad
        yield f"requires_grad of {name} is no longer {needs}.", needs
        if not trains:
            hint = "holds other numbers; work on a copy."
            yield f"the model is changed for good: {name} {hint}", tensor.tolist()
            hint = "has another .grad; torch.autograd.grad leaves it alone."
            yield f"{name} of the model {hint}", plain(tensor.grad)


class _Function:
    """A student's function, with a guard around each model that it is given."""

    def __init__(self, function: object, names: str, trains: bool) -> None:
        expect(callable(function), f"the answer is a function of {names}.")
        self.function, self.names, self.trains = function, names.split(", "), trains

    def __call__(self, *given: object) -> object:
        models = [one for one in given if isinstance(one, nn.Module)]
        with leaves_unchanged(*models, trains=self.trains):
            return self.function(*given)

    def gives(self, right: object, case: Sequence, *hints: object) -> None:
        """Expect the numbers of `right` for a case; hints as for `expect_same`."""
        said = ", ".join(map("{} {}".format, self.names, map(_said, case)))
        given, lead = self(*copy.deepcopy(case)), f"for {said} the result"
        expect_same(given, right, *hints, lead=lead)

    def agrees(self, right: Callable, cases: Sequence, *hint: str) -> None:
        """Expect what another function gives, in each of the cases, or say the hint."""
        for case in cases:
            self.gives(right(*case), case, (), *hint)


def _said(value: object) -> str:
    if isinstance(value, torch.Tensor) and value.numel() > 8:
        return f"of shape {tuple(value.shape)}"
    model = isinstance(value, nn.Module)
    return f"({type(value).__name__})" if model else str(plain(value))


def expect_same(
    given: object,
    right: object,
    mistakes: Pairs = (),
    otherwise: str = DIFFERENT,
    lead: str = YOURS,
) -> None:
    """Expect the numbers of `right`, or say the hint of a mistake, or `otherwise`."""
    right = torch.as_tensor(right).detach().double()
    harmful = [pair for pair in mistakes if not close(right, pair[0])]
    given = as_numbers(given, right.shape, lead, harmful)
    wrong = ~torch.isclose(given, right, rtol=1e-5, atol=1e-5)
    for place in wrong.nonzero().tolist():
        at = f" at {place}" if place else ""
        one, other = (f"{table[tuple(place)]:.6g}" for table in (given, right))
        raise NotYet(otherwise.format(lead=lead, given=one, at=at, right=other))


def as_numbers(
    given: object, shape: Sequence[int], lead: str = YOURS, mistakes: Pairs = ()
) -> torch.Tensor:
    """Return numbers of this shape as float64, or expect them."""
    words = "one number", "{} numbers, (…, …)", "{} rows of {} numbers, [[…], […]]"
    wanted = f"numbers of shape {tuple(shape)}"
    wanted = words[len(shape)].format(*shape) if len(shape) < 3 else wanted
    value = plain(given)
    expect(given is not None, f"{lead} is None; is a return missing?")
    try:
        numbers = torch.tensor(_floats(value), dtype=torch.float64)
    except (TypeError, ValueError, OverflowError):
        parts = value if isinstance(value, list) else [value]
        quotes = ", without quotes" * any(isinstance(one, str) for one in parts)
        said = first_line(repr(given))
        raise NotYet(f"{lead} is {said}; give {wanted}{quotes}.") from None
    for wrong, hint in mistakes:
        expect(not close(numbers, wrong), hint)
    has = f"has the shape {tuple(numbers.shape)}" if numbers.ndim else "is one number"
    expect(numbers.shape == tuple(shape), f"{lead} {has}; give {wanted}.")
    return numbers


def _floats(value: object) -> object:
    if isinstance(value, bool | str):
        raise TypeError("float() would take these")
    return [*map(_floats, value)] if isinstance(value, list) else float(value)


def close(one: object, other: object) -> bool:
    """Say whether numbers are of one shape and, but for rounding, the same."""
    one, other = (torch.as_tensor(part).detach().double() for part in (one, other))
    alike = functools.partial(torch.allclose, rtol=1e-5, atol=1e-5, equal_nan=True)
    return one.shape == other.shape and alike(one, other)
