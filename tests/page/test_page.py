"""What the page shows, number by number, against torch, over every setting that can be
reached.
"""

import json
import re

import pytest
import torch
import torch.nn.functional as F
from page import BOARDS, exact_values, numbers, open_bench
from test_sliding_window import (
    ALL,
    EVERY,
    POOLING_RANGES,
    POOLINGS,
    REACHABLE,
    SIZES,
    fits,
    pooled,
    put,
)

from helpers import digits as data
from helpers import networks, sizes
from helpers.widgets.base import HERE
from helpers.widgets.dropout import DropoutBench
from helpers.widgets.gallery import KernelFilm, LayerWalk
from helpers.widgets.sketchpad import Sketchpad
from helpers.widgets.sliding_window import (
    INPUTS,
    RANGES,
    ConvolutionBench,
    PoolingBench,
)

pytestmark = pytest.mark.browser

# Sets one setting after the other and reads back every number and line that the page
# then shows.
WALK = """async (walk) => {
  const boards = BOARDS;
  const places = (name, mark) => [...document.querySelectorAll(`[aria-label^="${name}"] .${mark}`)].map((cell) =>
    [+cell.dataset.row, +cell.dataset.column]);
  const text = (name) => document.querySelector(`.bench-${name}`).textContent;
  const shown = [];
  for (const settings of walk) {
    for (const [name, value] of Object.entries(settings)) model.set(name, value);
    await Promise.resolve();
    shown.push({ ...boards(), pixels: places("Input", "pixel"), formula: text("formula"), unread: text("unread"),
      code: document.querySelector(".bench code").textContent,
      taps: places("Input", "tap"), pads: places("Input", "pad"), current: places("Output", "current"),
      frame: ["top", "left", "width", "height"].map((part) =>
        parseFloat(document.querySelector(".bench-frame").style[part])),
      status: text("status"), sum: text("sum"), crossed: document.querySelectorAll(".bench-grid .unread").length });
  }
  return JSON.stringify(shown);
}""".replace("BOARDS", BOARDS)


@pytest.fixture(scope="module")
def page(browser):
    page = open_bench(browser, ConvolutionBench("random", "random")._view)
    yield page
    page.close()


@pytest.fixture(scope="module")
def pooling_page(browser):
    page = open_bench(browser, PoolingBench("random")._view)
    yield page
    page.close()


def walked(page, settings):
    """Return what the page shows of each setting; as one text, since Playwright is slow
    with many small values.
    """
    return json.loads(page.evaluate(WALK, settings))


@EVERY
def test_every_reachable_setting_shows_torchs_numbers(page, every):
    bench = ConvolutionBench("random", "random")
    steps = [
        number % sizes.output_size(**settings) ** 2
        for number, settings in enumerate(REACHABLE)
    ]
    walk = [
        settings | {"step": step}
        for settings, step in zip(REACHABLE, steps, strict=True)
    ][::every]
    assert len(walk) > 2500 // every
    for start in range(0, len(walk), 250):
        for settings, shown in zip(
            walk[start : start + 250],
            walked(page, walk[start : start + 250]),
            strict=True,
        ):
            check_shown(bench, settings, shown)


def check_shown(bench, settings, shown):
    step = settings.pop("step")
    bench.set(**settings)
    output, padding = bench.output, settings["padding"]
    row, column = divmod(step, len(output))
    padded = F.pad(bench.input, (padding,) * 4)
    windows = F.unfold(
        padded[None, None],
        settings["kernel_size"],
        settings["dilation"],
        0,
        settings["stride"],
    )
    products = windows[0, :, step].reshape(bench.kernel.shape) * bench.kernel
    for name, truth in {
        "Input": padded,
        "Kernel": bench.kernel,
        "Products under the window": products,
        "Output": output,
    }.items():
        values = numbers(shown[name])
        assert values.shape == truth.shape and torch.allclose(
            values, truth, atol=1e-9
        ), (name, settings)
    read = len(sizes.pixels_read(**settings)) ** 2
    assert shown["crossed"] == settings["input_size"] ** 2 - read
    assert shown["unread"].endswith(
        f"{shown['crossed']} of {settings['input_size'] ** 2} input pixels are read by no window."
    )
    side, reach = len(padded), range(settings["kernel_size"])
    top, left = row * settings["stride"], column * settings["stride"]
    assert shown["taps"] == [
        [top + i * settings["dilation"], left + j * settings["dilation"]]
        for i in reach
        for j in reach
    ]
    assert shown["current"] == [[row, column]]
    assert len(shown["pads"]) == side**2 - settings["input_size"] ** 2
    span = sizes.window_span(settings["kernel_size"], settings["dilation"])
    assert shown["frame"] == pytest.approx(
        [100 * part / side for part in (top, left, span, span)], abs=0.01
    )
    assert shown["formula"].endswith(f" + 1 = {len(output)}")
    assert shown["code"] == bench.code
    assert shown["status"].startswith(f"Step {step}: output[{row}, {column}] = ")
    for text in (shown["status"], shown["sum"]):
        assert float(text.rpartition("= ")[2]) == pytest.approx(
            float(output[row, column]), abs=1e-4
        )


