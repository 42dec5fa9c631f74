"""The map of digits in Python: what torch makes of the point, and what is refused."""

import math

import codes
import pytest
import torch
from torch import nn

from helpers.validation import SentenceError
from helpers.widgets import digit_map
from helpers.widgets.digit_map import DigitMap

DECODER = codes.decoder()
FORM = (
    "DigitMap(decoder) takes a decoder that turns N×2 numbers into N×1×28×28 grey "
    "levels, finite numbers; this one does not."
)


def test_the_digit_is_what_the_decoder_makes_of_the_point():
    bench = DigitMap(DECODER, point=(-1.25, 2.0))
    truth = DECODER(torch.tensor([[-1.25, 2.0]]))[0, 0].detach()
    assert torch.equal(bench.digit, truth) and bench.digit.shape == (28, 28)
    drawn = eval(bench.code, {"torch": torch, "decoder": DECODER})
    assert torch.equal(drawn[0, 0].detach(), truth)


def test_the_bench_keeps_the_decoder_as_it_was():
    model = codes.decoder().train()
    bench = DigitMap(model)
    before = bench.digit
    nn.init.zeros_(model[0].weight)
    assert torch.equal(bench.digit, before) and model.training


def test_what_is_told_makes_the_bench_again():
    points, labels = codes.encoded()
    names = {"DigitMap": DigitMap, "decoder": DECODER}
    names |= {"points": points, "labels": labels}
    for given in ([], [points], [points, labels]):
        bench = DigitMap(DECODER, *given, point=(0.5, -1.0), all=True)
        told = repr(bench)
        again = eval(told, names)
        assert repr(again) == told and again._view.points == bench._view.points
    assert told == "DigitMap(decoder, points, labels, all=True, point=(0.5, -1.0))"


def test_a_point_is_the_nearest_step_and_controls_follow():
    bench = DigitMap(DECODER)
    bench.point = torch.tensor([0.12345, -0.001])
    assert bench.point == (0.1, 0.0)
    assert math.copysign(1, bench.point[1]) == 1
    assert bench.code == "decoder(torch.tensor([[0.10, 0.00]]))"
    held = [bench._linked[name][0].value for name in digit_map.NAMES]
    assert held == [0.1, 0.0]


@pytest.mark.parametrize(
    ("low", "high", "ends"),
    [
        (0, 1, (0, 1, 0.2)),
        (-3.1, 3.2, (-4, 4, 1)),
        (-20, 35, (-20, 40, 10)),
        (0.001, 0.002, (0.001, 0.002, 0.0002)),
        (5, 5, (4, 6, 0.5)),
        (-1e5, 3e5, (-1e5, 3e5, 5e4)),
    ],
)
def test_an_axis_ends_at_ticks_around_nearly_all_points(low, high, ends):
    axis = digit_map._axis(torch.linspace(low, high, 101))
    found = tuple(axis[name] for name in ("low", "high", "tick"))
    assert found == pytest.approx(ends)
    assert axis["step"] == pytest.approx(axis["tick"] / 20)
    assert round(axis["step"], axis["decimals"]) == axis["step"]
    steps = round((axis["high"] - axis["low"]) / axis["step"])
    assert 80 <= steps <= 200


def test_the_outermost_points_do_not_stretch_the_plane():
    points, labels = codes.encoded()
    usual = DigitMap(DECODER, points, labels)
    points = torch.cat([points, torch.tensor([[1000.0, 0.0]])])
    bench = DigitMap(DECODER, points, torch.cat([labels, torch.tensor([3])]))
    assert bench._axes == usual._axes
    assert len(bench._view.points) <= len(points) - 1
    assert len(bench._view.points) >= 0.95 * len(points)
    assert len(bench._view.labels) == len(bench._view.points)


def test_each_class_has_its_name_near_its_middle_and_no_name_hides_another():
    points, labels = codes.encoded()
    for spread in (1.0, 0.0):  # all classes in one place
        bench = DigitMap(DECODER, spread * points, labels)
        digits, *places = zip(*bench._view.names, strict=True)
        assert digits == tuple(range(10))
        places = torch.tensor(places).T
        apart = torch.cdist(places, places) + torch.eye(10)
        assert apart.min() > 0.9 * digit_map.APART
    bench = DigitMap(DECODER, points, labels)
    for digit, *place in bench._view.names:
        middle = points[labels == digit].median(dim=0).values
        shares = [
            (value - axis["low"]) / (axis["high"] - axis["low"])
            for value, axis in zip(middle.tolist(), bench._axes, strict=True)
        ]
        assert place == pytest.approx(shares, abs=0.03)


def test_the_still_picture_is_the_map_with_the_point():
    bench = DigitMap(DECODER, point=(1.0, -2.0))
    tiles = bench._map()
    assert tiles.shape == (336, 336)
    at = torch.tensor([[-3 + 6 * 2.5 / 12, 3 - 6 * 0.5 / 12]])  # row 0, column 2
    right = DECODER(at)[0, 0].detach()
    assert torch.allclose(tiles[:28, 56:84], right, atol=1e-6)
    data, metadata = bench._repr_mimebundle_()
    assert data["text/plain"] == "DigitMap(decoder, all=False, point=(1.0, -2.0))"
    alt = metadata["image/png"]["alt"]
    assert "number 0 from -3 to 3" in alt and "(1, -2)" in alt


@pytest.mark.parametrize(
    "point",
    [(1,), (1, 2, 3), (4, 0), (0, -3.1), "ab", None, (math.nan, 0), ((1, 2),), 5],
)
def test_a_bad_point_gets_one_sentence_and_changes_nothing(point):
    bench = DigitMap(DECODER, point=(1, 2))
    with pytest.raises(SentenceError) as caught:
        bench.point = point
    said = f"point must be two numbers, from -3 to 3 and -3 to 3, not {point!r}."
    assert str(caught.value) == said and bench.point == (1.0, 2.0)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([nn.Sequential(nn.Linear(2, 784))], FORM),
        ([nn.Sequential(nn.Linear(3, 784))], FORM),
        ([DECODER, torch.zeros(5, 3)], "points must be N×2 finite numbers"),
        ([DECODER, torch.zeros(0, 2)], "points must be N×2 finite numbers"),
        ([DECODER, torch.full((5, 2), math.inf)], "points must be N×2 finite numbers"),
        ([DECODER, "digits"], "points must be N×2 finite numbers"),
        ([DECODER, torch.zeros(3, 2), [1, 2]], "one for each of 3 points."),
        ([DECODER, torch.zeros(2, 2), [1, 12]], "labels must be digits from 0 to 9"),
        ([DECODER, torch.zeros(2, 2), [1, 0.5]], "labels must be digits from 0 to 9"),
        ([DECODER, None, [1]], "one for each of 0 points."),
        ([nn.Tanh()], "The page cannot run the operation tanh."),
    ],
)
def test_what_does_not_fit_gets_one_sentence(given, sentence):
    with pytest.raises(SentenceError) as caught:
        DigitMap(*given)
    assert sentence in str(caught.value)


def test_a_misspelt_name_is_not_swallowed():
    with pytest.raises(AttributeError, match="no 'place' to set; it has all, point."):
        DigitMap(DECODER).place = 1, 1
    with pytest.raises(ValueError, match="all must be True or False, not 1."):
        DigitMap(DECODER).all = 1
