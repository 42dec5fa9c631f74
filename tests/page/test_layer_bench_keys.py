"""What a click or a key does on the bench of a layer, and what it says where it can do
nothing.
"""

import pytest
import torch
from page import BOARDS, cell, change, held, numbers, open_bench
from torch import nn

from helpers.widgets.layer_bench import LayerBench
from helpers.widgets.layer_controls import INPUTS, WEIGHTS

pytestmark = pytest.mark.browser
START = {"input_size": 6, "kernel_size": 3, "stride": 1, "padding": 1, "dilation": 1}
START |= {"input_index": 4, "weight_index": 7, "step": 0, "view": "forward"}
START |= {"locked": True, "kind_index": 0, "bias": False, "input_own": []}
START |= {"in_channels": 1, "out_channels": 1, "weight_own": [], "sent_own": []}
SETTLED = 700  # milliseconds after which a change can be undone by itself


@pytest.fixture(scope="module")
def shared(browser):
    page = open_bench(browser, LayerBench(nn.Conv2d(1, 1, 3, bias=False))._view)
    yield page
    page.close()


@pytest.fixture
def page(shared):
    shared.set_viewport_size({"width": 1280, "height": 900})
    shared.mouse.move(0, 0)
    change(shared, **START)
    return shared


def said(page, part):
    return page.inner_text(f".bench-{part}")


def bubbles(page):
    """Return what is said at cells."""
    found = page.locator(".bench-bubble").all_inner_texts()
    return [text for text in found if text]


def output(page):
    return numbers(page.evaluate(BOARDS)["Output"])


def press(page, name, key="Enter"):
    page.get_by_role("button", name=name, exact=True).press(key)


def write_into(page, board, row, column, text, key="Enter"):
    cell(page, board, row, column).focus()
    page.keyboard.type(text)
    page.keyboard.press(key)


def test_pointing_at_and_moving_to_an_output_moves_the_window(page):
    cell(page, "Output", 2, 3).hover()
    assert held(page, "step") == 2 * 6 + 3
    cell(page, "Output", 2, 3).focus()
    keys = {"ArrowRight": 16, "ArrowDown": 22, "Home": 18, "End": 23, "ArrowLeft": 22}
    for key, step in (keys | {"ArrowUp": 16}).items():
        page.keyboard.press(key)
        assert held(page, "step") == step
        assert said(page, "status").startswith(f"Step {step}: output[{step // 6}, ")
    stops = page.locator("[aria-label=Output] [tabindex='0']")
    assert stops.count() == 1
    frame = page.locator("[aria-label^=Input] .bench-frame")
    place = frame.evaluate("({ style }) => [style.top, style.left].map(parseFloat)")
    assert place == pytest.approx([100 * 2 / 8, 100 * 4 / 8])


def test_pointing_at_another_channel_chooses_it(opened):
    page = opened(LayerBench(nn.Conv2d(2, 3, 3)))
    cell(page, "Output 2", 1, 4).hover()
    assert (held(page, "channel"), held(page, "step")) == (2, 10)
    assert said(page, "status").startswith("Step 10: output[2, 1, 4] = ")
    assert page.locator("[aria-label='Output 2'] .current").count() == 1
    assert page.locator("[role=grid] .current").count() == 1
    change(page, out_channels=2)
    assert said(page, "status").startswith("Step 10: output[1, 1, 4] = ")


def test_numbers_are_typed_at_cells_also_as_fractions_and_with_a_comma(page):
    write_into(page, "Kernel", 1, 1, "1/3")
    assert held(page, "weight_own")[0][0][1][1] == 1 / 3
    assert held(page, "weight_index") == WEIGHTS.index("my own")
    assert cell(page, "Kernel", 1, 1).inner_text() == "0.33"
    write_into(page, "Kernel", 0, 2, "-2,5")
    assert held(page, "weight_own")[0][0][0][2] == -2.5
    write_into(page, "Input", 1, 1, "7", "Tab")
    assert held(page, "input_own")[0][0][0] == 7
    bench = LayerBench(
        nn.Conv2d(1, 1, 3, padding=1, bias=False), "random", size=6, weight="random"
    )
    pixels, weight = bench.input.clone(), bench.weight.clone()
    pixels[0, 0, 0], weight[0, 0, 1, 1], weight[0, 0, 0, 2] = 7, 1 / 3, -2.5
    bench.input, bench.weight = pixels, weight
    assert torch.allclose(output(page), bench.output[0], atol=1e-9)


