"""The course as a site: static pages with scripts of their own, for any web server, or
a folder on a stick.
"""

import json
import os
import re
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from nbconvert.filters import markdown2html
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers.handout import pages, scripts
from helpers.handout.markdown import anchor
from helpers.handout.running import run
from helpers.links import Course

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
# Texts that are pages of the site too, by the name of the page.
GUIDES = {
    "teaching": ROOT / "notebooks" / "teaching.md",
    "hub": ROOT / "binder/README.md",
}
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)(#[^)\s]*)?\)")
NOBODYS = "OWNER/REPOSITORY"  # until tests/tools/links.py has written whose it is
BENCH = """\
from torch import nn
from helpers.widgets.layer_bench import LayerBench

LayerBench(nn.Conv2d(1, 1, kernel_size=3, bias=False), weight="Sobel x")"""


@dataclass
class Page:
    """A page of the site: its file's name without an ending, the text it is made of
    and where that lies, and whether it has a deck.
    """

    name: str
    source: Path
    lesson: NotebookNode
    deck: bool = False

    @cached_property
    def title(self) -> str:
        """The first heading."""
        return pages.title(self.lesson)

    @cached_property
    def sections(self) -> list[tuple[str, str, str]]:
        """For each section its anchor, its title, and its words."""
        cells = [one for one in self.lesson.cells if not pages.is_left_out(one)]
        prose = [cell.source for cell in cells if cell.cell_type != "code"]
        return _sections("\n\n".join(prose))


def write_site(folder: Path, notebooks: dict[Path, NotebookNode]) -> list[Path]:
    """Write the site of some executed notebooks into a folder; return the pages'
    files, the index first.

    Raises SentenceError where scripts cannot be had, and OSError where the folder takes
    no files.
    """
    made = [Page("index", README, _index())]
    made += [Page(path.stem, path, lesson, True) for path, lesson in notebooks.items()]
    made += [
        Page(*guide, _text(guide[1].read_text("utf-8"))) for guide in GUIDES.items()
    ]
    written = {}
    for at, page in enumerate(made):
        around = _around(made, at)
        written[f"{page.name}.html"] = _html(page, made, around)
        if page.deck:
            written[f"{page.name}.slides.html"] = _html(page, made, around, slides=True)
    _write_shared(folder, made)
    for name, html in written.items():
        scripts.write(folder / name, html.encode())
    return [folder / name for name in written]


def _write_shared(folder: Path, made: list[Page]) -> None:
    """Write what the pages share: scripts, styles, fonts, pictures, and what the search
    looks through.
    """
    for name, data in scripts.shared().items():
        scripts.write(folder / scripts.FOLDER / name, data)
    entries = [
        {
            "id": f"{page.name}.html#{name}",
            "page": page.title,
            "title": title,
            "text": text,
        }
        for page in made
        for name, title, text in page.sections
    ]
    words = f"define([], () => {json.dumps(entries)});"
    scripts.write(folder / scripts.FOLDER / "sections.js", words.encode())
    shutil.copytree(ROOT / "notebooks/images", folder / "images", dirs_exist_ok=True)


def _html(page: Page, made: list[Page], around: dict, slides: bool = False) -> str:
    ending = pages.ending(slides, solutions=False)
    lesson = nbformat.from_dict(page.lesson)
    for cell in lesson.cells:
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(
                lambda found: _linked(found, page, made, ending), cell.source
            )
    return pages.rendered(pages.lesson(lesson, ending, False), slides, site=around)


def _linked(found: re.Match, page: Page, made: list[Page], ending: str) -> str:
    """Return a link as it is in the site, to a page or a picture there."""
    target = (page.source.parent / found[1]).resolve()
    name = os.path.relpath(target, ROOT)
    for other in made:
        if target == other.source:
            name = f"{other.name}{ending if other.deck else '.html'}"
    name = name.removeprefix("notebooks/")
    return f"]({name}{found[2] or ''})"


def _around(made: list[Page], at: int) -> dict[str, object]:
    """Return what stands around a page: all pages, its sections, its neighbours, its
    deck, and where it can be run.
    """
    page = made[at]
    return {
        "here": page,
        "pages": made,
        "before": made[at - 1] if at else None,
        "after": made[at + 1] if at + 1 < len(made) else None,
        "launch": _launch(page),
    }


def _launch(page: Page) -> dict[str, str]:
    """Return by kind the addresses that run a page, if it is a notebook of the course
    and the course has an address.
    """
    course = Course.of(GUIDES["hub"].read_text("utf-8"))
    if page.source not in NOTEBOOKS or course.repository.endswith(NOBODYS):
        return {}
    kinds = ["binder", "colab", *["hub"] * (course.hub != Course.hub)]
    links = {kind: course.link(kind, page.name[:2]) for kind in kinds}
    return {kind: link for kind, link in links.items() if link}


def _index() -> NotebookNode:
    """Return the first page: what the README says the course is, and a bench."""
    text = README.read_text("utf-8")
    title, about = re.match(r"(# .+)\n\n(.+)\n", text).groups()
    course = re.search(r"^## The course\n.+?(?=^## )", text, re.MULTILINE | re.DOTALL)[
        0
    ]
    play = "**Play:** move a slider, or the step below the boards with the arrow keys."
    words = [
        new_markdown_cell(f"{title}\n\n{about}\n\n{play}"),
        new_markdown_cell(course),
    ]
    made = run(new_notebook(cells=[words[0], new_code_cell(BENCH), words[1]]), README)
    made.cells[1].metadata.transient = {"remove_source": True}  # for nbconvert
    return made


def _text(source: str) -> NotebookNode:
    return new_notebook(cells=[new_markdown_cell(source)])


def _sections(text: str) -> list[tuple[str, str, str]]:
    """Return for each section of a text its anchor, its title, and its words."""
    text = pages.FITTING.sub(r"\1", pages.SOLUTION.sub("", text))
    _, *parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    words = [
        BeautifulSoup(markdown2html(part), "html.parser").get_text() for part in parts
    ]
    pairs = zip(words[::2], words[1::2], strict=True)
    return [(anchor(title), title.strip(), about) for title, about in pairs]
