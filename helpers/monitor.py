"""The live view of a training run: how far it is, and its curves, drawn in the browser a few times a second."""

import time

import anywidget
from IPython import get_ipython
from IPython.display import display
from traitlets import Float, List, Unicode

from helpers.explorer import STYLE, script

PAUSE = 0.15  # seconds between two drawings at the least


class MonitorView(anywidget.AnyWidget):
    """What the browser draws: a bar, a sentence, and for each run its curves as `figures.training` takes them."""

    _esm = script("monitor")
    _css = STYLE
    source = Unicode().tag(sync=True)
    says = Unicode("not started").tag(sync=True)
    done = Float(0.0).tag(sync=True)
    names = List().tag(sync=True)
    runs = List().tag(sync=True)

    def __repr__(self) -> str:
        return f"The view of a training run on {self.source}"


class Monitor:
    """Shows one run in a view: its own, made and displayed when the run starts in a notebook, or a given one."""

    def __init__(self, source: str, name: str = "", view: MonitorView | None = None, show: bool = True) -> None:
        self.source, self.name, self.view, self.show = source, name, view, show

    def start(self, batches: int) -> None:
        """Make room for the run."""
        self.batches, self.drawn = batches, time.monotonic()
        if self.view is None and self.show and getattr(get_ipython(), "kernel", None):
            self.view = MonitorView(source=self.source)
            display(self.view)
        if self.view:
            # As many as there are styles of line.
            self.names, self.runs = [*self.view.names[-3:], self.name], self.view.runs[-3:]

    def tick(self, history: "History", elapsed: float, seconds: float) -> None:  # noqa: F821 (a higher room)
        """Draw the run as far as it is, unless that was done a moment ago."""
        if self.view is None or time.monotonic() - self.drawn < PAUSE:
            return
        done = min(1.0, max(len(history.batches) / self.batches, elapsed / seconds))
        left = elapsed * (1 - done) / done
        self._draw(history, done, f"{elapsed:.0f} s, about {left:.0f} s to go")

    def finish(self, history: "History", elapsed: float) -> None:  # noqa: F821
        """Draw the run as it ended."""
        if self.view:
            self._draw(history, 1.0, f"{elapsed:.1f} s. {history.stopped or 'Finished'}".rstrip("."))

    def _draw(self, history: "History", done: float, when: str) -> None:  # noqa: F821
        says = f"{self.name or 'Training'}: batch {len(history.batches)} of {self.batches}, {when}."
        if history.rows:
            says += f" Validation accuracy {history[-1]['validation_accuracy']:.2%} after epoch {len(history)}."
        with self.view.hold_sync():
            self.view.says, self.view.done, self.view.names = says, done, self.names
            self.view.runs = [*self.runs, history.curves()]
        self.drawn = time.monotonic()
