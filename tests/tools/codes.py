"""A decoder with random weights, of the form that notebook 07 has, points for it, and
networks made again from the text that the page gets.
"""

import base64

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from helpers.autoencoders import Autoencoder
from helpers.widgets.network import Affine


def decoder(scale=3):
    """Return a decoder N×2 → N×1×28×28 that answers to its two numbers strongly."""
    torch.manual_seed(0)
    model = Autoencoder().decoder
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale)
    return model


def encoded(count=300):
    """Return points N×2, a cluster for each class, and their labels."""
    dice = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 10
    angles = 2 * torch.pi * labels / 10
    middles = 6 * torch.stack([angles.cos() + 0.5, 0.3 * angles.sin()], dim=1)
    return middles + torch.randn(count, 2, generator=dice) * 0.7, labels


WEIGHTED = {
    "Linear": F.linear,
    "Conv2d": F.conv2d,
    "ConvTranspose2d": F.conv_transpose2d,
}


def from_text(layers):
    """Return what computes the layers that network.py describes, by torch."""

    def compute(values):
        for layer in layers:
            values = computed(dict(layer), values)
        return values

    return compute


def computed(layer, values):
    kind, _ = layer.pop("kind"), layer.pop("name")
    if kind not in WEIGHTED:
        return getattr(nn, kind, Affine)(**layer)(values)
    parts = {name: unpacked(layer.pop(name, None)) for name in ("weight", "bias")}
    return WEIGHTED[kind](values, **parts, **layer)


def unpacked(part):
    if part is None:
        return None
    flat = np.frombuffer(base64.b64decode(part["data"]), part["type"])
    return torch.from_numpy(flat.astype("float32")).view(part["shape"])
