"""A prediction is compared with what came out."""

import torch
from exercising import said

from helpers import checking as checks


def test_predictions_are_compared_with_the_truth():
    assert (
        said(checks.predict, 4 / 9, 0.4444)[0] == "✓"
        and said(checks.predict, 0.28, 10320 / 36928)[0] == "✓"
    )
    assert (
        said(checks.predict, 10**9, 10**9 + 10**4)[0] == "✗"
        and said(checks.predict, 13.1, 13.0)[0] == "✗"
    )
    assert said(checks.predict, 10**400, 0.2)[0] == "✗"
    assert (
        said(checks.predict, 0.3, 0.28)[0] == "✗"
        and said(checks.predict, 13, 13.0)[0] == "✓"
    )
    assert said(checks.predict, 10**400, 13.0)[0] == "✗"
    assert said(checks.predict, None, 9) == "No guess yet. It is 9.\n"
    assert said(checks.predict, 9, torch.tensor(9)) == "✓ You said 9, and it is 9.\n"
    assert (
        said(checks.predict, [1, 2], (1, 2)).startswith("✓")
        and said(checks.predict, torch.ones(2), [1, 1])[0] == "✓"
    )
    assert (
        "without quotes" in said(checks.predict, "9", 9)
        and said(checks.predict, 0.3, torch.tensor(0.3))[0] == "✓"
    )
    assert said(checks.predict, (1, 2), (3, 4)).startswith(
        "✗ You said (1, 2); it is (3, 4)."
    )
