"""A real JupyterLab in a real Chromium, for the browser tests, the benchmark and the
pictures.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from playwright.sync_api import Browser, Page
from strokes import draw_strokes

ROOT = Path(__file__).parents[2]
RUN: dict[Path, NotebookNode] = {}  # notebooks as JupyterLab has run and saved them


@contextmanager
def jupyterlab(python: str = sys.executable, **environment: str) -> Iterator[str]:
    """Serve a copy of the notebooks, with settings of its own, and yield the address."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        course = root / "course"
        shutil.copytree(
            ROOT / "notebooks",
            course / "notebooks",
            ignore=shutil.ignore_patterns(".ipynb_checkpoints"),
        )
        shutil.copy(ROOT / "README.md", course)
        address = f"http://127.0.0.1:{_free_port()}"
        command = [
            python,
            "-m",
            "jupyterlab",
            "--no-browser",
            "--allow-root",
            "--LabApp.expose_app_in_browser=True",
        ]
        command += [
            f"--ServerApp.port={address.rsplit(':', 1)[1]}",
            f"--ServerApp.root_dir={course}",
        ]
        command += [
            "--IdentityProvider.token=",
            "--ServerApp.password=",
            "--ServerApp.disable_check_xsrf=True",
        ]
        with (root / "log").open("w") as log:
            server = subprocess.Popen(
                command,
                env=os.environ | _own_settings(root) | environment,
                stdout=log,
                stderr=log,
            )
            try:
                _wait_for(address + "/api", root / "log", server)
                yield address
            finally:
                _stop(server)


def _stop(server: subprocess.Popen) -> None:
    """End the server; its kernels watch it, and end themselves where a busy machine
    gave it no time to ask them.
    """
    server.terminate()
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def open_notebook(
    browser: Browser,
    address: str,
    name: str,
    size: tuple[int, int] = (1400, 900),
    dark: bool = False,
) -> Page:
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.set_default_timeout(60_000)
    page.goto(f"{address}/lab/tree/{name}?reset")
    page.wait_for_function("window.jupyterapp?.shell.currentWidget?.context?.isReady")
    page.wait_for_function(
        "jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.connectionStatus === 'connected'"
    )
    set_theme(page, dark)  # Lab remembers that of the page before
    page.evaluate("() => jupyterapp.shell.collapseLeft()")
    return page


def set_theme(page: Page, dark: bool) -> None:
    theme = "JupyterLab Dark" if dark else "JupyterLab Light"
    page.evaluate(
        "(theme) => { jupyterapp.commands.execute('apputils:change-theme', { theme }); }",
        theme,
    )


def open_source(
    browser: Browser, address: str, source: str, size: tuple[int, int] = (1400, 900)
) -> Page:
    """Open a notebook of one cell with the given code."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    notebook.metadata.kernelspec = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    body = json.dumps({"type": "notebook", "content": notebook}).encode()
    name = f"notebooks/cell{hash(source)}.ipynb"
    request = urllib.request.Request(
        f"{address}/api/contents/{name}",
        body,
        {"Content-Type": "application/json"},
        method="PUT",
    )
    urllib.request.urlopen(request).close()
    return open_notebook(browser, address, name, size)


def run_all(page: Page) -> None:
    """Run every cell, and return when the last is done and its widgets are drawn."""
    page.evaluate("""() => { window.finished = false;
        jupyterapp.commands.execute('notebook:run-all-cells').finally(() => { window.finished = true; }); }""")
    page.wait_for_function("window.finished", timeout=300_000)
    page.wait_for_timeout(500)


def saved(page: Page) -> NotebookNode:
    """Save the notebook, with the state of its widgets, and return it."""
    text = page.evaluate(
        """async () => {
             const { context } = jupyterapp.shell.currentWidget;
             await context.save();
             return JSON.stringify(context.model.toJSON());
           }"""
    )
    return nbformat.reads(text, as_version=4)


def show(page: Page, source: str, to_the_end: bool = True) -> None:
    """Put one cell with this code in place of all cells, run it in the kernel as it is,
    and wait for its bench.
    """
    page.evaluate(
        """async ([source, toTheEnd]) => {
             const { content, sessionContext } = jupyterapp.shell.currentWidget;
             if (!sessionContext.session?.kernel) await sessionContext.changeKernel({ name: "python3" });
             document.activeElement.blur();
             content.model.sharedModel.deleteCellRange(1, content.widgets.length);
             content.activeCellIndex = 0;
             content.activeCell.model.sharedModel.setSource(source);
             content.activeCell.model.clearExecution();
             const ended = jupyterapp.commands.execute("notebook:run-cell");
             if (toTheEnd) await ended;
           }""",
        [source, to_the_end],
    )
    page.wait_for_selector(".bench > *")
    page.wait_for_timeout(150)  # until the sliders have heard what their limits are


def run_last(page: Page) -> None:
    """Run the active cell, and return when the kernel has answered."""
    page.evaluate(
        "() => jupyterapp.commands.execute('notebook:run-cell').then(() => null)"
    )
    page.wait_for_function(
        "jupyterapp.shell.currentWidget.content.activeCell.model.outputs.length > 0"
    )


def settle(page: Page) -> None:
    """Return when page and kernel have told each other all they had to."""
    # ipywidgets sends one change at a time and keeps the next back until that is
    # answered; the kernel hears of it in a thread of its own.
    page.wait_for_function(
        """() => {
             const kernel = jupyterapp.shell.currentWidget.sessionContext.session?.kernel;
             return !kernel || (kernel.status === "idle"
               && ![...kernel._futures.values()].some((one) => one.msg.header.msg_type === "comm_msg"));
           }"""
    )
    page.wait_for_timeout(200)  # until it is drawn


def to_top(page: Page) -> None:
    """Scroll the notebook to its first cell."""
    page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0")
    page.wait_for_timeout(50)


def draw(page: Page, strokes: list[list[list[float]]]) -> None:
    """Draw on the sketchpad of a notebook's first cell with the mouse."""
    to_top(page)
    draw_strokes(page, strokes, between=1)


