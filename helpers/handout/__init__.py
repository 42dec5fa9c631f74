"""Handouts and slides that stay alive without a kernel: `python -m helpers.handout
notebooks/02_pooling.ipynb`.

The notebook is run, and what its widgets know is put into one HTML file; the sliders
are tied together in the browser. Predicted outputs are folded until the reader opens
them. A page has its pictures inside; its scripts come from a CDN, or with `--offline`
from the page itself. Every script is of one version, and what is put inside is
verified.
"""

import argparse
import base64
import hashlib
import os
import re
import sys
import tarfile
import urllib.request
from functools import cache
from http.client import HTTPException
from pathlib import Path

import anywidget
import nbformat
from jinja2 import FileSystemLoader
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter, SlidesExporter
from nbformat import NotebookNode

HERE = Path(__file__).parent
STORE = (
    HERE.parents[1] / "data" / "scripts"
)  # beside the digits, outside the repository
CDN, REGISTRY = "https://cdn.jsdelivr.net/npm", "https://registry.npmjs.org"
PACKAGES = {  # the version, and the checksum that the registry states
    "requirejs": "2.3.7 DouTG8T1WanGok6Qjg2SXuCMzszOo0eHeH9hDZ5Y4x8Je+9JB38HdTLT4/VA8OaUhBa0JPVHJ0pyBkM1z+pDsw==",
    "@jupyter-widgets/html-manager": "1.0.15 "
    "5thBIV6ymNgmPVOHvzx+gGy8ZSKmSazhtGw4/c4xJDVzRhG9PTeQsRjF3FUTopvFi//SABeNz1yp47bCrJ3CQA==",
    "reveal.js": "5.2.1 r7//6mIM5p34hFiDMvYfXgyjXqGRta+/psd9YtytsgRlrpRzFv4RbH76TXd2qD+7ZPZEbpBDhdRhJaFgfQ7zNQ==",
    "mathjax": "3.2.2 Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw==",
}
SCRIPTS = {
    "reveal": ("reveal.js", "dist/reveal.js"),
    "math": ("mathjax", "es5/tex-svg.js"),
    "require": ("requirejs", "require.js"),
    "widgets": ("@jupyter-widgets/html-manager", "dist/embed-amd.js"),
}
SOLUTION = re.compile(
    r"<details>\s*<summary>Solution</summary>.*?</details>\n?", re.DOTALL
)
NOTEBOOK_LINK = re.compile(r"\]\((\d\d_\w+)\.ipynb\)")

QUIET = [
    "--IPKernelApp.log_level=ERROR"
]  # else each kernel warns that it talks over TCP

ROWS = 20  # of text, on one slide
FONT = re.compile(r'\w+\.p\s*\+\s*"(\w+\.(?:woff2?|ttf|eot|svg))"')


class HandoutError(ValueError):
    """A handout that cannot be made; the sentence says why and what would do."""


