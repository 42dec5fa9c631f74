"""How fast and how large the course is: `python tests/tools/benchmark.py latency` (or one of
the others).

`latency` runs the benches and the usual `interact` with matplotlib in JupyterLab in
Chromium, and prints the time from a key press to the changed picture. `sketchpad` draws
in notebook 06, and prints the time from pen up to the network's answer, and how long
each move takes to be drawn. `startup` runs notebook 01 in a fresh kernel and prints the
time to its first picture and the memory that its kernel takes; `memory` does that for
notebook 05. `training` trains the ConvNet in the older way and in ours, for a quarter
of an hour; `training --quick` takes two minutes. `site` makes the site, and prints how
long that takes, how large it is, and how soon its first bench answers. `class` lets 1,
2 and 4 kernels train at once, and 1 and 10 run a notebook, as a class on a hub does;
`--kernels` says how many run it, `class --quick` is 1 and 4.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
PRESSES = 16  # of each slider
PEAK = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
SLIDERS = ["input_size", "kernel_size", "stride", "padding", "dilation", "step"]
POOLING_SLIDERS = ["input_size", "kernel_size", "stride", "padding", "step"]
CHANNELS_SLIDERS = ["kernel_size", "stride", "padding", "step"]

LAYER = "from torch import nn\nfrom helpers.widgets.layer_bench import LayerBench\n"
BENCH = f"{LAYER}LayerBench(nn.Conv2d(1, 1, 3, bias=False), weight='Sobel x')"
POOLING = f"{LAYER}LayerBench(nn.MaxPool2d(3, stride=2))"
CHANNELS = f"{LAYER}LayerBench(nn.Conv2d(3, 4, 3, padding=1), size=12, view='backward')"
DROPOUT = "from helpers.widgets.dropout import DropoutBench\nDropoutBench()"
TRACER = "from helpers.widgets.shape_tracer import ShapeTracer\nShapeTracer()"
STEPPER = """\
import torch
import torch.nn.functional as F
from helpers.networks import Net
from helpers.widgets.stepper import BackwardStepper
net = Net()
stepper = BackwardStepper(F.mse_loss(net(torch.randn(1, 1, 32, 32)), torch.randn(1, 10)), net)
stepper.step = 13  # the largest pictures
stepper"""
FILM = "from helpers import networks\nfrom helpers.widgets import gallery\ngallery.KernelFilm(networks.snapshots())"
WALK = """\
from helpers import digits as data
from helpers import networks
from helpers.widgets import gallery
digits = data.load_digits()
gallery.LayerWalk(networks.trained(), digits.test.images[:20], digits.test.labels[:20], digits.source)"""
MAP = """\
import torch
from helpers.autoencoders import Autoencoder
from helpers.widgets.digit_map import DigitMap
DigitMap(Autoencoder().decoder, torch.randn(1000, 2), torch.arange(1000) % 10)"""
INTERACT = """\
import matplotlib.pyplot as plt
import torch.nn.functional as F
from ipywidgets import interact
from helpers import presets

def draw(kernel_size=3, input_size=8, stride=1, padding=0, dilation=1, step=0):
    picture = presets.inputs(12)["digit"][:input_size, :input_size]
    kernel = presets.kernels(kernel_size)["Sobel x"]
    output = F.conv2d(picture[None, None], kernel[None, None], None, stride, padding, dilation)[0, 0]
    padded = F.pad(picture, (padding,) * 4)
    top, left = step // len(output) * stride, step % len(output) * stride
    span = dilation * (kernel_size - 1) + 1
    products = padded[top : top + span : dilation, left : left + span : dilation] * kernel
    panels = {"input": padded, "kernel": kernel, "products": products, "output": output}
    figure, axes = plt.subplots(1, 4, figsize=(14, 4))
    for axis, (name, values) in zip(axes, panels.items()):
        axis.imshow(values, cmap="coolwarm")
        axis.set_title(f"{name} {len(values)}x{len(values)}")
        for row in range(len(values)):
            for column in range(len(values)):
                axis.text(column, row, f"{values[row, column]:g}", ha="center", va="center")
    axes[0].add_patch(plt.Rectangle((left - 0.5, top - 0.5), span, span, fill=False, lw=3))
    plt.show()

