"""Drawings in MNIST's form, and what the pad says of them; what the browser does is in
test_sketchpad_browser.py.
"""

import base64
import json
import random
import threading

import pytest
import torch
from doodles import scribbles
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import passing
from strokes import DIGITS, MEANS, OTHER_STYLES, SPREADS, arc, placed
from torch import nn

from helpers import digits as data
from helpers import inspection, networks
from helpers.familiarity import Familiarity
from helpers.training import logits
from helpers.validation import SentenceError
from helpers.widgets.sketchpad import EXAMPLE, Sketchpad, mnist_form, raw_form, said

PLACES = [(1.0, 0.0, 0.0), (0.6, 0.2, 0.3), (0.5, 0.0, 0.5)]
PLACES += [(0.3, 0.05, 0.05), (0.3, 0.65, 0.1)]
share = st.floats(0, 1)
drawings = st.lists(
    st.lists(st.tuples(share, share), min_size=1, max_size=8), min_size=1, max_size=4
)


@pytest.fixture(scope="module")
def digits():
    return data.embedded()


@pytest.fixture(scope="module")
def pad(digits):
    return Sketchpad(networks.trained(), digits)


class Branched(networks.ConvNet):
    """A network that the page cannot run, so that Python is asked."""

    def forward(self, x):
        return super().forward(x + 0 * x)


@pytest.fixture(scope="module")
def asked(digits):
    model = Branched()
    model.load_state_dict(networks.trained().state_dict())
    return Sketchpad(model, digits)


def of_bytes(text, *shape):
    pixels = bytearray(base64.b64decode(text))
    return torch.frombuffer(pixels, dtype=torch.uint8).view(*shape).int()


@pytest.mark.parametrize("pen", [0.03, 0.08, 0.15])
@pytest.mark.parametrize(("side", "left", "top"), PLACES)
def test_plain_digits_come_out_like_mnists_and_are_read(side, left, top, pen):
    model = networks.trained()
    for style in (DIGITS, DIGITS | OTHER_STYLES):
        pictures = torch.stack(
            [
                mnist_form(placed(strokes, side, left, top), pen)
                for strokes in style.values()
            ]
        )
        assert all(
            MEANS[0] <= mean <= MEANS[1] for mean in pictures.mean((1, 2)).tolist()
        )
        assert all(
            SPREADS[0] <= spread <= SPREADS[1]
            for spread in pictures.flatten(1).std(1).tolist()
        )
        answers = logits(model, pictures[:, None]).argmax(1)
        assert (
            sum(
                int(name) == answer
                for name, answer in zip(style, answers.tolist(), strict=True)
            )
            >= 9
        )


