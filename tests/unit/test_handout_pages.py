"""Pages and decks from tiny notebooks: what needs no browser and no lesson."""

import io
import re
import tarfile

import nbformat
import pytest
import tiny
import torch

import helpers.handout.__main__ as command
from helpers import autograd, handout
from helpers.handout import pages, running, scripts
from helpers.validation import SentenceError
from helpers.widgets.dropout import DropoutBench
from helpers.widgets.layer_bench import LayerBench
from helpers.widgets.monitor import Monitor
from helpers.widgets.shape_tracer import ShapeTracer
from helpers.widgets.stepper import BackwardStepper


def stepper():
    a = torch.ones(2, requires_grad=True)
    return BackwardStepper((a * a).sum(), a=a)


def layer():
    return LayerBench(torch.nn.MaxPool2d(2))


def view():
    return Monitor(source="here")


BENCHES = layer, DropoutBench, ShapeTracer, stepper


@pytest.mark.parametrize("make", [*BENCHES, view], ids=lambda make: make.__name__)
def test_an_output_says_how_much_of_a_slide_it_takes(make):
    output = tiny.shown(make())
    assert output.metadata["bench"] == {"rows": 9 if make is view else 20}


@pytest.mark.parametrize("make", BENCHES, ids=lambda make: make.__name__)
def test_a_bench_stands_alone_whatever_it_is_called_and_where_it_is_stored(make):
    output = tiny.shown(make())
    cell = tiny.code("bench", output)
    cells = [tiny.prose("# Mine"), tiny.prose("Move it."), cell, tiny.prose("See?")]
    alone = ["slide", "subslide", "subslide", "subslide"]
    assert handout.slide_types(tiny.notebook(*cells)) == alone
    output.data["text/plain"] = "anything"
    output.data.pop("application/vnd.jupyter.widget-view+json")
    assert handout.slide_types(tiny.notebook(*cells)) == alone


@pytest.mark.parametrize("slides", [False, True])
def test_what_is_for_notebooks_alone_is_on_no_page_and_on_no_slide(slides):
    there, gone = (
        tiny.code("there"),
        tiny.code("progress.table()", tiny.printed("Tries")),
    )
    gone.metadata["tags"] = ["notebook-only"]
    made = tiny.notebook(
        there, tiny.prose("## What you have done", "notebook-only"), gone
    )
    assert handout.slide_types(made)[-2:] == ["skip", "skip"]
    page = handout.handout(made, slides)
    assert "there" in page and "What you have done" not in page and "Tries" not in page


def test_text_that_looks_like_a_bench_is_none():
    graph = autograd.graph(torch.ones(1, requires_grad=True) * 2)
    output = tiny.shown(graph)
    output.data["text/plain"] = "LayerBench(nn.MaxPool2d(kernel_size=2))"
    cells = tiny.prose("# Mine"), tiny.prose("Look."), tiny.code("graph", output)
    assert handout.slide_types(tiny.notebook(*cells))[-1] == "-"


def test_a_slide_holds_one_idea():
    long = tiny.code("print()", tiny.printed("line\n" * 30))
    places = {
        "skip": tiny.prose("[back](01_a.ipynb)", "navigation"),
        "slide": tiny.prose("# Mine"),
        "subslide": tiny.prose("A question."),
        "-": tiny.code("1 + 1", tiny.printed("2\n")),
        "fragment": tiny.prose("A remark."),
    }
    more = {
        "subslide": [tiny.prose("Another question."), long],
        "slide": [tiny.prose("## A section")],
    }
    cells = [*places.values(), *more["subslide"], *more["slide"]]
    found = handout.slide_types(tiny.notebook(*cells))
    assert found == [*places, "subslide", "subslide", "slide"]


def test_a_small_heading_begins_something_new():
    code, after = tiny.code("1 + 1"), tiny.prose("More.")
    cells = tiny.prose("# Mine"), code, tiny.prose("### Small"), after
    places = ["slide", "-", "subslide", "subslide"]
    assert handout.slide_types(tiny.notebook(*cells)) == places


