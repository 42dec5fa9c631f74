"""What the students of the rehearsal type and where they stop is still in the notebooks."""

import re

import nbformat
import pytest
from exercising import everywhere, said
from refresh import NOTEBOOKS
from students import HALF, TRIES, tried

CELLS = {path.name[:2]: nbformat.read(path, 4).cells for path in NOTEBOOKS}


def code(number):
    return [cell.source for cell in CELLS[number] if cell.cell_type == "code"]


@pytest.mark.parametrize("number", TRIES)
def test_each_line_that_a_student_answers_stands_in_one_cell(number):
    for ask, *_ in TRIES[number]:
        found = [one for one in code(number) if re.search(f"^{ask}$", one, re.M)]
        assert len(found) == 1
        ways = [tried(number, found[0], student) for student in range(4)]
        assert sorted(map(len, ways)) == [1, 1, 1, 2] and found in ways
    untouched = [one for one in code(number) if tried(number, one, 0) == [one]]
    assert len(untouched) >= len(code(number)) - len(TRIES[number])


def test_first_tries_are_wrong_and_second_ones_right():
    space = {}
    exec(everywhere(code("01")[0]), space)
    for ask, *answers in TRIES["01"]:
        cell = next(one for one in code("01") if ask in one)
        verdicts = [
            said(
                lambda one=one, cell=cell, ask=ask: exec(cell.replace(ask, one), space)
            )
            for one in answers
        ]
        assert [verdict[0] for verdict in verdicts] == ["✗", "✓"]


def test_the_first_half_has_an_end():
    (place,) = (n for n, cell in enumerate(CELLS["05"]) if cell.source.startswith(HALF))
    assert 0 < place < len(CELLS["05"]) - 1
