"""The bench as Python sees it: its output is torch's, and nothing invalid is ever set."""

import base64
import io
from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from helpers import presets, sizes
from helpers.widgets.sliding_window import RANGES, ConvolutionBench, PoolingBench


def fits(settings):
    return (
        settings["dilation"] * (settings["kernel_size"] - 1) + 1
        <= settings["input_size"] + 2 * settings["padding"]
    )


ALL = [
    dict(zip(RANGES, v, strict=True))
    for v in product(*(range(a, b + 1) for a, b in RANGES.values()))
]
REACHABLE = [settings for settings in ALL if fits(settings)]


def torch_pools(settings):
    """Say whether torch takes the setting, leaving a larger last window aside."""
    how = {name: settings[name] for name in ("kernel_size", "stride", "padding")}
    try:
        return (
            F.max_pool2d(torch.zeros(1, *[settings["input_size"]] * 2), **how).numel()
            > 0
        )
    except RuntimeError:
        return False


POOLING_RANGES = {name: RANGES[name] for name in PoolingBench.start if name in RANGES}
ALL_POOLING = [
    dict(zip(POOLING_RANGES, v, strict=True))
    for v in product(*(range(a, b + 1) for a, b in POOLING_RANGES.values()))
]
SIZES = [settings for settings in ALL_POOLING if torch_pools(settings)]
POOLINGS = [
    settings | {"mode": mode, "ceil_mode": ceil, "count_include_pad": zeros}
    for settings in SIZES
    for mode, ceil, zeros in product(("max", "average"), (False, True), (True, False))
]


def pooled(settings, picture, sent_back=None):
    """Return torch's output and autograd's gradient, where every output sends back 1
    unless told otherwise.
    """
    how = {
        name: settings[name]
        for name in ("kernel_size", "stride", "padding", "ceil_mode")
    }
    picture = picture.clone().requires_grad_()
    if settings["mode"] == "max":
        output = F.max_pool2d(picture[None, None], **how)[0, 0]
    else:
        output = F.avg_pool2d(
            picture[None, None], **how, count_include_pad=settings["count_include_pad"]
        )[0, 0]
    output.backward(torch.ones_like(output) if sent_back is None else sent_back)
    return output.detach(), picture.grad


def put(bench, settings):
    settings = dict(settings)
    bench.mode = settings.pop("mode")
    bench.set(**settings)


def state(bench):
    controls = [
        control.get_state() for held in bench._linked.values() for control in held
    ]
    return (
        controls,
        bench._view.get_state(),
        [board.nan_to_num().tolist() for board in bench._panels().values()],
    )


# The quick tier looks at a sample of the settings; the whole suite at every one.
EVERY = pytest.mark.parametrize("every", [31, pytest.param(1, marks=pytest.mark.slow)])


@EVERY
def test_output_and_code_are_torchs_for_every_reachable_setting(every):
    bench = ConvolutionBench("random", "random")
    for settings in REACHABLE[::every]:
        bench.set(**settings)
        layer = eval(bench.code, {"nn": nn}).double()
        layer.weight.data[0, 0] = bench.kernel
        how = {name: settings[name] for name in ("stride", "padding", "dilation")}
        truth = F.conv2d(bench.input[None, None], bench.kernel[None, None], **how)
        assert bench.input.shape == (settings["input_size"],) * 2
        assert torch.equal(bench.output, truth[0, 0])
        assert torch.equal(layer(bench.input[None, None]), truth)
        assert len(bench.output) == sizes.output_size(**settings)


@EVERY
def test_pooling_and_its_gradient_are_torchs_for_every_reachable_setting(every):
    bench = PoolingBench("random")
    for settings in POOLINGS[::every]:
        put(bench, settings)
        output, gradient = pooled(settings, bench.input)
        assert torch.equal(bench.output, output) and torch.equal(
            bench.gradient, gradient
        )
        assert torch.equal(
            eval(bench.code, {"nn": nn})(bench.input[None, None])[0, 0], output
        )
        assert len(output) == sizes.pooled_size(
            **{k: settings[k] for k in (*POOLING_RANGES, "ceil_mode")}
        )


def test_a_tie_sends_all_to_the_first_and_overlaps_add_up():
    bench = PoolingBench(torch.ones(3, 3), kernel_size=2, stride=1)
    assert bench.gradient.tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    bench.input = [[0, 0, 0], [0, 5, 0], [0, 0, 0]]
    assert bench.gradient[1, 1] == 4


