"""Bring notebooks into the one form in which they are committed: `python
tests/tools/refresh.py [notebook …]`.

Every cell is run anew; counts go from 1 to n, ids and navigation are set, widget views
and all else that changes from run to run is left out. A second run gives the same
bytes.
"""

import re
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from helpers.handout import executed, slide_types

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
WIDGET = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
NAVIGATION = "navigation"


def refreshed(path: Path) -> str:
    """Return the text of the notebook, run anew and in its committed form."""
    return in_form(executed(path), path)


def in_form(notebook: NotebookNode, path: Path) -> str:
    """Return the text of an executed notebook with everything left out that is not of
    the lesson.
    """
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat_minor = 5
    cells = [
        cell
        for cell in notebook.cells
        if NAVIGATION not in cell.metadata.get("tags", [])
    ]
    link = nbformat.v4.new_markdown_cell(
        navigation(path), metadata={"tags": [NAVIGATION]}
    )
    notebook.cells = [link, *cells, nbformat.from_dict(link)]
    count = 0
    for number, (cell, where) in enumerate(
        zip(notebook.cells, slide_types(notebook), strict=True)
    ):
        cell.id = f"cell-{number:03}"
        tags = {"tags": cell.metadata.tags} if cell.metadata.get("tags") else {}
        cell.metadata = nbformat.from_dict({"slideshow": {"slide_type": where}} | tags)
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            cell.outputs = [_plain(output, count) for output in cell.outputs]
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def navigation(path: Path) -> str:
    """Return the line of links to the notebooks before and after this one."""
    place = NOTEBOOKS.index(path)
    before = NOTEBOOKS[place - 1] if place else None
    after = NOTEBOOKS[place + 1] if place + 1 < len(NOTEBOOKS) else None
    links = [
        f"← [{title(before)}]({before.name})" if before else "",
        "[The course](../README.md)",
    ]
    links += [f"[{title(after)}]({after.name}) →" if after else ""]
    return " · ".join(filter(None, links))


def title(path: Path) -> str:
    """Return the notebook's first heading."""
    text = "\n".join(
        cell.source
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "markdown"
    )
    return re.search(r"^# (.+)$", text, re.MULTILINE)[1]


def _plain(output: NotebookNode, count: int) -> NotebookNode:
    if "execution_count" in output:
        output.execution_count = count
    if "data" in output:
        output.data.pop(WIDGET, None)
        if "image/png" in output.data:
            output.data["image/png"] = output.data["image/png"].replace("\n", "")
    return output


if __name__ == "__main__":
    chosen = [Path(name).resolve() for name in sys.argv[1:]] or NOTEBOOKS
    for notebook_path in chosen:
        notebook_path.write_text(refreshed(notebook_path), encoding="utf-8")
        print(f"{notebook_path.name}: {notebook_path.stat().st_size // 1000} kB")
