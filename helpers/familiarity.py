"""Whether a picture is like the digits that were learned: the question that a softmax
cannot ask.
"""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers import networks
from helpers.autoencoders import trained_autoencoder
from helpers.digits import Digits
from helpers.inspection import feature_maps
from helpers.training import logits

NUMBERS, COMPARED = 8, 10_000
# Together these refuse 1 of 100 of MNIST's validation digits, each about as many.
MOST_ERROR, MOST_DISTANCE = 0.058, 0.668
FARTHER = 0.84  # among fewer digits, as the embedded ones are, the nearest is farther


class Familiarity:
    """What the course's autoencoder and its ConvNet find strange about a picture.

    A picture is strange where the autoencoder cannot redraw it from 8 numbers, or where
    no training digit of its class is near. Nearness is between the 392 numbers that the
    ConvNet has after its second pooling, scaled to length 1, and among the first 10,000
    training digits.
    """

    def __init__(self, digits: Digits) -> None:
        self._autoencoder = trained_autoencoder(NUMBERS)
        self._eye, self._parts, self._labels = _known(digits)
        enough = len(self._labels) == COMPARED
        self.most_distance = MOST_DISTANCE if enough else FARTHER

    def errors(self, images: Tensor) -> Tensor:
        """Return N mean squared errors of the redrawn images, for N×1×28×28."""
        redrawn = logits(self._autoencoder, images)
        return F.mse_loss(redrawn, images, reduction="none").mean((1, 2, 3))

    def distances(self, images: Tensor, classes: Tensor) -> Tensor:
        """Return how far the nearest training digit of its class is from each image, N;
        ∞ where there is none.
        """
        parts, nearest = _seen(self._eye, images), torch.full((len(images),), math.inf)
        for digit in classes.unique():
            of_class = self._parts[self._labels == digit]
            if len(of_class):
                apart = torch.cdist(parts[classes == digit], of_class)
                nearest[classes == digit] = apart.amin(1)
        return nearest

    def flaw(self, image: Tensor, digit: int) -> str:
        """Return what is strange about an image 28×28 that a network takes for a digit,
        in words; or nothing.
        """
        image = image[None, None]
        if self.errors(image).item() > MOST_ERROR:
            return f"an autoencoder of digits cannot redraw it from {NUMBERS} numbers"
        if self.distances(image, torch.tensor([digit])).item() > self.most_distance:
            return f"it is far from every {digit} in training"
        return ""


@lru_cache(maxsize=1)  # a lesson makes several pads for the same digits
def _known(digits: Digits) -> tuple[nn.Module, Tensor, Tensor]:
    """Return the ConvNet that ships, what it makes of the first training digits, N×392,
    and their labels, N.
    """
    eye = networks.trained()
    images, labels = (part[:COMPARED] for part in digits.train)
    return eye, _seen(eye, images), labels


def _seen(eye: nn.Module, images: Tensor) -> Tensor:
    """Return N×392 of length 1: the maps of the second convolution, pooled."""
    maps = [feature_maps(eye, batch, "conv2")["conv2"] for batch in images.split(500)]
    pooled = [F.max_pool2d(one, 2).relu().flatten(1) for one in maps]
    return F.normalize(torch.cat(pooled))
