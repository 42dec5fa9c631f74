"""The bench of a layer as Python sees it: its numbers are torch's, and what goes in
comes out again.
"""

import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import windows
from PIL import Image
from torch import nn

from helpers.widgets.layer_bench import LayerBench
from helpers.widgets.layer_controls import VIEWS
from helpers.widgets.signatures import KINDS, PAIRS

# The quick tier looks at a sample of the settings; the whole suite at more. No range of
# a setting has as many values.
EVERY = pytest.mark.parametrize("every", [97, pytest.param(11, marks=pytest.mark.slow)])


def sobel(**settings):
    conv = nn.Conv2d(1, 1, 3, bias=False)
    return LayerBench(conv, weight="Sobel x", **settings)


@EVERY
@pytest.mark.parametrize("kind", KINDS)
def test_output_gradients_code_and_refusals_are_torchs(kind, every):
    bench = LayerBench(nn.Conv2d(1, 1, 3))
    endings = {windows.check(bench, one)[0] for one in windows.squares(kind)[::every]}
    assert {"equal", "refused"} <= endings


def test_random_settings_of_the_whole_signature_are_torchs():
    bench = LayerBench(nn.Conv2d(1, 1, 3))
    bench._view.bias_own = windows.BIAS
    found = [windows.check(bench, one)[0] for one in windows.drawn(300, seed=1)]
    assert found.count("equal") > 100 and found.count("refused") > 100


def test_a_tie_sends_all_to_the_first_and_overlaps_add_up():
    bench = LayerBench(nn.MaxPool2d(2, stride=1), torch.ones(3, 3))
    assert bench.gradients.input.tolist() == [[[1, 1, 0], [1, 1, 0], [0, 0, 0]]]
    bench.input = [[0, 0, 0], [0, 5, 0], [0, 0, 0]]
    assert bench.gradients.input[0, 1, 1] == 4
    assert bench.gradients.weight is None and bench.gradients.bias is None


LAYERS = {
    "plain": lambda: nn.Conv2d(1, 1, 3),
    "rectangles": lambda: nn.Conv2d(3, 4, (3, 2), (2, 1), (1, 0), bias=False),
    "depthwise": lambda: nn.Conv2d(2, 4, 3, padding="same", groups=2),
    "mirrored": lambda: nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"),
    "transposed": lambda: nn.ConvTranspose2d(2, 4, 3, 2, 1, 1, groups=2, dilation=2),
    "max": lambda: nn.MaxPool2d(3, 2, 1, dilation=2, ceil_mode=True),
    "average": lambda: nn.AvgPool2d((2, 3), count_include_pad=False),
    "divisor": lambda: nn.AvgPool2d(2, divisor_override=3),
}


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_a_layer_comes_out_as_it_went_in(make):
    layer = make()
    before = {name: one.clone() for name, one in layer.named_parameters()}
    bench = LayerBench(layer, "random")
    out, pixels = bench.layer.float(), bench.input.float()
    assert repr(out) == repr(layer)
    assert torch.equal(out(pixels), layer(pixels))
    assert dict(layer.named_parameters()).keys() == before.keys()
    for name, one in out.named_parameters():
        assert torch.equal(one, before[name])
        assert torch.equal(getattr(layer, name), before[name])
    assert torch.allclose(bench.output, layer.double()(bench.input), atol=1e-12)


def test_a_subclass_is_taken_as_its_class():
    class Mine(nn.Conv2d):
        pass

    assert LayerBench(Mine(1, 1, 3), weight="box").kind == "Conv2d"


def same(bench):
    """Check that the bench's line of Python makes the same bench; return that."""
    other = eval(repr(bench), {"LayerBench": LayerBench, "nn": nn})
    assert repr(other) == repr(bench)
    state = ["kind", "view", "alone", "step", "channel", "code", "trouble"]
    for name in [*state, "transposed"]:
        assert getattr(other, name) == getattr(bench, name)
    if not bench.trouble:
        for name in ("input", "output", "sent"):
            assert torch.equal(getattr(other, name), getattr(bench, name))
    return other