def close(page: Page) -> None:
    """Close the page and end its kernel, so that the next one starts fresh."""
    page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext?.shutdown()")
    page.close()


def screenshots(page: Page, name: str) -> None:
    """Keep pictures of the whole notebook, screen by screen, where CONVNETS_SCREENSHOTS
    names a folder.
    """
    folder = os.environ.get("CONVNETS_SCREENSHOTS")
    if not folder:
        return
    scroller = "document.querySelector('.jp-WindowedPanel-outer')"
    height, screen = page.evaluate(
        f"[{scroller}.scrollHeight, {scroller}.clientHeight]"
    )
    for number, top in enumerate(range(0, height, screen)):
        page.evaluate(f"{scroller}.scrollTop = {top}")
        page.wait_for_timeout(100)
        page.screenshot(path=Path(folder) / f"{name}-{number:02}.png")


WIDE = """async () => {
  const wide = (box) => box.scrollWidth > box.clientWidth + 1, cut = [];
  const boxes = document.querySelectorAll(".jp-OutputArea-output, .jp-RenderedMarkdown, .bench, .bench-panel");
  for (const box of [...boxes].filter(wide)) {
    box.scrollIntoView({ block: "center" }); // JupyterLab lays out only what is near the screen
    for (let frames = 0; wide(box) && frames < 120; frames++) await new Promise(requestAnimationFrame);
    if (wide(box)) cut.push(box.textContent.slice(0, 80));
  }
  return cut;
}"""


def cut_off(page: Page) -> list[str]:
    """Return what is wider than the output or text that it stands in, once it has been
    drawn for the width of the page.
    """
    return page.evaluate(WIDE)


def errors(page: Page) -> list[str]:
    """Return the error outputs of the notebook, and what is printed to stderr."""
    return page.evaluate(
        """() => [...jupyterapp.shell.currentWidget.content.model.sharedModel.cells].flatMap((cell) =>
             (cell.outputs ?? []).filter((o) => o.output_type === "error" || o.name === "stderr")
               .map((o) => o.evalue ?? [o.text].flat().join("")))"""
    )


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _own_settings(root: Path) -> dict[str, str]:
    page_config = {
        "disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}
    }
    (root / "config" / "labconfig").mkdir(parents=True)
    (root / "config" / "labconfig" / "page_config.json").write_text(
        json.dumps(page_config)
    )
    widgets = root / "settings/@jupyter-widgets/jupyterlab-manager"
    widgets.mkdir(parents=True)
    (widgets / "plugin.jupyterlab-settings").write_text('{"saveState": true}')
    folders = {"CONFIG_DIR": "config", "RUNTIME_DIR": "runtime", "DATA_DIR": "share"}
    settings = {
        f"JUPYTER_{name}": str(root / folder) for name, folder in folders.items()
    }
    return settings | {
        "JUPYTERLAB_SETTINGS_DIR": str(root / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(root / "spaces"),
    }


def _wait_for(
    address: str, log: Path, server: subprocess.Popen, seconds: float = 60
) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(
        f"JupyterLab did not start:\n{re.sub('token=[^ ]*', '', log.read_text())}"
    )
