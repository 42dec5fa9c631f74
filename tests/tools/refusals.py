"""Count what the sketchpad refuses: `python tests/tools/refusals.py [PEN]`.

Prints how many of the drawings in doodles.py pass as "This is a …", how many plain
digits are read, how many of all validation digits are refused, and the shares of the
validation digits that lie beyond each limit.
"""

import sys

from doodles import DOODLES, OTHERS, scribbles
from strokes import PLAIN

from helpers import digits as data
from helpers import networks
from helpers.familiarity import MOST_DISTANCE, MOST_ERROR
from helpers.training import logits
from helpers.widgets.sketchpad import UNSURE, Sketchpad

DRAWINGS = {
    "chosen with": DOODLES,
    "held out": OTHERS,
    "scribbles, chosen with": scribbles(0),
    "scribbles, held out": scribbles(1),
}


def passing(pad, drawings):
    """Return the names of the drawings that pass as "This is a …"."""
    names = []
    for name, strokes in drawings.items():
        pad.strokes = strokes
        if pad.answer.startswith("This is a"):
            names.append(name)
    return names


def read(pad):
    """Return how many of the plain digits are read as what they are."""
    count = 0
    for digit, strokes in PLAIN:
        pad.strokes = strokes
        article = "an" if digit == 8 else "a"
        count += pad.answer.startswith(f"This is {article} {digit} (")
    return count


def refused(pad, images):
    """Return for N images which the pad refuses, and which for either reason."""
    chances, classes = logits(pad._model, images).softmax(1).max(1)
    unlike = pad._familiarity.errors(images) > MOST_ERROR
    distances = pad._familiarity.distances(images, classes)
    far = distances > MOST_DISTANCE
    return (chances < UNSURE) | unlike | far, unlike, far


def main():
    digits = data.load_digits()
    pad = Sketchpad(networks.trained(), digits)
    pad.pen = float(sys.argv[1]) if sys.argv[1:] else pad.pen
    for what, drawings in DRAWINGS.items():
        names = passing(pad, drawings)
        print(
            f"{len(names)} of {len(drawings)} drawings ({what}) pass as digits: "
            f"{', '.join(names)}"
        )
    print(f"{read(pad)} of {len(PLAIN)} plain digits are read")
    for name in ("validation", "test"):
        images = getattr(digits, name).images
        every, unlike, far = (part.double().mean() for part in refused(pad, images))
        print(f"{every:.2%} of {len(images):,} {name} digits are refused: ", end="")
        print(f"{unlike:.2%} cannot be redrawn, {far:.2%} are far from their class")


if __name__ == "__main__":
    main()