def test_its_line_of_python_makes_the_same_bench():
    bench, fits = LayerBench(nn.Conv2d(1, 1, 3)), []
    for number, settings in enumerate(windows.drawn(120, seed=2)):
        windows.put(bench, settings)
        bench.view, bench.transposed = VIEWS[number % 4], number % 3 == 0
        bench.step = bench._steps - 1
        bench.channel = bench._channels - 1
        same(bench)
        fits.append(not bench.trouble)
    assert 40 < sum(fits) < 80
    same(sobel(size=2))


def test_its_line_of_python_says_the_view_before_its_step():
    turned = nn.ConvTranspose2d(1, 1, 1, padding=1, bias=False)
    bench = LayerBench(turned, step=63, view="stamps", weight="box")
    assert same(bench).step == 63 and bench.output[0].numel() == 36


def test_its_line_of_python_carries_what_torch_would_not_make():
    for settings in ({"groups": 3}, {"same": True, "stride": 2}):
        bench = LayerBench(nn.Conv2d(2, 2, 3), weight="box", **settings)
        assert bench.trouble and same(bench).settings == bench.settings


def test_its_line_of_python_carries_own_numbers():
    bench = LayerBench(nn.Conv2d(2, 1, 2), torch.arange(18.0).view(2, 3, 3) / 7)
    bench.set(padding=1)
    bench.sent = torch.rand(4, 4)
    bench.alone, bench.view = True, "backward"
    assert torch.equal(same(bench).gradients.weight, bench.gradients.weight)
    bench.padding = 2, 0
    assert same(bench).sent.shape == bench.output.shape == (1, 6, 2)
    bench.kernel_size = 7
    assert "sent" not in repr(bench)


def held(bench, name):
    """Return what the controls of a setting and its view hold; each control has room
    for it.
    """
    for control in bench._linked[name]:
        assert not hasattr(control, "max") or control.min <= control.value
        assert not hasattr(control, "max") or control.value <= control.max
    holders = {
        getattr(control, "index" if hasattr(control, "index") else "value")
        for control in bench._linked[name]
    }
    (value,) = holders | {getattr(bench._view, name)}
    return value


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_controls_and_view_hold_the_layer_from_the_start(make):
    bench = LayerBench(make())
    found = {name: held(bench, name) for name in bench._linked}
    assert found["count_include_pad"] == bench.count_include_pad
    bench.kind = "AvgPool2d"
    usual = getattr(make(), "count_include_pad", True)
    assert f"count_include_pad={usual}" in bench.code


def test_controls_and_view_follow_python():
    bench = LayerBench(nn.Conv2d(1, 1, 3))
    for settings in windows.drawn(30, seed=3):
        windows.put(bench, settings)
        state = windows.traits(settings, 0)
        for name in bench._linked:
            if name == "locked" or name.endswith("_width"):
                continue
            assert held(bench, name) == state[name], name
        for name in PAIRS:
            assert held(bench, f"{name}_width") == settings[name][1], name
        equal = all(len({*settings[name]}) == 1 for name in PAIRS)
        assert held(bench, "locked") == equal


def test_every_setting_can_be_read_and_set_by_its_name():
    bench = LayerBench(nn.ConvTranspose2d(1, 1, 3))
    bench.stride, bench.output_padding = 2, (1, 0)
    assert (bench.stride, bench.output_padding) == (2, (1, 0))
    assert bench.output.shape == (1, 18, 17)
    bench.kind = "AvgPool2d"
    bench.set(kernel_size=2, divisor_override=8, ceil_mode=True)
    assert bench.code == (
        "nn.AvgPool2d(kernel_size=2, stride=2, padding=0, ceil_mode=True, "
        "count_include_pad=True, divisor_override=8)"
    )


def test_names_can_be_set_as_well_as_numbers():
    bench = sobel()
    bench.input, bench.weight = "ramp", "identity"
    assert torch.equal(bench.output, bench.input[:, 1:-1, 1:-1])


