"""What all tests share: a real JupyterLab and a real Chromium, or a reason why there is none."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
# Several workers share the cores; each with threads of its own for every core would only wait for the others.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import lab


@pytest.fixture(scope="module")
def browser():
    if lab.chromium_path() is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium here, and in CI the browser tests may not skip")
        pytest.skip("needs Chromium or Chrome on the PATH")
    with lab.chromium() as started:
        yield started


@pytest.fixture(scope="module")
def address():
    with lab.jupyterlab() as served:
        yield served


@pytest.fixture(scope="module")
def address_without_mnist():
    with lab.jupyterlab(MNIST_ROOT="embedded") as served:
        yield served
