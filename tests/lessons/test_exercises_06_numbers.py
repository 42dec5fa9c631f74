"""The checkers of notebook 06 tell right from wrong kindly: what is counted and measured."""

from collections import Counter
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from exercises import lesson_06 as checks
from exercising import Checkers


def shares(matrix, floor=1):
    right = matrix.diagonal()
    return torch.stack([right / matrix.sum(1), right / matrix.sum(0).clamp(min=floor)])


def shares_in_lists(matrix):
    table = matrix.tolist()
    sums = (
        [sum(row) for row in table],
        [sum(column) for column in zip(*table, strict=True)],
    )
    return [
        [table[i][i] / total if total else 0 for i, total in enumerate(row)]
        for row in sums
    ]


def centre(image, first=0):
    places = (torch.arange(size) + first for size in image.shape)
    return tuple(
        ((image.sum(1 - axis) * place).sum() / image.sum()).item()
        for axis, place in enumerate(places)
    )


def gap(
    confidences,
    right,
    bins,
    size=abs,
    weight=lambda n, total, bins: n / total,
    skip=True,
    top=True,
):
    total = 0
    for b in range(bins):
        inside = (confidences >= b / bins) & (
            confidences < (b + 1) / bins + (top and b == bins - 1)
        )
        if inside.any() or not skip:
            distance = right[inside].float().mean() - confidences[inside].mean()
            total += weight(inside.sum(), len(right), bins) * size(distance)
    return total


def gap_in_lists(confidences, right, bins, top=True):
    held = [[] for _ in range(bins)]
    for confidence, hit in zip(confidences.tolist(), right.tolist(), strict=True):
        held[
            min(int(confidence * bins), bins - 1) if top else int(confidence * bins)
        ].append(hit - confidence)
    return sum(abs(sum(inside)) for inside in held) / len(right)


def gap_with_ones_apart(confidences, right, bins):
    places = (confidences * bins).long()
    apart = [
        (right[places == one].float() - confidences[places == one]).sum().abs()
        for one in places.unique()
    ]
    return sum(apart) / len(right)


def vote(
    image,
    images,
    labels,
    k,
    sign=1,
    distance=lambda image, images: (images - image).flatten(1).norm(dim=1),
):
    return labels[(sign * distance(image, images)).argsort()[:k]].mode().values


def counted(image, images, labels, k):
    order = sorted(
        range(len(images)), key=lambda i: F.mse_loss(images[i], image[0][None]).item()
    )
    return Counter(labels[order[:k]].tolist()).most_common(1)[0][0]


def angle(image, images):
    return -F.cosine_similarity(images.flatten(1), image.flatten()[None])


def by_cdist(image, images, labels, k):
    distances = torch.cdist(image.flatten()[None], images.flatten(1))[0]
    return int(labels[distances.topk(k, largest=False).indices].bincount().argmax())


def weighted(image, images, labels, k):
    distances = (images - image).flatten(1).norm(dim=1)
    closest = distances.argsort()[:k]
    return labels[closest].bincount(1 / distances[closest]).argmax()


def by_numpy(image, images, labels, k):
    distances = ((images.numpy() - image.numpy()) ** 2).sum((1, 2, 3))
    return np.bincount(labels.numpy()[distances.argsort()[:k]]).argmax()


