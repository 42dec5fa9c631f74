"""What all tests share: a real JupyterLab and a real Chromium, or a reason why there is
none.
"""

import os
import re
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

# Several workers share the cores; each with threads of its own for every core would
# only wait for the others.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import lab

FIRST = ("test_handout", "test_browser", "test_sketchpad_browser", "test_widgets")


class ByNotebook(LoadScopeScheduling):
    """Keep a file on one worker; where it tests notebook by notebook, each notebook."""

    def _split_scope(self, nodeid):
        file, _, test = nodeid.partition("::")
        return file + "".join(
            re.findall(r"\b\d\d_\w+", test) if Path(file).stem in FIRST[:2] else ""
        )


def pytest_xdist_auto_num_workers():
    # A browser is waited for as long as it computes: half as many workers more than
    # cores, up to six.
    cores = (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count()
    )
    return max(cores, min(cores * 3 // 2, 6))


def pytest_xdist_make_scheduler(config, log):
    return ByNotebook(config, log)


def pytest_collection_modifyitems(items):
    # What takes long begins first.
    items.sort(
        key=lambda item: item.path.suffix != ".ipynb" and item.path.stem not in FIRST
    )


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
