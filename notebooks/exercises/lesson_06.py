"""The checkers of notebook 06, inside the ConvNet."""

import contextlib
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from scipy.ndimage import center_of_mass
from torch import nn

from exercises import between, chosen_numbers, expect_kind
from helpers.checking import (
    NotYet,
    as_numbers,
    exercise,
    expect,
    expect_same,
    first_line,
    leaves_unchanged,
)
from helpers.networks import ConvNet


def _small_convnet() -> ConvNet:
    return ConvNet((2, 3), dense=8, dropout=0).eval()


FIND = "; what finds a submodule by its name, such as '0.1'?"
LATE = "a hook made in a loop looks up its name only when it runs, after the loop; "
LATE += "hand it over as name=name."


@exercise(
    "what every layer gives, and no hook stays behind.",
    of="model, names, images",
    errors={AttributeError: FIND, KeyError: FIND},
)
def hooked(answer: Callable) -> None:
    """Check a function of model, names and images: {name: output of that layer}."""
    nested = nn.Sequential(nn.Sequential(nn.Linear(28, 4), nn.Tanh()), nn.Linear(4, 2))
    for model, names in (
        (_small_convnet(), ["conv1", "fc1"]),
        (_small_convnet().train(), ["fc2", "conv2"]),
        (nested, ["0.1"]),
    ):
        images = torch.rand(3, 1, 28, 28)
        given = answer(model, [*names], images)
        expect_kind(given, dict)
        hint = f"asked for {names}, the dict has the names {first_line([*given])}."
        expect([*given] == names[-1:] or set(given) == set(names), hint)
        _expect_outputs(given, names, _through(model, images))
    model = _small_convnet()
    try:
        with leaves_unchanged(model), contextlib.suppress(Exception):
            answer(model, ["conv1", "fc1"], torch.rand(2, 1, 32, 32))
    except NotYet as hint:
        when = "where the model stops with an error, as for images of another size"
        raise NotYet(f"{when}, {hint}") from None


def _through(model: nn.Module, images: torch.Tensor) -> dict[str, tuple]:
    """Return what goes into each layer and what comes out, by the layer's name."""
    found, hook_all = {}, nn.modules.module.register_module_forward_hook
    with hook_all(lambda layer, given, output: found.update({layer: (*given, output)})):
        model(images)
    return {name: found[layer] for name, layer in model.named_modules()}


def _expect_outputs(given: dict, names: list[str], truth: dict[str, tuple]) -> None:
    for name in names:
        expect(name in given, f"asked for {names}, the dict has only the last: {LATE}")
        enters, leaves = truth[name]
        inside = f"{name} holds what goes into the layer; "
        inside += "which argument of the hook comes out of it?"
        whole = f"{name} holds the output of the whole model; hook the layer itself."
        mistakes = [
            (enters, inside),
            (enters[None], inside),  # the hook gets it in a tuple
            (truth[names[-1]][1], f"{name} holds the output of {names[-1]}: {LATE}"),
            (truth[""][1], whole),
        ]
        hint = "{lead} holds numbers that are not what the layer gives."
        expect_same(given[name], leaves, mistakes, hint, name)


@exercise(
    "a hook that returns something replaces the output, while it is there.",
    of="model, layer, k, value, images",
)
def filled(answer: Callable) -> None:
    """Check the logits where map k of a convolution holds `value` everywhere."""
    model = _small_convnet()
    for layer, k, value in (("conv1", 1, 1.5), ("conv2", 2, -between(1, 9) / 10)):
        images, every = torch.rand(4, 1, 28, 28), (slice(None), k)
        bias = model.get_submodule(layer).bias[k].item()
        places = (every, value), (every, 0), (every, bias), (..., value), (k, value)
        right, *wrong = (_logits_with(model, layer, images, *place) for place in places)
        mistakes = [*zip([model(images), *wrong], UNFILLED, strict=True)]
        hint = "{lead} is another; is map k, before ReLU, value?"
        answer.gives(right, (model, layer, k, value, images), mistakes, hint)


UNFILLED = (
    "the logits are unchanged; does the hook return the changed output?",
    "after ReLU the map holds 0; let it hold value.",
    "the weights of map k are zero and its bias is still there; the map holds it.",
    "all maps are filled; fill only map k.",
    "the first axis is the image; which axis counts the maps?",
)


