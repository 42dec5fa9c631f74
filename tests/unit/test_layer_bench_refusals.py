"""What the bench of a layer has no place for: one sentence each, and nothing changes. A
setting with which no window fits is shown and explained.
"""

import pytest
import torch
from torch import nn

from helpers.validation import SentenceError
from helpers.widgets.layer_bench import LayerBench


def sobel(**settings):
    conv = nn.Conv2d(1, 1, 3, bias=False)
    return LayerBench(conv, weight="Sobel x", **settings)


def state(bench):
    controls = [one.get_state() for held in bench._linked.values() for one in held]
    return controls, bench._view.get_state(), repr(bench)


def refused(bench, name, value):
    """Return the sentence with which a value is refused; it changes nothing."""
    before = state(bench)
    with pytest.raises(SentenceError) as caught:
        setattr(bench, name, value)
    said = str(caught.value)
    assert state(bench) == before
    assert said.endswith(".") and "\n" not in said
    return said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kernel_size", 0),
        ("kernel_size", 8),
        ("stride", 0),
        ("stride", (1, 5)),
        ("padding", -1),
        ("dilation", 1.5),
        ("input_size", 10**12),
        ("input_size", None),
        ("stride", True),
        ("in_channels", 4),
        ("groups", 0),
        ("output_padding", 4),
        ("step", 36),
        ("step", -1),
        ("channel", 1),
        ("same", 1),
        ("alone", "yes"),
        ("transposed", 1),
        ("weight", [[1, 2], [3]]),
        ("weight", torch.zeros(8, 8)),
        ("weight", [[float("nan")]]),
        ("weight", None),
        ("weight", torch.full((3, 3), 1e7)),
        ("weight", torch.ones(3, 3) * 1j),
        ("weight", []),
        ("input", torch.zeros(2, 0)),
        ("input", torch.zeros(13, 13)),
        ("input", torch.zeros(4, 8, 8)),
        ("input", None),
        ("input", torch.zeros(3, 3, device="meta")),
        ("bias", [1, 2]),
        ("bias", 1),
        ("sent", torch.ones(5, 5)),
        ("sent", "twos"),
    ],
)
def test_bad_values_get_one_sentence_and_change_nothing(name, value):
    assert refused(sobel(), name, value).startswith(f"{name} must be ")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("kind", "Conv3d", "There is no layer called 'Conv3d'; choose one of Conv2d, "),
        ("input", "cat", "There is no input called 'cat'; choose one of digit, edge, "),
        ("weight", "cat", "There is no kernel called 'cat'; choose one of Sobel x, "),
        ("view", "side", "There is no view called 'side'; choose one of forward, "),
        ("padding_mode", "mirror", "There is no padding_mode called 'mirror'; choose "),
        ("stride", (1, 2, 3), "stride takes a number or (height, width), not (1, 2"),
        ("weight", torch.ones(2, 1, 3, 3), "weight is of shape (2, 1, 3, 3), and the "),
        ("bias", [1, 2], "bias must be numbers up to a million, of shape 1, not 2."),
    ],
)
def test_a_sentence_says_what_would_do(name, value, sentence):
    assert refused(sobel(), name, value).startswith(sentence)


@pytest.mark.parametrize("layer", [nn.MaxPool2d(2), nn.AvgPool2d(2)], ids=repr)
def test_a_layer_without_weights_takes_none(layer):
    for name, value in (("weight", "box"), ("weight", [[1.0]]), ("bias", [1.0])):
        kind = type(layer).__name__
        sentence = f"nn.{kind} has no {name} to set."
        assert refused(LayerBench(layer), name, value) == sentence
        with pytest.raises(SentenceError, match=sentence):
            LayerBench(layer, **{name: value})
    LayerBench(layer, bias=False).bias = None


def test_several_settings_are_set_at_once_or_not_at_all():
    bench = sobel()
    before = state(bench)
    for settings in ({"stride": 2, "padding": 99}, {"padding": 1, "strides": 2}):
        with pytest.raises(SentenceError):
            bench.set(**settings)
        assert state(bench) == before
    with pytest.raises(ValueError, match="no setting 'strides'; it has input_size, k"):
        bench.set(strides=2)


def test_a_misspelt_name_is_not_swallowed():
    with pytest.raises(AttributeError, match="no 'strides' to set; it has") as caught:
        sobel().strides = 2
    names = str(caught.value).partition("it has ")[2].rstrip(".").split(", ")
    assert len({*names}) == len(names)
    assert {"stride", "weight", "input", "kind", "view", "sent", "step"} <= {*names}
    with pytest.raises(AttributeError, match="no 'strides' to set"):
        sobel(strides=2)


