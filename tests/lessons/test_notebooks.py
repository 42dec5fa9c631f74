"""Every notebook is in its committed form, fresh, and fit for a class."""

import ast
import html
import re

import nbformat
import pytest
import torch
from exercising import everywhere
from refresh import METADATA, NAVIGATION, NOTEBOOKS, ROOT, in_form, navigation
from torch import nn

from helpers import sizes
from helpers.autoencoders import SHIPPED, trained_autoencoder
from helpers.progress import notes

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
TAGS = {NAVIGATION, "notebook-only", "nbval-ignore-output", "raises-exception"}


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def prose(path):
    return "\n".join(
        cell.source for cell in read(path).cells if cell.cell_type == "markdown"
    )


@each
def test_it_is_in_its_committed_form(path):
    assert path.read_text(encoding="utf-8") == in_form(read(path), path)
    assert path.stat().st_size <= 300_000
    notebook = read(path)
    assert dict(notebook.metadata) == METADATA
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    assert [cell.execution_count for cell in code_cells(path)] == list(
        range(1, len(code_cells(path)) + 1)
    )


@each
def test_a_cell_whose_output_may_change_shows_asserts_or_asks_something(path):
    for cell in read(path).cells:
        tags = set(cell.metadata.get("tags", []))
        assert tags <= TAGS, f"{cell.id} has the tags {tags - TAGS}"
        if "nbval-ignore-output" in tags:
            asks = re.search(r"\bassert |^predict\(", cell.source, re.M)
            assert asks or cell.outputs, cell.source
        assert not re.search(r"#\s*(NBVAL|PYTEST_VALIDATE)", cell.source)


def in_words(number):
    """Return the forms in which a print or a figure may show a number."""
    return {str(number)} | (
        {f"{number:g}", f"{number:.2f}"} if isinstance(number, float) else set()
    )


def forms(answer):
    """Return the forms in which a print or a figure may show an answer."""
    try:
        value = ast.literal_eval(answer)
    except (ValueError, SyntaxError):
        return {answer}
    if not isinstance(value, tuple | list):
        return in_words(value)
    rows = [row if isinstance(row, tuple | list) else [row] for row in value]
    lines = [[max(in_words(one), key=len) for one in row] for row in rows]
    short = [[min(in_words(one), key=len) for one in row] for row in rows]
    listed = {
        joint.join(" ".join(row) for row in table)
        for table in (lines, short)
        for joint in (" ", ", ", "×", " / ")
    }
    return {answer, str(list(value)), str(tuple(value))} | listed


def untouched(cell):
    """Return the answers in a cell's folds, and all else that it shows."""
    answers, shown = [], []
    for output in cell.outputs:
        data = output.get("data", {})
        page = data.get("text/html", "")
        if output.get("metadata", {}).get("text/html", {}).get("prediction"):
            fold = re.fullmatch(
                r'<details class="prediction"><summary>(.+?)</summary>(.+)</details>',
                page,
            )
            answers.append(html.unescape(fold[2]))
            page = fold[1]
        shown += [output.get("text", ""), data.get("text/plain", ""), page]
    return answers, "\n".join(shown)


@each
def test_an_untouched_prediction_shows_its_answer_in_its_fold_alone(path):
    for cell in code_cells(path):
        answers, shown = untouched(cell)
        assert "It is " not in shown
        assert len(answers) == cell.source.count("predict(")
        for form in {form for answer in answers for form in forms(answer)}:
            alone = rf"(?<![\w.]){re.escape(form)}(?!\w|[.,]\d)"
            assert not re.search(alone, shown), f"{form} stands in {shown}"


@each
def test_each_question_has_a_line_for_the_guess(path):
    cells, asked = read(path).cells, False
    for cell, after in zip(cells, [*cells[1:], None], strict=True):
        guesses = re.findall(r"^predict\((\w+), ", cell.source, re.M)
        if cell.cell_type == "markdown":
            asked = bool(re.search(r"\*\*[Pp]redict", cell.source))
        elif guesses:
            assert re.findall(r"^(guess\w*) = None$", cell.source, re.M) == guesses
            asked = False
        assert not asked or after.cell_type == "code", cell.source


@each
def test_progress_can_tell_predictions_apart_and_stands_before_the_summary(path):
    cells = code_cells(path)
    calls = [
        call
        for cell in cells
        for call in ast.walk(ast.parse(everywhere(cell.source)))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "predict"
    ]
    asked = {ast.unparse(call.args[1])[: notes.LONGEST] for call in calls}
    assert len(asked) == len(calls)
    text = prose(path)
    assert f"`progress_{path.name[:2]}.json`" in text and "`progress.off()`" in text
    assert 0 < text.index("## What you have done") < text.index("## Summary")
    (shown,) = cells[-1].outputs
    assert cells[-1].source == "progress.table()"
    for name in ("text/plain", "text/html"):
        assert f"{len(calls)} asked, 0 tried" in shown.data[name]
        assert shown.data[name].count("not tried") == text.count("### Exercise ")


@each
def test_an_untouched_exercise_shows_nothing(path):
    for cell in code_cells(path):
        if re.search(r"^checks\.\w+\(", cell.source, re.M):
            (output,) = cell.outputs
            assert output.text.startswith("… Nothing to check yet")


@each
def test_no_output_is_an_error_or_holds_an_address_or_a_place_on_this_machine(path):
    for cell in code_cells(path):
        for output in cell.outputs:
            assert output.output_type != "error" and output.get("name") != "stderr", (
                cell.source
            )
            words = output.get("text", "") + output.get("data", {}).get(
                "text/plain", ""
            )
            assert not re.search(r" at 0x|/home/|/tmp/|/usr/|site-packages", words), (
                words
            )


