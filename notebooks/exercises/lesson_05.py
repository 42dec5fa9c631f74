"""The checkers of notebook 05, training on MNIST."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from exercises import chosen_numbers, expect_kind
from exercises.lesson_04 import _graphs
from helpers.checking import (
    NotYet,
    as_numbers,
    exercise,
    expect,
    expect_same,
)


@exercise(
    "the last, smaller batch of each epoch is a step too.",
    of="images, batch_size, epochs",
)
def steps(answer: Callable) -> None:
    """Check a function of images, batch_size and epochs that returns the number of
    steps.
    """
    cases = (55_000, 64, 20), (60_000, 100, 3), (100, 128, 5), (1_317, 32, 2)
    answer.agrees(
        lambda images, batch_size, epochs: epochs * math.ceil(images / batch_size),
        cases,
    )


@exercise("it agrees with F.cross_entropy, for large logits too.", of="logits, labels")
def cross_entropy(answer: Callable) -> None:
    """Check a function of logits (N×10) and labels (N) that returns their mean cross
    entropy.
    """
    cases = [
        (size * torch.randn(n, 10), torch.arange(n) * 3 % 10)
        for n, size in ((1, 1), (6, 3))
    ]
    answer.agrees(F.cross_entropy, cases)
    large = 1000 * F.one_hot(torch.tensor([3, 4]), 10) * torch.tensor([[1.0], [-1.0]])
    hint = "it is right for small logits; for logits of ±1,000 it gives {given}, as exp overflows or log meets 0."
    answer.agrees(F.cross_entropy, [(large, torch.tensor([3, 4]))], hint)


def _keeps(model: nn.Module, mode: bool) -> None:
    stays = all(module.training is mode for module in model.modules())
    expect(
        stays,
        f"the model came in train({mode}), and it, or a layer of it, goes out in train({not mode}).",
    )


@exercise(
    "dropout off, no graph, and the mode is as it was.", of="model, images, labels"
)
def honest_accuracy(answer: Callable) -> None:
    """Check a function of model, images and labels that returns the accuracy and leaves
    the model in its mode.
    """
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(784, 64), nn.Dropout(0.9), nn.Linear(64, 10)
    )
    percent = "that is in percent; give the share, from 0 to 1."
    hint = "it returns {given}, not {right}; is dropout off, and does each image count the same?"
    for count, mode in ((400, True), (250, False)):
        images = torch.randn(count, 1, 28, 28)
        labels = model.eval()(images).argmax(1)
        labels[: count // 4] += 1
        right, graphs = 1 - (count // 4) / count, _graphs(model.train(mode))
        given = answer(model, images, labels)
        expect(
            not isinstance(given, torch.Tensor),
            "it returns a tensor; make it a plain number with item().",
        )
        expect_same(given, right, [(100 * right, percent)], hint, "what it returns")
        _keeps(model, mode)
        expect(
            not any(graphs),
            "the number is right, and a graph is made; which block stops that?",
        )


@exercise("so many of each class, and the same ones tomorrow.", of="labels, count")
def hold_out(answer: Callable) -> None:
    """Check a function of labels and count that returns indices, count of each class."""
    for classes, count in ((10, 5), (3, 20)):
        labels = torch.randint(classes, (600,))
        given, again = (answer(labels.clone(), count) for _ in range(2))
        expect_kind(given, torch.Tensor)
        whole = given.ndim == 1 and given.dtype in (torch.int64, torch.int32)
        expect(
            whole,
            f"indices are one row of whole numbers, not {given.dtype} of shape {tuple(given.shape)}.",
        )
        expect(len(given.unique()) == len(given), "some indices come twice.")
        found = torch.bincount(labels[given], minlength=classes).tolist()
        expect(
            found == [count] * classes,
            f"with count {count} the classes come {found} times.",
        )
        expect(
            torch.equal(given.sort()[0], again.sort()[0]),
            "the second call gives others; where is the seed?",
        )


@exercise("the sampler picks, the loader hands out.", of="dataset, classes, batch_size")
def loader_of(answer: Callable) -> None:
    """Check a function of dataset, classes and batch_size that returns a loader of only
    these classes.
    """
    labels = torch.arange(200) * 7 % 10
    dataset = TensorDataset(torch.arange(200.0).view(-1, 1, 1, 1), labels)
    for classes, batch_size in (({3, 8}, 16), ({0}, 7)):
        loader = answer(dataset, classes, batch_size)
        expect_kind(loader, DataLoader)
        first, second = (
            [images.flatten().int().tolist() for images, _ in loader] for _ in range(2)
        )
        places = sum(first, [])
        found = set(labels[places].tolist())
        expect(
            found,
            "it gives no image; a label is a tensor, and only int(label) is found in a set of numbers.",
        )
        expect(
            found == classes,
            f"asked for the classes {sorted(classes)}, it gives {sorted(found)}.",
        )
        wanted = 20 * len(classes)
        once = len(places) == len(set(places)) == wanted
        expect(
            once,
            f"it gives {len(places)} images; there are {wanted}, each to come once.",
        )
        expect(
            len(first[0]) == batch_size,
            f"its batches have {len(first[0])} images, not {batch_size}.",
        )
        expect(first != second, "both passes have the same order; it should be random.")


@exercise("and it stays between 0 and 1.", of="right, total")
def interval(answer: Callable) -> None:
    """Check a function of right and total: the 95 % interval of an accuracy, (low,
    high), the usual one or Wilson's.
    """
    for right, total in ((990, 1000), (9914, 10_000), (20, 20), (1, 200)):
        said = f"for {right} of {total} the pair (low, high)"
        low, high = as_numbers(answer(right, total), (2,), said).tolist()
        p, share = right / total, 1.96**2 / total
        margin = 1.96 * math.sqrt(p * (1 - p) / total)
        middle, wide = (
            (p + share / 2) / (1 + share),
            math.hypot(margin, share / 2) / (1 + share),
        )
        usual, wilson = (
            (max(0, p - margin), min(1, p + margin)),
            (middle - wide, middle + wide),
        )
        expect(
            low >= 0 and high <= 1, f"{said} is ({low:.4f}, {high:.4f}), beyond 0 or 1."
        )
        near = any(math.dist((low, high), pair) < 5e-5 for pair in (usual, wilson))
        expect(
            near,
            f"{said} is ({low:.4f}, {high:.4f}); is it p ± 1.96·√(p(1 − p)/total)?",
        )


@exercise("the best so far, and how long ago that was.", of="accuracies, patience")
def early_stop(answer: Callable) -> None:
    """Check a function of accuracies and patience that returns the number of epochs
    that are run.
    """
    runs = (
        [0.9, 0.95, 0.94, 0.96, 0.96, 0.95, 0.97],
        [0.5, 0.6, 0.7],
        [0.9, 0.7, 0.8, 0.75, 0.85, 0.95],
    )
    for accuracies, right in zip(runs, [(3, 6, 7), (3, 3, 3), (2, 3, 4)], strict=True):
        for patience, epochs in enumerate(right, 1):
            answer.gives(epochs, (accuracies, patience))


# Of the old program in notebook 05: for each fault the lines that name it, and where to
# look.
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