@EVERY
def test_every_reachable_pooling_shows_torchs_numbers(pooling_page, every):
    bench, full = PoolingBench("random"), PoolingBench("random", input_size=12).input
    steps = [
        number
        % sizes.pooled_size(**{k: settings[k] for k in (*POOLING_RANGES, "ceil_mode")})
        ** 2
        for number, settings in enumerate(POOLINGS)
    ][::every]
    poolings = POOLINGS[::every]
    assert len(poolings) > 4000 // every
    for start in range(0, len(poolings), 250):
        part = poolings[start : start + 250]
        walk = [
            settings | {"mode_index": int(settings["mode"] == "average"), "step": step}
            for settings, step in zip(part, steps[start:], strict=False)
        ]
        for settings, shown in zip(walk, walked(pooling_page, walk), strict=True):
            check_pooling(bench, full, settings, shown)


def check_pooling(bench, full, settings, shown):
    """Compare values, gradients, places and words; nan and −∞ stand where there is no
    number.
    """
    n, k, s, p = (settings[name] for name in POOLING_RANGES)
    picture = full[:n, :n]
    output, gradient = pooled(settings, picture)
    assert torch.allclose(numbers(shown["Output"]), output, atol=1e-9), settings
    places = [tuple(place) for place in shown["pixels"]]
    assert places == [(i + p, j + p) for i in range(n) for j in range(n)]
    at = tuple(zip(*places, strict=True))
    for board, truth in (("Input", picture), ("Gradient of the input", gradient)):
        values = numbers(shown[board])
        assert torch.allclose(values[at].reshape(n, n), truth, atol=1e-9), (
            board,
            settings,
        )
    row, column = divmod(settings["step"], len(output))
    assert shown["current"] == [[row, column]]
    # What one output alone sends back is what the small board shows.
    alone = torch.zeros_like(output)
    alone[row, column] = 1
    back = F.pad(pooled(settings, picture, alone)[1], (p, p + k + s) * 2)
    shares = exact_values(shown["Gradient of the window"])
    real = F.pad(torch.ones(n, n), (p, p + k + s) * 2)
    window = slice(row * s, row * s + k), slice(column * s, column * s + k)
    assert torch.allclose(shares * real[window], back[window], atol=1e-9), settings
    assert shown["code"] == code(bench, settings)
    assert re.search(rf"= {len(output)}(,|$)", shown["formula"])
    for text in (shown["status"], shown["sum"].partition(". ")[0]):
        assert float(text.rpartition("= ")[2]) == pytest.approx(
            float(output[row, column]), abs=1e-4
        )
    unread = n * n - len(seen(n, k, s, p, len(output))) ** 2
    assert (
        shown["crossed"] == unread
        and f" {unread} of {n * n} input pixels" in shown["unread"]
    )


def code(bench, settings):
    put(
        bench,
        {
            name: settings[name]
            for name in (*POOLING_RANGES, "mode", "ceil_mode", "count_include_pad")
        },
    )
    return bench.code


def seen(n, k, s, p, out):
    return {place * s + tap - p for place in range(out) for tap in range(k)} & set(
        range(n)
    )


LIMITS = """async (walk) => {
  const told = [];
  for (const settings of walk) {
    for (const [name, value] of Object.entries(settings)) model.set(name, value);
    await new Promise((done) => setTimeout(done, 60));
    told.push(Object.fromEntries(Object.entries(model.state).filter(([name]) => /_(min|max)$/.test(name))));
  }
  return told;
}"""


def check_limits(page, walk, reachable, names):
    """Check that the page tells the sliders exactly the values with which torch finds a
    window.
    """
    reachable = {tuple(settings[name] for name in names) for settings in reachable}
    for settings, told in zip(walk, page.evaluate(LIMITS, walk), strict=True):
        for name in names:
            one = {
                value: {**settings, name: value}
                for value in range(RANGES[name][0], RANGES[name][1] + 1)
            }
            allowed = [
                value
                for value, how in one.items()
                if tuple(how[name] for name in names) in reachable
            ]
            assert allowed == list(
                range(told[f"{name}_min"], told[f"{name}_max"] + 1)
            ), (name, settings)
        assert told["step_max"] == settings["last"]


