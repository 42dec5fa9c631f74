"""A page or a deck in Chromium, without a kernel: its sliders are moved, and torch says
whether the numbers that it shows are right.
"""

import math
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import codes
import torch
import windows
from page import BOARDS_SCRIPT, numbers
from strokes import DIGITS, draw_strokes
from tiny import STATE
from torch import nn

from helpers.handout import scripts
from helpers.widgets.layer_bench import LayerBench
from helpers.widgets.sketchpad import EXAMPLE, mnist_form

AXE = {
    "version": "4.14.1",
    "integrity": "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2"
    "S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
}
SIZES = "channels", "side", "width"
SCRIPT = Path(__file__).with_suffix(".js")
SLIDERS = ".noUi-handle, .bench-step"
# The address of a slide is written up to a second later.
PLACE = "JSON.stringify(window.Reveal?.getIndices() ?? null)"


@contextmanager
def visits(browser):
    """Yield what opens a page at an address; close the pages at the end, where nothing
    may have gone wrong.
    """
    pages = []

    def visit(address, **how):
        pages.append(visited(browser, address, **how))
        return pages[-1][0]

    yield visit
    for page, failed in pages:
        page.context.close()
        assert failed == []


def visited(browser, address, **how):
    """Open a page at an address, and its benches; return it and a list of what goes
    wrong.
    """
    context = browser.new_context(
        **{"viewport": {"width": 1280, "height": 720}, "offline": True} | how
    )
    context.set_default_timeout(20_000)
    for script in (BOARDS_SCRIPT, SCRIPT):
        context.add_init_script(path=script)
    page, failed = context.new_page(), []
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.on("requestfailed", lambda request: _note(failed, request))
    page.goto(address)
    page.wait_for_function("alive.drawn()")
    page.evaluate(
        "document.querySelectorAll('details').forEach((o) => (o.open = true))"
    )
    page.evaluate("alive.settled()")
    return page, failed


def _note(failed, request):
    if "ABORTED" not in request.failure:  # by turning to another page
        failed.append(request.url)


