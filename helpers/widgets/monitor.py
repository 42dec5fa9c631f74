"""The live view of a training run, which the browser draws a few times a second."""

import time

import anywidget
from traitlets import Bool, Float, List, Unicode

from helpers.runs import History
from helpers.widgets.base import STYLE, script

PAUSE = 0.15  # seconds between two drawings at the least
MOST = 4  # runs side by side, as many as there are styles of line


class Monitor(anywidget.AnyWidget):
    """What the browser draws: a bar, a sentence, and for each run its curves as
    `figures.training` takes them.
    """

    _esm = script("monitor")
    _css = STYLE
    source = Unicode().tag(sync=True)
    says = Unicode("not started").tag(sync=True)
    done = Float(0.0).tag(sync=True)
    asked = Bool(False).tag(sync=True)  # in the browser, which waits for an answer
    names = List().tag(sync=True)
    runs = List().tag(sync=True)
    name = Unicode()  # of the next run
    stop = False  # what ends a run

    def __repr__(self) -> str:
        return f"The view of a training run on {self.source}"

    def _repr_mimebundle_(self, **kwargs: object) -> tuple[dict, dict]:
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return data, metadata | {"bench": {"rows": 9}}

    def start(self, batches: int) -> None:
        """Make room for a run, of the name that the monitor has by now."""
        self._batches, self._drawn = batches, time.monotonic()
        self._names = [*self.names[1 - MOST :], self.name]
        self._runs = self.runs[1 - MOST :]

    def tick(self, history: History, elapsed: float, seconds: float) -> None:
        """Draw the run as far as it is, unless that was done a moment ago."""
        if time.monotonic() - self._drawn > PAUSE:
            share = max(len(history.batches) / self._batches, elapsed / seconds)
            done = min(1.0, share)
            left = elapsed * (1 - done) / done
            self._draw(history, done, f"{elapsed:.0f} s, about {left:.0f} s to go.")

    def finish(self, history: History, elapsed: float) -> None:
        """Draw the run as it ended."""
        self._draw(history, 1.0, f"{elapsed:.1f} s. {history.stopped or 'Finished.'}")

    def _draw(self, history: History, done: float, when: str) -> None:
        batches = f"batch {len(history.batches)} of {self._batches}"
        says = f"{self.name or 'Training'}: {batches}, {when}"
        if history.rows:
            accuracy = history[-1]["validation_accuracy"]
            says += f" Validation accuracy {accuracy:.2%} after epoch {len(history)}."
        with self.hold_sync():
            self.says, self.done = says, done
            self.names, self.runs = self._names, [*self._runs, history.curves()]
        self._drawn = time.monotonic()
