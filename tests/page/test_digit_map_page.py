"""The map of digits in the page: what it draws is torch's, and the point is moved by
mouse, finger and keys.
"""

import re

import codes
import pytest
import torch
from page import change, held, shown

from helpers.widgets.digit_map import ACROSS, NAMES, SIDE, DigitMap

pytestmark = pytest.mark.browser

DECODER = codes.decoder()
GREYS = """(name) => {
  const canvas = document.querySelector(name), { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  return [height, width, [...data].filter((_, at) => at % 4 === 0)];
}"""


def greys(page, name):
    height, width, bytes_ = page.evaluate(GREYS, name)
    return torch.tensor(bytes_).view(height, width) / 255


def close(found, right):
    return found.shape == right.shape and (found - right).abs().max() <= 0.6 / 255


def same(page, bench):
    """Check that the page shows what torch makes of the page's point."""
    bench.point = [held(page, name) for name in NAMES]
    assert close(greys(page, ".map-digit"), bench.digit)
    assert page.inner_text(".bench code") == bench.code
    numbers = re.findall(r"-?\d+\.\d+", page.inner_text(".bench-status"))
    assert tuple(map(float, numbers)) == bench.point


@pytest.fixture
def bench():
    return DigitMap(DECODER, *codes.encoded())


def box(page):
    return page.locator(".map-plane").bounding_box()


def at(page, x, y):
    """Return where shares of the plane are in the window, from its lower left."""
    found = box(page)
    return found["x"] + x * found["width"], found["y"] + (1 - y) * found["height"]


def values(bench, x, y):
    return [
        axis["low"] + share * (axis["high"] - axis["low"])
        for share, axis in zip((x, y), bench._axes, strict=True)
    ]


def near(page, bench, x, y):
    """Check that the point is there, on the nearest step or one pixel beside."""
    for name, value, axis in zip(NAMES, values(bench, x, y), bench._axes, strict=True):
        pixel = (axis["high"] - axis["low"]) / 300
        assert held(page, name) == pytest.approx(value, abs=axis["step"] / 2 + pixel)


def test_the_digit_is_torchs_wherever_the_point_is(opened, bench):
    page = opened(bench)
    dice = torch.Generator().manual_seed(1)
    for shares in torch.rand(25, 2, generator=dice).tolist():
        change(page, **dict(zip(NAMES, values(bench, *shares), strict=True)))
        same(page, bench)


@pytest.mark.slow
def test_the_map_holds_the_digits_of_the_whole_plane(opened, bench):
    page = opened(bench)
    assert not page.locator(".map-plane .heat").is_visible()
    change(page, all=True)
    tiles = greys(page, ".map-plane .heat")
    assert tiles.shape == (ACROSS * SIDE, ACROSS * SIDE)
    assert close(tiles, bench._map())
    assert not page.locator(".map-names span").first.is_visible()
    change(page, all=False)
    assert page.locator(".map-names span").first.is_visible()


def test_the_nearest_digit_is_torchs(opened, bench):
    page = opened(bench)
    low = torch.tensor([axis["low"] for axis in bench._axes])
    wide = torch.tensor([axis["high"] for axis in bench._axes]) - low
    points = low + wide * torch.tensor(bench._view.points)
    for shares in ((0.1, 0.2), (0.5, 0.5), (0.9, 0.6), (0.3, 0.7), (0.25, 0.3)):
        change(page, **dict(zip(NAMES, values(bench, *shares), strict=True)))
        place = torch.tensor([[float(held(page, name)) for name in NAMES]])
        digit = bench._view.labels[torch.cdist(place, points).argmin()]
        said = page.inner_text(".map-right [role=status] p:last-child")
        assert re.fullmatch(
            rf"The nearest of {len(points)} encoded digits is an? {digit}.", said
        )


@pytest.mark.slow
def test_without_labels_nothing_is_said_of_the_nearest(opened):
    for given in ((), codes.encoded()[:1]):
        page = opened(DigitMap(DECODER, *given))
        assert page.inner_text(".map-right [role=status] p:last-child") == ""
        assert page.locator(".map-names span").count() == 0


@pytest.mark.slow
def test_the_dots_stand_where_their_points_are(opened):
    points = torch.tensor([[-1.0, -2.0], [2.0, 1.0], [0.5, 0.0]])
    bench = DigitMap(DECODER, points, [1, 2, 3])
    page = opened(bench)
    reds = greys(page, ".map-plane canvas:not(.heat)")
    wide = len(reds)
    (left, low), (right, high) = (
        [axis[end] for axis in bench._axes] for end in ("low", "high")
    )
    for digit, (x, y) in zip((1, 2, 3), points.tolist(), strict=True):
        column = min(int(wide * (x - left) / (right - left)), wide - 1)
        row = min(int(wide * (high - y) / (high - low)), wide - 1)
        red = {1: 0xFF, 2: 0xBD, 3: 0x94}[digit]
        assert float(reds[row, column]) == pytest.approx(red / 255, abs=0.01)


