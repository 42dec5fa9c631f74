"""What lets kernels work side by side on one machine: threads and memory."""

import contextlib
import ctypes
import importlib
import sys
import time
from collections.abc import Hashable
from statistics import median
from types import ModuleType

import torch
from IPython import get_ipython
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

COMPILER = "torch._dynamo"
WINDOW = 4  # steps that are compared
SHORTEST, LONGEST = 2.0, 32.0  # seconds between two trials
SLOWER = 1.5  # times as long: other work has come, or a trial is given up
# What is asked of torch's compiler where nothing is compiled.
LIGHT = {
    COMPILER: {
        "graph_break": lambda *_given, **_more: None,
        "disable": lambda function, *_given, **_more: function,
    },
    f"{COMPILER}.utils": {"is_compile_supported": lambda _device: False},
}


class Threads:
    """Finds with how many threads torch is fastest, while other kernels come and go.

    Threads that wait for each other keep a core busy, so where there are more of them
    than cores, all stall. Every now and then a few steps are made with half as many
    threads or twice as many, from one to as many as torch had at first, and the faster
    number is kept. With another number of threads sums round differently. After
    `torch.set_num_threads` with another number, or with OMP_NUM_THREADS=1, there are
    no trials.
    """

    def __init__(self) -> None:
        self.most = self.count = self.other = torch.get_num_threads()
        self.kind, self.last, self.trying = None, 0.0, False
        self.times: list[float] = []
        self.usual = 0.0  # seconds of a step, when they were last compared
        self.wait, self.due = SHORTEST, 0.0

    def step(self, kind: Hashable) -> None:
        """Note that a step is done; steps of one kind take about equally long."""
        now = time.perf_counter()
        if self.most == 1 or torch.get_num_threads() != self._wanted():
            self.most = 1  # the caller has chosen
            return
        if kind == self.kind:
            self.times = [*self.times[-WINDOW:], now - self.last]
            self._compare(now)
        else:
            self._go_on(kind)
        self.last = time.perf_counter()

    def _wanted(self) -> int:
        return self.other if self.trying else self.count

    def _go_on(self, kind: Hashable) -> None:
        self.kind, self.times, self.trying = kind, [], False
        torch.set_num_threads(self.count)

    def _compare(self, now: float) -> None:
        if self.trying:
            late = sum(self.times) > SLOWER * WINDOW * self.usual
            if late or len(self.times) > WINDOW:
                self._decide(now)
        elif len(self.times) > WINDOW:
            crowded = median(self.times) > SLOWER * self.usual
            soon = min(self.wait, SHORTEST) if crowded else self.wait
            if now > self.due + soon:
                self._try()

    def _try(self) -> None:
        self.usual, self.times, self.trying = median(self.times), [], True
        fewer = self.count == self.most or 1 < self.count < self.other
        self.other = (
            max(1, self.count // 2) if fewer else min(2 * self.count, self.most)
        )
        torch.set_num_threads(self.other)

    def _decide(self, now: float) -> None:
        # The first step wakes the threads.
        needed = median(self.times[1:]) if len(self.times) > WINDOW else float("inf")
        better = needed < self.usual
        if better:
            self.count, self.usual = self.other, needed
        self.wait = SHORTEST if better else min(2 * self.wait, LONGEST)
        self.due = now
        self._go_on(self.kind)


def _after_step(optimizer: Optimizer, *_given: object) -> None:
    THREADS.step(id(optimizer))


class _Unasked(ModuleType):
    """Stands in for a module of torch's compiler. Each optimizer, and torchvision,
    imports it for what LIGHT holds, at a price of 80 MB and two seconds. Who asks for
    more gets the real one.
    """

    def __getattr__(self, name: str) -> object:
        submodules = name == "__path__" and self.__name__ == COMPILER
        if name.startswith("__") and not submodules:
            raise AttributeError(name)
        for module in LIGHT:
            if isinstance(sys.modules.get(module), _Unasked):
                del sys.modules[module]
        return getattr(importlib.import_module(self.__name__), name)


def _without_compiler() -> None:
    """Put off the import of torch's compiler until somebody compiles."""
    if not any(name.startswith(COMPILER) for name in sys.modules):
        for name, light in LIGHT.items():
            sys.modules[name] = _Unasked(name)
            vars(sys.modules[name]).update(light)
        torch._dynamo = sys.modules[COMPILER]


def trim(*_given: object) -> None:
    """Give memory that is free back to the system; glibc would keep it."""
    with contextlib.suppress(OSError, TypeError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


THREADS = Threads()
register_optimizer_step_post_hook(_after_step)
_without_compiler()
if get_ipython():
    get_ipython().events.register("post_run_cell", trim)
