"""The tracer's widget works out in the page, without a kernel, what the tracer finds
with torch's meta device.
"""

import json
import random

import pytest
from page import open_bench

from helpers.widgets.shape_tracer import KINDS, NETWORKS, ShapeTracer, layer

pytestmark = pytest.mark.browser

# All that the page shows: the texts of each row, what is wrong, the end, the line of
# code, and the layers' numbers.
SHOWN = """() => ({
  rows: [...document.querySelectorAll(".trace tbody tr")].map((row) =>
    [...row.querySelectorAll("span")].map((part) => part.textContent.replace("\\n", " "))),
  wrong: [...document.querySelectorAll(".trace tbody tr")].findIndex((row) => row.classList.contains("wrong")),
  fields: [...document.querySelectorAll(".trace tbody tr")].map((row) =>
    Object.fromEntries([...row.querySelectorAll("input")].map((input) => [input.name, input.value]))),
  trouble: document.querySelector(".bench-status").textContent,
  ending: document.querySelector(".bench > p:not([role])").textContent,
  code: document.querySelector(".bench code").textContent,
})"""
WALK = f"""async (walk) => {{
  const shown = [], look = {SHOWN};
  for (const state of walk) {{
    for (const [name, value] of Object.entries(state)) model.set(name, value);
    await Promise.resolve();
    shown.push(look());
  }}
  return JSON.stringify(shown);
}}"""
# The largest that can be typed, what is more than that, and halves that are rounded:
# 2.05 GB and 6.15 GB.
LARGE = [
    [layer("Flatten"), layer("Linear", in_features=before, out_features=after)]
    for before, after in [(10**7, 10**7), (1024, 500_000), (1024, 1_500_000)]
]
WIDE = layer("Conv2d", out_channels=10**4, kernel_size=1, padding=32)
LONG = layer("Linear", in_features=32, out_features=10**7)
CHANNELS = 1, 2, 3, 6, 6, 6, 12, 12, 16
END = [layer("Flatten"), layer("Linear", out_features=10**7)]
LARGE += [[LONG, WIDE, *END], [WIDE, layer("Flatten"), WIDE | {"kernel_size": 64}]]
LARGE += [[LONG, *[WIDE] * 17, *END], [WIDE, *END], [*[WIDE] * 18, *END]]
GROW = layer("ConvTranspose2d", stride=64, out_channels=1)
TALL = layer("ConvTranspose2d", kernel_size=[64, 1], stride=[64, 1], dilation=[9, 1])
LARGE += [[GROW] * 20, [TALL] * 20, [*[GROW] * 3, WIDE, layer("Linear")]]
LARGE += [[*[GROW] * 3, *END], [GROW, GROW, layer("AdaptiveAvgPool2d"), *END]]


@pytest.fixture(scope="module")
def page(browser):
    page = open_bench(browser, ShapeTracer()._view)
    yield page
    page.close()


BEFORE = ["Conv2d", "ConvTranspose2d", "MaxPool2d", "AvgPool2d", "ReLU", "Dropout"] * 3
BEFORE += ["Conv2d", "Conv2d", "AdaptiveAvgPool2d"]


def random_case(rng):
    """Return a picture and layers, of which about half fit, with the numbers that are
    likely to go wrong.
    """
    side = rng.choice([1, 2, 3, 8, rng.randint(1, 64), rng.randint(20, 40)])
    kinds = [rng.choice(BEFORE) for _ in range(rng.randint(0, 5))]
    kinds += ["Flatten"] * (rng.random() < 0.8)
    after = "Linear", "Linear", "Linear", "ReLU", "Flatten", *KINDS
    kinds += [rng.choice(after) for _ in range(rng.randint(0, 4))]
    return {
        "channels": rng.choice([1, 1, 3, 64]),
        "side": side,
        "width": rng.choice([0, 0, 0, side, rng.randint(1, 64)]),
        "derive": rng.random() < 0.5,
        "layers": [random_layer(rng, kind) for kind in kinds],
    }


