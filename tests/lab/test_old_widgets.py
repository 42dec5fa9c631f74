"""The benches in a kernel with the ipywidgets 7 of Colab, as far as that goes without
Colab: what a cell gives, and what is set from Python.
"""

import os
import subprocess
import sys

import nbformat
import pytest
from benches import SOURCES
from nbclient import NotebookClient

# What 7.7.1 needs and 8 has of another version, or not at all; the rest is at hand.
OLD = ["ipywidgets==7.7.1", "jupyterlab_widgets<2", "widgetsnbextension<4"]
OLD += ["ipython_genutils"]
VIEW = "application/vnd.jupyter.widget-view+json"
PAD = """from helpers import networks
from helpers.digits import embedded
from helpers.widgets.sketchpad import Sketchpad
bench = Sketchpad(networks.trained(), embedded())
bench"""
COLAB = """import sys, types
colab = types.SimpleNamespace(_installed_url=None)
def enable_custom_widget_manager():
    colab._installed_url = "https://manager.example.org"
sys.modules["google.colab.output"] = types.SimpleNamespace(
    _widgets=colab, enable_custom_widget_manager=enable_custom_widget_manager)
import ipywidgets
print(ipywidgets.__version__)"""
SET = """from helpers.validation import SentenceError
from helpers.widgets.base import _holder
for name in bench._settable() if hasattr(bench, "_settable") else ["step"]:
    try:
        setattr(bench, name, getattr(bench, name))
    except SentenceError:
        pass  # this kind of layer has no such setting
for name, controls in getattr(bench, "_linked", {}).items():
    for control in controls:
        assert getattr(control, _holder(control)) == getattr(bench._view, name), name
        assert getattr(control, "description_tooltip", True), name
    if name == "step":
        bench.step = 1
        assert {control.value for control in controls} == {bench._view.step} == {1}
bench.model_id if hasattr(bench, "model_id") else bench._box.model_id"""
FOLD = "[fold._titles for fold in bench.children if hasattr(fold, '_titles')]"
TRAIN = """history = bench.train()
len(history)"""
BAR = """from helpers.waiting import tracked
sum(tracked([1, 2], "counting"))"""


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """Return a folder with ipywidgets 7."""
    folder = tmp_path_factory.mktemp("old")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
    done = subprocess.run(
        [*command, "--target", folder, *OLD],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        pytest.skip("needs ipywidgets 7 from the package index")
    return folder


@pytest.fixture(scope="module")
def cells(old):
    """Return the outputs of all cells, by their names."""
    sources = {"colab": COLAB}
    for name, source in (SOURCES | {"pad": PAD}).items():
        sources |= {name: source, f"set {name}": SET}
        if name == "convolution":
            sources["fold"] = FOLD
        if name == "training":
            sources["train"] = TRAIN
    sources["bar"] = BAR
    made = [nbformat.v4.new_code_cell(source) for source in sources.values()]
    notebook = nbformat.v4.new_notebook(cells=made)
    paths = [str(old), *filter(None, sys.path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    client = NotebookClient(notebook, kernel_name="python3", timeout=120)
    client.execute(env=environment)
    return {
        name: cell.outputs for name, cell in zip(sources, notebook.cells, strict=True)
    }


def text(outputs):
    return outputs[-1]["data"]["text/plain"]


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SOURCES, "pad"])
def test_a_bench_shows_itself_and_its_picture_and_can_be_set(cells, name):
    assert cells["colab"][0]["text"] == "7.7.1\n"
    (shown,) = cells[name]
    assert set(shown["data"]) == {
        VIEW,
        "text/plain",
        "text/html" if name == "tracer" else "image/png",
    }
    assert repr(shown["data"][VIEW]["model_id"]) == text(cells[f"set {name}"])
    manager = shown["metadata"][VIEW]["colab"]["custom_widget_manager"]
    assert manager == {"url": "https://manager.example.org"}


@pytest.mark.slow
def test_what_else_a_cell_needs_works(cells):
    assert text(cells["fold"]) == "[{'0': 'more settings'}]"
    assert int(text(cells["train"])) > 0
    assert text(cells["bar"]) == "3"
    assert not [out for found in cells.values() for out in found if "name" in out][1:]