def troubles(page, *rules):
    """Return what axe-core finds serious, by all of its rules or by these."""
    with mock.patch.dict(scripts.PACKAGES, {"axe-core": AXE}):
        page.evaluate(scripts.packed("axe-core", "axe.min.js"))
    found = page.evaluate(
        """(rules) => axe.run(document, { resultTypes: ["violations"], preload: false,
             ...(rules.length && { runOnly: rules }) })""",
        rules,
    )
    return [
        (one["id"], one["nodes"][0]["html"][:200], len(one["nodes"]))
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def moved(page, number):
    """Move a slider by one step, and return what its bench shows before and after."""
    before = page.evaluate("(n) => alive.seen(n)", number)
    key = "ArrowRight" if before["now"] < before["most"] else "ArrowLeft"
    return before, pressed(page, number, key)


def pressed(page, number, key):
    """Press a key on a slider, and return what its bench shows then."""
    page.locator(SLIDERS).nth(number).press(key)
    page.evaluate("alive.settled()")
    return page.evaluate("(n) => alive.seen(n)", number)


def move_all(page, notebook, slides=False):
    """Move each slider that lives without a kernel, and compare what is shown then with
    torch; return the kinds of the benches.
    """
    kinds = {}
    for number in range(page.locator(SLIDERS).count()):
        if not page.evaluate("(n) => alive.reachable(n)", number):
            continue
        if slides:
            page.evaluate("(n) => alive.turn(n)", number)
            page.evaluate("alive.settled()")
        place = page.evaluate(PLACE)
        if not (kind := page.evaluate("(n) => alive.seen(n)", number)["kind"]):
            continue  # the sandbox says that it needs a kernel
        if kind == "pad":
            draw(page, DIGITS["4"])
            right(page.evaluate("(n) => alive.seen(n)", number), notebook)
        before, after = moved(page, number)
        if before["least"] < before["most"]:
            assert after["now"] != before["now"], before["values"]
            assert after["picture"] != before["picture"], before["values"]
        if after["trouble"]:  # no window fits
            assert after["trouble"].endswith("."), after["trouble"]
            back = "ArrowLeft" if after["now"] > before["now"] else "ArrowRight"
            after = pressed(page, number, back)
            assert not after["trouble"], after["trouble"]
        right(after, notebook)
        kinds[after["id"]] = after["kind"]
        assert page.evaluate(PLACE) == place, "no key turned the page"
    return [*kinds.values()]


def right(seen, notebook):
    """Compare what a bench shows with torch, or with what the kernel had computed for
    it.
    """
    globals()[f"right_{seen['kind']}"](seen, notebook)


def right_layer(seen, _notebook):
    """Make the bench anew from its own line, and compare what is shown with it."""
    bench = eval(seen["line"], {"LayerBench": LayerBench, "nn": nn})
    assert seen["code"] == bench.code
    name, truth = {
        "forward": ("Output", bench.output),
        "stamps": ("Output", bench.output),
        "backward": ("Gradient of the input", bench.gradients.input),
        "matrix": ("Matrix", bench.matrix[None]),
    }[bench.view]
    found = torch.stack(windows.named(seen["boards"], name, numbers))
    kept = ~found[0].isnan()  # around a gradient stands padding, without numbers
    assert windows.close(found[:, kept.any(1)][:, :, kept.any(0)], truth)
    values, settings = seen["values"], bench.settings
    assert values["input_size"] == settings["input_size"][0]
    assert values["kernel_size"] == settings["kernel_size"][0]
    looked_at = "input" if bench.view == "stamps" else "output"
    assert seen["status"].startswith(f"Step {bench.step}: {looked_at}[")


def right_dropout(seen, notebook):
    values, p = numbers(seen["boards"]["Input"]), seen["values"]["p"]
    (chances,) = [state["chances"] for state in state_of(notebook, "chances")]
    kept = torch.tensor(chances[int(seen["values"]["draw"]) - 1]) >= round(100 * p)
    assert f"nn.Dropout(p={p:g})" in seen["code"]
    output = numbers(seen["boards"]["Output"])
    assert torch.allclose(output, values * kept / (1 - p), atol=1e-9)


def right_tracer(seen, _notebook):
    channels, side, width = (seen["values"][name] for name in SIZES)
    width = side if math.isnan(width) else width  # "= side"
    at = torch.empty(1, *map(int, (channels, side, width)), device="meta")
    for number, made in enumerate(eval(seen["code"], {"nn": nn})):
        try:
            at = made.to("meta")(at)
        except RuntimeError:
            assert f"layer {number + 1}" in seen["status"], seen["status"]
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


def right_map(seen, notebook):
    """Make the decoder anew from its text, and compare the digit with its own."""
    point = eval(seen["code"], {"torch": torch, "decoder": lambda point: point})
    assert torch.equal(torch.tensor([*seen["values"].values()]), point[0])
    found = torch.tensor(seen["digit"]).view(28, 28) / 255
    texts = [state["layers"] for state in state_of(notebook, "axes")]
    with torch.no_grad():
        digits = [codes.from_text(text)(point)[0, 0] for text in texts]
    assert any((found - digit).abs().max() <= 0.6 / 255 for digit in digits)


def draw(page, strokes):
    """Draw on the page's pad with the mouse."""
    page.locator("canvas.sketch").scroll_into_view_if_needed()
    draw_strokes(page, strokes, between=1)
    page.evaluate("alive.settled()")


def right_pad(seen, notebook):
    """Compare the picture with the drawing, and the probabilities with torch's."""
    (state,) = [one["page"] for one in state_of(notebook, "page") if one["page"]]
    found = torch.tensor(seen["digit"]).view(1, 1, 28, 28) / 255
    drawn = [mnist_form(one, seen["values"]["pen"]) for one in (DIGITS["4"], EXAMPLE)]
    assert any((found[0, 0] - one).abs().max() < 0.05 for one in drawn)
    chances = codes.from_text(state["network"])(found).softmax(1)[0]
    assert torch.tensor(seen["chances"]).sub(100 * chances).abs().max() < 0.3
    percent, digit = max(zip(seen["chances"], range(10), strict=True))
    assert seen["status"].startswith("This is") and f" {digit} (" in seen["status"]
    assert percent > 90 and seen["by"] == "Computed in this page."


def right_gallery(seen, notebook):
    first, second = [*map(int, seen["values"].values()), 0][:2]
    views = state_of(notebook, "pages")
    places = [(one["pages"], first * one["across"] + second) for one in views]
    says = [pages[at]["says"] for pages, at in places if at < len(pages)]
    assert seen["status"] in says