def _logits_with(
    model: nn.Module, layer: str, images: torch.Tensor, place: object, value: float
) -> torch.Tensor:
    """Return the logits where the output of a layer holds `value` at a place."""

    def fill(_layer: nn.Module, _given: tuple, output: torch.Tensor) -> None:
        output[place] = value

    with torch.no_grad(), model.get_submodule(layer).register_forward_hook(fill):
        return model(images)


NEVER = "class 2 is never answered, and 0/0 is no number; "
NEVER += "let its precision be 0, for example with clamp(min=1)."


@exercise(
    "recall by rows, precision by columns.",
    of="matrix",
    errors={ZeroDivisionError: f"; {NEVER}"},
)
def recall_precision(answer: Callable) -> None:
    """Check recall and precision of a confusion matrix (row: class, column: answer)."""
    for classes in (3, 2, between(3, 6), 4):
        matrix = torch.randint(1, 20, (classes, classes))
        if classes == 4:
            matrix[:, 2] = 0
        raw = torch.stack([matrix.diagonal() / matrix.sum(axis) for axis in (1, 0)])
        right = raw.nan_to_num(0)
        swapped = "both rows are right and change places: give recall, then precision."
        mistakes = [
            (right.flip(0), swapped),
            (100 * right, "those are percent; give shares, from 0 to 1."),
            (raw, NEVER),
        ]
        hint = "the shares are others; which sum is all images of a class, "
        hint += "and which all answers of that class?"
        answer.gives(right, [matrix], mistakes, hint)


@exercise(
    "one small step of each pixel up the loss, and the picture stays a picture.",
    of="model, image, label, size",
)
def fooled(answer: Callable) -> None:
    """Check a step of the fast gradient sign method, https://arxiv.org/abs/1412.6572."""
    # Through the pooling three of four pixels have no gradient, and stay.
    pooled = nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(196, 10)).eval()
    cases = (_small_convnet(), 3, 0.1), (pooled, between(0, 9), 0.25)
    for model, label, size in cases:
        image = (torch.rand(1, 28, 28) * 1.5 - 0.25).clamp(0, 1)
        mine = image.clone()
        given = answer(model, mine, label, size)
        lead = f"for label {label}, size {size} the picture"
        picture = as_numbers(given, image.shape, lead)
        right, *wrong = _steps(model, image, label, size)
        mistakes = [*zip(wrong, UNFOOLED, strict=True)]
        hint = "{lead} is another; is it the gradient of the label's cross entropy "
        hint += "by the image?"
        expect_same(picture.clamp(0, 1), right, mistakes, hint, lead)
        expect_same(picture, right, (), "some pixels leave 0 to 1; clip them.")
        same = torch.equal(mine, image) and not mine.requires_grad
        hint = "it is right, and the picture that came in is changed too; "
        expect(same, hint + "work on a clone.")
        graph = getattr(given, "requires_grad", False)
        expect(not graph, "it is right, and still carries a graph; detach it.")


def _steps(model: nn.Module, image: torch.Tensor, label: int, size: float) -> list:
    """Return the picture after a step up the loss, and after three other steps."""
    x = image.clone().requires_grad_()
    loss = F.cross_entropy(model(x[None]), torch.tensor([label]))
    (slope,) = torch.autograd.grad(loss, x)
    ways = slope.sign(), -slope.sign(), slope, torch.zeros_like(slope)
    return [(image + size * way).clamp(0, 1) for way in ways]


UNFOOLED = (
    "it goes down the loss, so the model gets surer; which sign makes the loss larger?",
    "each pixel goes by its own gradient; take only the sign of it.",
    "the picture is the one that came in.",
)


