"""Two ways of training the same ConvNet side by side: as older texts do, and as the
course does.

`python tests/tools/benchmark.py training` runs it. The older way is written as it is found,
with its faults: notebook 05 takes it apart. Nothing here is an example to follow,
except `bare`.
"""

import os
import statistics
import time
from dataclasses import replace

import nbformat
import torch
import torch.nn.functional as F
from nbclient import NotebookClient
from torch import nn
from torch.utils.data import DataLoader, SubsetRandomSampler

from helpers import digits as data
from helpers import training
from helpers.networks import ConvNet

GOAL, EPOCHS, FEWEST_EPOCHS = 0.9914, 20, 17  # full runs needed 17, 19 and more than 20
RECIPE = replace(
    training.QUICK, epochs=0.8
)  # its validation accuracy is that of a whole epoch, give or take 0.3 %
TRIES = 9
HALF = slice(5000, None)  # the half of the test split on which older texts test


class OldConvNet(nn.Module):
    """The same layers; ReLU before pooling, dropout as a function, and probabilities'
    logarithms at the end.
    """

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 5, padding=2)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(4, 8, 5, padding=2)
        self.fc1 = nn.Linear(28 // 4 * 28 // 4 * 8, 512)
        self.fc2 = nn.Linear(512, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.view(-1, 28 // 4 * 28 // 4 * 8)
        x = F.dropout(F.relu(self.fc1(x)), training=self.training)
        return F.log_softmax(self.fc2(x), dim=1)


def old_loaders() -> tuple[DataLoader, DataLoader, DataLoader]:
    """Return loaders that decode each image anew: training, then the first and the
    second half of the test split.
    """
    from torchvision.datasets import MNIST
    from torchvision.transforms import ToTensor

    learned, tested = (
        MNIST(data.folder(), train=train, transform=ToTensor())
        for train in (True, False)
    )
    halves = [SubsetRandomSampler(range(start, start + 5000)) for start in (0, 5000)]
    return DataLoader(learned, 64, shuffle=True), *(
        DataLoader(tested, 64, sampler=half) for half in halves
    )


def fresh_batch(images, target):
    """Copy a batch, with a gradient that nobody asks for."""
    return images.clone().requires_grad_(True), target.clone().detach()


def right_ones(output: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Return how many are right, and of how many."""
    read = output.data.max(1)[1]
    return read.eq(target.data.view_as(output.data.max(1)[1])).sum(), len(target)


def share(pairs) -> torch.Tensor:
    """Return the percentage that is right of all batches so far."""
    return 100.0 * sum(right for right, _ in pairs) / sum(count for _, count in pairs)


def old_validation(epoch, batch, net, loss, loader, trained, kept):
    """Validate as older texts do, with a report and a copy of the weights a batch."""
    net.eval()
    validated, (record, weights, screen) = [], kept
    for given in loader:
        images, target = fresh_batch(*given)
        validated.append(right_ones(net(images), target))
        shares = share(trained), share(validated)
        print(
            f"epoch {epoch} [{batch * len(images)}]\tloss {loss.data:.6f}\t"
            f"{shares[0]:.2f}%\t{shares[1]:.2f}%",
            file=screen,
        )
        record.append((100 - shares[0], 100 - shares[1]))
        layers = net.conv1, net.conv2
        parts = [part for layer in layers for part in (layer.weight, layer.bias)]
        weights.append([part.data.clone() for part in parts])


def old_epoch(epoch, net, optimizer, loaders, kept) -> None:
    """Train for an epoch as older texts do, with a validation each hundred batches."""
    criterion, trained = nn.CrossEntropyLoss(), []
    for batch, given in enumerate(loaders[0]):
        images, target = fresh_batch(*given)
        net.train()
        output = net(images)
        loss = criterion(output, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        trained.append(right_ones(output, target))
        if batch % 100 == 0:
            old_validation(epoch, batch, net, loss, loaders[1], trained, kept)


@torch.no_grad()
def share_right(net: nn.Module, split: data.Split) -> tuple[float, float]:
    """Return the accuracy on the second half of a test split and on all of it."""
    right = (training.logits(net, split.images).argmax(1) == split.labels).double()
    return right[HALF].mean().item(), right.mean().item()


def old_way(
    seed: int, digits: data.Digits, epochs: int = EPOCHS
) -> tuple[float, int, float, float]:
    """Train until the goal; return the seconds (without our own tests), the epochs, and
    both accuracies.
    """
    torch.manual_seed(seed)
    net, loaders, seconds = OldConvNet(), old_loaders(), 0.0
    optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
    record, weights = [], []
    with open(os.devnull, "w", encoding="utf-8") as screen:
        for epoch in range(epochs):
            start = time.perf_counter()
            old_epoch(epoch, net, optimizer, loaders, (record, weights, screen))
            seconds += time.perf_counter() - start
            half, whole = share_right(net, digits.test)
            print(
                f"  the old way, seed {seed}, epoch {epoch + 1}: {seconds:6.1f} s, "
                f"half {half:.4f}, all {whole:.4f}"
            )
            if half >= GOAL:
                break
    return seconds, epoch + 1, half, whole


def our_way(
    seed: int,
    digits: data.Digits,
    recipe: training.Recipe = training.QUICK,
    make=lambda: ConvNet(dropout=0),
) -> tuple[float, int, float, float]:
    """Train by a recipe; return the seconds, the epochs, and both accuracies."""
    torch.manual_seed(seed)
    net, start = make(), time.perf_counter()
    training.fit(net, digits, recipe, seed)
    return time.perf_counter() - start, recipe.epochs, *share_right(net, digits.test)


def bare(digits: data.Digits) -> float:
    """Return the seconds of an epoch of nothing but forward, backward and step, on
    batches that lie ready.
    """
    torch.manual_seed(0)
    net = ConvNet(dropout=0).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), 0.01, betas=(0.7, 0.9), fused=True)
    batches = [
        *zip(
            *(part.split(training.QUICK.batch_size) for part in digits.train),
            strict=True,
        )
    ]
    net.train()
    start = time.perf_counter()
    for images, labels in batches:
        loss = F.cross_entropy(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - start


def wide() -> nn.Module:
    """Return the wider network of notebook 05."""
    return ConvNet(kernels=(16, 32), dense=128, dropout=0)


def table(quick: bool) -> None:
    """Print the race, the price of our loop, and what the other recipes reach."""
    if torch.accelerator.is_available():
        raise SystemExit(
            "This compares on the CPU: hide the accelerator, for example with CUDA_VISIBLE_DEVICES=."
        )
    start = time.perf_counter()
    digits = data.load_digits()
    if digits.source != "MNIST":
        raise SystemExit(
            "This compares on MNIST: set MNIST_ROOT, or let notebook 05 download it."
        )
    seconds = time.perf_counter() - start
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads; MNIST read in {seconds:.1f} s"
    )
    _race(digits, [0] if quick else [0, 1, 2], quick)
    _price(digits)
    _view()
    _others(digits, 1 if quick else 5)


def _race(digits: data.Digits, seeds: list[int], quick: bool) -> None:
    print(f"\nuntil {GOAL:.2%} of the second half of the test split are right")
    ours = [our_way(seed, digits, RECIPE) for seed in range(5)]
    old = [old_way(seed, digits, 2 if quick else EPOCHS) for seed in seeds]
    if quick:
        seconds, epochs, *accuracies = old[0]
        old = [(seconds / epochs * FEWEST_EPOCHS, FEWEST_EPOCHS, *accuracies)]
        print(
            f"  --quick: {epochs} epochs were run; the time is extrapolated to {FEWEST_EPOCHS}, the fewest seen"
        )
    print(f"{'':22}{'seeds':>6}{'seconds':>9}{'epochs':>8}{'half':>8}{'all':>8}")
    for name, runs in {"the old way": old, "the course": ours}.items():
        seconds, epochs, half, whole = (
            statistics.median(values) for values in zip(*runs, strict=True)
        )
        print(
            f"{name:22}{len(runs):6}{seconds:9.1f}{epochs:8.1f}{half:8.4f}{whole:8.4f}"
        )
    missed = sum(
        half < GOAL for name in (ours, [] if quick else old) for *_, half, _ in name
    )
    ratio = statistics.median(run[0] for run in old) / statistics.median(
        run[0] for run in ours
    )
    print(
        f"the course is {ratio:.0f} times as fast{' (extrapolated)' * quick}; {missed} runs missed the goal"
    )


def _price(digits: data.Digits) -> None:
    ours, least = [], []
    for seed in range(TRIES):
        least.append(bare(digits))
        ours.append(our_way(seed, digits)[0])
    # What else the machine does only ever adds, so the fastest of each says most.
    print(
        f"\nan epoch, fastest of {TRIES}: forward, backward and step on batches that lie ready, and fit"
    )
    print(
        f"bare {min(least):.2f} s, fit with its validation {min(ours):.2f} s, ratio {min(ours) / min(least):.3f}"
    )


VIEW = """\
import time, torch
from helpers import digits as data
from helpers import training
from helpers.networks import ConvNet
digits = data.load_digits()
seconds = {True: [], False: []}
for _ in range(TRIES):
    for show in seconds:
        torch.manual_seed(0)
        model, start = ConvNet(dropout=0), time.perf_counter()
        training.fit(model, digits, show=show)
        seconds[show].append(time.perf_counter() - start)
quiet, shown = (min(seconds[show]) for show in (False, True))
print(f"in a kernel: quiet {quiet:.2f} s, with the live view {shown:.2f} s, ratio {shown / quiet:.3f}")
"""


def _view() -> None:
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(f"TRIES = {TRIES}\n{VIEW}")]
    )
    NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    print(
        next(
            output.text
            for output in notebook.cells[0].outputs
            if output.output_type == "stream"
        ),
        end="",
    )


def _others(digits: data.Digits, seeds: int) -> None:
    small = data.embedded()
    runs = {
        "longer recipe": (digits, training.LONG, lambda: ConvNet(dropout=0)),
        "wider network": (digits, replace(training.QUICK, lr=0.007), wide),
        "embedded digits": (
            small,
            replace(training.QUICK, epochs=20),
            lambda: ConvNet(dropout=0),
        ),
    }
    print(
        f"\n{'test split read once':22}{'seeds':>6}{'seconds':>9}{'epochs':>8}{'all':>8}{'least':>8}"
    )
    for name, (split, recipe, make) in runs.items():
        tried = [our_way(seed, split, recipe, make) for seed in range(seeds)]
        seconds, epochs, _, whole = (
            statistics.median(values) for values in zip(*tried, strict=True)
        )
        print(
            f"{name:22}{seeds:6}{seconds:9.1f}{epochs:8.1f}{whole:8.4f}{min(run[-1] for run in tried):8.4f}"
        )
