"""Every notebook in a real JupyterLab in a real Chromium, run from top to bottom, and
the bench by keyboard.
"""

import lab
import pytest
from benches import SOURCES
from refresh import NOTEBOOKS

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_from_top_to_bottom_on_the_embedded_digits_and_fits_in_both_themes(
    browser, address_without_mnist, path
):
    page = lab.open_notebook(
        browser, address_without_mnist, f"notebooks/{path.name}", (1400, 1000)
    )
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    lab.run_all(page)
    assert lab.errors(page) == [] and complaints == []
    lab.RUN[path] = lab.saved(page)
    for width, dark in ((1400, False), (900, True)):
        lab.set_theme(page, dark)
        page.set_viewport_size({"width": width, "height": 1000})
        page.wait_for_function(
            f"document.body.dataset.jpThemeLight === '{str(not dark).lower()}'"
        )
        lab.screenshots(page, f"{path.stem}-{width}-{'dark' if dark else 'light'}")
        assert (width, lab.cut_off(page)) == (width, [])
    lab.close(page)


def test_the_link_to_the_course_opens_it(browser, address):
    page = lab.open_notebook(browser, address, f"notebooks/{NOTEBOOKS[0].name}")
    page.get_by_role("link", name="The course").first.click()
    page.wait_for_function(
        "jupyterapp.shell.currentWidget.context.path === 'README.md'"
    )
    lab.close(page)


@pytest.fixture
def bench(notebook):
    lab.show(notebook, SOURCES["convolution"])
    return notebook


def slider(page, name):
    return page.locator(
        ".widget-slider", has=page.locator(f".widget-label:text-is('{name}')")
    ).locator(".noUi-handle")


def press(page, name, *keys):
    """Press keys on a slider of ipywidgets, or with the step of a layer on the page's."""
    own = page.locator(".bench-step")
    (own if name == "step" and own.count() else slider(page, name)).focus()
    for key in keys:
        page.keyboard.press(key)
    page.wait_for_timeout(100)


def choose(page, name, chosen):
    """Choose from a list."""
    label = page.locator(f".widget-label:text-is('{name}')")
    lists = page.locator(".widget-dropdown", has=label)
    lists.locator("select").select_option(chosen)


def in_kernel(page, expression):
    """Return what the kernel says of an expression, through a new cell at the end."""
    lab.settle(page)  # a cell would overtake what the sliders have to tell
    page.evaluate(
        """async (source) => {
             const { content } = jupyterapp.shell.currentWidget;
             content.activeCellIndex = content.widgets.length - 1;
             await jupyterapp.commands.execute("notebook:insert-cell-below");
             content.activeCell.model.sharedModel.setSource(source);
           }""",
        f"print({expression})",
    )
    lab.run_last(page)
    output = page.evaluate(
        "jupyterapp.shell.currentWidget.content.activeCell.model.outputs.get(0).toJSON()"
    )
    return "".join(output["text"]).strip()


def test_each_slider_moves_by_arrow_keys_and_python_follows(bench):
    press(bench, "padding", "ArrowRight")
    press(bench, "kernel_size", "ArrowRight", "ArrowRight")
    press(bench, "stride", "ArrowRight")
    press(bench, "dilation", "ArrowRight")
    press(bench, "input_size", "ArrowRight")
    press(bench, "step", "ArrowRight")
    assert bench.inner_text(".bench-code code") == in_kernel(bench, "bench.code")
    assert in_kernel(bench, "bench") == (
        "LayerBench(nn.Conv2d(1, 1, kernel_size=5, stride=2, padding=1, dilation=2, "
        "bias=False), picture='digit', size=9, weight='Sobel x', step=1)"
    )
    assert (
        bench.evaluate("jupyterapp.shell.currentWidget.content.widgets.length") == 3
    ), "no key reached a shortcut"


def test_a_bench_opens_as_python_left_it(bench):
    for _ in range(4):
        source = SOURCES["convolution"].removesuffix("bench")
        source += (
            "bench.set(input_size=12, kernel_size=5, stride=2)\nbench.step = 7\nbench"
        )
        bench.evaluate(
            "(source) => jupyterapp.shell.currentWidget.content.activeCell.model.sharedModel.setSource(source)",
            source,
        )
        lab.run_all(bench)
        step = bench.locator(".bench-step")
        assert (step.input_value(), step.get_attribute("max")) == ("7", "15")
        assert slider(bench, "kernel_size").get_attribute("aria-valuenow") == "5.0"
        assert bench.inner_text(".bench-status").startswith("Step 7:")


