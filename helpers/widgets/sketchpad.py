"""The sketchpad: a student draws a digit, and sees while drawing what a convolutional
network makes of it.

The browser owns the drawing and computes the network itself (reader.js), with or
without a kernel; only a network that network.js cannot run is asked here. What a pad
says in Python is torch's. Strokes are lists of [x, y] points from 0 to 1, in shares of
the pad's side, x to the right and y down; so is the width of the pen.
"""

import math
import reprlib
import threading
import zlib
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise, takewhile

import ipywidgets as widgets
import torch
from torch import Tensor, nn

from helpers import figures
from helpers.digits import Digits
from helpers.familiarity import MOST_DISTANCE, MOST_ERROR, NUMBERS, Familiarity
from helpers.inspection import copied, feature_maps
from helpers.training import logits
from helpers.validation import SentenceError, check_step, check_switch
from helpers.widgets.base import Bench, View, as_text, label, shared
from helpers.widgets.gallery import IN_STILL, strip
from helpers.widgets.network import described, halved

SIDE, BOX = 28, 20  # pixels of MNIST's pictures, and of the box that the digit fills
# Pixels of the pen: the plain digits of the tests are most like MNIST's with these.
THINNEST, THICKEST = 2.3, 3.2
PENS = 0.03, 0.15, 0.01  # the thinnest, the thickest, the step
COMPARED, NEAREST = 2000, 5  # pictures
TRIED = 500  # pictures, to see whether weights may be shorter
SURE, UNSURE = 0.8, 0.4  # probabilities
BLACK = torch.zeros(1, 1, SIDE, SIDE)
TIPS = {
    "pen": "The width of the pen as a share of the pad's side",
    "centred": "Bring the drawing into MNIST's form: 20×20, "
    "the centre of mass in the middle of 28×28",
}


def _arc(y: float, across: float, down: float, start: float, end: float) -> list:
    """Return points on a part of an ellipse, clockwise, in turns from its right end."""
    turns = 2 * math.pi * torch.linspace(start, end, 17, dtype=torch.float64)
    points = torch.stack([0.47 + across * turns.cos(), y + down * turns.sin()], dim=1)
    return points.round(decimals=3).tolist()


EXAMPLE = [_arc(0.31, 0.21, 0.19, 0.58, 1.25) + _arc(0.7, 0.24, 0.2, -0.25, 0.42)]
# Strokes and `asked` are the browser's. `page` is all that it needs to answer itself;
# only where that is None, Python answers with the rest. `given` counts how often Python
# has set the strokes, so that the browser can tell them from its own when those come
# back.
START = {"strokes": [], "given": 0, "example": EXAMPLE, "pen": 0.08, "centred": True}
START |= {"asked": 0, "answered": 0, "answer": "", "probabilities": [], "picture": ""}
START |= {"maps": [], "nearest": [], "page": None}
FORM = {"side": SIDE, "box": BOX, "thinnest": THINNEST, "thickest": THICKEST}


def mnist_form(strokes: Sequence, width: float) -> Tensor:
    """Return strokes as a picture in MNIST's form: 28×28 float32 from 0 to 1.

    The drawing with its pen fills a box of 20×20, and its centre of mass is at row and
    column 14, where MNIST's are, as far as nothing falls off the edge. The pen is kept
    within 2.3 to 3.2 pixels. What is smaller than the pen is a dot and stays one.
    Source: http://yann.lecun.com/exdb/mnist/
    """
    segments = _segments(strokes)
    if not len(segments):
        return torch.zeros(SIDE, SIDE)
    low, high = segments.flatten(0, 1).aminmax(dim=0)
    extent, middle = float((high - low).max()), (SIDE - 1) / 2
    pen = min(max(BOX * width / (extent + width), THINNEST), THICKEST)
    scale = (BOX - pen) / extent if extent > width else pen / width
    segments = (segments - (low + high) / 2) * scale + middle
    picture, room = _ink(segments, pen), middle - ((high - low) * scale + pen) / 2
    places = torch.arange(SIDE, dtype=torch.float64)
    mass = torch.stack([picture.sum(0) @ places, picture.sum(1) @ places])
    shift = (SIDE / 2 - mass / picture.sum()).clamp(-room, room)
    return _ink(segments + shift, pen).float()


def raw_form(strokes: Sequence, width: float) -> Tensor:
    """Return the pad as it is, only shrunk, as 28×28 float32 from 0 to 1."""
    return _ink(_segments(strokes) * SIDE - 0.5, width * SIDE).float()


def _segments(strokes: Sequence) -> Tensor:
    """Return N×2×2: each point and the next of its stroke, and the last twice; float64,
    as in the page.
    """
    pairs = [pair for one in strokes for pair in pairwise([*one, *one[-1:]])]
    return torch.tensor(pairs, dtype=torch.float64).view(-1, 2, 2)


