"""The page computes a network as torch does: each kind of layer, whatever its settings."""

import random
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from helpers.networks import trained
from helpers.widgets.base import script
from helpers.widgets.network import SETTINGS, Affine, described

pytestmark = pytest.mark.browser

ENTRY = """
export default { render: () => { window.compute = (layers, sizes, values) => {
  const made = run(unpackedLayers(layers), tensor(sizes, Float32Array.from(values)));
  return [made.shape, [...made.data].map(String)];
}; } };"""


@pytest.fixture
def page(opened):
    return opened(SimpleNamespace(_esm=script("network") + ENTRY, get_state=lambda: {}))


def in_page(page, model, values):
    asked = [described(model), [*values.shape], values.flatten().tolist()]
    sizes, numbers = page.evaluate("(asked) => compute(...asked)", asked)
    numbers = [float(number.replace("Infinity", "inf")) for number in numbers]
    return torch.tensor(numbers).view(sizes)


def agree(page, model, values):
    with torch.no_grad():
        right = model.eval()(values)
    found = in_page(page, model, values)
    assert found.shape == right.shape, model
    assert torch.allclose(found, right, atol=1e-5, rtol=1e-5), model


def pair(dice, low, high):
    return dice.randint(low, high), dice.randint(low, high)


def sliding(dice, kind):
    """Return a layer that slides a window, with random settings, and its channels."""
    settings = {
        "stride": pair(dice, 1, 3),
        "padding": pair(dice, 0, 2),
        "dilation": pair(dice, 1, 2),
    }
    if kind in (nn.Conv2d, nn.ConvTranspose2d):
        groups = dice.choice([1, 1, 2, 3])
        channels = [groups * dice.randint(1, 3) for _ in range(2)]
        settings |= {"groups": groups, "bias": dice.random() < 0.7}
        settings["kernel_size"] = pair(dice, 1, 4)
        if kind is nn.ConvTranspose2d:
            room = zip(settings["stride"], settings["dilation"], strict=True)
            settings["output_padding"] = tuple(
                dice.randrange(max(both)) for both in room
            )
        return kind(*channels, **settings), channels[0]
    settings |= {"kernel_size": pair(dice, 1, 4), "ceil_mode": dice.random() < 0.5}
    limits = zip(settings["padding"], settings["kernel_size"], strict=True)
    settings["padding"] = tuple(min(padding, size // 2) for padding, size in limits)
    if kind is nn.AvgPool2d:
        del settings["dilation"]
        settings["count_include_pad"] = dice.random() < 0.5
        settings["divisor_override"] = dice.choice([None, None, 3])
    return kind(**settings), dice.randint(1, 3)


@pytest.mark.parametrize(
    "kind", [nn.Conv2d, nn.ConvTranspose2d, nn.MaxPool2d, nn.AvgPool2d]
)
def test_a_window_slides_as_torchs_does(page, kind):
    torch.manual_seed(0)
    dice = random.Random(0)
    for _ in range(60):
        layer, channels = sliding(dice, kind)
        values = torch.randn(dice.randint(1, 3), channels, *pair(dice, 7, 13))
        agree(page, nn.Sequential(layer), values)


OTHERS = {
    "linear": (nn.Linear(5, 4), (3, 5)),
    "linear of three dimensions": (nn.Linear(5, 4, bias=False), (3, 2, 5)),
    "relu": (nn.ReLU(), (3, 5)),
    "sigmoid": (nn.Sigmoid(), (3, 5)),
    "softmax": (nn.Softmax(dim=1), (3, 5)),
    "softmax of channels": (nn.Softmax(dim=-3), (2, 3, 4, 5)),
    "flatten": (nn.Flatten(), (2, 3, 4, 5)),
    "flatten some": (nn.Flatten(0, -3), (2, 3, 4, 5)),
    "unflatten": (nn.Unflatten(1, (3, 2, 4)), (2, 24)),
    "unflatten the rest": (nn.Unflatten(-1, (3, -1)), (2, 4, 12)),
    "affine": (Affine(-3.5, 0.25), (3, 5)),
    "half": (nn.Linear(5, 4).half().float(), (3, 5)),
    "same": (nn.Conv2d(2, 3, (3, 5), padding="same", dilation=2), (1, 2, 9, 8)),
    "valid": (nn.Conv2d(2, 3, 3, padding="valid"), (1, 2, 9, 8)),
    "default stride": (nn.MaxPool2d(3), (1, 2, 9, 8)),
    "nested": (nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(6, 2)), (4, 2, 3)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_the_other_layers_are_torchs(page, name):
    torch.manual_seed(0)
    layer, sizes = OTHERS[name]
    agree(page, nn.Sequential(layer), 3 * torch.randn(sizes))


def test_float16_holds_the_smallest_and_the_largest_numbers(page):
    layer = nn.Linear(1, 6, bias=False)
    numbers = [2.0**-24, -(2.0**-14), 65504.0, -0.0, 1 / 1024, -1.5]
    with torch.no_grad():
        layer.weight[:, 0] = torch.tensor(numbers)
    assert described(nn.Sequential(layer))[0]["weight"]["type"] == "float16"
    found = in_page(page, nn.Sequential(layer), torch.ones(1, 1))
    assert found[0].tolist() == numbers


def test_the_course_s_own_network_runs_in_the_page(page):
    agree(page, trained(), torch.randn(2, 1, 28, 28))


def test_each_kind_that_python_describes_is_compared():
    slid = {nn.Conv2d, nn.ConvTranspose2d, nn.MaxPool2d, nn.AvgPool2d}
    assert SETTINGS.keys() == slid | {type(layer) for layer, _ in OTHERS.values()} - {
        nn.Sequential
    }
