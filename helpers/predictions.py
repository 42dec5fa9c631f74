"""What a cell says of a guess, and how the answer stays folded until there is one."""

import html
import math
import sys
from decimal import Decimal
from numbers import Real

from IPython import get_ipython
from IPython.display import display

from helpers.progress import notes


def predict(guess: object, truth: object) -> None:
    """Compare a prediction with what came out, and say both; without a guess, show a
    closed fold with the answer in it.
    """
    right, told = None, ""
    shown = truth.tolist() if hasattr(truth, "tolist") else truth
    if guess is None:
        _fold(str(shown))
    else:
        right, told = _verdict(guess, truth, shown)
        print(told)
    asked = notes.KERNEL.prediction(sys._getframe(1))
    notes.KERNEL.note("predictions", asked, plain(guess), right, told)


def _verdict(guess: object, truth: object, shown: object) -> tuple[bool, str]:
    """Return whether a guess is right, and the sentence that says so."""
    if isinstance(guess, str) and not isinstance(truth, str):
        said = f"the text {guess!r}; numbers, True and False go without quotes"
        return False, f"✗ You said {said}. It is {shown}."
    if _near(plain(guess), plain(truth)):
        return True, f"✓ You said {guess}, and it is {shown}."
    return False, f"✗ You said {guess}; it is {shown}. What made the difference?"


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


def plain(value: object) -> object:
    """Return numbers as Python's, and several as a list, so that (1, 2) is [1, 2]."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return [plain(one) for one in value] if isinstance(value, tuple | list) else value
