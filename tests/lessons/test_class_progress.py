"""The table of a class of thirty: from notes, and from notebooks that are run."""

import ast
import csv
import json
import os
import subprocess
import sys

import nbformat
import pytest
from exercising import everywhere, solved
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from refresh import NOTEBOOKS, ROOT

from helpers.handout import executed
from helpers.progress.__main__ import RISK
from helpers.progress.classes import LEGEND

SET_UP = everywhere(nbformat.read(NOTEBOOKS[0], 4).cells[2].source)
SET_UP = SET_UP.partition("from helpers.widgets")[0]  # no exercise needs a bench
SOLVED = [(name, variable, code) for _, name, variable, code in solved(NOTEBOOKS[0])]
NAMES = [name for name, *_ in SOLVED]
ALL, NONE, GONE = "✓✓✓✓✓✓✓✓", "········", "––––––––"
SECONDS, MEGABYTES = 21, 1200

LOOP = "import time\nwhile True:\n    time.sleep(1)"
SWALLOWING = "import time\nwhile True:\n    try:\n        time.sleep(99)\n    except KeyboardInterrupt:\n        again = True"
GULP = "all_at_once = bytearray(2 * 10**9)"
# Shared memory, which no limit of a process counts: only who watches the kernel sees it.
GROWTH = "import mmap\nkept = []\nwhile True:\n    kept.append(mmap.mmap(-1, 10**7))\n    kept[-1].write(bytes(10**7))"
RIGHT_GUESS, WRONG_GUESS = "predict(5, 2 + 3)", "predict(4, 1 + 3 * 1 + 3)"


def notes(marks, predictions="", **other):
    """Return the text of a file of notes with these marks; a digit is a wrong one's tries."""

    def entry(mark):
        right, tries = mark in "✓+", int(mark) if mark.isdigit() else "·✓+".find(mark)
        when = "2026-12-01 09:00" if tries else ""
        known = {"tries": tries, "right": right, "first": mark == "✓", "when": when}
        return known | {"last": "So." if tries else "", "seen": ["0a"] * tries}

    exercises = {
        f"{n} {name}": entry(mark)
        for n, (name, mark) in enumerate(zip(NAMES, marks, strict=True), 1)
        if mark != "–"
    }
    asked = {f"answer + {n}": entry(mark) for n, mark in enumerate(predictions)}
    made = {"lesson": "01", "count": 8, "exercises": exercises, "predictions": asked}
    return json.dumps(made | other, ensure_ascii=False, indent=1)


def notebook(*cells, answers=(), without=(), **metadata):
    """Return the text of a notebook with the official solutions, or other answers, and
    cells after them; `outputs` are what an earlier run is said to have shown.
    """
    sources = [SET_UP]
    for name, variable, solution in SOLVED:
        answer = dict(answers).get(name, solution)
        if name not in without:
            sources += [f"{variable} = None\n{answer}\nchecks.{name}({variable})"]
    made = new_notebook(
        cells=[new_code_cell(source) for source in [*sources, *cells]],
        metadata=metadata,
    )
    if metadata:
        for cell in made.cells:
            shown = nbformat.v4.new_output("stream", text="✓ Right: all of it.\n")
            cell.outputs, cell.execution_count = [shown], 7
    return nbformat.writes(made)