def test_a_place_that_the_notebook_states_is_kept():
    cell = tiny.prose("# Mine")
    cell.metadata.slideshow = {"slide_type": "subslide"}
    pages.handout(tiny.notebook(cell, tiny.prose("# Next")), slides=True)
    html = pages.handout(tiny.notebook(tiny.prose("# A"), cell), slides=True)
    assert html.count("<section><section>") == 1


@pytest.mark.parametrize("solutions", [False, True])
@pytest.mark.parametrize("slides", [False, True])
def test_links_lead_to_the_copies_that_the_same_command_makes(
    slides, solutions, tmp_path, monkeypatch
):
    linked = tiny.prose("# A\n\n[before](02_a.ipynb), [the course](../README.md)")
    code = tiny.code("'](02_a.ipynb)'")
    nbformat.write(tiny.notebook(linked, code), tmp_path / "02_a.ipynb")
    monkeypatch.setattr(command, "executed", lambda path: nbformat.read(path, 4))
    switches = ["--slides"] * slides + ["--solutions"] * solutions
    made = tmp_path / "out"
    command.main([str(tmp_path / "02_a.ipynb"), "--to", str(made), *switches])
    (page,) = made.iterdir()
    assert page.stem == "02_a" + ".slides" * slides + ".solutions" * solutions
    lesson = page.read_text(encoding="utf-8").partition("</main>")[0]
    links = re.findall(r'href="([^"#:]+)"', lesson)
    assert links == [page.name, "../README.md"]
    assert "](02_a.ipynb)" in lesson, "code stays"


def rendered(source):
    lesson = handout.handout(tiny.notebook(tiny.prose(source)))
    return lesson.rpartition("<main>")[2].partition("</main>")[0]


def test_a_formula_needs_no_script():
    html = rendered("# A\n\n$x^2$\n\n$$\\frac{1}{2}$$\n\n\\begin{matrix}a\\end{matrix}")
    assert html.count("<math") == 3 and "<mfrac>" in html
    assert "$" not in html and "matrix" not in html


def test_a_formula_that_is_none_stands_as_it_was_typed():
    assert r"<code>\sqrt</code>" in rendered(r"# A $\sqrt$")


def test_a_heading_has_the_anchor_that_links_in_a_repository_have():
    html = rendered("# 4 *Is* it, at `all`?\n\n[there](#4-is-it-at-all)")
    assert '<h1 id="4-is-it-at-all">' in html and 'href="#4-is-it-at-all"' in html


HINTS = """\
### Exercise
<details><summary>Hint</summary>Count.</details>
<details><summary>Solution</summary>

```python
answer = 9
```
</details>
"""


@pytest.mark.parametrize("slides", [False, True])
def test_solutions_are_in_the_teachers_copy_alone(slides):
    notebook = tiny.notebook(tiny.prose(HINTS), tiny.code("check(None)"))
    student = handout.handout(notebook, slides)
    teacher = handout.handout(notebook, slides, solutions=True)
    assert "<summary>Hint</summary>" in student and "<summary>Hint</summary>" in teacher
    assert "Solution</summary>" not in student and ">answer<" not in student
    assert "Solution</summary>" in teacher and ">answer<" in teacher


OPEN = '<details class="prediction" open="">'


def test_a_cell_with_a_prediction_is_folded_once_and_as_a_whole():
    asking = tiny.code("predict(guess, 9)", tiny.printed("nine"), tiny.prediction())
    other = tiny.code("1 + 1", tiny.printed("two"))
    html = handout.handout(tiny.notebook(tiny.prose("**Predict**"), other, asking))
    whole, _, _ = html.partition("two")[2].partition("</main>")
    start, fold = whole.split('<details class="asked">')
    assert "nine" not in start and "nine" in fold
    assert fold.count("<details") == 1 and OPEN in fold
    assert html.count('<details class="asked">') == 1


def test_a_cell_with_two_predictions_has_two_lines_for_guesses():
    asking = tiny.code("ask", tiny.prediction(), tiny.prediction())
    html = handout.handout(tiny.notebook(asking, tiny.code("1")))
    assert html.count('<p class="guess">') == 2
    assert 'class="guess"' not in handout.handout(tiny.notebook(asking), slides=True)


