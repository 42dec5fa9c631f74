"""Every matplotlib drawing of the course, with words for those who do not see it."""

from io import BytesIO
from itertools import accumulate

import torch
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from PIL import Image

from helpers.sizes import times
from helpers.validation import check_choice, check_whole

# Okabe and Ito's blue, vermilion and green, told apart by every kind of colour vision.
BLUE, VERMILION, GREEN = "#0072b2", "#d55e00", "#009e73"
SIGNED = LinearSegmentedColormap.from_list("signed", [BLUE, "white", VERMILION])
WARM = LinearSegmentedColormap.from_list("warm", ["white", VERMILION])
DASHES = ["-", "--", ":", "-."]
DOTS_PER_INCH = 80
PAPER = 31  # after as many colours
OPERATION = dict(boxstyle="round", facecolor="0.94", edgecolor="0.4", linewidth=1)
LEAF = dict(boxstyle="square", facecolor="#ddf3ec", edgecolor=GREEN, linewidth=2)


class Picture:
    """A drawing: a PNG in a notebook, and in words what can be seen."""

    def __init__(self, figure: Figure, alt: str):
        self.alt, self._figure = alt, figure
        drawing, small = BytesIO(), BytesIO()
        _suit_both_themes(figure)
        how = dict(bbox_inches="tight", transparent=True)
        figure.savefig(drawing, format="png", dpi=DOTS_PER_INCH, **how)
        # 31 colours are enough, and keep the notebooks small for slow networks. One
        # more lets the page's own paper through.
        drawn = Image.open(drawing)
        flat = Image.new("RGB", drawn.size, "white")
        flat.paste(drawn, mask=drawn)
        reduced = flat.quantize(PAPER)
        reduced.putpalette(reduced.getpalette()[: 3 * PAPER] + [255, 255, 255])
        bare = drawn.getchannel("A").point(lambda alpha: 255 * (alpha < 90))
        reduced.paste(PAPER, mask=bare)
        reduced.save(small, format="png", optimize=True, transparency=PAPER)
        self.png = small.getvalue()

    def save(self, path: str) -> None:
        """Keep the drawing in a file; .svg and .pdf stay sharp at any size."""
        about = {"Title": self.alt}
        for text in self._figure.findobj(Text):
            text.set_path_effects([])  # with a rim, words become curves
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": "the same each time"}):
            self._figure.savefig(path, bbox_inches="tight", metadata=about)

    def __repr__(self) -> str:
        return self.alt

    def _repr_mimebundle_(self, **_kwargs: object) -> tuple[dict, dict]:
        data = {"image/png": self.png, "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt}}


def _suit_both_themes(figure: Figure) -> None:
    """Let the page's own paper show, light or dark: words get a white rim, which only
    dark paper shows, and frames a grey that is seen on both.
    """
    rim = [withStroke(linewidth=2.5, foreground="white")]
    inside = {text for axis in figure.axes if axis.images for text in axis.texts}
    for text in figure.findobj(Text):
        if text not in inside:
            text.set_path_effects(rim)
    for axis in figure.axes:
        axis.spines[:].set_color("0.5")
        axis.tick_params(color="0.5")


def images(
    pictures: dict[str, torch.Tensor],
    says: str,
    columns: int = 4,
    black: float | None = None,
    white: float | None = None,
    title: str = "",
    signed: bool = False,
    tile: float = 2.3,
) -> Picture:
    """Draw H×W tensors side by side in grey, under their names and a title for all.

    `says` is one sentence on what can be seen, for those who do not see it. Where
    `black` and `white` are not given, each picture goes from its own smallest to its
    own largest value. `signed` paints negative numbers blue, positive ones vermilion,
    and zero white, with one scale for all pictures. A picture is `tile` inches wide.
    """
    ends, kind = dict(cmap="gray", vmin=black, vmax=white), "Grey pictures"
    if signed:
        largest = max(float(picture.abs().max()) for picture in pictures.values())
        ends = dict(cmap=SIGNED, vmin=-largest, vmax=largest)
        kind = "Blue for negative and orange for positive numbers"
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    figure = Figure(figsize=(tile * columns, (tile + 0.4) * rows), layout="constrained")
    axes, words = figure.subplots(rows, columns, squeeze=False).ravel(), []
    for axis, (name, picture) in zip(axes, pictures.items(), strict=False):
        size = times(picture.shape)
        axis.imshow(picture.numpy(), interpolation="nearest", **ends)
        axis.set_title(f"{name}\n{size}", fontsize=10 if tile > 2 else 8)
        words.append(f"{name} {size}")
    for axis in axes:
        axis.axis("off")
    if title:
        figure.suptitle(title)
    return Picture(figure, f"{says} {kind}: {', '.join(words)}.")


def marked(picture: Picture, marks: dict[str, tuple[int, int]]) -> Picture:
    """Put a ring around a pixel in what `images` drew; `marks` has its row and column
    by the picture's name. Raises ValueError for a name or a pixel that is not there.
    """
    titles = {axis.get_title(): axis for axis in picture._figure.axes if axis.images}
    axes = {title.rpartition("\n")[0]: axis for title, axis in titles.items()}
    words = []
    for name, (row, column) in marks.items():
        check_choice("the name of a marked picture", name, axes)
        height, width = axes[name].images[0].get_size()
        check_whole("the row of a mark", row, 0, height - 1)
        check_whole("the column of a mark", column, 0, width - 1)
        for thick, colour in ((6, "white"), (3, "black")):  # seen on dark and on light
            ring = dict(facecolors="none", edgecolors=colour, linewidths=thick)
            axes[name].scatter(column, row, s=240, **ring)
        words.append(f"in {name} at row {row}, column {column}")
    return Picture(picture._figure, f"{picture.alt} A ring: {'; '.join(words)}.")


def matrices(values: dict[str, torch.Tensor]) -> Picture:
    """Draw small H×W tensors side by side, with every number, also in the words."""
    widths = [tensor.shape[1] for tensor in values.values()]
    height = max(tensor.shape[0] for tensor in values.values())
    size = 0.42 * sum(widths) + 0.5 * len(widths), 0.42 * height + 0.5
    figure = Figure(figsize=size)
    axes = figure.subplots(1, len(values), squeeze=False, width_ratios=widths).ravel()
    words = []
    for axis, (name, tensor) in zip(axes, values.items(), strict=True):
        texts = _numbers(axis, name, tensor)
        words.append(f"{name}: {' / '.join(map(' '.join, texts))}")
    return Picture(figure, f"Tables of numbers. {'; '.join(words)}.")


def table(
    values: torch.Tensor, rows: list[str], columns: list[str], title: str
) -> Picture:
    """Draw a table R×C of whole numbers, darker for larger ones, nan left blank."""
    size = 1.6 + 0.62 * len(columns), 0.9 + 0.36 * len(rows)
    figure = Figure(figsize=size, layout="constrained")
    axis = figure.subplots()
    top = 1.6 * (float(values.nan_to_num().max()) or 1.0)
    shown = values.clamp(min=0).numpy()
    axis.imshow(shown, cmap=WARM, vmin=0, vmax=top, aspect="auto")
    texts = [["" if one.isnan() else f"{one:.0f}" for one in row] for row in values]
    _write(axis, texts, 9)
    axis.set_xticks(range(len(columns)), columns)
    axis.set_yticks(range(len(rows)), rows)
    axis.tick_params(length=0, labeltop=True, labelbottom=False)
    figure.suptitle(title, fontsize=11)
    words = "; ".join(
        f"{name}: {' '.join(line)}" for name, line in zip(rows, texts, strict=True)
    )
    return Picture(figure, f"A table. {title}. Columns {', '.join(columns)}. {words}.")


def reliability(bins: list[tuple[float, float, float, int]], title: str) -> Picture:
    """Draw accuracy over confidence, from 0 to 1.

    A bin is (confidence, accuracy, half of its interval, images).
    """
    axis = _plot(5, 4.2, title, "mean probability of the answer", "share that is right")
    confidence, accuracy, margin, _ = zip(*bins, strict=True)
    axis.plot([0, 1], [0, 1], "--", color="0.4", label="sure as often as right")
    marks = dict(
        fmt="o",
        color=BLUE,
        capsize=4,
        label="measured, with its interval; below, how many",
    )
    axis.errorbar(confidence, accuracy, margin, **marks)
    words = []
    for place, (x, y, half, count) in enumerate(bins):
        height = 0.06 * place + 0.02  # each its own, as the last points are close
        axis.vlines(x, height, y - half, color="0.6", lw=0.6)
        axis.text(x - 0.01, height, f"{count:,}", ha="right", fontsize=9)
        words.append(f"{x:.2f} sure, {y:.2f} right, {count} images")
    axis.set_ylim(0, 1.28)
    axis.legend(loc="upper left")
    says = f"Points near a diagonal line. {title}. {'; '.join(words)}."
    return Picture(axis.figure, says)


def lines(
    curves: dict[str, list[float]],
    title: str,
    along: str,
    up: str,
    says: str,
    start: int = 0,
) -> Picture:
    """Draw curves over start, start + 1, …, and say every number in the words."""
    axis = _plot(7.5, 3.6, title, along, up)
    axis.set_prop_cycle(color=[BLUE, VERMILION, "black"] * 4, linestyle=DASHES * 3)
    words = []
    for name, values in curves.items():
        places = range(start, start + len(values))
        axis.plot(places, values, marker="o", markersize=4, label=name)
        words.append(f"{name}: {' '.join(f'{value:.2f}' for value in values)}")
    axis.set_ylim(0, None)
    axis.figure.legend(loc="outside right upper")
    says = f"{says} {title}; {up} for each {along}. {'; '.join(words)}."
    return Picture(axis.figure, says)


def in_bins(values: list[float], most: int = 100) -> tuple[list[int], list[float]]:
    """Return the ends of at most `most` stretches of the values, and their means."""
    width = -(-len(values) // most) or 1
    stretches = [values[i : i + width] for i in range(0, len(values), width)]
    means = [sum(stretch) / len(stretch) for stretch in stretches]
    return [*accumulate(map(len, stretches))], means


def training(runs: dict[str, dict[str, list]], source: str) -> Picture:
    """Draw loss and accuracy of training runs along their batches.

    A run has "steps", "losses" and "accuracies" of its batches, and "validation":
    batches, loss, accuracy by epoch.
    """
    named = any(runs)
    size = 9.5, 3.4 + 0.25 * named * len(runs)
    figure = Figure(figsize=size, layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    for axis in figure.axes:
        axis.grid(color="0.7", lw=0.6)
        axis.set_xlabel("batches")
        axis.set_prop_cycle(color=[BLUE, VERMILION, "black", GREEN], linestyle=DASHES)
    words = []
    for name, run in runs.items():
        _run(loss, name, run, "losses", 1)
        _run(accuracy, name, run, "accuracies", 2)
        words.append(f"{name or 'the run'}: {_outcome(run)}")
    loss.set(title=f"loss, {source}", ylabel="cross entropy, logarithmic", yscale="log")
    accuracy.set(title=f"accuracy, {source}", ylabel="share that is right")
    accuracy.set_ylim(None, 1.005)
    if named:  # within the axes, the names would lie on the curves
        handles = [*loss.lines[::2], *loss.lines[1::2]]
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
    elif runs:
        loss.legend()
    says = f"Two curves along the batches of training on {source}."
    return Picture(figure, f"{says} {'; '.join(words) or 'No run yet'}.")


def _run(axis: Axes, name: str, run: dict[str, list], what: str, place: int) -> None:
    (line,) = axis.plot(run["steps"], run[what], lw=1, label=f"{name} training".strip())
    style = dict(color=line.get_color(), linestyle=line.get_linestyle())
    marks = dict(marker="o", markersize=6, markerfacecolor="none", markeredgewidth=2)
    along, up = ([row[part] for row in run["validation"]] for part in (0, place))
    axis.plot(along, up, label=f"{name} validation".strip(), **style, **marks)


def _outcome(run: dict[str, list]) -> str:
    if not run["validation"]:
        return "no epoch was finished"
    batches, loss, right = run["validation"][-1]
    said = f"after {batches} batches the validation loss is {loss:.3f}"
    said += f" and the accuracy {right:.2%}"
    best = max(right for *_, right in run["validation"])
    return said + (f", at best {best:.2%}" if len(run["validation"]) > 1 else "")


def graph(
    places: dict[int, tuple[float, float]],
    routes: dict[tuple[int, int], list[tuple[float, float]]],
    words: dict[int, tuple[str, str]],
    leaves: set[int],
    current: int | None,
    says: str,
) -> Picture:
    """Draw nodes as boxes at (column, row), and edges as arrows along their points."""
    columns, rows = zip(*places.values(), strict=True)
    left = min([*columns, *(x for route in routes.values() for x, _ in route)])
    across, down = max(columns) - left + 1, max(rows) + 1
    width = 0.4 + 0.085 * max(len(line) for lines in words.values() for line in lines)
    figure = Figure(figsize=(width * across, 0.55 * down))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(left - 0.5, max(columns) + 0.5), ylim=(down - 0.5, -0.5))
    axis.axis("off")
    for route in routes.values():
        _arrow(axis, route)
    for number, place in places.items():
        text = f"{number}  {words[number][0]}\n{words[number][1]}"
        box = LEAF if number in leaves else OPERATION
        if number == current:
            box = box | dict(edgecolor="black", linewidth=3)
        axis.text(*place, text, ha="center", va="center", fontsize=8, bbox=box)
    legend = "Square boxes with a thick edge are leaves"
    return Picture(figure, f"{says} {legend}; arrows show the way of the gradients.")


def _arrow(axis: Axes, route: list[tuple[float, float]]) -> None:
    """Draw an edge from below one box to just above the other."""
    (x, y), *_, (end, last) = route
    path = [(x, y + 0.3), *route[1:-1], (end, last - 0.44)]
    axis.plot(*zip(*path, strict=True), color="0.45", lw=1, solid_joinstyle="round")
    arrow = {"arrowstyle": "-|>", "color": "0.45", "shrinkA": 0, "shrinkB": 0}
    axis.annotate("", (end, last - 0.27), path[-1], arrowprops=arrow)


def boards(
    columns: list[dict[str, torch.Tensor]],
    title: str,
    marked: dict[str, tuple[int, int]],
) -> Picture:
    """Draw matrices by name, in columns, with every number that finds room; `marked`
    has the row and column of a number that gets a frame.
    """
    most = max(map(len, columns))
    figure = Figure(
        figsize=(3.1 * len(columns), 2.4 + 1.6 * most), layout="constrained"
    )
    outer = figure.add_gridspec(1, len(columns))
    for place, column in enumerate(columns):
        inner = outer[place].subgridspec(len(column), 1)
        for row, (name, board) in enumerate(column.items()):
            axis = figure.add_subplot(inner[row])
            _numbers(axis, f"{name} {times(board.shape)}", board)
            if name in marked:
                y, x = marked[name]
                edge = dict(fill=False, lw=3, edgecolor=VERMILION)
                axis.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, **edge))
    figure.suptitle(title, fontsize=11)
    shapes = [f"{n} {times(b.shape)}" for column in columns for n, b in column.items()]
    return Picture(figure, f"The bench with {title}. It shows {', '.join(shapes)}.")


