"""The sketchpad: a student draws a digit, and sees while drawing what a convolutional
network makes of it.

The browser owns the drawing and never waits; Python answers with what the network
computes. Strokes are lists of [x, y] points from 0 to 1, in shares of the pad's side, x
to the right and y down; so is the width of the pen.
"""

import math
import reprlib
import threading
from collections.abc import Sequence
from functools import partial

import ipywidgets as widgets
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers import figures
from helpers.digits import Digits
from helpers.inspection import copied, feature_maps
from helpers.training import logits
from helpers.validation import check_step, check_switch
from helpers.widgets.base import Bench, View, as_text, label, shared
from helpers.widgets.gallery import strip

SIDE, BOX = 28, 20  # pixels of MNIST's pictures, and of the box that the digit fills
THINNEST, THICKEST = (
    2.3,
    3.2,
)  # pixels of the pen: the plain digits of the tests are most like MNIST's with these
PENS = 0.03, 0.15, 0.01  # the thinnest, the thickest, the step
NEAREST, COMPARED = 5, 10_000  # pictures
# 99 of 100 of MNIST's validation digits are nearer to a training digit of their class
LIMIT = 6.2
SURE, UNSURE = 0.8, 0.4  # probabilities
TIPS = {
    "pen": "The width of the pen as a share of the pad's side",
    "centred": "Bring the drawing into MNIST's form: 20×20, the centre of mass in the middle of 28×28",
}


def _arc(
    x: float, y: float, across: float, down: float, start: float, end: float
) -> list[list[float]]:
    """Return points on a part of an ellipse, clockwise, in turns from its right end."""
    turns = [2 * math.pi * (start + (end - start) * step / 16) for step in range(17)]
    return [
        [round(x + across * math.cos(turn), 3), round(y + down * math.sin(turn), 3)]
        for turn in turns
    ]


EXAMPLE = [
    _arc(0.47, 0.31, 0.21, 0.19, 0.58, 1.25) + _arc(0.47, 0.7, 0.24, 0.2, -0.25, 0.42)
]


def mnist_form(strokes: Sequence, width: float) -> Tensor:
    """Return strokes as a picture in MNIST's form: 28×28 float32 from 0 to 1.

    The drawing with its pen fills a box of 20×20, and its centre of mass is at row and
    column 14, where MNIST's are, as far as nothing falls off the edge. The pen is kept
    within 2.3 to 3.2 pixels. What is smaller than the pen is a dot and stays one.
    Source: http://yann.lecun.com/exdb/mnist/
    """
    points = _tensors(strokes)
    if not points:
        return torch.zeros(SIDE, SIDE)
    low, high = torch.cat(points).aminmax(dim=0)
    extent, middle = float((high - low).max()), (SIDE - 1) / 2
    pen = min(max(BOX * width / (extent + width), THINNEST), THICKEST)
    scale = (BOX - pen) / extent if extent > width else pen / width
    points = [(stroke - (low + high) / 2) * scale + middle for stroke in points]
    picture, room = _ink(points, pen), middle - ((high - low) * scale + pen) / 2
    places = torch.arange(float(SIDE))
    mass = (
        torch.stack([picture.sum(dim=0) @ places, picture.sum(dim=1) @ places])
        / picture.sum()
    )
    shift = (SIDE / 2 - mass).clamp(-room, room)
    return _ink([stroke + shift for stroke in points], pen)


def raw_form(strokes: Sequence, width: float) -> Tensor:
    """Return the pad as it is, neither centred nor scaled, as 28×28 float32 from 0 to
    1.
    """
    return _ink([stroke * SIDE - 0.5 for stroke in _tensors(strokes)], width * SIDE)


def _tensors(strokes: Sequence) -> list[Tensor]:
    return [
        torch.tensor(stroke, dtype=torch.float32) for stroke in strokes if len(stroke)
    ]


def _ink(strokes: list[Tensor], pen: float) -> Tensor:
    """Draw strokes, N×2 in pixels with (0, 0) in the middle of the first, with a round
    pen.

    How grey a pixel is follows from the distance of its middle to the nearest segment,
    so edges are smooth.
    """
    lines = [
        torch.stack([stroke, torch.cat([stroke[1:], stroke[-1:]])], dim=1)
        for stroke in strokes
    ]
    axis, distance = (
        torch.arange(float(SIDE)),
        torch.full((SIDE * SIDE,), float(2 * SIDE)),
    )
    pixels = torch.cartesian_prod(axis, axis).flip(1)[:, None]
    for start, end in (
        part.unbind(dim=1) for part in (torch.cat(lines).split(256) if lines else ())
    ):
        along = end - start
        share = ((pixels - start) * along).sum(dim=-1) / along.square().sum(
            dim=-1
        ).clamp(min=1e-9)
        apart = pixels - start - share.clamp(0, 1)[..., None] * along
        distance = torch.minimum(distance, apart.norm(dim=-1).amin(dim=1))
    return (pen / 2 + 0.5 - distance).clamp(0, 1).view(SIDE, SIDE)


