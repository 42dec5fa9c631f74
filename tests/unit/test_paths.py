"""The teacher's ways through a notebook: a tiny guide, and each lesson with its own."""

import re

import nbformat
import pytest
import tiny
from refresh import NOTEBOOKS

import helpers.handout.__main__ as command
from helpers.handout import paths
from helpers.handout.pages import title
from helpers.validation import SentenceError

GUIDE = """\
## 01 Mine

| Section | Title | Minutes | 45 | 90 |
|---|---|---|---|---|
| 1 | One | 10 | 20 | 20 |
| 2 | Two | 20 | 25 | |
| 3 | Exercises | 30 | | 70 |
| | Total | 60 | 45 | 90 |

In the 45-minute path, section 1 stops before *A second one*. Section 2 begins with \
*Later* and stops before *Last*. The 90-minute path has all of section 1, before *noon*. \
Its minutes for exercises are exercises 2 and 3.

| 2 | a table | of something | else |

## 02 Other
"""
CELLS = [
    tiny.prose("# 01 Mine"),
    tiny.code("import"),
    tiny.prose("## 1 One\n\nFirst.\n\n**A `second` one.** More."),
    tiny.code("one"),
    tiny.prose("## 2 Two\n\nAt first."),
    tiny.code("early"),
    tiny.prose("### Later\n\nThen."),
    tiny.code("later"),
    tiny.prose("So.\n\nLast."),
    tiny.prose("## 3 Exercises"),
    *(tiny.prose(f"### Exercise {number} · Find") for number in (1, 2, 3)),
    tiny.code("check"),
    tiny.prose("## Summary"),
]
WAYS = {
    45: [
        *("# 01 Mine", "import", "## 1 One\n\nFirst."),
        *("## 2 Two", "### Later\n\nThen.", "later", "So."),
    ],
    90: [
        *("# 01 Mine", "import", "## 1 One\n\nFirst.\n\n**A `second` one.** More."),
        *("one", "## 3 Exercises", "### Exercise 2 · Find", "### Exercise 3 · Find"),
        *("check", "## Summary"),
    ],
}


@pytest.fixture
def guide(tmp_path):
    path = tmp_path / "teaching.md"
    path.write_text(GUIDE, encoding="utf-8")
    return path


@pytest.mark.parametrize("minutes", WAYS)
def test_a_way_has_its_sections_as_far_as_the_guide_says(guide, minutes):
    made = paths.along(tiny.notebook(*CELLS), "01 Mine", guide, minutes)
    assert [cell.source for cell in made.cells] == WAYS[minutes]


def test_a_notebook_that_the_guide_does_not_know_gets_one_sentence(guide):
    said = "no table of minutes for {!r}. Leave out --path"
    for name, at in {
        "02 Other": guide,
        "03 New": guide,
        "01 Mine": guide / "no",
    }.items():
        with pytest.raises(SentenceError, match=said.format(name)):
            paths.along(tiny.notebook(*CELLS), name, at, 45)


def test_a_cut_that_is_not_in_the_notebook_is_named(guide):
    said = "'## 2 Two' begins with 'Last', as the teacher's guide has it"
    with pytest.raises(SentenceError, match=said):
        paths.along(tiny.notebook(*CELLS[:-7]), "01 Mine", guide, 45)


def test_a_file_says_its_minutes_and_links_to_others_of_its_way(guide, monkeypatch):
    linked = tiny.prose("# 01 Mine\n\n[next](02_b.ipynb)")
    mine = guide.with_name("01_mine.ipynb")
    nbformat.write(tiny.notebook(linked, *CELLS[1:]), mine)
    monkeypatch.setattr(command, "executed", lambda path: nbformat.read(path, 4))
    folder = guide.with_name("out")
    command.main([str(mine), "--path", "45", "--slides", "--to", str(folder)])
    html = (folder / "01_mine.45.slides.html").read_text(encoding="utf-8")
    assert 'href="02_b.45.slides.html"' in html
    assert ">later<" in html and ">early<" not in html


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.parametrize(("minutes", "column"), [(45, 3), (90, 4)])
def test_each_lesson_has_the_sections_of_its_table(path, minutes, column):
    notebook, guide = nbformat.read(path, 4), path.with_name("teaching.md")
    made = paths.along(notebook, title(notebook), guide, minutes)
    prose = "\n".join(cell.source for cell in made.cells if cell.cell_type != "code")
    part = (
        guide.read_text("utf-8").split(f"## {title(notebook)}\n")[1].split("\n## ")[0]
    )
    rows = [line.split("|") for line in re.findall(r"(?m)^\| \d+ \|.+", part)]
    wanted = [row[1].strip() for row in rows if row[column + 1].strip().isdigit()]
    assert re.findall(r"(?m)^## (\d+)", prose) == wanted


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_cut_of_the_guide_is_read(path):
    notebook, guide = nbformat.read(path, 4), path.with_name("teaching.md")
    told = [paths._told(title(notebook), guide, minutes) for minutes in (45, 90)]
    part = (
        guide.read_text("utf-8").split(f"## {title(notebook)}\n")[1].split("\n## ")[0]
    )
    found = sum(len(cuts) for _, cuts, _ in told)
    assert found == len(re.findall(r"before \*", part)) > 0
