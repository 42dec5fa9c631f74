"""Notebooks for a class, `python -m helpers.copies FOLDER`: the students' copies, which
tell no answer, the teacher's, which tell all, and on demand those for nbgrader.

The checkers come from the installed course: beside a notebook, their source would tell.
"""

import argparse
import os
import re
import shutil
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from helpers.handout.folds import folded, predictions
from helpers.handout.running import read
from helpers.handout.site import NOTEBOOKS
from helpers.validation import SentenceError

NOTE = (
    "This is a student's copy: what tells an answer is left out, and stands in the "
    "teacher's copy."
)
GUIDE = "teaching.md"
FOLD = re.compile(r"(?s)<details[^>]*>\s*<summary>(?!Hint<).*?</details>\n?")
SOLUTION = re.compile(r"(?s)<summary>Solution</summary>.*?```python\n(.+?)\n```")
FILLED = re.compile(r"(?m)^(?:guess\w*|answer_\w+) = (?!None$)")
ASKS = re.compile(r"(?m)^ *predict\(")
EXERCISE = re.compile(r"((answer_\w+) = None)\n([\w.]+)\(\2\)")
LINK = re.compile(r"!?\[([^\]]*)\]\((?!\w+:|#)([^)#\s]+)[^)]*\)")
CONFIG = """\
c = get_config()
c.ClearSolutions.code_stub = {"python": "# Put your answer in place of None."}
c.Execute.timeout = 600  # seconds, for a cell that trains
"""


def student(lesson: NotebookNode) -> NotebookNode:
    """Return a copy of a lesson without outputs, without what is folded but hints, and
    without the text that a page folds with the answer to a prediction.
    """
    made, inside = nbformat.from_dict(lesson), False
    cells = [new_markdown_cell(NOTE, id="left-out")]
    for cell in folded(made.cells):
        inside |= "opens" in cell.metadata
        if cell.cell_type == "code" and "transient" not in cell.metadata:
            cell.outputs, cell.execution_count = [], None
            cells.append(cell)
        elif cell.cell_type != "code" and not inside:
            cell.source = FOLD.sub("", cell.source).strip()
            cells += [cell] * bool(cell.source)
        inside &= "closes" not in cell.metadata
        for mark in ("opens", "closes", "guesses"):
            cell.metadata.pop(mark, None)
    made.cells = cells
    made.metadata.pop("widgets", None)
    return made


def graded(lesson: NotebookNode) -> NotebookNode:
    """Return the student's copy with two cells of nbgrader for each exercise: an answer
    with the official solution, and a test of one point, which stops unless it is right.
    """
    pairs = zip(lesson.cells, lesson.cells[1:], strict=False)
    texts = {cell.id: text.source for text, cell in pairs}
    made = student(lesson)
    cells = ((cell, EXERCISE.fullmatch(cell.source)) for cell in made.cells)
    made.cells = [
        part
        for cell, found in cells
        for part in (_graded(*found.groups(), texts[cell.id]) if found else [cell])
    ]
    return made


def _graded(unsolved: str, name: str, check: str, text: str) -> list[NotebookNode]:
    solution = SOLUTION.search(text)
    right = solution[1] if solution else unsolved
    answer = f"{unsolved}\n### BEGIN SOLUTION\n{right}\n### END SOLUTION"
    about = {"grade_id": name, "grade": False, "solution": True, "locked": False}
    test = {"grade_id": f"test_{name}", "grade": True, "solution": False}
    test |= {"locked": True, "points": 1}
    return [
        new_code_cell(
            source,
            id=kind["grade_id"],
            metadata={"nbgrader": kind | {"task": False, "schema_version": 3}},
        )
        for source, kind in ((answer, about), (f"{check}({name}, must=True)", test))
    ]


def write(folder: Path, paths: list[Path], nbgrader: bool = False) -> None:
    """Write the copies of some notebooks into a folder that is new or empty.

    Raises SentenceError where a notebook cannot be read or is filled in, and OSError
    where the folder takes no files; neither leaves anything behind.
    """
    lessons = {path: _open(path) for path in paths}
    if folder.exists() and next(folder.iterdir(), None):
        raise SentenceError(f"{folder} is not empty. Name a folder that is new.")
    part = folder.absolute().with_name(f"{folder.absolute().name}.{os.getpid()}")
    names = {path.name for path in paths}
    try:
        for path, lesson in lessons.items():
            _put(student(lesson), part / "student", path, names)
            if nbgrader:
                place = part / "nbgrader/source" / path.stem
                _put(graded(lesson), place, path, {path.name})
                (part / "nbgrader/nbgrader_config.py").write_text(CONFIG, "utf-8")
            _put(lesson, part / "teacher", path, names | {GUIDE})
            if (guide := path.with_name(GUIDE)).is_file():
                text = _linked(guide.read_text("utf-8"), part / "teacher", path, names)
                (part / "teacher" / GUIDE).write_text(text, "utf-8")
        folder.mkdir(exist_ok=True)
        for made in part.iterdir():
            made.rename(folder / made.name)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _open(path: Path) -> NotebookNode:
    """Read a notebook; expect guesses and answers to be open, and results stored."""
    lesson = read(path)
    for cell in lesson.cells:
        code = cell.source * (cell.cell_type == "code")
        if FILLED.search(code) or predictions(cell) < len(ASKS.findall(code)):
            raise SentenceError(
                f"{path} is filled in, or was not run. Put None in place of guesses "
                "and answers, choose Run → Run All Cells, and save it."
            )
    return lesson


def _put(lesson: NotebookNode, folder: Path, path: Path, names: set[str]) -> None:
    """Write a lesson into a folder, linked to the names that are there."""
    folder.mkdir(parents=True, exist_ok=True)
    for cell in lesson.cells:
        if cell.cell_type == "markdown":
            cell.source = _linked(cell.source, folder, path, names)
    nbformat.write(lesson, folder / path.name)


def _linked(text: str, folder: Path, path: Path, names: set[str]) -> str:
    """Take the pictures of a text along, and make words of links that lead nowhere."""

    def link(found: re.Match) -> str:
        picture = path.parent / found[2]
        if found[2].startswith("images/") and picture.is_file():
            (folder / found[2]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(picture, folder / found[2])
            return found[0]
        return found[0] if found[2] in names else found[1]

    return LINK.sub(link, text)


def main(arguments: list[str] | None = None) -> None:
    """Write what the command line asks for, or end with one sentence."""
    parser = argparse.ArgumentParser(
        "python -m helpers.copies",
        description="Write notebooks for students, and the teacher's beside them.",
        allow_abbrev=False,
    )
    parser.add_argument("folder", type=Path, help="a new folder")
    whole = "all of the course, where none is named"
    parser.add_argument("notebooks", nargs="*", type=Path, help=whole)
    also = "write them for nbgrader too"
    parser.add_argument("--nbgrader", action="store_true", help=also)
    asked = parser.parse_args(arguments)
    try:
        write(asked.folder, asked.notebooks or NOTEBOOKS, asked.nbgrader)
    except SentenceError as error:
        sys.exit(str(error))
    except OSError as error:
        why = f"{asked.folder} cannot be written ({error.strerror})."
        sys.exit(f"{why} Name another folder.")
    for made in sorted(asked.folder.iterdir()):
        print(made)


if __name__ == "__main__":
    main()