def test_more_channels_take_the_next_of_the_list():
    bench = LayerBench(nn.Conv2d(2, 2, 3, bias=False), weight="Sobel x")
    one = sobel()
    for channel, (picture, kernel) in enumerate(
        zip(("digit", "edge"), ("Sobel x", "Sobel y"), strict=True)
    ):
        one.input, one.weight = picture, kernel
        assert torch.equal(bench.input[channel], one.input[0])
        assert torch.equal(bench.weight[channel, 1], one.weight[0, 0])


def test_own_numbers_are_kept_and_used():
    bench = sobel(size=5)
    bench.weight = [[1, 2], [3, 4]]
    bench.input = np.arange(16.0).reshape(4, 4)
    assert (bench.kernel_size, bench.input_size) == (2, 4)
    truth = F.conv2d(
        torch.arange(16.0).view(1, 4, 4), torch.tensor([[[[1.0, 2], [3, 4]]]])
    )
    assert bench.output.tolist() == truth.tolist()
    for bench.kernel_size, bench.input_size in ((1, 2), (3, 7), (2, 4)):
        size = bench.kernel_size
        assert bench.weight.shape[-2:] == (size, size)
        assert bench.weight.sum() == {1: 1, 2: 10, 3: 10}[size], "zeros around them"
    assert bench.output.tolist() == truth.tolist()


def test_own_numbers_lose_no_digit():
    bench = LayerBench(nn.Conv2d(1, 1, 1, bias=False), [[0.1, 1 / 3]], weight=[[0.7]])
    assert bench.input.tolist() == [[[0.1, 1 / 3]]] and bench.weight.item() == 0.7
    assert "picture=[[[0.1, 0.3333333333333333]]]" in repr(bench)


def test_own_channels_are_kept_where_fewer_are_looked_at():
    layer, pixels = nn.Conv2d(3, 4, 2), torch.rand(3, 4, 5)
    bench = LayerBench(layer, pixels)
    before = bench.output
    bench.set(in_channels=1, out_channels=2)
    assert torch.equal(bench.weight, layer.weight[:2, :1].double())
    bench.set(in_channels=3, out_channels=4)
    assert torch.equal(bench.output, before)


def test_a_bias_can_be_given_switched_and_taken_off():
    bench = LayerBench(nn.Conv2d(1, 2, 3, bias=False), weight="box")
    plain = bench.output
    bench.bias = [1, -2]
    moved = plain + torch.tensor([1.0, -2])[:, None, None]
    assert torch.allclose(bench.output, moved, atol=1e-12)
    for off in (False, None):
        bench.bias = off
        assert bench.bias is None and torch.equal(bench.output, plain)
    bench.bias = True
    assert bench.bias.tolist() == [1, -2]


def test_what_is_sent_back_can_be_set():
    bench = sobel()
    assert bench.sent.tolist() == torch.ones(1, 6, 6).tolist()
    bench.sent = torch.arange(36.0).view(6, 6)
    pixels = bench.input.clone().requires_grad_()
    F.conv2d(pixels, bench.weight).backward(torch.arange(36.0).double().view(1, 6, 6))
    assert torch.equal(bench.gradients.input, pixels.grad)
    bench.stride = 2
    assert bench.sent.tolist() == [[[0, 1, 2], [6, 7, 8], [12, 13, 14]]]
    bench.sent = "ones"
    assert bench.sent.tolist() == torch.ones(1, 3, 3).tolist()


