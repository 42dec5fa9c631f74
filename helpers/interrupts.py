"""Interrupts of the kernel (■, Ctrl+C): when they suit, and where they arrive."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from IPython import get_ipython


@contextmanager
def noted_interrupts() -> Iterator[list[int]]:
    """Give a list that notes an interrupt, which would else end the block at any line.

    With that the handler from before is back: a second interrupt ends what hangs. Other
    threads than the main one are never interrupted.
    """
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return
    before = signal.getsignal(signal.SIGINT) or signal.SIG_DFL

    def note(number: int, _frame: object) -> None:
        noted.append(number)
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)


def in_main_thread(act: Callable[[], None]) -> None:
    """Call in the kernel's main thread, where interrupts arrive, once it is free.

    JupyterLab tells widgets in a thread beside it what was pressed, so they can hear of
    more meanwhile. Without a kernel the call is at once.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel:
        kernel.io_loop.add_callback(act)
    else:
        act()
