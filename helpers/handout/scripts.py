"""The scripts and styles that a page needs: inside the page itself, or in a folder
beside the pages of a site.

Every package is of one version and is verified: packages.json has the version and the
checksum that the registry states.
"""

import base64
import hashlib
import json
import re
import tarfile
import urllib.request
from functools import cache
from http.client import HTTPException
from pathlib import Path

import anywidget
from nbconvert import HTMLExporter

from helpers import files
from helpers.validation import SentenceError

HERE = Path(__file__).parent
# Beside the digits, outside the repository.
STORE = HERE.parents[1] / "data" / "scripts"
REGISTRY = "https://registry.npmjs.org"
PACKAGES = json.loads((HERE / "packages.json").read_text(encoding="utf-8"))
# What stands in packages, by the name that a page calls it.
FILES = {
    "reveal.css": ("reveal.js", "dist/reveal.css"),
    "reveal.js": ("reveal.js", "dist/reveal.js"),
    "require.js": ("requirejs", "require.js"),
    "widgets.js": ("@jupyter-widgets/html-manager", "dist/embed-amd.js"),
    "minisearch.js": ("minisearch", "dist/umd/index.js"),
}
FOLDER = "scripts"  # of a site
SHARED = [*FILES, "anywidget.js", "site.js", "deck.js", "site.css", "deck.css"]
SHARED += ["page.css", "index.css", "theme-light.css", "theme-dark.css"]
LINKED = {
    "css": f'<link rel="stylesheet" href="{FOLDER}/{{}}">',
    "js": f'<script src="{FOLDER}/{{}}"></script>',
}
INSIDE = {"css": "<style>{}</style>", "js": "<script>{}</script>"}
FONT = re.compile(r'\w+\.p\s*\+\s*"(\w+\.(?:woff2?|ttf|eot|svg))"')


def tag(name: str, linked: bool = False) -> str:
    """Return what brings a script or a style into a page: all of it, or a link to the
    site's folder.
    """
    kind = name.rpartition(".")[2]
    if linked:
        return LINKED[kind].format(name)
    return INSIDE[kind].format(source(name).replace("</script", "<\\/script"))


def source(name: str) -> str:
    """Return a script or a style: of a package, of nbconvert, of anywidget or our own.

    Raises SentenceError where a package cannot be had.
    """
    if name in FILES:
        return packed(*FILES[name])
    if name == "anywidget.js":
        return drawing()
    own = HERE / name
    return (own if own.exists() else _jupyters(name)).read_text(encoding="utf-8")


def _jupyters(name: str) -> Path:
    """Return where nbconvert has a style of JupyterLab."""
    folders = [Path(folder, "static", name) for folder in HTMLExporter().template_paths]
    return next(path for path in folders if path.exists())


def drawing() -> str:
    """Return what draws the benches, under the name that their state asks for."""
    path = Path(anywidget.__file__).parent / "nbextension" / "index.js"
    start = 'define(["@jupyter-widgets/base"]'
    named = 'define("anywidget", ["@jupyter-widgets/base"]'
    # In a block of its own, as it defines names that others have too.
    return f"{{ {path.read_text(encoding='utf-8').replace(start, named)} }}"


def shared() -> dict[str, bytes]:
    """Return the files that the pages of a site share, by their names: scripts, styles,
    and the fonts that the controls load.
    """
    package, file = FILES["widgets.js"]
    fonts = {}

    def beside(font: re.Match) -> str:
        if not font[1].endswith("woff2"):  # the one form that every browser reads
            return '"data:,"'
        fonts[font[1]] = _member(package, f"dist/{font[1]}")
        return f'"{FOLDER}/{font[1]}"'

    widgets = FONT.sub(beside, _member(package, file).decode())
    others = {name: source(name).encode() for name in SHARED if name != "widgets.js"}
    return others | fonts | {"widgets.js": widgets.encode()}


@cache
def packed(package: str, file: str) -> str:
    """Return one file of a package, with the fonts that it loads inside.

    Raises SentenceError where the package cannot be had, or another one arrives.
    """
    script = _member(package, file).decode()
    return FONT.sub(lambda font: _font(package, f"dist/{font[1]}"), script)


def _font(package: str, file: str) -> str:
    """Return an icon font as a literal of JavaScript."""
    data = _member(package, file) if file.endswith("woff2") else b""
    return f'"data:font/woff2;base64,{base64.b64encode(data).decode()}"'


def _member(package: str, file: str) -> bytes:
    """Return one file of a package, which is downloaded once."""
    version, integrity = PACKAGES[package].values()
    kept = STORE / f"{package.replace('/', '_')}-{version}.tgz"
    if not kept.exists() or _integrity(kept.read_bytes()) != integrity:
        name = f"{package.rpartition('/')[2]}-{version}.tgz"
        _download(f"{REGISTRY}/{package}/-/{name}", kept, integrity)
    with tarfile.open(kept) as archive:
        return archive.extractfile(f"package/{file}").read()


def _download(source: str, kept: Path, integrity: str) -> None:
    try:
        with urllib.request.urlopen(source, timeout=60) as answer:
            data = answer.read()
        if _integrity(data) != integrity:
            raise OSError("what arrived has another checksum")
        write(kept, data)
    except (OSError, HTTPException) as error:
        raise SentenceError(
            f"{source} could not be had ({error}). A page with its scripts inside "
            "needs a network once; after that it is made, and read, without one."
        ) from None


def _integrity(data: bytes) -> str:
    return f"sha512-{base64.b64encode(hashlib.sha512(data).digest()).decode()}"


def write(target: Path, data: bytes) -> None:
    """Write a file and the folder that it is in; raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    files.write(target, data)
