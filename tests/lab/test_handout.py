"""Every notebook run once: what is stored is fresh, and its page and its slides live
without a kernel.
"""

import base64
import copy
import io
import itertools
import json
import os
import re
from functools import cache
from unittest import mock

import nbformat
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from page import exact_values, numbers
from PIL import Image
from refresh import NOTEBOOKS, ROOT, in_form
from torch import nn

from helpers import handout

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
STATE = "application/vnd.jupyter.widget-state+json"
AXE = "4.14.1 FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
WITHOUT_A_KERNEL = {
    "01": ["convolution"] * 3,
    "02": ["pooling"] * 3,
    "03": ["tracer", "dropout", "tracer"],
    "04": ["stepper"] * 2,
    "05": [],
    "06": ["gallery"] * 2,
}
# What stands in the bench of the nth slider, and where it is on a slide.
SEEN = """(n) => {
  const handle = document.querySelectorAll(".noUi-handle")[n];
  let root = handle.closest(".widget-vbox");
  while (!root.querySelector(".bench")) root = root.parentElement.closest(".widget-vbox");
  const all = (selector, read) => [...root.querySelectorAll(selector)].map(read), text = (part) => part.textContent;
  const kind = root.querySelector(".graph-node") ? "stepper" : root.querySelector(".trace") ? "tracer"
    : root.querySelector(".gallery") ? "gallery"
    : root.querySelector("[aria-label^='Gradient of the input']") ? "pooling"
    : root.querySelector("[aria-label^='Kernel']") ? "convolution"
    : text(root).includes("nn.Dropout(") ? "dropout" : "";
  return { kind, id: [...document.querySelectorAll(".bench")].indexOf(root.querySelector(".bench")),
    values: Object.fromEntries(all(".widget-slider", (one) => [one.querySelector(".widget-label").textContent,
      +one.querySelector(".widget-readout").textContent])),
    least: +handle.ariaValueMin, most: +handle.ariaValueMax, now: +handle.ariaValueNow,
    boards: Object.fromEntries(all("[role=grid]", (board) => [board.getAttribute("aria-label").split(" with ")[0],
      [...board.querySelectorAll("[role=row]")].map((row) =>
        [...row.children].map((cell) => [cell.textContent, cell.title, cell.classList.contains("negative")]))])),
    status: all(".bench-status", text)[0] ?? "", code: all(".bench code", text)[0] ?? "",
    rows: all(".trace tbody tr", (row) => [...row.querySelectorAll("span")].map(text)),
    grads: all(".grad-scroll td:last-child", text), selects: all("select", (one) => one.selectedOptions[0]?.text),
    picture: [root.innerText, ...all("canvas", (one) => one.toDataURL()),
      ...all("[style]", (one) => one.style.cssText)].join() };
}"""
# What is wider than the output that it stands in, where that hides the rest.
CUT = """() => [...document.querySelectorAll(".jp-OutputArea-child")]
  .filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => box.textContent.trim().slice(0, 80))"""
FITS = """() => [...document.querySelectorAll(".slides .fit")].map((box) => {
  const { h, v } = Reveal.getIndices(box.parentElement);
  Reveal.slide(h, v, 99);
  const { bottom } = box.getBoundingClientRect(), zoom = Number(box.style.zoom || 1);
  const wide = [...box.querySelectorAll("*")].filter((part) => part.getBoundingClientRect().right > 1281
    && !part.closest("mjx-assistive-mml, [class*=scroll]") && part.offsetParent).map((part) => part.className);
  return bottom > 721 || wide.length || zoom < 0.6 ? [`${h}/${v}: ends at ${bottom}, zoom ${zoom}, ${wide}`] : [];
})"""


