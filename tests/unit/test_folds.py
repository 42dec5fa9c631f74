"""What stands in the fold of an answer, in tiny notebooks and in the lessons."""

import copy
import re

import nbformat
import pytest
import tiny
from refresh import NOTEBOOKS
from torch import nn

from helpers.handout import folds
from helpers.widgets.layer_bench import LayerBench


def bench():
    return tiny.code("move", tiny.shown(LayerBench(nn.MaxPool2d(2))))


# By what stands below a question: how many cells come into its fold, and what is left.
FOLDED = {
    "its own text": ([tiny.prose("Nine.")], 1, []),
    "a figure and a text": ([tiny.code("bars"), tiny.prose("Nine.")], 2, []),
    "a bench that shows it": ([bench(), tiny.prose("Nine.")], 2, []),
    "two texts": ([tiny.prose("1. Nine."), tiny.prose("Nine.")], 2, []),
    "a heading": ([tiny.prose("Nine.\n\n### Next")], 1, ["### Next"]),
    "bold words": ([tiny.prose("**Python**")], 0, ["**Python**"]),
    "a question": ([tiny.prose("Nine.\n\nNow\n**Predict**")], 1, ["Now\n**Predict**"]),
    "a cell that asks": ([tiny.code("ask", tiny.prediction())], 0, ["ask", "ask"]),
    "what leads on": (
        [tiny.prose("Nine.\n\nLook:"), tiny.code("bars")],
        1,
        ["Look:", "bars"],
    ),
    "a single paragraph": (
        [tiny.prose("Nine. Look:"), tiny.code("bars"), tiny.prose("## 2 End")],
        2,
        ["## 2 End"],
    ),
    "a bench to move": (
        [tiny.prose("Now move it."), bench()],
        0,
        ["Now move it.", "move"],
    ),
    "a hint": (
        [tiny.prose("Nine.\n\n<details>\n\nA\n\n</details>"), bench()],
        1,
        ["<details>\n\nA\n\n</details>", "move"],
    ),
}


@pytest.mark.parametrize("below", FOLDED)
def test_what_gives_an_answer_away_is_in_its_fold(below):
    cells, count, left = FOLDED[below]
    question = tiny.code("predict(guess, 9)", tiny.prediction())
    asking, *made = folds.folded(copy.deepcopy([question, *cells]))
    assert asking.source == "predict(guess, 9)" and asking.outputs == []
    assert made[0].metadata.opens and made[0].outputs == question.outputs
    assert made[count].metadata.closes
    assert [cell.source for cell in made[count + 1 :]] == left


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_answer_is_given_away_outside_its_fold(path):
    answers, given_away, inside = [], [], False
    for cell in folds.folded(nbformat.read(path, 4).cells):
        if cell.metadata.get("opens"):
            answers, inside = answers_of(cell), True
        elif not inside and re.search(r"(?m)^#|\*\*Predict", cell.source):
            answers = []
        seen = seen_of(cell)
        given_away += [one for one in answers if not inside and one in seen]
        inside = inside and not cell.metadata.get("closes")
    assert given_away == []


def answers_of(cell):
    """Return what a cell asks for, without single digits and True or False, which may
    stand anywhere.
    """
    html = "".join(one.get("data", {}).get("text/html", "") for one in cell.outputs)
    found = re.findall(r"</summary>(.+?)(?:\.0)?</details>", html)
    return [one for one in found if re.search(r"\d.*\d", one)]


def seen_of(cell):
    outputs = cell.get("outputs", [])
    texts = [one.get("text") or one.data.get("text/plain", "") for one in outputs]
    return "".join([cell.source, *texts])