def held(bench, name):
    """Return what the controls of a setting and its view hold; each control has room
    for it.
    """
    for control in bench._linked[name]:
        assert (
            not hasattr(control, "max") or control.min <= control.value <= control.max
        )
    return [control.value for control in bench._linked[name]] + [
        getattr(bench._view, name)
    ]


def test_controls_and_view_follow_python():
    bench = ConvolutionBench()
    for settings in REACHABLE[::97]:
        bench.set(**settings)
        bench.step = len(bench.output) ** 2 - 1
        assert {name: held(bench, name) for name in RANGES} == {
            name: [value] * 2 for name, value in settings.items()
        }
        assert held(bench, "step") == [bench.step] * 3


def test_what_makes_room_is_set_before_what_takes_it(monkeypatch):
    bench, seen = ConvolutionBench(), []
    put = bench._put
    monkeypatch.setattr(
        bench,
        "_put",
        lambda name, value: (put(name, value), seen.append(bench.settings)),
    )
    bench.set(input_size=12, kernel_size=7, dilation=2, padding=3, stride=4)
    bench.set(**dict.fromkeys(("input_size", "kernel_size"), 3), padding=0, dilation=1)
    assert len(seen) == 11 and all(map(fits, seen))


def test_padding_waits_for_the_pooling_window_that_it_needs(monkeypatch):
    bench, seen = PoolingBench(), []
    put = bench._put
    monkeypatch.setattr(
        bench,
        "_put",
        lambda name, value: (put(name, value), seen.append(bench.settings)),
    )
    bench.set(kernel_size=6, padding=3, input_size=12)
    assert [now["input_size"] for now in seen] == [12] * 4 and all(
        map(torch_pools, seen)
    )


@pytest.mark.parametrize("settings", [s for s in ALL if not fits(s)][::5])
def test_a_window_that_does_not_fit_is_refused_and_nothing_changes(settings):
    bench = ConvolutionBench()
    before = state(bench)
    with pytest.raises(ValueError, match="does not fit"):
        bench.set(**settings)
    assert state(bench) == before


@pytest.mark.parametrize("settings", [s for s in ALL_POOLING if s not in SIZES][::7])
def test_a_pooling_that_torch_refuses_is_refused_and_nothing_changes(settings):
    bench = PoolingBench(ceil_mode=True)
    before = state(bench)
    with pytest.raises(ValueError, match=r"does not fit|more than half of kernel_size"):
        bench.set(**settings)
    assert state(bench) == before


BAD = [
    ("kernel_size", 0),
    ("kernel_size", 8),
    ("stride", 0),
    ("padding", -1),
    ("dilation", 1.5),
    ("input_size", 10**12),
    ("input_size", None),
    ("stride", True),
    ("step", 36),
    ("step", -1),
    ("kernel", [[1, 2], [3]]),
    ("kernel", [[1, 2, 3]]),
    ("kernel", torch.zeros(8, 8)),
    ("kernel", [[float("nan")]]),
    ("kernel", None),
    ("input", torch.zeros(2, 2)),
    ("input", torch.zeros(13, 13)),
    ("input", None),
    ("kernel", torch.full((3, 3), 1e7)),
    ("kernel", torch.ones(3, 3) * 1j),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_values_get_one_sentence_and_change_nothing(name, value):
    bench = ConvolutionBench()
    before = state(bench)
    with pytest.raises(ValueError, match=rf"^{name} must be [^\n]*\.$"):
        setattr(bench, name, value)
    assert state(bench) == before


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(
        ValueError, match="no input called 'cat'; choose one of digit, edge"
    ):
        ConvolutionBench("cat")
    with pytest.raises(
        ValueError, match="no setting 'strides'; it has input_size, kernel_size"
    ):
        ConvolutionBench(strides=2)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("mode", "mean", "There is no mode called 'mean'; choose one of max, average."),
        ("mode", 3, "There is no mode called 3; choose one of max, average."),
        ("ceil_mode", 1, "ceil_mode must be True or False, not 1."),
        ("padding", 2, "padding 2 is more than half of kernel_size 2: use 1 or less."),
        ("input", [[1]], "input must be a square of numbers up to a million"),
    ],
)
def test_bad_values_for_pooling_get_one_sentence_and_change_nothing(
    name, value, sentence
):
    bench = PoolingBench()
    before = state(bench)
    with pytest.raises(ValueError) as caught:
        setattr(bench, name, value)
    assert str(caught.value).startswith(sentence) and str(caught.value).endswith(".")
    assert state(bench) == before
    with pytest.raises(
        AttributeError,
        match="no 'dilation' to set; it has input_size, kernel_size, stride, padding, ",
    ):
        bench.dilation = 2


