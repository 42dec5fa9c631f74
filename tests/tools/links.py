"""Write the launch links of the course: `python tests/tools/links.py
https://github.com/me/course`.

They are the last lines of README.md and of binder/README.md: `[binder-01]: …` opens
notebook 01 on mybinder.org, `[hub-01]: …` fetches the course with nbgitpuller and opens
the notebook on a hub. The commands in binder/README.md get the address too. Nothing has
to be installed for it.
"""

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
PAGES = [ROOT / "README.md", ROOT / "binder" / "README.md"]
GITHUB = "https://github.com/"
LINK = re.compile(r"^\[(binder|hub)-(\d\d)\]: (\S+)$", re.MULTILINE)
STANDS = re.compile(
    r"^\[binder-\d\d\]: https://mybinder\.org/v2/gh/([^/]+/[^/]+)/", re.MULTILINE
)


@dataclass(frozen=True)
class Course:
    """Where the course lies: its repository on GitHub (`me/course`), the branch, and
    the hub that fetches it.
    """

    repository: str
    branch: str = "main"
    hub: str = "https://hub.example.org"

    def link(self, kind: str, number: str) -> str:
        """Return the address that opens the notebook with this number, on Binder
        (`binder`) or on the hub (`hub`).
        """
        name = next(path.name for path in NOTEBOOKS if path.name.startswith(number))
        if kind == "binder":
            where = f"https://mybinder.org/v2/gh/{self.repository}/{quote(self.branch, safe='')}"
            return f"{where}?{urlencode({'urlpath': f'lab/tree/notebooks/{name}'})}"
        # nbgitpuller's folder has this name
        path = f"lab/tree/{self.repository.partition('/')[2]}/notebooks/{name}"
        pull = {
            "repo": GITHUB + self.repository,
            "branch": self.branch,
            "urlpath": path,
        }
        return f"{self.hub}/hub/user-redirect/git-pull?{urlencode(pull)}"

    def written(self, page: str) -> str:
        """Return the text of a page with its launch links and its commands for this
        course.
        """
        for stands in sorted(set(STANDS.findall(page))):
            page = re.sub(
                re.escape(GITHUB + stands) + r"(?![\w.-])",
                GITHUB + self.repository,
                page,
            )
        return LINK.sub(
            lambda found: f"[{found[1]}-{found[2]}]: {self.link(found[1], found[2])}",
            page,
        )


def repository(address: str) -> str:
    """Return `me/course` for https://github.com/me/course, with or without `.git`;
    raise ValueError otherwise.
    """
    found = re.fullmatch(re.escape(GITHUB) + r"([\w-]+/[\w.-]+?)(\.git)?/?", address)
    if not found:
        raise ValueError(
            f"{address!r} is no address of a repository like {GITHUB}me/course"
        )
    return found[1]


def main(*given: str) -> None:
    """Write the links into the pages."""
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
    if not re.fullmatch(r"[^\s~^:?*\[\\]+", options.branch):
        parser.error(f"{options.branch!r} is no name of a branch like {Course.branch}")
    try:
        course = Course(
            repository(options.address), options.branch, options.hub.rstrip("/")
        )
    except ValueError as fault:
        parser.error(str(fault))
    for page in PAGES:
        page.write_text(
            course.written(page.read_text(encoding="utf-8")), encoding="utf-8"
        )
        print(f"{page.relative_to(ROOT)}: {course.repository}, branch {course.branch}")


if __name__ == "__main__":
    main(*sys.argv[1:])
