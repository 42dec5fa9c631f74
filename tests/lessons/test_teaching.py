"""The teacher's guide fits the notebooks: their sections and minutes, what cells print
and checkers say, and links.
"""

import re

import minutes
import nbformat
import pytest
from refresh import NOTEBOOKS, ROOT

GUIDE = ROOT / "notebooks" / "teaching.md"
TEXT = GUIDE.read_text(encoding="utf-8")
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def prose(path):
    return "\n".join(
        cell.source
        for cell in nbformat.read(path, 4).cells
        if cell.cell_type == "markdown"
    )


def rows(path, columns):
    """Return the rows of the table with these columns in the guide's section on a
    notebook.
    """
    title = re.escape(re.search(r"^# (.+)$", prose(path), re.M)[1])
    part = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)[1]
    table = re.search(
        rf"^\| {re.escape(columns)} \|\n\|[-|]+\n((?:\|.*\n)+)", part, re.M
    )[1]
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()
    ]


def printed(path, section):
    now, found = "0", ""
    for cell in nbformat.read(path, 4).cells:
        now = (re.findall(r"^## (\d+) ", cell.source, re.M) or [now])[-1]
        for output in cell.get("outputs", []) if now == section else []:
            data = output.get("data", {})
            found += output.get("text") or data.get("text/plain", "")
            if "prediction" in output.get("metadata", {}).get("text/html", {}):
                found += data["text/html"]  # the answer is in its fold
    return found


@each
def test_sections_and_paths_are_the_notebooks(path):
    *table, total = rows(path, "Section | Title | Minutes | 45 | 90")
    assert [" ".join(row[:2]) for row in table] == [*minutes.minutes(path)]
    short, long = ([int(row[column] or 0) for row in table] for column in (3, 4))
    assert [sum(short), sum(long)] == [45, 90] == [*map(int, total[3:])]
    assert 45 in (sum(long[:n]) for n in range(len(long))), (
        "the long path does not fall into two lessons"
    )


def test_all_minutes_are_those_that_the_tool_counts():
    stale = [
        path.name
        for path, text in minutes.written().items()
        if text != path.read_text(encoding="utf-8")
    ]
    assert stale == [], "run: python tests/tools/minutes.py --write"
    for path in NOTEBOOKS:
        total, without = minutes.whole(path)
        assert f"**Time:** {total} minutes, or {without} without" in prose(path)
        assert f"| {total} | {without} |" in TEXT
        assert rows(path, "Section | Title | Minutes | 45 | 90")[-1][2] == str(total)


def stated(answer, shown):
    """Tell whether what a section shows holds an answer of the guide as a word of its
    own; "about 73 %" is a percentage that rounds to it.
    """
    if about := re.fullmatch(r"about (\d+) %", answer):
        shares = re.findall(r"(?<![\d.])(\d+(?:\.\d+)?)%", shown)
        return int(about[1]) in [round(float(share)) for share in shares]
    assert answer[0] == answer[-1] == "`", answer
    word = re.escape(answer.strip("`"))
    return re.search(rf"(?<![\w.,]){word}(?![\w,]|\.\d)", shown)


@each
def test_each_answer_is_what_its_section_shows(path):
    table = rows(path, "Ask | Answer | Wrong answers, and what each reveals | Section")
    assert not [
        answer
        for _, answer, _, section in table
        if not stated(answer, printed(path, section))
    ]


@each
def test_each_exercise_has_a_row(path):
    exercises = rows(
        path, "Exercise | Trains | Typical wrong answer | What the checker says"
    )
    assert [row[0] for row in exercises] == re.findall(
        r"^### Exercise (\d+)", prose(path), re.M
    )


def test_every_link_resolves():
    slugs = {
        re.sub(r"[^\w -]", "", name).replace(" ", "-").lower()
        for name in re.findall(r"^#+ (.+)$", TEXT, re.M)
    }
    for file, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", TEXT):
        assert (GUIDE.parent / file).exists() and anchor in slugs | {""}, file + anchor