def test_a_refused_entry_is_told_at_its_cell_and_nothing_is_lost(page):
    before = cell(page, "Kernel", 1, 1).inner_text()
    for text in (
        "<img src=x onerror=alert(1)>",
        "1,000",
        "0x10",
        "1e9",
        "9999999",
        "1/0",
        "1/2/3",
    ):
        cell(page, "Kernel", 1, 1).click()
        page.keyboard.type(text)
        page.keyboard.press("Enter")
        field = page.locator(".bench input:not(.bench-step)")
        assert (
            field.get_attribute("aria-invalid") == "true"
            and field.input_value() == text
        )
        assert bubbles(page) == [
            f'"{text}" is not a number up to a million, such as 2, −0.5 or 1/3.'
        ]
        page.keyboard.press("Escape")
        assert held(page, "weight_index") == WEIGHTS.index("random"), text
        assert cell(page, "Kernel", 1, 1).inner_text() == before
        assert bubbles(page) == []
    cell(page, "Kernel", 1, 1).click()
    page.keyboard.type("four")
    page.keyboard.press("Tab")
    assert bubbles(page) == [
        '"four" is not a number up to a million, such as 2, −0.5 or 1/3. '
        f"The cell keeps {before}."
    ]
    assert cell(page, "Kernel", 1, 1).inner_text() == before


def test_a_mended_entry_is_taken(page):
    cell(page, "Kernel", 1, 1).click()
    page.keyboard.type("5x")
    page.keyboard.press("Enter")
    page.keyboard.press("Backspace")
    page.keyboard.press("Enter")
    assert held(page, "weight_own")[0][0][1][1] == 5
    assert bubbles(page) == []


def test_looking_at_a_cell_is_no_edit_and_escape_keeps_what_is_shown(page):
    change(page, weight_index=2)
    for key in ("Tab", "Escape"):
        cell(page, "Kernel", 0, 0).click()
        page.keyboard.press(key)
        assert held(page, "weight_index") == 2
        assert cell(page, "Kernel", 0, 0).inner_text() == "0.11"
    cell(page, "Input", 1, 1).click()
    page.keyboard.type("7")
    page.keyboard.press("Escape")
    assert held(page, "input_index") == INPUTS.index("random")


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (0, "This is padding: padding_mode says what stands here."),
        (2, "This is padding: no number can be typed here."),
    ],
)
def test_cells_of_the_padding_say_why_nothing_can_be_typed(page, kind, says):
    change(page, kind_index=kind)
    cell(page, "Input", 0, 0).click()
    assert bubbles(page) == [says]
    assert page.locator(".bench [role=grid] input").count() == 0
    cell(page, "Input", 0, 3).focus()
    page.keyboard.type("4")
    assert bubbles(page) == [says]


def test_numbers_typed_are_kept_where_sizes_shrink_and_grow(page):
    write_into(page, "Input", 6, 6, "42")
    change(page, input_size=4)
    write_into(page, "Input", 1, 1, "-1")
    change(page, input_size=6)
    assert cell(page, "Input", 6, 6).inner_text() == "42"
    assert cell(page, "Input", 1, 1).inner_text() == "-1"


def test_an_open_field_closes_when_its_cell_comes_to_mean_another(page):
    change(page, weight_index=2, input_index=1)
    cell(page, "Input", 2, 2).click()
    page.keyboard.type("7")
    change(page, padding=2)
    assert page.locator(".bench [role=grid] input").count() == 0
    assert held(page, "input_index") == 1
    cell(page, "Output", 5, 5).focus()
    change(page, stride=4)
    focused = "document.activeElement.closest('[aria-label=Output]') !== null"
    assert page.evaluate(focused), "the focus stays in the grid"


