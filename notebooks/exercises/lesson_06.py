"""The checkers of notebook 06, inside the ConvNet."""

import contextlib
import copy
import functools
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from exercises import chosen_numbers, expect_kind
from exercises.lesson_05 import _keeps
from helpers.checking import (
    NotYet,
    exercise,
    expect,
    expect_same,
    first_line,
)
from helpers.networks import ConvNet


def _small_convnet() -> ConvNet:
    return ConvNet((2, 3), dense=8, dropout=0).eval()


def _no_hooks(model: nn.Module, when: str) -> None:
    for name, layer in model.named_modules():
        left = layer._forward_hooks or layer._forward_pre_hooks
        expect(
            not left,
            f"{when} a hook stays behind at {name!r}; remove() it in finally, or use with.",
        )


@exercise(
    "what every layer gives, and no hook stays behind.",
    of="model, names, images",
    errors=dict.fromkeys(
        (AttributeError, KeyError),
        "; what finds a submodule by its name, such as '0.1'?",
    ),
)
def hooked(answer: Callable) -> None:
    """Check a function of model, names and images that returns {name: output of that
    layer} and leaves no hook.
    """
    model, nested = (
        _small_convnet(),
        nn.Sequential(nn.Sequential(nn.Linear(28, 4), nn.Tanh()), nn.Linear(4, 2)),
    )
    for net, names in (
        (model, ["conv1", "fc1"]),
        (model.train(), ["fc2", "conv2"]),
        (nested, ["0.1"]),
    ):
        images, mode = torch.rand(3, 1, 28, 28), net.training
        given = answer(net, [*names], images)
        expect_kind(given, dict)
        only_last = [*given] == names[-1:]
        expect(
            only_last or set(given) == set(names),
            f"asked for {names}, the dict has the names {first_line([*given])}.",
        )
        _no_hooks(net, "afterwards")
        _keeps(net, mode)
        _each_layer(given, names, _through(net, images))
    with contextlib.suppress(Exception):
        answer(model, ["conv1", "fc1"], torch.rand(2, 1, 32, 32))
    _no_hooks(
        model, "where the model stops with an error, as for images of another size,"
    )


def _through(
    model: nn.Module, images: torch.Tensor
) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return what goes into each layer and what comes out, by the layer's name."""
    found, hook_all = {}, nn.modules.module.register_module_forward_hook
    with hook_all(
        lambda layer, given, output: found.update({layer: (given[0], output)})
    ):
        model(images)
    return {name: found[layer] for name, layer in model.named_modules()}


def _each_layer(given: dict, names: list[str], truth: dict) -> None:
    late = "a hook made in a loop looks up its name only when it runs, after the loop; hand it over as name=name."
    for name in names:
        expect(name in given, f"asked for {names}, the dict has only the last: {late}")
        enters, leaves = truth[name]
        inside = f"{name} holds what goes into the layer; which argument of the hook comes out of it?"
        mistakes = [
            *[(enters, inside), (enters[None], inside)],  # the hook gets it in a tuple
            (truth[names[-1]][1], f"{name} holds the output of {names[-1]}: {late}"),
            (
                truth[""][1],
                f"{name} holds the output of the whole model; hook the layer itself.",
            ),
        ]
        expect_same(
            given[name],
            leaves,
            mistakes,
            "{lead} holds numbers that are not what the layer gives.",
            name,
        )


@exercise(
    "a hook that returns something replaces the output, while it is there.",
    of="model, layer, k, value, images",
)
def filled(answer: Callable) -> None:
    """Check a function of model, layer, k, value and images: the logits where map k
    holds `value` everywhere.
    """
    model = _small_convnet()
    before = copy.deepcopy(model.state_dict())
    for layer, k, value in (
        ("conv1", 1, 0.0),
        ("conv2", 2, 1.5),
        ("conv2", 0, 0.0),
        ("conv1", 0, -0.7),
    ):
        images, one_map = torch.rand(4, 1, 28, 28), (slice(None), k)
        logits = functools.partial(_logits_with, model, layer, images)
        bias = model.get_submodule(layer).bias[k].item()
        mistakes = [
            (
                model(images),
                "the logits are unchanged; does the hook return the changed output?",
            ),
            (
                logits(one_map, bias),
                "the weights of map k are zero and its bias is still there; the map holds it.",
            ),
            (logits(..., value), "all maps are filled; fill only map k."),
            (
                logits(k, value),
                "the first axis is the image; which axis counts the maps?",
            ),
        ]
        given, lead = (
            answer(model, layer, k, value, images.clone()),
            f"for {layer}, k {k}, value {value} the result",
        )
        expect_same(
            given,
            logits(one_map, value),
            mistakes,
            "{lead} is another; is map k, before ReLU, value?",
            lead,
        )
        same = all(
            torch.equal(weights, before[name])
            for name, weights in model.state_dict().items()
        )
        expect(
            same,
            "the logits are right, and the model's weights are changed for good; leave them as they were.",
        )
        _no_hooks(model, "the logits are right, and")


