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


def kernels(height: int, width: int | None = None) -> dict[str, torch.Tensor]:
    """Return kernels of height × width, or square ones, by name; an even side has its
    centre at size // 2.
    """
    size = height, height if width is None else width
    smooth, slope = ([f(side) for side in size] for f in (_binomial, _slope))
    ones, identity = torch.ones(size).double(), torch.zeros(size).double()
    identity[size[0] // 2, size[1] // 2] = 1
    gaussian = torch.outer(*smooth)
    laplacian = ones - ones.numel() * identity
    dice = torch.Generator().manual_seed(size[0])
    noise = torch.randint(-2, 3, (size[0], max(size)), generator=dice)[:, : size[1]]
    return {
        "Sobel x": torch.outer(smooth[0], slope[1]),
        "Sobel y": torch.outer(slope[0], smooth[1]),
        "box": ones / ones.numel(),
        "Gaussian": gaussian / gaussian.sum(),
        "Laplacian": laplacian,
        "sharpen": identity - laplacian,
        "identity": identity,
        "random": noise.double(),
    }


def _slope(size: int) -> torch.Tensor:
    """Return the slope of a smoothed signal: −1, 1, then −1, 0, 1, and so on."""
    shorter = F.pad(_binomial(size - 1), (1, 1))
    return shorter[:-1] - shorter[1:]


def _binomial(size: int) -> torch.Tensor:
    return torch.tensor([comb(size - 1, i) for i in range(size)]).double()