def executed(path: Path) -> NotebookNode:
    """Return the notebook, run from top to bottom, with the state of its widgets
    inside.

    Raises HandoutError where the file cannot be read, or a cell fails.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
    except (
        ValueError,
        AttributeError,
        nbformat.ValidationError,
    ):  # no JSON, a list, another dict
        raise HandoutError(
            f"{path} has the name of a notebook, but cannot be read as one. Get it anew."
        ) from None
    try:
        NotebookClient(
            notebook,
            timeout=600,
            resources={"metadata": {"path": str(path.parent)}},
            extra_arguments=QUIET,
        ).execute()
    except CellExecutionError as error:
        raise HandoutError(
            f"{path} stops at a cell with {error.ename}: {error.evalue}. Mend that cell in JupyterLab."
        ) from None
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)
    return notebook


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Put together what was printed in one go; the kernel may send it in several
    pieces.
    """
    joined = []
    for output in outputs:
        if (
            joined
            and output.output_type == "stream"
            and output.name == joined[-1].get("name")
        ):
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def handout(
    notebook: NotebookNode,
    slides: bool = False,
    offline: bool = False,
    solutions: bool = False,
    dark: bool = False,
) -> str:
    """Return the HTML of an executed notebook: a page, or a deck of slides (1280×720).

    Raises HandoutError where scripts should be inside and cannot be had.
    """
    exporter = (SlidesExporter if slides else HTMLExporter)(
        extra_loaders=[FileSystemLoader(HERE)],
        template_file="page.html.j2",
        theme="dark" if dark else "light",
    )
    lesson = _lesson(notebook, ".slides.html" if slides else ".html", solutions)
    text = "\n".join(
        cell.source for cell in lesson.cells if cell.cell_type == "markdown"
    )
    names = ["reveal"] * slides + ["math"] * ("$" in text) + ["require", "widgets"]
    settings = {
        "slides": slides,
        "title": next(iter(re.findall(r"^# (.+)$", text, re.MULTILINE)), "Handout"),
        "scripts": {name: _script(name, offline) for name in names},
        "reveal_css": packed("reveal.js", "dist/reveal.css")
        if slides and offline
        else "",
        "reveal_link": _address("reveal.js", "dist/reveal.css")
        if slides and not offline
        else "",
        "anywidget": _anywidget(),
    }
    return exporter.from_notebook_node(lesson, resources={"handout": settings})[0]


def slide_types(notebook: NotebookNode) -> list[str]:
    """Return, for each cell, where it stands in a deck: a title begins a slide, each
    further idea one below.

    Code goes on below its question where both are seen at once, and a remark comes
    below what it explains with a key press. A bench has a slide of its own.
    """
    types, rows = [], 0.0
    kinds = ["", *(cell.cell_type for cell in notebook.cells), "markdown"]
    for number, cell in enumerate(notebook.cells):
        before, kind, after = kinds[number : number + 3]
        height = _rows(cell)
        fits = rows + height <= ROWS
        if "navigation" in cell.metadata.get("tags", []):
            types.append("skip")
        elif re.match("##? ", cell.source):
            types.append("slide")
        elif fits and (before, kind) == ("markdown", "code"):
            types.append("-")
        elif (
            fits
            and (before, kind, after) == ("code", "markdown", "markdown")
            and not cell.source.startswith("#")
        ):
            types.append("fragment")
        else:
            types.append("subslide")
        rows = height + rows * (types[-1] in ("-", "fragment"))
    return types


