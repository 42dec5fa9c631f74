"""A network as text for the page: what it holds, and what it refuses in one sentence."""

import json

import codes
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers.networks import ConvNet, Net
from helpers.validation import SentenceError
from helpers.widgets.network import described, halved, packed

KNOWN = (
    "it knows Linear, Conv2d, ConvTranspose2d, MaxPool2d, AvgPool2d, ReLU, "
    "Sigmoid, Softmax, Flatten, Unflatten, Affine."
)


def test_settings_have_torchs_names_and_both_directions():
    model = nn.Sequential(
        nn.ConvTranspose2d(2, 4, 3, stride=(2, 1), padding=1, groups=2, bias=False),
        nn.MaxPool2d(2),
        nn.Unflatten(1, (2, 2)),
    )
    convolution, pooling, unflatten = described(model)
    weight = convolution.pop("weight")
    assert weight["shape"] == [2, 2, 3, 3] and weight["type"] == "float32"
    assert convolution == {
        "name": "0",
        "kind": "ConvTranspose2d",
        "stride": [2, 1],
        "padding": [1, 1],
        "dilation": [1, 1],
        "output_padding": [0, 0],
        "groups": 2,
    }
    assert pooling == {
        "name": "1",
        "kind": "MaxPool2d",
        "kernel_size": [2, 2],
        "stride": [2, 2],
        "padding": [0, 0],
        "dilation": [1, 1],
        "ceil_mode": False,
    }
    settings = {"dim": 1, "unflattened_size": [2, 2]}
    assert unflatten == {"name": "2", "kind": "Unflatten"} | settings


def test_dropout_and_sequences_within_leave_no_trace():
    inner = nn.Sequential(nn.Dropout(), nn.ReLU(), nn.Identity())
    text = described(nn.Sequential(inner, nn.Linear(1, 1)))
    assert [layer["kind"] for layer in text] == ["ReLU", "Linear"]
    assert json.loads(json.dumps(text)) == text


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0.5, -3.0, 0.0, 2.0**-24], "float16"),
        ([0.1], "float32"),
        ([1e6], "float32"),
        ([2.0**-25], "float32"),
        ([float("inf")], "float32"),
    ],
)
def test_weights_are_half_as_long_where_nothing_is_lost(values, kind):
    assert packed(torch.tensor(values))["type"] == kind


class Own(nn.Module):
    def __init__(self, forward):
        super().__init__()
        self.way, self.kept = forward, nn.Linear(4, 4)

    def forward(self, x):
        return self.way(self.kept, x)


@pytest.mark.parametrize("make", [Net, ConvNet])
def test_the_courses_classes_are_followed(make):
    torch.manual_seed(0)
    model = make()
    side = 32 if make is Net else 28
    images = torch.rand(3, 1, side, side)
    text = described(model)
    assert json.loads(json.dumps(text)) == text
    right = model.eval()(images)
    assert torch.allclose(codes.from_text(text)(images), right, atol=1e-5)
    named = [layer["name"] for layer in text if "weight" in layer]
    assert named == [
        name for name, layer in model.named_children() if name != "dropout"
    ]


WAYS = {
    "numbers": lambda _, x: ((x + 1) * 3 - 0.5) / 7,
    "views": lambda kept, x: kept(torch.relu(x).view(-1, 4)).reshape((2, -1)),
    "flattened": lambda _, x: torch.flatten(x, start_dim=1),
    "pooled": lambda _, x: F.avg_pool2d(F.max_pool2d(x, 2, stride=1), (1, 2)),
    "dropped": lambda kept, x: F.dropout(kept(x), training=kept.training).relu(),
}


@pytest.mark.parametrize("name", WAYS)
def test_a_forward_of_ones_own_is_followed(name):
    torch.manual_seed(0)
    model, values = Own(WAYS[name]).eval(), torch.randn(2, 3, 4, 4)
    right = model(values)
    assert torch.allclose(codes.from_text(described(model))(values), right, atol=1e-6)


STRAIGHT = "The page runs one layer after the other, and in this forward "


def test_weights_are_rounded_where_the_answers_stay():
    torch.manual_seed(0)
    model, images = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), torch.rand(9, 784)
    short = halved(model, images)
    weight = model[1].weight
    assert torch.equal(short[1].weight, weight.half().float()) and short is not model
    with torch.no_grad():
        weight.zero_()[:2] = torch.tensor([[60.0], [60.014]])  # alike in float16
    assert halved(model, images) is model
    with torch.no_grad():
        weight.mul_(1e5)  # beyond float16
    assert halved(model, images) is model


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ([nn.ReLU()], "Give a network, not list."),
        (
            Own(lambda kept, x: x + kept(x)),
            f"{STRAIGHT}add does not take just what is before it.",
        ),
        (Own(lambda _, x: torch.tanh(x)), "The page cannot run the operation tanh."),
        (
            Own(lambda _, x: F.dropout(x, training=True)),
            "The page cannot run the operation dropout.",
        ),
        (
            nn.Sequential(nn.ReLU(), nn.Tanh()),
            f"The page cannot run layer 1, Tanh(): {KNOWN}",
        ),
        (
            nn.Sequential(nn.Sequential(nn.ReLU(), nn.ELU())),
            f"The page cannot run layer 0.1, ELU(alpha=1.0): {KNOWN}",
        ),
        (
            nn.Sequential(nn.Conv2d(1, 1, 3, padding_mode="circular")),
            "The page cannot run layer 0, Conv2d(1, 1, kernel_size=(3, 3), stride=(1, 1), "
            "padding_mode=circular): it pads with zeros alone.",
        ),
        (
            nn.Sequential(nn.Conv2d(1, 1, 2, padding="same")),
            "The page cannot run layer 0, Conv2d(1, 1, kernel_size=(2, 2), stride=(1, 1), "
            "padding=same): it pads both sides alike.",
        ),
        (
            nn.Sequential(nn.MaxPool2d(2, return_indices=True)),
            "The page cannot run layer 0, MaxPool2d(kernel_size=2, stride=2, padding=0, "
            "dilation=1, ceil_mode=False): it returns no indices.",
        ),
    ],
)
def test_what_the_page_cannot_run_is_named_in_one_sentence(model, sentence):
    with pytest.raises(SentenceError) as caught:
        described(model)
    assert str(caught.value) == sentence
