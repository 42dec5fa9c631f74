"""What there is to look at from the start is what its name says."""

import pytest
import torch
import torch.nn.functional as F

from helpers import presets


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


@pytest.mark.parametrize("size", [(1, 4), (3, 2), (5, 3)])
def test_kernels_that_are_no_squares_are_as_their_names_say(size):
    kernels = presets.kernels(*size)
    image = torch.rand(1, 1, 9, 9, dtype=torch.float64)
    mean = F.avg_pool2d(image, size, stride=1)
    assert torch.allclose(F.conv2d(image, kernels["box"][None, None]), mean)
    assert torch.equal(kernels["sharpen"], kernels["identity"] - kernels["Laplacian"])
    for name in ("Sobel x", "Sobel y", "Laplacian"):
        assert kernels[name].shape == size and kernels[name].sum() == 0
    turned = presets.kernels(*size[::-1])
    assert torch.equal(kernels["Sobel x"], turned["Sobel y"].T)
