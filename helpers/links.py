"""Where the course lies, and the links that open its notebooks there.

Binder's addresses: https://binderhub.readthedocs.io/en/latest/developer/repoproviders.html;
a hub's: https://nbgitpuller.readthedocs.io/en/latest/topic/url-options.html.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlencode

from helpers.validation import SentenceError

FOLDER = Path(__file__).parents[1] / "notebooks"
GITHUB, GITLAB = "https://github.com/", "https://gitlab.com/"
# What a page's link opens where its kind has none for this repository.
INSTEAD = {
    "binder": "https://mybinder.org",
    "colab": "https://colab.research.google.com",
}
LINK = re.compile(r"^\[(binder|hub|colab)-(\d\d)\]: (\S+)$", re.MULTILINE)
FETCHED = re.compile(
    r"^\[hub-\d\d\]: (\S+)/hub/\S+\?repo=([^&\s]+)&branch=([^&\s]+)&", re.MULTILINE
)
INSTALLED = re.compile(r'git\+(\S+://\S+)@([^\s"\\@]+)')


@dataclass(frozen=True)
class Course:
    """Where the course lies: the address of its repository, the branch, and the hub
    that fetches it.
    """

    repository: str
    branch: str = "main"
    hub: str = "https://hub.example.org"

    @classmethod
    def of(cls, page: str) -> "Course | None":
        """Return the course that the links of a page to a hub open, if it has any."""
        found = FETCHED.search(page)
        return found and cls(unquote(found[2]), unquote(found[3]), found[1])

    def link(self, kind: str, number: str) -> str | None:
        """Return the address that opens the notebook with this number on Binder
        (`binder`), the hub (`hub`) or Colab (`colab`); None where that cannot read this
        repository.
        """
        path = f"notebooks/{next(FOLDER.glob(f'{number}_*.ipynb')).name}"
        kinds = {"binder": self._binder, "hub": self._hub, "colab": self._colab}
        return kinds[kind](path)

    def _binder(self, path: str) -> str | None:
        if not self.repository.startswith("http"):
            return None
        where = f"git/{quote(self.repository, safe='')}"
        if self.repository.startswith(GITHUB):
            where = f"gh/{self.repository.removeprefix(GITHUB)}"
        elif self.repository.startswith(GITLAB):
            where = f"gl/{quote(self.repository.removeprefix(GITLAB), safe='')}"
        where = f"https://mybinder.org/v2/{where}/{quote(self.branch, safe='')}"
        return f"{where}?{urlencode({'urlpath': f'lab/tree/{path}'})}"

    def _hub(self, path: str) -> str:
        folder = self.repository.rpartition("/")[2]  # nbgitpuller's has this name
        pull = {
            "repo": self.repository,
            "branch": self.branch,
            "urlpath": f"lab/tree/{folder}/{path}",
        }
        return f"{self.hub}/hub/user-redirect/git-pull?{urlencode(pull)}"

    def _colab(self, path: str) -> str | None:
        if not self.repository.startswith(GITHUB):
            return None
        where = f"{INSTEAD['colab']}/github/{self.repository.removeprefix(GITHUB)}"
        return f"{where}/blob/{quote(self.branch, safe='')}/{path}"

    def written(self, page: str) -> str:
        """Return the text of a page or a notebook with its links and its commands for
        this course.
        """
        if before := Course.of(page):
            whole = re.escape(before.repository) + r"(?![\w.-])"
            page = re.sub(whole, lambda _: self.repository, page)
        page = INSTALLED.sub(lambda _: f"git+{self.repository}@{self.branch}", page)
        return LINK.sub(self._line, page)

    def _line(self, found: re.Match) -> str:
        kind, number, _ = found.groups()
        return f"[{kind}-{number}]: {self.link(kind, number) or INSTEAD[kind]}"


def repository(address: str) -> str:
    """Return the address of a repository as git takes it; on GitHub, GitLab and Gitee
    without `.git`.

    Raises SentenceError for what is none.
    """
    plain = re.sub(r"^git@([\w.-]+):(?=\w)", r"ssh://git@\1/", address).rstrip("/")
    hosted = re.match(r"https://git(hub|lab|ee)\.com/", plain)
    host = r"(?:https?|ssh)://(?:[\w.-]+@)?[\w.-]+(?::\d+)?"
    fewest, most = (2 if hosted else 1), (2 if plain.startswith(GITHUB) else 9)
    if not re.fullmatch(rf"{host}(?:/[\w.~-]+){{{fewest},{most}}}", plain):
        raise SentenceError(
            f"{address!r} is no address of a repository like {GITHUB}me/course."
        )
    return plain.removesuffix(".git") if hosted else plain