@pytest.mark.slow
def test_mnists_own_range_is_the_one_that_is_tested_with(mnist):
    flat, ends = mnist.test.images.flatten(1), torch.tensor([0.01, 0.99])
    assert torch.allclose(flat.mean(1).quantile(ends), torch.tensor(MEANS), atol=1e-4)
    assert torch.allclose(flat.std(1).quantile(ends), torch.tensor(SPREADS), atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(drawings, st.floats(0.03, 0.15))
def test_any_drawing_becomes_a_picture_in_mnists_form(strokes, pen):
    picture = mnist_form(strokes, pen)
    assert picture.shape == (28, 28) and picture.dtype == torch.float32
    assert picture.min() >= 0 and picture.max() <= 1 and picture.max() > 0.3
    for axis in (0, 1):
        inked = picture.sum(axis).nonzero()
        extent = int(inked.max() - inked.min()) + 1
        assert extent <= 22  # 20, and the grey of a smooth edge
        middle = float(picture.sum(axis) @ torch.arange(28.0) / picture.sum())
        at_the_edge = int(inked.min()) == 0 or int(inked.max()) == 27
        assert abs(middle - 14) < 0.6 or at_the_edge


@settings(max_examples=25, deadline=None)
@given(drawings, st.floats(0.3, 0.9), st.floats(0, 0.1), st.floats(0, 0.1))
def test_where_and_how_large_it_is_drawn_makes_no_difference(strokes, side, left, top):
    there = [
        [[left + side * x, top + side * y] for x, y in stroke] for stroke in strokes
    ]
    # Rounding can decide on which side of the pen's width a drawing of its size falls,
    # and then it is a dot or a line.
    spans = [
        max(points) - min(points) for points in zip(*sum(strokes, []), strict=True)
    ]
    if abs(max(spans) - 0.06) > 1e-3:
        assert torch.allclose(
            mnist_form(strokes, 0.06), mnist_form(there, 0.06 * side), atol=0.02
        )


def test_a_dot_a_line_and_nothing():
    dot = mnist_form([[[0.9, 0.1]]], 0.08)
    assert 0 < dot.sum() < 20 and dot[12:16, 12:16].sum() == pytest.approx(
        float(dot.sum()), rel=0.2
    )
    line = mnist_form([[[0.1, 0.5], [0.9, 0.5]]], 0.08)
    assert line[13:15].sum() > 0.6 * line.sum() and (line.sum(0) > 0.1).sum() in (
        20,
        21,
    )
    assert (
        not mnist_form([], 0.08).any()
        and not mnist_form([[]], 0.08).any()
        and not raw_form([], 0.08).any()
    )


def test_uncentred_the_pad_is_shrunk_and_nothing_else():
    corner = raw_form([[[0.0, 0.0], [0.25, 0.0]]], 2 / 28)
    assert (
        corner[0, :6].min() > 0.9 and not corner[3:].any() and not corner[:, 10:].any()
    )


def test_probabilities_maps_and_neighbours_are_the_networks(asked, digits):
    model = networks.trained()
    asked.strokes = DIGITS["5"]
    picture = asked.image[None, None]
    assert torch.allclose(
        asked.probabilities, logits(model, picture).softmax(1)[0], atol=1e-6
    )
    assert torch.allclose(torch.tensor(asked._view.probabilities), asked.probabilities)
    assert torch.equal(
        of_bytes(asked._view.picture, 28, 28), (255 * asked.image).round().int()
    )
    for layer, found in inspection.feature_maps(
        model, picture, "conv1", "conv2"
    ).items():
        maps = found[0].relu()
        shown = next(
            one
            for one in asked._view.maps
            if one["title"].startswith(f"{layer} after ReLU: {len(maps)} maps")
        )
        assert shown["size"] == list(maps.shape[1:])
        assert torch.equal(
            of_bytes(shown["pixels"], *maps.shape),
            (255 * maps / maps.max()).round().int(),
        )
    images, labels = digits.train.images[:2000], digits.train.labels[:2000]
    distances = (images[:, 0].double() - asked.image).square().sum((1, 2)).sqrt()
    places = distances.argsort()[:5]
    (shown,) = asked._view.nearest
    assert shown["names"] == [
        f"{labels[place]} ({distances[place]:.1f})" for place in places
    ]
    assert digits.source in shown["title"]
    assert torch.equal(
        of_bytes(shown["pixels"], 5, 28, 28), (255 * images[places, 0]).round().int()
    )


def test_the_pads_network_is_a_copy(pad):
    model = networks.trained()
    mine = Sketchpad(model, data.embedded(), strokes=DIGITS["4"])
    before = mine.probabilities
    with torch.no_grad():
        model.fc2.weight.zero_()
    assert torch.equal(mine.probabilities, before) and not model.conv1._forward_hooks


def test_it_says_what_it_sees_and_does_not_know_everything(pad):
    pad.strokes = DIGITS["3"]
    assert pad.answer == "This is a 3 (over 99 %)."
    pad.strokes = DIGITS["8"]
    assert pad.answer.startswith("This is an 8 (")
    pad.strokes = []
    assert pad.answer == "The pad is empty: draw a digit."
    assert pad._shown()["nearest"] == []
    pad.strokes = [[[x / 8, 0.1 if x % 2 else 0.9] for x in range(1, 8)]]
    assert pad.answer.startswith("This is no digit that I know: the softmax gives ")


def sure_scribbles(pad):
    spiral = [arc(0.5, 0.5, size / 10, size / 10, 0, 1) for size in range(1, 5)]
    return len(passing(pad, scribbles(0) | {"spiral": spiral}))


def share_refused(pad, digits):
    images = digits.test.images[:1000, 0]
    chances = logits(pad._model, images[:, None]).softmax(1)
    known = Familiarity()
    answers = [said(*one, known) for one in zip(images, chances, strict=True)]
    return sum(answer.startswith("This is no") for answer in answers) / len(images)


def test_most_scribbles_are_not_taken_for_digits(pad):
    assert sure_scribbles(pad) <= 4


@pytest.mark.slow
def test_hardly_a_digit_is_refused(pad, mnist):
    assert share_refused(pad, mnist) < 0.03


def test_with_the_embedded_digits_plain_ones_are_read_too(pad):
    known = 0
    for name, strokes in DIGITS.items():
        pad.strokes = strokes
        known += (
            pad.answer.startswith(("This is a", "This is an"))
            and f" {name} (" in pad.answer
        )
    assert known >= 9
    assert pad._shown()["nearest"][0]["title"].startswith(
        "Nearest of 1,317 training digits (scikit-learn digits)"
    )


def test_it_opens_with_an_example_and_settings_are_kept(digits):
    pad = Sketchpad(networks.trained(), data.embedded())
    assert pad.strokes == EXAMPLE and repr(pad).startswith(
        "Sketchpad(pen=0.08, centred=True, answer='This is a 3"
    )
    pad.pen, pad.centred = 0.12, False
    assert [held[0].value for held in pad._linked.values()] == [0.12, False]
    assert torch.equal(pad.image, raw_form(EXAMPLE, 0.12))
    data_, metadata = pad._repr_mimebundle_()
    assert data_["image/png"] and pad.answer in metadata["image/png"]["alt"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("pen", 0.2, "pen must be a number from 0.03 to 0.15 in steps .* not 0.2"),
        ("pen", "thick", "not 'thick'"),
        ("pen", 0.055, "in steps of 0.01"),
        ("centred", 1, "centred"),
        (
            "strokes",
            3,
            r"strokes must be a list of strokes, each a list of \[x, y\] points from 0 to 1, not 3",
        ),
        ("strokes", [[[0.5, 1.5]]], r"not \[0\.5, 1\.5\]"),
        ("strokes", [[[0.5]]], r"not \[\[\[0\.5\]\]\]"),
        ("strokes", [[[0.5, float("nan")]]], r"not \[0\.5, nan\]"),
    ],
)
def test_wrong_settings_are_refused_in_words_and_change_nothing(pad, name, value, said):
    before = repr(pad)
    with pytest.raises(ValueError, match=said):
        setattr(pad, name, value)
    assert repr(pad) == before


