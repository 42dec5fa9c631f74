"""The launch links and the page on hubs: one repository, one link of each kind for each
notebook, no dead end.
"""

import asyncio
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, unquote, urlsplit

import classroom
import links
import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from links import PAGES
from refresh import NOTEBOOKS, ROOT

from helpers.links import INSTEAD, LINK, Course, repository
from helpers.validation import SentenceError

NUMBERS = [path.name[:2] for path in NOTEBOOKS]
README, HUB = (page.read_text(encoding="utf-8") for page in PAGES)


KINDS = ("binder", "colab", "hub")
HOSTED = {
    "gh": lambda rest: ("https://github.com/" + "/".join(rest[:2]), rest[2:]),
    "gl": lambda rest: ("https://gitlab.com/" + unquote(rest[0]), rest[1:]),
    "git": lambda rest: (unquote(rest[0]), rest[1:]),
}


def opened(link):
    """Return the repository, the branch and the file that a launch link opens."""
    parts = urlsplit(link)
    assert parts.scheme == "https" and parts.netloc and " " not in link
    if parts.netloc == "colab.research.google.com":
        host, owner, name, blob, branch, *path = parts.path[1:].split("/")
        assert (host, blob, parts.query) == ("github", "blob", "")
        where = f"https://github.com/{owner}/{name}"
        return where, unquote(branch), "/".join(path)
    query = {
        name: value
        for name, (value,) in parse_qs(parts.query, strict_parsing=True).items()
    }
    path = query["urlpath"].removeprefix("lab/tree/")
    assert (
        path != query["urlpath"]
        and f"urlpath=lab%2Ftree%2F{path.replace('/', '%2F')}" in link
    )
    if parts.netloc == "mybinder.org":
        _, version, host, *rest = parts.path.split("/")
        where, (branch,) = HOSTED[host](rest)
        assert (version, list(query)) == ("v2", ["urlpath"])
        return where, unquote(branch), path
    assert parts.path == "/hub/user-redirect/git-pull"
    folder = query["repo"].rpartition("/")[2]  # nbgitpuller clones into it
    assert path.startswith(f"{folder}/")
    return query["repo"], query["branch"], path.removeprefix(f"{folder}/")


def test_each_notebook_has_one_link_of_each_kind():
    kinds = [(kind, number) for kind, number, _ in LINK.findall(HUB)]
    assert kinds == [(kind, number) for kind in KINDS for number in NUMBERS]
    assert [(kind, number) for kind, number, _ in LINK.findall(README)] == [
        ("binder", "01"),
        ("colab", "01"),
    ]
    for kind, number in kinds:
        assert HUB.count(f"][{kind}-{number}]") == 1
    for path in NOTEBOOKS:
        row = next(
            line for line in HUB.splitlines() if f"](../notebooks/{path.name})" in line
        )
        assert all(f"][{kind}-{path.name[:2]}]" in row for kind in KINDS)
    assert "][binder-01]" in README and "][colab-01]" in README
    assert "](binder/README.md)" in README


def test_all_links_agree_on_the_repository_and_open_a_notebook():
    found = [
        (number, *opened(link))
        for page in (README, HUB)
        for _, number, link in LINK.findall(page)
    ]
    assert len({(where, branch) for _, where, branch, _ in found}) == 1
    for number, _, _, path in found:
        assert (ROOT / path) in NOTEBOOKS and f"/{number}_" in path
    commands = re.findall(r"(?:git clone|--ref COMMIT) (\S+)", HUB)
    assert len(commands) == 2 and set(commands) == {found[0][1]}


def test_the_links_are_those_that_the_tool_writes_and_no_others():
    for page in (README, HUB):
        for address in re.findall(
            r"https://\S*(?:mybinder\.org/v2|git-pull|google\.com/github)\S*", page
        ):
            assert f"]: {address}\n" in page
    course = Course.of(HUB)
    assert Course.of(README) is None
    assert [course.written(page) for page in (README, HUB)] == [README, HUB]


