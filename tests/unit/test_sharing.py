"""Kernels side by side: how many threads torch uses, and what memory is given back."""

import subprocess
import sys

import pytest
import torch

from helpers import sharing
from helpers.sharing import LONGEST, SHORTEST, WINDOW, Threads


class Machine:
    """Time that passes by as many seconds as a step takes with so many threads."""

    def __init__(self, monkeypatch, most=2):
        self.now, self.count, self.used = 100.0, most, []
        monkeypatch.setattr(torch, "get_num_threads", lambda: self.count)
        monkeypatch.setattr(torch, "set_num_threads", self.set)
        monkeypatch.setattr(sharing.time, "perf_counter", lambda: self.now)
        self.threads = Threads()

    def set(self, count):
        self.count = count

    def run(self, seconds, needs, kind="training"):
        """Make steps for so long; return the share of them by number of threads."""
        end, used = self.now + seconds, []
        while self.now < end:
            self.now += needs(self.count)
            used.append(self.count)
            self.threads.step(kind)
        return {count: used.count(count) / len(used) for count in used}


def alone(count):
    return 0.014 / count**0.7


def crowded(count):
    return 0.03 * count**3


@pytest.fixture
def machine(monkeypatch):
    return Machine(monkeypatch)


def test_alone_all_threads_are_used_and_trials_are_rare(machine):
    machine.run(10, alone)
    assert machine.run(100, alone)[2] > 0.99


def test_in_a_crowd_one_thread_is_used(machine):
    machine.run(4, crowded)
    assert machine.run(100, crowded)[1] > 0.98


def test_who_comes_and_who_goes_is_noticed(machine):
    machine.run(60, alone)
    machine.run(4, crowded)
    assert machine.run(10, crowded)[1] > 0.9
    machine.run(LONGEST + SHORTEST, alone)
    assert machine.run(10, alone)[2] > 0.9


def test_of_many_threads_a_middle_number_may_be_the_fastest(monkeypatch):
    machine = Machine(monkeypatch, most=16)
    machine.run(60, lambda count: 0.01 + 0.002 * abs(count - 4))
    assert machine.count == 4


def test_a_number_that_is_no_power_of_two_is_found_again(monkeypatch):
    machine = Machine(monkeypatch, most=6)
    machine.run(60, crowded)
    assert machine.count == 1
    machine.run(300, alone)
    assert machine.count == 6


def test_a_trial_that_stalls_is_given_up_early(machine):
    machine.run(60, crowded)
    machine.threads.due = 0.0
    slow = lambda count: 0.03 if count == 1 else 100.0  # noqa: E731
    while machine.count == 1:
        machine.run(0.03, slow)
    machine.run(100, slow)
    assert machine.count == 1


def test_another_kind_of_work_is_not_compared(machine):
    for _ in range(50):
        assert machine.run(WINDOW * alone(2) - 0.001, alone, "training") == {2: 1}
        assert machine.run(1, lambda _: 1, "reading") == {2: 1}


def test_who_chooses_a_number_keeps_it(machine):
    machine.run(10, alone)
    machine.set(1)
    assert machine.run(100, alone) == {1: 1}
    machine.set(2)
    assert machine.run(100, crowded) == {2: 1}


def test_one_thread_stays_one(monkeypatch):
    assert Machine(monkeypatch, most=1).run(100, alone) == {1: 1}


def run(source):
    command = [
        sys.executable,
        "-c",
        "import sys, torch\nimport helpers.sharing\n" + source,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


TRAINED = """
layer = torch.nn.Linear(3, 1)
for kind in (torch.optim.Adam, torch.optim.SGD):
    optimizer = kind(layer.parameters(), lr=0.1)
    layer(torch.ones(3)).sum().backward()
    optimizer.step()
"""


@pytest.mark.slow
def test_training_and_torchvision_do_without_the_compiler():
    loaded = "print('torch._dynamo.convert_frame' in sys.modules)"
    assert run(f"{TRAINED}\nimport torchvision\n{loaded}") == "False\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "ask",
    [
        "import torch._dynamo.config",
        "torch._dynamo.reset()",
        "from torch._dynamo.utils import counters",
    ],
)
def test_who_asks_for_the_compiler_gets_it(ask):
    loaded = "print('torch._dynamo.convert_frame' in sys.modules)"
    compiled = """
twice = torch.compile(lambda x: x * 2, backend="eager")
print(twice(torch.ones(2)).tolist())
"""
    assert run(f"{TRAINED}\n{ask}\n{loaded}{compiled}{TRAINED}") == "True\n[2.0, 2.0]\n"


@pytest.mark.slow
def test_what_stands_in_for_the_compiler_is_what_the_compiler_has():
    asked = """
import importlib, torch._dynamo.convert_frame
for name, light in helpers.sharing.LIGHT.items():
    module = importlib.import_module(name)
    print(type(module).__name__, all(hasattr(module, one) for one in light))
"""
    assert run(asked) == "module True\n" * 2


def test_memory_is_given_back_where_the_system_takes_it(monkeypatch):
    sharing.trim()
    monkeypatch.setattr(sharing.ctypes, "CDLL", lambda name: object())
    sharing.trim()  # as on macOS, where nothing is to be done
