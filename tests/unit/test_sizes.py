"""The arithmetic against torch, the oracle, over random settings, invalid ones too."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers import sizes

SETTINGS = {
    "input_size": st.integers(-1, 40),
    "kernel_size": st.integers(-1, 12),
    "stride": st.integers(-1, 8),
    "padding": st.integers(-2, 6),
    "dilation": st.integers(-1, 5),
}
ONE, TWO = {"dilation": 1}, {"dilation": 2}


def torch_size(input_size, kernel_size, stride, padding, dilation):
    """Return the size that torch gives, or None where it refuses."""
    try:
        image, kernel = (
            torch.zeros(1, 1, input_size, 1),
            torch.zeros(1, 1, kernel_size, 1),
        )
        how = {
            "stride": (stride, 1),
            "padding": (padding, 0),
            "dilation": (dilation, 1),
        }
        return F.conv2d(image, kernel, **how).shape[2]
    except RuntimeError:
        return None


@settings(max_examples=500, deadline=None)
@given(st.fixed_dictionaries(SETTINGS))
@example({"input_size": 13, "kernel_size": 2, "stride": 2, "padding": 0, "dilation": 1})
@example({"input_size": 8, "kernel_size": 3, "stride": 0, "padding": 0, "dilation": 1})
@example({"input_size": 2, "kernel_size": 3, "stride": 1, "padding": 0, "dilation": 1})
def test_output_size_is_torchs_or_both_refuse(setting):
    truth = torch_size(**setting)
    if (
        truth is None or setting["input_size"] == 0
    ):  # torch convolves an input of no pixels; the course has none
        with pytest.raises(ValueError):
            sizes.output_size(**setting)
    else:
        assert sizes.output_size(**setting) == truth


@settings(max_examples=500, deadline=None)
@given(st.fixed_dictionaries({**SETTINGS, "input_size": st.integers(1, 20)}))
def test_pixels_read_are_those_with_a_gradient(setting):
    if torch_size(**setting) is None:
        with pytest.raises(ValueError):
            sizes.pixels_read(**setting)
        return
    image = torch.zeros(1, 1, setting["input_size"], requires_grad=True)
    how = {name: setting[name] for name in ("stride", "padding", "dilation")}
    F.conv1d(image, torch.ones(1, 1, setting["kernel_size"]), **how).sum().backward()
    assert sizes.pixels_read(**setting) == image.grad[0, 0].nonzero().flatten().tolist()


POOLING = {
    **SETTINGS,
    "stride": st.none() | st.integers(-1, 8),
    "ceil_mode": st.booleans(),
}


def pooled(n, dilation, **how):
    """Return the size that torch's poolings give, or None where they refuse."""
    image = torch.zeros(1, n, n)
    try:
        found = {F.max_pool2d(image, dilation=dilation, **how).shape[1]}
        # An average has no dilation.
        found |= {F.avg_pool2d(image, **how).shape[1]} if dilation == 1 else set()
    except RuntimeError:
        return None
    (size,) = found
    return size


@settings(max_examples=500, deadline=None)
@given(st.fixed_dictionaries(POOLING))
@example(dict(input_size=3, kernel_size=2, stride=3, padding=0, ceil_mode=True) | ONE)
@example(dict(input_size=5, kernel_size=6, stride=3, padding=0, ceil_mode=True) | ONE)
@example(dict(input_size=5, kernel_size=8, stride=3, padding=0, ceil_mode=True) | ONE)
@example(dict(input_size=6, kernel_size=3, stride=4, padding=1, ceil_mode=True) | TWO)
def test_pooled_size_is_torchs_or_both_refuse(setting):
    n, how = setting.pop("input_size"), setting
    truth = pooled(n, **how) if n > 0 else None
    if truth is None:
        with pytest.raises(ValueError):
            sizes.pooled_size(n, **how)
    else:
        assert sizes.pooled_size(n, **how) == truth


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            (5, 6),
            "A window of 6 (kernel_size 6, dilation 1) does not fit into 5 pixels",
        ),
        ((5, 3, 0), "stride must be a whole number from 1 to 2147483647, not 0."),
        ((5, 3, 1, -1), "padding must be a whole number from 0 to 2147483647, not -1."),
        ((5, 2.5), "kernel_size must be a whole number from 1 to 2147483647, not 2.5."),
        (
            (5, True),
            "kernel_size must be a whole number from 1 to 2147483647, not True.",
        ),
        (("5", 3), "input_size must be a whole number from 1 to 2147483647, not '5'."),
        ((10**30, 3), "input_size must be a whole number from 1 to 2147483647, not 1"),
    ],
)
def test_bad_input_gets_one_sentence(arguments, sentence):
    with pytest.raises(ValueError) as caught:
        sizes.output_size(*arguments)
    assert str(caught.value).startswith(sentence)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_a_shape_is_written_as_on_paper():
    assert sizes.times((6, 15, 15)) == "6×15×15"
    assert sizes.times(torch.zeros(2, 3).shape) == "2×3"
    assert sizes.times(()) == ""
