"""The autoencoder of the digits, and the trained ones that ship with the course."""

from pathlib import Path

import torch
from torch import Tensor, nn

from helpers.validation import check_choice, check_whole

WEIGHTS = Path(__file__).parent / "assets" / "autoencoders.pt"
SHIPPED = 2, 8, 16  # numbers between encoder and decoder
HIDDEN = 48  # so that the weights of all three are 497 kB


class Autoencoder(nn.Module):
    """Grey levels N×1×28×28, 0 to 1, become N×`numbers`, and these become grey levels
    N×1×28×28 again.
    """

    def __init__(self, numbers: int = 2) -> None:
        super().__init__()
        check_whole("numbers", numbers, 1)
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(784, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, numbers),
        )
        self.decoder = nn.Sequential(
            nn.Linear(numbers, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, 784),
            nn.ReLU(),
            nn.Unflatten(1, (16, 7, 7)),
            nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(8, 1, 4, stride=2, padding=1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the reconstructions N×1×28×28."""
        return self.decoder(self.encoder(x))


def trained_autoencoder(numbers: int = 2) -> Autoencoder:
    """Return an autoencoder that ships with the course, in eval mode;
    `autoencoders.json` says how it was trained.

    The file holds float16, and each weight here is the float32 of the same value.
    Raises SentenceError for numbers other than 2, 8 and 16.
    """
    check_choice("numbers", numbers, SHIPPED)
    states = torch.load(WEIGHTS, weights_only=True)
    model = Autoencoder(numbers)
    model.load_state_dict(states[numbers])  # copies float16 into float32
    return model.eval()
