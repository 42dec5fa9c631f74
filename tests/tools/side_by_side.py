"""Kernels that train at once: how many steps they make, alone and side by side.

`python tests/tools/benchmark.py class` runs it.
"""

import os
import statistics
import subprocess
import sys

SECONDS, ROUNDS = 20, 3
KERNELS = 1, 2, 4
# One kernel alone is measured with each number of threads that does not change, too.
FIXED = """
import torch
from helpers import sharing
sharing.THREADS.most = 1
torch.set_num_threads({})
"""
# Each says that it is ready, and begins when it is told.
TRAIN = f"""
from helpers.digits import load_digits
from helpers.networks import ConvNet
from helpers.training import fit
digits = load_digits()

def train(seconds):
    history = fit(ConvNet(), digits, epochs=1000, seconds=seconds, show=False)
    return len(history.batches) / history[-1]["seconds"]

train(2)
print("ready", flush=True)
input()
print(train({SECONDS}), flush=True)
"""


def table() -> None:
    """Print the steps a second of kernels that train at once, together, each the median
    of several rounds that take turns.
    """
    cores = os.cpu_count()
    ways = {
        f"1, always {n} thread{'s' * (n > 1)}": (1, FIXED.format(n)) for n in {1, cores}
    }
    ways |= {str(count): (count, "") for count in KERNELS}
    measured = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            measured[name].append(together(*way))
    middle = {name: statistics.median(rounds) for name, rounds in measured.items()}
    best = max(steps for name, steps in middle.items() if name[0] == "1")
    print(f"training of the ConvNet on {cores} cores, {ROUNDS} rounds of {SECONDS} s\n")
    print("| kernels | steps a second, together | of the best of one alone | rounds |")
    print("|---|---|---|---|")
    for name, steps in middle.items():
        rounds = ", ".join(f"{one:.0f}" for one in measured[name])
        print(f"| {name} | {steps:.0f} | {steps / best:.0%} | {rounds} |")


def together(count: int, before: str) -> float:
    """Return the steps a second that so many kernels make together."""
    command = [sys.executable, "-c", before + TRAIN]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    kernels = [subprocess.Popen(command, **pipes) for _ in range(count)]
    for kernel in kernels:
        while kernel.stdout.readline() not in ("ready\n", ""):
            pass  # what fit prints at its end
    for kernel in kernels:
        kernel.stdin.write("\n")
        kernel.stdin.flush()
    return sum(float(kernel.communicate()[0].split()[-1]) for kernel in kernels)
