"""The live view in a page: how it answers a press on Train that nobody hears."""

import pytest
from page import open_bench

from helpers.widgets.monitor import Monitor

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser):
    page = open_bench(browser, Monitor(source="here", says="Choose."))
    page.clock.install(time=0)
    page.clock.pause_at(1)
    yield page
    page.close()


def says(page):
    return page.inner_text(".bench-status")


def test_no_answer_is_told_and_the_button_springs_back(page):
    page.evaluate("model.set('asked', true)")
    page.clock.run_for(2900)
    assert says(page) == "Choose."
    page.clock.run_for(200)
    assert says(page).startswith(
        "No answer has come: a run needs a running kernel. Run"
    )
    assert page.evaluate("model.get('asked')") is False


@pytest.mark.parametrize("answer", ["set('says', 'Waiting.')", "set('asked', false)"])
def test_an_answer_in_time_or_a_second_press_ends_the_wait(page, answer):
    page.evaluate("model.set('asked', true)")
    page.clock.run_for(1000)
    page.evaluate(f"model.{answer}")
    page.clock.run_for(5000)
    assert not says(page).startswith("No answer")


def test_a_run_of_a_cell_asks_nothing(page):
    page.evaluate("model.set('done', 0.5); model.set('says', 'Batch 1.')")
    page.clock.run_for(5000)
    assert says(page) == "Batch 1."
    assert page.locator("progress").evaluate("bar => bar.value") == 0.5


def test_a_view_that_is_gone_is_silent(page):
    page.evaluate("model.set('asked', true); clean(); model.set('asked', true)")
    page.clock.run_for(5000)
    assert page.evaluate("model.get('says')") == "Choose."


@pytest.mark.parametrize(
    "losses", [[2.3, 0.4, 0.05], [40.0, 9.0, 3.0], [2.3, 2.3, 2.3]]
)
def test_every_curve_stays_within_its_chart(opened, losses):
    curves = {"steps": [0, 1, 2], "losses": losses, "accuracies": [0.1, 0.9, 1.0]}
    rows = [[2, losses[-1], 0.97]]
    view = Monitor(source="here", says="Choose.")
    view.names, view.runs = ["one"], [curves | {"validation": rows}]
    page = opened(view)
    inside = page.evaluate(
        "[...document.querySelectorAll('.curve svg')].map((chart) => {"
        " const size = chart.viewBox.baseVal;"
        " return [...chart.querySelectorAll('.curve-run')].every((line) => {"
        " const { x, y, width, height } = line.getBBox();"
        " return x >= 0 && y >= 0 && x + width <= size.width && y + height <= size.height - 30; }); })"
    )
    assert inside == [True, True]


def test_the_axis_of_the_loss_says_that_it_is_logarithmic(page):
    words = page.locator(".curve").first.locator("text").all_text_contents()
    assert "cross entropy, logarithmic" in words
