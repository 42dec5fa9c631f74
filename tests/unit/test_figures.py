"""What a figure marks is where its place says, in the drawing and in the words."""

from io import BytesIO

import pytest
import torch
from PIL import Image, ImageChops

from helpers import figures


@pytest.fixture
def pictures():
    shown = {"left": torch.full((30, 40), 0.5), "right": torch.full((20, 20), 0.5)}
    return figures.images(shown, "Two pictures.", black=0, white=1)


def drawn(picture):
    return Image.open(BytesIO(picture.png)).convert("RGB")


def test_a_mark_is_a_ring_around_its_pixel(pictures):
    picture = figures.marked(pictures, {"right": (3, 17)})
    bare, ringed = picture._figure.axes
    assert not bare.collections and len(ringed.collections) == 2
    for ring in ringed.collections:
        assert ring.get_offsets().tolist() == [[17, 3]]
    assert picture.alt == f"{pictures.alt} A ring: in right at row 3, column 17."
    changed = ImageChops.difference(drawn(picture), drawn(pictures)).convert("L")
    left, top, right, bottom = changed.point(lambda grey: 255 * (grey > 60)).getbbox()
    assert left > drawn(picture).width / 2 and 10 < right - left < 40
    assert 10 < bottom - top < 40


@pytest.mark.parametrize(
    ("marks", "said"),
    [
        ({"middle": (3, 3)}, "a marked picture must be one of left, right"),
        ({"right": (20, 3)}, "the row of a mark must be a whole number from 0 to 19"),
        ({"left": (3, -1)}, "the column of a mark must be a whole number from 0 to 39"),
    ],
)
def test_a_mark_on_no_pixel_is_refused_in_words(pictures, marks, said):
    with pytest.raises(ValueError, match=said):
        figures.marked(pictures, marks)
