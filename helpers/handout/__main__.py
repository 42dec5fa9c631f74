"""The command line: `python -m helpers.handout notebooks/02_pooling.ipynb`."""

import argparse
import sys
from pathlib import Path

from helpers.handout import executed, handout
from helpers.handout.pages import ending
from helpers.handout.scripts import write
from helpers.validation import SentenceError

SWITCHES = {
    "slides": "a deck of slides instead of a page",
    "solutions": "the teacher's copy",
    "dark": "light on dark, for a dark room",
}


def main(arguments: list[str] | None = None) -> None:
    """Make what the command line asks for, or end with one sentence."""
    asked = vars(_parser().parse_args(arguments))
    notebooks, folder = asked.pop("notebooks"), asked.pop("to")
    for path in notebooks:
        if path.suffix != ".ipynb" or not path.is_file():
            names = "Name files such as notebooks/02_pooling.ipynb."
            sys.exit(f"{path} is no notebook. {names}")
    try:
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
    parser.add_argument("notebooks", nargs="+", type=Path)
    for name, says in SWITCHES.items():
        parser.add_argument(f"--{name}", action="store_true", help=says)
    to = "the folder (default: handouts)"
    parser.add_argument("--to", type=Path, default=Path("handouts"), help=to)
    return parser


def _make(path: Path, folder: Path, asked: dict[str, bool]) -> None:
    html = handout(executed(path), **asked)
    target = folder / (path.stem + ending(asked["slides"], asked["solutions"]))
    try:
        write(target, html.encode())
    except OSError as error:
        raise SentenceError(
            f"{target} cannot be written ({error.strerror}). "
            "Name another folder with --to."
        ) from None
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
