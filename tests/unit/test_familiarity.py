"""What the pad refuses: shapes that are no digits, and hardly a digit."""

import pytest
import torch
import torch.nn.functional as F
from doodles import DOODLES, OTHERS
from refusals import passing, read, refused
from strokes import PLAIN

from helpers import digits as data
from helpers import networks
from helpers.autoencoders import trained_autoencoder
from helpers.familiarity import Familiarity, seen
from helpers.widgets.sketchpad import Sketchpad, mnist_form

FEW = {name: DOODLES[name] for name in ("A", "H", "中", "star", "spiral")}


@pytest.fixture(scope="module")
def pad(mnist):
    return Sketchpad(networks.trained(), mnist)


@pytest.mark.slow
def test_letters_and_shapes_are_refused_and_both_reasons_are_given(pad):
    assert passing(pad, FEW) == []
    pad.strokes = DOODLES["X"]
    assert "an autoencoder of digits cannot redraw it from 8 numbers" in pad.answer
    pad.strokes = OTHERS["="]
    assert "it is far from every kind of " in pad.answer


def test_every_plain_digit_but_one_is_read(pad):
    assert read(pad) >= len(PLAIN) - 1


def test_one_of_100_digits_is_refused(pad, mnist):
    every, *_ = refused(pad, mnist.validation.images)
    assert every.double().mean() <= 0.01


@pytest.mark.slow
def test_few_drawings_pass_for_digits(pad):
    assert len(passing(pad, DOODLES)) <= 6
    assert len(passing(pad, OTHERS)) <= 10  # those that no limit was chosen with


def test_beside_the_embedded_digits_plain_ones_are_read_and_shapes_refused():
    pad = Sketchpad(networks.trained(), data.embedded())
    assert passing(pad, FEW) == [] and read(pad) >= len(PLAIN) - 1


def test_both_measures_are_those_of_the_shipped_networks():
    torch.manual_seed(0)
    familiarity, images = Familiarity(), torch.rand(2, 1, 28, 28)
    again = trained_autoencoder(8)(images)
    wanted = torch.stack(
        [F.mse_loss(*pair) for pair in zip(again, images, strict=True)]
    )
    assert torch.allclose(familiarity.errors(images), wanted)
    model = networks.trained()
    there = F.relu(F.max_pool2d(model.conv1((images - 0.1307) / 0.3081), 2))
    there = F.normalize(F.relu(F.max_pool2d(model.conv2(there), 2)).flatten(1))
    assert torch.allclose(seen(model, images), there, atol=1e-5)
    centres = familiarity.step * familiarity.bytes[[4, 9]]
    nearest = (there[:, None] - centres).norm(dim=2).amin(1)
    found = familiarity.distances(images, torch.tensor([4, 9]))
    assert torch.allclose(found, nearest, atol=1e-5)


def test_there_are_100_centres_of_length_1_for_each_class():
    familiarity = Familiarity()
    assert familiarity.bytes.shape == (10, 100, 392)
    lengths = (familiarity.step * familiarity.bytes).norm(dim=2)
    assert (lengths - 1).abs().max() < 0.01


def test_an_unknown_shape_has_its_flaw_in_words_and_a_digit_has_none(mnist):
    familiarity = Familiarity()
    assert familiarity.flaw(mnist.train.images[0, 0], int(mnist.train.labels[0])) == ""
    assert familiarity.flaw(mnist_form(DOODLES["star"], 0.08), 8)
