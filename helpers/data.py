"""The pictures and digits that the course looks at."""

import torch
import torch.nn.functional as F


def photo() -> torch.Tensor:
    """Return a portrait of Grace Hopper as grey levels from 0 to 1, 150×128.

    matplotlib ships it, so there is nothing to download (a photograph of the US Navy, in the public domain).
    """
    from matplotlib.cbook import get_sample_data  # not needed by those who never ask for a picture
    from matplotlib.image import imread

    with get_sample_data("grace_hopper.jpg") as file:
        levels = torch.tensor(imread(file, format="jpg"))
    grey = levels.float().mean(dim=-1) / 255
    return F.avg_pool2d(grey[None], 4)[0]
