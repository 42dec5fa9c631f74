"""The scripts that a page needs, from a CDN or inside the page itself.

Every script is of one version, and what is put inside is verified: packages.json has
each package's version and the checksum that the registry states.
"""

import base64
import hashlib
import json
import os
import re
import tarfile
import urllib.request
from functools import cache
from http.client import HTTPException
from pathlib import Path

import anywidget

from helpers.validation import SentenceError

HERE = Path(__file__).parent
# Beside the digits, outside the repository.
STORE = HERE.parents[1] / "data" / "scripts"
CDN, REGISTRY = "https://cdn.jsdelivr.net/npm", "https://registry.npmjs.org"
PACKAGES = json.loads((HERE / "packages.json").read_text(encoding="utf-8"))
FILES = {
    "style": ("reveal.js", "dist/reveal.css"),
    "reveal": ("reveal.js", "dist/reveal.js"),
    "math": ("mathjax", "es5/tex-svg.js"),
    "require": ("requirejs", "require.js"),
    "widgets": ("@jupyter-widgets/html-manager", "dist/embed-amd.js"),
}
LINKED = {
    "css": '<link rel="stylesheet" href="{}">',
    "js": '<script src="{}"></script>',
}
INSIDE = {"css": "<style>{}</style>", "js": "<script>{}</script>"}
FONT = re.compile(r'\w+\.p\s*\+\s*"(\w+\.(?:woff2?|ttf|eot|svg))"')


def tag(name: str, offline: bool) -> str:
    """Return what brings a script or a style into a page: a link, or all of it."""
    package, file = FILES[name]
    kind = file.rpartition(".")[2]
    if not offline:
        return LINKED[kind].format(address(package, file))
    return INSIDE[kind].format(packed(package, file).replace("</script", "<\\/script"))


def drawing() -> str:
    """Return what draws the benches, under the name that their state asks for."""
    path = Path(anywidget.__file__).parent / "nbextension" / "index.js"
    start = 'define(["@jupyter-widgets/base"]'
    named = 'define("anywidget", ["@jupyter-widgets/base"]'
    return path.read_text(encoding="utf-8").replace(start, named)


def address(package: str, file: str) -> str:
    """Return where the CDN has one file of a package."""
    return f"{CDN}/{package}@{PACKAGES[package]['version']}/{file}"


@cache
def packed(package: str, file: str) -> str:
    """Return one file of a package, which is downloaded once.

    Raises SentenceError where that fails, or another package arrives.
    """
    version, integrity = PACKAGES[package].values()
    kept = STORE / f"{package.replace('/', '_')}-{version}.tgz"
    if not kept.exists() or _integrity(kept.read_bytes()) != integrity:
        name = f"{package.rpartition('/')[2]}-{version}.tgz"
        _download(f"{REGISTRY}/{package}/-/{name}", kept, integrity)
    with tarfile.open(kept) as archive:
        source = archive.extractfile(f"package/{file}").read().decode()
        return FONT.sub(lambda found: _font(archive, found[1]), source)


def _font(archive: tarfile.TarFile, name: str) -> str:
    """Return an icon font as a literal of JavaScript, in the one form that every
    browser reads.
    """
    woff2 = name.endswith("woff2")
    data = archive.extractfile(f"package/dist/{name}").read() if woff2 else b""
    return f'"data:font/woff2;base64,{base64.b64encode(data).decode()}"'


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
    """Write a file as a whole or, with an OSError, not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        part.write_bytes(data)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
