"""What all tests share: which run, on how many cores, and a real browser for those that need one."""

import os
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

# Several workers share the cores; each with threads of its own for every core would
# only wait for the others.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Whoever runs the tests has not solved the exercises; kernels and servers inherit this.
os.environ["CONVNETS_PROGRESS"] = "off"

# Pytest rewrites the asserts of test files alone; those of the modules that several of
# them share would fail without their values.
pytest.register_assert_rewrite("copied", "exercising", "fake_mnist")

HERE = Path(__file__).parent
QUICK = "unit", "page"
LONGEST_FIRST = "lab", "notebooks"
BY_NOTEBOOK = "test_handout", "test_browser"


class ByNotebook(LoadScopeScheduling):
    """Keep a file on one worker; where files test notebook by notebook, each notebook:
    one of them has it run, and the other uses that.
    """

    def _split_scope(self, nodeid):
        file, _, test = nodeid.partition("::")
        if Path(file).stem in BY_NOTEBOOK and (
            names := re.findall(r"\b\d\d_\w+", test)
        ):
            return names[0]
        return file


def wants_quick(config):
    return config.getoption("markexpr") == "quick"


def pytest_configure(config):
    # The notebooks are tests too, but not where only the quick ones are asked for,
    # which need no Jupyter.
    if not wants_quick(config):
        config.option.nbval = config.option.nbval_current_env = True
        config.option.nbval_cell_timeout = 600


def pytest_ignore_collect(collection_path, config):
    beside = {HERE / name for name in ("lab", "lessons", "tools")}
    if find_spec("nbclient") is None:  # handouts are made by Jupyter's own tools
        beside.add(HERE / "unit" / "test_handout_pages.py")
    if wants_quick(config) and (
        collection_path in beside or collection_path.suffix == ".ipynb"
    ):
        return True
    return None


def pytest_xdist_auto_num_workers(config):
    if config.args and all("::" in arg for arg in config.args):
        return 0  # one test needs no other process
    if wants_quick(config):
        return 2  # each needs ten seconds of a core to start
    # A browser is waited for as long as it computes: half as many workers more than
    # cores, up to six.
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count()
    return max(cores, min(cores * 3 // 2, 6))


def pytest_xdist_make_scheduler(config, log):
    return ByNotebook(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent.name in QUICK and not item.get_closest_marker("slow"):
            item.add_marker("quick")
    items.sort(key=lambda item: item.path.parent.name not in LONGEST_FIRST)


@pytest.fixture(scope="session")
def browser():
    import chromium

    if chromium.path() is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium here, and in CI the browser tests may not skip")
        pytest.skip("needs Chromium or Chrome on the PATH")
    with chromium.started() as browser:
        yield browser


@pytest.fixture(scope="module")
def address():
    import lab

    with lab.jupyterlab() as served:
        yield served


@pytest.fixture(scope="module")
def address_without_mnist():
    import lab

    with lab.jupyterlab(MNIST_ROOT="embedded") as served:
        yield served