def test_names_can_be_set_as_well_as_numbers():
    bench = ConvolutionBench()
    bench.input, bench.kernel = "ramp", "identity"
    assert torch.equal(bench.output, bench.input[1:-1, 1:-1])


def test_own_numbers_are_kept_and_used():
    bench = ConvolutionBench(input_size=5)
    bench.kernel = [[1, 2], [3, 4]]
    bench.input = np.arange(16.0).reshape(4, 4)
    assert (bench.kernel_size, bench.input_size) == (2, 4)
    assert bench.output.tolist() == [[34, 44, 54], [74, 84, 94], [114, 124, 134]]
    bench.kernel_size = 1
    bench.kernel_size = 2
    assert bench.kernel.tolist() == [[1, 2], [3, 4]]


def test_what_the_bench_gives_out_is_a_copy():
    bench = ConvolutionBench()
    before = bench.output
    bench.kernel.mul_(2)
    bench.input[0, 0] = 99
    assert torch.equal(bench.output, before)


def test_own_numbers_at_once_and_zeros_around_them():
    bench = ConvolutionBench(
        np.ones((4, 4)), torch.ones(2, 2, requires_grad=True), stride=np.int64(2)
    )
    assert bench.output.tolist() == [[4, 4], [4, 4]]
    bench.input_size = 5
    assert bench.input.sum() == 16


def test_a_misspelt_name_is_not_swallowed():
    with pytest.raises(AttributeError, match="no 'strides' to set; it has input_size"):
        ConvolutionBench().strides = 2


def test_the_step_follows_when_the_output_shrinks():
    bench = ConvolutionBench()
    bench.step = 35
    bench.stride = 4
    assert held(bench, "step") == [3, 3, 3]


def test_a_still_picture_and_words_come_with_the_bench():
    data, metadata = ConvolutionBench(padding=2, stride=3)._repr_mimebundle_()
    assert (
        data["text/plain"]
        == "ConvolutionBench(input_size=8, kernel_size=3, stride=3, padding=2, dilation=1)"
    )
    assert "application/vnd.jupyter.widget-view+json" in data
    width, height = Image.open(io.BytesIO(data["image/png"])).size
    assert width > 600 and height > 200
    assert "padding 2" in metadata["image/png"]["alt"]
    assert base64.b64encode(data["image/png"]) == base64.b64encode(
        ConvolutionBench(padding=2, stride=3)._repr_mimebundle_()[0]["image/png"]
    )


def test_a_still_picture_of_pooling_says_what_was_chosen():
    bench = PoolingBench(
        mode="average", kernel_size=3, padding=1, stride=3, ceil_mode=True
    )
    data, metadata = bench._repr_mimebundle_()
    assert data["text/plain"].startswith(
        "PoolingBench(mode='average', input_size=8, kernel_size=3"
    )
    assert (
        "mode average" in metadata["image/png"]["alt"]
        and "Output 3×3" in metadata["image/png"]["alt"]
    )


def test_every_control_has_a_name_and_a_tip():
    for bench in (ConvolutionBench(), PoolingBench()):
        assert all(
            control.description and control.tooltip
            for control, *_ in bench._linked.values()
        )


def test_the_digit_is_scikit_learns():
    from sklearn.datasets import load_digits

    theirs = torch.tensor(load_digits().images[0]).mul(9 / 16).round()
    assert torch.equal(presets.inputs(8)["digit"], theirs)


@pytest.mark.parametrize("size", range(1, 8))
def test_ready_made_kernels_are_what_their_names_say(size):
    kernels = presets.kernels(size)
    image = torch.rand(1, 1, 9, 9, dtype=torch.float64)
    mean = F.avg_pool2d(image, size, stride=1)
    assert torch.allclose(F.conv2d(image, kernels["box"][None, None]), mean)
    assert torch.allclose(kernels["Gaussian"].sum(), torch.tensor(1.0).double())
    assert torch.equal(kernels["sharpen"], kernels["identity"] - kernels["Laplacian"])
    for name in ("Sobel x", "Sobel y", "Laplacian"):
        assert kernels[name].sum() == 0
    if size == 3:
        assert kernels["Sobel x"].tolist() == [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