@pytest.mark.parametrize("slides", [False, True])
def test_what_makes_no_sense_on_a_page_is_said_otherwise(slides):
    text = (
        "A. <!-- in a notebook -->Run it\n\nagain.<!-- on a page: Read on. --> B. "
        "<!-- in a notebook -->Press ■.<!-- on a page --> C."
    )
    html = handout.handout(tiny.notebook(tiny.prose(text)), slides)
    assert "A. Read on. B.  C." in html and "<!-- in" not in html


def test_on_a_slide_a_prediction_comes_open_with_the_next_key():
    cells = tiny.prose("# A"), tiny.code("predict(guess, 9)", tiny.prediction())
    html = handout.handout(tiny.notebook(*cells), slides=True)
    assert '<details class="asked">' not in html
    _, after = html.split('<div class="fragment">')
    assert OPEN in after


def test_the_title_is_the_first_heading():
    cells = tiny.prose("Hello."), tiny.prose("## Not this"), tiny.prose("# Mine")
    assert "<title>Mine</title>" in handout.handout(tiny.notebook(*cells))
    assert "<title>Handout</title>" in handout.handout(tiny.notebook(*cells[:2]))


@pytest.mark.parametrize("slides", [False, True])
def test_a_raw_cell_is_no_trouble(slides):
    raw = nbformat.v4.new_raw_cell("plain")
    html = handout.handout(tiny.notebook(tiny.prose("# Mine"), raw), slides)
    assert "<title>Mine</title>" in html


def test_making_a_page_changes_no_notebook():
    notebook = tiny.notebook(tiny.prose(HINTS), tiny.code("1", tiny.prediction()))
    before = nbformat.writes(notebook)
    handout.handout(notebook)
    assert nbformat.writes(notebook) == before