def _ink(segments: Tensor, pen: float) -> Tensor:
    """Draw segments N×2×2 in pixels with (0, 0) in the middle of the first.

    The distance of a pixel's middle to the nearest segment makes how grey it is.
    """
    if not len(segments):
        return torch.zeros(SIDE, SIDE)
    start, along = segments[:, 0], segments[:, 1] - segments[:, 0]
    places = torch.arange(SIDE, dtype=torch.float64)
    pixels = torch.cartesian_prod(places, places).flip(1)[:, None]
    share = ((pixels - start) * along).sum(-1) / along.square().sum(-1).clamp(min=1e-9)
    nearest = start + share.clamp(0, 1)[..., None] * along
    distance = (pixels - nearest).norm(dim=-1).amin(dim=1)
    return (pen / 2 + 0.5 - distance).clamp(0, 1).view(SIDE, SIDE)


def _checked(given: Sequence) -> list[list[list[float]]]:
    """Return strokes as lists of numbers from 0 to 1; raise ValueError for others."""
    try:
        strokes = [[[float(x), float(y)] for x, y in stroke] for stroke in given]
        points = sum(strokes, [])
        flaws = [[x, y] for x, y in points if not (0 <= x <= 1 and 0 <= y <= 1)]
    except (TypeError, ValueError):
        flaws = [reprlib.repr(given)]
    if flaws:
        raise SentenceError(
            "strokes must be a list of strokes, each a list of [x, y] points "
            f"from 0 to 1, not {flaws[0]}."
        )
    return [stroke for stroke in strokes if stroke]


def _reader(model: nn.Module) -> nn.Module:
    """Return a copy of a network that reads digits; ValueError where it cannot."""
    with suppress(Exception):  # whatever a network of the student's own raises
        reader = copied(model)
        answer = logits(reader, BLACK)
        if answer.shape == (1, 10) and answer.isfinite().all():
            return reader
    raise SentenceError(
        "Sketchpad(model, digits) takes a network that turns N×1×28×28 into N×10 "
        f"logits, finite numbers; this {type(model).__name__} does not."
    )


def _convolutions(model: nn.Module) -> list[str]:
    """Return the names of the convolutions that are called once."""
    names = []
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d):
            with suppress(SentenceError):  # which one called twice or never raises
                feature_maps(model, BLACK, name)
                names.append(name)
    return names


class _Neighbours:
    """The first 2,000 training digits, and how far from them a picture is."""

    def __init__(self, digits: Digits) -> None:
        if not isinstance(digits, Digits):
            kind = type(digits).__name__
            raise SentenceError(f"Give the digits that load_digits() has, not {kind}.")
        self.images, self.labels = (part[:COMPARED] for part in digits.train)
        self.bytes = (255 * self.images).round().byte()
        self.title = f"Nearest of {len(self.labels):,} training digits "
        self.title += f"({digits.source}), with their distance"

    def nearest(self, image: Tensor) -> dict[str, object]:
        """Return a strip of the nearest digits, in order, by Euclidean distance."""
        distances = (self.bytes.double() / 255 - image).flatten(1).norm(dim=1)
        least, places = distances.topk(min(NEAREST, len(distances)), largest=False)
        pairs = zip(self.labels[places], least, strict=True)
        names = [f"{digit} ({distance:.1f})" for digit, distance in pairs]
        return strip(self.title, names, self.bytes[places, 0] / 255, 1.0)

    def for_page(self) -> dict[str, object]:
        """Return the digits deflated, their labels, and a strip to be filled."""
        packed = as_text(zlib.compress(self.bytes.numpy().tobytes(), 9))
        empty = self.nearest(BLACK[0, 0]) | {"pixels": ""}
        return {"digits": packed, "labels": self.labels.tolist(), "strip": empty}


def _familiar(familiarity: Familiarity) -> dict[str, object]:
    """Return what the page needs to find a picture strange."""
    eye = described(familiarity.eye)
    limits = {"error": MOST_ERROR, "distance": MOST_DISTANCE, "numbers": NUMBERS}
    return limits | {
        "eye": [*takewhile(lambda layer: layer["kind"] != "Linear", eye)],
        "autoencoder": described(familiarity.autoencoder),
        "centres": as_text(familiarity.bytes.numpy().tobytes()),
        "step": familiarity.step,
        "size": familiarity.bytes.shape[-1],
    }


