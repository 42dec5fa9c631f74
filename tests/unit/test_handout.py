"""Pages and decks from tiny notebooks: what needs no lesson to be run."""

import nbformat
import pytest

from helpers import handout

BENCHES = """\
import torch
from helpers import autograd
from helpers.widgets import dropout, monitor, shape_tracer, sliding_window, stepper
a = torch.ones(2, requires_grad=True)
made = dict(convolution=sliding_window.ConvolutionBench(), dropout=dropout.DropoutBench(),
    tracer=shape_tracer.ShapeTracer(), stepper=stepper.BackwardStepper((a * a).sum(), a=a),
    monitor=monitor.Monitor(source="here"))
"""
ROWS = {"convolution": 20, "dropout": 20, "tracer": 20, "stepper": 20, "monitor": 9}


def code(source, **metadata):
    return nbformat.v4.new_code_cell(source, metadata=metadata)


def prose(source, **metadata):
    return nbformat.v4.new_markdown_cell(source, metadata=metadata)


def ran(folder, *cells):
    """Return a notebook of these cells, executed."""
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "mine.ipynb")
    return handout.executed(folder / "mine.ipynb")


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    cells = [code(f'made["{name}"]') for name in ROWS]
    _, *shown = ran(tmp_path_factory.mktemp("shown"), code(BENCHES), *cells).cells
    return dict(zip(ROWS, shown, strict=True))


@pytest.mark.parametrize("name", ROWS)
def test_an_output_says_itself_how_much_of_a_slide_it_takes(shown, name):
    (output,) = shown[name].outputs
    assert output.metadata["bench"] == {"rows": ROWS[name]}


def test_a_bench_stands_alone_whatever_it_is_called(shown):
    cells = [prose("# Mine"), prose("Move it."), shown["convolution"], prose("See?")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    kinds = handout.slide_types(notebook)
    for output in shown["convolution"].outputs:
        output.data["text/plain"] = "anything"
        output.data.pop("application/vnd.jupyter.widget-view+json", None)
    assert kinds == handout.slide_types(notebook)
    assert kinds == ["slide", "subslide", "subslide", "subslide"]
