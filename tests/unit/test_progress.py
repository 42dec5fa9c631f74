"""What checkers and predictions note, the file that keeps it, and its table."""

import json
import linecache
import os
import subprocess
import sys
import types

import pytest
import torch
from exercising import said

from helpers.checking import exercise, expect_same
from helpers.predictions import predict
from helpers.progress import notes, off, table
from helpers.progress.__main__ import main
from helpers.validation import SentenceError

LESSON = """
@exercise("two.")
def two(answer):
    expect_same(answer, 2, otherwise="no.")

@exercise("three.")
def three(answer):
    expect_same(answer, 3)

@exercise("a double.", of="number")
def double(answer):
    answer.agrees(lambda number: 2 * number, [(3,)], "no.")
"""


def lesson(number="42"):
    """Return a module of checkers, as the kernel of a lesson imports it."""
    made = types.ModuleType(f"exercises.lesson_{number}")
    made.exercise, made.expect_same = exercise, expect_same
    exec(LESSON, vars(made))
    return made


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """Return how to begin a kernel that works in the test's folder."""

    def begin(folder=tmp_path, on=True):
        monkeypatch.setattr(notes, "KERNEL", notes.Notes(folder, on))
        return lesson()

    return begin


@pytest.fixture
def path(tmp_path):
    return tmp_path / "progress_42.json"


def exercises(path):
    return json.loads(path.read_text(encoding="utf-8"))["exercises"]


def entry(path, name="1 two"):
    return exercises(path)[name]


def cell(source, name="<cell>", **names):
    """Run the source of a cell as a kernel does: its lines can be read."""
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    exec(compile(source, name, "exec"), {"predict": predict} | names)


def predictions(path):
    return json.loads(path.read_text(encoding="utf-8"))["predictions"]


def test_tries_are_counted_when_they_are_new(kernel, path):
    checks = kernel()
    for answer in (5, 6, 5, 6):  # the same hint, and another answer
        checks.two(answer)
    assert (entry(path)["tries"], entry(path)["right"]) == (2, False)
    assert entry(path)["last"] == "✗ Not yet: no."
    checks.two(2)
    found = entry(path)
    assert (found["tries"], found["right"], found["first"]) == (3, True, False)
    checks.three(3)
    assert entry(path, "2 three")["first"] is True


def test_what_was_right_stays_right_and_play_after_it_is_not_counted(kernel, path):
    checks = kernel()
    checks.two(2)
    before = path.read_bytes()
    checks.two(7)
    assert path.read_bytes() == before


def test_a_new_kernel_goes_on_with_the_file_and_counts_nothing_twice(kernel, path):
    for _ in range(2):
        checks = kernel()
        checks.two(5)
        checks.three()
        assert (entry(path)["tries"], entry(path, "2 three")["tries"]) == (1, 0)
    kernel().two(6)
    assert entry(path)["tries"] == 2
    assert len(exercises(path)) == 2, "who has not run a cell is not noted for it"


def test_two_kernels_of_one_notebook_keep_each_others_notes(kernel, path):
    one = kernel()
    first = notes.KERNEL
    other = kernel()
    other.two(5)
    notes.KERNEL = first
    one.three(3)
    assert {*exercises(path)} == {"1 two", "2 three"}


@pytest.mark.parametrize(
    ("one", "other"),
    [({"b", "a", "c"}, {"c", "a", "b"}), (torch.ones(3), torch.ones(3)), (object(), object())],
)  # fmt: skip
def test_equal_answers_are_one_try_in_any_kernel(kernel, path, one, other):
    kernel().two(one)
    kernel().two(other)
    assert entry(path)["tries"] == 1


def test_a_changed_function_is_a_new_try_and_the_same_one_is_not(kernel, path):
    checks = kernel()
    for source in ("3 * n", "3 * n", "4 * n"):
        cell(f"def answer(n):\n    return {source}\ncheck(answer)", check=checks.double)
    assert entry(path, "3 double")["tries"] == 2


def test_an_answer_that_cannot_even_be_shown_is_noted(kernel, path):
    class Odd:
        def __repr__(self):
            raise RuntimeError("no")

    checks = kernel()
    assert said(checks.two, Odd()).startswith("✗ Not yet")
    assert entry(path)["tries"] == 1


