"""A JupyterHub on this machine, for a rehearsal: without accounts of the system or root.

What binder/README.md lets a teacher do on a server is done in a folder: the course is
cloned, its package is installed, and MNIST lies where all can read it. Torch and
JupyterLab are those of the Python that runs this.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import psutil

from helpers.links import Course

ROOT = Path(__file__).parents[2]
PINS = (ROOT / "binder" / "requirements.txt").read_text(encoding="utf-8")
HUB = ["jupyterhub==5.5.*", re.search(r"^nbgitpuller==\S+", PINS, re.M)[0]]
PROXY = "configurable-http-proxy@5"
PASSWORD = "rehearsal"
PATIENCE = 120.0  # seconds until the hub answers
MNIST = "from helpers.digits import load_digits; print(load_digits())"
CONFIG = """\
c.JupyterHub.bind_url = "{url}"
c.JupyterHub.hub_port = {hub_port}
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "{password}"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/home/{{username}}"
c.Spawner.default_url = "/lab"
c.Spawner.args = ["--allow-root"]
c.Spawner.start_timeout = c.Spawner.http_timeout = 300
c.Spawner.environment = {environment}
c.ConfigurableHTTPProxy.command = ["{folder}/proxy/node_modules/.bin/configurable-http-proxy"]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy_port}"
"""


@dataclass
class Hub:
    """A hub that runs: its folder, its process, and the links that open the course."""

    folder: Path
    process: subprocess.Popen
    course: Course

    def servers(self) -> dict[str, int]:
        """Return the process of each student's server, by the student's name."""
        found = {}
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                found.setdefault(process.environ().get("JUPYTERHUB_USER"), process.pid)
        return {name: pid for name, pid in found.items() if name}

    def collected(self) -> str:
        """Collect the students' notebooks and notes, and return the table of the class."""
        for home in sorted((self.folder / "home").iterdir()):
            hand_in = self.folder / "hand-in" / home.name
            hand_in.mkdir(parents=True)
            for file in (home / "course" / "notebooks").glob("*"):
                if file.suffix in (".ipynb", ".json"):
                    shutil.copy(file, hand_in)
        python = self.folder / "env" / "bin" / "python"
        return _run(
            python, "-m", "helpers.progress", self.folder / "hand-in", check=False
        )


@contextlib.contextmanager
def hub(folder: Path, environment: dict[str, str]) -> Iterator[Hub]:
    """Start a hub in a folder; at the end stop it, and all that it started.

    The students' servers have this environment besides. What is installed in the folder
    serves the next hub there; what students had is gone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in ("home", "srv", "hand-in", "jupyterhub.sqlite"):
        path = folder / old
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    _install(folder)
    web, hub_port, proxy_port, git = _free_ports(4)
    course = Course(
        f"git://127.0.0.1:{git}/course", _branch(), f"http://127.0.0.1:{web}"
    )
    shared = {"MNIST_ROOT": str(folder / "srv" / "mnist")}
    text = CONFIG.format(
        url=course.hub,
        hub_port=hub_port,
        proxy_port=proxy_port,
        password=PASSWORD,
        folder=folder,
        environment=environment | shared | _jupyter(),
    )
    (folder / "jupyterhub_config.py").write_text(text, encoding="utf-8")
    serve = ["git", "daemon", "--export-all", f"--base-path={folder / 'srv'}"]
    serve += ["--listen=127.0.0.1", f"--port={git}"]
    with (
        _started(folder, "git", serve),
        _started(folder, "hub", [folder / "env/bin/jupyterhub"]) as process,
    ):
        _wait(process, course.hub, folder)
        yield Hub(folder, process, course)


def _install(folder: Path) -> None:
    """Do what the page on hubs says, as far as it has not been done in this folder."""
    course, python = folder / "srv" / "course", folder / "env" / "bin" / "python"
    _run("git", "clone", "--quiet", ROOT, course)
    fresh = not python.exists()
    if fresh:
        _run(sys.executable, "-m", "venv", folder / "env")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run(*pip, "--no-deps", "--force-reinstall", course)
    if fresh:
        below = _run(
            python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"
        )
        path = Path(below.strip(), "course.pth")
        path.write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
        _run(*pip, *HUB)
        _run("npm", "install", "--silent", "--prefix", folder / "proxy", PROXY)
    if given := os.environ.get("MNIST_ROOT"):
        shutil.copytree(Path(given, "MNIST", "raw"), folder / "srv/mnist/MNIST/raw")
    _run(python, "-c", MNIST, MNIST_ROOT=str(folder / "srv" / "mnist"))


def _branch() -> str:
    return _run("git", "-C", ROOT, "rev-parse", "--abbrev-ref", "HEAD").strip()


def _jupyter() -> dict[str, str]:
    """Return where JupyterLab's own files are: in another environment than the hub."""
    return {
        "JUPYTER_PATH": str(Path(sys.prefix, "share", "jupyter")),
        "JUPYTER_CONFIG_PATH": str(Path(sys.prefix, "etc", "jupyter")),
        "JUPYTERLAB_DIR": str(Path(sys.prefix, "share", "jupyter", "lab")),
    }


def _environment(folder: Path | None = None, **more: str) -> dict[str, str]:
    """Return this environment as a service of the system would have it."""
    own = {"PYTHONPATH", "MNIST_ROOT", "OMP_NUM_THREADS", "VIRTUAL_ENV"}
    kept = {name: value for name, value in os.environ.items() if name not in own}
    if folder:
        kept["PATH"] = f"{folder / 'env' / 'bin'}{os.pathsep}{kept['PATH']}"
    return kept | more


def _run(
    *command: object, check: bool = True, cwd: Path | None = None, **more: str
) -> str:
    """Return what a command prints; where it fails, its last words are the error."""
    done = subprocess.run(
        [*map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd=cwd,
        env=_environment(**more),
    )
    if check and done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stdout[-2000:]}")
    return done.stdout


@contextlib.contextmanager
def _started(folder: Path, name: str, command: list) -> Iterator[subprocess.Popen]:
    """Start a process that writes into a file of this name; end it and its children."""
    with (folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            [*map(str, command)],
            cwd=folder,
            env=_environment(folder),
            stdout=log,
            stderr=log,
        )
        try:
            yield process
        finally:
            _end(psutil.Process(process.pid))


def _end(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.Error):
        children = process.children(recursive=True)
        process.send_signal(signal.SIGINT)
        _, alive = psutil.wait_procs([process, *children], timeout=20)
        for one in alive:
            with contextlib.suppress(psutil.Error):
                one.kill()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as open_ones:
        sockets = [open_ones.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _wait(process: subprocess.Popen, url: str, folder: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), urlopen(f"{url}/hub/health", timeout=5):
            return
        time.sleep(0.5)
    said = (folder / "hub.log").read_text(encoding="utf-8", errors="replace")
    raise RuntimeError(f"The hub does not answer: {said[-2000:]}")
