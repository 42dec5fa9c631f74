"""MNIST where it is at hand, a fake one, and its mirrors."""

import pytest

from helpers import digits as data


@pytest.fixture(scope="module")
def mnist():
    digits = data.load_digits()
    if digits.source != "MNIST":
        pytest.skip("needs MNIST")
    return digits


@pytest.fixture(scope="module")
def fake():
    import fake_mnist

    return fake_mnist.complete()


@pytest.fixture
def mirror(fake, monkeypatch, tmp_path):
    import fake_mnist

    with fake_mnist.mirrored(fake, monkeypatch, tmp_path) as use:
        yield use
