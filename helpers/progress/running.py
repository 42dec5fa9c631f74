"""A student's notebook, run alone in an empty folder, within bounds of time and memory.

Only the kernel and the helpers of this environment count, not those beside the
notebook. The bounds are against mistakes: the code may do all that its user may.
"""

import contextlib
import os
import time
from pathlib import Path
from subprocess import DEVNULL
from tempfile import TemporaryDirectory
from threading import Thread

import psutil
from nbclient import NotebookClient
from nbformat import NotebookNode
from traitlets.config import Config

from helpers.handout.running import QUIET, read
from helpers.progress import notes

HOME = Path(__file__).parents[2]
PAUSE = 0.1  # seconds between two looks at the memory
PART = 3  # a cell is interrupted after this part of the time
# This Python's own kernel, and none that is installed under its name.
NATIVE = Config({"KernelSpecManager": {"kernel_dirs": []}})


def run(path: Path, seconds: int, megabytes: int) -> tuple[list[dict], str]:
    """Return the notes that a notebook leaves, lesson by lesson, and what went wrong.

    Raises SentenceError where it cannot be read, or leaves no notes that can be.
    """
    notebook = read(path)
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        client = _client(notebook, folder, max(1, seconds // PART))
        guard = _Guard(client, seconds, megabytes * 10**6)
        ours = HOME, HOME / "notebooks", os.environ.get("PYTHONPATH", "")
        env = {"CONVNETS_PROGRESS": "on", "PYTHONPATH": os.pathsep.join(map(str, ours))}
        try:
            client.execute(env=os.environ | env, stdout=DEVNULL, stderr=DEVNULL)
        except Exception as error:  # no notebook may end the table of a class
            guard.wrong += [guard.over or f"kernel ended ({type(error).__name__})"]
        finally:
            guard.kill()
        left = sorted(Path(folder).glob("progress_[0-9][0-9].json"))
        return [notes.read(one) for one in left], "; ".join(guard.wrong)


class _Client(NotebookClient):
    def output(self, *_message: object) -> None:
        """Keep nothing: an endless loop may print."""


def _client(notebook: NotebookNode, folder: str, timeout: int) -> NotebookClient:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return _Client(
        notebook,
        config=NATIVE,
        kernel_name="python3",
        timeout=timeout,
        interrupt_on_timeout=True,
        allow_errors=True,
        extra_arguments=QUIET,
        resources={"metadata": {"path": folder}},
    )


class _Guard:
    """Watches a kernel and all that it starts, and kills what exceeds the bounds."""

    def __init__(self, client: NotebookClient, seconds: int, most: int) -> None:
        self.client, self.seconds, self.most = client, seconds, most
        self.tree, self.wrong, self.over = set(), [], ""
        client.on_notebook_start, client.on_cell_error = self._begin, self._failed

    def _failed(self, cell: object, cell_index: int, execute_reply: dict) -> None:
        name = execute_reply["content"].get("ename")
        if name in ("KeyboardInterrupt", "MemoryError"):
            self.wrong.append(f"{name} in cell {cell_index + 1}")

    def _begin(self, notebook: object) -> None:
        kernel = psutil.Process(self.client.km.provisioner.pid)
        if hasattr(kernel, "rlimit"):  # on Linux, one large request is refused at once
            kernel.rlimit(psutil.RLIMIT_DATA, (self.most, self.most))
        Thread(target=self._watch, args=[kernel], daemon=True).start()

    def _watch(self, kernel: psutil.Process) -> None:
        end = time.monotonic() + self.seconds
        while not self.over and kernel.is_running():
            with contextlib.suppress(psutil.Error):  # one has just ended
                self.tree |= {kernel, *kernel.children(recursive=True)}
            used = sum(map(_memory, self.tree))
            if used > self.most:
                self.over = f"stopped at {used // 10**6} MB"
            elif time.monotonic() > end:
                self.over = f"stopped after {self.seconds} s"
            time.sleep(PAUSE)
        self.kill()

    def kill(self) -> None:
        """End the kernel, and all that it has started."""
        for process in [*self.tree]:  # which the other thread may just add to
            with contextlib.suppress(psutil.Error):
                process.kill()


def _memory(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return process.memory_info().rss
    return 0