def random_layer(rng, kind):
    kernel, wide = rng.choice([1, 2, 2, 3, 3, 5, 5, 8, 64]), rng.random() < 0.03
    settings = {
        "kernel_size": [kernel, rng.choice([1, 2, 3, 5])],
        "stride": [rng.choice([1, 1, 1, 1, 2, 2, 2, 3, 64]), rng.randint(1, 3)],
        "padding": [rng.choice([0, 0, 0, kernel // 2, kernel // 2, 2, 32]), 1],
        "dilation": [rng.choice([*[1] * 9, 2, 2, 3, 64]), rng.randint(1, 3)],
        "output_padding": [rng.choice([0, 0, 0, 0, 1, 1, 2, 63]), rng.randint(0, 2)],
        "output_size": [rng.choice([1, 2, 7, 64]), rng.randint(1, 5)],
    }
    settings = {
        name: sides if rng.random() < 0.15 and len({*sides}) == 2 else sides[0]
        for name, sides in settings.items()
    } | {
        "groups": rng.choice([1, 1, 1, 1, 1, 1, 2, 3, 6]),
        "out_channels": rng.randint(10**3, 10**4) if wide else rng.choice(CHANNELS),
        "in_features": rng.randint(1, 10**7) if wide else rng.randint(1, 30),
        "out_features": rng.randint(10**5, 10**7) if wide else rng.randint(1, 30),
    }
    return layer(kind, **{name: settings[name] for name in KINDS[kind]})


def put(bench, case):
    bench.channels, bench.side = case["channels"], case["side"]
    bench.width = case["width"]
    bench._view.derive, bench._view.layers = case["derive"], case["layers"]


def fitting(case):
    """Return the case with the in_features that follow as numbers that were typed, or
    nothing where it does not fit.
    """
    bench = ShapeTracer()
    put(bench, case | {"derive": True})
    return (
        []
        if bench.trace.trouble
        else [case | {"derive": False, "layers": bench.layers}]
    )


def moved(case, step):
    """Return the case with a picture of nearly the same size."""
    sizes = {name: case[name] for name in ("side", "width") if case[name]}
    return case | {name: min(64, max(1, one + step)) for name, one in sizes.items()}


def cases(count):
    """Return random stacks; those that fit with a picture of nearly the same size;
    large ones; and the ready-made.
    """
    rng = random.Random(0)
    some = [random_case(rng) for _ in range(count)]
    fits = [fit for case in some for fit in fitting(case)]
    near = [moved(fit, rng.randint(-6, 6)) for fit in fits * 2]
    plain = {"channels": 1, "side": 32, "width": 0, "derive": False}
    large = [
        plain | {"layers": layers, "derive": derive}
        for layers in LARGE
        for derive in (True, False)
    ]
    ready = [
        plain | {"layers": layers, "side": side}
        for layers in NETWORKS.values()
        for side in range(1, 65, 3 if count > 100 else 12)
    ]
    return [*some, *near, *large, *ready]


@pytest.mark.parametrize("count", [6, pytest.param(440, marks=pytest.mark.slow)])
def test_the_page_shows_what_the_tracer_finds_for_random_stacks(page, count):
    bench, walk, seen = ShapeTracer(), cases(count), []
    shown = json.loads(page.evaluate(WALK, walk))
    for case, shows in zip(walk, shown, strict=True):
        put(bench, case)
        found = bench.trace
        check(bench, found, shows)
        seen.append(found.trouble)
    offers = [trouble for trouble in seen if trouble.endswith("those fit.")]
    assert len(walk) > count and len({*seen}) > 0.4 * count
    assert min(seen.count(""), len(offers)) > 0.1 * count


def check(bench, found, shows):
    layers = bench.layers
    rows = [row.found for row in found.rows]
    rest = [
        ["✗" * (place == 0 and bool(found.trouble)), "", "", ""]
        for place in range(len(layers) - len(rows))
    ]
    assert shows["rows"] == rows + rest, layers
    assert shows["trouble"] == (f"✗ {found.trouble}" if found.trouble else ""), layers
    assert shows["wrong"] == (len(rows) if found.trouble else -1)
    assert shows["ending"] == " ".join(found.ending), layers
    assert shows["code"] == bench.code
    assert shows["fields"] == [
        {name: typed(one[name]) for name in KINDS[one["kind"]]} for one in layers
    ]


def typed(value):
    """Return a setting as it stands in a field."""
    return "×".join(map(str, value)) if isinstance(value, tuple) else str(value)


@pytest.fixture
def fresh(opened):
    return opened(ShapeTracer(side=28))


def state(page, name):
    return page.evaluate("(name) => model.get(name)", name)


def shown(page):
    return page.evaluate(SHOWN)


def test_layers_are_edited_by_keyboard_without_a_kernel(fresh):
    field = fresh.get_by_label("in_features of layer 8")
    assert shown(fresh)["trouble"].startswith(
        "✗ layer 8 (Linear) takes in_features=576, and 400 numbers arrive"
    )
    field.press("Control+a")
    field.press_sequentially("400")
    field.press("Enter")
    assert (
        state(fresh, "network_index") == len(NETWORKS)
        and state(fresh, "layers")[7]["in_features"] == 400
    )
    assert not shown(fresh)["trouble"] and shown(fresh)["rows"][-1][0] == "10"
    fresh.get_by_label("Remove layer 2").press("Enter")
    fresh.get_by_label("Move layer 2 up").press("Enter")
    fresh.get_by_label("kind of layer 1", exact=True).select_option("AvgPool2d")
    fresh.get_by_role("button", name="Add a layer").press("Enter")
    kinds = "AvgPool2d Conv2d Conv2d ReLU MaxPool2d Flatten Linear ReLU Linear ReLU Linear ReLU"
    assert " ".join(one["kind"] for one in state(fresh, "layers")) == kinds
    assert fresh.evaluate("model.saved") >= 5, (
        "the kernel hears of it where there is one"
    )
    assert [row[0] for row in shown(fresh)["rows"]][:5] == [
        "1×14×14",
        "6×12×12",
        "16×10×10",
        "16×10×10",
        "16×5×5",
    ]


def test_ready_made_stacks_and_derive_need_no_kernel(fresh):
    fresh.evaluate("model.set('derive', true)")
    assert (
        not shown(fresh)["trouble"]
        and shown(fresh)["fields"][7]["in_features"] == "400"
    )
    assert (
        fresh.get_by_label("in_features of layer 8").is_disabled()
        and state(fresh, "network_index") == 0
    )
    fresh.evaluate("model.set('derive', false)")
    assert state(fresh, "layers")[7]["in_features"] == 400 and state(
        fresh, "network_index"
    ) == len(NETWORKS)
    for place, layers in enumerate(NETWORKS.values()):
        fresh.evaluate("(place) => model.set('network_index', place)", place)
        assert (
            state(fresh, "layers") == layers and state(fresh, "network_index") == place
        )
    fresh.evaluate("model.set('derive', true)")
    fresh.evaluate("model.set('derive', false)")
    assert state(fresh, "network_index") == len(NETWORKS) - 1, (
        "nothing followed that did not stand there"
    )


def test_a_number_that_is_refused_stays_as_it_was(fresh):
    fresh.get_by_label("stride of layer 1").fill("65")
    fresh.get_by_label("stride of layer 1").press("Enter")
    assert (
        fresh.inner_text(".bench-note")
        == "stride takes a whole number from 1 to 64, or two as in 3×2, "
        'not "65"; it stays 1.'
    )
    assert (
        state(fresh, "layers") == NETWORKS["Net, 32×32"]
        and state(fresh, "network_index") == 0
    )


def test_height_and_width_of_a_window_are_typed_and_stepped(fresh):
    field = fresh.get_by_label("kernel_size of layer 1")
    for typed, kept in [("3×5", [3, 5]), ("2 x 2", 2), (" 4*1 ", [4, 1])]:
        field.fill(typed)
        field.press("Enter")
        assert state(fresh, "layers")[0]["kernel_size"] == kept
    field.press("ArrowUp")
    assert field.input_value() == "5×2" and shown(fresh)["rows"][0][0] == "6×24×27"
    assert "nn.Conv2d(1, 6, kernel_size=(5, 2))" in shown(fresh)["code"]
    for typed in ("3×65", "3×", "1×2×3", "3.5", "-3", "0×1"):
        field.fill(typed)
        field.press("Enter")
        assert fresh.inner_text(".bench-note").endswith("it stays 5×2.")
        assert field.input_value() == "5×2"
    field.fill("1")
    field.press("ArrowDown")
    assert fresh.inner_text(".bench-note").endswith('not "0"; it stays 5×2.')


def test_rare_settings_stand_behind_more_until_they_are_used(fresh):
    groups = fresh.get_by_label("groups of layer 1", exact=True)
    assert not groups.is_visible() and fresh.locator("details[open]").count() == 0
    fresh.locator("summary").first.press("Enter")
    assert groups.is_visible() and fresh.locator("details[open]").count() == 1
    fresh.evaluate("model.set('layers', [model.get('fresh').AvgPool2d])")
    assert fresh.locator("summary").count() == 0
    layers = [layer("MaxPool2d"), layer("ConvTranspose2d", groups=2)]
    fresh.evaluate("(layers) => model.set('layers', layers)", layers)
    opened = fresh.locator("details").evaluate_all("all => all.map((one) => one.open)")
    assert opened == [False, True]
    fresh.evaluate("model.set('channels', 2)")
    assert shown(fresh)["rows"][1][3] == "(2/2·2·2 + 1)·6"


def test_reset_brings_network_and_picture_back(fresh):
    start = shown(fresh)
    fresh.evaluate("model.set('derive', true)")
    fresh.get_by_label("Remove layer 2").press("Enter")
    fresh.evaluate("model.set('width', 9) || model.set('channels', 3)")
    assert shown(fresh) != start
    reset = fresh.get_by_role("button", name="Reset")
    reset.press("Enter")
    assert shown(fresh) == start and state(fresh, "network_index") == 0
    assert [state(fresh, name) for name in ("side", "width")] == [28, 0]
    fresh.evaluate("model.set('network_index', 2)")
    fresh.get_by_label("padding of layer 1").press("ArrowUp")
    assert state(fresh, "network_index") == len(NETWORKS)
    reset.press("Enter")
    assert state(fresh, "layers") == NETWORKS["one convolution"]


@pytest.mark.parametrize("width", [1280, 900, 700, 390])
def test_each_layer_can_be_removed_at_every_width(fresh, width):
    wide = layer("Conv2d", kernel_size=[3, 5], dilation=[2, 3], padding=9)
    fresh.evaluate("(one) => model.set('layers', [one, one, one])", wide)
    fresh.set_viewport_size({"width": width, "height": 700})
    for place in (1, 2, 3):
        box = fresh.get_by_label(f"Remove layer {place}").bounding_box()
        assert box["x"] > 0 and box["x"] + box["width"] <= width


def test_every_field_has_a_name_and_a_closed_view_listens_no_more(fresh):
    names = fresh.locator(".bench :is(input, select, button)").evaluate_all(
        "parts => parts.map(part => part.getAttribute('aria-label') ?? part.textContent)"
    )
    assert len(names) > 60 and all(names) and len({*names}) == len(names)
    fresh.evaluate("clean()")
    assert fresh.evaluate("Object.values(model.heard).flat().length") == 0