def _logits_with(
    model: nn.Module, layer: str, images: torch.Tensor, place: object, value: float
) -> torch.Tensor:
    """Return the logits where the output of a layer holds `value` at a place."""

    def fill(_layer: nn.Module, _given: tuple, output: torch.Tensor) -> None:
        output[place] = value

    with torch.no_grad(), model.get_submodule(layer).register_forward_hook(fill):
        return model(images)


NEVER = "class 2 is never answered, and 0/0 is no number; let its precision be 0, for example with clamp(min=1)."


@exercise(
    "recall by rows, precision by columns.",
    of="matrix",
    errors={ZeroDivisionError: f"; {NEVER}"},
)
def recall_precision(answer: Callable) -> None:
    """Check a function of a confusion matrix (row: class, column: answer) that returns
    recall and precision.
    """
    hint = "the shares are others; which sum is all images of a class, and which all answers of that class?"
    skewed = [[6, 3, 0, 1], [2, 7, 0, 0], [1, 1, 0, 3], [0, 1, 0, 4]]
    for matrix in map(
        torch.tensor, ([[8, 1, 3], [0, 5, 2], [4, 2, 9]], [[9, 1], [5, 3]], skewed)
    ):
        raw = torch.stack([matrix.diagonal() / matrix.sum(axis) for axis in (1, 0)])
        right = raw.nan_to_num(0)
        mistakes = [
            (
                right.flip(0),
                "both rows are right and change places: give recall, then precision.",
            ),
            (100 * right, "those are percent; give shares, from 0 to 1."),
            (raw, NEVER),
        ]
        answer.gives(right, [matrix], mistakes, hint)


@exercise(
    "one small step of each pixel up the loss, and the picture stays a picture.",
    of="model, image, label, size",
)
def fooled(answer: Callable) -> None:
    """Check one step of the fast gradient sign method, https://arxiv.org/abs/1412.6572,
    for an image of 1×28×28.
    """
    model, hint = (
        _small_convnet(),
        "{lead} is another; is it the gradient of the label's cross entropy by the image?",
    )
    for label, size in ((3, 0.1), (8, 0.25)):
        image = (torch.rand(1, 28, 28) * 1.5 - 0.25).clamp(0, 1)
        x, mine = image.clone().requires_grad_(), image.clone()
        (slope,) = torch.autograd.grad(
            F.cross_entropy(model(x[None]), torch.tensor([label])), x
        )
        step = size * slope.sign()
        mistakes = [
            (
                image - step,
                "it goes down the loss, so the model gets surer; which sign makes the loss larger?",
            ),
            (
                image + size * slope,
                "each pixel goes by its own gradient; take only the sign of it.",
            ),
            (image, "the picture is the one that came in."),
        ]
        mistakes += [(one.clamp(0, 1), why) for one, why in mistakes]
        mistakes.append((image + step, "some pixels leave 0 to 1; clip them."))
        given, lead = (
            answer(model, mine, label, size),
            f"for label {label}, size {size} the picture",
        )
        expect_same(given, (image + step).clamp(0, 1), mistakes, hint, lead)
        untouched = torch.equal(mine, image) and not mine.requires_grad
        expect(
            untouched,
            "it is right, and the picture that came in is changed too; work on a clone.",
        )
        expect(
            not getattr(given, "requires_grad", False),
            "it is right, and still carries a graph; detach it.",
        )


