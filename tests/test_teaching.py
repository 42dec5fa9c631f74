"""The teacher's guide fits the notebooks: their sections and minutes, what their cells print, what checkers say."""

import re

import nbformat
import pytest
from refresh import NOTEBOOKS, ROOT

GUIDE = ROOT / "notebooks" / "teaching.md"
GUIDE_TEXT = GUIDE.read_text(encoding="utf-8")
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def prose(path):
    return "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown")


def rows(path, columns):
    """Return the numbered rows of the table with these columns in the guide's section on a notebook."""
    title = re.search(r"^# (.+)$", prose(path), re.MULTILINE)[1]
    part = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", GUIDE_TEXT, re.MULTILINE | re.DOTALL)[1]
    table = re.search(rf"^\| {re.escape(columns)} \|\n\|[-|]+\n((?:\|.*\n)+)", part, re.MULTILINE)[1]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def printed(path):
    """Return what the cells of each numbered section print, as one text a section."""
    section, found = "0", {}
    for cell in nbformat.read(path, 4).cells:
        section = (re.findall(r"^## (\d+) ", cell.source, re.MULTILINE) or [section])[-1]
        for output in cell.get("outputs", []):
            shown = output.get("text") or output.get("data", {}).get("text/plain", "")
            found[section] = found.get(section, "") + shown + "\n"
    return found


@each
def test_sections_and_minutes_are_the_notebooks(path):
    *table, total = rows(path, "Section | Title | Minutes | 45 | 90")
    assert [" ".join(row[:2]) for row in table] == re.findall(r"^## (\d+ .+)$", prose(path), re.MULTILINE)
    stated = re.search(r"\*\*Time:\*\* (\d+) minutes, or (\d+) without", prose(path))
    alone, short, long = ([int(row[column] or 0) for row in table] for column in (2, 3, 4))
    exercises = next(minutes for row, minutes in zip(table, alone, strict=True) if row[1] == "Exercises")
    assert total[2:] == [stated[1], "45", "90"] and [sum(alone), sum(short), sum(long)] == [int(stated[1]), 45, 90]
    assert sum(alone) - exercises == int(stated[2])
    assert any(sum(long[:n]) == 45 for n in range(len(long))), "the long path does not fall into two lessons"


@each
def test_answers_are_printed_and_checkers_say_what_is_quoted(path):
    questions = rows(path, "Ask | Answer | Wrong answers, and what each reveals | Section")
    missing = [row[1] for row in questions if "`" in row[1] and row[1].strip("`") not in printed(path)[row[3]]]
    assert 4 <= len(questions) <= 7 and not missing
    exercises = rows(path, "Exercise | Trains | Typical wrong answer | What the checker says")
    code = (ROOT / "helpers" / "checks.py").read_text(encoding="utf-8")
    assert [row[0] for row in exercises] == re.findall(r"^### Exercise (\d+)", prose(path), re.MULTILINE)
    assert not [said for row in exercises for said in re.findall("“(.+?)”", row[3]) if said not in code]


def test_every_link_resolves():
    names = re.findall(r"^#+ (.+)$", GUIDE_TEXT, re.MULTILINE)
    headings = {re.sub(r"[^\w -]", "", name).replace(" ", "-").lower() for name in names}
    for target in re.findall(r"\]\(([^)]+)\)", GUIDE_TEXT):
        file, _, anchor = target.partition("#")
        assert (GUIDE.parent / file).exists() and (not anchor or anchor in headings), target
