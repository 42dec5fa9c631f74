"""What a class has done, from the files in a folder."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from helpers.progress.notes import read
from helpers.validation import SentenceError

# Flat, a student's name stands before it.
FILE = re.compile(r"(?:(.+)_)?progress_\d\d\.json")
LEGEND = """\
✓ right, ✗2 wrong after two tries, · not tried, – no such cell, or it was not run
predictions: right at the first try / tried / asked"""
Judge = Callable[[Path], tuple[list[dict], str]]  # what runs a notebook


@dataclass
class Row:
    """What a student has done in a lesson, or a remark why that is not known."""

    student: str
    lesson: str = "?"
    marks: list[str] = field(default_factory=list)
    predictions: str = ""
    remark: str = ""

    def cells(self, most: int) -> list[str]:
        """Return what stands in the table, with columns for so many exercises."""
        marks = [*self.marks, *[""] * (most - len(self.marks))]
        cells = [self.student, self.lesson, *marks, self.predictions, self.remark]
        return ["".join(c if c.isprintable() else "?" for c in cell) for cell in cells]


def rows(folder: Path, judge: Judge | None = None) -> list[Row]:
    """Return the rows of a class by lesson and name; with a judge, a notebook counts in
    place of the notes on its lesson.
    """
    found = []
    for student, paths in _students(folder).items():
        books = [path for path in paths if path.suffix == ".ipynb"]
        noted = [_noted(student, path) for path in paths if path not in books]
        ran = [row for path in books if judge for row in _judged(student, path, judge)]
        judged = {row.lesson for row in ran}
        mine = ran + [row for row in noted if row.lesson not in judged - {"?"}]
        none = "no notes; --run runs its notebook" if books else "no notes, no notebook"
        found += mine or [Row(student, remark=none)]
    return sorted(found, key=lambda row: (row.lesson, row.student))


def _students(folder: Path) -> dict[str, list[Path]]:
    """Return the files of each student: those in a folder of that name, or before whose
    own name it stands.
    """
    found = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        name, *rest = parts = path.relative_to(folder).parts
        hidden = any(part.startswith((".", "__")) for part in parts)
        if hidden or path.suffix == ".csv":  # such as last week's table
            continue
        notes = FILE.fullmatch(path.name)
        if path.is_file() and not rest:
            name = (notes[1] or folder.resolve().name) if notes else path.stem
        files = found[unicodedata.normalize("NFC", name)]
        files += [path] * (path.is_file() and bool(notes or path.suffix == ".ipynb"))
    return found


def _noted(student: str, path: Path) -> Row:
    try:
        return _row(student, read(path))
    except (SentenceError, FileNotFoundError) as error:
        return Row(student, remark=str(error))


def _judged(student: str, path: Path, judge: Judge) -> list[Row]:
    try:
        noted, wrong = judge(path)
    except (SentenceError, OSError) as error:
        return [Row(student, remark=str(error))]
    wrong = wrong and f"{path.name}: {wrong}"
    none = wrong or f"{path.name} has come to no exercise or prediction of a lesson"
    return [_row(student, one, wrong) for one in noted] or [Row(student, remark=none)]


def _row(student: str, noted: dict, remark: str = "") -> Row:
    entries = {name.split()[0]: one for name, one in noted["exercises"].items()}
    numbers = range(1, noted["count"] + 1)
    asked = [*noted["predictions"].values()]
    tried, first = (sum(bool(one[key]) for one in asked) for key in ("tries", "first"))
    return Row(
        student,
        noted["lesson"],
        [_mark(entries.get(str(number))) for number in numbers],
        f"{first}/{tried}/{len(asked)}",
        remark,
    )


def _mark(entry: dict | None) -> str:
    if entry is None:
        return "–"
    return "✓" if entry["right"] else f"✗{entry['tries']}" if entry["tries"] else "·"


def grid(found: list[Row]) -> list[list[str]]:
    """Return the table of a class, its head first."""
    most = max((len(row.marks) for row in found), default=0)
    numbers = map(str, range(1, most + 1))
    head = ["student", "lesson", *numbers, "predictions", "remark"]
    return [head, *(row.cells(most) for row in found)]


def in_text(table: list[list[str]]) -> str:
    """Return a table in columns, and what its signs mean."""
    wide = [max(map(_width, column)) for column in zip(*table, strict=True)]
    filled = (map(_filled, row, wide) for row in table)
    lines = ("  ".join(row).rstrip() for row in filled)
    return "\n".join([*lines, "", LEGEND])


def _filled(text: str, most: int) -> str:
    return text + " " * (most - _width(text))


def _width(text: str) -> int:
    """Return how many columns a text takes; Chinese characters take two."""
    return sum(1 + (unicodedata.east_asian_width(one) in "WF") for one in text)
