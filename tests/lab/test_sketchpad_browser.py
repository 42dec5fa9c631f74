"""The sketchpad in a real JupyterLab: drawn on with mouse, finger and keys, and answered
by the page, or by the kernel where it must be.
"""

import json

import lab
import pytest
import torch
from benches import end_kernel, restart_kernel, said
from strokes import DIGITS, MEANS, SPREADS, arc, placed
from test_browser import in_kernel, press, slider

pytestmark = pytest.mark.browser
SOURCE = (
    "import torch\nfrom helpers import networks\nfrom helpers.digits import embedded, load_digits\nfrom helpers.widgets.sketchpad import Sketchpad, raw_form\n"
    "pad = Sketchpad(networks.trained(), load_digits())\npad"
)
# One digit after the other somewhere else, in another size.
PLACES = [
    (0.8, 0.1, 0.1),
    (0.4, 0.05, 0.55),
    (0.55, 0.4, 0.02),
    (0.3, 0.65, 0.65),
    (0.95, 0.02, 0.02),
]


@pytest.fixture(scope="module")
def opened(browser, address):
    page = lab.open_source(browser, address, SOURCE)
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    lab.run_all(page)
    yield page
    assert complaints == [] and lab.errors(page) == []
    lab.close(page)


@pytest.fixture
def page(opened):
    lab.to_top(opened)
    opened.get_by_role("button", name="Clear").click()
    settled(opened, "The pad is empty")
    return opened


def settled(page, start):
    page.wait_for_function(
        "(start) => document.querySelector('.bench-status').textContent.startsWith(start)",
        arg=start,
        timeout=20_000,
    )


def answered(page):
    """Wait until what is shown is the answer to what is drawn, and Python has heard of
    it.
    """
    page.wait_for_selector(".sketch-bars[aria-busy=false]")
    lab.settle(page)


def draw(page, strokes):
    lab.draw(page, strokes)
    answered(page)


# The grey levels of the picture that the network sees, 0 to 255.
SEEN = """() => { const { width, height } = document.querySelector('.sketch-seen');
  const { data } = document.querySelector('.sketch-seen').getContext('2d').getImageData(0, 0, width, height);
  return Array.from({ length: 784 }, (_, i) => data[4 * i]); }"""


def test_digits_drawn_with_the_mouse_become_mnist_like_and_are_read(page):
    right, widths = 0, []
    for number, (name, strokes) in enumerate(DIGITS.items()):
        press(
            page,
            "pen",
            "ArrowRight" if number % 2 else "ArrowLeft",
            "ArrowRight" if number > 5 else "ArrowLeft",
        )
        page.get_by_role("button", name="Clear").click()
        settled(page, "The pad is empty")
        draw(page, placed(strokes, *PLACES[number % 5]))
        levels = torch.tensor(page.evaluate(SEEN)) / 255
        assert (
            MEANS[0] <= levels.mean() <= MEANS[1]
            and SPREADS[0] <= levels.std() <= SPREADS[1]
        ), name
        widths.append(float(slider(page, "pen").get_attribute("aria-valuenow")))
        right += page.inner_text(".sketch-bars .most th") == name
    assert right >= 9 and max(widths) - min(widths) >= 0.03


def test_what_stands_on_the_page_is_what_the_kernel_says(page):
    draw(page, DIGITS["2"])
    assert said(page, "status") == in_kernel(page, "pad.answer")
    shown = page.locator(".sketch-bars tbody td:last-child").all_inner_texts()
    chances = in_kernel(
        page, "*(f'{100 * chance:.1f}' for chance in pad.probabilities.tolist())"
    ).split()
    assert all(
        abs(float(text.partition(" %")[0]) - float(chance)) < 0.15
        for text, chance in zip(shown, chances, strict=True)
    )
    seen = in_kernel(page, "(255 * pad.image).round().int().flatten().tolist()")
    assert (
        max(
            abs(shade - other)
            for shade, other in zip(page.evaluate(SEEN), json.loads(seen), strict=True)
        )
        <= 1
    )
    labels = page.locator(".strip").last.locator("span").all_inner_texts()
    assert " ".join(labels) == in_kernel(page, "*pad._shown()['nearest'][0]['names']")
    assert [
        text.partition(":")[0]
        for text in page.locator(".sketch-maps h4").all_inner_texts()
    ] == [
        "conv1 after ReLU",
        "conv2 after ReLU",
    ]


def test_a_digit_is_drawn_with_keys_alone(page):
    pad = page.locator("canvas.sketch")
    pad.focus()
    for keys in (
        ["ArrowUp"] * 10,
        [" "],
        ["ArrowDown"] * 9,
        ["Shift+ArrowDown"] * 3,
        [" "],
    ):
        for key in keys:
            page.keyboard.press("Space" if key == " " else key)
    settled(page, "This is a 1")
    assert "the pen is up" in page.inner_text(".sketch-left")
    assert in_kernel(page, "len(pad.strokes)") == "1"
    pad.focus()
    page.keyboard.press("Backspace")
    settled(page, "The pad is empty")
    cells = "jupyterapp.shell.currentWidget.content.widgets.length"
    before = page.evaluate(cells)
    for key in ("a", "b", "d", "d", "j", "ArrowUp"):
        page.keyboard.press(key)
    assert page.evaluate(cells) == before, "no key reached a shortcut"


