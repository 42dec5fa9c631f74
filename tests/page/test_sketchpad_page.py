"""The sketchpad without a kernel: the page draws, reads and answers as Python does."""

import pytest
import torch
from doodles import DOODLES, OTHERS
from page import change, held
from strokes import DIGITS, PLAIN, draw_strokes, placed
from torch import nn

from helpers import digits as data
from helpers import networks
from helpers.widgets.sketchpad import Sketchpad

pytestmark = pytest.mark.browser
# All that the view shows: what it says, bars, the picture, and the strips.
SHOWN = """() => {
  const all = (selector, read) => [...document.querySelectorAll(selector)].map(read);
  const text = (one) => one.textContent;
  const greys = (canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return [...data].filter((_, i) => i % 4 === 0);
  };
  const strips = (name) => all(`.${name} > div:not([hidden])`, (row) => {
    const tiles = [...row.querySelectorAll(".strip > div:not([hidden])")];
    return [text(row.querySelector("h4")), tiles.map((tile) => text(tile.querySelector("span"))),
      tiles.map((tile) => greys(tile.querySelector("canvas")))];
  });
  return { says: text(document.querySelector(".bench-status")),
    by: all(".sketch-small", text).find((words) => words.startsWith("Computed")),
    bars: all(".sketch-bars td:last-child", text).map(parseFloat),
    seen: greys(document.querySelector(".sketch-seen")),
    maps: strips("sketch-maps"), nearest: strips("sketch-nearest") };
}"""
SETTINGS = [(0.08, True), (0.03, True), (0.15, True), (0.08, False)]


@pytest.fixture(scope="module")
def pad():
    return Sketchpad(networks.trained(), data.embedded())


@pytest.fixture
def page(opened, pad):
    page = opened(pad)
    page.wait_for_selector(".sketch-nearest .strip")
    return page


def put(page, pad, strokes):
    """Draw in Python, and bring that to the page as the kernel would."""
    pad.strokes = strokes
    change(page, strokes=pad.strokes, given=held(page, "given") + 1)
    return page.evaluate(SHOWN)


def near(found, wanted, most=1):
    found, wanted = torch.tensor(found), torch.as_tensor(wanted)
    assert (found - wanted.flatten()).abs().max() <= most


def right(shown, pad):
    """Compare what is shown with what torch makes of the same drawing; the weights in
    the page may be shorter.
    """
    image, probabilities, maps = pad._seen()
    assert shown["by"] == "Computed in this page."
    assert shown["says"] == pad.answer
    near(shown["seen"], (255 * image).round().int())
    near(shown["bars"], 100 * probabilities, most=0.15)
    assert len(shown["maps"]) == len(maps)
    for (name, found), (title, names, tiles) in zip(
        maps.items(), shown["maps"], strict=True
    ):
        assert title.startswith(f"{name} after ReLU: {len(found)} maps")
        assert names == [f"map {number}" for number in range(len(tiles))]
        for tile, one in zip(tiles, found, strict=False):
            near(tile, 255 * one / (found.max() or 1))
    nearest = [pad._digits.nearest(image)] if image.any() else []
    titles = [[title, names] for title, names, _ in shown["nearest"]]
    assert titles == [[one["title"], one["names"]] for one in nearest]


@pytest.mark.parametrize("style", range(3))
def test_plain_digits_are_read_as_torch_reads_them(page, pad, style):
    for _, strokes in PLAIN[13 * style : 13 * (style + 1)]:
        right(put(page, pad, strokes), pad)


@pytest.mark.parametrize("pen, centred", SETTINGS)
def test_settings_and_doodles_are_the_same_in_the_page(page, pad, pen, centred):
    pad.pen, pad.centred = pen, centred
    change(page, pen=pen, centred=centred)
    for drawings in (DOODLES, OTHERS):
        for strokes in [*drawings.values()][::6]:
            right(put(page, pad, strokes), pad)
    for strokes in ([], [[[0.3, 0.3]]], placed(DIGITS["2"], 0.3, 0.6, 0.1)):
        right(put(page, pad, strokes), pad)
    pad.pen, pad.centred = SETTINGS[0]


