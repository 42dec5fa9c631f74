"""Train the network that ships with the helpers: `python tests/tools/checkpoint.py`.

Writes its weights to helpers/assets/convnet.pt and, beside them, what it was trained
with and how well it reads, and what its kernels looked like on the way. The seed is the
one of five with the median validation accuracy; the test split is read once, at the
end.
"""

import json
import statistics
from dataclasses import asdict

import torch

from helpers import digits as data
from helpers import networks, training

SEEDS = range(5)


def main() -> None:
    # With another number of threads the sums round differently.
    torch.set_num_threads(2)
    digits = data.load_digits()
    if digits.source != "MNIST":
        raise SystemExit(
            "The checkpoint is trained on MNIST: set MNIST_ROOT or give it a network."
        )
    runs = {seed: run(digits, seed) for seed in SEEDS}
    accuracies = {
        seed: history[-1]["validation_accuracy"] for seed, (_, history) in runs.items()
    }
    middle = statistics.median(accuracies.values())
    seed = next(seed for seed, accuracy in accuracies.items() if accuracy == middle)
    model, history = runs[seed]
    record = {
        "network": "ConvNet",
        "dropout": model.dropout.p,
        "source": digits.source,
        "recipe": asdict(history.recipe),
        "seed": seed,
        "validation accuracy": round(middle, 4),
        "test accuracy": round(training.evaluate(model, digits.test)[1], 4),
        "torch": torch.__version__.partition("+")[0],
    }
    torch.save(model.state_dict(), networks.CHECKPOINT)
    moments = [*history.snapshots, (len(history.batches), model.state_dict())]
    # Half as many bytes do for pictures.
    moments = [
        (
            done,
            {name: kernels[name].half() for name in ("conv1.weight", "conv2.weight")},
        )
        for done, kernels in moments
    ]
    torch.save(moments, networks.SNAPSHOTS)
    networks.CHECKPOINT.with_suffix(".json").write_text(
        json.dumps(record, indent=2) + "\n", encoding="utf-8"
    )
    print(json.dumps(record, indent=2))


def run(digits: data.Digits, seed: int) -> tuple[networks.ConvNet, training.History]:
    torch.manual_seed(seed)
    model = networks.ConvNet(dropout=0)
    return model, training.fit(model, digits, training.LONG, seed)


if __name__ == "__main__":
    main()