def sentence(text: str) -> Picture:
    """Draw a sentence in place of what cannot be drawn."""
    figure = Figure(figsize=(9, 1))
    figure.text(0.5, 0.5, text, ha="center", va="center", wrap=True)
    return Picture(figure, text)


def _plot(width: float, height: float, title: str, along: str, up: str) -> Axes:
    axis = Figure(figsize=(width, height), layout="constrained").subplots()
    axis.set(title=title, xlabel=along, ylabel=up)
    axis.grid(color="0.7", lw=0.6)
    return axis


def _numbers(axis: Axes, title: str, values: torch.Tensor) -> list[list[str]]:
    """Draw a matrix with every number, and return the numbers as texts."""
    largest = float(values.nan_to_num().abs().max()) or 1.0
    axis.imshow(values.numpy(), cmap=SIGNED, vmin=-2.4 * largest, vmax=2.4 * largest)
    texts = [[*map(short, row)] for row in values]
    if max(values.shape) <= 20:  # more would not be read
        _write(axis, texts, 8 if max(values.shape) < 10 else 6)
    axis.set_title(title, fontsize=10)
    axis.set(xticks=[], yticks=[])
    return texts


def _write(axis: Axes, texts: list[list[str]], size: int) -> None:
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            axis.text(column, row, text, ha="center", va="center", fontsize=size)


def short(value: torch.Tensor) -> str:
    """Return a number with two decimals at most, and nothing for nan."""
    text = f"{round(float(value), 2) + 0:.2f}".rstrip("0").rstrip(".")
    return "" if value.isnan() else text