@pytest.mark.slow
def test_limits_that_the_page_tells_the_sliders_are_torchs(page):
    walk = [
        settings | {"last": sizes.output_size(**settings) ** 2 - 1}
        for settings in REACHABLE[::61]
    ]
    check_limits(page, walk, REACHABLE, RANGES)


@pytest.mark.slow
def test_limits_that_the_page_tells_for_pooling_are_torchs(pooling_page):
    walk = [
        settings
        | {"mode_index": int(settings["mode"] == "average")}
        | {
            "last": sizes.pooled_size(
                **{k: settings[k] for k in (*POOLING_RANGES, "ceil_mode")}
            )
            ** 2
            - 1
        }
        for settings in POOLINGS[::83]
    ]
    check_limits(pooling_page, walk, SIZES, POOLING_RANGES)


def test_a_window_that_does_not_fit_is_never_drawn(page):
    page.evaluate(WALK, [REACHABLE[0]])
    before = page.inner_text(".bench")
    for settings in [settings for settings in ALL if not fits(settings)][::50]:
        page.evaluate(WALK, [settings])
        assert page.inner_text(".bench") == before
    page.evaluate(WALK, [REACHABLE[0]])


def start(page, **settings):
    page.evaluate(
        WALK,
        [
            {
                "input_index": 4,
                "kernel_index": 7,
                "input_size": 6,
                "kernel_size": 3,
                "stride": 1,
                "padding": 1,
                "dilation": 1,
                "step": 0,
            }
            | settings
        ],
    )


def cell(page, grid, row, column):
    return page.locator(
        f"[aria-label^='{grid}'] [data-row='{row}'][data-column='{column}']"
    )


def test_pointing_at_and_moving_to_an_output_moves_the_window(page):
    start(page)
    cell(page, "Output", 2, 3).hover()
    assert page.evaluate("model.get('step')") == 2 * 6 + 3
    cell(page, "Output", 2, 3).focus()
    for key, step in (
        ("ArrowRight", 16),
        ("ArrowDown", 22),
        ("Home", 18),
        ("End", 23),
        ("ArrowLeft", 22),
        ("ArrowUp", 16),
    ):
        page.keyboard.press(key)
        assert page.evaluate("model.get('step')") == step
    assert (
        page.evaluate(
            "document.querySelectorAll('[aria-label=Output] [tabindex=\"0\"]').length"
        )
        == 1
    )


def test_cells_are_edited_by_keyboard_and_a_wrong_word_keeps_the_number(page):
    start(page)
    cell(page, "Kernel", 1, 1).focus()
    page.keyboard.type("-2,5")
    page.keyboard.press("Enter")
    assert page.evaluate("model.get('kernel_own')[1][1]") == -2.5
    assert cell(page, "Kernel", 1, 1).inner_text() == "-2.5"
    assert (
        page.evaluate("model.get('kernel_own')[0].slice(0, 3)")
        == ConvolutionBench(kernel="random").kernel[0].tolist()
    )
    page.keyboard.press("Enter")
    page.keyboard.type("<img src=x onerror=alert(1)>")
    page.keyboard.press("Enter")
    assert cell(page, "Kernel", 1, 1).inner_text() == "-2.5"
    assert page.inner_text(".bench-note").startswith(
        '"<img src=x onerror=alert(1)>" is not a number'
    )
    cell(page, "Input", 1, 1).click()
    page.keyboard.type("7")
    page.keyboard.press("Escape")
    assert page.evaluate("model.get('input_index')") == INPUTS.index("random")
    cell(page, "Input", 1, 1).click()
    page.keyboard.type("7")
    page.keyboard.press("Tab")
    assert page.evaluate("model.get('input_own')[0][0]") == 7
    cell(page, "Input", 0, 0).click()
    assert page.locator(".bench input").count() == 0, (
        "a zero of the padding is not edited"
    )


def test_looking_at_a_cell_is_no_edit_and_escape_keeps_what_is_shown(page):
    start(page, kernel_index=2)
    for key in ("Tab", "Escape"):
        cell(page, "Kernel", 0, 0).click()
        page.keyboard.press(key)
        assert page.evaluate("model.get('kernel_index')") == 2
        assert cell(page, "Kernel", 0, 0).inner_text() == "0.11"


