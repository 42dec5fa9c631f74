"""What the tests of the exercises share: what a checker says, and what it says of the
solutions that stand folded in the notebooks.
"""

import contextlib
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat


def said(check: Callable, *answer: object) -> str:
    """Return what a checker prints."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        check(*answer)
    return out.getvalue()


def pairs(answers: dict[Callable, list]) -> list[tuple[Callable, object]]:
    """Return each checker with each of the answers that are listed for it."""
    return [(check, one) for check, given in answers.items() for one in given]


def verdicts_on_solutions(path: Path) -> Iterator[str]:
    """Yield what each exercise's own cell prints after the solution of the notebook."""
    cells = nbformat.read(path, as_version=4).cells
    imports = next(cell.source for cell in cells if cell.cell_type == "code")
    for text, code in zip(cells, cells[1:], strict=False):
        if text.source.startswith("### Exercise"):
            assert "<summary>Hint</summary>" in text.source
            unsolved, check = code.source.split("\n")
            space = {}
            exec(f"{imports}\n{unsolved}\n{_solution(text.source)}", space)
            yield said(lambda space=space, check=check: exec(check, space))


def _solution(text: str) -> str:
    folded = r"<summary>Solution</summary>.*?```python\n(.+?)```"
    return re.search(folded, text, re.DOTALL)[1]


def solved(path: Path) -> Iterator[tuple[dict, str, str, str]]:
    """Yield for each exercise what its cell can use, its checker's name, the variable of
    its answer, and the code of its solution.
    """
    cells = nbformat.read(path, as_version=4).cells
    imports = next(cell.source for cell in cells if cell.cell_type == "code")
    for text, code in zip(cells, cells[1:], strict=False):
        if text.source.startswith("### Exercise"):
            variable, name = re.search(
                r"^(answer_\d) = .*\nchecks\.(\w+)", code.source
            ).groups()
            space = {}
            exec(imports, space)
            yield space, name, variable, _solution(text.source)
