"""The live view of a training run, which the browser draws a few times a second."""

import time

from helpers.runs import History
from helpers.widgets.base import View

PAUSE = 0.15  # seconds between two drawings at the least
MOST = 4  # runs side by side, as many as there are styles of line


class Monitor(View):
    """A bar, a sentence, and the curves of each run as `figures.training` takes them.

    `name` is that of the next run; `stop = True` ends a run.
    """

    def __init__(self, source: str, says: str = "not started", name: str = "") -> None:
        state = {"source": source, "says": says, "done": 0.0, "names": [], "runs": []}
        # The browser sets `asked` while it waits for an answer.
        super().__init__("monitor", **state, asked=False)
        self.name, self.stop = name, False

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
            done = min(
                1.0, max(len(history.batches) / self._batches, elapsed / seconds)
            )
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