RIGHT = {
    checks.recall_precision: [
        shares,
        shares_in_lists,
        lambda matrix: (shares(matrix)[0].numpy(), shares(matrix)[1].numpy()),
    ],
    checks.centre_of_mass: [centre, lambda image: torch.tensor(centre(image))],
    checks.calibration_error: [gap, gap_in_lists],
    checks.nearest: [vote, counted, by_cdist, by_numpy],
    checks.supported: [{2, 3, 6, 8}, [8, 6, 3, 2]],
}
WRONG = {
    checks.recall_precision: [
        ([[1, 0], [0, 1]], "the answer is a function of matrix"),
        (lambda matrix: shares(matrix).flip(0), "give recall, then precision"),
        (lambda matrix: 100 * shares(matrix), "those are percent"),
        (partial(shares, floor=0), "class 2 is never answered"),
        (
            lambda matrix: [[1 / sum(row) for row in matrix.T.tolist()]],
            "has the shape (1, 3); give 2 rows of 3 numbers",
        ),
        (
            lambda matrix: matrix / matrix.sum(),
            "has the shape (3, 3); give 2 rows of 3 numbers",
        ),
        (lambda matrix: shares(matrix) / 2, "which sum is all images of a class"),
        (lambda matrix: "0.9", "the result is '0.9'; give 2 rows of 3 numbers"),
        (lambda: 1, "stopped with TypeError"),
        (lambda matrix: None, "is a return missing?"),
        (
            lambda matrix: [
                [matrix[i, i].item() / n for i, n in enumerate(matrix.sum(at).tolist())]
                for at in (1, 0)
            ],
            "0/0 is no number",
        ),
        (lambda matrix: shares(matrix)[0].repeat(2, 1), "which sum is all images"),
    ],
    checks.centre_of_mass: [
        ((14, 14), "the answer is a function of image"),
        (lambda image: centre(image)[::-1], "give the row first"),
        (lambda image: centre((image > 0).float()), "weight it by its grey level"),
        (partial(centre, first=1), "count from 0"),
        (
            lambda image: divmod(int(image.argmax()), image.shape[1]),
            "the brightest pixel",
        ),
        (lambda image: [(size - 1) / 2 for size in image.shape], "is another place"),
        (lambda image: centre(image)[0], "is one number; give 2 numbers"),
        (lambda image: None, "is a return missing?"),
        (lambda image: image[99], "stopped with IndexError"),
    ],
    checks.calibration_error: [
        (0.02, "the answer is a function of confidences, right, bins"),
        (
            partial(gap, weight=lambda n, total, bins: 1 / bins),
            "every bin counts the same",
        ),
        (partial(gap, size=lambda one: one), "the absolute value in each bin"),
        (
            lambda *given: abs(gap(*given, size=lambda one: one)),
            "the absolute value in each bin",
        ),
        (partial(gap, skip=False), "a bin without images"),
        (partial(gap, top=False), "exactly 1.0 falls out of the last bin"),
        (partial(gap_in_lists, top=False), "exactly 1.0 falls out of the last bin"),
        (gap_with_ones_apart, "exactly 1.0 falls out of the last bin"),
        (partial(gap, size=lambda one: one**2), "the gaps are squared"),
        (lambda *given: 100 * gap(*given), "those are percent"),
        (lambda confidences, right, bins: sum([]) / 0, "a bin without images"),
        (
            lambda c, right, bins: gap(c[c < 0.75], right[c < 0.75], bins),
            "and should be",
        ),
        (lambda *given: 0.1, "bins 4 the result is 0.1, and should be"),
        (lambda *given: None, "is a return missing?"),
        (lambda confidences, right: 0.1, "stopped with TypeError"),
    ],
    checks.nearest: [
        (7, "the answer is a function of image, images, labels, k"),
        (partial(vote, sign=-1), "those are the farthest"),
        (
            lambda image, images, labels, k: vote(image, images, labels, 1),
            "let all k vote",
        ),
        (lambda a, b, labels, k: vote(a, b, torch.arange(len(b)), k), "give its label"),
        (lambda a, b, labels, k: vote(a, b, torch.arange(len(b)), 1), "give its label"),
        (
            lambda a, b, labels, k: vote(a, b, labels, 3),
            "do exactly the k nearest vote",
        ),
        (
            lambda a, b, labels, k: vote(a, b, labels, k + 1),
            "do exactly the k nearest vote",
        ),
        (
            lambda image, images, labels, k: labels[:k],
            "has the shape (3,); give one number",
        ),
        (lambda *given: None, "is a return missing?"),
        (lambda image, images, labels, k: labels[100], "stopped with IndexError"),
        (
            lambda image, images, labels, k: labels[-k:].mode().values,
            "by the distance over the whole image",
        ),
        (
            lambda image, images, labels, k: labels[:k].mode().values,
            "by the distance over the whole image",
        ),
        (weighted, "do exactly the k nearest vote"),
        (
            partial(vote, distance=lambda a, b: (a - b).abs().flatten(1).sum(1)),
            "by the distance over the whole image",
        ),
        (
            partial(vote, distance=lambda a, b: (a - b).abs().flatten(1).amax(1)),
            "by the distance over the whole image",
        ),
        (partial(vote, distance=angle), "by the distance over the whole image"),
        (
            partial(vote, distance=lambda a, b: (a - b)[:, 0, 14].norm(dim=1)),
            "by the distance over the whole image",
        ),
        (
            lambda image, images, labels, k: vote(image, images, labels, max(1, k - 1)),
            "do exactly the k nearest vote",
        ),
        (lambda image, images, labels, k: 7, "do exactly the k nearest vote"),
    ],
    checks.supported: [
        ({1, 2}, "1 of four found; statement 1: does another kernel not take over"),
        ({2, 3, 4}, "2 of four found; statement 4: does the gradient say"),
        ([5], "0 of four found; statement 5: what does a black patch"),
        ({2, 3, 6, 7, 8}, "4 of four found; statement 7: how many digits"),
        ({2, 8}, "2 of four found; for which other"),
        (set(), "0 of four found"),
        ("2, 3", "give a set of statement numbers"),
        ({0, 2}, "from 1 to 8"),
        ([[2, 3], [6, 8]], "from 1 to 8"),
        ({2.5}, "from 1 to 8"),
        ({"2"}, "from 1 to 8"),
        ({True, 2}, "from 1 to 8"),
    ],
}


class TestCheckers(Checkers):
    right, wrong = RIGHT, WRONG
