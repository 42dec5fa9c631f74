"""A prediction is compared with what came out, and folded away until there is one."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from exercising import said
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from helpers import predictions

RIGHT = [
    (0.44, 4 / 9),  # what a figure shows
    (0.4444, 4 / 9),
    (4 / 9, 0.44444445),
    (np.float32(0.44), torch.tensor(4 / 9)),
    (0.87, 0.8749),  # within a hundredth, too
    (1.2e-05, 1.24e-05),
    (0.28, 10320 / 36928),
    (0.3, torch.tensor(0.3)),
    (13, 13.0),
    (13.0, torch.tensor(13)),
    (np.int64(9), 9),
    (torch.tensor(9), np.int64(9)),
    (np.True_, True),
    (False, torch.tensor(False)),
    ([1, 2], (1, 2)),
    (torch.ones(2), [1, 1]),
    ((np.int64(1), torch.tensor(2)), torch.Size([1, 2])),
    (((0.44, 0.67), [1, 1]), [[4 / 9, 2 / 3], [1.0, 1.0]]),
    ((True, [0.5, 9]), [True, (0.5, 9)]),
    ("AccumulateGrad", "AccumulateGrad"),
    (float("inf"), float("inf")),
]
WRONG = [
    (0.3, 0.28),  # one digit
    (0.4, 4 / 9),
    (0.45, 4 / 9),
    (0.43, 4 / 9),
    (True, 1),
    (1, True),
    (False, 0.0),
    (0, False),
    ((True,), (1,)),
    (13.1, 13.0),
    (8, 9),
    (10**9, 10**9 + 1),
    (10**9, 10**9 + 10**4),
    (10**400, 0.2),
    (10**400, 13.0),
    (0.2, 10**400),
    (1.0, float("inf")),
    (float("nan"), 0.5),
    ((1, 2), (2, 1)),
    ([1, 2], [1, 2, 3]),
    (9, [9]),
    ([9], 9),
    (((0.44, 0.65), [1, 1]), [[4 / 9, 2 / 3], [1.0, 1.0]]),
    ("ReluBackward0", "AccumulateGrad"),
    (len, 3),
]


@pytest.mark.parametrize(("guess", "truth"), RIGHT, ids=str)
def test_a_right_guess_is_taken_in_any_honest_form(guess, truth):
    assert said(predictions.predict, guess, truth).startswith(
        f"✓ You said {guess}, and"
    )


@pytest.mark.parametrize(("guess", "truth"), WRONG, ids=str)
def test_a_wrong_guess_is_told_what_it_is(guess, truth):
    told = said(predictions.predict, guess, truth)
    assert told.startswith(f"✗ You said {guess}; it is {truth}.")


def test_a_text_for_a_number_is_told_of_its_quotes():
    assert "without quotes" in said(predictions.predict, "9", 9)
    assert (
        said(predictions.predict, 9, torch.tensor(9)) == "✓ You said 9, and it is 9.\n"
    )


def shown(monkeypatch, truth):
    """Return what a kernel sends for an untouched prediction, and what it prints."""
    InteractiveShell.instance()
    kernel = SimpleNamespace(kernel=True)
    monkeypatch.setattr(predictions, "get_ipython", lambda: kernel)
    with capture_output() as caught:
        predictions.predict(None, truth)
    (output,) = caught.outputs
    return output, caught.stdout


def test_without_a_guess_the_answer_is_in_a_closed_fold_and_nowhere_else(monkeypatch):
    output, printed = shown(monkeypatch, torch.tensor(614656))
    assert output.data == {
        "text/plain": "No guess yet. Open the answer.",
        "text/html": '<details class="prediction"><summary>No guess yet. Open the '
        "answer.</summary>614656</details>",
    }
    assert output.metadata == {"text/html": {"prediction": True}} and not printed


def test_the_answer_is_text(monkeypatch):
    output, _ = shown(monkeypatch, "<b>&")
    assert output.data["text/html"].endswith("</summary>&lt;b&gt;&amp;</details>")


def test_without_a_kernel_the_answer_is_not_said():
    assert said(predictions.predict, None, 614656) == (
        "No guess yet. Put one in place of None.\n"
    )
