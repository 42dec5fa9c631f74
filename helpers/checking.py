"""Checkers of exercises: one sentence says whether an answer is right; none raises.

A checker takes what the student made (a number, a tuple, a function), `None` while
there is nothing yet. Known mistakes are pairs: the numbers that such a mistake gives,
and the hint for it.
"""

import contextlib
import copy
import functools
import html
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from numbers import Real

import torch
from IPython import get_ipython
from IPython.display import display
from torch import nn

YOURS = "your answer"
DIFFERENT = "{lead} is {given}{at}, and should be {right}."
NOTHING = "… Nothing to check yet: put your answer in place of None "
NOTHING += "and run the cell again."
Pairs = Sequence[tuple[object, str]]  # what known mistakes give, each with its hint


class NotYet(Exception):
    """The answer is not right yet; the message is the hint that the student reads."""


def expect(condition: bool, hint: str) -> None:
    """Raise NotYet with the hint unless the condition holds."""
    if not condition:
        raise NotYet(hint)


def exercise(
    praise: str,
    of: str = "",
    errors: dict[type, str] | None = None,
    trains: bool = False,
) -> Callable:
    """Make a function that expects things of an answer a checker that prints a verdict.

    Where the answer is a function, `of` names its arguments, `errors` says what an
    error usually comes from, and `trains` lets it change a model's parameters.
    """

    def decorate(examine: Callable) -> Callable:
        @functools.wraps(examine)
        def check(answer: object = None) -> None:
            if answer is None or answer is ...:
                print(NOTHING)
                return
            try:
                with torch.random.fork_rng([]), torch.enable_grad(), leaves_unchanged():
                    torch.manual_seed(0)
                    examine(_Function(answer, of, trains) if of else answer)
                print(f"✓ Right: {praise}")
            except NotYet as hint:
                print(f"✗ Not yet: {hint}")
            # whatever the student's own code does must not end in a traceback from here
            except Exception as error:
                end = (errors or {}).get(type(error), ".")
                said = f"{type(error).__name__}: {first_line(error)}".rstrip(".: ")
                print(f"✗ Not yet: your answer stopped with {said}{end}")

        del check.__wrapped__  # or Jupyter shows the signature of what is wrapped
        return check

    return decorate


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
    gradients, dtype = torch.is_grad_enabled(), torch.get_default_dtype()
    yield "gradients are off for good; use a with block, which ends.", gradients
    yield f"torch's default dtype is no longer {dtype}; put it back.", dtype
    for name, layer in itertools.chain(*(one.named_modules() for one in models)):
        mode, kept = layer.training, "and it, or a layer of it, goes out in train"
        yield f"the model came in train({mode}), {kept}({not mode}).", mode
        hooks = [[*held] for key, held in vars(layer).items() if key.endswith("_hooks")]
        hint = f"a hook stays behind at {name!r}; remove() it in finally, or use with."
        yield hint, hooks
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
        """Expect the numbers of `right` for copies of the arguments in `case`; the
        hints are those of `expect_same`, first for mistakes and then otherwise.
        """
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
    kind = f"({type(value).__name__})"
    return kind if isinstance(value, nn.Module) else str(plain(value))


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
        text = any(isinstance(one, str) for one in parts)
        quotes = ", without quotes" if text else ""
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


def plain(value: object) -> object:
    """Return numbers as Python's, and several as a list, so that (1, 2) is [1, 2]."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return [plain(one) for one in value] if isinstance(value, tuple | list) else value


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
