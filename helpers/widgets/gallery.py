"""Benches that turn pages of pictures: kernels over training time, and an image on its
way through a network.

All pages are in the browser, so the sliders answer within a frame, with or without a
kernel.
"""

import reprlib
from collections.abc import Sequence
from contextlib import suppress
from math import floor, isqrt

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import default_collate

from helpers import figures, inspection
from helpers.sizes import times
from helpers.validation import SentenceError, check_whole
from helpers.widgets.base import Bench, View, as_text, player, slider

MOST = 30  # images: what goes through is sent to the browser at once
DRAWN, IN_STILL = 64, 30  # pictures at most, in a row of the browser and without one
FULL, ZERO = 126, 128  # of the bytes for signed numbers; byte 0 has no colour
TIPS = {
    "moment": "How far the training is",
    "image": "Which image goes through the network",
    "layer": "After which operation",
}


def strip(
    title: str, names: list[str], pictures: Tensor, largest: float = 0.0, side: int = 84
) -> dict:
    """Return pictures N×H×W, nan for a gap, under their names as the browser takes
    them, `side` pixels wide.

    Numbers of both signs are painted around zero, others from black to white; the scale
    ends at the largest. Of more than 64 the first are taken, which the title says.
    """
    if len(pictures) > DRAWN:
        title = f"{title} (the first {DRAWN} of {len(pictures)} are drawn)".lstrip()
    pictures = pictures[:DRAWN]
    numbers = pictures.nan_to_num()
    end = largest or float(numbers.abs().max()) or 1.0
    signed = bool((numbers < 0).any())
    scaled = ZERO + FULL * numbers / end if signed else 255 * numbers / end
    board = scaled.round().clamp(0, 255).masked_fill(pictures.isnan(), 0).byte()
    return {
        "title": title,
        "names": names[:DRAWN],
        "size": [*board.shape[1:]],
        "pixels": as_text(board.numpy().tobytes()),
        "signed": signed,
        "side": side,
    }


def _place(name: str, trait: str) -> property:
    def check(bench: "_Gallery", value: int) -> None:
        bench._put(trait, check_whole(name, value, 0, bench._linked[trait][0].max))

    return property(lambda bench: getattr(bench._view, trait), check, doc=TIPS[name])


class _Gallery(Bench):
    """A page for each value of the first slider, and of the second if there are two."""

    _sliders: tuple[str, ...]
    _columns: int  # of the still picture

    def __init__(self, pages: list[list[dict]]) -> None:
        flat, across = [page for row in pages for page in row], len(pages[0])
        self._view = View("gallery", pages=flat, across=across, first=0, second=0)
        self._linked, play = {}, player("Turn the pages")
        lasts = {"first": len(pages) - 1, "second": across - 1}
        for name, (trait, last) in zip(self._sliders, lasts.items(), strict=False):
            self._linked[trait], play.max = [slider(name, 0, last, TIPS[name])], last
        self._linked[trait].append(play)
        super().__init__(self._tied())

    @property
    def says(self) -> str:
        """The sentence above the pictures."""
        row, column = self._view.first, self._view.second
        return self._view.pages[row * self._view.across + column]["says"]

    def _still(self) -> figures.Picture:
        few = [*self._pictures().items()][:IN_STILL]
        pictures = {name: picture.nan_to_num() for name, picture in few}
        signed = any((picture < 0).any() for picture in pictures.values())
        says = self.says
        return figures.images(pictures, says, self._columns, signed=signed, title=says)


class KernelFilm(_Gallery):
    """The kernels of a network's convolutions over training time, painted on one scale
    for each layer.

    `KernelFilm(history.snapshots)` takes what a History holds: (batches done, {name:
    weights K×C×k×k}). `film.moment = 3` moves the slider too; `film.kernels` is what is
    shown. Anything else raises ValueError.
    """

    moment = _place("moment", "first")
    _sliders, _columns = ("moment",), 4

    def __init__(self, snapshots: Sequence[tuple[int, dict[str, Tensor]]]) -> None:
        self._done, self._film = _stacked(snapshots)
        super().__init__([[self._page(moment)] for moment in range(len(self._done))])

    @property
    def kernels(self) -> dict[str, Tensor]:
        """The kernels K×C×k×k at this moment, by name, float32."""
        return {name: values[self.moment] for name, values in self._film.items()}

    def _page(self, moment: int) -> dict:
        alike = [
            f"{name} {F.cosine_similarity(*values[[moment, -1]].flatten(1), 0):.2f}"
            for name, values in self._film.items()
        ]
        says = f"After {self._done[moment]} of {self._done[-1]} batches. "
        return {
            "says": f"{says}Cosine with the end: {', '.join(alike)}.",
            "strips": [_kernel_strip(*one, moment) for one in self._film.items()],
        }

    def _pictures(self) -> dict[str, Tensor]:
        return {
            f"{name} {number}": board
            for name, kernels in self.kernels.items()
            for number, board in enumerate(_side_by_side(kernels))
        }


