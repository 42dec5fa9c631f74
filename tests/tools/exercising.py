"""What the tests of the exercises share: what a checker says and has to say, the
solutions that stand folded in the notebooks, and answers that more than one file gives.
"""

import contextlib
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import torch
from torch import nn


def said(check: Callable, *answer: object) -> str:
    """Return what a checker prints."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        check(*answer)
    return out.getvalue()


def pairs(answers: dict[Callable, list] | list[tuple]) -> list[tuple[Callable, object]]:
    """Return each checker with each of the answers that are listed for it; a wrong one
    with its hint.
    """
    if isinstance(answers, dict):
        return [(check, one) for check, given in answers.items() for one in given]
    return [(check, rest if rest[1:] else rest[0]) for check, *rest in answers]


def verdicts_on_solutions(path: Path) -> Iterator[str]:
    """Yield what each exercise's own cell prints after the solution of the notebook."""
    cells = nbformat.read(path, as_version=4).cells
    imports = everywhere(next(c.source for c in cells if c.cell_type == "code"))
    for text, code in zip(cells, cells[1:], strict=False):
        if text.source.startswith("### Exercise"):
            assert "<summary>Hint</summary>" in text.source
            unsolved, check = code.source.split("\n")
            space = {}
            exec(f"{imports}\n{unsolved}\n{_solution(text.source)}", space)
            yield said(lambda space=space, check=check: exec(check, space))


def everywhere(source: str) -> str:
    """Return the source of a cell without what only Colab does."""
    return re.sub(r"^if \"google\.colab\" .+\n    %pip .+\n", "", source, flags=re.M)


def _solution(text: str) -> str:
    # Here, as it needs nbconvert, which the quick tests do without.
    from helpers.copies import SOLUTION

    return SOLUTION.search(text)[1]


def solved(path: Path) -> Iterator[tuple[dict, str, str, str]]:
    """Yield for each exercise what its cell can use, its checker's name, the variable of
    its answer, and the code of its solution.
    """
    cells = nbformat.read(path, as_version=4).cells
    imports = everywhere(next(c.source for c in cells if c.cell_type == "code"))
    for text, code in zip(cells, cells[1:], strict=False):
        if text.source.startswith("### Exercise"):
            variable, name = re.search(
                r"^(answer_\d) = .*\nchecks\.(\w+)", code.source
            ).groups()
            space = {}
            exec(imports, space)
            yield space, name, variable, _solution(text.source)


class Checkers:
    """The tests of a file's checkers; its own class names the tables of answers."""

    right: dict | list
    wrong: dict | list

    def pytest_generate_tests(self, metafunc) -> None:
        names = metafunc.fixturenames
        if {"answer", "hint"} <= {*names}:
            rows = [(check, *both) for check, both in pairs(self.wrong)]
            metafunc.parametrize(("check", "answer", "hint"), rows)
        elif "answer" in names:
            metafunc.parametrize(("check", "answer"), pairs(self.right))
        elif "check" in names:
            checks = dict.fromkeys(check for check, _ in pairs(self.right))
            metafunc.parametrize("check", checks)

    def test_right_answers_are_praised(self, check, answer):
        assert said(check, answer).startswith("✓ Right: ")

    def test_wrong_answers_get_one_sentence_that_helps(self, check, answer, hint):
        verdict = said(check, answer)
        assert verdict.startswith("✗ Not yet: ") and hint in verdict
        assert verdict.count("\n") == 1 and "Traceback" not in verdict

    def test_no_answer_yet_is_no_mistake(self, check):
        assert said(check).startswith("… Nothing to check yet")
        assert said(check, None) == said(check)


class Lesson(Checkers):
    """The same, and the solutions that stand in the lesson's notebook."""

    notebook: Path

    def test_solutions_in_the_notebook_pass(self):
        solutions = [*verdicts_on_solutions(self.notebook)]
        assert len(solutions) >= 6
        assert not [one for one in solutions if not one.startswith("✓ Right: ")]


def by_unfold(image, kernel, stride):
    windows = image.unfold(0, len(kernel), stride).unfold(1, len(kernel), stride)
    return (windows * kernel).sum((2, 3)).numpy()


def train(
    net,
    x,
    target,
    steps,
    lr,
    clear=True,
    keep=lambda loss: loss.item(),
    how=torch.optim.SGD,
):
    optimizer, losses = how(net.parameters(), lr=lr), []
    for _ in range(steps):
        if clear:
            optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(x), target)
        loss.backward()
        optimizer.step()
        losses.append(keep(loss))
    return losses


def cross_entropy(logits, labels):
    return (logits.logsumexp(dim=1) - logits[torch.arange(len(labels)), labels]).mean()


def held(labels, count, seed=0):
    generator = torch.Generator().manual_seed(seed) if seed is not None else None
    places = [(labels == k).nonzero()[:, 0] for k in labels.unique()]
    return torch.cat(
        [
            place[torch.randperm(len(place), generator=generator)[:count]]
            for place in places
        ]
    )
