"""Find the centres that the sketchpad compares with, 100 for each class:
`python tests/tools/find_centres.py`.

Writes helpers/assets/centres.pt, and beside it how they were found and the distance
beyond which 0.55 % of the validation digits lie from those of the class that is read.
The test digits are not read.
"""

import json

import torch
import torch.nn.functional as F

from helpers import digits as data
from helpers import networks
from helpers.familiarity import CENTRES, Familiarity, seen
from helpers.training import logits

RECIPE = {"for each class": 100, "rounds": 15, "of training digits": 10_000, "seed": 0}
BEYOND = 0.0055  # of the validation digits


def main() -> None:
    torch.set_num_threads(1)  # with another number the sums round differently
    digits, eye = data.load_digits(), networks.trained()
    if digits.source != "MNIST":
        raise SystemExit("The centres are those of MNIST: set MNIST_ROOT.")
    images, labels = (part[: RECIPE["of training digits"]] for part in digits.train)
    parts = seen(eye, images)
    found = torch.stack([centres(parts[labels == digit]) for digit in range(10)])
    step = found.max() / 255
    torch.save({"step": step, "bytes": (found / step).round().byte()}, CENTRES)
    images = digits.validation.images
    distances = Familiarity().distances(images, logits(eye, images).argmax(1))
    record = {
        "numbers": "of the ConvNet after its second pooling, scaled to length 1",
        "source": digits.source,
        "recipe": {"method": "k-means"} | RECIPE,
        "limit": round(distances.quantile(1 - BEYOND).item(), 3),
        "torch": torch.__version__.partition("+")[0],
    }
    words = json.dumps(record, indent=2)
    CENTRES.with_suffix(".json").write_text(words + "\n", encoding="utf-8")
    print(f"{words}\n{CENTRES.stat().st_size:,} bytes")


def centres(parts: torch.Tensor) -> torch.Tensor:
    """Return the middles of 100 groups of rows, found by k-means, of length 1."""
    dice = torch.Generator().manual_seed(RECIPE["seed"])
    first = torch.randperm(len(parts), generator=dice)[: RECIPE["for each class"]]
    middles = parts[first]
    for _ in range(RECIPE["rounds"]):
        nearest = torch.cdist(parts, middles).argmin(1)
        middles = torch.stack(
            [
                parts[nearest == group].mean(0) if (nearest == group).any() else middle
                for group, middle in enumerate(middles)
            ]
        )
    return F.normalize(middles)


if __name__ == "__main__":
    main()