def test_zoom_and_run_keys_are_left_alone(page):
    cell(page, "Kernel", 0, 0).focus()
    for key in ("Control+0", "Shift+Enter"):
        page.keyboard.press(key)
        assert page.locator(".bench [role=grid] input").count() == 0


def test_views_change_by_keyboard(opened):
    page = opened(LayerBench(nn.ConvTranspose2d(1, 1, 3), size=3))
    shown = page.locator(".bench-bar button:visible")
    always = ["forward", "backward", "stamps", "matrix", "Undo", "Reset"]
    more = {"forward": [], "backward": ["one output alone"], "stamps": []}
    for view, buttons in (more | {"matrix": ["transpose"]}).items():
        press(page, view, "Space")
        assert held(page, "view") == view
        assert shown.all_inner_texts() == [*always[:4], *buttons, *always[4:]]
        pressed = page.locator(".bench-bar [aria-pressed=true]:visible")
        assert pressed.all_inner_texts() == [view]
    change(page, kind_index=0, input_size=4)
    assert "stamps" not in shown.all_inner_texts()


def test_a_view_that_the_layer_lacks_is_forward(opened):
    page = opened(LayerBench(nn.ConvTranspose2d(1, 1, 3), size=4, view="stamps"))
    change(page, kind_index=2)
    pressed = page.locator(".bench-bar [aria-pressed=true]:visible")
    assert pressed.all_inner_texts() == ["forward"]
    assert said(page, "status").startswith("Step 0: output[0, 0] = ")
    change(page, kind_index=1)
    assert pressed.all_inner_texts() == ["stamps"]


@pytest.mark.slow
def test_undo_takes_changes_back_one_by_one_and_reset_all(opened):
    page = opened(LayerBench(nn.Conv2d(1, 1, 3, bias=False), weight="box"))
    first = said(page, "code code"), output(page).tolist()
    change(page, stride=2)
    page.wait_for_timeout(SETTLED)
    second = said(page, "code code"), output(page).tolist()
    write_into(page, "Kernel", 0, 0, "5")
    assert output(page).tolist() != second[1]
    press(page, "Undo")
    assert (said(page, "code code"), output(page).tolist()) == second
    assert held(page, "weight_index") == WEIGHTS.index("box")
    press(page, "Undo")
    press(page, "Undo")
    assert (said(page, "code code"), output(page).tolist()) == first
    for changed in ({"kernel_size": 5}, {"padding": 2}, {"kind_index": 3}):
        change(page, **changed)
        page.wait_for_timeout(SETTLED)
    press(page, "Reset")
    assert (said(page, "code code"), output(page).tolist()) == first


@pytest.mark.slow
def test_undo_brings_back_what_fitted(opened):
    page = opened(LayerBench(nn.Conv2d(1, 1, 3), size=4))
    before = said(page, "status")
    change(page, kernel_size=7)
    assert "does not fit" in said(page, "trouble")
    press(page, "Undo")
    assert (said(page, "trouble"), said(page, "status")) == ("", before)


@pytest.mark.slow
def test_play_walks_to_the_end_and_starts_again(opened):
    page = opened(LayerBench(nn.Conv2d(1, 1, 3), size=4))
    play = page.get_by_role("button", name="Play or pause")
    play.press("Enter")
    assert play.inner_text() == "⏸ Pause"
    page.wait_for_function("model.get('step') === 2")
    play.press("Enter")
    assert play.inner_text() == "▶ Play"
    before = held(page, "step")
    page.wait_for_timeout(800)
    assert held(page, "step") == before
    change(page, step=3)
    play.press("Enter")
    assert held(page, "step") == 0
    page.wait_for_function(
        "document.querySelector('.bench-walk button').textContent === '▶ Play'"
    )
    assert held(page, "step") == 3
    play.press("Enter")
    page.evaluate("clean()")
    page.wait_for_timeout(800)
    assert held(page, "step") == 0, "a closed view walks no more"


