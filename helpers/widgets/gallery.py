"""Benches that turn pages of pictures: kernels over training time, and an image on its
way through a network.

All pages are in the browser, so the sliders answer within a frame, with or without a
kernel.
"""

import reprlib
from collections.abc import Sequence
from math import floor, isqrt

import torch
import torch.nn.functional as F
from torch import nn

from helpers import figures, inspection
from helpers.validation import check_whole
from helpers.widgets.base import Bench, View, as_text, player, slider

MOST = 30  # images: what goes through is sent to the browser at once
FULL, ZERO = 126, 128  # of the bytes for signed numbers; byte 0 has no colour
TIPS = {
    "moment": "How far the training is",
    "image": "Which image goes through the network",
    "layer": "After which operation",
}


def strip(
    title: str,
    names: list[str],
    pictures: torch.Tensor,
    largest: float = 0.0,
    side: int = 84,
) -> dict:
    """Return pictures N×H×W, nan for a gap, under their names as the browser takes
    them, `side` pixels wide.

    Numbers of both signs are painted around zero, others from black to white; the scale
    ends at the largest.
    """
    numbers = pictures.nan_to_num()
    signed, end = (
        bool((numbers < 0).any()),
        largest or float(numbers.abs().max()) or 1.0,
    )
    scaled = ZERO + FULL * numbers / end if signed else 255 * numbers / end
    board = (
        scaled.round().clamp(0, 255).masked_fill(pictures.isnan(), 0).to(torch.uint8)
    )
    pixels, size = as_text(board.contiguous().numpy().tobytes()), [*board.shape[1:]]
    return {
        "title": title,
        "names": names,
        "size": size,
        "pixels": pixels,
        "signed": signed,
        "side": side,
    }


def _place(name: str, trait: str) -> property:
    def check(bench: "Bench", value: int) -> None:
        bench._put(trait, check_whole(name, value, 0, bench._linked[trait][0].max))

    return property(lambda bench: getattr(bench._view, trait), check, doc=TIPS[name])


class _Gallery(Bench):
    """A page for each value of the first slider, and of the second where there are two."""

    def __init__(self, pages: list[list[dict]]) -> None:
        flat, across = [page for row in pages for page in row], len(pages[0])
        self._view = View("gallery", pages=flat, across=across, first=0, second=0)
        self._linked, play = {}, player("Turn the pages")
        for trait, name, last in zip(
            ("first", "second"),
            self._settable(),
            (len(pages) - 1, across - 1),
            strict=False,
        ):
            self._linked[trait] = [slider(name, 0, last, TIPS[name])]
        play.max = last
        self._linked[trait].append(play)
        super().__init__(self._tied())

    @property
    def says(self) -> str:
        """The sentence above the pictures."""
        return self._view.pages[
            self._view.first * self._view.across + self._view.second
        ]["says"]


class KernelFilm(_Gallery):
    """The kernels of a network's convolutions over training time, painted on one scale
    for each layer.

    `KernelFilm(history.snapshots)` takes what a History holds: (batches done, {name:
    weights K×C×k×k}), float. `film.moment = 3` moves the slider too; `film.kernels` is
    what is shown. Anything else raises ValueError.
    """

    moment = _place("moment", "first")

    def __init__(
        self, snapshots: Sequence[tuple[int, dict[str, torch.Tensor]]]
    ) -> None:
        try:
            # Copies, as a network that trains on changes its kernels.
            self._snapshots = [
                (
                    done,
                    {name: values.detach().clone() for name, values in kernels.items()},
                )
                for done, kernels in snapshots
            ]
            every = [kernels for _, kernels in self._snapshots]
            ends = {
                name: max(float(kernels[name].abs().max()) for kernels in every)
                for name in every[0]
            }
            pages = [[self._page(*snapshot, ends)] for snapshot in self._snapshots]
        except (TypeError, ValueError, AttributeError, LookupError):
            wanted = "A film takes snapshots, such as history.snapshots after fit()"
            raise ValueError(f"{wanted}, not {reprlib.repr(snapshots)}.") from None
        super().__init__(pages)

    @property
    def kernels(self) -> dict[str, torch.Tensor]:
        """The kernels K×C×k×k at this moment, by name."""
        return self._snapshots[self.moment][1]

    def _page(
        self, done: int, kernels: dict[str, torch.Tensor], ends: dict[str, float]
    ) -> dict:
        last, final = self._snapshots[-1]
        alike = ", ".join(
            f"{name} {F.cosine_similarity(values.flatten(), final[name].flatten(), 0):.2f}"
            for name, values in kernels.items()
        )
        strips = [
            _kernel_strip(name, values, ends[name]) for name, values in kernels.items()
        ]
        return {
            "says": f"After {done} of {last} batches. Cosine with the end: {alike}.",
            "strips": strips,
        }

    def _still(self) -> figures.Picture:
        boards = {
            f"{name} {number}": board
            for name, values in self.kernels.items()
            for number, board in enumerate(_side_by_side(values))
        }
        return figures.images(
            boards, self.says, columns=4, signed=True, title=self.says
        )


