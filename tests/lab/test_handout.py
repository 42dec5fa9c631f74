"""Every notebook run once: what is stored is fresh, and its page and its slides live
without a kernel.
"""

import base64
import copy
import io
import itertools
import os
import re
from functools import cache
from unittest import mock

import alive
import codes
import lab
import nbformat
import numpy as np
import pytest
import tiny
from PIL import Image
from playwright.sync_api import expect
from refresh import NOTEBOOKS, ROOT, in_form
from torch import nn

from helpers import handout
from helpers.handout import scripts
from helpers.widgets.digit_map import DigitMap
from helpers.widgets.dropout import DropoutBench
from helpers.widgets.layer_bench import LayerBench
from helpers.widgets.shape_tracer import ShapeTracer

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
WITHOUT_A_KERNEL = {
    "01": ["layer"] * 5,
    "02": ["layer"] * 3,
    "03": ["tracer", "layer", "dropout", "tracer"],
    "04": ["stepper", "stepper", "layer"],
    "05": [],
    "06": ["pad", "gallery", "gallery"],
    "07": ["layer", "layer", "map"],
}


@cache
def run(path):
    # JupyterLab has just run it in another test of this process, if any. Nbval runs the
    # notebooks on MNIST, where there is MNIST; here that would only take longer.
    if path in lab.RUN:
        return lab.RUN[path]
    with mock.patch.dict(os.environ, MNIST_ROOT="embedded"):
        return handout.executed(path)


def pictures_out(text):
    """Take the pictures, and the outputs that may differ, out of a notebook's text, and
    return it and the pictures.
    """
    notebook = nbformat.reads(text, as_version=4)
    found = []
    for cell in notebook.cells:
        if "nbval-ignore-output" in cell.metadata.get("tags", []):
            cell.outputs = []
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                png = base64.b64decode(output.data.pop("image/png"))
                found.append(np.asarray(Image.open(io.BytesIO(png)).convert("RGB")))
    return nbformat.writes(notebook), found


@each
def test_running_it_anew_gives_what_is_committed(path):
    fresh, new = pictures_out(in_form(copy.deepcopy(run(path)), path))
    committed, old = pictures_out(path.read_text(encoding="utf-8"))
    assert fresh == committed, (
        f"run: python tests/tools/refresh.py {path.relative_to(ROOT)}"
    )
    for drawn, kept in zip(new, old, strict=True):
        # Letters and lines may differ by a shade from machine to machine, but hardly a
        # pixel may change its colour.
        assert drawn.shape == kept.shape
        assert (np.abs(drawn.astype(int) - kept) > 48).any(axis=-1).mean() < 0.001


@pytest.fixture
def opened(browser, tmp_path):
    with alive.visits(browser) as visit:

        def opened(html):
            assert len(html.encode()) <= 8e6
            (tmp_path / "made.html").write_text(html, encoding="utf-8")
            return visit((tmp_path / "made.html").as_uri())

        yield opened


def lives(page, path, slides):
    """Check that each bench answers, and that what can do nothing here says so."""
    found = alive.move_all(page, run(path), slides)
    assert found == WITHOUT_A_KERNEL[path.stem[:2]]
    waiting = ['" (needs a running kernel)"'] * ("05" in path.stem)
    assert page.evaluate("alive.buttons()") == waiting


@each
@pytest.mark.browser
def test_a_page_lives_without_a_kernel_and_shuts_nobody_out(opened, path):
    page = opened(handout.handout(run(path)))
    asking = sum("predict(" in cell.source for cell in run(path).cells)
    folds = page.locator("details.asked:has(.prediction[open])")
    assert folds.count() == page.locator(".asked").count() == asking >= 10
    assert page.locator("summary", has_text="Hint").count() >= 6
    assert page.locator("summary", has_text="Solution").count() == 0
    lives(page, path, slides=False)
    assert alive.troubles(page) == []
    # A window of 1280 pixels at 200 % is one of 640.
    page.set_viewport_size({"width": 640, "height": 360})
    assert page.evaluate("document.documentElement.scrollWidth") <= 640
    assert page.evaluate("alive.cut()") == []


@each
@pytest.mark.browser
def test_a_deck_lives_without_a_kernel_and_is_seen_whole(opened, path):
    page = opened(handout.handout(run(path), slides=True))
    lives(page, path, slides=True)
    assert page.evaluate("alive.overfull()") == []


