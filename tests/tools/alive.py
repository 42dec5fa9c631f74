"""A page or a deck in Chromium, without a kernel: its sliders are moved, and torch says
whether the numbers that it shows are right.
"""

import math
import re
from pathlib import Path

import torch
import torch.nn.functional as F
from page import exact_values, numbers
from tiny import STATE
from torch import nn

from helpers.handout import scripts

SIZES = "channels", "side", "width"
SCRIPT = Path(__file__).with_suffix(".js")


def opened(browser, html, folder, offline=True):
    """Open a page from a file, without a network or with one that has only the CDN;
    return it and a list of what goes wrong.
    """
    (folder / "made.html").write_text(html, encoding="utf-8")
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    context.set_default_timeout(20_000)
    context.add_init_script(path=SCRIPT)
    page, failed = context.new_page(), []
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.on("requestfailed", lambda request: failed.append(request.url))
    if offline:
        context.set_offline(True)
    else:
        context.route("https://**/*", lambda route: _serve(route, failed))
    page.goto((folder / "made.html").as_uri())
    page.wait_for_function("alive.drawn()")
    page.evaluate(
        "document.querySelectorAll('details').forEach((o) => (o.open = true))"
    )
    page.evaluate("alive.settled()")
    return page, failed


def _serve(route, failed):
    found = re.fullmatch(
        rf"{scripts.CDN}/((?:@[^/]+/)?[^@]+)@([\d.]+)/(.+)", route.request.url
    )
    if found and scripts.PACKAGES.get(found[1], {}).get("version") == found[2]:
        style = "text/css" if found[3].endswith("css") else None
        route.fulfill(body=scripts.packed(found[1], found[3]), content_type=style)
    else:
        failed.append(route.request.url)
        route.abort()


def moved(page, number):
    """Move a slider by one step, and return what its bench shows before and after."""
    before = page.evaluate("(n) => alive.seen(n)", number)
    key = "ArrowRight" if before["now"] < before["most"] else "ArrowLeft"
    page.locator(".noUi-handle").nth(number).press(key)
    page.evaluate("alive.settled()")
    return before, page.evaluate("(n) => alive.seen(n)", number)


def move_all(page, notebook, slides=False):
    """Move each slider that lives without a kernel, and compare what is shown then with
    torch; return the kinds of the benches.
    """
    kinds = {}
    for number in range(page.locator(".noUi-handle").count()):
        if slides:
            page.evaluate("(n) => alive.turn(n)", number)
            page.evaluate("alive.settled()")
        place = page.evaluate("location.hash")
        if not page.evaluate("(n) => alive.seen(n)", number)["kind"]:
            continue  # the sandbox and the pad say that they need a kernel
        before, after = moved(page, number)
        if before["least"] < before["most"]:
            assert after["now"] != before["now"], before["values"]
            assert after["picture"] != before["picture"], before["values"]
        right(after, notebook)
        kinds[after["id"]] = after["kind"]
        assert page.evaluate("location.hash") == place, "no key turned the page"
    return [*kinds.values()]


def right(seen, notebook):
    """Compare what a bench shows with torch, or with what the kernel had computed for
    it.
    """
    globals()[f"right_{seen['kind']}"](seen, notebook)


def right_convolution(seen, _notebook):
    values, boards = seen["values"], seen["boards"]
    k, padded, kernel = (
        values["kernel_size"],
        numbers(boards["Input"]),
        numbers(boards["Kernel"]),
    )
    assert len(padded) == values["input_size"] + 2 * values[
        "padding"
    ] and kernel.shape == (k, k)
    truth = F.conv2d(
        padded[None, None],
        kernel[None, None],
        stride=values["stride"],
        dilation=values["dilation"],
    )[0, 0]
    output = numbers(boards["Output"])
    assert output.shape == truth.shape and torch.allclose(output, truth, atol=1e-9)
    row, column = divmod(values["step"], len(output))
    assert seen["status"].startswith(
        f"Step {values['step']}: output[{row}, {column}] = "
    )
    assert f"kernel_size={k}, stride={values['stride']}" in seen["code"]


def right_pooling(seen, _notebook):
    values, output = seen["values"], numbers(seen["boards"]["Output"])
    k, s, p = values["kernel_size"], values["stride"], values["padding"]
    shown = exact_values(seen["boards"]["Input"])[p:, p:][
        : values["input_size"], : values["input_size"]
    ]
    pool = F.max_pool2d if "max" in seen["selects"] else F.avg_pool2d
    truth = pool(shown[None], k, s, p)[0]
    assert output.shape == truth.shape and torch.allclose(output, truth, atol=1e-9)


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


def right_gallery(seen, notebook):
    first, second = [*map(int, seen["values"].values()), 0][:2]
    views = state_of(notebook, "pages")
    places = [(one["pages"], first * one["across"] + second) for one in views]
    says = [pages[at]["says"] for pages, at in places if at < len(pages)]
    assert seen["status"] in says