def test_another_kind_of_network_is_refused_in_words():
    with pytest.raises(
        ValueError,
        match="N×1×28×28 into N×10 logits, finite numbers; this Net does not",
    ):
        Sketchpad(networks.Net(), data.embedded())
    with pytest.raises(
        ValueError,
        match="Sketchpad.model, digits. takes a network .*; this Digits does not",
    ):
        Sketchpad(data.embedded(), networks.trained())
    lost = networks.ConvNet()
    with torch.no_grad():
        lost.fc2.weight.fill_(torch.nan)
    with pytest.raises(ValueError, match="finite numbers; this ConvNet does not"):
        Sketchpad(lost, data.embedded())
    assert Sketchpad(networks.trained().double(), data.embedded()).answer.startswith(
        "This is a 3"
    )
    flat = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    assert Sketchpad(flat, data.embedded()).probabilities.shape == (10,)


def test_digits_that_are_none_are_refused_in_words():
    with pytest.raises(SentenceError, match=r"that load_digits\(\) has, not Split"):
        Sketchpad(networks.trained(), data.embedded().test)


class Odd(nn.Module):
    """One convolution is called twice, one never, and one has many kernels."""

    def __init__(self):
        super().__init__()
        self.same, self.never = nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 2, 3)
        self.wide, self.out = nn.Conv2d(1, 70, 3), nn.Linear(70, 10)

    def forward(self, x):
        return self.out(self.wide(self.same(self.same(x))).mean((2, 3)))


