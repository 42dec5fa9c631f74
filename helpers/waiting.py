"""A bar in a notebook while something takes its time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def progress(
    whole: int, words: Callable[[int], str]
) -> Iterator[Callable[[int], None]]:
    """Give a function that shows how much of the whole is done: a bar in a notebook,
    nothing elsewhere.
    """
    from IPython import display, get_ipython  # not needed by those who never wait

    if not hasattr(get_ipython(), "kernel"):
        yield lambda done: None
        return
    from ipywidgets import IntProgress

    bar = IntProgress(max=whole, style={"description_width": "initial"})
    shown = display.display(bar, display_id=True)

    def show(done: int) -> None:
        bar.value, bar.description = done, words(done)

    try:
        yield show
    finally:
        shown.update(
            {"text/plain": ""}, raw=True
        )  # a stored notebook would otherwise ask for a bar that is gone
        bar.close()


def tracked(items: Sequence, what: str) -> Iterator:
    """Give the items one after the other, and show how many are done."""
    with progress(len(items), lambda done: f"{what}: {done} of {len(items)}") as show:
        for done, item in enumerate(items):
            show(done)
            yield item