def _checked(given: Sequence) -> list[list[list[float]]]:
    """Return strokes as lists of numbers from 0 to 1; raise ValueError where they are
    none.
    """
    try:
        strokes = [[[float(x), float(y)] for x, y in stroke] for stroke in given]
        flaws = [
            point
            for stroke in strokes
            for point in stroke
            if not all(0 <= part <= 1 for part in point)
        ]
    except (TypeError, ValueError):
        flaws = [reprlib.repr(given)]
    if flaws:
        wanted = "strokes must be a list of strokes, each a list of [x, y] points from 0 to 1"
        raise ValueError(f"{wanted}, not {flaws[0]}.")
    return [stroke for stroke in strokes if stroke]


def _reader(model: nn.Module) -> nn.Module:
    """Return a copy of a network that reads digits; raise ValueError where it cannot."""
    try:
        reader = copied(model)
        answer = logits(reader, torch.zeros(1, 1, SIDE, SIDE))
        fits = answer.shape == (1, 10) and bool(answer.isfinite().all())
    except Exception:  # whatever a network of the student's own raises
        fits = False
    if not fits:
        wanted = "a network that turns N×1×28×28 into N×10 logits, finite numbers"
        raise ValueError(
            f"Sketchpad(model, digits) takes {wanted}; this {type(model).__name__} does not."
        )
    return reader