def archive(**files):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as made:
        for name, text in files.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(text)
            made.addfile(info, io.BytesIO(text.encode()))
    return packed.getvalue()


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A registry with one package, in a folder."""
    data = archive(script="</script>")
    place = tmp_path / "registry" / "tiny" / "-"
    place.mkdir(parents=True)
    (place / "tiny-1.0.0.tgz").write_bytes(data)
    pinned = {"version": "1.0.0", "integrity": scripts._integrity(data)}
    monkeypatch.setitem(scripts.PACKAGES, "tiny", pinned)
    monkeypatch.setattr(scripts, "STORE", tmp_path / "store")
    monkeypatch.setattr(scripts, "REGISTRY", (tmp_path / "registry").as_uri())
    yield place / "tiny-1.0.0.tgz"
    scripts.packed.cache_clear()


def test_a_package_is_downloaded_once(registry):
    assert scripts.packed("tiny", "script") == "</script>"
    scripts.packed.cache_clear()
    registry.unlink()
    assert scripts.packed("tiny", "script") == "</script>"


def test_a_package_that_was_copied_in_part_is_downloaded_anew(registry):
    scripts.packed("tiny", "script")
    scripts.packed.cache_clear()
    (kept,) = scripts.STORE.iterdir()
    kept.write_bytes(kept.read_bytes()[:40])
    assert scripts.packed("tiny", "script") == "</script>"


def test_a_package_that_is_not_the_pinned_one_is_refused(registry):
    registry.write_bytes(archive(script="something else"))
    with pytest.raises(SentenceError, match="another checksum"):
        scripts.packed("tiny", "script")
    assert not scripts.STORE.exists()


def test_without_a_network_there_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(scripts, "STORE", tmp_path)
    monkeypatch.setattr(scripts, "REGISTRY", "http://127.0.0.1:9")
    with pytest.raises(SentenceError, match="could not be had .* needs a network once"):
        scripts.packed("requirejs", "package.json")
    assert list(tmp_path.iterdir()) == []


def test_a_script_inside_does_not_end_the_page(registry, monkeypatch):
    monkeypatch.setitem(scripts.FILES, "tiny.js", ("tiny", "script"))
    assert scripts.tag("tiny.js") == "<script><\\/script></script>"


def asked_for(folder, *more):
    """Run the command on mine.ipynb, and return the sentence that it ends with."""
    names = [str(folder / "mine.ipynb"), *more]
    with pytest.raises(SystemExit) as ended:
        command.main([*names, "--to", str(folder / "out")])
    assert not (folder / "out").exists()
    return ended.value.code


def test_a_file_that_is_not_there_is_named_before_any_is_run(tmp_path):
    nbformat.write(tiny.notebook(tiny.code("1 / 0")), tmp_path / "mine.ipynb")
    said = asked_for(tmp_path, str(tmp_path / "nothing.ipynb"))
    assert "nothing.ipynb is no notebook. Name files such as" in said


HALF = """{"nbformat": 4, "nbformat_minor": 5, "metadata": {},
"cells": [{"cell_type": "markdown", "id": "a", "metadata": {}}]}"""


@pytest.mark.parametrize(
    "text",
    ["", "hello", "[1]", "null", '{"a": 1}', '{"nbformat": 4}', HALF],
)
def test_a_file_that_is_no_notebook_inside_gets_one_sentence(tmp_path, text, capfd):
    (tmp_path / "mine.ipynb").write_text(text)
    said = asked_for(tmp_path)
    assert "mine.ipynb has the name of a notebook, but cannot be read as one." in said


def test_a_folder_that_takes_nothing_gets_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "executed", lambda path: tiny.notebook())
    mine = tmp_path / "mine.ipynb"
    nbformat.write(tiny.notebook(), mine)
    with pytest.raises(SystemExit, match="cannot be written .* Name another folder"):
        command.main([str(mine), "--to", str(mine)])
    (tmp_path / "mine.html").mkdir()
    with pytest.raises(SystemExit, match="cannot be written .* Name another folder"):
        command.main([str(mine), "--to", str(tmp_path)])
    assert {path.name for path in tmp_path.iterdir()} == {"mine.ipynb", "mine.html"}


FAULTS = {
    "1 / 0": "stops at a cell with ZeroDivisionError: division by zero. Mend that cell",
    "raise ValueError('One.\\nTwo.')": "stops at a cell with ValueError: One. Mend",
    "raise ValueError": "stops at a cell with ValueError. Mend",
    "import os, signal; os.kill(os.getpid(), signal.SIGKILL)": "has lost its kernel",
    "import time; time.sleep(60)": "has a cell that takes more than 3 s",
}


@pytest.mark.slow
@pytest.mark.parametrize("source", FAULTS)
def test_a_notebook_that_does_not_run_to_its_end_gets_one_sentence(
    tmp_path, source, monkeypatch, capfd
):
    monkeypatch.setattr(running, "SECONDS", 3)
    nbformat.write(tiny.notebook(tiny.code(source)), tmp_path / "mine.ipynb")
    assert f"mine.ipynb {FAULTS[source]}" in asked_for(tmp_path)
    assert "TCP" not in capfd.readouterr().err, "a kernel's own warnings"


def test_a_kernel_that_is_not_here_is_named(tmp_path):
    own = tiny.notebook(tiny.code("1"))
    own.metadata.kernelspec = {"name": "julia-1.9", "display_name": "Julia"}
    nbformat.write(own, tmp_path / "mine.ipynb")
    said = asked_for(tmp_path)
    assert "asks for the kernel 'julia-1.9', which is not here. Open it" in said


PIECES = "print(1, flush=True); import time; time.sleep(0.5); print(2)"


@pytest.mark.slow
def test_a_notebook_of_ones_own_is_run_and_stays_as_it_is(tmp_path):
    mine = tmp_path / "mine.ipynb"
    nbformat.write(tiny.notebook(tiny.prose("# Mine"), tiny.code(PIECES)), mine)
    before = mine.read_bytes()
    command.main([str(mine), "--slides", "--to", str(tmp_path)])
    html = (tmp_path / "mine.slides.html").read_text(encoding="utf-8")
    assert "<title>Mine</title>" in html
    assert "1\n2\n" in html, "what is printed in one go stays together"
    assert mine.read_bytes() == before
