"""What nbgrader gets: it hides the solutions, and counts the points."""

import csv
import os
import re
import subprocess
import sys

import nbformat
import pytest
from copied import (
    checked,
    code,
    environment,
    exercises_alone,
    official,
    ran,
    read,
    solved,
    tells,
)
from refresh import NOTEBOOKS

from helpers import copies

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
# What it needs beside the course's own packages.
NBGRADER = "nbgrader==0.9.6", "alembic", "Mako", "rapidfuzz", "sqlalchemy<3", "greenlet"
NBGRADER += ("notebook>=7.2,<8",)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with the copies of all notebooks."""
    folder = tmp_path_factory.mktemp("class") / "copies"
    copies.main([str(folder), "--nbgrader"])
    assert [path.name for path in folder.rglob("*.py")] == ["nbgrader_config.py"]
    return folder


@each
def test_nbgraders_notebook_has_an_answer_and_a_test_for_each_exercise(made, path):
    lesson = read(made / "nbgrader/source" / path.stem / path.name)
    about = [cell.metadata.get("nbgrader") for cell in lesson.cells]
    graded = [
        (cell, kind) for cell, kind in zip(lesson.cells, about, strict=True) if kind
    ]
    ids = [kind.grade_id for _, kind in graded]
    assert len({*ids}) == len(ids) == 2 * len(official(path))
    pairs = zip(graded[::2], graded[1::2], official(path).items(), strict=True)
    for (answer, asked), (test, counted), (name, right) in pairs:
        assert asked.solution and not asked.grade and not asked.locked
        assert counted.grade and counted.points == 1
        assert counted.locked and not counted.solution
        assert asked.schema_version == counted.schema_version == 3
        begin, end = "### BEGIN SOLUTION", "### END SOLUTION"
        assert answer.source == f"{name} = None\n{begin}\n{right}\n{end}"
        assert re.fullmatch(rf"checks\.\w+\({name}, must=True\)", test.source)
    student = read(made / "student" / path.name)
    asked = [cell.source for cell in student.cells if not checked(cell)]
    assert words(asked) == words(
        cell.source for cell, kind in zip(lesson.cells, about, strict=True) if not kind
    )
    nbformat.validate(lesson)


def words(sources):
    """Return texts without the links that are words where a lesson lies alone."""
    return [re.sub(r"\[([^]]+)\]\([^)]+\.ipynb\)", r"\1", one) for one in sources]


@pytest.fixture(scope="module")
def nbgrader(tmp_path_factory):
    """Return a function that runs a command of nbgrader in a folder."""
    home = tmp_path_factory.mktemp("nbgrader")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--target",
        home,
    ]
    done = subprocess.run(
        [*command, *NBGRADER], capture_output=True, check=False, timeout=300
    )
    if done.returncode:
        pytest.skip("needs nbgrader from the package index")
    own = environment(home) | {"MNIST_ROOT": "embedded"}
    own["PATH"] = f"{home / 'bin'}{os.pathsep}{own['PATH']}"  # it calls alembic

    def run(folder, *arguments):
        ran([sys.executable, "-m", "nbgrader", *arguments], folder, own, 300)

    return run


@pytest.mark.slow
def test_nbgrader_hides_the_solutions_and_counts_the_points(nbgrader, tmp_path):
    path, course = tmp_path / NOTEBOOKS[0].name, tmp_path / "made/nbgrader"
    nbformat.write(exercises_alone(read(NOTEBOOKS[0])), path)
    copies.write(tmp_path / "made", [path], nbgrader=True)
    nbgrader(course, "generate_assignment", path.stem, "--create")
    release = course / "release" / path.stem / path.name
    assert "SOLUTION" not in release.read_text("utf-8") and tells(release, path) == []
    for name in official(path):
        (cell,) = (c.source for c in code(release) if c.source.startswith(f"{name} = "))
        assert cell.startswith(f"{name} = None\n#") and "raise" not in cell
    some = {"answer_1": official(path)["answer_1"], "answer_2": "answer_2 = 24, 28, 16"}
    for who, answers in (("right", official(path)), ("wrong", some)):
        place = course / "submitted" / who / path.stem
        place.mkdir(parents=True)
        nbformat.write(solved(release, answers), place / path.name)
    nbgrader(course, "autograde", path.stem)
    nbgrader(course, "export")
    rows = csv.DictReader((course / "grades.csv").read_text("utf-8").splitlines())
    points = {
        row["student_id"]: (float(row["score"]), float(row["max_score"]))
        for row in rows
    }
    count = len(official(path))
    assert points == {"right": (count, count), "wrong": (1, count)}
    graded = course / "autograded/wrong" / path.stem / path.name
    said = [
        out.evalue for cell in code(graded) for out in cell.outputs if "evalue" in out
    ]
    assert said[0].startswith("✗ Not yet: ")
    assert [one.startswith("… Nothing to check yet") for one in said[1:]] == [True] * (
        count - 2
    )