@exercise("each pixel counts as much as it is bright.", of="image")
def centre_of_mass(answer: Callable) -> None:
    """Check a function of image (H×W) that returns (row, column), the mean place of its
    ink.
    """
    for height, width in ((4, 9), (12, 5), (28, 28)):
        image = (torch.rand(height, width) - 0.5).clamp(0)
        image[: height // 2, : width // 3] /= 4
        places = torch.cartesian_prod(torch.arange(height), torch.arange(width)).float()
        right, even = (
            share.flatten() @ places / share.sum()
            for share in (image, (image > 0).float())
        )
        mistakes = [
            (right.flip(0), "row and column change places: give the row first."),
            (
                even,
                "every pixel with ink counts the same; weight it by its grey level.",
            ),
            (right + 1, "both are too large by 1; rows and columns count from 0."),
            (
                places[image.argmax()],
                "that is the brightest pixel; take the mean of all places.",
            ),
        ]
        answer.gives(
            right,
            [image],
            mistakes,
            "{lead} is another place; what do you divide the weighted sum by?",
        )


EMPTY = "a bin without images has no mean, only nan; leave it out."
LAST = "a confidence of exactly 1.0 falls out of the last bin; let that bin hold its upper end too."


@exercise(
    "the gap between confidence and accuracy, bin by bin, and each image counts once.",
    of="confidences, right, bins",
    errors={ZeroDivisionError: f"; {EMPTY}", IndexError: f"; {LAST}"},
)
def calibration_error(answer: Callable) -> None:
    """Check the expected calibration error of confidences, right and bins,
    https://arxiv.org/abs/1706.04599.
    """
    for low, bins, sure in ((0.02, 4, 0), (0.45, 10, 0), (0.3, 5, 9), (0.02, 1, 9)):
        confidences = torch.cat([low + (0.99 - low) * torch.rand(60), torch.ones(sure)])
        right = torch.rand(60 + sure) < 0.75
        own, places = (
            (confidences * bins).long(),
            (confidences * bins).long().clamp(max=bins - 1),
        )
        (shares, alone), (share, gap) = (
            _gaps(confidences, right, inside) for inside in (own, places)
        )
        weight = "every bin counts the same; weight it by its share of the images."
        signed = "gaps of both signs cancel; take the absolute value in each bin, before the sum."
        mistakes = [
            *[
                (shares @ alone.abs(), LAST),
                ((shares * alone.abs())[own.unique() < bins].sum(), LAST),
            ],
            *[(gap.abs().mean(), weight), (gap.abs().sum() / bins, weight)],
            *[(share @ gap, signed), ((share @ gap).abs(), signed), (math.nan, EMPTY)],
            (share @ gap**2, "the gaps are squared; take their absolute values."),
            (100 * share @ gap.abs(), "those are percent; give a share, from 0 to 1."),
        ]
        answer.gives(share @ gap.abs(), (confidences, right, bins), mistakes)


def _gaps(
    confidences: torch.Tensor, right: torch.Tensor, places: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return for each bin that has images: its share of them, and its accuracy minus
    its mean confidence.
    """
    insides = torch.stack([(places == one).float() for one in places.unique()])
    return insides.mean(1), insides @ (right.float() - confidences) / insides.sum(1)


@exercise(
    "no training at all: it remembers, and measures.", of="image, images, labels, k"
)
def nearest(answer: Callable) -> None:
    """Check a function of image, images, labels and k that returns the commonest label
    of the k nearest images.
    """
    for k, near in (
        (3, [4, 7, 7, 5, 5, 5]),
        (6, [1, 6, 6, 8, 8, 8, 6, 6]),
        (1, [5, 6, 6]),
    ):
        image, many = torch.rand(1, 28, 28), len(near)
        steps = 0.01 * torch.arange(many, 0, -1).view(
            -1, 1, 1, 1
        )  # the nearest comes last
        images = torch.cat(
            [
                1 - image.round().expand(9, 1, 28, 28),
                image + steps * torch.rand(many, 1, 28, 28),
            ]
        )
        labels, right = (
            torch.tensor([3] * 9 + near[::-1]),
            max(near[:k], key=near[:k].count),
        )
        mistakes = [
            (3, "those are the farthest; take the smallest distances."),
            (
                near[0],
                f"with k {k} that is the label of the very nearest; let all k vote.",
            ),
            *[
                (place, "that is the place of an image; give its label.")
                for place in range(9, len(images))
            ],
        ]
        answer.gives(
            right,
            (image, images, labels, k),
            mistakes,
            "{lead} is another; do exactly the k nearest vote?",
        )


# Of the eight statements about a figure in notebook 06: those that it does not support,
# and what to ask of each.
CLAIMS = {
    1: "does another kernel not take over its work when you retrain?",
    4: "does the gradient say what happens under a large change?",
    5: "what does a black patch show about ink that is missing?",
    7: "how many digits stand in that bin?",
}


@exercise("a figure shows what it measures, and no more.")
def supported(answer: set) -> None:
    """Check which of the eight statements of notebook 06 a figure supports."""
    chosen = chosen_numbers("statement", answer, 8)
    found = len(chosen - set(CLAIMS))
    listed = f"{found} of four found"
    for wrong in sorted(chosen & set(CLAIMS)):
        raise NotYet(f"{listed}; statement {wrong}: {CLAIMS[wrong]}")
    expect(
        found == 4,
        f"{listed}; for which other statement does the figure show just what is said?",
    )