class _Neighbours:
    """The first 10,000 training digits, and how far from them a picture is."""

    def __init__(self, digits: Digits) -> None:
        images, self.labels = (part[:COMPARED] for part in digits.train)
        self.pixels, self.coarse = images[:, 0], _coarse(images)

    def nearest(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the Euclidean distances to the nearest training digits and their
        places, the nearest first.
        """
        # For a single picture, torch's way by matrix products is the slower one.
        way = "donot_use_mm_for_euclid_dist"
        distances = torch.cdist(
            image.view(1, -1), self.pixels.flatten(1), compute_mode=way
        )[0]
        return distances.topk(NEAREST, largest=False)

    def apart(self, image: Tensor, digit: int) -> float:
        """Return how far an image is from the nearest training digit of a class, at
        half the size; ∞ without one.
        """
        distances = torch.cdist(
            _coarse(image[None, None]), self.coarse[self.labels == digit]
        )
        return min(distances.flatten().tolist(), default=math.inf)


def _coarse(images: Tensor) -> Tensor:
    """Return N×196: at half the size, a stroke that is a pixel beside another is not
    far from it.
    """
    return 2 * F.avg_pool2d(images, 2).flatten(1)


class Sketchpad(Bench):
    """A pad to draw a digit on, and what a network makes of it: picture, probabilities,
    maps, nearest digits.

    The pad keeps a copy of the model as it is now. `pad.strokes`, `pad.pen` and
    `pad.centred` can be set. Raises ValueError for a model that does not turn pictures
    N×1×28×28 into logits N×10.
    """

    pen = shared("pen", lambda value: check_step("pen", value, *PENS), TIPS["pen"])
    centred = shared("centred", partial(check_switch, "centred"), TIPS["centred"])

    def __init__(
        self, model: nn.Module, digits: Digits, strokes: Sequence | None = None
    ) -> None:
        self._model, self._digits, self._source = (
            _reader(model),
            _Neighbours(digits),
            digits.source,
        )
        self._layers = [
            name
            for name, part in self._model.named_modules()
            if isinstance(part, nn.Conv2d)
        ]
        self._lock = (
            threading.RLock()
        )  # the browser's messages come in a thread of their own
        # Strokes and `asked` are the browser's, all else is Python's answer. `given`
        # counts how often Python has set the strokes, so that the browser can tell that
        # from its own strokes when they come back.
        state = {
            "strokes": [],
            "given": 0,
            "example": EXAMPLE,
            "pen": 0.08,
            "centred": True,
            "asked": 0,
            "answered": 0,
        }
        state |= {
            "answer": "",
            "probabilities": [],
            "picture": "",
            "maps": [],
            "nearest": [],
        }
        self._view = View("sketchpad", **state)
        low, high, step = PENS
        box = label("centred", TIPS["centred"]) | {"description": "centred as in MNIST"}
        slider = widgets.FloatSlider(
            self.pen, min=low, max=high, step=step, **label("pen", TIPS["pen"])
        )
        self._linked = {
            "pen": [slider],
            "centred": [widgets.Checkbox(True, indent=False, **box)],
        }
        super().__init__(self._tied())
        self.strokes = EXAMPLE if strokes is None else strokes
        self._view.observe(lambda _: self._reply(), ["asked", "pen", "centred"])

    @property
    def strokes(self) -> list[list[list[float]]]:
        """The drawing: strokes of [x, y] points from 0 to 1, x to the right and y down."""
        return [[[*point] for point in stroke] for stroke in self._view.strokes]

    @strokes.setter
    def strokes(self, given: Sequence) -> None:
        strokes = _checked(given)
        with self._lock, self._view.hold_sync():
            self._view.strokes, self._view.given = strokes, self._view.given + 1
            self._reply()

    @property
    def image(self) -> Tensor:
        """The 28×28 grey levels from 0 to 1 that the network sees, float32."""
        return (mnist_form if self.centred else raw_form)(self.strokes, self.pen)

    @property
    def probabilities(self) -> Tensor:
        """The 10 probabilities that the network gives to this picture, float32."""
        return self._seen()[1]

    @property
    def answer(self) -> str:
        """What there is to say of the drawing, in a sentence."""
        return self._said(*self._seen()[:2])

    def _network(self, images: Tensor) -> Tensor:
        """Return N×10 probabilities for N×1×28×28 grey levels."""
        return logits(self._model, images).softmax(dim=1)

    def _seen(self) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return the picture, the probabilities, and by layer the maps after ReLU and
        before pooling.
        """
        with self._lock:
            image = self.image
            maps = feature_maps(self._model, image[None, None], *self._layers)
            return (
                image,
                self._network(image[None, None])[0],
                {name: found[0].relu() for name, found in maps.items()},
            )

    def _said(self, image: Tensor, probabilities: Tensor) -> str:
        if not image.any():
            return "The pad is empty: draw a digit."
        (first, second), (one, other) = (
            best.tolist() for best in probabilities.topk(2)
        )
        no_digit = "This is no digit that I know"
        if first < UNSURE:
            return f"{no_digit}: the most likely would be {_likely(one, first)}."
        if self._digits.apart(image, one) > LIMIT:
            return f"{no_digit}: the softmax gives {_likely(one, first)}, but it is far from every {one} in training."
        if first < SURE:
            return f"Perhaps {_likely(one, first)}, perhaps {_likely(other, second)}."
        return f"This is {_likely(one, first)}."

    def _reply(self) -> None:
        """Answer the browser, with an error in words if need be: it must not wait
        forever.
        """
        with self._lock, self._view.hold_sync():
            asked = self._view.asked
            try:
                for name, value in self._shown().items():
                    setattr(self._view, name, value)
            except Exception as fault:
                self._view.answer = (
                    f"The network could not answer: {type(fault).__name__}: {fault}"
                )
            self._view.answered = asked

    def _shown(self) -> dict[str, object]:
        """Return what the view shows, by trait."""
        image, probabilities, maps = self._seen()
        distances, places = (part.tolist() for part in self._digits.nearest(image))
        labels = self._digits.labels[places].tolist()
        names = [
            f"{digit} ({distance:.1f})"
            for digit, distance in zip(labels, distances, strict=True)
        ]
        title = f"Nearest of {len(self._digits.labels):,} training digits ({self._source}), with their distance"
        return {
            "picture": as_text((255 * image).round().byte().numpy().tobytes()),
            "probabilities": probabilities.tolist(),
            "answer": self._said(image, probabilities),
            "maps": [_maps_strip(*one) for one in maps.items()],
            "nearest": [strip(title, names, self._digits.pixels[places], 1.0)]
            * bool(image.any()),
        }

    def _told(self) -> dict[str, object]:
        points = sum(map(len, self.strokes))
        return {
            "pen": self.pen,
            "centred": self.centred,
            "answer": self.answer,
            "points": points,
        }

    def _still(self) -> figures.Picture:
        image, probabilities, maps = self._seen()
        pictures = {
            f"{name}, map {number}": of
            for name, all_ in maps.items()
            for number, of in enumerate(all_)
        }
        says = f"A drawing, and the maps of the network after ReLU. {self._said(image, probabilities)}"
        return figures.images({"the network sees": image} | pictures, says, columns=5)


def _likely(digit: int, probability: float) -> str:
    return f"{'an' if digit == 8 else 'a'} {digit} ({'over 99' if probability > 0.995 else round(100 * probability)} %)"


def _maps_strip(layer: str, maps: Tensor) -> dict[str, object]:
    count, height, width = maps.shape
    names = [f"map {number}" for number in range(count)]
    return strip(f"{layer} after ReLU: {count} maps of {height}×{width}", names, maps)
