"""How long a notebook takes a reader who is alone: `python tests/tools/minutes.py
[--write]`.

Counted are words, lines of code, predictions, benches and exercises, each with the time
that two readers needed for one. With `--write` the notebooks, the README and the
teacher's guide say it; the columns 45 and 90 of the guide are set by hand.
"""

import re
import sys
from functools import cache
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from refresh import NAVIGATION, NOTEBOOKS, ROOT

WORD, LINE = 1 / 130, 10 / 60  # minutes
PREDICTION, BENCH, EXERCISE = 1, 5, 4
GUIDE, README = ROOT / "notebooks" / "teaching.md", ROOT / "README.md"
HEADING = re.compile(r"^## (\d+ .+)$", re.MULTILINE)
STATED = re.compile(r"(\*\*Time:\*\* )\d+ minutes, or \d+ without")


@cache
def minutes(path: Path) -> dict[str, int]:
    """Return the minutes of each numbered section of a notebook, by its heading.

    The opening counts with the first section, summary and glossary with the last one.
    """
    found, now = {}, None
    for cell in nbformat.read(path, 4).cells:
        if NAVIGATION in cell.metadata.get("tags", []):
            continue
        heading = HEADING.search(cell.source)
        if heading and cell.cell_type == "markdown":
            opening = 0 if now else found.pop(None, 0)
            now = heading[1]
            found[now] = opening
        found[now] = found.get(now, 0) + _needs(cell, now)
    return {name: round(needed) for name, needed in found.items()}


def _needs(cell: NotebookNode, section: str | None) -> float:
    exercises = (section or "").endswith(" Exercises")
    if cell.cell_type == "markdown":
        if re.match("### Exercise ", cell.source):
            return EXERCISE
        seen = re.sub(r"(?s)<!--.*?-->", "", cell.source)
        return WORD * len(re.findall(r"\w+", seen))
    if exercises:
        return 0  # the line of an answer and its checker belong to the exercise
    lines = [line for line in cell.source.splitlines() if line.strip()]
    shown = any("bench" in one.get("metadata", {}) for one in cell.outputs)
    predictions = cell.source.count("predict(guess")
    return LINE * len(lines) + PREDICTION * predictions + BENCH * shown


def whole(path: Path) -> tuple[int, int]:
    """Return the minutes of a notebook, with the exercises and without."""
    found = minutes(path)
    without = sum(x for name, x in found.items() if not name.endswith(" Exercises"))
    return sum(found.values()), without


def stated(text: str, path: Path) -> str:
    """Return the text of a notebook with its own minutes in its opening."""
    with_exercises, without = whole(path)
    return STATED.sub(rf"\g<1>{with_exercises} minutes, or {without} without", text)


def guided(text: str) -> str:
    """Return the text of the teacher's guide with the minutes in its tables."""
    for path in NOTEBOOKS:
        found, (total, without) = minutes(path), whole(path)
        link = re.escape(f"({path.name})")
        text = re.sub(
            rf"(?m)^(\| \[.*{link} \| .* \|) \d* \| \d* \|$",
            rf"\g<1> {total} | {without} |",
            text,
        )
        start = text.index(f"## {_title(path)}\n")
        end = text.find("\n## ", start) % (len(text) + 1)
        part = text[start:end]
        for name, needed in found.items():
            row = re.escape("| {} | {} |".format(*name.split(" ", 1)))
            part = re.sub(rf"(?m)^({row}) *\d* *\|", rf"\g<1> {needed} |", part)
        part = re.sub(r"(?m)^(\| +\| Total \|) *\d* *\|", rf"\g<1> {total} |", part)
        text = text[:start] + part + text[end:]
    return text


def _title(path: Path) -> str:
    return re.search(r"(?m)^# (.+)$", nbformat.read(path, 4).cells[1].source)[1]


def listed(text: str) -> str:
    """Return the README with the minutes in its table of notebooks."""
    for path in NOTEBOOKS:
        row = re.escape(f"(notebooks/{path.name})")
        said = rf"\g<1> {whole(path)[0]} min |"
        text = re.sub(rf"(?m)^(\| \[.*{row} \| .* \|) \d* min \|$", said, text)
    return text


def written() -> dict[Path, str]:
    """Return by path the texts of all files that state minutes, with the right ones."""
    texts = {path: stated(path.read_text(encoding="utf-8"), path) for path in NOTEBOOKS}
    texts[GUIDE] = guided(GUIDE.read_text(encoding="utf-8"))
    return texts | {README: listed(README.read_text(encoding="utf-8"))}


if __name__ == "__main__":
    for path in NOTEBOOKS:
        print(f"{path.stem}: {'{} minutes, {} without exercises'.format(*whole(path))}")
        for section, needed in minutes(path).items():
            print(f"  {needed:3} {section}")
    if "--write" in sys.argv:
        for path, text in written().items():
            path.write_text(text, encoding="utf-8")
