"""The checkers of notebook 05, training on MNIST."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from exercises import (
    Called,
    between,
    chosen_numbers,
    expect_kind,
    expect_number,
    graphs_of,
)
from helpers.checking import NotYet, as_numbers, exercise, expect, expect_same


@exercise(
    "the last, smaller batch of each epoch is a step too.",
    of="images, batch_size, epochs",
)
def steps(answer: Callable) -> None:
    """Check a function of images, batch_size and epochs: the number of steps."""
    cases = [(55_000, 64, 20), (60_000, 100, 3), (100, 128, 5)]
    for _ in range(8):
        batch_size, full = between(3, 300), between(1, 50)
        for left in (0, 1, batch_size // 2, batch_size - 1):
            cases.append((full * batch_size + left, batch_size, between(1, 20)))
    answer.agrees(lambda n, size, epochs: epochs * math.ceil(n / size), cases)


@exercise("it agrees with F.cross_entropy, for large logits too.", of="logits, labels")
def cross_entropy(answer: Callable) -> None:
    """Check the mean cross entropy of logits (N×10) and labels (N)."""
    sizes = (1, 1), (6, 3), (between(2, 20), 2)
    cases = [(size * torch.randn(n, 10), torch.randint(10, (n,))) for n, size in sizes]
    answer.agrees(F.cross_entropy, cases)
    with Called() as called:
        answer(*cases[0])
    hint = "the number is right; now write it without torch's ready-made one."
    expect("cross_entropy" not in called.names, hint)
    labels = torch.randint(10, (2,))
    large = 1000 * F.one_hot(labels, 10) * torch.tensor([[1.0], [-1.0]])
    hint = "it is right for small logits; for logits of ±1,000 it gives {given}, "
    hint += "as exp overflows or log meets 0."
    answer.agrees(F.cross_entropy, [(large, labels)], hint)


@exercise("dropout off, no graph, the mode as it was.", of="model, images, labels")
def honest_accuracy(answer: Callable) -> None:
    """Check a function that returns the accuracy and leaves the model as it was."""
    for count, mode in ((400, True), (250, False)):
        dropout = nn.Dropout(0.9)
        model = nn.Sequential(nn.Flatten(), dropout, nn.Linear(784, 10))
        images, wrong = torch.randn(count, 1, 28, 28), between(count // 5, count // 2)
        labels = model.eval()(images).argmax(1)
        labels[:wrong] = (labels[:wrong] + 1) % 10
        graphs = graphs_of(model)
        given = answer(model.train(mode), images, labels)
        expect_number(given)
        right = 1 - wrong / count
        mistakes = [(100 * right, "that is in percent; give the share, from 0 to 1.")]
        hint = "it returns {given}, not {right}; "
        hint += "is dropout off, and does each image count the same?"
        expect_same(given, right, mistakes, hint, "what it returns")
        hint = "the number is right, and a graph is made; which block stops that?"
        expect(not any(graphs), hint)
        expect(dropout.p == 0.9, "dropout is off for good; eval() and train(mode) do.")


@exercise("so many of each class, and the same ones tomorrow.", of="labels, count")
def hold_out(answer: Callable) -> None:
    """Check a function of labels and count: indices, so many of each class."""
    for classes, count in ((10, 5), (3, 20), (between(2, 8), between(1, 30))):
        labels = torch.randint(classes, (600,))
        given = answer(labels.clone(), count)
        torch.rand(1)  # tomorrow torch's own generator stands elsewhere
        again = answer(labels.clone(), count)
        expect_kind(given, torch.Tensor)
        whole = given.ndim == 1 and given.dtype in (torch.int64, torch.int32)
        is_ = f"{given.dtype} of shape {tuple(given.shape)}"
        expect(whole, f"indices are one row of whole numbers, not {is_}.")
        chosen = set(given.tolist())
        expect(chosen <= {*range(600)}, "indices go from 0 to 599, and some do not.")
        expect(len(chosen) == len(given), "some indices come twice.")
        found = torch.bincount(labels[given], minlength=classes).tolist()
        fair = found == [count] * classes
        expect(fair, f"with count {count} the classes come {found} times.")
        same = chosen == set(again.tolist())
        expect(same, "the second call gives others; where is the seed?")


@exercise("the sampler picks, the loader hands out.", of="dataset, classes, batch_size")
def loader_of(answer: Callable) -> None:
    """Check a function that returns a loader of some classes of a dataset."""
    for many, batch_size in ((2, 16), (1, 7), (3, between(2, 20))):
        images, labels = torch.arange(200.0).view(-1, 1, 1, 1), torch.randperm(200) % 10
        classes = set(torch.randperm(10)[:many].tolist())
        loader = answer(TensorDataset(images, labels), {*classes}, batch_size)
        expect_kind(loader, DataLoader)
        first, second = [*loader], [*loader]
        hint = "it gives no image; "
        hint += "a label is a tensor, and only int(label) is found in a set of numbers."
        expect(first, hint)
        places, said = map(torch.cat, zip(*first, strict=True))
        places = places.flatten().long()
        found = set(labels[places].tolist())
        hint = f"asked for the classes {sorted(classes)}, it gives {sorted(found)}."
        expect(found == classes, hint)
        own = said.tolist() == labels[places].tolist()
        expect(own, "some images come with the labels of others.")
        wanted = 20 * many
        once = len(places) == len(places.unique()) == wanted
        hint = f"it gives {len(places)} images; there are {wanted}, each to come once."
        expect(once, hint)
        size = len(first[0][0])
        expect(size == batch_size, f"its batches have {size} images, not {batch_size}.")
        again = torch.cat([batch for batch, _ in second]).flatten()
        same = places.tolist() == again.tolist()
        expect(not same, "both passes have the same order; it should be random.")


@exercise("and it stays between 0 and 1.", of="right, total")
def interval(answer: Callable) -> None:
    """Check the 95 % interval (low, high) of an accuracy, the usual one or a better."""
    cases = [(990, 1000), (9914, 10_000), (20, 20), (199, 200), (1, 200), (0, 30)]
    cases += [(between(1, total - 1), total) for total in (40, 300, 5000)]
    for right, total in cases:
        said = f"for {right} of {total} the pair (low, high)"
        low, high = as_numbers(answer(right, total), (2,), said).tolist()
        shown, dust = f"{said} is ({low:.4f}, {high:.4f})", 1e-6
        beyond = low < -dust or high > 1 + dust
        expect(not beyond, f"{shown}, beyond 0 or 1.")
        expect(not low > high, f"{shown}; give the lower end first.")
        known = _intervals(right, total)
        near = any(math.dist((low, high), pair) < 5e-5 for pair in known)
        expect(near, f"{shown}; is it p ± 1.96·√(p(1 − p)/total)?")


def _intervals(right: int, total: int) -> list[tuple[float, float]]:
    """Return the usual interval, Agresti and Coull's (with z² or 4 answers more),
    Wilson's (also with correction for continuity), and Clopper and Pearson's.
    """
    from scipy.stats import binomtest  # half a second, for this exercise alone

    test, methods = binomtest(right, total), ("wilson", "wilsoncc", "exact")
    known = [test.proportion_ci(method=method) for method in methods]
    for more in (0, 1.96**2, 4):
        p = (right + more / 2) / (total + more)
        margin = 1.96 * math.sqrt(p * (1 - p) / (total + more))
        known.append((max(0, p - margin), min(1, p + margin)))
    return known


@exercise("the best so far, and how long ago that was.", of="accuracies, patience")
def early_stop(answer: Callable) -> None:
    """Check a function of accuracies and patience: how many epochs are run."""
    runs = [[0.9, 0.95, 0.94, 0.96, 0.96, 0.95, 0.97], [0.5, 0.6, 0.7]]
    for _ in range(10):
        runs.append([between(50, 58) / 100 for _ in range(between(1, 12))])
    cases = [(run, patience) for run in runs for patience in (1, 2, 3)]
    answer.agrees(_epochs_run, cases)


def _epochs_run(accuracies: list[float], patience: int) -> int:
    best, since = 0, 0
    for epoch, accuracy in enumerate(accuracies, 1):
        best, since = max(best, accuracy), 0 if accuracy > best else since + 1
        if since == patience:
            return epoch
    return len(accuracies)


# The faults of the old program: the lines that name each of them, and where to look.
FAULTS = [
    ({2}, "which images does the validation use?"),
    ({3}, "how representative are the images that it tests on?"),
    ({6}, "from which side does Python read a // 4 * a // 4?"),
    ({9, 11}, "how often is the softmax taken?"),
    ({15}, "which gradients does nobody need?"),
    ({27}, "which names are used twice?"),
    ({25, 28}, "what does a validation not need?"),
    ({31, 34}, "how often does it report, and how deep does that stand?"),
    ({22, 33}, "what is computed anew each time, though it has not changed?"),
]


@exercise("nine faults, and the program still runs.")
def nine_faults(answer: set) -> None:
    """Check the lines of the nine faults in the old program of notebook 05."""
    lines = chosen_numbers("line", answer, 34)
    missing = [hint for accepted, hint in FAULTS if not accepted & lines]
    listed = f"{len(FAULTS) - len(missing)} of nine found"
    for innocent in sorted(lines.difference(*(accepted for accepted, _ in FAULTS))):
        raise NotYet(f"{listed}; line {innocent} is not one of them.")
    for hint in missing:
        raise NotYet(f"{listed}. Of the others: {hint}")
