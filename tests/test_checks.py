"""Each checker tells right from wrong kindly, and each solution in a notebook passes its own checker."""

import contextlib
import io
import re

import nbformat
import pytest
import torch
from refresh import NOTEBOOKS

from helpers import checks


def said(check, *answer):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        check(*answer)
    return out.getvalue()


def double_loop(image, kernel, stride):
    starts = range(0, len(image) - len(kernel) + 1, stride)
    k = len(kernel)
    return torch.stack([torch.stack([(image[r : r + k, c : c + k] * kernel).sum() for c in starts]) for r in starts])


RIGHT = [
    (checks.one_window, 20),
    (checks.one_window, torch.tensor(20)),
    (checks.three_sizes, (24, 28, 15)),
    (checks.three_sizes, torch.tensor([24, 28, 15])),
    (checks.padding_to_keep, lambda k: k // 2),
    (checks.strided_convolution, double_loop),
    (checks.halve, {"kernel_size": 4, "stride": 2, "padding": 1}),
    (checks.halve, {"kernel_size": 15}),
    (checks.edge_kernel, [[0, 0, 0], [-1, 0, 1], [0, 0, 0]]),
    (checks.see_far, {"dilation": 4, "padding": 4}),
    (checks.edge_kernel, [[-1, 1, 0]] * 3),
    (checks.edge_kernel, torch.tensor([[-0.1, -0.2, 0.3], [-0.2, -0.4, 0.6], [-0.1, -0.2, 0.3]])),
    (checks.strided_convolution, lambda image, kernel, stride: double_loop(image, kernel, stride).double()),
]
WRONG = [
    (checks.one_window, 10, "flipped"),
    (checks.one_window, 14, "add the four products"),
    (checks.one_window, "20", "without quotes"),
    (checks.one_window, torch.ones(2, 2), "give one number"),
    (checks.three_sizes, 24, "three numbers"),
    (checks.three_sizes, (24, 28, 15.5), "floor"),
    (checks.three_sizes, (24, 24, 15), "number 2 is not 24"),
    (checks.three_sizes, (24, 28, "15"), "number 3 is '15'; give one number"),
    (checks.padding_to_keep, 2, "function"),
    (checks.padding_to_keep, lambda k: k / 2 - 0.5, "//"),
    (checks.padding_to_keep, lambda k: k, "28 pixels become"),
    (checks.padding_to_keep, lambda: 1, "TypeError"),
    (checks.padding_to_keep, lambda k: None, "return"),
    (checks.padding_to_keep, lambda k: -1, "negative"),
    (checks.strided_convolution, lambda image, kernel, stride: double_loop(image, kernel, 1), "shape"),
    (
        checks.strided_convolution,
        lambda image, kernel, stride: double_loop(image, kernel, stride) + 1,
        "numbers are not",
    ),
    (checks.strided_convolution, lambda image, kernel, stride: 3, "int, not a tensor"),
    (
        checks.strided_convolution,
        lambda image, kernel, stride: double_loop(image, kernel.flip(0, 1), stride),
        "flipped",
    ),
    (checks.halve, {"kernel_size": 2, "stride": 2}, "3 or more"),
    (checks.halve, {"kernel_size": 3, "stride": 2}, "13×13, not 14×14"),
    (checks.halve, {"kernel_size": 3, "stride": 2, "padding": 2, "dilation": 2}, "read by no window"),
    (checks.halve, {"k": 3, "s": 2}, "dilation, kernel_size, padding, stride"),
    (checks.halve, {"stride": 2}, "kernel_size is missing"),
    (checks.halve, {"kernel_size": 3.0}, "one whole number"),
    (checks.halve, {"kernel_size": 3, "padding": True}, "one whole number"),
    (checks.halve, (3, 2, 1), "dict"),
    (checks.edge_kernel, [[1, 1, 1]] * 3, "add up to 9"),
    (checks.edge_kernel, [[1, 0, -1]] * 3, "negative number"),
    (checks.edge_kernel, [[1, -2, 1]] * 3, "negative number"),
    (checks.edge_kernel, [[0, 0, 1], [-1, -1, 1], [-1, 0, 1]], "level edge"),
    (checks.edge_kernel, [[0, 0, 0]] * 3, "gives 0"),
    (checks.edge_kernel, [[-1, -1, -1], [0, 0, 0], [1, 1, 1]], "level edge"),
    (checks.edge_kernel, [[1, -1]], "(1, 2)"),
    (checks.see_far, {"dilation": 2, "padding": 2}, "spans 5"),
    (checks.see_far, {"dilation": 4, "padding": 1}, "22×22"),
    (checks.see_far, {"kernel_size": 9}, "dilation, padding"),
    (checks.see_far, {"dilation": 4, "padding": (0, 4)}, "one whole number"),
    (checks.see_far, 4, "dict"),
]


@pytest.mark.parametrize(("check", "answer"), RIGHT)
def test_right_answers_are_praised(check, answer):
    assert said(check, answer).startswith("✓ Right: ")


@pytest.mark.parametrize(("check", "answer", "hint"), WRONG)
def test_wrong_answers_get_one_sentence_that_helps(check, answer, hint):
    verdict = said(check, answer)
    assert verdict.startswith("✗ Not yet: ") and hint in verdict
    assert verdict.count("\n") == 1 and "Traceback" not in verdict


@pytest.mark.parametrize("check", dict.fromkeys(check for check, _ in RIGHT), ids=lambda check: check.__name__)
def test_no_answer_yet_is_no_mistake(check):
    assert said(check).startswith("… Nothing to check yet") and said(check, None) == said(check)


def test_predictions_are_compared_with_the_truth():
    assert said(checks.predict, None, 9) == "No guess yet. It is 9.\n"
    assert said(checks.predict, 9, torch.tensor(9)) == "✓ You said 9, and it is 9.\n"
    assert (
        said(checks.predict, [1, 2], (1, 2)).startswith("✓") and said(checks.predict, torch.ones(2), [1, 1])[0] == "✓"
    )
    assert "without quotes" in said(checks.predict, "9", 9) and said(checks.predict, 0.3, torch.tensor(0.3))[0] == "✓"
    assert said(checks.predict, (1, 2), (3, 4)).startswith("✗ You said (1, 2); it is (3, 4).")


def exercises(path):
    cells = nbformat.read(path, as_version=4).cells
    for text, code in zip(cells, cells[1:], strict=False):
        if text.source.startswith("### Exercise"):
            yield text.source, code.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_solutions_in_the_notebook_pass(path):
    found = list(exercises(path))
    assert len(found) >= 6
    imports = next(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")
    for text, code in found:
        assert "<summary>Hint</summary>" in text and "<summary>Solution</summary>" in text
        solution = re.search(r"```python\n(.+?)```", text, re.DOTALL)[1]
        unsolved, check = code.split("\n")
        space = {}
        exec(imports, space)
        exec(f"{unsolved}\n{solution}", space)
        assert said(lambda space=space, check=check: exec(check, space)).startswith("✓ Right: "), text[:40]
