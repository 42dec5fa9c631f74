"""What a page folds: an answer, and the text that gives it away."""

import copy
import re

from nbformat import NotebookNode

# A heading, words in bold at its start, or a question make a paragraph a new matter.
NEW = re.compile(r"#|\*\*|(?s:.*)\*\*Predict")
# What is folded with a hint or a solution is not divided.
PARAGRAPHS = re.compile(r"\n\n+(?!(?:(?!<details)(?s:.))*</details>)")


def predictions(cell: NotebookNode) -> int:
    """Return how many answers a cell has to show."""
    about = (one.get("metadata", {}) for one in cell.get("outputs", []))
    return sum(one.get("text/html", {}).get("prediction", False) for one in about)


def folded(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Return the cells of a page. After each cell that asks stand those of its fold:
    what it prints, further code, and what the next text says of it. The first of them
    has `opens` in its metadata, the last one `closes`.
    """
    made = []
    while cells:
        cell, *cells = cells
        made.append(cell)
        if predictions(cell):
            inside, cells = _explaining(cells)
            fold = [_printed(cell), *inside]
            fold[0].metadata.opens = fold[-1].metadata.closes = True
            made += fold
            cell.metadata.guesses, cell.outputs = predictions(cell), []
    return made


def _printed(cell: NotebookNode) -> NotebookNode:
    """Return a cell of its own for what a cell prints."""
    shown = copy.deepcopy(cell)
    shown.id += "-answer"
    shown.metadata.transient = {"remove_source": True}
    return shown


def _explaining(cells: list[NotebookNode]) -> tuple[list, list]:
    """Divide the cells after an answer into what explains it and what goes on: up to a
    new matter, a further bench, or the last paragraph of a text, as that leads on to
    further code. A text of a single paragraph takes this code along.
    """
    count = 0
    while count < len(cells) and cells[count].cell_type == "code":
        if predictions(cells[count]):
            break
        count += 1
    inside, rest = cells[:count], cells[count:]
    if not rest or rest[0].cell_type != "markdown":
        return inside, rest
    text, *rest = rest
    parts = PARAGRAPHS.split(text.source)
    new = next((n for n, part in enumerate(parts) if NEW.match(part)), len(parts))
    if new == len(parts) and _leads_on(parts, rest):
        new -= 1
    now, later = texts(text, parts[:new], parts[new:])
    if later:
        return inside + now, later + rest
    more, rest = _explaining(rest)
    return inside + now + more, rest


def _leads_on(parts: list[str], after: list[NotebookNode]) -> bool:
    """Say whether a text ends with what leads on to the next cell, a bench or code."""
    if not after or after[0].cell_type != "code":
        return False
    about = (one.get("metadata", {}) for one in after[0].outputs)
    return len(parts) > 1 or any("bench" in one for one in about)


def texts(cell: NotebookNode, *texts: list[str]) -> list[list[NotebookNode]]:
    """Return for each text a list with its cell, or an empty one."""
    made = [copy.deepcopy(cell) for _ in texts]
    for number, (part, text) in enumerate(zip(made, texts, strict=True)):
        part.id, part.source = f"{cell.id}-{number}", "\n\n".join(text)
    return [[part] if part.source else [] for part in made]