def _rows(cell: NotebookNode) -> float:
    """Return about how many rows of a slide a cell takes."""
    if cell.cell_type == "markdown":
        shown = re.sub(r"(?s)<summary>.*?</details>", "", cell.source)
        return sum(1.2 + len(line) // 100 for line in shown.splitlines() if line)
    rows = 0.7 * len(cell.source.splitlines()) + 1
    for output in cell.outputs:
        data = output.get("data", {})
        text = output.get("text", data.get("text/plain", ""))
        rows += 12 if "image/png" in data else 0.7 * text.count("\n") + 1
        rows += output.get("metadata", {}).get("bench", {}).get("rows", 0)
    return rows


def _lesson(notebook: NotebookNode, ending: str, solutions: bool) -> NotebookNode:
    """Return a copy as it is handed out: links to other handouts, outputs folded where
    a guess comes first.
    """
    lesson = nbformat.from_dict(notebook)
    for cell, where in zip(lesson.cells, slide_types(lesson), strict=True):
        cell.metadata.setdefault("slideshow", {"slide_type": where})
    lesson.cells = [
        cell
        for cell in lesson.cells
        if "navigation" not in cell.metadata.get("tags", [])
    ]
    asked = False
    for cell in lesson.cells:
        if cell.cell_type == "markdown":
            asked = "**predict" in cell.source.lower()
            cell.source = NOTEBOOK_LINK.sub(
                rf"](\1{ending})",
                cell.source if solutions else SOLUTION.sub("", cell.source),
            )
        else:
            cell.metadata.asked = asked and bool(cell.outputs)
            asked = (
                asked and not cell.outputs
            )  # a cell between may only define what is needed
    return lesson


def _script(name: str, offline: bool) -> str:
    package, file = SCRIPTS[name]
    if not offline:
        return f'<script src="{_address(package, file)}"></script>'
    return f"<script>{packed(package, file).replace('</script', chr(92).join(('<', '/script')))}</script>"


def _anywidget() -> str:
    """Return what draws the benches, under the name by which their state asks for it."""
    source = (Path(anywidget.__file__).parent / "nbextension" / "index.js").read_text(
        encoding="utf-8"
    )
    return source.replace(
        'define(["@jupyter-widgets/base"]',
        'define("anywidget", ["@jupyter-widgets/base"]',
    )


def _address(package: str, file: str) -> str:
    return f"{CDN}/{package}@{PACKAGES[package].split()[0]}/{file}"


@cache
def packed(package: str, file: str) -> str:
    """Return one file of a package, which is downloaded once."""
    version, checksum = PACKAGES[package].split()
    kept = STORE / f"{package.replace('/', '_')}-{version}.tgz"
    if not kept.exists() or _sha512(kept.read_bytes()) != checksum:
        _download(
            f"{REGISTRY}/{package}/-/{package.rpartition('/')[2]}-{version}.tgz",
            kept,
            checksum,
        )
    with tarfile.open(kept) as archive:
        source = archive.extractfile(f"package/{file}").read().decode()
        return FONT.sub(
            lambda found: _font(archive, f"package/dist/{found[1]}"), source
        )


def _font(archive: tarfile.TarFile, name: str) -> str:
    """Return the icons' font as a literal of JavaScript, in the one form that every
    browser reads.
    """
    data = archive.extractfile(name).read() if name.endswith("woff2") else b""
    return f'"data:font/woff2;base64,{base64.b64encode(data).decode()}"'


def _download(address: str, kept: Path, checksum: str) -> None:
    try:
        data = urllib.request.urlopen(address, timeout=60).read()
        if _sha512(data) != checksum:
            raise OSError("what arrived has another checksum")
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(f".{os.getpid()}")
        part.write_bytes(data)
        part.replace(kept)
    except (OSError, HTTPException) as error:
        raise HandoutError(
            f"{address} could not be had ({error}). A page with its scripts inside needs a network once; "
            "after that it is made, and read, without one."
        ) from None


def _sha512(data: bytes) -> str:
    return base64.b64encode(hashlib.sha512(data).digest()).decode()


def main(arguments: list[str] | None = None) -> None:
    """Make what the command line asks for."""
    parser = argparse.ArgumentParser(
        "python -m helpers.handout",
        description=__doc__.partition("\n")[0],
        allow_abbrev=False,
    )
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument(
        "--slides", action="store_true", help="a deck of slides instead of a page"
    )
    parser.add_argument(
        "--offline",
        action="store_true",
        help="with the scripts inside, for readers without a network",
    )
    parser.add_argument("--solutions", action="store_true", help="the teacher's copy")
    parser.add_argument(
        "--dark", action="store_true", help="light on dark, for a dark room"
    )
    parser.add_argument(
        "--to",
        type=Path,
        default=Path("handouts"),
        help="the folder (default: handouts)",
    )
    chosen = parser.parse_args(arguments)
    kind = {
        name: getattr(chosen, name)
        for name in ("slides", "offline", "solutions", "dark")
    }
    for path in chosen.notebooks:
        if path.suffix != ".ipynb" or not path.is_file():
            sys.exit(
                f"{path} is no notebook. Name files such as notebooks/02_pooling.ipynb."
            )
    for path in chosen.notebooks:
        target = (
            chosen.to
            / f"{path.stem}{'.slides' * chosen.slides}{'.solutions' * chosen.solutions}.html"
        )
        try:
            _write(target, handout(executed(path), **kind))
        except HandoutError as error:
            sys.exit(str(error))
        print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


def _write(target: Path, text: str) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise HandoutError(
            f"{target} cannot be written ({error.strerror}). Name another folder with --to."
        ) from None
