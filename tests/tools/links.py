"""Write the launch links of the course: `python tests/tools/links.py
https://github.com/me/course`.

They are the last lines of README.md and of binder/README.md: `[binder-01]: …` opens
notebook 01 on mybinder.org, `[colab-01]: …` on Colab, and `[hub-01]: …` fetches the
course with nbgitpuller and opens the notebook on a hub. The commands in binder/README.md
and the line of the notebooks that fetches the course on Colab get the address too.
Nothing has to be installed for it.
"""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))  # also where helpers are not installed

from helpers.links import GITHUB, Course, repository  # noqa: E402

NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
PAGES = [ROOT / "README.md", ROOT / "binder" / "README.md"]


def main(*given: str) -> None:
    """Write the links into the pages and the notebooks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address", help=f"of the repository, like {GITHUB}me/course")
    parser.add_argument(
        "--branch", default=Course.branch, help="that students get (%(default)s)"
    )
    parser.add_argument(
        "--hub", default=Course.hub, help="that fetches the notebooks (%(default)s)"
    )
    options = parser.parse_args(given)
    if not re.match(r"https?://\w", options.hub):
        parser.error(f"{options.hub!r} is no address of a hub like {Course.hub}")
    if not re.fullmatch(r'[^\s~^:?*@"\[\\]+', options.branch):
        parser.error(f"{options.branch!r} is no name of a branch like {Course.branch}")
    try:
        course = Course(
            repository(options.address), options.branch, options.hub.rstrip("/")
        )
    except ValueError as fault:
        parser.error(str(fault))
    for page in PAGES + NOTEBOOKS:
        page.write_bytes(course.written(page.read_text("utf-8")).encode())
        print(f"{page.relative_to(ROOT)}: {course.repository}, branch {course.branch}")


if __name__ == "__main__":
    main(*sys.argv[1:])