def test_a_finger_draws_and_a_second_one_does_not_disturb(page):
    page.evaluate(
        """(points) => {
             const canvas = document.querySelector("canvas.sketch");
             const { left, top, width } = canvas.getBoundingClientRect();
             const send = (name, [x, y], pointerId) => canvas.dispatchEvent(new PointerEvent(name, { pointerId,
               pointerType: "touch", isPrimary: pointerId === 7, button: 0, buttons: 1, bubbles: true,
               clientX: left + width * x, clientY: top + width * y }));
             send("pointerdown", points[0], 7);
             for (const point of points.slice(1)) {
               send("pointermove", point, 7);
               send("pointermove", [0.99, 0.99], 8);
             }
             send("pointerdown", [0.9, 0.9], 8);
             send("pointerup", [0.9, 0.9], 8);
             send("pointerup", points.at(-1), 7);
           }""",
        arc(0.5, 0.5, 0.3, 0.4, 0, 1),
    )
    settled(page, "This is a 0")
    assert (
        in_kernel(page, "len(pad.strokes), max(x for x, y in pad.strokes[0]) < 0.9")
        == "1 True"
    )


def test_undo_example_and_the_settings(page):
    draw(page, DIGITS["4"])
    settled(page, "This is a 4")
    page.get_by_role("button", name="Undo").click()
    page.wait_for_timeout(400)
    assert in_kernel(page, "len(pad.strokes)") == "1"
    page.get_by_role("button", name="Example").click()
    settled(page, "This is a 3")
    page.locator("input[type=checkbox]").focus()
    page.keyboard.press("Space")
    page.wait_for_timeout(400)
    same = "torch.equal(pad.image, raw_form(pad.strokes, pad.pen))"
    assert in_kernel(page, f"pad.centred, {same}") == "False True"
    page.locator("input[type=checkbox]").focus()
    page.keyboard.press("Space")
    draw(page, DIGITS["7"])  # the first stroke wipes the example away
    settled(page, "This is a 7")
    assert in_kernel(page, "setattr(pad, 'strokes', [])") == "None"
    settled(page, "The pad is empty")
    assert slider(page, "pen").get_attribute("aria-label") == "pen"


def test_each_move_is_drawn_at_once_and_the_rest_follows(page):
    """A move puts its ink on the canvas in its own event; no answer of the kernel is
    waited for.
    """
    inked = """() => { const canvas = document.querySelector("canvas.sketch");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return data.reduce((count, value, i) => count + (i % 4 === 0 && value > 127), 0); }"""
    lab.to_top(page)
    box = page.locator("canvas.sketch").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    seen = [page.evaluate(inked)]
    for step in range(1, 9):
        page.mouse.move(box["x"] + 60 + 15 * step, box["y"] + 60 + 10 * step)
        seen.append(page.evaluate(inked))
    page.mouse.move(box["x"] + 2 * box["width"], box["y"] - 50)  # beyond the edge
    page.mouse.up()
    assert all(after > before for before, after in zip(seen, seen[1:], strict=False))
    answered(page)
    assert in_kernel(page, "pad.strokes[0][-1]") == "[1, 0]"


def test_the_page_stays_where_it_is_while_a_stroke_is_drawn(page):
    box = page.locator("canvas.sketch").bounding_box()
    page.mouse.move(box["x"] + 140, box["y"] + 140)
    page.mouse.down()
    page.mouse.wheel(0, 60)
    for key in ("ArrowDown", "Space", "PageDown"):
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    page.mouse.move(box["x"] + 168, box["y"] + 140)
    page.mouse.up()
    answered(page)
    assert page.locator("canvas.sketch").bounding_box() == box
    assert in_kernel(page, "pad.strokes") == "[[[0.5, 0.5], [0.6, 0.5]]]"


def test_nothing_is_wider_than_its_place(page):
    for width in (500, 900, 1400):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(300)
        assert lab.cut_off(page) == []


def test_without_a_kernel_it_draws_and_answers(page):
    end_kernel(page)
    for name in "60":
        page.get_by_role("button", name="Clear").click()
        settled(page, "The pad is empty")
        lab.draw(page, DIGITS[name])
        settled(page, f"This is a {name}")
    assert "Computed in this page." in page.inner_text(".sketch-middle")


ASKED = SOURCE.replace(
    "import torch\n", "import torch\nfrom torch import nn\n"
).replace(
    "pad = Sketchpad(networks.trained(), load_digits())",
    """class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = networks.trained()
    def forward(self, x):
        return self.one(x) + 0 * self.one(x)
pad = Sketchpad(Twice(), embedded())""",
)


def test_a_network_that_the_page_cannot_run_is_asked_in_the_kernel(browser, address):
    page = lab.open_source(browser, address, ASKED)
    lab.run_all(page)
    settled(page, "This is a 3")
    assert "Computed by the kernel." in page.inner_text(".sketch-middle")
    lab.draw(page, DIGITS["7"])
    settled(page, "This is a 7")
    answered(page)
    assert said(page, "status") == in_kernel(page, "pad.answer")
    assert str(page.evaluate(SEEN)) == in_kernel(
        page, "(255 * pad.image).round().int().flatten().tolist()"
    )
    end_kernel(page)
    page.get_by_role("button", name="Clear").click()
    lab.draw(page, DIGITS["6"])
    settled(page, "No answer has come: the network needs a running kernel.")
    white = """() => { const { width, height } = document.querySelector("canvas.sketch");
        const { data } = document.querySelector("canvas.sketch").getContext("2d").getImageData(0, 0, width, height);
        return data.some((value, i) => i % 4 === 0 && value === 255); }"""
    assert page.evaluate(white)
    lab.close(page)


def test_after_a_restart_a_network_of_the_kernel_is_gone(browser, address):
    page = lab.open_source(browser, address, ASKED)
    lab.run_all(page)
    settled(page, "This is a 3")
    restart_kernel(page)
    settled(page, "The kernel was restarted: run the cell again.")
    lab.run_all(page)
    settled(page, "This is a 3")
    lab.close(page)