def _stacked(snapshots: object) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the T numbers of batches, and by name the kernels T×K×C×k×k as they are
    now; raise ValueError where these are no snapshots.
    """
    with suppress(TypeError, ValueError, AttributeError, LookupError, RuntimeError):
        done, film = default_collate([*snapshots])
        film = {name: each.detach().cpu().float() for name, each in film.items()}
        alike = film and all(len(kernels) == len(film) for _, kernels in snapshots)
        if alike and all(each.ndim == 5 and each.numel() for each in film.values()):
            return done, film
    raise SentenceError(
        "A film takes snapshots, such as history.snapshots after fit(), not "
        f"{reprlib.repr(snapshots)}: each holds the same convolutions' kernels."
    )


def _kernel_strip(name: str, values: Tensor, moment: int) -> dict:
    end = float(values.nan_to_num(0, 0, 0).abs().max())
    _, count, channels, height, width = values.shape
    title = f"{name}: {count} kernels of {channels}×{height}×{width}, "
    title += f"from −{end:.2f} (blue) to {end:.2f} (orange)"
    names, side = [*map(str, range(count))], 84 if channels == 1 else 184
    return strip(title, names, _side_by_side(values[moment]), end, side)


def _side_by_side(kernels: Tensor) -> Tensor:
    """Return kernels K×C×k×k as boards K×k×(C·(k+1) − 1), with nan between channels."""
    spaced = F.pad(kernels, (0, 1), value=torch.nan)
    return spaced.transpose(1, 2).flatten(2)[..., :-1]


class LayerWalk(_Gallery):
    """Images on their way through a network, operation by operation, with each shape.

    `LayerWalk(model, images, labels, source)`: images N×1×28×28 from 0 to 1, at most
    30, their labels N, and whose digits they are; anything else raises ValueError.
    `walk.layer = 3` moves the slider too; `walk.maps` is what torch gives there.
    """

    image, layer = _place("image", "first"), _place("layer", "second")
    _sliders, _columns = ("image", "layer"), 5

    def __init__(
        self, model: nn.Module, images: Tensor, labels: Tensor, source: str
    ) -> None:
        inspection.check_images(images, 4)
        if len(images) > MOST or np.shape(labels) != (len(images),):
            raise SentenceError(
                f"A walk takes 1 to {MOST} images and a list of as many labels, "
                f"not {len(images)} with the labels {reprlib.repr(labels)}."
            )
        self._stages = [inspection.stages(model, image) for image in images]
        words = [f"{source} image {place}, a {of}" for place, of in enumerate(labels)]
        super().__init__([*map(_stage_pages, words, self._stages)])

    @property
    def maps(self) -> Tensor:
        """What the operation gives for the image, without the batch's axis."""
        return [*self._stages[self.image].values()][self.layer].clone()

    def _pictures(self) -> dict[str, Tensor]:
        boards, names = _boards(self.maps.float())
        return {name or "all": board for name, board in zip(names, boards, strict=True)}


def _stage_pages(what: str, stages: dict[str, Tensor]) -> list[dict]:
    pages = []
    for name, maps in stages.items():
        values, size = maps.float(), times(maps.shape) or "1"
        ends = f"from {values.min():.2f} to {values.max():.2f}"
        says = f"{what}, after {name}: {size}, {ends}."
        if values.shape == (10,) and values.isfinite().all():
            chance, digit = values.softmax(0).max(0)
            sure = min(floor(1e4 * chance), 9999) / 100  # nobody is sure to 100 %
            says += f" The answer is {digit}, and softmax is {sure:.2f} % sure."
        boards, names = _boards(values)
        side = 140 if len(boards) < 5 else 98
        pages.append({"says": says, "strips": [strip("", names, boards, side=side)]})
    return pages


def _boards(values: Tensor) -> tuple[Tensor, list[str]]:
    """Return what is drawn of numbers in any number of axes, as boards N×h×w, and their
    names: the last two axes make a board, a row alone makes tiles or is folded.
    """
    if values.ndim > 1:
        places = np.ndindex(values.shape[:-2])
        names = [f"map {', '.join(map(str, place))}" for place in places]
        boards = values.reshape(-1, *values.shape[-2:])
        return boards, names if len(names) > 1 else [""]
    row = values.flatten().tolist()
    if len(row) <= 10:
        names = [f"{place}: {value:.1f}" for place, value in enumerate(row)]
        return values.reshape(-1, 1, 1), names
    heights = [rows for rows in range(1, isqrt(len(row)) + 1) if len(row) % rows == 0]
    return values.view(1, heights[-1], -1), [""]