@pytest.mark.parametrize("page", [README, HUB])
@pytest.mark.parametrize(
    "where",
    [
        "https://github.com/me/a.course",
        "https://gitlab.com/school/group/a.course",
        "https://gitee.com/me/course",
        "https://git.my.school/course.git",
        "ssh://git@git.my.school/me/course.git",
    ],
)
def test_a_new_address_reaches_every_link_and_command(page, where):
    course = Course(where, "spring/26", "https://hub.my.school")
    moved = course.written(page)
    assert "OWNER" not in moved and "REPOSITORY" not in moved
    for kind, number, link in LINK.findall(moved):
        if course.link(kind, number) is None:
            assert link == INSTEAD[kind]
            continue
        found, branch, path = opened(link)
        assert (found, branch) == (where, "spring/26")
        assert (ROOT / path) in NOTEBOOKS and f"/{number}_" in path
        assert kind != "hub" or link.startswith("https://hub.my.school/hub/")
    assert course.written(moved) == moved
    if page is HUB:
        assert Course.of(moved) == course
    before = Course("https://github.com/OWNER/REPOSITORY")
    assert before.written(moved) == before.written(page)


def test_each_host_has_the_kinds_that_can_read_it():
    for where, kinds in {
        "https://github.com/me/course": KINDS,
        "https://gitlab.com/me/course": ("binder", "hub"),
        "https://gitee.com/me/course": ("binder", "hub"),
        "ssh://git@git.my.school/me/course": ("hub",),
    }.items():
        assert tuple(kind for kind in KINDS if Course(where).link(kind, "01")) == kinds
    links = {
        "github": "gh/me/course/main",
        "gitlab": "gl/me%2Fcourse/main",
        "gitee": "git/https%3A%2F%2Fgitee.com%2Fme%2Fcourse/main",
    }
    for host, path in links.items():
        link = Course(f"https://{host}.com/me/course").link("binder", "01")
        assert link.startswith(f"https://mybinder.org/v2/{path}?urlpath=")


class Shell:
    """What `get_ipython()` gives, as far as the first cell asks: it notes what is
    installed.
    """

    def __init__(self, name):
        self.name, self.installed = name, []

    def __str__(self):
        return self.name

    def run_line_magic(self, magic, line):
        self.installed.append(f"{magic} {line}")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_on_colab_and_there_alone_the_first_cell_fetches_the_course(path):
    cells = nbformat.read(path, 4).cells
    source = next(cell.source for cell in cells if cell.cell_type == "code")
    before = source[: source.index("\nfrom exercises")]
    code = TransformerManager().transform_cell(before[before.index("\nif ") + 1 :])
    colab = Shell("<google.colab._shell.Shell object>")
    here = Shell("<ipykernel.zmqshell.ZMQInteractiveShell object>")
    for shell in (colab, here):
        exec(code, {"get_ipython": lambda shell=shell: shell})
    course = Course.of(HUB)
    wanted = f"pip install -q git+{course.repository}@{course.branch}"
    assert (colab.installed, here.installed) == ([wanted], [])


def test_the_tool_takes_an_address_and_refuses_what_is_none(
    tmp_path, monkeypatch, capsys
):
    for given in ("me/course", "me/course.git", "me/course/", "me/course.git/"):
        for host in ("github", "gitlab", "gitee"):
            plain = f"https://{host}.com/me/course"
            assert repository(f"https://{host}.com/{given}") == plain
    for given in ("https://gitlab.com/a/b/c", "https://git.my.school/course.git"):
        assert repository(given) == given
    assert repository("git@my.school:me/course") == "ssh://git@my.school/me/course"
    for given in (
        "me/course",
        "https://gitlab.com/course",
        "https://github.com/me",
        "https://github.com/me/course/tree/main",
        "https://github.com/m e/c",
        "https://my.school",
        "file:///srv/course",
    ):
        with pytest.raises(SentenceError, match="no address of a repository"):
            repository(given)
    page = tmp_path / "README.md"
    page.write_text(HUB, encoding="utf-8")
    notebook = tmp_path / "01.ipynb"
    notebook.write_text('"%pip git+https://github.com/OWNER/REPOSITORY@main\\n",')
    monkeypatch.setattr(links, "PAGES", [page])
    monkeypatch.setattr(links, "NOTEBOOKS", [notebook])
    monkeypatch.setattr(links, "ROOT", tmp_path)
    with pytest.raises(SystemExit):
        links.main("nowhere")
    with pytest.raises(SystemExit):
        links.main("https://github.com/me/course", "--hub", "hub.my.school")
    with pytest.raises(SystemExit):
        links.main("https://github.com/me/course", "--branch", "")
    said = capsys.readouterr().err
    for fault in (
        "no address of a repository",
        "no address of a hub",
        "no name of a branch",
    ):
        assert fault in said
    assert page.read_text(encoding="utf-8") == HUB
    links.main("https://github.com/me/course", "--hub", "https://hub.my.school/")
    assert (
        "https://hub.my.school/hub/user-redirect/git-pull?repo=https%3A%2F%2Fgithub.com%2Fme%2Fcourse&"
        in (page.read_text(encoding="utf-8"))
    )
    assert notebook.read_text() == '"%pip git+https://github.com/me/course@main\\n",'