@pytest.mark.slow
def test_the_maps_of_an_unusual_network_are_those_that_can_be_heard():
    pad = Sketchpad(Odd(), data.embedded())
    assert pad._view.page is None  # it takes means
    (shown,) = pad._view.maps
    assert shown["title"].startswith("wide after ReLU: 70 maps of 26×26")
    assert len(shown["names"]) == 64 and pad._repr_mimebundle_()[0]["image/png"]


def test_the_example_is_a_plain_list_of_points():
    ((first, *_), last) = EXAMPLE[0][:18], EXAMPLE[0][-1]
    assert (len(EXAMPLE[0]), first, last) == (34, [0.286, 0.218], [0.26, 0.796])


def test_ink_is_as_grey_as_the_nearest_segment_is_near():
    dice = random.Random(3)
    strokes = [[[dice.random() for _ in "xy"] for _ in range(n)] for n in (1, 2, 7)]
    picture, points = raw_form(strokes, 3 / 28), []
    for stroke in strokes:
        for (x, y), (right, low) in zip(stroke, [*stroke[1:], stroke[-1]], strict=True):
            points += [
                [28 * (x + (right - x) * i / 2000), 28 * (y + (low - y) * i / 2000)]
                for i in range(2001)
            ]
    pixels = torch.cartesian_prod(torch.arange(28) + 0.5, torch.arange(28) + 0.5)
    apart = torch.cdist(pixels.flip(1), torch.tensor(points)).amin(1).view(28, 28)
    assert torch.allclose(picture, (2 - apart).clamp(0, 1), atol=2e-3)


def test_heavy_ink_at_one_end_never_pushes_the_other_off_the_picture():
    heavy = [
        [[0.1, 0.1 + 0.02 * (i % 5)], [0.25, 0.12 + 0.02 * (i % 5)]] for i in range(10)
    ]
    picture = mnist_form([*heavy, [[0.2, 0.1], [0.2, 0.95]]], 0.06)
    alone = mnist_form([[[0.2, 0.1], [0.2, 0.95]]], 0.06)
    rows = [int((one.sum(1) > 0.1).sum()) for one in (picture, alone)]
    assert rows[0] >= rows[1] - 1


def test_python_and_the_browser_may_draw_at_once(asked):
    def browser():
        for _ in range(20):
            asked._view.asked += 1

    thread = threading.Thread(target=browser)
    thread.start()
    for name in [*DIGITS] * 2:
        asked.strokes = DIGITS[name]
        with asked._lock:
            shown = of_bytes(asked._view.picture, 28, 28)
        assert torch.equal(shown, (255 * asked.image).round().int())
        assert torch.allclose(
            torch.tensor(asked._view.probabilities), asked.probabilities, atol=1e-6
        )
    thread.join()


def test_what_the_browser_sends_is_always_answered(asked):
    asked._view.strokes = [["nonsense"]]
    asked._view.asked += 1
    assert asked._view.answered == asked._view.asked and asked._view.answer.startswith(
        "The network could not answer: "
    )
    asked.strokes = DIGITS["7"]
    assert asked.answer.startswith("This is a 7")


@pytest.mark.slow
def test_what_travels_is_no_longer_than_two_megabytes(mnist):
    state = Sketchpad(networks.trained(), mnist)._view.get_state()
    assert len(json.dumps(state["page"])) <= 2e6
    weights = [
        layer["weight"] for layer in state["page"]["network"] if "weight" in layer
    ]
    assert {weight["type"] for weight in weights} == {"float16"}


def test_where_the_page_answers_python_is_not_asked(pad):
    pad.strokes = DIGITS["7"]
    pad._view.asked += 1
    assert pad._view.answered == 0 and pad._view.probabilities == []
    assert pad.answer.startswith("This is a 7")