@each
def test_every_picture_has_words(path):
    for cell in code_cells(path):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                assert len(output.metadata["image/png"]["alt"]) > 30
    assert not re.search(r"!\[\]|<img(?![^>]*alt=)", prose(path))


@each
def test_the_first_and_last_lines_lead_on(path):
    cells = read(path).cells
    assert cells[0].source == cells[-1].source == navigation(path)


@each
def test_every_link_leads_somewhere(path):
    for target in re.findall(r"\]\(([^)]+)\)", prose(path)):
        if not target.startswith("http"):
            assert (path.parent / target.partition("#")[0]).exists(), target


@each
def test_it_has_the_anatomy_of_a_lesson(path):
    text = prose(path)
    assert re.search(rf"^# {path.stem[:2]} ", text, re.MULTILINE)
    for part in (
        "**The question:**",
        "**Time:**",
        "**You need:**",
        "you can",
        "## Summary",
        "## Glossary",
        "**Next:**",
    ):
        assert part in text
    assert len(re.findall(r"\*\*[Pp]redict", text)) >= 6
    headings = [int(number) for number in re.findall(r"^## (\d+)", text, re.MULTILINE)]
    assert headings == list(range(1, len(headings) + 1))
    assert all("\n## " not in cell.source for cell in read(path).cells), (
        "a section begins a cell, and thus a slide"
    )
    for cell in code_cells(path):
        imports = (
            cell.source.startswith(("import", "from")) and "def " not in cell.source
        )
        assert len(cell.source.splitlines()) <= (22 if imports else 15), cell.source
        lines = [line for line in cell.source.splitlines() if "git+" not in line]
        assert max(map(len, lines)) <= 80, "a longer line is cut in a narrow window"
        assert "sys.path" not in cell.source
    words, lines = (
        len(text.split()),
        sum(len(cell.source.splitlines()) for cell in code_cells(path)),
    )
    assert 5 <= words / lines <= 20


def glossary(path):
    rows = re.findall(
        r"^\| ([^|]+) \| ([^|]*[\u4e00-\u9fff][^|]*) \| ([^|]+) \|$",
        prose(path),
        re.MULTILINE,
    )
    return {
        english.strip(): (chinese.strip(), meaning.strip())
        for english, chinese, meaning in rows[1:]
    }


def test_a_term_means_the_same_in_every_glossary():
    meanings = {}
    for path in NOTEBOOKS:
        terms = glossary(path)
        assert len(terms) >= 8
        for term, meaning in terms.items():
            assert meanings.setdefault(term, meaning) == meaning, term


@each
def test_every_glossary_term_is_used_in_the_lesson(path):
    lesson = prose(path).partition("## Glossary")[0].lower()
    for term in glossary(path):
        assert any(name.strip() in lesson for name in term.lower().split(",")), term


def test_the_lessons_output_size_is_the_helpers():
    path = ROOT / "notebooks" / "01_convolution_arithmetic.ipynb"
    space = {}
    exec(
        next(
            cell.source
            for cell in code_cells(path)
            if cell.source.startswith("def output_size")
        ),
        space,
    )
    for n in range(1, 20):
        for k, s, p, d in torch.cartesian_prod(*(torch.arange(1, 4),) * 4).tolist():
            if d * (k - 1) + 1 <= n + 2 * p:
                assert space["output_size"](n, k, s, p, d) == sizes.output_size(
                    n, k, s, p, d
                )


def class_in(source, name):
    """Return the parsed statements of a class, without docstrings and annotations."""
    tree = next(
        node
        for node in ast.walk(ast.parse(source))
        if getattr(node, "name", "") == name
    )
    for part in ast.walk(tree):
        if isinstance(part, ast.ClassDef | ast.FunctionDef):
            docstring = isinstance(part.body[0], ast.Expr) and isinstance(
                part.body[0].value, ast.Constant
            )
            part.body, part.returns = part.body[docstring:], None
        elif isinstance(part, ast.arg):
            part.annotation = None
    return ast.dump(tree)


@pytest.mark.parametrize(
    ("stem", "name"),
    [("03_building_a_convnet", "Net"), ("05_training_on_mnist", "ConvNet")],
)
def test_a_network_is_the_same_in_its_lesson_and_in_the_helpers(stem, name):
    source = (ROOT / "helpers" / "networks.py").read_text(encoding="utf-8")
    lesson = ROOT / "notebooks" / f"{stem}.ipynb"
    cell = next(
        cell.source for cell in code_cells(lesson) if f"class {name}(" in cell.source
    )
    assert class_in(cell, name) == class_in(source, name)


@pytest.mark.parametrize("numbers", SHIPPED)
def test_the_autoencoder_is_the_same_in_its_lesson_and_in_the_helpers(numbers):
    lesson = ROOT / "notebooks" / "07_the_way_back_up.ipynb"
    parts = "def encoder(", "def decoder(", "class Autoencoder("
    space = {"nn": nn}
    for cell in code_cells(lesson):
        if cell.source.startswith(parts):
            exec(cell.source, space)
    written, ours = space["Autoencoder"](numbers), trained_autoencoder(numbers)
    assert repr(written) == repr(ours)
    written.load_state_dict(ours.state_dict())
    images = torch.rand(3, 1, 28, 28)
    assert torch.equal(written(images), ours(images))