@each
@pytest.mark.browser
def test_a_page_in_the_dark_can_be_read(opened, path):
    page = opened(handout.handout(run(path), dark=True))
    assert alive.troubles(page, "color-contrast") == []


@pytest.mark.parametrize("slides", [False, True])
@pytest.mark.browser
def test_the_map_of_digits_lives_without_a_kernel(opened, slides):
    bench = DigitMap(codes.decoder(), *codes.encoded())
    notebook = tiny.live(bench, before=[tiny.prose("# Mine")])
    page = opened(handout.handout(notebook, slides))
    assert alive.move_all(page, notebook, slides) == ["map"]
    if slides:
        assert page.evaluate("alive.overfull()") == []
    else:
        assert alive.troubles(page) == []
    plane = page.locator(".map-plane")
    place = page.evaluate(alive.PLACE)
    box = plane.bounding_box()
    page.mouse.move(box["x"] + 90, box["y"] + 90)
    page.mouse.down()
    page.mouse.move(box["x"] + 120, box["y"] + 60, steps=3)
    page.mouse.up()
    page.keyboard.press("ArrowRight")
    page.evaluate("alive.settled()")
    dragged = page.evaluate("(n) => alive.seen(n)", 0)
    share = dragged["now"] - dragged["least"]
    share /= dragged["most"] - dragged["least"]
    assert share == pytest.approx(120 / box["width"], abs=0.02)
    alive.right(dragged, notebook)
    assert page.evaluate(alive.PLACE) == place, "no key turned the page"


HINT = "# Mine\n\n$x^2$\n\n<details><summary>Hint</summary>Count.</details>"


@pytest.fixture
def benches():
    """A notebook of a hint, a formula and two benches, as if it were run."""
    asking = tiny.code("predict(None, 9)", tiny.prediction())
    before = tiny.prose(HINT), asking, tiny.prose("### Benches")
    layer = LayerBench(nn.Conv2d(1, 1, 3, bias=False), weight="Sobel x")
    return tiny.live(layer, DropoutBench(), before=before)


@pytest.mark.browser
def test_a_tracer_says_which_layer_does_not_fit(opened):
    notebook = tiny.live(ShapeTracer(side=33))
    page = opened(handout.handout(notebook))
    before, after = alive.moved(page, 0)
    assert before["status"] == "" and after["status"].startswith("✗ ")
    alive.right(before, notebook)
    alive.right(after, notebook)


@pytest.mark.browser
@pytest.mark.parametrize("slides", [False, True])
@pytest.mark.parametrize(
    "name", ["reveal.js", "require.js", "anywidget.js", "widgets.js"]
)
def test_where_a_script_does_not_run_a_sentence_and_the_picture_stand(
    browser, benches, slides, name, monkeypatch, tmp_path
):
    whole = scripts.source
    monkeypatch.setattr(scripts, "source", lambda one: whole(one) * (one != name))
    page = browser.new_page()
    (tmp_path / "made.html").write_text(handout.handout(benches, slides), "utf-8")
    page.goto((tmp_path / "made.html").as_uri())
    if name == "reveal.js":
        expect(page.locator(".noUi-handle").last).to_be_visible()
    shown = "(all) => all.map((one) => getComputedStyle(one).display !== 'none')"
    pictures = page.locator(".still")
    assert pictures.evaluate_all(shown) == [name != "reveal.js"] * 2
    words = "This is a picture of the bench: its scripts did not run here."
    assert pictures.locator("p").all_text_contents() == [words] * 2
    assert pictures.locator("img[alt]").count() == 2
    lost = page.get_by_text("The slides need a script that did not run here.")
    assert lost.is_visible() == (slides and name == "reveal.js")
    page.close()


@pytest.mark.browser
def test_an_answer_stands_open_behind_one_fold(opened, benches):
    page = opened(handout.handout(benches))
    page.evaluate("document.querySelector('.asked').open = false")
    answer = page.locator(".prediction")
    assert not answer.is_visible()
    page.get_by_text("Your guess first.").click()
    assert answer.is_visible() and answer.inner_text() == "614656"