@cache
def run(path):
    # nbval runs the notebooks on MNIST, where there is MNIST; here that would only take
    # twice as long.
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
    again = pictures_out(in_form(copy.deepcopy(run(path)), path))
    (fresh, new), (committed, old) = (
        again,
        pictures_out(path.read_text(encoding="utf-8")),
    )
    assert fresh == committed, (
        f"run: python tests/tools/refresh.py {path.relative_to(ROOT)}"
    )
    for drawn, kept in zip(new, old, strict=True):
        # Letters and lines may differ by a shade from machine to machine, but hardly a
        # pixel may change its colour.
        assert drawn.shape == kept.shape
        assert (np.abs(drawn.astype(int) - kept) > 48).any(axis=-1).mean() < 0.001


@each
@pytest.mark.parametrize("kind", ["page", "page offline", "slides", "slides offline"])
@pytest.mark.browser
def test_every_slider_lives_without_a_kernel_and_shows_the_right_numbers(
    browser, path, kind, tmp_path
):
    slides, offline = "slides" in kind, "offline" in kind
    page, failed = opened(
        browser, handout.handout(run(path), slides, offline), tmp_path, offline
    )
    kinds = {}
    for number in range(page.locator(".noUi-handle").count()):
        if slides:
            place = page.evaluate(TURN, number)
            page.wait_for_timeout(150)
        before = page.evaluate(SEEN, number)
        if not before["kind"]:
            continue  # the sandbox and the pad say that they need a kernel
        page.locator(".noUi-handle").nth(number).focus()
        page.keyboard.press(
            "ArrowRight" if before["now"] < before["most"] else "ArrowLeft"
        )
        page.wait_for_timeout(60)
        after = page.evaluate(SEEN, number)
        if before["least"] < before["most"]:
            assert (
                after["now"] != before["now"] and after["picture"] != before["picture"]
            ), before["values"]
        right(after, run(path))
        kinds[after["id"]] = after["kind"]
        if slides:
            assert page.evaluate("JSON.stringify(Reveal.getIndices())") == place, (
                "no key turned the page"
            )
    assert list(kinds.values()) == WITHOUT_A_KERNEL[path.stem[:2]]
    said = page.evaluate(BUTTONS)
    assert said == ['" (needs a running kernel)"'] * ("05" in path.stem), (
        "what can do nothing here says so"
    )
    if slides:
        assert sum(page.evaluate(FITS), []) == []
    assert failed == []
    page.context.close()


BUTTONS = "() => [...document.querySelectorAll('.widget-button')].map((one) => getComputedStyle(one, '::after').content)"
TURN = """(n) => {
  const { h, v } = Reveal.getIndices(document.querySelectorAll(".noUi-handle")[n].closest(".fit").parentElement);
  Reveal.slide(h, v, 99);
  return JSON.stringify(Reveal.getIndices());
}"""


@pytest.mark.browser
def test_keys_and_buttons_turn_the_slides(browser, tmp_path):
    page, _ = opened(
        browser,
        handout.handout(run(NOTEBOOKS[0]), slides=True, offline=True),
        tmp_path,
        True,
    )
    page.evaluate(TURN, 0)
    place = "JSON.stringify(Reveal.getIndices())"
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
    assert page.evaluate(place) != bench and not page.evaluate(
        "document.activeElement.closest('.bench')"
    )
    page.evaluate(TURN_TO_HINT)
    hint = page.evaluate(place)
    page.locator(".present .present summary").first.click()
    page.keyboard.press("ArrowDown")
    assert page.evaluate(place) != hint and page.evaluate(
        "document.activeElement === document.body"
    )
    page.context.close()


TURN_TO_HINT = """() => {
  const { h, v } = Reveal.getIndices(document.querySelector("summary").closest(".fit").parentElement);
  Reveal.slide(h, v, 99);
}"""