def test_the_mouse_drags_the_point_beyond_the_edge_too(opened, bench):
    page = opened(bench)
    page.mouse.move(*at(page, 0.3, 0.6))
    assert held(page, "number_0") == pytest.approx(values(bench, 0.5, 0.5)[0])
    page.mouse.down()
    near(page, bench, 0.3, 0.6)
    for x, y in ((0.4, 0.9), (0.8, 0.2)):
        page.mouse.move(*at(page, x, y), steps=3)
        near(page, bench, x, y)
    page.mouse.move(*at(page, 1.2, -0.1))
    near(page, bench, 1, 0)
    page.mouse.up()
    page.mouse.move(*at(page, 0.5, 0.5))
    near(page, bench, 1, 0)
    same(page, bench)
    saved = page.evaluate("model.saved")
    page.mouse.click(*at(page, 0.5, 0.5), button="right")
    assert page.evaluate("model.saved") == saved


def test_the_ring_stands_on_the_point(opened, bench):
    page = opened(bench)
    page.mouse.click(*at(page, 0.25, 0.8))
    page.evaluate("() => new Promise(requestAnimationFrame)")
    ring = page.locator(".map-point").bounding_box()
    middle = ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2
    assert middle == pytest.approx(at(page, 0.25, 0.8), abs=1.5)


def test_arrow_keys_move_by_a_step_and_with_shift_by_ten(opened, bench):
    page = opened(bench)
    page.locator(".map-plane").focus()
    steps, (x, y) = [axis["step"] for axis in bench._axes], bench.point
    for key, right, up in (
        ("ArrowRight", 1, 0),
        ("ArrowUp", 0, 1),
        ("Shift+ArrowRight", 10, 0),
        ("Shift+ArrowDown", 0, -10),
        ("ArrowLeft", -1, 0),
    ):
        page.keyboard.press(key)
        x, y = x + right * steps[0], y + up * steps[1]
        assert [held(page, name) for name in NAMES] == pytest.approx([x, y])
    same(page, bench)
    for _ in range(20):
        page.keyboard.press("Shift+ArrowLeft")
    assert held(page, "number_0") == bench._axes[0]["low"]
    before = page.evaluate("model.saved")
    for key in ("Control+ArrowLeft", "Alt+ArrowRight", "a", "Tab"):
        page.keyboard.press(key)
    assert page.evaluate("model.saved") == before


def test_the_plane_has_a_name_and_says_its_keys(opened, bench):
    page = opened(bench)
    plane = page.locator(".map-plane")
    assert plane.get_attribute("aria-label") and plane.get_attribute("tabindex") == "0"
    help_ = page.locator(f"[id='{plane.get_attribute('aria-describedby')}']")
    assert "arrow keys" in help_.inner_text() and help_.is_visible()
    name = page.locator(".map-digit").get_attribute("aria-label")
    assert name == "The digit decoded from " + " and ".join(
        bench.code.removeprefix("decoder(torch.tensor([[")
        .removesuffix("]]))")
        .split(", ")
    )


def test_a_drag_is_read_out_at_its_end_alone(opened, bench):
    page = opened(bench)
    status = page.locator(".map-right [role=status]")
    page.mouse.move(*at(page, 0.3, 0.6))
    page.mouse.down()
    page.mouse.move(*at(page, 0.4, 0.6))
    page.evaluate("() => new Promise(requestAnimationFrame)")
    assert status.get_attribute("aria-live") == "off"
    page.mouse.up()
    assert status.get_attribute("aria-live") == "polite"


@pytest.fixture
def phone(browser):
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, device_scale_factor=2
    )
    yield context.new_page()
    context.close()


def swipe(page, start, end):
    """Drag a finger from one place of the window to another."""
    session = page.context.new_cdp_session(page)

    def send(kind, *points):
        touches = [{"x": x, "y": y} for x, y in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    send("touchStart", start)
    for step in range(1, 11):
        share = step / 10
        pairs = zip(start, end, strict=True)
        send("touchMove", [a + share * (b - a) for a, b in pairs])
    send("touchEnd")
    page.evaluate("() => new Promise(requestAnimationFrame)")


@pytest.mark.slow
def test_a_finger_drags_the_point_and_scrolls_beside_the_plane(phone, bench):
    page = shown(phone, bench._view)
    page.add_style_tag(content="body { min-height: 2000px }")
    swipe(page, at(page, 0.2, 0.1), at(page, 0.7, 0.9))
    near(page, bench, 0.7, 0.9)
    same(page, bench)
    assert page.evaluate("scrollY") == 0
    digit = page.locator(".map-digit").bounding_box()
    x, y = digit["x"] + 20, digit["y"] + 20
    swipe(page, (x, y), (x, y - 200))
    page.wait_for_function("scrollY > 50")
    near(page, bench, 0.7, 0.9)


@pytest.mark.parametrize("width", [390, 900, 1280])
def test_plane_and_digit_stand_on_one_screen(opened, bench, width):
    page = opened(bench)
    page.set_viewport_size({"width": width, "height": 844 - 130})  # below the controls
    page.evaluate("() => new Promise(requestAnimationFrame)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.documentElement.scrollHeight") <= 844 - 130
    digit = page.locator(".map-digit").bounding_box()
    assert digit["width"] == digit["height"] >= 6 * SIDE
    assert box(page)["width"] == box(page)["height"] >= 280
