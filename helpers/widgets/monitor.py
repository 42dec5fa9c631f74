"""The live view of a training run: how far it is, and its curves, drawn in the browser
a few times a second.
"""

import time

import anywidget
from traitlets import Float, List, Unicode

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
    name = Unicode()  # of the next run
    names = List().tag(sync=True)
    runs = List().tag(sync=True)

    def __repr__(self) -> str:
        return f"The view of a training run on {self.source}"

    def _repr_mimebundle_(self, **kwargs: object) -> tuple[dict, dict]:
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return data, metadata | {"bench": {"rows": 9}}

    def start(self, batches: int) -> None:
        """Make room for a run, of the name that the monitor has by now."""
        self._batches, self._drawn = batches, time.monotonic()
        self._names, self._runs = (
            [*self.names[1 - MOST :], self.name],
            self.runs[1 - MOST :],
        )

    def tick(self, history: "History", elapsed: float, seconds: float) -> None:  # noqa: F821 (a higher room)
        """Draw the run as far as it is, unless that was done a moment ago."""
        if time.monotonic() - self._drawn > PAUSE:
            done = min(
                1.0, max(len(history.batches) / self._batches, elapsed / seconds)
            )
            left = elapsed * (1 - done) / done
            self._draw(history, done, f"{elapsed:.0f} s, about {left:.0f} s to go")

    def finish(self, history: "History", elapsed: float) -> None:  # noqa: F821
        """Draw the run as it ended."""
        self._draw(
            history,
            1.0,
            f"{elapsed:.1f} s. {history.stopped or 'Finished'}".rstrip("."),
        )

    def _draw(self, history: "History", done: float, when: str) -> None:  # noqa: F821
        says = f"{self.name or 'Training'}: batch {len(history.batches)} of {self._batches}, {when}."
        if history.rows:
            says += f" Validation accuracy {history[-1]['validation_accuracy']:.2%} after epoch {len(history)}."
        with self.hold_sync():
            self.says, self.done, self.names, self.runs = (
                says,
                done,
                self._names,
                [*self._runs, history.curves()],
            )
        self._drawn = time.monotonic()
