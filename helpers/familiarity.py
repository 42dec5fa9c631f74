"""Whether a picture is like the digits that were learned: the question that a softmax
cannot ask.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers import networks
from helpers.autoencoders import trained_autoencoder
from helpers.inspection import feature_maps
from helpers.training import logits

CENTRES = Path(__file__).parent / "assets" / "centres.pt"
NUMBERS = 8
# Together these refuse 1 of 100 of MNIST's validation digits, each about as many.
MOST_ERROR, MOST_DISTANCE = 0.058, 0.703


class Familiarity:
    """What the course's autoencoder and its ConvNet find strange about a picture.

    A picture is strange where the autoencoder cannot redraw it from 8 numbers, or where
    no kind of training digit of its class is near. Nearness is between the 392 numbers
    that the ConvNet has after its second pooling, scaled to length 1. The kinds are 100
    centres of each class, which k-means found among the first 10,000 training digits.
    """

    def __init__(self) -> None:
        self.autoencoder, self.eye = trained_autoencoder(NUMBERS), networks.trained()
        stored = torch.load(CENTRES, weights_only=True)
        self.step, self.bytes = stored["step"].item(), stored["bytes"]

    def errors(self, images: Tensor) -> Tensor:
        """Return N mean squared errors of the redrawn images, for N×1×28×28."""
        redrawn = logits(self.autoencoder, images)
        return F.mse_loss(redrawn, images, reduction="none").mean((1, 2, 3))

    def distances(self, images: Tensor, classes: Tensor) -> Tensor:
        """Return how far the nearest centre of its class is from each image, N."""
        parts, nearest = seen(self.eye, images), torch.empty(len(images))
        for digit in classes.unique():
            apart = torch.cdist(parts[classes == digit], self.step * self.bytes[digit])
            nearest[classes == digit] = apart.amin(1)
        return nearest

    def flaw(self, image: Tensor, digit: int) -> str:
        """Return what is strange about an image 28×28 that a network takes for a digit,
        in words; or nothing.
        """
        image = image[None, None]
        if self.errors(image).item() > MOST_ERROR:
            return f"an autoencoder of digits cannot redraw it from {NUMBERS} numbers"
        if self.distances(image, torch.tensor([digit])).item() > MOST_DISTANCE:
            return f"it is far from every kind of {digit} in training"
        return ""


def seen(eye: nn.Module, images: Tensor) -> Tensor:
    """Return N×392 of length 1: the maps of a ConvNet's second convolution, pooled."""
    maps = [feature_maps(eye, batch, "conv2")["conv2"] for batch in images.split(500)]
    pooled = [F.max_pool2d(one, 2).relu().flatten(1) for one in maps]
    return F.normalize(torch.cat(pooled))
