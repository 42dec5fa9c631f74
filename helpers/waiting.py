"""A bar in a notebook while something takes its time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ipywidgets as widgets


def alive(widget: widgets.Widget) -> dict[str, dict]:
    """Return the data of an output that shows a widget."""
    kind = "application/vnd.jupyter.widget-view+json"
    return {kind: {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}}


@contextmanager
def progress(whole: int, what: str, **how: Any) -> Iterator:
    """Give a bar of tqdm, to be updated: one in a notebook, an unseen one elsewhere.

    `how` goes to tqdm, such as the unit: https://tqdm.github.io/docs/tqdm/
    """
    from IPython import display, get_ipython  # not needed by those who never wait
    from tqdm.notebook import tqdm

    live = hasattr(get_ipython(), "kernel")
    bar = tqdm(total=whole, desc=what, display=False, disable=not live, **how)
    # What is stored is an empty text: a bar would be asked for that is gone.
    empty = {"text/plain": ""}
    if live:
        view = alive(bar.container) | empty
        shown = display.display(view, raw=True, display_id=True)
    try:
        yield bar
    finally:
        bar.close()
        if live:
            shown.update(empty, raw=True)


def tracked(items: Sequence, what: str) -> Iterator:
    """Give the items one after the other, and show how many are done."""
    with progress(len(items), what) as bar:
        for item in items:
            yield item
            bar.update()
