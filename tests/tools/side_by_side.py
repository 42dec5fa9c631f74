"""Kernels that train at once: how many steps they make, alone and side by side.

`python tests/tools/benchmark.py class` runs it.
"""

import os
import subprocess
import sys

SECONDS = 30
KERNELS = 1, 2, 4
SETTINGS = {"the course": {}, "all threads": {"keep": "1"}, "one thread": {"OMP_NUM_THREADS": "1"}}
# Each says that it is ready, and begins when it is told.
TRAIN = f"""
import os, sys, torch
from helpers.digits import load_digits
from helpers.networks import ConvNet
from helpers.training import fit
if os.environ.get("keep"):
    torch.set_num_threads(torch.get_num_threads())
    from helpers import sharing
    sharing.THREADS.most = 1
digits = load_digits()
def steps(seconds):
    history = fit(ConvNet(), digits, epochs=1000, seconds=seconds, show=False)
    return len(history.batches), history[-1]["seconds"]
steps(1)
print("ready", flush=True)
input()
done, seconds = steps({SECONDS})
print(done / seconds, flush=True)
"""


def together(count: int, setting: dict[str, str]) -> float:
    """Return the steps a second that so many kernels make together."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command, env = [sys.executable, "-c", TRAIN], os.environ | setting
    kernels = [subprocess.Popen(command, env=env, **pipes) for _ in range(count)]
    for kernel in kernels:
        while kernel.stdout.readline() not in ("ready\n", ""):
            pass
    for kernel in kernels:
        kernel.stdin.write("\n")
        kernel.stdin.flush()
    return sum(float(kernel.communicate()[0].split()[-1]) for kernel in kernels)