def test_the_range_of_the_walk_follows_the_output(page):
    step = page.locator(".bench-step")
    assert step.get_attribute("aria-label") == "step"
    step.focus()
    for key, now in (("End", 35), ("ArrowLeft", 34), ("Home", 0), ("ArrowRight", 1)):
        page.keyboard.press(key)
        assert held(page, "step") == now
        assert said(page, "step-says") == f"step {now} of 35"
    page.keyboard.press("End")
    change(page, stride=2)
    assert said(page, "step-says") == "step 8 of 8" and step.input_value() == "8"
    assert said(page, "status").startswith("Step 8: output[2, 2] = ")
    change(page, stride=1)
    assert said(page, "step-says") == "step 35 of 35"


def test_where_no_window_fits_a_sentence_stands_there_and_all_comes_back(page):
    change(page, padding=0, step=4)
    before = page.inner_text(".bench")
    change(page, kernel_size=7)
    bench = LayerBench(nn.Conv2d(1, 1, 7), size=6)
    assert said(page, "trouble") == bench.trouble
    assert "kernel_size=7" in said(page, "code code")
    for part in (".bench-panels", ".bench-status", ".bench-formula"):
        assert not page.locator(part).is_visible()
    copy = page.get_by_role("button", name="Copy the bench")
    assert not copy.is_visible()
    change(page, kernel_size=3)
    assert page.inner_text(".bench") == before and copy.is_visible()


def test_a_bench_may_start_where_no_window_fits(opened):
    page = opened(LayerBench(nn.MaxPool2d(2, padding=2)))
    assert "padding 2 is more than half of kernel_size 2" in said(page, "trouble")
    change(page, padding=1)
    assert said(page, "trouble") == ""
    assert output(page).shape == (5, 5)


@pytest.mark.slow
def test_a_window_that_grows_too_large_to_be_drawn_says_so(opened):
    bench = LayerBench(nn.ConvTranspose2d(1, 1, 3, stride=4), size=12)
    page = opened(bench)
    assert bench.output.shape == (1, 47, 47)
    assert said(page, "trouble") == (
        "The output has 47×47 numbers, more than can be read: 32 on a side can. "
        "bench.output has them all."
    )
    assert not page.locator(".bench-panels").is_visible()
    change(page, stride=2)
    assert said(page, "trouble") == "" and output(page).shape == (25, 25)
    press(page, "matrix")
    assert said(page, "trouble") == (
        "The matrix has 625 rows and 144 columns, more than can be read: 64 can. "
        "Choose a smaller input; bench.matrix has them all."
    )
    press(page, "forward")
    assert said(page, "trouble") == ""


def test_copy_takes_the_line_or_selects_it(page):
    page.get_by_role("button", name="Copy", exact=True).click()
    page.wait_for_timeout(50)
    assert page.evaluate("getSelection().toString()") == said(page, "code code")
    assert "is selected" in said(page, "note")