interact(draw, kernel_size=(1, 7), input_size=(3, 12), stride=(1, 4), padding=(0, 3), dilation=(1, 3), step=(0, 35));
"""

# Resolves after the frame in which the picture has changed was painted.
STOPWATCH = """(selector) => new Promise((resolve) => {
  const root = document.querySelector(selector);
  const before = root.querySelector("img")?.src;
  let pressed;
  addEventListener("keydown", (event) => { pressed = event.timeStamp; }, { capture: true, once: true });
  const watch = new MutationObserver(async () => {
    const picture = root.querySelector("img");
    if (!pressed || (before && (picture?.src ?? before) === before)) return;
    watch.disconnect();
    if (picture) await picture.decode();
    requestAnimationFrame(() => {
      const painted = new MessageChannel();
      painted.port1.onmessage = () => resolve(performance.now() - pressed);
      painted.port2.postMessage(0);
    });
  });
  watch.observe(root, { childList: true, subtree: true, characterData: true, attributes: true });
})"""


def latency() -> None:
    """Print key press to changed picture for each bench alone, for `interact`, and for
    benches in whole notebooks.
    """
    import chromium
    import lab

    alone = {
        "convolution": (BENCH, ".bench", SLIDERS),
        "interact + matplotlib": (INTERACT, ".widget-interact .jp-OutputArea", SLIDERS),
        "pooling": (POOLING, ".bench", POOLING_SLIDERS),
        "channels, backward": (CHANNELS, ".bench", CHANNELS_SLIDERS),
        "dropout": (DROPOUT, ".bench", ["p", "draw"]),
        "backward stepper": (STEPPER, ".bench", ["step"]),
        "kernel film": (FILM, ".bench", ["moment"]),
        "walk through the layers": (WALK, ".bench", ["image", "layer"]),
        "map of digits": (MAP, ".bench", ["number 0", "number 1"]),
        "shape tracer": (TRACER, ".bench", ["side", "channels"]),
    }
    within = {
        "convolution in notebook 01": ("01_convolution_arithmetic", ".bench", SLIDERS),
        "pooling in notebook 02": ("02_pooling", ".bench", POOLING_SLIDERS),
        "tracer in notebook 03": (
            "03_building_a_convnet",
            ".bench:has(.trace)",
            ["side", "channels"],
        ),
        "stepper in notebook 04": (
            "04_inspecting_the_autograd_graph",
            ".bench:has(.graph-node)",
            ["step"],
        ),
    }
    times = {}
    with lab.jupyterlab() as address, chromium.started() as browser:
        for name, (source, picture, sliders) in alone.items():
            times[name] = _press_keys(
                lab, lab.open_source(browser, address, source), picture, sliders
            )
        for name, (stem, picture, sliders) in within.items():
            page = lab.open_notebook(browser, address, f"notebooks/{stem}.ipynb")
            times[name] = _press_keys(lab, page, picture, sliders)
    print(
        f"key press to changed picture, {PRESSES} presses of each slider, JupyterLab in Chromium\n"
    )
    print(f"{'technique':28}{'median ms':>12}{'p95 ms':>12}{'ratio':>10}")
    for name, values in times.items():
        median, p95 = statistics.median(values), statistics.quantiles(values, n=20)[-1]
        print(
            f"{name:28}{median:12.1f}{p95:12.1f}{median / statistics.median(times['convolution']):10.1f}"
        )


def _press_keys(lab, page, picture: str, sliders: list[str]) -> list[float]:
    """Return milliseconds from each key press to the frame in which the first such
    picture has changed.
    """
    page.bring_to_front()
    lab.run_all(page)
    page.locator(picture).first.scroll_into_view_if_needed()
    page.wait_for_timeout(1500)
    times = []
    for slider in sliders:
        label = page.locator(f".widget-label:text-is('{slider}')")
        found = page.locator(".widget-slider", has=label).locator(".noUi-handle")
        # The step of a layer is a slider of the page's own.
        (found if found.count() else page.locator(".bench-step")).first.focus()
        for press in range(-2, PRESSES):  # the first two warm up
            stopwatch = page.evaluate_handle(
                f"() => ({{ time: ({STOPWATCH})('{picture}') }})"
            )
            page.keyboard.press("ArrowLeft" if press % 2 else "ArrowRight")
            milliseconds = stopwatch.evaluate("(watch) => watch.time")
            times += [milliseconds] * (press >= 0)
            page.wait_for_timeout(120)
    lab.close(page)
    return times


# Notes how long each move of the pen is worked on, and after its event drawn; the
# frames while it is down; and when each answer was shown.
PEN_WATCH = """() => {
  const notes = window.notes = { work: [], moves: [], frames: [], answers: [], lifted: 0 };
  let begin, down = false, last = performance.now();
  addEventListener("pointermove", () => { begin = performance.now(); }, true);
  addEventListener("pointermove", (event) => {
    if (!down) return;
    notes.work.push(performance.now() - begin);
    notes.moves.push(performance.now() - event.timeStamp);
    notes.moved = event.timeStamp;
  });
  addEventListener("pointerdown", () => { down = true; }, true);
  addEventListener("pointerup", (event) => { down = false; notes.lifted = event.timeStamp; });
  // The page answers in a frame of its own; what is posted then arrives after it was painted.
  const painted = new MessageChannel();
  painted.port1.onmessage = () => notes.answers.push(performance.now());
  new MutationObserver(() => painted.port2.postMessage(0))
    .observe(document.querySelector(".sketch-seen"), { attributes: true });
  const frame = (now) => {
    if (down) notes.frames.push(now - last);
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""

# Where the last move was answered before the pen went up, the bars stand already.
LAST = """[Math.max(0, notes.answers.at(-1) - notes.lifted),
  notes.answers.at(-1) - notes.moved]"""


def sketchpad() -> None:
    """Print how long the pad of notebook 06 takes from pen up to the bars of all that
    is drawn, and to draw each move.
    """
    import chromium
    import lab
    from strokes import DIGITS

    answers = []
    with lab.jupyterlab() as address, chromium.started() as browser:
        page = lab.open_notebook(
            browser, address, "notebooks/06_inside_the_convnet.ipynb"
        )
        lab.run_all(page)
        lab.to_top(page)
        page.wait_for_selector("canvas.sketch")
        page.locator("canvas.sketch").scroll_into_view_if_needed()
        page.evaluate(PEN_WATCH)
        for strokes in [*DIGITS.values()] * 3:
            page.get_by_role("button", name="Clear").click()
            page.wait_for_timeout(400)
            for stroke in strokes:
                page.evaluate("() => { notes.answers = []; }")
                lab.draw_strokes(page, [stroke])
                page.wait_for_timeout(600)
                answers.append(page.evaluate(LAST))
        work, moves, frames = (
            page.evaluate(f"notes.{name}") for name in ("work", "moves", "frames")
        )
        lab.close(page)
    print("the sketchpad in notebook 06, JupyterLab in Chromium\n")
    print(f"{'':44}{'count':>7}{'median ms':>12}{'p95 ms':>10}{'longest':>10}")
    lifted, moved = zip(*answers, strict=True)
    rows = {"pen up to the bars of the drawing": lifted}
    rows |= {"the last move to these bars": moved, "drawing a move": work}
    rows |= {
        "a move's event until it is drawn": moves,
        "from frame to frame, pen down": frames,
    }
    for name, values in rows.items():
        p95 = statistics.quantiles(values, n=20)[-1]
        print(
            f"{name:44}{len(values):7}{statistics.median(values):12.1f}{p95:10.1f}{max(values):10.1f}"
        )


def startup() -> None:
    """Print the time from Run All in a fresh kernel to the first picture, and the
    kernel's peak memory.
    """
    import torch

    first, begin = [], time.perf_counter()

    def note_picture(cell, cell_index, execute_reply) -> None:
        if not first and any(
            "image/png" in output.get("data", {}) for output in cell.get("outputs", [])
        ):
            first.append(time.perf_counter() - begin)

    name, megabytes = _run_fresh("01", note_picture)
    print(f"{name} with torch {torch.__version__}, from the start of a fresh kernel")
    print(
        f"first picture after {first[0]:.1f} s, last cell after {time.perf_counter() - begin:.1f} s"
    )
    print(f"peak memory of the kernel {megabytes:.0f} MB")


def memory() -> None:
    """Print the peak memory of notebook 05's kernel, and how much of it the packages
    take before any digit is there.
    """
    import torch

    begin = time.perf_counter()
    name, megabytes = _run_fresh("05")
    seconds = time.perf_counter() - begin
    command = [sys.executable, "-c", f"import torch, torchvision; {PEAK}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = _megabytes(done.stdout)
    print(
        f"{name} with torch {torch.__version__}, {torch.get_num_threads()} threads, {seconds:.0f} s"
    )
    print(f"peak memory of the kernel {megabytes:.0f} MB")
    print(
        f"import torch, torchvision alone {imported:.0f} MB, all else {megabytes - imported:.0f} MB"
    )


def _run_fresh(
    number: str, on_cell_executed: Callable | None = None
) -> tuple[str, float]:
    """Run a notebook in a kernel of its own; return its name and the kernel's peak
    memory in MB.
    """
    path = next((ROOT / "notebooks").glob(f"{number}*.ipynb"))
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(PEAK))
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        on_cell_executed=on_cell_executed,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute(env=os.environ | {"CONVNETS_PROGRESS": "off"})
    return path.name, _megabytes(notebook.cells[-1].outputs[0].text)


def _megabytes(printed: str) -> float:
    return int(printed) / (1024 * (1024 if sys.platform == "darwin" else 1))


def site() -> None:
    """Make the site and open its first page at 10 Mbit/s and 40 ms, five times."""
    import chromium
    import site_check

    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        command = [sys.executable, "-m", "helpers.handout", "--site", folder]
        subprocess.run(command, check=True, cwd=ROOT)
        print(f"made in {time.monotonic() - start:.0f} s")
        with site_check.served(folder) as address, chromium.started() as browser:
            opened = [site_check.opening(browser, address) for _ in range(5)]
    seconds, sizes = zip(*opened, strict=True)
    print(f"the first page moves {max(sizes) / 1e6:.2f} MB, packed")
    print(
        f"its bench answers the first key {statistics.median(seconds):.2f} s after "
        f"opening (median of 5, longest {max(seconds):.2f} s)"
    )


def training(quick: bool = False) -> None:
    """Print how much faster the course trains than older texts, and what its recipes
    reach.
    """
    import race

    race.table(quick=quick)


def classroom(quick: bool = False, kernels: list[int] | None = None) -> None:
    """Print how kernels train side by side, and what a class of students asks of one
    machine; exit with 1 where a kernel did not come to its end.
    """
    import classroom
    import side_by_side

    side_by_side.table()
    print(flush=True)

    if not classroom.table(
        kernels or (classroom.QUICK if quick else classroom.KERNELS)
    ):
        sys.exit(1)


def main(*given: str) -> None:
    """Run the benchmark that the arguments name."""
    commands = {
        "latency": latency,
        "sketchpad": sketchpad,
        "startup": startup,
        "memory": memory,
        "site": site,
    }
    commands |= {"training": training, "class": classroom}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    chosen = parser.add_subparsers(dest="chosen", required=True)
    for name, command in commands.items():
        options = chosen.add_parser(name, description=command.__doc__)
        if name in ("training", "class"):
            options.add_argument(
                "--quick", action="store_true", help="fewer and shorter runs"
            )
        if name == "class":
            options.add_argument(
                "--kernels",
                type=int,
                nargs="+",
                help="how many students, one row for each",
            )
    options = vars(parser.parse_args(given))
    commands[options.pop("chosen")](**options)


if __name__ == "__main__":
    main(*sys.argv[1:])