def test_the_tool_needs_nothing_installed():
    tool = ROOT / "tests" / "tools" / "links.py"
    command = [sys.executable, "-I", "-S", tool, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "https://github.com/me/course" in done.stdout


def test_the_page_names_only_files_and_settings_that_there_are():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", HUB):
        assert (ROOT / "binder" / target).exists(), target
    for name in ("requirements.txt", "postBuild", "start"):
        assert f"binder/{name}" in HUB or f"`{name}`" in HUB
    options = set(
        re.findall(
            r"(--[a-z-]+)",
            re.search(r"jupyter-repo2docker (--.+?)\n```", HUB, re.DOTALL)[1],
        )
    )
    done = subprocess.run(
        [sys.executable, "-m", "repo2docker", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--target-repo-dir" in options and all(
        option in done.stdout for option in options
    )


def lesson(tmp_path, count, source):
    path = tmp_path / "01_lesson.ipynb"
    nbformat.write(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)]), path
    )
    return classroom.Lesson(path, count)


def hold(lesson):
    """Run a lesson in a thread of its own: a browser of tests before may still hold the
    event loop of this one.
    """
    with ThreadPoolExecutor() as thread:
        thread.submit(asyncio.run, lesson.hold()).result()


@pytest.mark.parametrize(
    ("source", "done", "said"),
    [
        (
            "import os; assert not os.listdir()",
            2,
            "",
        ),
        ("1 / 0", 0, "ZeroDivisionError: division by zero"),
        ("import time; time.sleep(60)", 0, "not done after"),
    ],
)
def test_a_class_says_who_came_to_the_end_and_who_did_not(
    tmp_path, monkeypatch, source, done, said
):
    monkeypatch.setattr(classroom, "LIMIT", 20.0 if "sleep" not in source else 4.0)
    held = lesson(tmp_path, 2, source)
    hold(held)
    assert (
        held.row().startswith(f"| 01 | 2 | {done} | ")
        and held.row().count("|") == classroom.HEADER.count("|") // 2
    )
    faults = held.faults()
    assert len(faults) == 2 - done and all(said in fault for fault in faults)


def test_a_class_ends_before_the_memory_does(tmp_path, monkeypatch):
    monkeypatch.setattr(classroom, "SPARE", 1e18)
    held = lesson(tmp_path, 1, "import time; time.sleep(60)")
    hold(held)
    assert "of the machine's memory was left" in held.faults()[0] and held.seconds < 30


def test_the_servers_that_the_page_names_follow_from_what_was_measured():
    rows = re.findall(r"^\| (\d\d) \| (\d+) \|.* ([\d,]+) (Mi?)B \|$", HUB, re.M)
    whole = {(one, many): int(size.replace(",", "")) for one, many, size, _ in rows}
    ((mega, giga, thousand),) = {
        {"M": ("M", "G", 1000), "Mi": ("Mi", "Gi", 1024)}[row[3]] for row in rows
    }
    needed = 150
    for notebook in ("05", "01"):
        ten, one = whole[notebook, "10"], whole[notebook, "1"]
        more = round((ten - one) / 9)
        needed += more
        assert (
            f"({ten:,} − {one:,}) / 9 = {more:,} {mega}B for notebook {notebook}" in HUB
        )
    assert f"150 {mega}B for JupyterLab: {needed:,} {mega}B." in HUB
    each = needed / thousand
    assert f"memory: {each:.2f} {giga}B × students + 2 {giga}B" in HUB
    for students in (10, 30, 100):
        memory, disk = each * students + 2, 15 + 0.1 * students
        row = rf"^\| {students} \| {memory:.0f} {giga}B \| \d+ \| {disk:.0f} GB \|$"
        assert re.search(row, HUB, re.M)


def test_addresses_and_pins_that_the_page_names_are_taken():
    commands = re.findall(r"links\.py (https://\S+)", HUB)
    assert {urlsplit(one).netloc for one in commands} >= {"gitlab.com", "gitee.com"}
    assert [repository(one) for one in commands] == commands
    pins = (ROOT / "binder" / "requirements.txt").read_text(encoding="utf-8")
    (left_out,) = re.findall(r'grep -vE "(.+?)" binder/requirements.txt', HUB)
    assert len(re.findall(left_out, pins, re.M)) == left_out.count("|") + 1
