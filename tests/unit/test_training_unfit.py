"""What cannot be trained is told in one sentence, before anything has changed."""

import re
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from test_training import few, fresh, linear, same
from torch import nn

from helpers import digits as data
from helpers import networks
from helpers.training import fit
from helpers.validation import SentenceError
from helpers.widgets.monitor import Monitor


@pytest.fixture(scope="module")
def digits():
    return data.embedded()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"lr": 0}, "lr must be a number above 0 to a million, not 0."),
        ({"lr": "0.1"}, "lr must be a number above 0 to a million, not '0.1'."),
        ({"epochs": -1}, "epochs must be a number above 0 to a million, not -1."),
        ({"batch_size": 0}, "batch_size must be"),
        ({"shift": 9}, "shift must be"),
        ({"optimizer": "Adamm"}, "optimizer must be one of Adam, SGD, not 'Adamm'."),
        ({"lr": float("nan")}, "lr must be a number above 0 to a million, not nan."),
        ({"lr": float("inf")}, "lr must be a number above 0 to a million, not inf."),
        (
            {"epochs": 1e300},
            "epochs must be a number above 0 to a million, not 1e+300.",
        ),
        (
            {"weight_decay": -1},
            "weight_decay must be a number from 0 to a million, not -1.",
        ),
        (
            {"weight_decay": "x"},
            "weight_decay must be a number from 0 to a million, not 'x'.",
        ),
        ({"optimizer": ["Adam"]}, "optimizer must be one of Adam, SGD, not ['Adam']."),
        ({"seconds": 0}, "seconds must be a number above 0 to a million, not 0."),
        ({"seconds": "5"}, "seconds must be a number above 0 to a million, not '5'."),
        ({"seed": None}, "seed must be a whole number"),
        ({"seed": 1.5}, "seed must be a whole number"),
    ],
)
def test_bad_settings_get_one_sentence_and_change_nothing(digits, wrong, says):
    model = fresh()
    start = {name: values.clone() for name, values in model.state_dict().items()}
    with pytest.raises(ValueError, match=".") as caught:
        fit(model, digits, **wrong)
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)
    assert same(model.state_dict(), start)
    assert model.training


def test_what_is_no_network_no_digits_or_no_recipe_is_named(digits):
    for wrong, says in (
        ((networks.ConvNet, digits), "model must be a network, such as ConvNet()"),
        ((fresh(), digits.train), "digits must be what load_digits() returns"),
        (
            (fresh(), digits, 3),
            "recipe must be a Recipe; give single settings by name, such as epochs=3; it is 3.",
        ),
    ):
        with pytest.raises(ValueError, match=re.escape(says)):
            fit(*wrong)


def test_a_setting_that_does_not_exist_is_named_beside_those_that_do(digits):
    with pytest.raises(SentenceError) as caught:
        fit(fresh(), digits, learning_rate=0.1)
    assert str(caught.value) == (
        "There is no setting 'learning_rate'; there are epochs, batch_size, lr (the "
        "learning rate), optimizer, weight_decay, shift."
    )


class Listed(nn.Module):
    """Keeps its layer where no optimiser finds it."""

    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(784, 10)]

    def forward(self, images):
        return self.layers[0](images.flatten(1))


def with_split(digits, name="train", images=None, labels=None):
    split = getattr(digits, name)
    images = split.images if images is None else images(split.images)
    labels = split.labels if labels is None else labels(split.labels)
    return replace(digits, **{name: data.Split(images, labels)})


def sized(outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, outputs))


def fails(make=linear, **changes):
    return make, lambda digits: with_split(digits, **changes) if changes else digits


EMPTY = {"images": lambda them: them[:0], "labels": lambda them: them[:0]}
TAKES = "The model must take the images of digits."
UNFIT = {
    "no digits to train with": (*fails(**EMPTY), "digits.train has 0 images and 0"),
    "none to validate with": (
        *fails(name="validation", **EMPTY),
        "digits.validation has 0 images and 0 labels: it needs at least one image",
    ),
    "labels are missing": (
        *fails(labels=lambda them: them[:5]),
        "digits.train has 1317 images and 5 labels",
    ),
    "frozen": (
        *fails(lambda: linear().requires_grad_(False)),
        "The model has nothing to train",
    ),
    "no parameters": (*fails(nn.Flatten), "The model has nothing to train"),
    "a list of layers": (*fails(Listed), "The model has nothing to train"),
    "nine outputs": (*fails(lambda: sized(9)), TAKES + "train, 1×28×28, and give one"),
    "a label of ten": (
        *fails(name="validation", labels=lambda them: them + 1),
        TAKES + "validation, 1×28×28, and give one output for each label, 1 to 10;",
    ),
    "a negative label": (*fails(labels=lambda them: them - 1), TAKES),
    "labels with a point": (*fails(labels=lambda them: them.double()), TAKES),
    "larger images": (
        *fails(images=lambda them: F.pad(them, (2, 2, 2, 2))),
        TAKES + "train, 1×32×32, and",
    ),
    "images of bytes": (*fails(images=lambda them: them.byte()), TAKES),
    "another input": (*fails(lambda: nn.Linear(3, 3)), TAKES),
    "two outputs": (*fails(lambda: nn.LSTM(28, 10)), TAKES),
    "no forward": (*fails(lambda: nn.ModuleList([nn.Linear(1, 1)])), TAKES),
}


@pytest.mark.parametrize("case", UNFIT)
def test_what_cannot_be_trained_is_told_before_anything_has_changed(digits, case):
    make, changed, says = UNFIT[case]
    model, view = make(), Monitor(source="here")
    for values in model.parameters():
        values.grad = torch.ones_like(values)
    start = {name: values.clone() for name, values in model.state_dict().items()}
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(SentenceError) as caught:
        fit(model, changed(digits), monitor=view)
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)
    assert same(model.state_dict(), start)
    assert all(module.training for module in model.modules())
    assert all((values.grad == 1).all() for values in model.parameters())
    assert view.says == "not started"
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_trial_leaves_layout_modes_and_random_numbers(digits):
    model = fresh(kernels=(4, 3)).to(memory_format=torch.channels_last)
    model.conv1.eval()
    strides = [values.stride() for values in model.parameters()]
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    with pytest.raises(SentenceError):
        fit(model, with_split(digits, labels=lambda them: them + 1))
    assert [values.stride() for values in model.parameters()] == strides
    assert model.training and not model.conv1.training
    assert torch.equal(torch.rand(2), expected)


def test_lazy_layers_and_a_surrounding_no_grad_will_do(digits):
    model = nn.Sequential(nn.Flatten(), nn.LazyLinear(10))
    with torch.no_grad():
        assert len(fit(model, few(digits))) == 1


def test_whole_numbers_of_numpy_will_do(digits):
    assert len(fit(fresh(), digits, batch_size=np.int64(1000)).batches) == 2