@pytest.mark.parametrize("width", [400, 700, 1000, 2000])
def test_no_number_is_wider_than_its_cell(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    for settings in ({"dilation": 1}, {"dilation": 2}, {"view": "backward"}):
        change(
            page, weight_index=0, input_size=12, kernel_size=7, padding=3, **settings
        )
        page.wait_for_timeout(100)
        wide = page.evaluate(
            """() => [...document.querySelectorAll(".bench [role=gridcell]")].filter((cell) => {
                 const range = document.createRange();
                 range.selectNodeContents(cell);
                 return range.getBoundingClientRect().width > cell.getBoundingClientRect().width;
               }).map((cell) => cell.textContent)"""
        )
        assert wide == []


@pytest.mark.slow
@pytest.mark.parametrize("view", ["forward", "backward"])
def test_many_boards_are_no_wider_than_their_place(opened, view):
    page = opened(LayerBench(nn.Conv2d(3, 4, 3, padding=1), size=12, view=view))
    for width in (390, 460, 560, 900, 1400):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_timeout(100)
        room = "(at) => at.clientWidth - at.scrollWidth"
        assert page.locator(".bench").evaluate(room) >= 0, width


def test_small_cells_hold_no_text_and_are_called_by_their_exact_number(opened):
    bench = LayerBench(nn.Conv2d(3, 1, 3, padding=1), "random", view="backward")
    page = opened(bench)
    for size, small in ((9, True), (4, False), (12, True)):
        change(page, input_size=size)
        at = cell(page, "Input 0 with its padding", 3, 4)
        assert float(at.get_attribute("title")) == bench.input[0, 2, 3]
        assert (at.inner_text() == "") == small
        outside = cell(page, "Gradient of the input 0", 0, 0)
        assert not outside.get_attribute("title"), "a blank has no number"


def test_what_is_typed_into_a_small_cell_can_be_read(opened):
    page = opened(LayerBench(nn.Conv2d(3, 1, 3), "random", size=12))
    assert page.locator("[aria-label^='Input 0'].bare").count() == 1
    for row, column in ((0, 0), (11, 11)):
        at = cell(page, "Input 0", row, column)
        at.focus()
        page.keyboard.type("1.25")
        field = at.locator("input")
        assert field.evaluate("at => parseFloat(getComputedStyle(at).fontSize)") > 9
        assert field.evaluate("at => at.scrollWidth - at.clientWidth") <= 0
        box, board = field.bounding_box(), at.locator("xpath=../..").bounding_box()
        for start, size in (("x", "width"), ("y", "height")):
            end = board[start] + board[size] + 0.5
            assert board[start] - 0.5 <= box[start] <= end - box[size]
        page.keyboard.press("Enter")
        assert at.get_attribute("title") == "1.25" and at.inner_text() == ""


def test_new_numbers_make_no_new_cells(opened):
    bench = LayerBench(nn.Conv2d(2, 3, 3, padding=1), "random", view="backward")
    page = opened(bench)
    page.evaluate("""() => {
      window.made = [];
      const note = (records) => made.push(...records.map(({ target }) => target.className));
      const watch = new MutationObserver(note);
      for (const board of document.querySelectorAll(".bench-grid"))
        watch.observe(board, { childList: true, subtree: true });
    }""")
    change(page, weight_index=3, input_index=2, step=7, channel=1)
    page.wait_for_timeout(50)
    assert page.evaluate("made") == []


def test_what_is_pointed_at_is_said_where_numbers_are_too_small(opened):
    page = opened(LayerBench(nn.Conv2d(3, 4, 3), "random", size=12, weight="Gaussian"))
    assert page.locator("[aria-label='Output 3'].bare").count() == 1
    at = cell(page, "Output 3", 2, 5)
    at.hover()
    assert bubbles(page) == [at.get_attribute("title")]
    change(page, weight_index=2)
    assert bubbles(page) == [at.get_attribute("title")], "it follows"
    change(page, kernel_size=7, stride=2)
    assert bubbles(page) == [], "no such cell now"
    change(page, kernel_size=3, stride=1)
    page.mouse.move(0, 0)
    cell(page, "Output 3", 2, 6).focus()
    assert bubbles(page) == [cell(page, "Output 3", 2, 6).get_attribute("title")]
    page.locator(".bench-step").focus()
    assert bubbles(page) == []


def test_a_bench_that_starts_where_no_window_fits_has_its_slider_at_the_start(opened):
    page = opened(LayerBench(nn.Conv2d(1, 1, 5), size=3))
    assert said(page, "trouble") and page.locator(".bench-step").input_value() == "0"
    shown = page.locator(".bench-bar button:visible").all_inner_texts()
    assert shown == ["forward", "backward", "matrix", "Undo", "Reset"]
    change(page, input_size=8)
    assert page.locator(".bench-step").get_attribute("max") == "15"
