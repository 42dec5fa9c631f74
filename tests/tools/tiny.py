"""Notebooks of a few cells, with outputs as a kernel would store them."""

import base64

import nbformat
from ipywidgets import embed

STATE = "application/vnd.jupyter.widget-state+json"
PREDICTION = (
    '<details class="prediction"><summary>No guess yet. Open the answer.</summary>'
    "614656</details>"
)


def notebook(*cells):
    return nbformat.v4.new_notebook(cells=cells)


def prose(source, *tags):
    return nbformat.v4.new_markdown_cell(source, metadata={"tags": [*tags]})


def code(source, *outputs):
    return nbformat.v4.new_code_cell(source, outputs=[*outputs])


def shown(thing):
    """Return the output of a cell that ends with this thing."""
    data, metadata = thing._repr_mimebundle_()
    if "image/png" in data:
        data = data | {"image/png": base64.b64encode(data["image/png"]).decode()}
    return nbformat.v4.new_output("display_data", data, metadata=metadata)


def printed(text):
    return nbformat.v4.new_output("stream", name="stdout", text=text)


def prediction():
    """Return what an untouched predict displays."""
    data = {"text/html": PREDICTION, "text/plain": "No guess yet. Open the answer."}
    metadata = {"text/html": {"prediction": True}}
    return nbformat.v4.new_output("display_data", data, metadata=metadata)


def live(*benches, before=()):
    """Return a notebook that shows benches, with their state inside."""
    cells = [code("bench", shown(bench)) for bench in benches]
    made = notebook(*before, *cells)
    state = embed.dependency_state(benches, drop_defaults=False)
    known = embed.embed_data(views=benches, state=state)["manager_state"]
    made.metadata.widgets = nbformat.from_dict({STATE: known})
    return made