def test_every_sentence_is_said_by_both(page, pad):
    starts = (
        "This is a ",
        "Perhaps ",
        "it is far from every kind of",
        "cannot redraw it",
    )
    starts = {*starts, "the most likely would be", "The pad is empty"}
    halves = [[*map(list, stroke[: len(stroke) // 2])] for stroke in DIGITS["9"]]
    drawings = [*DIGITS.values(), *DOODLES.values(), *OTHERS.values(), [], halves]
    missing = set(starts)
    for strokes in drawings:
        pad.strokes = strokes
        answer = pad.answer
        if heard := {one for one in missing if one in answer}:
            assert put(page, pad, strokes)["says"] == answer
            missing -= heard
    assert missing == set()


def test_the_nearest_digits_are_shown_as_they_are(page, pad):
    ((_, _, tiles),) = put(page, pad, DIGITS["4"])["nearest"]
    distances = (pad._digits.images[:, 0] - pad.image).flatten(1).norm(dim=1)
    for tile, place in zip(
        tiles, distances.topk(5, largest=False).indices, strict=True
    ):
        near(tile, pad._digits.bytes[place].int(), most=0)


def test_the_bars_follow_the_pen_and_python_hears_the_strokes(page, pad):
    answers = []
    page.get_by_role("button", name="Clear").click()
    for count in (1, 2):
        draw_strokes(page, DIGITS["4"][count - 1 : count], between=1)
        page.evaluate("() => new Promise(requestAnimationFrame)")
        answers.append(page.evaluate(SHOWN))
        assert page.get_attribute(".sketch-bars", "aria-busy") == "false"
        pad.strokes = held(page, "strokes")
        assert len(pad.strokes) == count
        right(answers[-1], pad)
    assert answers[0]["says"] != answers[1]["says"]
    assert held(page, "asked") == 0, "the kernel is not asked"


def test_each_frame_shows_what_is_drawn_by_then(page):
    """While a stroke is drawn, the picture has its ink a frame later, and nothing of
    what the stroke has wiped away.
    """
    box = page.locator("canvas.sketch").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    seen = []
    for step in range(1, 5):
        page.mouse.move(box["x"] + 60 + 20 * step, box["y"] + 60 + 30 * step)
        page.evaluate("() => new Promise(requestAnimationFrame)")
        seen.append(page.evaluate(SHOWN)["seen"])
    page.mouse.up()
    assert all(one != other for one, other in zip(seen, seen[1:], strict=False))
    assert all(seen[0][28 * row + 14 + (14 - row)] == 0 for row in range(4, 10))


def test_the_sentence_is_read_out_when_the_pen_is_up(page):
    says = page.locator(".bench-status")
    box = page.locator("canvas.sketch").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 200)
    page.evaluate("() => new Promise(requestAnimationFrame)")
    assert says.get_attribute("aria-live") == "off"
    page.evaluate(
        """() => { window.changes = 0; new MutationObserver(() => { changes++; })
             .observe(document.querySelector(".bench-status"), { childList: true }); }"""
    )
    page.mouse.up()
    page.evaluate("() => new Promise(requestAnimationFrame)")
    assert says.get_attribute("aria-live") == "polite"
    assert page.evaluate("changes") == 1, "it is set again, and so heard"


class Residual(networks.ConvNet):
    """A branch, which the page does not run."""

    def forward(self, x):
        return super().forward(x + 0 * x)


def test_a_network_with_a_branch_is_asked_for(opened):
    torch.manual_seed(0)
    pad = Sketchpad(Residual(), data.embedded())
    assert pad._view.page is None
    page = opened(pad)
    shown = page.evaluate(SHOWN)
    assert shown["by"] == "Computed by the kernel." and shown["says"] == pad.answer
    assert len(shown["nearest"]) == 1 and len(shown["maps"]) == 2
    page.get_by_role("button", name="Clear").click()
    assert held(page, "asked") == 1
    page.wait_for_function(
        "document.querySelector('.bench-status').textContent"
        ".startsWith('No answer has come')"
    )


class Odd(nn.Module):
    """One convolution is called twice, one never, and one has many kernels."""

    def __init__(self):
        super().__init__()
        self.same, self.never = nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 2, 3)
        self.wide, self.out = nn.Conv2d(1, 70, 3, 5), nn.Linear(70 * 36, 10)

    def forward(self, x):
        return self.out(self.wide(self.same(self.same(x))).flatten(1))


def test_only_convolutions_that_are_called_once_are_shown(opened):
    torch.manual_seed(0)
    pad = Sketchpad(Odd(), data.embedded())
    page = opened(pad)
    shown = put(page, pad, DIGITS["3"])
    page.wait_for_selector(".sketch-nearest .strip")
    ((title, names, _),) = page.evaluate(SHOWN)["maps"]
    assert title.startswith("wide after ReLU: 70 maps") and len(names) == 64
    near(shown["bars"], 100 * pad.probabilities, most=0.15)
