"""A bench in a page of its own, with a model in place of the widget's, and what its boards show."""

import json
import math
from pathlib import Path

import torch

from helpers.widgets.base import STYLE

# The same few calls of a widget's model that the page uses, and nothing else.
MODEL = """
class Model {
  constructor(state) { this.state = state; this.heard = {}; this.saved = 0; }
  get(name) { return this.state[name]; }
  set(name, value) {
    if (typeof name === "object") return Object.entries(name).forEach((pair) => this.set(...pair));
    if (JSON.stringify(this.state[name]) === JSON.stringify(value)) return;
    this.state[name] = value;
    (this.heard[`change:${name}`] ?? []).forEach((listener) => listener());
  }
  on(name, listener) { (this.heard[name] ??= []).push(listener); }
  off(name, listener) { this.heard[name] = (this.heard[name] ?? []).filter((other) => other !== listener); }
  save_changes() { this.saved++; }
}
"""
BOARDS_SCRIPT = Path(__file__).parent / "boards.js"
# Reads every board of the page.
BOARDS = f"""() => {{
{BOARDS_SCRIPT.read_text(encoding="utf-8")}
return boardsOf(document);
}}"""


def open_bench(browser, view):
    """Give a page with a bench's own script and style, and a model in place of the
    widget's.
    """
    return shown(browser.new_page(), view)


def shown(page, view):
    """Show a bench in a page, in place of what it held."""
    page.unroute_all()
    state = {key: value for key, value in view.get_state().items() if key[0] != "_"}
    page.route(
        "http://bench/",
        lambda route: route.fulfill(
            body="<!doctype html><body></body>", content_type="text/html"
        ),
    )
    page.route(
        "http://bench/bench.js",
        lambda route: route.fulfill(body=view._esm, content_type="text/javascript"),
    )
    page.goto("http://bench/")
    page.add_style_tag(path=STYLE)
    page.add_script_tag(
        type="module",
        content=f"{MODEL} window.model = new Model({json.dumps(state)});"
        "const { default: widget } = await import('http://bench/bench.js');"
        "window.clean = widget.render({ model, el: document.body.appendChild(document.createElement('div')) });"
        "window.ready = true;",
    )
    page.wait_for_function("window.ready")
    return page


def change(page, **traits):
    """Set traits of the page's model, as controls would, and wait until all is drawn."""
    page.evaluate(
        """async (traits) => {
             for (const [name, value] of Object.entries(traits)) model.set(name, value);
             await new Promise(requestAnimationFrame);
           }""",
        traits,
    )


def held(page, name):
    """Return a trait of the page's model."""
    return page.evaluate("(name) => model.get(name)", name)


def cell(page, board, row, column):
    return page.locator(
        f"[aria-label^='{board}'] [data-row='{row}'][data-column='{column}']"
    )


def exact_values(table):
    return torch.tensor(
        [[float(exact) for _, exact, _ in row] for row in table], dtype=torch.float64
    )


def numbers(table):
    """Check that each cell's text is its exact value rounded, and return the exact
    values.
    """
    for text, title, negative in (cell for row in table for cell in row):
        exact = float(title)
        if text is None:
            continue
        if not math.isfinite(exact):
            assert text == ("" if math.isnan(exact) else "−∞")
            continue
        decimals = len(text.partition(".")[2])
        assert negative == (exact < 0)
        assert (text == "0") == (exact == 0)
        assert (
            abs(float(text.replace("≈", "")) - exact) <= 0.5 * 10**-decimals + 1e-9
        ), (text, exact)
    return exact_values(table)
