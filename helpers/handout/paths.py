"""The teacher's ways through a notebook, of 45 or 90 minutes: what teaching.md says."""

import copy
import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from helpers.handout.folds import PARAGRAPHS, texts
from helpers.validation import SentenceError

MINUTES = 45, 90  # columns of a table, and ways that the text below it tells of
ROW = re.compile(r"(?m)^\| (\d+) \|.*\| *(\d*) \| *(\d*) \|$")
# Of a section: its number, what it begins with, where it stops.
CUT = re.compile(
    r"[Ss]ection (\d+)(?: begins with \*(.+?)\* and)?(?: stops)? before \*(.+?)\*"
)
EXERCISES = re.compile(r"exercises are exercises? ([\d, and]+)")


def along(
    notebook: NotebookNode, title: str, guide: Path, minutes: int
) -> NotebookNode:
    """Return what of a notebook the guide counts for so many minutes.

    Raises SentenceError where the guide does not know the notebook, or a cut is not in
    it.
    """
    sections, cuts, exercises = _told(title, guide, minutes)
    made = nbformat.from_dict(notebook)
    made.cells = []
    for number, cells in _sections(notebook.cells).items():
        if number in sections:
            part = _part(cells, *cuts.get(number, ("", "")))
            made.cells += _in_class(part, exercises)
    return made


def _told(title: str, guide: Path, minutes: int) -> tuple[set, dict, list]:
    """Return what the guide has of a way: its sections, what each that is cut begins
    with and where it stops, and the exercises, or none for all of them.
    """
    text = guide.read_text(encoding="utf-8") if guide.is_file() else ""
    part = re.search(rf"(?ms)^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text)
    rows = ROW.findall(part[1]) if part else []
    if not rows:
        raise SentenceError(
            f"{guide} has no table of minutes for {title!r}. Leave out --path, or add "
            "a section of that name, with its table."
        )
    # From where the text names this way up to where it names the other one.
    _, *names = re.split(r"(\d+)-minute path", part[1])
    pairs = zip(names[::2], names[1::2], strict=True)
    about = "".join(said for name, said in pairs if name == str(minutes))
    column = 1 + MINUTES.index(minutes)
    return (
        {row[0] for row in rows if row[column]},
        {number: cut for number, *cut in CUT.findall(about)},
        re.findall(r"\d+", "".join(EXERCISES.findall(about))),
    )


def _sections(cells: list[NotebookNode]) -> dict[str, list[NotebookNode]]:
    """Return the cells by the number of their section: the opening is with the first
    one, summary and glossary with the last.
    """
    found, opening = {}, []
    for cell in cells:
        heading = cell.cell_type == "markdown" and re.match(r"## (\d+) ", cell.source)
        if heading:
            now = found[heading[1]] = [] if found else opening
        (now if found else opening).append(cell)
    return found


def _part(cells: list[NotebookNode], begin: str, stop: str) -> list[NotebookNode]:
    """Return a section from what it begins with, below its heading, on."""
    if stop:
        cells, _ = _divided(cells, stop)
    if begin:
        heading = copy.deepcopy(cells[0])
        heading.source = heading.source.partition("\n")[0]
        cells = [heading, *_divided(cells, begin)[1]]
    return cells


def _divided(cells: list[NotebookNode], words: str) -> tuple[list, list]:
    """Divide cells before the paragraph that begins with these words."""
    for number, cell in enumerate(cells):
        parts = PARAGRAPHS.split(cell.source) if cell.cell_type == "markdown" else []
        for at, part in enumerate(parts):
            if re.sub(r"^#+ |[*`]", "", part).startswith(words):
                now, later = texts(cell, parts[:at], parts[at:])
                return cells[:number] + now, later + cells[number + 1 :]
    raise SentenceError(
        f"No paragraph of the section with {cells[0].source.partition(chr(10))[0]!r} "
        f"begins with {words!r}, as the teacher's guide has it. Mend the guide."
    )


def _in_class(cells: list[NotebookNode], exercises: list[str]) -> list[NotebookNode]:
    """Return the cells of a section, of its exercises only those that are named."""
    kept, wanted = [], True
    for cell in cells:
        if heading := re.match(r"##+ (?:Exercise (\d+))?", cell.source):
            wanted = not (exercises and heading[1]) or heading[1] in exercises
        kept += [cell] * wanted
    return kept