def test_an_open_field_closes_when_its_cell_comes_to_mean_another(page):
    start(page, kernel_index=2, input_index=1)
    cell(page, "Input", 2, 2).click()
    page.keyboard.type("7")
    page.evaluate("model.set('padding', 2)")
    page.wait_for_timeout(50)
    assert page.locator(".bench input").count() == 0
    assert page.evaluate("model.get('input_index')") == 1
    cell(page, "Output", 5, 5).focus()
    page.evaluate("model.set('stride', 4)")
    page.wait_for_timeout(50)
    assert page.evaluate(
        "document.activeElement.closest('[aria-label=Output]') !== null"
    ), "the focus stays in the grid"


def test_zoom_keys_and_odd_numbers_are_left_alone(page):
    start(page, kernel_index=2)
    cell(page, "Kernel", 0, 0).focus()
    for key in ("Control+0", "Shift+Enter"):
        page.keyboard.press(key)
        assert page.locator(".bench input").count() == 0
    for typed in ("1,000", "0x10", "1e9", "9999999"):
        cell(page, "Kernel", 0, 0).click()
        page.keyboard.type(typed)
        page.keyboard.press("Enter")
        assert page.evaluate("model.get('kernel_index')") == 2, typed


def test_copy_takes_the_line_or_selects_it(page):
    start(page)
    page.locator(".bench-code button").click()
    page.wait_for_timeout(50)
    assert page.evaluate("getSelection().toString()") == page.inner_text(
        ".bench-code code"
    )
    assert "is selected" in page.inner_text(".bench-note")


