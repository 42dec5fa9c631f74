"""What the tests of the copies share: the exercises of a lesson, copies with answers
put in, and what a copy tells of the solutions.
"""

import os
import re
import subprocess
import sys

import nbformat


def read(path):
    return nbformat.read(path, as_version=4)


def code(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def prose(path):
    return [cell.source for cell in read(path).cells if cell.cell_type == "markdown"]


def exercises(path):
    """Return for each exercise its text, its code cell, and its solution."""
    cells = read(path).cells
    for text, cell in zip(cells, cells[1:], strict=False):
        if text.source.startswith("### Exercise"):
            solution = re.search(
                r"<summary>Solution.*?```python\n(.+?)```", text.source, re.DOTALL
            )
            yield text.source, cell.source, solution[1].strip()


def solved(path, solutions):
    """Return a copy of a lesson with answers put in place of None."""
    lesson = read(path)
    for cell in lesson.cells:
        for name, solution in solutions.items():
            if cell.cell_type == "code":
                unsolved = f"{name} = None"
                cell.source = cell.source.replace(unsolved, solution)
    return lesson


def checked(cell):
    return cell.cell_type == "code" and "\nchecks." in cell.source


def exercises_alone(lesson):
    """Return a lesson with the first code cell, which all that the exercises need is
    in, and the exercises.
    """
    first = next(cell for cell in lesson.cells if cell.cell_type == "code")
    parts = zip(lesson.cells, lesson.cells[1:], strict=False)
    pairs = [part for part in parts if checked(part[1])]
    lesson.cells = [first, *(cell for pair in pairs for cell in pair)]
    return lesson


def official(path):
    return {
        re.search(r"^answer_\d+", cell)[0]: right for _, cell, right in exercises(path)
    }


def tells(copy, original):
    """Return what a copy tells of the solutions."""
    cells = [cell.source for cell in read(copy).cells]
    found = []
    for text, _, right in exercises(original):
        value = right.partition(" = ")[2] if "\n" not in right else right
        heading = text.partition("\n")[0]
        (own,) = (one for one in cells if one.startswith(f"{heading}\n"))
        question = text.partition("<details><summary>Solution")[0]
        assert own.strip() == question.strip()
        found += [right for one in cells if right in one]
        found += [value for one in cells if len(value) > 5 and value in one]
    return found


def ran(command, folder, environment, seconds):
    """Run a command to its good end, and return what it prints."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def environment(*first):
    paths = [*map(str, first), *filter(None, sys.path)]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
