"""The checkers of notebook 05 tell right from wrong kindly."""

import copy
import math
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from exercises import lesson_05 as checks
from exercising import Lesson, cross_entropy, held
from refresh import NOTEBOOKS
from scipy.stats import beta
from torch import nn
from torch.utils.data import DataLoader, Subset


def from_softmax(logits, labels):
    return -logits.softmax(dim=1)[torch.arange(len(labels)), labels].log().mean()


def share_right(model, images, labels, evaluate=True, back=True, graph=False, scale=1):
    mode = model.training
    model.train(not evaluate)
    with torch.set_grad_enabled(graph):
        right = (model(images).argmax(1) == labels).float().mean()
    model.train(mode if back else False)
    return scale * right.item()


def only_classes(dataset, classes, batch_size, shuffled=True):
    chosen = Subset(
        dataset, [i for i in range(len(dataset)) if int(dataset[i][1]) in classes]
    )
    return DataLoader(chosen, batch_size=batch_size, shuffle=shuffled)


def stop_after(accuracies, patience):
    best, since = -1, 0
    for epoch, accuracy in enumerate(accuracies, 1):
        best, since = (accuracy, 0) if accuracy > best else (best, since + 1)
        if since == patience:
            return epoch
    return len(accuracies)


def bounds(right, total, clip=True, z=1.96):
    p = right / total
    margin = z * (p * (1 - p) / total) ** 0.5
    low, high = p - margin, p + margin
    return (max(0.0, low), min(1.0, high)) if clip else (low, high)


def wilson(right, total, z=1.96):
    p, share = right / total, z**2 / total
    middle, wide = p + share / 2, z * (p * (1 - p) / total + share / total / 4) ** 0.5
    return (middle - wide) / (1 + share), (middle + wide) / (1 + share)


def since_the_last(accuracies, patience):
    bad = 0
    for epoch, (before, accuracy) in enumerate(
        zip([-1, *accuracies], accuracies, strict=False), 1
    ):
        bad = 0 if accuracy > before else bad + 1
        if bad == patience:
            return epoch
    return len(accuracies)


def only_itself(model, images, labels):
    mode = model.training
    right = share_right(model, images, labels, back=False)
    model.training = mode
    return right


NINE = {2, 3, 6, 9, 15, 27, 28, 31, 33}


def on_a_copy(model, images, labels):
    model = copy.deepcopy(model).eval()
    return (model(images).argmax(1) == labels).float().mean().item()


def through_forward(model, images, labels):
    mode = model.training
    model.eval()
    right = (model.forward(images).argmax(1) == labels).float().mean().item()
    model.train(mode)
    return right


def leaving(change):
    def share(model, images, labels):
        right = share_right(model, images, labels)
        change(model)
        return right

    return share


def no_more_dropout(model):
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0


def in_batches(model, images, labels, mean=False):
    mode, hits = model.training, []
    model.eval()
    with torch.inference_mode():
        for x, y in zip(images.split(64), labels.split(64), strict=True):
            hits.append((model.forward(x).argmax(1) == y).float())
    model.train(mode)
    return float(np.mean([h.mean() for h in hits]) if mean else torch.cat(hits).mean())


def same_twice(labels, count):
    with torch.random.fork_rng([]):
        return torch.cat(
            [
                place[torch.randperm(len(place))[:count]]
                for place in [(labels == k).nonzero()[:, 0] for k in labels.unique()]
            ]
        )


def from_the_end(labels, count):
    return torch.cat([held(labels, count)[:-1], held(labels, count)[-1:] - len(labels)])


def labels_of_others(dataset, classes, batch_size, pairs=None):
    loader = only_classes(dataset, classes, batch_size)
    own = [dataset[i] for i in loader.dataset.indices]
    labels = [own[i - 1][1] for i in range(len(own))]
    exchanged = [(x, y) for (x, _), y in zip(own, sorted(labels), strict=True)]
    return DataLoader(exchanged, batch_size=batch_size, shuffle=True)


def agresti_coull(right, total, z=1.959964, more=1.959964**2, clip=True):
    return bounds(right + more / 2, total + more, clip, z)


def clopper_pearson(right, total):
    low = beta.ppf(0.025, right, total - right + 1) if right else 0
    return low, beta.ppf(0.975, right + 1, total - right) if right < total else 1


def ends(right, total, low=True, high=True):
    below, above = bounds(right, total, clip=False)
    return max(0, below) if low else below, min(1, above) if high else above


