"""The command line: `python -m helpers.handout notebooks/02_pooling.ipynb`."""

import argparse
import sys
from pathlib import Path

from helpers.handout import executed, handout
from helpers.handout.pages import ending, title
from helpers.handout.paths import MINUTES, along
from helpers.handout.running import read
from helpers.handout.scripts import write
from helpers.handout.site import NOTEBOOKS, write_site
from helpers.validation import SentenceError

SWITCHES = {
    "slides": "a deck of slides instead of a page",
    "solutions": "the teacher's copy",
    "dark": "light on dark, for a dark room",
}


def main(arguments: list[str] | None = None) -> None:
    """Make what the command line asks for, or end with one sentence."""
    parser = _parser()
    asked = vars(parser.parse_args(arguments))
    notebooks, folder, site = asked.pop("notebooks"), asked.pop("to"), asked.pop("site")
    if not (notebooks or site):
        parser.error("name a notebook such as notebooks/02_pooling.ipynb, or --site")
    notebooks = notebooks or NOTEBOOKS
    try:
        for path in notebooks:
            read(path)  # before the first one is run
        if site:
            _make_site(site, notebooks)
        else:
            for path in notebooks:
                _make(path, folder, asked)
    except SentenceError as error:
        sys.exit(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m helpers.handout",
        description="Make pages and slides that stay alive without a kernel.",
        allow_abbrev=False,
    )
    parser.add_argument("notebooks", nargs="*", type=Path)
    for name, says in SWITCHES.items():
        parser.add_argument(f"--{name}", action="store_true", help=says)
    part = "only what the teacher's guide counts for so many minutes"
    parser.add_argument("--path", type=int, choices=MINUTES, help=part)
    to = "the folder (default: handouts)"
    parser.add_argument("--to", type=Path, default=Path("handouts"), help=to)
    whole = "make a site of all notebooks, or of these, in this folder"
    parser.add_argument("--site", type=Path, metavar="FOLDER", help=whole)
    return parser


def _make(path: Path, folder: Path, asked: dict[str, bool | int]) -> None:
    notebook, minutes = executed(path), asked["path"]
    if minutes:
        guide = path.with_name("teaching.md")
        notebook = along(notebook, title(notebook), guide, minutes)
    html = handout(notebook, **asked)
    target = folder / (path.stem + ending(asked["slides"], asked["solutions"], minutes))
    try:
        write(target, html.encode())
    except OSError as error:
        raise SentenceError(
            f"{target} cannot be written ({error.strerror}). "
            "Name another folder with --to."
        ) from None
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


def _make_site(folder: Path, notebooks: list[Path]) -> None:
    lessons = {}
    for path in notebooks:
        print(f"running {path.name}", flush=True)
        lessons[path.resolve()] = executed(path)
    try:
        index, *_ = write_site(folder, lessons)
    except OSError as error:
        raise SentenceError(
            f"{folder} cannot be written ({error.strerror}). Name another folder."
        ) from None
    sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
    print(f"{index}: {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB in all")


if __name__ == "__main__":
    main()