def test_the_chosen_output_alone_sends_back():
    bench = LayerBench(nn.Conv2d(1, 2, 3, padding=1), "random", step=9, channel=1)
    bench.alone = True
    pixels = bench.input.clone().requires_grad_()
    layer = bench.layer
    layer(pixels)[1].flatten()[9].backward()
    assert torch.equal(bench.gradients.input, pixels.grad)
    assert torch.equal(bench.gradients.weight, layer.weight.grad)
    assert bench.gradients.bias.tolist() == [0, 1]


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_the_matrix_times_the_input_is_the_output_without_the_bias(make):
    bench = LayerBench(make(), "random", size=5)
    found = (bench.matrix @ bench.input.flatten()).view(bench.output.shape)
    bias = 0 if bench.bias is None else bench.bias[:, None, None]
    assert torch.allclose(found + bias, bench.output, atol=1e-12)
    back = (bench.matrix.T @ torch.ones(bench.output.numel()).double()).flatten()
    assert torch.allclose(back, bench.gradients.input.flatten(), atol=1e-12)


def test_the_step_follows_when_the_output_shrinks():
    bench = sobel(step=35)
    bench.stride = 4
    assert bench.step == 3
    turned = LayerBench(nn.ConvTranspose2d(1, 1, 3), size=2, view="stamps")
    turned.step = 3
    with pytest.raises(ValueError, match="step must be a whole number from 0 to 3"):
        turned.step = 4
    turned.view = "forward"
    turned.step = 15


VIEWED = {
    "forward": (sobel, "input 8×8, kernel 3×3, output 6×6"),
    "backward": (
        lambda: sobel(view="backward"),
        "input 8×8, kernel 3×3, gradient of the kernel 3×3, sent back 6×6, "
        "gradient of the input 8×8",
    ),
    "matrix": (lambda: sobel(size=4, view="matrix"), "matrix 4×16"),
    "transposed": (
        lambda: sobel(size=4, view="matrix", transposed=True),
        "transposed matrix 16×4",
    ),
    "stamps": (
        lambda: LayerBench(nn.ConvTranspose2d(1, 2, 2), size=3, view="stamps", step=5),
        "input 3×3, kernel 2×2, output 0 4×4, output 1 4×4",
    ),
    "pooling": (lambda: LayerBench(nn.MaxPool2d(3, 3)), "input 8×8, output 2×2"),
    "no window": (lambda: sobel(size=2), "A window of 3 (kernel_size 3, dilation 1)"),
}


@pytest.mark.parametrize(("make", "says"), VIEWED.values(), ids=VIEWED)
def test_a_still_picture_and_words_come_with_every_view(make, says):
    data, metadata = make()._repr_mimebundle_()
    assert data["text/plain"].startswith("LayerBench(nn.")
    assert "application/vnd.jupyter.widget-view+json" in data
    width, height = Image.open(io.BytesIO(data["image/png"])).size
    assert width > 240 and height > 40
    assert says in metadata["image/png"]["alt"]
    assert metadata["bench"] == {"rows": 20}


def test_a_still_picture_is_the_same_each_time():
    first, second = (sobel(step=7)._repr_mimebundle_()[0] for _ in range(2))
    assert first["image/png"] == second["image/png"]
    assert first["text/plain"] == (
        "LayerBench(nn.Conv2d(1, 1, kernel_size=3, stride=1, padding=0, dilation=1, "
        "bias=False), picture='digit', size=8, weight='Sobel x', step=7)"
    )


def test_every_control_has_a_name_and_a_tip():
    for control in sum(sobel()._linked.values(), []):
        assert control.description and control.tooltip


def test_rare_settings_are_folded_so_that_slider_and_boards_are_seen_together():
    for layer in (nn.Conv2d(1, 1, 3), nn.Conv2d(3, 4, 3, groups=1, padding=(1, 0))):
        first, more, _ = LayerBench(layer).children
        assert more.selected_index is None
        names = [control.description for control in first.children]
        assert {"kernel_size", "stride", "padding", "kernel"} < {*names}
        assert "groups" not in names


def test_a_bench_that_is_looked_at_leaves_the_random_numbers_to_the_reader():
    bench = LayerBench(nn.Conv2d(1, 2, 3))
    before = torch.get_rng_state()
    assert repr(bench) and bench._repr_mimebundle_() and bench.layer.weight.sum()
    assert torch.equal(torch.get_rng_state(), before)