@pytest.mark.browser
def test_on_paper_a_bench_keeps_its_colours_and_stays_on_one_page(browser, tmp_path):
    page, _ = opened(
        browser, handout.handout(run(NOTEBOOKS[0]), offline=True), tmp_path, True
    )
    page.set_viewport_size(
        {"width": 718, "height": 1046}
    )  # A4 with margins of a centimetre
    page.emulate_media(media="print")
    bench = page.locator(".jupyter-widgets.jp-OutputArea-output").first
    assert bench.bounding_box()["height"] < 1046 / 2
    style = page.locator(".bench").first.evaluate(
        "(at) => [getComputedStyle(at)].map((s) => [s.breakInside, s.printColorAdjust])"
    )
    assert style == [["avoid", "exact"]]
    page.context.close()


def opened(browser, html, folder, offline, **settings):
    """Open a page from a file, without a network or with one that has only the CDN, and
    note what goes wrong.
    """
    (folder / "made.html").write_text(html, encoding="utf-8")
    context = browser.new_context(
        **{"viewport": {"width": 1280, "height": 720}} | settings
    )
    page, failed = context.new_page(), []
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.on("requestfailed", lambda request: failed.append(request.url))
    if offline:
        assert len(html.encode()) <= 8e6
        context.set_offline(True)
    else:
        context.route("https://**/*", lambda route: served(route, failed))
    page.goto((folder / "made.html").as_uri())
    page.wait_for_function("document.readyState === 'complete'")
    page.wait_for_function(
        """document.querySelectorAll(".widget-subarea > *").length
           === document.querySelectorAll("script[type='application/vnd.jupyter.widget-view+json']").length"""
    )
    page.evaluate(
        "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
    )
    page.wait_for_timeout(500)
    return page, failed


def served(route, failed):
    found = re.fullmatch(
        rf"{handout.CDN}/((?:@[^/]+/)?[^@]+)@([\d.]+)/(.+)", route.request.url
    )
    if found and handout.PACKAGES.get(found[1], "").split()[:1] == [found[2]]:
        name = found[3]
        route.fulfill(
            body=handout.packed(found[1], name),
            content_type="text/css" if name.endswith("css") else None,
        )
    else:
        failed.append(route.request.url)
        route.abort()


def right(seen, notebook):
    """Compare what a bench shows with torch, or with what the kernel had computed for
    it.
    """
    globals()[f"right_{seen['kind']}"](seen, notebook)


def right_convolution(seen, _notebook):
    values, boards = seen["values"], seen["boards"]
    k, padded, kernel = (
        values["kernel_size"],
        numbers(boards["Input"]),
        numbers(boards["Kernel"]),
    )
    assert len(padded) == values["input_size"] + 2 * values[
        "padding"
    ] and kernel.shape == (k, k)
    truth = F.conv2d(
        padded[None, None],
        kernel[None, None],
        stride=values["stride"],
        dilation=values["dilation"],
    )[0, 0]
    output = numbers(boards["Output"])
    assert output.shape == truth.shape and torch.allclose(output, truth, atol=1e-9)
    row, column = divmod(values["step"], len(output))
    assert seen["status"].startswith(
        f"Step {values['step']}: output[{row}, {column}] = "
    )
    assert f"kernel_size={k}, stride={values['stride']}" in seen["code"]


def right_pooling(seen, _notebook):
    values, output = seen["values"], numbers(seen["boards"]["Output"])
    k, s, p = values["kernel_size"], values["stride"], values["padding"]
    shown = exact_values(seen["boards"]["Input"])[p:, p:][
        : values["input_size"], : values["input_size"]
    ]
    pool = F.max_pool2d if "max" in seen["selects"] else F.avg_pool2d
    truth = pool(shown[None], k, s, p)[0]
    assert output.shape == truth.shape and torch.allclose(output, truth, atol=1e-9)


def right_dropout(seen, _notebook):
    values, p = numbers(seen["boards"]["Input"]), seen["values"]["p"]
    output = numbers(seen["boards"]["Output"])
    kept = output != 0
    assert f"nn.Dropout(p={p:g})" in seen["code"]
    assert (
        torch.allclose(output[kept], (values / (1 - p))[kept])
        and (values[~kept] == 0).sum() < values.numel()
    )