def test_a_sentence_is_cut_and_may_hold_any_text(kernel, path):
    def hint(answer):
        raise ValueError("鸡\ud800" * 500)

    hint.__module__ = "exercises.lesson_42"
    kernel()
    exercise("never.")(hint)(1)
    assert len(entry(path, "4 hint")["last"]) == notes.LONGEST


PREDICTED = [
    ("predict(None, 1 + 1)", "1 + 1"),
    ("x = 'äö'; predict(None, len( x ))", "len(x)"),
    ("predict(\n    (1,\n     2),\n    [3,\n     'é'],\n)", "[3, 'é']"),
    ("predict(truth=2 * 3, guess=None)", "2 * 3"),
    ("for _ in range(2): predict(1, 5 - 3)", "5 - 3"),
    ("if True:\n    predict(None, 2 ** 3)", "2 ** 3"),
]


@pytest.mark.parametrize(("source", "name"), PREDICTED)
def test_a_prediction_is_known_by_what_it_is_compared_with(kernel, path, source, name):
    kernel()
    cell(source)
    assert [*predictions(path)] == [name]


def test_what_cannot_be_read_is_counted_by_order(kernel, path):
    kernel()
    for _ in range(2):
        exec("predict(1, 2)\npredict(*(None, 2))")
    found = predictions(path)
    assert {name: one["tries"] for name, one in found.items()} == {
        "prediction 1": 1,
        "prediction 2": 0,
    }


def test_guesses_are_noted_with_their_first_try(kernel, path):
    kernel()
    for guess in (None, 4, 4, 5):
        cell(f"guess = {guess}\npredict(guess, 2 + 3)")
    for guess in (6, 7):
        cell(f"guess = {guess}\npredict(guess, 3 + 3)")
    missed, met = predictions(path).values()
    assert (missed["tries"], missed["right"], missed["first"]) == (2, True, False)
    assert (met["tries"], met["right"], met["first"]) == (1, True, True)


def test_only_the_first_lesson_of_a_kernel_is_noted(kernel, path, tmp_path):
    checks, other = kernel(), lesson("43")
    other.two(2)
    assert [*tmp_path.iterdir()] == []
    checks.two(2)
    assert [*tmp_path.iterdir()] == [path]


def test_without_a_lesson_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(notes, "KERNEL", notes.Notes(tmp_path))
    predict(1, 2)
    exercise("one.")(lambda answer: None)(1)
    assert [*tmp_path.iterdir()] == [] and "1 asked, 1 tried" in repr(table())


@pytest.mark.parametrize("how", ["off()", "CONVNETS_PROGRESS"])
def test_off_means_no_file_and_this_kernels_notes_in_the_table(kernel, path, how):
    kernel().three(1)
    before = path.read_bytes()
    checks = kernel(on=how == "off()")
    off()
    checks.two(5)
    assert path.read_bytes() == before
    shown = repr(table())
    assert "1 two         1  ✗ Not yet: no." in shown and "✗ Not yet: your" not in shown
    assert "No file" in shown and path.name not in shown


ODD = [
    "",
    "{",
    "[]",
    "null",
    "[" * 10**5,
    "\udcff",
    '{"lesson": "42"}',
    {"lesson": "41"},
    {"count": True},
    {"count": -1},
    {"exercises": []},
    {"exercises": {"two": notes.UNTRIED}},
    {"exercises": {"0 two": notes.UNTRIED}},
    {"exercises": {"1 two": []}},
    {"exercises": {"1 two": {"tries": 1}}},
    {"predictions": {"x": notes.UNTRIED | {"tries": "many"}}},
    {"predictions": {"x": notes.UNTRIED | {"tries": -1}}},
    {"predictions": {"x": notes.UNTRIED | {"tries": True}}},
    {"predictions": {"x": notes.UNTRIED | {"right": True}}},
    {"predictions": {"x": notes.UNTRIED | {"last": None}}},
    {"more": "x" * notes.LARGEST},
]
FINE = {"lesson": "42", "count": 3, "exercises": {}, "predictions": {}}


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: str(odd)[:40])
def test_a_file_of_another_kind_is_left_as_it_is(kernel, path, odd):
    text = odd if isinstance(odd, str) else json.dumps(FINE | odd)
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    before = path.read_bytes()
    checks = kernel()
    checks.two(5)
    cell("predict(1, 2)")
    assert path.read_bytes() == before and [*path.parent.iterdir()] == [path]
    shown = repr(table())
    assert "does not hold the notes of a lesson. It is left as it is" in shown
    assert "1 two         1  ✗ Not yet: no." in shown
    with pytest.raises(SentenceError, match=path.name):
        notes.read(path)


