"""Every matplotlib drawing of the course: one style, one palette, and words for those who do not see it."""

from collections.abc import Sequence
from io import BytesIO
from itertools import product

import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from helpers import arithmetic

# Okabe and Ito's blue and vermilion, told apart by every kind of colour vision.
BLUE, VERMILION = "#0072b2", "#d55e00"
SIGNED = LinearSegmentedColormap.from_list("signed", [BLUE, "white", VERMILION])
DOTS_PER_INCH = 80


class Picture:
    """A drawing that shows itself as a PNG in a notebook and says in words what can be seen."""

    def __init__(self, figure: Figure, alt: str):
        self.alt = alt
        drawing, small = BytesIO(), BytesIO()
        figure.savefig(drawing, format="png", dpi=DOTS_PER_INCH, bbox_inches="tight")
        # 48 colours are enough for these drawings, and keep the notebooks small for slow networks.
        Image.open(drawing).convert("RGB").quantize(48).save(small, format="png", optimize=True)
        self.png = small.getvalue()

    def __repr__(self) -> str:
        return self.alt

    def _repr_mimebundle_(self, **_kwargs: object) -> tuple[dict, dict]:
        return {"image/png": self.png, "text/plain": self.alt}, {"image/png": {"alt": self.alt}}


def images(pictures: dict[str, torch.Tensor], alt: str, columns: int = 4, signed: bool = False) -> Picture:
    """Draw H×W tensors side by side under their names: grey, or blue to vermilion around 0 where `signed`."""
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    figure = Figure(figsize=(2.3 * columns, 2.7 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, (name, picture) in zip(axes, pictures.items(), strict=False):
        largest = float(picture.abs().max()) or 1.0
        limits = (-largest, largest) if signed else (float(picture.min()), float(picture.max()))
        axis.imshow(
            picture.numpy(), cmap=SIGNED if signed else "gray", vmin=limits[0], vmax=limits[1], interpolation="nearest"
        )
        axis.set_title(f"{name}\n{picture.shape[0]}×{picture.shape[1]}", fontsize=10)
    for axis in axes:
        axis.axis("off")
    return Picture(figure, alt)


def matrices(values: dict[str, torch.Tensor], alt: str) -> Picture:
    """Draw small H×W tensors side by side, each cell with its number."""
    widths = [tensor.shape[1] for tensor in values.values()]
    figure = Figure(
        figsize=(0.42 * sum(widths) + 0.5 * len(widths), 0.42 * max(t.shape[0] for t in values.values()) + 0.5)
    )
    axes = figure.subplots(1, len(values), squeeze=False, width_ratios=widths).ravel()
    for axis, (name, tensor) in zip(axes, values.items(), strict=True):
        _numbers(axis, name, tensor)
    return Picture(figure, alt)


def curves(lines: dict[str, Sequence[float]], x_label: str, y_label: str, title: str, alt: str) -> Picture:
    """Draw one line with markers for each name, over 0, 1, 2, …"""
    figure = Figure(figsize=(6.4, 3), layout="constrained")
    axis = figure.subplots()
    for (name, values), color, marker in zip(
        lines.items(), (BLUE, VERMILION, "#009e73", "black"), "os^D", strict=False
    ):
        axis.plot(range(len(values)), values, marker=marker, markersize=4, color=color, label=name)
    axis.set(xlabel=x_label, ylabel=y_label, title=title)
    axis.grid(alpha=0.3)
    axis.legend()
    return Picture(figure, alt)


def sliding_window(
    picture: torch.Tensor, kernel: torch.Tensor, output: torch.Tensor, settings: dict, step: int
) -> Picture:
    """Draw a bench as it stands: the padded n×n input and its window, the kernel, the products, the output."""
    stride, padding, dilation = settings["stride"], settings["padding"], settings["dilation"]
    padded = torch.nn.functional.pad(picture, (padding,) * 4)
    row, column = divmod(step, len(output))
    span = arithmetic.window_span(len(kernel), dilation)
    top, left = row * stride, column * stride
    products = padded[top : top + span : dilation, left : left + span : dilation] * kernel
    panels = {"padded input" if padding else "input": padded, "kernel": kernel, "products": products, "output": output}
    figure = Figure(figsize=(12.5, 4))
    axes = figure.subplots(1, 4, width_ratios=[3, 1.6, 1.6, 3])
    for axis, (name, values) in zip(axes, panels.items(), strict=True):
        _numbers(axis, f"{name} {len(values)}×{len(values)}", values)
    _hatch(axes[0], len(picture), padding, arithmetic.pixels_read(**settings))
    axes[0].add_patch(Rectangle((left - 0.5, top - 0.5), span, span, fill=False, edgecolor=VERMILION, lw=3))
    axes[3].add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=VERMILION, lw=3))
    total = f"{float(products.sum()):.4g}"
    words = ", ".join(f"{name} {value}" for name, value in settings.items())
    figure.suptitle(f"{words}: output size {len(output)}; output[{row}, {column}] = {total}", fontsize=11)
    size = f"{len(output)}×{len(output)}"
    return Picture(
        figure, f"The bench with {words}. Output {size}; the window at output[{row}, {column}] gives {total}."
    )


def _hatch(axis: Axes, size: int, padding: int, read: list[int]) -> None:
    """Mark the padding's zeros with strokes and the pixels that no window reads with crosses."""
    for row, column in product(range(-padding, size + padding), repeat=2):
        inside = 0 <= row < size and 0 <= column < size
        if not inside or row not in read or column not in read:
            corner = column + padding - 0.5, row + padding - 0.5
            axis.add_patch(Rectangle(corner, 1, 1, fill=False, hatch="xxx" if inside else "//", edgecolor="0.7", lw=0))


def _numbers(axis: Axes, title: str, values: torch.Tensor) -> None:
    largest = float(values.abs().max()) or 1.0
    axis.imshow(values.numpy(), cmap=SIGNED, vmin=-2.4 * largest, vmax=2.4 * largest)
    for row, column in product(*map(range, values.shape)):
        text = f"{round(float(values[row, column]), 2) + 0:.2f}".rstrip("0").rstrip(".")
        axis.text(column, row, text, ha="center", va="center", fontsize=8)
    axis.set_title(title, fontsize=10)
    axis.set(xticks=[], yticks=[])
