"""Train the autoencoders that ship with the helpers:
`python tests/tools/train_autoencoders.py [EPOCHS]`.

Writes the weights of all three to helpers/assets/autoencoders.pt, rounded to float16,
and beside them what they were trained with and the mean squared error of the rounded
ones on the validation digits. The test digits are not read.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F
from torch.optim.lr_scheduler import OneCycleLR

from helpers import digits as data
from helpers.autoencoders import SHIPPED, WEIGHTS, Autoencoder
from helpers.training import logits, seeded

RECIPE = {"epochs": 16, "batch_size": 128, "lr": 0.004, "seed": 0}


def main() -> None:
    # With another number of threads the sums round differently.
    torch.set_num_threads(1)
    recipe = RECIPE | {"epochs": int(sys.argv[1])} if sys.argv[1:] else RECIPE
    digits = data.load_digits()
    if digits.source != "MNIST":
        raise SystemExit("The autoencoders are trained on MNIST: set MNIST_ROOT.")
    states, errors = {}, {}
    for numbers in SHIPPED:
        states[numbers], model = rounded(train(digits, numbers, recipe))
        errors[numbers] = round(error(model, digits.validation.images), 4)
    record = {
        "network": "Autoencoder",
        "source": digits.source,
        "recipe": {"optimizer": "Adam, OneCycleLR", "loss": "mse_loss"} | recipe,
        "validation error by numbers": errors,
        "torch": torch.__version__.partition("+")[0],
    }
    torch.save(states, WEIGHTS)
    words = json.dumps(record, indent=2)
    WEIGHTS.with_suffix(".json").write_text(words + "\n", encoding="utf-8")
    print(f"{words}\n{WEIGHTS.stat().st_size:,} bytes")


def train(digits: data.Digits, numbers: int, recipe: dict) -> Autoencoder:
    images, start = digits.train.images, time.monotonic()
    with seeded(recipe["seed"]):
        model = Autoencoder(numbers).to(memory_format=torch.channels_last)
        optimizer = torch.optim.Adam(model.parameters(), fused=True)
        epochs = recipe["epochs"]
        steps = epochs * -(-len(images) // recipe["batch_size"])
        schedule = OneCycleLR(optimizer, recipe["lr"], steps)
        for epoch in range(epochs):
            for batch in torch.randperm(len(images)).split(recipe["batch_size"]):
                step(model, images[batch], optimizer)
                schedule.step()
            seconds = time.monotonic() - start
            measured = error(model, digits.validation.images)
            print(f"{numbers}: epoch {epoch + 1}, {measured:.4f}, {seconds:.0f} s")
    return model.to(memory_format=torch.contiguous_format)


def step(model: Autoencoder, images: torch.Tensor, optimizer) -> None:
    loss = F.mse_loss(model(images), images)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def rounded(model: Autoencoder) -> tuple[dict[str, torch.Tensor], Autoencoder]:
    """Return a state in float16, and the model with exactly these weights."""
    state = {name: weights.half() for name, weights in model.state_dict().items()}
    model.load_state_dict(state)
    return state, model


def error(model: Autoencoder, images: torch.Tensor) -> float:
    return F.mse_loss(logits(model, images), images).item()


if __name__ == "__main__":
    main()
