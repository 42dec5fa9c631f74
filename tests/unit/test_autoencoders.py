"""The autoencoder and its trained weights."""

import json

import pytest
import torch
import torch.nn.functional as F

from helpers import digits as data
from helpers.autoencoders import SHIPPED, WEIGHTS, Autoencoder, trained_autoencoder
from helpers.training import logits
from helpers.validation import SentenceError


@pytest.mark.parametrize("numbers", [1, 2, 8])
@pytest.mark.parametrize("count", [1, 5])
def test_images_become_numbers_and_these_become_images(numbers, count):
    model, images = Autoencoder(numbers), torch.rand(count, 1, 28, 28)
    codes = model.encoder(images)
    assert codes.shape == (count, numbers)
    again = model(images)
    assert again.shape == images.shape and torch.equal(again, model.decoder(codes))
    assert 0 <= again.min() <= again.max() <= 1


@pytest.mark.parametrize("numbers", SHIPPED)
def test_the_trained_weights_are_float32_of_what_the_file_holds(numbers):
    model = trained_autoencoder(numbers)
    held = torch.load(WEIGHTS, weights_only=True)[numbers]
    assert not model.training and held.keys() == model.state_dict().keys()
    for name, weights in model.state_dict().items():
        assert held[name].dtype == torch.float16 and weights.dtype == torch.float32
        assert torch.equal(weights, held[name].float())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_the_weights_take_little_room():
    assert WEIGHTS.stat().st_size <= 500_000


@pytest.mark.parametrize("numbers", [3, True, "two", 2.5])
def test_numbers_that_are_not_there_get_a_sentence(numbers):
    with pytest.raises(SentenceError, match="numbers must be one of 2, 8, 16, not "):
        trained_autoencoder(numbers)


@pytest.mark.parametrize("numbers", [0, 2.5, True, "two"])
def test_a_size_that_is_none_gets_a_sentence(numbers):
    with pytest.raises(ValueError, match="numbers must be a whole number from 1 to "):
        Autoencoder(numbers)


@pytest.mark.slow
def test_the_record_holds_the_errors_of_these_weights():
    digits = data.load_digits()
    if digits.source != "MNIST":
        pytest.skip("needs MNIST")
    images = digits.validation.images
    recorded = json.loads(WEIGHTS.with_suffix(".json").read_text(encoding="utf-8"))
    for numbers, error in recorded["validation error by numbers"].items():
        again = logits(trained_autoencoder(int(numbers)), images)
        assert F.mse_loss(again, images).item() == pytest.approx(error, abs=1e-4)