class Sketchpad(Bench):
    """A pad to draw a digit on, and what a network makes of it: picture, probabilities,
    maps, nearest digits.

    The pad keeps a copy of the model as it is now. `pad.strokes`, `pad.pen` and
    `pad.centred` can be set. Raises ValueError for a model that does not turn pictures
    N×1×28×28 into logits N×10.
    """

    pen = shared("pen", check_step, TIPS["pen"], *PENS)
    centred = shared("centred", check_switch, TIPS["centred"])

    def __init__(
        self, model: nn.Module, digits: Digits, strokes: Sequence = EXAMPLE
    ) -> None:
        self._model, self._digits = _reader(model), _Neighbours(digits)
        self._familiarity = Familiarity()
        self._layers = _convolutions(self._model)
        self._lock = threading.RLock()  # the browser's messages come in a thread
        self._view = View("sketchpad", **START | {"page": self._page()})
        low, high, step = PENS
        pen = label("pen", TIPS["pen"]) | {"min": low, "max": high, "step": step}
        box = label("centred as in MNIST", TIPS["centred"])
        self._linked = {
            "pen": [widgets.FloatSlider(self.pen, **pen)],
            "centred": [widgets.Checkbox(True, indent=False, **box)],
        }
        super().__init__(self._tied())
        self.strokes = strokes
        self._view.observe(lambda _: self._reply(), ["asked", "pen", "centred"])

    def _page(self) -> dict[str, object] | None:
        """Return what the page needs to answer itself; None where it cannot."""
        try:
            network = described(halved(self._model, self._digits.images[:TRIED]))
        except SentenceError:
            return None
        maps = self._maps(BLACK).items()
        return {
            "network": network,
            "maps": [_strip(*one) | {"layer": one[0], "pixels": ""} for one in maps],
            "familiar": _familiar(self._familiarity),
            "known": self._digits.for_page(),
            "form": FORM,
            "sure": SURE,
            "unsure": UNSURE,
        }

    @property
    def strokes(self) -> list[list[list[float]]]:
        """The drawing: strokes of [x, y] points from 0 to 1, y downwards."""
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
        return said(*self._seen()[:2], self._familiarity)

    def _seen(self) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return picture, probabilities, and by layer the maps after ReLU."""
        with self._lock:
            picture = self.image[None, None]
            chances = logits(self._model, picture).softmax(dim=1)[0]
            maps = self._maps(picture)
        return picture[0, 0], chances, maps

    def _maps(self, picture: Tensor) -> dict[str, Tensor]:
        maps = feature_maps(self._model, picture, *self._layers)
        return {name: found[0].relu() for name, found in maps.items()}

    def _reply(self) -> None:
        """Answer a browser that asks, be it with an error: it must not wait forever."""
        if self._view.page:
            return
        with self._lock, self._view.hold_sync():
            asked = self._view.asked
            try:
                for name, value in self._shown().items():
                    setattr(self._view, name, value)
            except Exception as fault:
                words = f"{type(fault).__name__}: {fault}"
                self._view.answer = f"The network could not answer: {words}"
            self._view.answered = asked

    def _shown(self) -> dict[str, object]:
        image, probabilities, maps = self._seen()
        return {
            "picture": as_text((255 * image).round().byte().numpy().tobytes()),
            "probabilities": probabilities.tolist(),
            "answer": said(image, probabilities, self._familiarity),
            "maps": [_strip(*one) for one in maps.items()],
            "nearest": [self._digits.nearest(image)] if image.any() else [],
        }

    def _told(self) -> dict[str, object]:
        told = {name: getattr(self, name) for name in ("pen", "centred", "answer")}
        return told | {"points": sum(map(len, self.strokes))}

    def _still(self) -> figures.Picture:
        image, probabilities, maps = self._seen()
        pictures = {"the network sees": image}
        for name, found in maps.items():
            pictures |= {f"{name}, map {place}": one for place, one in enumerate(found)}
        says = "A drawing, and the maps of the network after ReLU. "
        says += said(image, probabilities, self._familiarity)
        few = [*pictures.items()][:IN_STILL]
        return figures.images(dict(few), says, columns=5)


def said(image: Tensor, probabilities: Tensor, familiarity: Familiarity) -> str:
    """Return what the pad says of a picture 28×28, and of a network's 10 probabilities
    for it, in a sentence.
    """
    if not image.any():
        return "The pad is empty: draw a digit."
    largest, digits = (part.tolist() for part in probabilities.topk(2))
    one, other = map(_likely, digits, largest)
    no_digit = "This is no digit that I know"
    if largest[0] < UNSURE:
        return f"{no_digit}: the most likely would be {one}."
    if flaw := familiarity.flaw(image, digits[0]):
        return f"{no_digit}: the softmax gives {one}, but {flaw}."
    sure = largest[0] >= SURE
    return f"This is {one}." if sure else f"Perhaps {one}, perhaps {other}."


def _likely(digit: int, probability: float) -> str:
    percent = "over 99" if probability > 0.995 else round(100 * probability)
    return f"{'an' if digit == 8 else 'a'} {digit} ({percent} %)"


def _strip(layer: str, maps: Tensor) -> dict[str, object]:
    count, height, width = maps.shape
    title = f"{layer} after ReLU: {count} maps of {height}×{width}"
    return strip(title, [f"map {number}" for number in range(count)], maps)