def right_tracer(seen, _notebook):
    at = torch.empty(
        1,
        *(int(seen["values"][name]) for name in ("channels", "side", "side")),
        device="meta",
    )
    for number, made in enumerate(eval(seen["code"], {"nn": nn})):
        try:
            at = made.to("meta")(at)
        except RuntimeError:
            assert seen["status"].startswith(f"Layer {number + 1}"), seen["status"]
            return
        count = sum(parameter.numel() for parameter in made.parameters())
        assert "×".join(map(str, at.shape[1:])) in seen["rows"][number]
        assert not count or f"{count:,}" in seen["rows"][number]


def state_of(notebook, trait):
    found = notebook.metadata.widgets[STATE]["state"].values()
    return [one["state"] for one in found if trait in one["state"]]


def right_stepper(seen, notebook):
    step = int(seen["values"]["step"])
    known = [
        one["graph"]
        for one in state_of(notebook, "graph")
        if len(one["graph"]["nodes"]) > step
    ]
    (view,) = [one for one in known if one["nodes"][step]["says"] == seen["status"]]
    assert seen["grads"] == [
        after if step >= leaf else before
        for leaf, _, _, before, after in view["leaves"]
    ]


def right_gallery(seen, notebook):
    first, second = [*map(int, seen["values"].values()), 0][:2]
    says = [one["pages"][first * one["across"] + second]["says"] for one in state_of(notebook, "pages")
            if len(one["pages"]) > first * one["across"] + second]  # fmt: skip
    assert seen["status"] in says


@each
@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nobody_is_shut_out(browser, path, dark, tmp_path, monkeypatch):
    monkeypatch.setitem(handout.PACKAGES, "axe-core", AXE)
    page, _ = opened(
        browser,
        handout.handout(run(path), offline=True, dark=dark),
        tmp_path,
        offline=True,
    )
    page.evaluate(handout.packed("axe-core", "axe.min.js"))
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")[
        "violations"
    ]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert [
        (one["id"], one["nodes"][0]["html"][:200], len(one["nodes"])) for one in serious
    ] == []
    # A window of 1280 pixels at 200 % is one of 640.
    page.set_viewport_size({"width": 640, "height": 360})
    assert page.evaluate("document.documentElement.scrollWidth") <= 640
    assert page.evaluate(CUT) == []
    page.context.close()


def test_solutions_are_in_the_teachers_copy_alone():
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        answers = [
            line
            for cell in notebook.cells
            for line in re.findall(r"(?s)<summary>Solution.*?</details>", cell.source)
        ]
        student, teacher = (
            handout.handout(notebook),
            handout.handout(notebook, solutions=True),
        )
        assert len(answers) >= 6 and teacher.count(
            "<summary>Solution</summary>"
        ) == len(answers)
        assert "<summary>Solution</summary>" not in student and student.count(
            "<summary>Hint</summary>"
        ) == len(answers)


@each
def test_what_is_to_be_predicted_is_folded(path):
    notebook = nbformat.read(path, as_version=4)
    speaking = [
        cell for cell in notebook.cells if cell.cell_type == "markdown" or cell.outputs
    ]
    pairs = [
        (before.source, cell)
        for before, cell in itertools.pairwise(speaking)
        if cell.get("outputs")
    ]
    asked = [source for source, cell in pairs if re.search(r"\*\*[Pp]redict", source)]
    assert handout.handout(notebook).count('<details class="asked">') == len(asked)


def test_what_cannot_be_made_gets_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(
        SystemExit, match="nothing.ipynb is no notebook. Name files such as"
    ):
        handout.main([str(tmp_path / "nothing.ipynb")])
    with pytest.raises(
        SystemExit, match="nothing.ipynb is no notebook"
    ):  # before the first one is run
        handout.main(
            [str(NOTEBOOKS[0]), str(tmp_path / "nothing.ipynb"), "--to", str(tmp_path)]
        )
    monkeypatch.setattr(handout, "STORE", tmp_path)
    monkeypatch.setattr(handout, "REGISTRY", "http://127.0.0.1:9")
    with pytest.raises(
        handout.HandoutError, match="could not be had .* needs a network once"
    ):
        handout.packed("requirejs", "package.json")
    assert list(tmp_path.iterdir()) == []


