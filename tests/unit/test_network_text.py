"""A network as text for the page: what it holds, and what it refuses in one sentence."""

import json

import pytest
import torch
from torch import nn

from helpers.networks import ConvNet
from helpers.validation import SentenceError
from helpers.widgets.network import described, packed

KNOWN = (
    "it knows Linear, Conv2d, ConvTranspose2d, MaxPool2d, AvgPool2d, ReLU, "
    "Sigmoid, Softmax, Flatten, Unflatten."
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
        "kind": "ConvTranspose2d",
        "stride": [2, 1],
        "padding": [1, 1],
        "dilation": [1, 1],
        "output_padding": [0, 0],
        "groups": 2,
    }
    assert pooling == {
        "kind": "MaxPool2d",
        "kernel_size": [2, 2],
        "stride": [2, 2],
        "padding": [0, 0],
        "dilation": [1, 1],
        "ceil_mode": False,
    }
    assert unflatten == {"kind": "Unflatten", "dim": 1, "unflattened_size": [2, 2]}


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


class Doubled(nn.ReLU):
    def forward(self, x):
        return 2 * super().forward(x)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (ConvNet(), "The page runs the layers of nn.Sequential, not ConvNet."),
        ([nn.ReLU()], "The page runs the layers of nn.Sequential, not list."),
        (
            nn.Sequential(nn.ReLU(), nn.Tanh()),
            f"The page cannot run layer 1, Tanh(): {KNOWN}",
        ),
        (
            nn.Sequential(nn.Sequential(nn.ReLU(), Doubled())),
            f"The page cannot run layer 0.1, Doubled(): {KNOWN}",
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