@pytest.mark.parametrize("width", [400, 700, 1000, 2000])
def test_no_number_is_wider_than_its_cell(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    for settings in (
        {"input_size": 12, "kernel_size": 7, "padding": 3},
        {"input_size": 12, "kernel_size": 7, "padding": 3, "dilation": 2},
    ):
        start(page, kernel_index=0, input_index=4, **settings)
        page.wait_for_timeout(100)
        wide = page.evaluate(
            """() => [...document.querySelectorAll(".bench [role=gridcell]")].filter((cell) => {
                 const range = document.createRange();
                 range.selectNodeContents(cell);
                 return range.getBoundingClientRect().width > cell.getBoundingClientRect().width;
               }).map((cell) => cell.textContent)"""
        )
        assert wide == []


# The texts in sight whose contrast with what they stand on is low, as WCAG 2 reckons
# it, and the ratio.
FAINT = """() => {
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const light = (...colours) => {
    for (const colour of colours) { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); }
    const [red, green, blue] = [...pen.getImageData(0, 0, 1, 1).data].map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const paperOf = (part) => {
    while (getComputedStyle(part).backgroundColor === "rgba(0, 0, 0, 0)") part = part.parentElement;
    return getComputedStyle(part).backgroundColor;
  };
  const texts = [...document.querySelectorAll(".bench *")].filter((part) => part.offsetParent
    && !part.closest("button") && [...part.childNodes].some((child) => child.nodeType === 3 && child.data.trim()));
  return texts.map((part) => {
    const paper = paperOf(part), [ink, under] = [light(paper, getComputedStyle(part).color), light(paper)];
    return [part.textContent, (Math.max(ink, under) + 0.05) / (Math.min(ink, under) + 0.05)];
  }).filter(([, ratio]) => ratio < LEAST);
}"""
# The colours of JupyterLab's own themes.
THEMES = {
    "light": "--jp-content-font-color1: rgba(0, 0, 0, 0.87); --jp-layout-color0: white; --jp-border-color1: #bdbdbd",
    "dark": "--jp-content-font-color1: white; --jp-layout-color0: #111; --jp-border-color1: #616161",
}


BENCHES = {
    "convolution": lambda: ConvolutionBench(padding=1, stride=4),
    "pooling": lambda: PoolingBench(padding=1, stride=4),
    "dropout": DropoutBench,
    "sketchpad": lambda: Sketchpad(networks.trained(), data.embedded()),
}


@pytest.mark.parametrize(
    "theme", ["light", pytest.param("dark", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("make", BENCHES.values(), ids=BENCHES)
def test_every_text_can_be_read_in_both_themes(browser, make, theme):
    bench = make()
    page = open_bench(browser, bench._view)
    page.add_style_tag(content=f":root {{ {THEMES[theme]} }}")
    assert page.evaluate(FAINT.replace("LEAST", "4.5")) == []
    assert len(page.evaluate(FAINT.replace("LEAST", "22"))) > 40
    page.close()


# The sentence of a page of pictures, and of each picture in sight its name and the
# colours of its pixels.
GALLERY = """async ([first, second]) => {
  model.set("first", first);
  model.set("second", second);
  await Promise.resolve();
  const pictures = [...document.querySelectorAll(".strip > div")].filter((tile) => tile.offsetParent).map((tile) => {
    const canvas = tile.querySelector("canvas"), { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    return [tile.textContent, height, width, [...data]];
  });
  return [document.querySelector(".bench-status").textContent, pictures];
}"""


def colours(values, end):
    """Return the red, green and blue of signed values as the page paints them on white,
    −end blue, end orange.
    """
    shares = ((128 + 126 * values / end).round() - 128) / 126
    hues = torch.where(
        shares[..., None] < 0,
        torch.tensor([0.0, 114, 178]),
        torch.tensor([213.0, 94, 0]),
    )
    return (255 + (hues - 255) * shares.abs()[..., None] ** 0.6).floor()


def test_a_page_of_a_film_shows_the_kernels_of_its_moment(browser):
    film = KernelFilm(networks.snapshots())
    page = open_bench(browser, film._view)
    ends = {
        name: max(values[name].abs().max() for _, values in networks.snapshots())
        for name in film.kernels
    }
    for moment in (0, 40, 23):
        film.moment = moment
        says, pictures = page.evaluate(GALLERY, [moment, 0])
        assert says == film.says and [name for name, *_ in pictures] == [
            *"0123",
            *"01234567",
        ]
        for (_, height, width, pixels), kernel in zip(
            pictures[:4], film.kernels["conv1.weight"][:, 0], strict=True
        ):
            painted = torch.tensor(pixels).view(height, width, 4)[..., :3]
            assert (painted - colours(kernel, ends["conv1.weight"])).abs().max() <= 1
        painted = torch.tensor(pictures[4][3]).view(5, 23, 4)
        right = colours(film.kernels["conv2.weight"][0, 3], ends["conv2.weight"])
        assert (painted[:, 18:, :3] - right).abs().max() <= 1 and (
            painted[:, 5::6, 3] == 0
        ).all()
    page.close()


def test_a_picture_takes_the_paper_of_a_new_theme_at_once(browser):
    page = open_bench(browser, KernelFilm(networks.snapshots())._view)
    page.add_style_tag(
        content=":root { --jp-layout-color0: white } [data-jp-theme-name=Dark] { --jp-layout-color0: #111 }"
    )
    means = []
    for theme in ("Light", "Dark"):
        page.evaluate(
            "(theme) => { document.body.dataset.jpThemeName = theme; }", theme
        )
        page.wait_for_timeout(50)
        means.append(
            page.evaluate("""() => {
          const { data } = document.querySelector("canvas").getContext("2d").getImageData(0, 0, 5, 5);
          return data.reduce((sum, part) => sum + part) / data.length;
        }""")
        )
    assert means[0] > means[1] + 40
    page.close()


def test_a_page_of_a_walk_shows_the_maps_of_its_operation(browser):
    images, labels = data.embedded().test
    walk = LayerWalk(networks.trained(), images[:3], labels[:3], "scikit-learn digits")
    page = open_bench(browser, walk._view)
    for image, layer in ((0, 0), (2, 5), (2, 6), (1, 8), (0, 13), (1, 9)):
        walk.image, walk.layer = image, layer
        says, pictures = page.evaluate(GALLERY, [image, layer])
        assert says == walk.says
        painted = torch.cat(
            [torch.tensor(pixels).view(-1, 4)[:, :3] for *_, pixels in pictures]
        )
        maps, end = walk.maps.flatten(), walk.maps.abs().max()
        grey = (255 * maps / end).round()[:, None].expand(-1, 3)
        assert (
            painted - (colours(maps, end) if (maps < 0).any() else grey)
        ).abs().max() <= 1
    assert [name for name, *_ in page.evaluate(GALLERY, [0, 13])[1]] == [
        f"{digit}: {value:.1f}"
        for digit, value in enumerate(walk._stages[0]["13 fc2"].tolist())
    ]
    assert page.evaluate(GALLERY, [99, -1]) == page.evaluate(GALLERY, [2, 0]), (
        "what is out of range is the nearest"
    )
    page.close()


def test_no_script_puts_typed_text_into_markup():
    for script in HERE.glob("*.js"):
        text = script.read_text(encoding="utf-8")
        assert not [
            word
            for word in ("innerHTML", "outerHTML", "insertAdjacentHTML")
            if word in text
        ], script


def test_a_closed_view_listens_no_more(page):
    page.evaluate("clean()")
    assert page.evaluate("Object.values(model.heard).flat().length") == 0
