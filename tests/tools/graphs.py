"""Models and losses of all kinds whose graphs the tests look at."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers.networks import Net


def net_and_loss():
    torch.manual_seed(0)
    net = Net()
    return net, F.mse_loss(net(torch.randn(1, 1, 32, 32)), torch.randn(1, 10))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(self.first(x).tanh())


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x):
        hidden = self.conv(x)
        return hidden + F.relu(self.conv(F.relu(hidden)))


class Scale(torch.autograd.Function):
    """Several outputs, one of them with no gradient, and a factor that needs none."""

    @staticmethod
    def forward(ctx, x, factor):
        ctx.save_for_backward(x)
        ctx.factor = factor
        signs = x.sign()
        ctx.mark_non_differentiable(signs)
        return x * factor, x + 0, signs

    @staticmethod
    def backward(ctx, first, second, _signs):
        return first * ctx.factor + second, None


class Gated(nn.Module):
    """An LSTM, an embedding with sparse gradients, a split, a maximum and a norm: what
    gives several or odd outputs.
    """

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(7, 6, sparse=True)
        self.lstm = nn.LSTM(6, 4, batch_first=True)
        self.norm = nn.LayerNorm(4)

    def forward(self, x):
        hidden, _ = self.lstm(self.words(x))
        left, right = self.norm(hidden).split(2, dim=-1)
        return left.max(dim=1).values * right.unbind(1)[0]


def resnet():
    from torchvision.models import resnet18  # two seconds, for the slow tests alone

    return resnet18()


MODELS = {
    "Net": (Net, lambda: torch.randn(2, 1, 32, 32)),
    "shared": (Tied, lambda: torch.randn(3, 4)),
    "residual": (Residual, lambda: torch.randn(2, 2, 5, 5)),
    "batch norm": (resnet, lambda: torch.randn(2, 3, 33, 33)),
    "recurrent": (Gated, lambda: torch.tensor([[1, 2, 1], [4, 4, 6]])),
    "attention": (
        lambda: nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True),
        lambda: torch.randn(2, 3, 8),
    ),
    "weight norm": (
        lambda: torch.nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)),
        lambda: torch.randn(4, 3),
    ),
    "double": (
        lambda: nn.Linear(3, 2).double(),
        lambda: torch.randn(4, 3, dtype=torch.float64),
    ),
}
LARGE = "batch norm", "attention", "recurrent"  # graphs of about a hundred nodes
EACH_MODEL = pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=[pytest.mark.slow] if kind in LARGE else [])
        for kind in MODELS
    ],
)


def made(kind):
    torch.manual_seed(0)
    make, given = MODELS[kind]
    model = make()
    out = model(given())
    return model, (
        out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
    ).square().mean()