def test_a_cell_that_fails_is_named(tmp_path):
    own = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    nbformat.write(own, tmp_path / "mine.ipynb")
    with pytest.raises(
        SystemExit,
        match="mine.ipynb stops at a cell with ZeroDivisionError: division by zero. Mend",
    ):
        handout.main([str(tmp_path / "mine.ipynb"), "--to", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_what_is_printed_in_one_go_stays_together(tmp_path):
    cells = [
        nbformat.v4.new_code_cell(
            "print('one', flush=True)\n__import__('time').sleep(0.5)\nprint('two')"
        )
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "mine.ipynb")
    (output,) = handout.executed(tmp_path / "mine.ipynb").cells[0].outputs
    assert output.text == "one\ntwo\n"


@pytest.mark.parametrize("text", ["", "hello", "[1]", '{"a": 1}'])
def test_a_file_that_is_no_notebook_inside_gets_one_sentence(tmp_path, text):
    (tmp_path / "mine.ipynb").write_text(text)
    with pytest.raises(
        SystemExit,
        match="mine.ipynb has the name of a notebook, but cannot be read as one. Get",
    ):
        handout.main([str(tmp_path / "mine.ipynb"), "--to", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_a_folder_that_takes_nothing_gets_one_sentence(tmp_path, capfd):
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "mine.ipynb")
    with pytest.raises(
        SystemExit, match="mine.html cannot be written .* Name another folder with --to"
    ):
        handout.main(
            [str(tmp_path / "mine.ipynb"), "--to", str(tmp_path / "mine.ipynb")]
        )
    assert "TCP" not in capfd.readouterr().err, (
        "the kernel's own warnings are not the teacher's"
    )


def test_a_package_that_is_not_the_pinned_one_is_refused(tmp_path, monkeypatch):
    (tmp_path / "requirejs").mkdir()
    (tmp_path / "requirejs" / "-").mkdir()
    (tmp_path / "requirejs" / "-" / "requirejs-2.3.7.tgz").write_bytes(
        b"something else"
    )
    monkeypatch.setattr(handout, "STORE", tmp_path / "store")
    monkeypatch.setattr(handout, "REGISTRY", tmp_path.as_uri())
    with pytest.raises(handout.HandoutError, match="another checksum"):
        handout.packed("requirejs", "package.json")
    assert not (tmp_path / "store").exists()


def test_a_slide_holds_one_idea():
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        types = [cell.metadata.slideshow.slide_type for cell in cells]
        assert types.count("skip") == 2 and set(types) == {
            "skip",
            "slide",
            "subslide",
            "-",
            "fragment",
        }
        for (before, _), (cell, where) in itertools.pairwise(
            zip(cells, types, strict=True)
        ):
            assert where != "-" or (before.cell_type, cell.cell_type) == (
                "markdown",
                "code",
            )
            assert where != "fragment" or (before.cell_type, cell.cell_type) == (
                "code",
                "markdown",
            )
            assert not cell.source.startswith("## ") or where == "slide"


def test_a_notebook_of_ones_own_becomes_a_page(tmp_path):
    own = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("# Mine"),
            nbformat.v4.new_code_cell("1 + 1"),
        ]
    )
    nbformat.write(own, tmp_path / "mine.ipynb")
    handout.main(
        [str(tmp_path / "mine.ipynb"), "--slides", "--to", str(tmp_path / "out")]
    )
    assert "<title>Mine</title>" in (tmp_path / "out" / "mine.slides.html").read_text(
        encoding="utf-8"
    )
    assert (
        json.loads((tmp_path / "mine.ipynb").read_text())["cells"][1]["outputs"] == []
    )