def test_where_no_window_fits_page_and_python_say_the_same(bench):
    press(bench, "kernel_size", *["ArrowRight"] * 5)
    press(bench, "input_size", *["ArrowLeft"] * 4)
    assert slider(bench, "kernel_size").get_attribute("aria-valuenow") == "7.0"
    said = bench.inner_text(".bench-trouble")
    assert said.startswith("A window of 7 (kernel_size 7, dilation 1) does not fit")
    assert in_kernel(bench, "bench.trouble") == said
    press(bench, "kernel_size", *["ArrowLeft"] * 4)
    assert bench.inner_text(".bench-trouble") == ""
    assert bench.inner_text(".bench-status").startswith("Step 0: output[0, 0] = ")
    assert in_kernel(bench, "tuple(bench.output.shape)") == "(1, 2, 2)"


def test_python_moves_the_sliders_and_the_page(bench):
    assert (
        in_kernel(
            bench,
            "bench.set(input_size=12, kernel_size=(6, 7), padding=3, stride=4)",
        )
        == "None"
    )
    lab.settle(bench)
    values = [
        slider(bench, name).get_attribute("aria-valuenow")
        for name in ("input_size", "kernel_size", "stride")
    ]
    assert values == ["12.0", "6.0", "4.0"]
    assert slider(bench, "kernel_size ↔").is_visible()
    assert "kernel_size=(6, 7), stride=4, padding=3" in bench.inner_text(
        ".bench-code code"
    )


def test_only_the_settings_of_the_layer_are_seen(bench):
    fold = bench.get_by_role("button", name="more settings")
    assert fold.get_attribute("aria-expanded") == "false"
    fold.press("Enter")
    bench.wait_for_timeout(100)
    assert fold.get_attribute("aria-expanded") == "true"
    assert slider(bench, "dilation").is_visible()
    assert not slider(bench, "kernel_size ↔").is_visible()
    choose(bench, "layer", "AvgPool2d")
    assert not slider(bench, "dilation").is_visible()
    assert slider(bench, "divisor_override").is_visible()
    bench.get_by_label("locked").uncheck()
    assert slider(bench, "kernel_size ↔").is_visible()
    press(bench, "kernel_size ↔", "ArrowLeft")
    lab.settle(bench)
    assert in_kernel(bench, "bench.kind, bench.kernel_size") == "AvgPool2d (3, 2)"


def test_ready_made_and_typed_numbers_reach_python(bench):
    choose(bench, "input", "ramp")
    choose(bench, "kernel", "identity")
    bench.locator("[aria-label=Kernel] [data-row='1'][data-column='1']").focus()
    bench.keyboard.type("3")
    bench.keyboard.press("Enter")
    assert (
        in_kernel(bench, "bench.output[0, 0].tolist()")
        == "[3.0, 6.0, 9.0, 12.0, 15.0, 18.0]"
    )
    row = bench.locator("[aria-label=Output] [data-row='0']")
    assert row.all_inner_texts() == ["3", "6", "9", "12", "15", "18"]
    chosen = bench.locator(
        ".widget-dropdown:has(.widget-label:text-is('kernel')) select"
    )
    assert chosen.input_value() == "my own"


def test_undo_moves_the_sliders_and_python(bench):
    press(bench, "stride", "ArrowRight")
    bench.wait_for_timeout(700)
    bench.get_by_role("button", name="Undo").press("Enter")
    lab.settle(bench)
    assert slider(bench, "stride").get_attribute("aria-valuenow") == "1.0"
    assert in_kernel(bench, "bench.stride") == "1"


def test_play_walks_the_window(bench):
    play = bench.get_by_role("button", name="Play or pause")
    play.press("Enter")
    bench.wait_for_function(
        "document.querySelector('.bench-status').textContent.startsWith('Step 2')",
        timeout=10_000,
    )
    play.press("Enter")
    bench.wait_for_timeout(200)
    before = bench.inner_text(".bench-status")
    bench.wait_for_timeout(1200)
    assert bench.inner_text(".bench-status") == before
    lab.settle(bench)
    assert in_kernel(bench, "bench.step") == before[5:6]
