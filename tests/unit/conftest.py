"""A fake MNIST, and its mirrors."""

import pytest


@pytest.fixture(scope="module")
def fake():
    import fake_mnist

    return fake_mnist.complete()


@pytest.fixture
def mirror(fake, monkeypatch, tmp_path):
    import fake_mnist

    with fake_mnist.mirrored(fake, monkeypatch, tmp_path) as use:
        yield use
