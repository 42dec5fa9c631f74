"""What there is to look at from the start: a photo, small inputs, and kernels of every
size.
"""

from math import comb

import torch
import torch.nn.functional as F

# The first of scikit-learn's bundled digits (UCI, "Optical Recognition of Handwritten
# Digits", CC BY 4.0), a zero, with its grey levels 0 … 16 brought to 0 … 9.
DIGIT = (
    "00375100",
    "00786830",
    "02810640",
    "02700440",
    "03400540",
    "02601740",
    "01836700",
    "00376000",
)


def photo() -> torch.Tensor:
    """Return a portrait of Grace Hopper as grey levels from 0 to 1, 150×128.

    matplotlib ships it, so there is nothing to download (a photograph of the US Navy,
    in the public domain).
    """
    # Not needed by those who never ask for a picture.
    from matplotlib.cbook import get_sample_data
    from matplotlib.image import imread

    levels = torch.tensor(imread(get_sample_data("grace_hopper.jpg", asfileobj=False)))
    grey = levels.float().mean(dim=-1) / 255
    return F.avg_pool2d(grey[None], 4)[0]


def inputs(size: int) -> dict[str, torch.Tensor]:
    """Return size×size inputs by name, grey levels from 0 to 9 (the ramp goes on)."""
    row, column = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    digit = torch.zeros(size, size)
    digit[:8, :8] = torch.tensor([[int(level) for level in line] for line in DIGIT])
    noise = torch.randint(10, (size, size), generator=torch.Generator().manual_seed(0))
    found = {
        "digit": digit,
        "edge": (column >= 4) * 9,
        "ramp": column,
        "checkerboard": (row + column) % 2 * 9,
        "random": noise,
    }
    return {name: levels.double() for name, levels in found.items()}


def kernels(size: int) -> dict[str, torch.Tensor]:
    """Return size×size kernels by name; an even one has its centre at size // 2."""
    smooth = _binomial(size)
    ones = torch.ones(size, size).double()
    identity = torch.zeros(size, size).double()
    identity[size // 2, size // 2] = 1
    # The slope of a smoothed signal: −1, 1, then −1, 0, 1, and so on.
    shorter = F.pad(_binomial(size - 1), (1, 1))
    sobel_x = torch.outer(smooth, shorter[:-1] - shorter[1:])
    laplacian = ones - size**2 * identity
    dice = torch.Generator().manual_seed(size)
    noise = torch.randint(-2, 3, (size, size), generator=dice)
    return {
        "Sobel x": sobel_x,
        "Sobel y": sobel_x.T.contiguous(),
        "box": ones / size**2,
        "Gaussian": torch.outer(smooth, smooth) / smooth.sum() ** 2,
        "Laplacian": laplacian,
        "sharpen": identity - laplacian,
        "identity": identity,
        "random": noise.double(),
    }


def _binomial(size: int) -> torch.Tensor:
    return torch.tensor([comb(size - 1, i) for i in range(size)]).double()
