"""Every notebook in a real JupyterLab in a real Chromium, run from top to bottom, and
the bench by keyboard.
"""

import lab
import pytest
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
    for width, dark in ((1400, False), (900, True)):
        lab.set_theme(page, dark)
        page.set_viewport_size({"width": width, "height": 1000})
        page.wait_for_function(
            f"document.body.dataset.jpThemeLight === '{str(not dark).lower()}'"
        )
        lab.screenshots(page, f"{path.stem}-{width}-{'dark' if dark else 'light'}")
        assert lab.cut_off(page) == []
    lab.close(page)


def test_the_link_to_the_course_opens_it(browser, address):
    page = lab.open_notebook(browser, address, f"notebooks/{NOTEBOOKS[0].name}")
    page.get_by_role("link", name="The course").first.click()
    page.wait_for_function(
        "jupyterapp.shell.currentWidget.context.path === 'README.md'"
    )
    lab.close(page)


@pytest.fixture(scope="module")
def cell(browser, address):
    page = lab.open_source(browser, address, "")
    yield page
    lab.close(page)


@pytest.fixture
def bench(cell):
    lab.show(
        cell,
        "from helpers.widgets.sliding_window import ConvolutionBench\nbench = ConvolutionBench()\nbench",
    )
    return cell


def slider(page, name):
    return page.locator(
        ".widget-slider", has=page.locator(f".widget-label:text-is('{name}')")
    ).locator(".noUi-handle")


def press(page, name, *keys):
    slider(page, name).focus()
    for key in keys:
        page.keyboard.press(key)
    page.wait_for_timeout(100)


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
    assert in_kernel(bench, "bench, bench.step").startswith(
        "ConvolutionBench(input_size=9, kernel_size=5, stride=2, padding=1, dilation=2) 1"
    )
    assert (
        bench.evaluate("jupyterapp.shell.currentWidget.content.widgets.length") == 3
    ), "no key reached a shortcut"


def test_a_bench_opens_as_python_left_it(bench):
    for _ in range(4):
        source = "from helpers.widgets.sliding_window import ConvolutionBench\n"
        source += "bench = ConvolutionBench(input_size=12, kernel_size=5, stride=2)\nbench.step = 7\nbench"
        bench.evaluate(
            "(source) => jupyterapp.shell.currentWidget.content.activeCell.model.sharedModel.setSource(source)",
            source,
        )
        lab.run_all(bench)
        step = slider(bench, "step")
        assert (
            step.get_attribute("aria-valuenow"),
            step.get_attribute("aria-valuemax"),
        ) == ("7.0", "15.0")
        assert bench.inner_text(".bench-status").startswith("Step 7:")


def test_no_slider_passes_the_last_window_that_fits(bench):
    press(bench, "kernel_size", *["ArrowRight"] * 8)
    press(bench, "dilation", *["ArrowRight"] * 3)
    press(bench, "input_size", *["ArrowLeft"] * 9)
    assert in_kernel(bench, "bench").startswith(
        "ConvolutionBench(input_size=7, kernel_size=7, stride=1, padding=0, dilation=1)"
    )
    assert bench.inner_text(".bench-status").startswith("Step 0: output[0, 0] = ")


def test_python_moves_the_sliders_and_the_page(bench):
    assert (
        in_kernel(
            bench,
            "bench.set(input_size=12, kernel_size=7, dilation=2, padding=3, stride=4)",
        )
        == "None"
    )
    lab.settle(bench)
    values = [
        slider(bench, name).get_attribute("aria-valuenow")
        for name in ("input_size", "kernel_size", "stride")
    ]
    assert values == ["12.0", "7.0", "4.0"]
    assert "kernel_size=7, stride=4, padding=3, dilation=2" in bench.inner_text(
        ".bench-code code"
    )


def test_ready_made_and_typed_numbers_reach_python(bench):
    bench.locator(".widget-dropdown select").nth(0).select_option("ramp")
    bench.locator(".widget-dropdown select").nth(1).select_option("identity")
    bench.locator("[aria-label=Kernel] [data-row='1'][data-column='1']").focus()
    bench.keyboard.type("3")
    bench.keyboard.press("Enter")
    assert (
        in_kernel(bench, "bench.output[0].tolist()")
        == "[3.0, 6.0, 9.0, 12.0, 15.0, 18.0]"
    )
    assert bench.locator("[aria-label=Output] [data-row='0']").all_inner_texts() == [
        "3",
        "6",
        "9",
        "12",
        "15",
        "18",
    ]
    assert bench.locator(".widget-dropdown select").nth(1).input_value() == "my own"


def test_play_walks_the_window(bench):
    bench.locator(".widget-play button").first.click()
    bench.wait_for_function(
        "document.querySelector('.bench-status').textContent.startsWith('Step 2')",
        timeout=10_000,
    )
    bench.locator(".widget-play button").first.click()
    bench.wait_for_timeout(200)
    before = bench.inner_text(".bench-status")
    bench.wait_for_timeout(1200)
    assert bench.inner_text(".bench-status") == before