def _kernel_strip(name: str, kernels: torch.Tensor, end: float) -> dict:
    count, channels, height, width = kernels.shape
    title = f"{name}: {count} kernels of {channels}×{height}×{width}, from −{end:.2f} (blue) to {end:.2f} (orange)"
    names, side = [*map(str, range(count))], 84 if channels == 1 else 184
    return strip(title, names, _side_by_side(kernels), end, side)


def _side_by_side(kernels: torch.Tensor) -> torch.Tensor:
    """Return kernels K×C×k×k as boards K×k×(C·(k+1) − 1), with a line of nan between
    the channels.
    """
    spaced = F.pad(kernels, (0, 1), value=torch.nan)
    return spaced.transpose(1, 2).flatten(2)[..., :-1]


class LayerWalk(_Gallery):
    """Images on their way through a network, operation by operation, with each shape.

    `LayerWalk(model, images, labels, source)`: images N×1×28×28 from 0 to 1, at most
    30, their labels N, and whose digits they are; anything else raises ValueError.
    `walk.layer = 3` moves the slider too; `walk.maps` is what torch gives there.
    """

    image, layer = _place("image", "first"), _place("layer", "second")

    def __init__(
        self, model: nn.Module, images: torch.Tensor, labels: torch.Tensor, source: str
    ) -> None:
        inspection.check_images(images, 4)
        labels = labels.tolist() if hasattr(labels, "tolist") else labels
        if (
            len(images) > MOST
            or not isinstance(labels, list | tuple)
            or len(labels) != len(images)
        ):
            what = f"{len(images)} with the labels {reprlib.repr(labels)}"
            raise ValueError(
                f"A walk takes 1 to {MOST} images and a list of as many labels, not {what}."
            )
        self._source = source
        self._stages = [inspection.stages(model, image) for image in images]
        pages = [
            [
                self._page(f"image {number}, a {label}", *stage)
                for stage in stages.items()
            ]
            for number, (label, stages) in enumerate(
                zip(labels, self._stages, strict=True)
            )
        ]
        super().__init__(pages)

    @property
    def maps(self) -> torch.Tensor:
        """What the network has made of the image after this operation, without the
        batch's axis.
        """
        return [*self._stages[self.image].values()][self.layer].clone()

    def _page(self, what: str, name: str, values: torch.Tensor) -> dict:
        says = f"{self._source} {what}, after {name}: "
        says += f"{'×'.join(map(str, values.shape))}, from {values.min():.2f} to {values.max():.2f}."
        if values.shape == (10,) and values.isfinite().all():
            chances = values.softmax(0)
            sure = (
                min(floor(1e4 * chances.max()), 9999) / 100
            )  # nobody is sure to 100 %, whatever float32 says
            says += f" The answer is {int(chances.argmax())}, and softmax is {sure:.2f} % sure."
        boards, names = _boards(values)
        return {
            "says": says,
            "strips": [strip("", names, boards, side=140 if len(boards) < 5 else 98)],
        }

    def _still(self) -> figures.Picture:
        boards, names = _boards(self.maps)
        pictures = {
            name or "all": board for name, board in zip(names, boards, strict=True)
        }
        signed = bool((self.maps < 0).any())
        return figures.images(
            pictures, self.says, columns=5, signed=signed, title=self.says
        )


def _boards(values: torch.Tensor) -> tuple[torch.Tensor, list[str]]:
    """Return what is drawn of C×H×W or of a row of numbers, as boards N×h×w, and their
    names.
    """
    if values.ndim == 3:
        return values, [
            f"map {number}" if len(values) > 1 else "" for number in range(len(values))
        ]
    if len(values) <= 10:
        return values.view(-1, 1, 1), [
            f"{number}: {value:.1f}" for number, value in enumerate(values.tolist())
        ]
    height = next(
        rows for rows in range(isqrt(len(values)), 0, -1) if len(values) % rows == 0
    )
    return values.view(1, height, -1), [""]