FOREIGN = {"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}}
# By file: its text, and what the table says of it: marks, predictions, a part of the remark.
NOTED = {
    f"s{number:02}/progress_01.json": (notes(marks, guesses), marks.replace("+", "✓"), counts, "")
    for number, (marks, guesses, counts) in enumerate(
        [
            (ALL, "✓✓✓", "3/3/3"),
            ("+✓✓✓✓✓✓✓", "✓+1·", "1/3/4"),
            ("✓✓✓3✓✓✓✓", "2··", "0/1/3"),
            (NONE, "··", "0/0/2"),
            (GONE, "", "0/0/0"),
            ("✓✓–✓✓––✓", "✓", "1/1/1"),
            ("9·······", "", "0/0/0"),
            ("·✓·✓·✓·✓", "", "0/0/0"),
            ("12345678", "", "0/0/0"),
            ("✓·–1✓·–1", "✓✓··", "2/2/4"),
            (ALL, "·", "0/0/1"),
        ]
    )
}  # fmt: skip
ODD = {
    "ada/work/of/mine/progress_01.json": (notes(ALL), ALL, "0/0/0", ""),
    "José Müller/progress_01.json": (notes("1✓✓✓✓✓✓✓"), "1✓✓✓✓✓✓✓", "0/0/0", ""),
    "王 小明/progress_01.json": (notes(ALL, "✓"), ALL, "1/1/1", ""),
    "flat_progress_01.json": (notes(NONE), NONE, "0/0/0", ""),
    "blank/progress_01.json": ("", "", "", "does not hold the notes"),
    "broken/progress_01.json": (notes(ALL)[:90], "", "", "does not hold the notes"),
    "foreign/progress_01.json": ("[[1], 2]", "", "", "does not hold the notes"),
    "other/progress_01.json": (notes(ALL, lesson="02"), "", "", "does not hold the"),
    "edited/progress_01.json": (
        notes(ALL).replace('"tries": 1', '"tries": "many"'),
        "", "", "does not hold the notes",
    ),
    "I was ill.txt": ("Sorry.", "", "", "no notes, no notebook"),
}  # fmt: skip
RUN = {
    "right.ipynb": (notebook(RIGHT_GUESS, WRONG_GUESS, "progress.off()"), ALL, "1/2/2", ""),
    "wrong/mine 01.ipynb": (
        notebook(answers={NAMES[0]: "answer_1 = 10", NAMES[1]: "", NAMES[2]: "1 / 0"}),
        "1·–✓✓✓✓✓", "0/0/0", "",
    ),
    "deleted/a.ipynb": (notebook(without=NAMES[1:3], **FOREIGN), "✓––✓✓✓✓✓", "0/0/0", ""),
    "loop/a.ipynb": (
        notebook(GULP, RIGHT_GUESS, answers={NAMES[4]: LOOP}), "✓✓✓✓–✓✓✓", "1/1/1",
        "a.ipynb: KeyboardInterrupt in cell 6; MemoryError in cell 10",
    ),
    "swallowing/a.ipynb": (notebook(SWALLOWING, without=NAMES[:7]), "–––––––✓", "0/0/0", f"after {SECONDS} s"),
    "growth/a.ipynb": (notebook(GROWTH), ALL, "0/0/0", " MB"),
    "gone/a.ipynb": (nbformat.writes(new_notebook(cells=[new_code_cell("1 + 1")])), "", "", "a.ipynb"),
    "ended.ipynb": (notebook("import os\nos._exit(1)", without=NAMES[:6]), "––––––✓✓", "0/0/0", "kernel ended"),
    "void.ipynb": ("", "", "", "cannot be read as one"),
}  # fmt: skip
CLASS = NOTED | ODD | RUN


def who(file):
    """Return the student whose file this is."""
    first, *rest = file.split("/")
    return first if rest else first.removesuffix("_progress_01.json").partition(".")[0]


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def table(folder, *arguments):
    """Return what the command prints, what it says beside, and its rows by student."""
    target = folder.parent / "class.csv"
    command = [
        sys.executable,
        "-m",
        "helpers.progress",
        folder,
        "--csv",
        target,
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    head, *rows = csv.reader(target.open(encoding="utf-8-sig", newline=""))
    return (
        done.stdout,
        done.stderr,
        {row[0]: dict(zip(head, row, strict=True)) for row in rows},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("class") / "1b"
    for file, (text, *_) in CLASS.items():
        (made / file).parent.mkdir(parents=True, exist_ok=True)
        (made / file).write_text(text, encoding="utf-8")
    for name in ("helpers", "exercises"):  # must not be what judges
        (made / "deleted" / name).mkdir()
        (made / "deleted" / name / "__init__.py").write_text("1 / 0")
    (made / "last week.csv").write_text("student,lesson")
    return made


@pytest.fixture(scope="module")
def ran(folder):
    before = contents(folder)
    printed = table(folder, "--run", f"--seconds={SECONDS}", f"--memory={MEGABYTES}")
    assert contents(folder) == before  # nobody's file is changed
    return printed


@pytest.mark.parametrize("file", CLASS)
def test_the_table_says_of_each_student_what_is_so(ran, file):
    _, marks, predictions, remark = CLASS[file]
    row = ran[2][who(file)]
    found = [row[str(number)] for number in range(1, 9)]
    assert found == ([f"✗{one}" if one.isdigit() else one for one in marks] or [""] * 8)
    assert row["lesson"] == ("01" if marks else "?")
    assert row["predictions"] == predictions
    assert remark in row["remark"] and bool(remark) == bool(row["remark"])


def test_all_thirty_are_there_once_in_text_too_with_a_legend(ran):
    text, beside, rows = ran
    head, *lines = text.partition("\n\n")[0].splitlines()
    assert len(CLASS) == len(rows) == len(lines) == 30
    assert head.split() == ["student", "lesson", *"12345678", "predictions", "remark"]
    assert {*map(who, CLASS)} == {line.partition("  ")[0] for line in lines}
    assert all(sign in text.partition("\n\n")[2] for sign in "✓✗·–")
    assert beside.strip() == RISK and "Traceback" not in text


def test_the_guide_shows_the_table_as_it_is(ran):
    guide = (ROOT / "notebooks" / "teaching.md").read_text(encoding="utf-8")
    head, *_ = ran[0].splitlines()
    assert " ".join(head.split()) in " ".join(guide.split())
    assert LEGEND in guide and LEGEND in ran[0]


def test_without_run_no_code_is_run_and_those_notebooks_are_named(folder):
    _, beside, rows = table(folder)
    for file in RUN:
        assert rows[who(file)]["remark"] == "no notes; --run runs its notebook"
    assert rows["ada"]["1"] == "✓" and not beside


CELLS = [SET_UP, f"checks.{NAMES[0]}(10)", "predict(5, 2 + 3)", f"checks.{NAMES[1]}()"]


def attended(folder, *cells, switch=""):
    """Run cells in a kernel that works in a folder, and return the files in it."""
    made = new_notebook(cells=[new_code_cell(source) for source in cells])
    where = {"metadata": {"path": str(folder)}}
    env = os.environ | {"CONVNETS_PROGRESS": switch}
    NotebookClient(made, kernel_name="python3", resources=where).execute(env=env)
    return made, contents(folder)


def test_a_kernel_writes_beside_its_notebook_and_counts_nothing_twice(tmp_path):
    _, first = attended(tmp_path, *CELLS)
    (path,) = first
    assert path.name == "progress_01.json"
    noted = json.loads(path.read_text(encoding="utf-8"))
    assert [one["tries"] for one in noted["exercises"].values()] == [1, 0]
    assert noted["predictions"]["2 + 3"]["first"] is True
    assert attended(tmp_path, *CELLS)[1] == first


@pytest.mark.parametrize("switch", ["Off", ""])
def test_one_line_or_the_environment_leaves_no_file_and_the_table_shows_all(
    tmp_path, switch
):
    line = [] if switch else ["from helpers import progress\nprogress.off()"]
    made, files = attended(
        tmp_path,
        SET_UP,
        *line,
        *CELLS[1:],
        "from helpers import progress\nprogress.table()",
        switch=switch,
    )
    assert files == {}
    (shown,) = made.cells[-1].outputs
    assert "✗ Not yet" in shown.data["text/plain"]
    assert "1 asked, 1 tried, 1 right" in shown.data["text/plain"]


def test_a_notebook_that_is_run_for_a_page_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setenv("CONVNETS_PROGRESS", "")
    path = tmp_path / "mine.ipynb"
    cells = [new_code_cell(source) for source in CELLS]
    nbformat.write(new_notebook(cells=cells), path)
    assert executed(path).cells[1].outputs and [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_exercises_stand_in_the_order_of_their_notebook(path):
    file = path.parent / "exercises" / f"lesson_{path.name[:2]}.py"
    parts = ast.parse(file.read_text(encoding="utf-8")).body
    made = [
        p.name for p in parts if isinstance(p, ast.FunctionDef) and p.decorator_list
    ]
    assert made == [name for _, name, *_ in solved(path)]
