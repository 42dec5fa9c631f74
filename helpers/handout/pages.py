"""The HTML of an executed notebook: a page, or a deck of slides."""

import re
from functools import partial
from pathlib import Path

import nbformat
from jinja2 import FileSystemLoader
from nbconvert import HTMLExporter, SlidesExporter
from nbformat import NotebookNode

from helpers.handout import scripts
from helpers.handout.folds import folded, predictions
from helpers.handout.markdown import in_html

SOLUTION = re.compile(
    r"<details>\s*<summary>Solution</summary>.*?</details>\n?", re.DOTALL
)
FITTING = re.compile(r"(?s)<!-- in a notebook -->.*?<!-- on a page(?:: (.*?))? -->")
NOTEBOOK_LINK = re.compile(r"\]\((\d\d_\w+)\.ipynb\)")
ROWS = 20  # of text, on one slide
# By whether it is a deck.
STYLES = ["page.css"], ["reveal.css", "page.css", "deck.css"]
SCRIPTS = ["require.js", "anywidget.js"], ["reveal.js", "require.js", "anywidget.js"]


def handout(
    notebook: NotebookNode,
    slides: bool = False,
    solutions: bool = False,
    dark: bool = False,
    path: int | None = None,
) -> str:
    """Return the HTML of an executed notebook: a page, or a deck of slides (1280×720),
    with all that it needs inside. With a path of 45 or 90 minutes, links lead to other
    handouts of that path.

    Raises SentenceError where scripts cannot be had.
    """
    made = lesson(notebook, ending(slides, solutions, path), solutions)
    return rendered(made, slides, dark)


def rendered(
    made: NotebookNode,
    slides: bool,
    dark: bool = False,
    site: dict[str, object] | None = None,
) -> str:
    """Return the HTML of what `lesson` makes; in a site, with what stands around it
    there, and linked to the site's scripts.
    """
    if not slides:
        made.cells = folded(made.cells)
    theme = "dark" if dark else "light"
    parts = {
        "slides": slides,
        "title": title(made),
        "tag": partial(scripts.tag, linked=site is not None),
        "themes": ["index.css", f"theme-{theme}.css"],
        "styles": STYLES[slides],
        "scripts": SCRIPTS[slides],
        "site": site,
    }
    exporter = (SlidesExporter if slides else HTMLExporter)(
        extra_loaders=[FileSystemLoader(Path(__file__).parent)],
        template_file="page.html.j2",
        theme=theme,
        filters={"markdown2html": in_html},
    )
    return exporter.from_notebook_node(made, resources={"handout": parts})[0]


def title(notebook: NotebookNode) -> str:
    """Return the first heading of a notebook."""
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    found = re.search(r"^# (.+)$", "\n".join(prose), re.MULTILINE)
    return found[1] if found else "Handout"


def ending(slides: bool, solutions: bool, path: int | None = None) -> str:
    """Return how the name of a file ends, by what is in it."""
    minutes = f".{path}" if path else ""
    return f"{minutes}{'.slides' * slides}{'.solutions' * solutions}.html"


def slide_types(notebook: NotebookNode) -> list[str]:
    """Return, for each cell, where it stands in a deck: a title begins a slide, each
    further idea one below.

    Code goes on below its question where both are seen at once, and a remark comes
    below what it explains with a key press. A bench has a slide of its own.
    """
    types, rows = [], 0.0
    kinds = ["", *(cell.cell_type for cell in notebook.cells), "markdown"]
    for number, cell in enumerate(notebook.cells):
        height = _rows(cell)
        where = _place(cell, kinds[number : number + 3], rows + height <= ROWS)
        rows = height + rows * (where == "-")
        types.append(where)
    return types


def _place(cell: NotebookNode, kinds: list[str], fits: bool) -> str:
    """Return where a cell stands, by the kinds of the cell before, of itself and of
    the one after.
    """
    if is_left_out(cell):
        return "skip"
    if re.match("##? ", cell.source):
        return "slide"
    if fits and kinds[:2] == ["markdown", "code"]:
        return "-"
    heading = cell.source.startswith("#")
    if fits and kinds == ["code", "markdown", "markdown"] and not heading:
        return "fragment"
    return "subslide"


def is_left_out(cell: NotebookNode) -> bool:
    """Say whether a cell is for notebooks alone: links, or what needs a kernel."""
    return bool({"navigation", "notebook-only"} & {*cell.metadata.get("tags", [])})


def _rows(cell: NotebookNode) -> float:
    """Return about how many rows of a slide a cell takes."""
    if cell.cell_type != "code":
        shown = re.sub(r"(?s)<summary>.*?</details>", "", cell.source)
        return sum(1.2 + len(line) // 100 for line in shown.splitlines() if line)
    code = 0.7 * len(cell.source.splitlines()) + 1
    return code + sum(map(_output_rows, cell.outputs))


def _output_rows(output: NotebookNode) -> float:
    data = output.get("data", {})
    text = output.get("text", data.get("text/plain", ""))
    own = output.get("metadata", {}).get("bench", {}).get("rows", 0)
    return own + (12 if "image/png" in data else 0.7 * text.count("\n") + 1)


def lesson(notebook: NotebookNode, ending: str, solutions: bool) -> NotebookNode:
    """Return a copy as it is handed out: with links to other handouts, and marks
    where a guess comes first.
    """
    copy = nbformat.from_dict(notebook)
    for cell, where in zip(copy.cells, slide_types(copy), strict=True):
        cell.metadata.setdefault("slideshow", {"slide_type": where})
        if cell.cell_type == "code":
            cell.metadata.asked = predictions(cell) > 0
        else:
            prose = cell.source if solutions else SOLUTION.sub("", cell.source)
            prose = FITTING.sub(r"\1", prose)
            cell.source = NOTEBOOK_LINK.sub(rf"](\1{ending})", prose)
    copy.cells = [cell for cell in copy.cells if not is_left_out(cell)]
    return copy
