"""The course's networks, as the notebooks write them out; a test holds both definitions equal."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

CHECKPOINT = Path(__file__).with_suffix(".pt")


class Net(nn.Module):
    """The network of notebook 03: pictures N×1×32×32 become logits N×10."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, kernel_size=3)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=3)
        self.fc1 = nn.Linear(16 * 6 * 6, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return N×10 logits."""
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.flatten(1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


class ConvNet(nn.Module):
    """The network of notebook 05: grey levels N×1×28×28 from 0 to 1 become logits N×10."""

    def __init__(self, kernels: tuple[int, int] = (4, 8), dense: int = 512, dropout: float = 0.5) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, kernels[0], kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(*kernels, kernel_size=5, padding=2)
        self.fc1 = nn.Linear(kernels[1] * 7 * 7, dense)
        self.fc2 = nn.Linear(dense, 10)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return N×10 logits."""
        x = (x - 0.1307) / 0.3081
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc2(self.dropout(x))


def trained() -> ConvNet:
    """Return the network that ships with the course, in eval mode; `convnet.json` says how it was trained."""
    model = ConvNet()
    model.load_state_dict(torch.load(CHECKPOINT, weights_only=True))
    return model.eval()