@pytest.mark.parametrize("part", ["input", "weight", "bias", "sent"])
def test_numbers_say_that_they_are_a_copy(part):
    bench = sobel()
    bench.bias = [1]
    numbers = getattr(bench, part)
    for inner in (numbers, numbers[:1]):
        with pytest.raises(SentenceError, match="are a copy. Change a clone of them"):
            inner[(0,) * inner.ndim] = 99
    mine = numbers.clone()
    mine[(0,) * mine.ndim] = 99
    assert torch.equal(getattr(bench, part), numbers), "a clone is the student's own"
    setattr(bench, part, mine)
    assert torch.equal(getattr(bench, part), mine)


def test_odd_tensors_are_taken_for_the_numbers_that_they_hold():
    bench = sobel()
    with pytest.warns(UserWarning, match="deprecated"):
        packed = torch.quantize_per_tensor(torch.eye(4), 0.5, 0, torch.qint8)
    for odd in (packed, torch.eye(4).to_sparse(), torch.eye(4, requires_grad=True)):
        bench.input = odd
        assert torch.equal(bench.input[0], torch.eye(4).double())
    bench.input = torch.eye(4, dtype=torch.bool)
    assert torch.equal(bench.input[0], torch.eye(4).double())


@pytest.mark.parametrize(
    "wrong",
    [nn.Linear(2, 2), nn.Conv1d(1, 1, 3), nn.AdaptiveAvgPool2d(2), nn.Conv2d, "Conv2d"],
    ids=repr,
)
def test_another_class_gets_a_sentence(wrong):
    wanted = "one of nn.Conv2d, nn.ConvTranspose2d, nn.MaxPool2d, nn.AvgPool2d"
    with pytest.raises(SentenceError, match=f"^layer must be {wanted}; it is "):
        LayerBench(wrong)


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (nn.Conv2d(4, 1, 3), "in_channels"),
        (nn.Conv2d(1, 5, 3), "out_channels"),
        (nn.Conv2d(1, 1, (3, 8)), "kernel_size"),
        (nn.Conv2d(1, 1, 3, stride=5), "stride"),
        (nn.ConvTranspose2d(1, 1, 3, padding=4), "padding"),
        (nn.MaxPool2d(3, dilation=4), "dilation"),
        (nn.AvgPool2d(2, divisor_override=17), "divisor_override"),
        (nn.Conv2d(1, 1, 3, device="meta"), "weight"),
        (nn.Conv2d(1, 1, 3, dtype=torch.complex64), "weight"),
    ],
    ids=repr,
)
def test_a_layer_out_of_the_ranges_gets_a_sentence(layer, name):
    with pytest.raises(SentenceError, match=rf"^{name} must be [^\n]*\.$"):
        LayerBench(layer)


def test_a_picture_of_other_channels_gets_a_sentence():
    with pytest.raises(SentenceError, match="has 1 channel, and the layer takes 3"):
        LayerBench(nn.Conv2d(3, 1, 3), torch.ones(5, 5))
    with pytest.raises(SentenceError, match="has 3 channels, and the layer takes 1"):
        LayerBench(nn.Conv2d(1, 1, 3), torch.ones(3, 5, 5))
    assert LayerBench(nn.MaxPool2d(2), torch.ones(3, 5, 5)).output.shape == (3, 2, 2)


UNFIT = {
    "does not fit into a side of 2": lambda: sobel(size=2),
    "is more than half of kernel_size": lambda: LayerBench(nn.MaxPool2d(2, padding=2)),
    "nothing is left": lambda: LayerBench(
        nn.ConvTranspose2d(1, 1, 1, padding=3), size=2
    ),
    "is smaller neither than": lambda: LayerBench(
        nn.ConvTranspose2d(1, 1, 1), output_padding=1
    ),
    "cannot be shared out": lambda: sobel(groups=2),
    "keeps the size, and stride": lambda: sobel(same=True, stride=2),
    "cannot be mirrored": lambda: sobel(size=3, padding=3, padding_mode="reflect"),
    "more than once": lambda: sobel(size=2, padding=3, padding_mode="circular"),
    "the largest of nothing": lambda: LayerBench(nn.MaxPool2d(2, 2, 1, 3), size=2),
}


@pytest.mark.parametrize(("says", "make"), UNFIT.items(), ids=UNFIT)
def test_where_no_window_fits_the_setting_stays_and_one_sentence_says_why(says, make):
    bench = make()
    assert says in bench.trouble and bench.trouble.endswith(".")
    for name in ("output", "gradients", "matrix", "layer", "sent"):
        with pytest.raises(SentenceError) as caught:
            getattr(bench, name)
        assert str(caught.value) == bench.trouble
    data, metadata = bench._repr_mimebundle_()
    assert metadata["image/png"]["alt"] == bench.trouble
    assert data["text/plain"] == repr(bench)
    assert bench.step == 0


def test_a_setting_with_which_a_window_fits_again_brings_all_back():
    bench = sobel(step=7)
    before = bench.output
    bench.kernel_size = 7
    bench.input_size = 4
    assert "A window of 7 (kernel_size 7, dilation 1) does not fit" in bench.trouble
    bench.set(kernel_size=3, input_size=8)
    assert bench.trouble == "" and bench.step == 7
    assert torch.equal(bench.output, before)