@exercise("each pixel counts as much as it is bright.", of="image")
def centre_of_mass(answer: Callable) -> None:
    """Check a function of image (H×W): (row, column), the mean place of its ink."""
    for height, width in ((4, 9), (12, 5), (28, 28), (between(6, 30), between(6, 30))):
        image = (torch.rand(height, width) - 0.5).clamp(0)
        image[: height // 2, : width // 3] /= 4
        row, column = center_of_mass(image.numpy())
        even = "every pixel with ink counts the same; weight it by its grey level."
        large = "both are too large by 1; rows and columns count from 0."
        brightest = "that is the brightest pixel; take the mean of all places."
        mistakes = [
            ((column, row), "row and column change places: give the row first."),
            (center_of_mass((image > 0).numpy()), even),
            ((row + 1, column + 1), large),
            (divmod(image.argmax().item(), width), brightest),
        ]
        hint = "{lead} is another place; what do you divide the weighted sum by?"
        answer.gives((row, column), [image], mistakes, hint)


EMPTY = "a bin without images has no mean, only nan; leave it out."
LAST = "a confidence of exactly 1.0 falls out of the last bin; "
LAST += "let that bin hold its upper end too."


@exercise(
    "the gap between confidence and accuracy, bin by bin, and each image counts once.",
    of="confidences, right, bins",
    errors={ZeroDivisionError: f"; {EMPTY}", IndexError: f"; {LAST}"},
)
def calibration_error(answer: Callable) -> None:
    """Check the expected calibration error, https://arxiv.org/abs/1706.04599."""
    for low, bins, sure in ((0.02, 4, 0), (0.45, 10, 0), (0.3, 5, 9), (0.02, 1, 9)):
        confidences = torch.cat([low + (0.99 - low) * torch.rand(60), torch.ones(sure)])
        right = torch.rand(60 + sure) < 0.75
        gap, places = right.float() - confidences, (confidences * bins).long()
        alone = torch.bincount(places, gap) / len(gap)  # 1.0 has a bin of its own
        places.clamp_(max=bins - 1)
        parts = torch.bincount(places, gap) / len(gap)  # of the error, with their sign
        gaps = torch.bincount(places, gap) / torch.bincount(places)  # nan where empty
        error = parts.abs().sum()
        even = "every bin counts the same; weight it by its share of the images."
        signed = "gaps of both signs cancel; take the absolute value in each bin, "
        signed += "before the sum."
        squared = "the gaps are squared; take their absolute values."
        mistakes = [
            (alone.abs().sum(), LAST),
            (alone[:bins].abs().sum(), LAST),
            (gaps.abs().nanmean(), even),
            (gaps.abs().nansum() / bins, even),
            (parts.sum(), signed),
            (parts.sum().abs(), signed),
            (math.nan, EMPTY),
            ((parts * gaps).nansum(), squared),
            (100 * error, "those are percent; give a share, from 0 to 1."),
        ]
        answer.gives(error, (confidences, right, bins), mistakes)


@exercise(
    "no training at all: it remembers, and measures.", of="image, images, labels, k"
)
def nearest(answer: Callable) -> None:
    """Check a function that returns the commonest label of the k nearest images."""
    given, right, first, far = [], [], [], 2
    for k, vote, near in (
        (3, 7, [4, 7, 7, 5, 5, 5]),
        (6, 8, [1, 6, 6, 8, 8, 8, 6, 6]),
        (1, 5, [5, 6, 6]),
    ) * 4:
        said = answer(*_crowd(near, far), k)
        given.append(as_numbers(said, (), f"for k {k} the result").item())
        right.append(vote)
        first.append(near[0])
    expect(max(given) < 10, "that is the place of an image; give its label.")
    mistakes = [
        (12 * [far], "those are the farthest; take the smallest distances."),
        (first, "that is the label of the very nearest; let all k vote."),
    ]
    hint = "{lead} is {given}, and should be {right}; do exactly the k nearest vote, "
    hint += "by the distance over the whole image?"
    expect_same(given, right, mistakes, hint, "one of the labels")


def _crowd(near: list[int], far: int) -> tuple[torch.Tensor, ...]:
    """Return an image, and images in random order with labels: `near` from the nearest
    on, then others, and at last `far`.

    Sums of absolute differences, angles and single rows order them otherwise.
    """
    image, size = torch.rand(1, 28, 28), (60, 1, 1, 1)
    rows = torch.rand(60, 1, 28, 1) < torch.rand(size)
    ways = rows * torch.randn(60, 1, 28, 28) + 2 * torch.randn(size) * image
    distances = torch.linspace(1, 4, 60).view(size)
    distances[0] /= 2  # and still it has one vote
    images = image + distances * F.normalize(ways.flatten(1)).view_as(ways)
    others = torch.randint(3, (52 - len(near),)) * 3
    labels = torch.tensor([*near, *others, *8 * [far]])
    order = torch.randperm(60)
    return image, images[order], labels[order]


# The statements that their figure does not support, and what to ask of each.
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
    hint = "for which other statement does the figure show just what is said?"
    expect(found == 4, f"{listed}; {hint}")