RIGHT = {
    checks.steps: [
        lambda images, batch_size, epochs: epochs * -(-images // batch_size),
        lambda images, batch_size, epochs: np.int64(
            epochs * np.ceil(images / batch_size)
        ),
        lambda images, batch_size, epochs: torch.tensor(
            epochs * len(range(0, images, batch_size))
        ),
    ],
    checks.cross_entropy: [
        cross_entropy,
        lambda logits, labels: float(cross_entropy(logits, labels)),
        lambda logits, labels: F.nll_loss(F.log_softmax(logits, 1), labels),
    ],
    checks.interval: [
        wilson,
        bounds,
        partial(wilson, z=1.959964),
        clopper_pearson,
        agresti_coull,
        partial(agresti_coull, z=1.96, more=4),
        lambda right, total: np.array(wilson(right, total)),
        lambda right, total: [*map(torch.tensor, bounds(right, total))],
    ],
    checks.honest_accuracy: [share_right, in_batches],
    checks.hold_out: [held],
    checks.loader_of: [only_classes],
    checks.early_stop: [stop_after, lambda *given: np.int64(stop_after(*given))],
    checks.nine_faults: [NINE, frozenset(NINE - {31, 28} | {25, 34})],
}
WRONG = {
    checks.steps: [
        (860, "a function of images, batch_size, epochs"),
        (
            lambda images, batch_size, epochs: epochs * images // batch_size,
            "and should be",
        ),
        (
            lambda images, batch_size, epochs: math.ceil(epochs * images / batch_size),
            "and should be",
        ),
        (lambda images, batch_size, epochs: None, "is a return missing?"),
        (
            lambda images, batch_size, epochs: epochs * round(images / batch_size),
            "and should be",
        ),
        (
            lambda images, batch_size, epochs: (
                epochs * round(images / batch_size + 0.5)
            ),
            "and should be",
        ),
        (
            lambda images, batch_size, epochs: epochs * int(images / batch_size + 0.99),
            "and should be",
        ),
        (
            lambda images, batch_size, epochs: epochs * (images // batch_size + 1),
            "and should be",
        ),
        (
            lambda images, batch_size, epochs: epochs * (images // batch_size),
            "and should be",
        ),
    ],
    checks.cross_entropy: [
        (
            lambda logits, labels: cross_entropy(logits, labels) * len(labels),
            "and should be",
        ),
        (from_softmax, "for logits of ±1,000 it gives"),
        (lambda logits, labels: logits, "give one number"),
        (F.cross_entropy, "without torch's ready-made one"),
        (nn.CrossEntropyLoss(), "without torch's ready-made one"),
    ],
    checks.honest_accuracy: [
        (0.99, "a function of model, images, labels"),
        (partial(share_right, evaluate=False), "is dropout off"),
        (partial(share_right, back=False), "goes out in train(False)"),
        (partial(share_right, graph=True), "a graph is made"),
        (partial(share_right, scale=100), "in percent"),
        (lambda model, images, labels: None, "is a return missing?"),
        (lambda model, images, labels: torch.tensor(0.75), "item()"),
        (only_itself, "or a layer of it"),
        (through_forward, "a graph is made"),
        (on_a_copy, "a graph is made"),
        (partial(in_batches, mean=True), "each image count the same"),
        (
            leaving(lambda model: torch.set_grad_enabled(False)),
            "gradients are off for good",
        ),
        (leaving(lambda model: model.requires_grad_(False)), "requires_grad"),
        (leaving(no_more_dropout), "dropout is off for good"),
    ],
    checks.hold_out: [
        (partial(held, seed=None), "where is the seed?"),
        (
            lambda labels, count: torch.arange(count * len(labels.unique())),
            "the classes come",
        ),
        (
            lambda labels, count: labels[held(labels, count)] * 0,
            "some indices come twice",
        ),
        (lambda labels, count: held(labels, count).tolist(), "list, not a Tensor"),
        (lambda labels, count: held(labels, count).float(), "whole numbers"),
        (from_the_end, "indices go from 0 to 599"),
        (same_twice, "where is the seed?"),
    ],
    checks.loader_of: [
        (lambda dataset, classes, batch_size: dataset, "not a DataLoader"),
        (
            lambda dataset, classes, batch_size: DataLoader(dataset, batch_size),
            "asked for the classes",
        ),
        (lambda dataset, classes, batch_size: DataLoader([]), "only int(label)"),
        (partial(only_classes, shuffled=False), "the same order"),
        (
            lambda dataset, classes, batch_size: only_classes(dataset, classes, 1),
            "have 1 images",
        ),
        (labels_of_others, "the labels of others"),
    ],
    checks.interval: [
        (
            lambda right, total: right / total,
            "the pair (low, high) is one number; give 2 numbers",
        ),
        (partial(bounds, clip=False), "beyond 0 or 1"),
        (lambda right, total: (0.9, 0.99), "√"),
        (partial(wilson, z=2), "√"),
        (partial(ends, high=False), "beyond 0 or 1"),
        (partial(ends, low=False), "beyond 0 or 1"),
        (partial(agresti_coull, clip=False), "beyond 0 or 1"),
        (partial(wilson, z=1.645), "√"),
        (lambda right, total: (0, 1), "√"),
        (lambda right, total: (math.nan, math.nan), "√"),
        (lambda *given: bounds(*given)[::-1], "the lower end first"),
        (lambda right, total: (True, False), "give 2 numbers"),
    ],
    checks.early_stop: [
        (since_the_last, "and should be"),
        (lambda accuracies, patience: len(accuracies), "and should be"),
        (
            lambda accuracies, patience: 1 + accuracies.index(max(accuracies)),
            "and should be",
        ),
        (
            lambda accuracies, patience: stop_after(accuracies, patience + 1),
            "and should be",
        ),
        (lambda accuracies, patience: True, "give one number"),
    ],
    checks.nine_faults: [
        ({2, 3}, "2 of nine found. Of the others: from which side"),
        (NINE | {20}, "9 of nine found; line 20 is not one of them"),
        ({0, 2}, "from 1 to 34"),
        (9, "give a set of line numbers"),
        ({True, 2}, "from 1 to 34"),
    ],
}


class TestCheckers(Lesson):
    right, wrong = RIGHT, WRONG
    notebook = NOTEBOOKS[4]
