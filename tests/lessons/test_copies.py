"""The copies for a class: the students' tell no answer in any form and still run, the
teacher's tell all.
"""

import json
import math
import re
import sys
from fractions import Fraction

import nbformat
import pytest
import tiny
from bs4 import BeautifulSoup
from copied import (
    code,
    environment,
    exercises,
    exercises_alone,
    official,
    prose,
    ran,
    read,
    solved,
    tells,
)
from refresh import NOTEBOOKS, ROOT
from test_notebooks import forms, untouched
from torch import nn

from helpers import copies
from helpers.widgets.layer_bench import LayerBench

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
HOME = ROOT / "notebooks"
HEADING = re.compile(r"^#+ .+", re.MULTILINE)
# Later paragraphs that go on from an earlier result, in the text alone, long after the
# question was settled: what follows there cannot be read without it.
GOES_ON = {
    ("03_building_a_convnet", "400"),  # the volume that a wrong in_features meets
    ("05_training_on_mnist", "2.30"),  # the loss of a network that guesses
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with the copies of all notebooks."""
    before = {path: path.read_bytes() for path in HOME.rglob("*") if path.is_file()}
    folder = tmp_path_factory.mktemp("class") / "copies"
    copies.main([str(folder)])
    after = {path: path.read_bytes() for path in HOME.rglob("*") if path.is_file()}
    assert before == after, "the originals have changed"
    assert [*folder.parent.iterdir()] == [folder]
    return folder


def folds(text):
    """Return by summary what is folded in a text, as a browser would find it."""
    found = BeautifulSoup(text, "html.parser").find_all("details")
    return [(one.summary.text, one.get_text()) for one in found]


@each
def test_a_students_copy_tells_no_solution(made, path):
    copy = made / "student" / path.name
    assert tells(copy, path) == []
    text = "\n".join(prose(copy))
    assert {summary for summary, _ in folds(text)} == {"Hint"}
    assert (
        text.count("<details>") == text.count("</details>") == len([*exercises(path)])
    )
    hidden = [
        said for summary, said in folds("\n".join(prose(path))) if summary != "Hint"
    ]
    assert hidden and not [said for said in hidden if said.strip() in text]


def numbers(answer):
    """Return the forms of an answer; with commas, as a share in percent, and as a
    fraction as well.
    """
    found = forms(answer)
    if answer.isdecimal():
        return found | {f"{int(answer):,}"}
    if re.fullmatch(r"0\.\d\d+", answer):
        fraction = Fraction(answer).limit_denominator(12)
        found |= {f"{float(answer):.0%}".replace("%", " %")}
        near = math.isclose(fraction, float(answer), rel_tol=1e-4)
        found |= {str(fraction)} if near else set()
    return found


def told(forms, text):
    """Return which of some forms of an answer a text has."""
    alone = r"(?<![\w.,]){}(?!\w|[.,]\d)"
    return {one for one in forms if re.search(alone.format(re.escape(one)), text)}


def below(cells, place):
    """Yield the paragraphs below a cell, up to a heading, a new matter or a question."""
    for cell in cells[place + 1 :]:
        for part in cell.source.split("\n\n") if cell.cell_type == "markdown" else []:
            if re.match(r"#|\*\*", part) or "**Predict" in part:
                return
            yield part


@each
def test_a_students_copy_tells_no_prediction(made, path):
    cells = read(made / "student" / path.name).cells
    places = {cell.id: place for place, cell in enumerate(cells)}
    parts = [
        part
        for text in prose(made / "student" / path.name)
        for part in text.split("\n\n")
    ]
    statements = [part for part in parts if not re.search(r"\*\*[Pp]redict", part)]
    asked = [(cell, answer) for cell in code(path) for answer in untouched(cell)[0]]
    assert len(asked) > 10
    for cell, answer in asked:
        near = [*below(cells, places[cell.id])]
        assert not [part for part in near if told(numbers(answer), part)], answer
        # Words are names of things, and a short number stands everywhere.
        long = [one for one in numbers(answer) if re.search(r"\d\D*\d\D*\d| %|/", one)]
        for part in statements:
            assert {(path.stem, form) for form in told(long, part)} <= GOES_ON, part


@each
def test_a_students_copy_has_every_cell_heading_and_question(made, path):
    copy = made / "student" / path.name
    assert [cell.source for cell in code(copy)] == [cell.source for cell in code(path)]
    assert [cell.id for cell in code(copy)] == [cell.id for cell in code(path)]
    first, *texts = prose(copy)
    assert first == copies.NOTE and copies.NOTE not in "\n".join(texts)
    assert HEADING.findall("\n".join(texts)) == HEADING.findall("\n".join(prose(path)))
    for part in (part for text in prose(path) for part in text.split("\n\n")):
        if re.search(r"\*\*[Pp]redict|<summary>Hint", part):
            assert part.partition("\n<details><summary>Sol")[0] in "\n".join(texts)
    nbformat.validate(read(copy))


@each
def test_a_students_copy_shows_nothing_that_was_run(made, path):
    copy = read(made / "student" / path.name)
    for cell in copy.cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None
        assert set(cell.metadata) <= {"slideshow", "tags"}
    assert set(copy.metadata) == {"kernelspec", "language_info"}


@each
def test_the_teachers_copy_has_all_as_it_is_stored(made, path):
    copy, original = read(made / "teacher" / path.name), read(path)
    course = "[The course](../README.md)"
    for cell in original.cells:
        cell.source = cell.source.replace(course, "The course")
    assert copy == original


def test_links_and_pictures_lead_somewhere(made):
    for folder in (made / "student", made / "teacher"):
        texts = [text for path in folder.glob("*.ipynb") for text in prose(path)]
        texts += [guide.read_text("utf-8") for guide in folder.glob("*.md")]
        links = re.findall(r"\]\(((?!https://|#)[^)#]*)", "\n".join(texts))
        assert len(links) > 20
        assert [link for link in links if not (folder / link).is_file()] == []
    assert [path.name for path in made.rglob("*.md")] == ["teaching.md"]
    assert not [*made.rglob("*.py")]


def test_a_picture_goes_along_and_a_link_to_nowhere_becomes_words(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.png").write_bytes(b"a picture")
    links = (
        "![a](images/a.png) [b](images/b.png) [c](lesson_01.py) [d](#d) [e](https://e)"
    )
    nbformat.write(tiny.notebook(tiny.prose(links)), tmp_path / "own.ipynb")
    copies.write(tmp_path / "made", [tmp_path / "own.ipynb"])
    for who in ("student", "teacher"):
        assert (tmp_path / "made" / who / "images/a.png").read_bytes() == b"a picture"
        text = prose(tmp_path / "made" / who / "own.ipynb")[-1]
        assert text == "![a](images/a.png) b c [d](#d) [e](https://e)"


def test_a_students_copy_has_no_state_of_widgets():
    lesson = tiny.live(LayerBench(nn.MaxPool2d(2)))
    assert lesson.metadata.widgets
    assert "widgets" not in copies.student(lesson).metadata


def put(folder, name, *cells):
    nbformat.write(tiny.notebook(*cells), folder / name)
    return str(folder / name)


UNFIT = {
    "is not empty": lambda folder: [str(folder)],
    "is no notebook": lambda folder: [str(folder / "new"), str(folder / "gone.ipynb")],
    "cannot be read as one": lambda folder: [
        str(folder / "new"),
        str(folder / "broken.ipynb"),
    ],
    "cannot be written": lambda folder: [
        str(folder / "broken.ipynb"),
        str(NOTEBOOKS[0]),
    ],
    "cannot be written (Not": lambda folder: [
        str(folder / "broken.ipynb" / "new"),
        str(NOTEBOOKS[0]),
    ],
    "or was not run": lambda folder: [
        str(folder / "new"),
        put(folder, "run.ipynb", tiny.code("guess = None\npredict(guess, 9)")),
    ],
    "is filled in": lambda folder: [
        str(folder / "new"),
        put(
            folder,
            "full.ipynb",
            tiny.code("guess = 9\npredict(guess, 9)", tiny.prediction()),
        ),
    ],
    "is filled in, or": lambda folder: [
        str(folder / "new"),
        put(folder, "solved.ipynb", tiny.code("answer_1 = 20\nchecks.one(answer_1)")),
    ],
}


@pytest.mark.parametrize("words", UNFIT)
def test_what_cannot_be_copied_gets_a_sentence_and_leaves_nothing(words, tmp_path):
    (tmp_path / "broken.ipynb").write_text("{}", "utf-8")
    asked = UNFIT[words](tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit) as ended:
        copies.main(asked)
    assert words in ended.value.code and "\n" not in ended.value.code
    assert sorted(tmp_path.rglob("*")) == before


def test_what_stops_half_way_leaves_nothing(tmp_path, monkeypatch):
    kept, left = nbformat.write, iter(range(3))

    def full(*given):
        if next(left, None) is None:
            raise OSError(28, "No space left on device")
        kept(*given)

    monkeypatch.setattr(nbformat, "write", full)
    with pytest.raises(SystemExit, match="No space left on device"):
        copies.main([str(tmp_path / "new"), *map(str, NOTEBOOKS[:2])])
    assert next(left, None) is None and [*tmp_path.iterdir()] == []


def test_a_notebook_of_an_older_jupyter_is_copied_too(tmp_path):
    path, asks = (
        tmp_path / "old.ipynb",
        tiny.code("predict(guess, 9)", tiny.prediction()),
    )
    exercise = tiny.code("answer_1 = None\nchecks.one(answer_1)")
    cells = asks, tiny.prose("Nine.\n\n### Next"), exercise
    lesson = tiny.notebook(*cells)
    lesson.nbformat_minor = 4
    for cell in lesson.cells:
        del cell["id"]
    nbformat.write(lesson, path)
    copies.write(tmp_path / "made", [path], nbgrader=True)
    assert prose(tmp_path / "made/student/old.ipynb") == [copies.NOTE, "### Next"]
    assert len(code(tmp_path / "made/nbgrader/source/old/old.ipynb")) == 3


def test_the_folder_of_the_originals_is_refused():
    with pytest.raises(SystemExit, match="is not empty"):
        copies.main([str(HOME)])


@pytest.mark.slow
def test_students_copies_with_the_solutions_run_and_are_right(made, tmp_path):
    for path in NOTEBOOKS:
        lesson = solved(made / "student" / path.name, official(path))
        if path.name[:2] in ("05", "06"):  # where training takes minutes
            lesson = exercises_alone(lesson)
        nbformat.write(lesson, tmp_path / path.name)
    program = [sys.executable, ROOT / "tests/tools/verdicts.py"]
    own = environment() | {"MNIST_ROOT": "embedded"}
    printed = ran([*program, *sorted(tmp_path.iterdir())], tmp_path, own, 600)
    verdicts = json.loads(printed.splitlines()[-1])
    for path in NOTEBOOKS:
        said = verdicts[path.stem]
        assert len(said) == len([*exercises(path)])
        assert not [one for one in said if not one.startswith("✓ Right: ")]