@pytest.mark.browser
def test_on_a_slide_an_answer_comes_open_with_the_next_key(opened, benches):
    page = opened(handout.handout(benches, slides=True))
    fragment = page.locator(".fragment")
    assert "visible" not in fragment.get_attribute("class")
    page.keyboard.press("ArrowDown")
    expect(fragment).to_be_visible()
    assert fragment.inner_text().strip() == "614656"


@pytest.mark.browser
def test_keys_and_buttons_turn_the_slides(opened, benches):
    page = opened(handout.handout(benches, slides=True))
    place = "JSON.stringify(Reveal.getIndices())"
    page.evaluate("alive.turn(0)")
    bench = page.evaluate(place)
    page.locator(".noUi-handle").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate(place) == bench, "the key is the slider's"
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowDown")
    assert page.evaluate(place) != bench, "Escape has given the keys back"
    page.locator(".controls .navigate-up").click()
    page.locator(".noUi-handle").first.focus()
    page.locator(".controls .navigate-down").click()
    assert page.evaluate(place) != bench
    assert not page.evaluate("document.activeElement.closest('.bench')")


@pytest.mark.browser
def test_an_opened_hint_keeps_no_keys(opened, benches):
    page = opened(handout.handout(benches, slides=True))
    place = "JSON.stringify(Reveal.getIndices())"
    hint = page.evaluate(place)
    page.get_by_text("Hint", exact=True).click()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.evaluate(place) != hint
    assert page.evaluate("document.activeElement === document.body")


@pytest.mark.browser
def test_on_paper_a_bench_keeps_its_colours_and_stays_on_one_page(opened, benches):
    page = opened(handout.handout(benches))
    # A4 with margins of a centimetre
    page.set_viewport_size({"width": 718, "height": 1046})
    page.emulate_media(media="print")
    bench = page.locator(".jupyter-widgets.jp-OutputArea-output").first
    assert bench.bounding_box()["height"] < 1046 / 2
    style = page.locator(".bench").first.evaluate(
        "(at) => [getComputedStyle(at)].map((s) => [s.breakInside, s.printColorAdjust])"
    )
    assert style == [["avoid", "exact"]]


@pytest.mark.browser
def test_on_paper_a_page_is_a_work_sheet(opened, benches):
    page = opened(handout.handout(benches))
    assert not page.get_by_text("Your guess:").is_visible()
    page.emulate_media(media="print")
    assert page.get_by_text("Your guess:").is_visible()
    assert not page.locator(".prediction").is_visible()
    wide = tiny.code("'" + "a" * 300 + "'", tiny.printed("b" * 300))
    page = opened(handout.handout(tiny.notebook(wide)))
    page.set_viewport_size({"width": 718, "height": 1046})
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= 718
    assert page.evaluate("alive.cut()") == []


@pytest.mark.browser
def test_on_paper_a_slide_is_one_sheet_with_all_that_comes_by_key(opened, benches):
    more = tiny.prose("## B"), tiny.code("1"), tiny.prose("So."), tiny.prose("End.")
    benches.cells = [*benches.cells, *more]
    page = opened(handout.handout(benches, slides=True))
    slides = page.evaluate("Reveal.getTotalSlides()")
    page.goto(f"{page.url.partition('#')[0]}?print-pdf")
    page.wait_for_function("window.Reveal?.isReady() && alive.drawn()")
    page.evaluate("alive.settled()")
    sheets = re.findall(rb"/Type /Page[^s]", page.pdf(prefer_css_page_size=True))
    assert len(sheets) == slides == page.locator(".pdf-page:visible").count()
    assert page.get_by_text("So.").is_visible()
    assert page.locator(".prediction").inner_text() == "614656"
    assert page.locator(".pdf-page:has(.bench > *)").count() == 2


@each
def test_a_slide_holds_one_idea(path):
    cells = nbformat.read(path, as_version=4).cells
    types = [cell.metadata.slideshow.slide_type for cell in cells]
    assert set(types) == {"skip", "slide", "subslide", "-", "fragment"}
    assert types.count("skip") == 4  # links, and what is for notebooks alone
    pairs = itertools.pairwise(zip(cells, types, strict=True))
    for (before, _), (cell, where) in pairs:
        kinds = before.cell_type, cell.cell_type
        assert where != "-" or kinds == ("markdown", "code")
        assert where != "fragment" or kinds == ("code", "markdown")
        assert not cell.source.startswith("## ") or where in ("slide", "skip")
