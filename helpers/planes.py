"""A plane of two numbers with the digits that a decoder makes all over it, drawn."""

import torch
from matplotlib.figure import Figure

from helpers.figures import Picture


def digit_map(
    tiles: torch.Tensor,
    ends: list[tuple[float, float]],
    point: tuple[float, float],
    digit: torch.Tensor,
) -> Picture:
    """Draw a picture of many digits over the plane of two numbers, the ends of whose
    axes are given, with a point on it, and beside it the digit at that point.
    """
    figure = Figure(figsize=(8.4, 4.9), layout="constrained")
    plane, one = figure.subplots(1, 2, width_ratios=[4.4, 3])
    grey = dict(cmap="gray", vmin=0, vmax=1)
    plane.imshow(tiles.numpy(), extent=(*ends[0], *ends[1]), aspect="auto", **grey)
    for marker in (dict(mew=6, mec="black"), dict(mew=3, mec="white")):
        plane.plot(*point, "o", ms=13, mfc="none", clip_on=False, **marker)
    plane.set(title="the map of digits", xlabel="number 0", ylabel="number 1")
    plane.set_box_aspect(1)
    place = ", ".join(f"{value:g}" for value in point)
    one.imshow(digit.numpy(), **grey)
    one.set_title(f"the digit at ({place})")
    one.axis("off")
    axes = [
        f"number {i} from {low:g} to {high:g}" for i, (low, high) in enumerate(ends)
    ]
    says = f"Digits all over the plane of two numbers, {' and '.join(axes)}, as a "
    return Picture(figure, f"{says}decoder makes them; a ring marks ({place}).")
