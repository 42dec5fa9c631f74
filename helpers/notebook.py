"""What a notebook shows besides results: a bar while something takes its time, and errors of one sentence."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager


class SentenceError(ValueError):
    """An error that a notebook shows as one sentence, as the student's code is not at fault."""

    def _render_traceback_(self) -> list[str]:  # IPython shows this in place of the traceback
        return [f"{type(self).__name__}: {self}"]


@contextmanager
def progress(whole: int, words: Callable[[int], str]) -> Iterator[Callable[[int], None]]:
    """Give a function that shows how much of the whole is done: a bar in a notebook, nothing elsewhere."""
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
        shown.update({"text/plain": ""}, raw=True)  # a stored notebook would otherwise ask for a bar that is gone
        bar.close()


def tracked(items: Sequence, what: str) -> Iterator:
    """Give the items one after the other, and show how many are done."""
    with progress(len(items), lambda done: f"{what}: {done} of {len(items)}") as show:
        for done, item in enumerate(items):
            show(done)
            yield item