def test_what_somebody_has_added_is_kept(kernel, path):
    path.write_text(json.dumps(FINE | {"name": "Ada"}), encoding="utf-16")
    kernel().two(2)
    assert json.loads(path.read_text(encoding="utf-8"))["name"] == "Ada"


def test_a_file_that_is_a_folder_or_a_folder_that_is_gone_ends_in_no_traceback(
    kernel, path, tmp_path
):
    path.mkdir()
    kernel().two(2)
    assert "cannot be read" in repr(table())
    checks = kernel(folder=tmp_path / "gone")
    assert said(checks.two, 2) == "✓ Right: two.\n"
    assert "cannot be written" in repr(table()) and not (tmp_path / "gone").exists()
    kernel(folder=None).two(2)
    assert "No file" in repr(table())


def test_a_file_is_whole_or_as_it_was(kernel, path, monkeypatch):
    checks = kernel()
    checks.two(5)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    checks.two(2)
    assert path.read_bytes() == before and [*path.parent.iterdir()] == [path]
    assert "cannot be written (No space left on device)" in repr(table())
    assert "1 two         2  ✓ Right: two." in repr(table())


def test_a_file_that_was_thrown_away_begins_anew(kernel, path):
    checks = kernel()
    checks.two(5)
    path.unlink()
    checks.three(3)
    assert [*exercises(path)] == ["2 three"]


def test_the_table_tells_each_exercise_and_the_missed_predictions(kernel):
    checks = kernel()
    checks.two(5)
    checks.three()
    cell("predict(1, 2 < 3)\npredict(4, 4)\npredict(None, 5)")
    assert repr(table()).splitlines() == [
        "Lesson 42",
        "Exercise  Tries  What was said",
        "1 two         1  ✗ Not yet: no.",
        "2 three       0  · not tried",
        "3 double      –  not run yet",
        "Predictions: 3 asked, 2 tried, 1 right at the first try. Missed: 2 < 3.",
        "Noted in progress_42.json, in the folder of this notebook.",
    ]
    page = table()._repr_html_()
    assert "Missed: 2 &lt; 3." in page and "<caption>Lesson 42</caption>" in page
    assert page.count('scope="col"') == page.count('scope="row"') == 3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["{0}/nowhere"],
            "nowhere is no folder. Name the one with the students' files.",
        ),
        (["{0}", "--csv", "{0}"], "cannot be written (Is a directory). Name another"),
        (["{0}", "--run", "--seconds", "0"], "--seconds must be a whole number from 1"),
        (["{0}", "--run", "--memory", "-5"], "--memory must be a whole number from 1"),
    ],
)
def test_a_command_that_cannot_be_followed_ends_in_one_sentence(
    tmp_path, arguments, sentence
):
    with pytest.raises(SystemExit) as end:
        main([one.format(tmp_path) for one in arguments])
    assert sentence in str(end.value) and "\n" not in str(end.value)


def test_names_that_could_break_a_terminal_or_a_row_are_shown_harmless(
    tmp_path, capsys
):
    for name in ("a\nb", "c\x1b[2Jd", "e\udcff"):
        (tmp_path / name).mkdir()
    main([str(tmp_path)])
    text = capsys.readouterr().out
    assert "a?b" in text and "c?[2Jd" in text and "e?" in text and "\x1b" not in text


@pytest.mark.slow
def test_the_folder_is_the_one_where_the_kernel_begins(tmp_path):
    code = "import os; from exercises import lesson_01 as c; os.chdir('/'); c.one_window(1)"
    env = os.environ | {"CONVNETS_PROGRESS": ""}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=env)
    assert [one.name for one in tmp_path.iterdir()] == ["progress_01.json"]
