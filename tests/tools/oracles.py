"""For each exercise, what its text asks, written apart from the checkers.

`ORACLES[check]` is either a function that says whether an answer is right, or `Like(make)`:
then an answer is right where it does what the official solution does, with the arguments
that `make(random)` draws: the same numbers, the same changes of what it was given.
"""

import copy
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Number

import arguments
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import TensorDataset

from helpers.networks import Net

CASES = 25


@dataclass(frozen=True)
class Like:
    """Right is what behaves as the official solution does."""

    make: Callable  # of a random.Random, the arguments
    cases: int = CASES
    forward: bool = False  # whether the model's mode and gradients in forward matter


def plain(value: object) -> object:
    """Return numbers as nested tuples of floats, and anything else as it is."""
    if isinstance(value, torch.Tensor):
        value = value.detach().tolist()
    elif hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return tuple(map(plain, value))
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return float(value) if isinstance(value, Number) else value


def close(one: object, other: object) -> bool:
    """Say whether two plain values are equal up to rounding."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-4, abs_tol=1e-5) or (
            math.isnan(one) and math.isnan(other)
        )
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(close, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(close(one[k], other[k]) for k in one)
    return type(one) is type(other) and one == other


def state(value: object) -> object:
    """Return what can be seen of an argument: numbers, modes, gradients, hooks."""
    if isinstance(value, nn.Module):
        hooks = [
            len(m._forward_hooks) + len(m._forward_pre_hooks) for m in value.modules()
        ]
        modes = [m.training for m in value.modules()]
        grads = [p.grad is not None and plain(p.grad) for p in value.parameters()]
        needs = [p.requires_grad for p in value.parameters()]
        weights = [plain(values) for values in value.state_dict().values()]
        return tuple(map(repr, (hooks, modes, needs))), plain(weights), tuple(grads)
    if isinstance(value, list):
        return tuple(plain(one) for one in value if isinstance(one, torch.Tensor))
    return 0


def behaviour(function: Callable, given: tuple, forward: bool = False) -> tuple:
    """Return what a function gives for arguments of its own, and what it does to them."""
    given, seen = copy.deepcopy(given), []
    for model in given if forward else ():
        if isinstance(model, nn.Module):
            model.register_forward_pre_hook(
                lambda module, _: seen.append(
                    (module.training, torch.is_grad_enabled())
                )
            )
    torch.manual_seed(0)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            result = function(*given)
    except Exception as error:
        return "error", type(error).__name__
    off = not torch.is_grad_enabled()
    torch.set_grad_enabled(True)
    return plain(result), repr(seen), bool(warned), off, tuple(map(state, given))


def same(one: tuple, other: tuple) -> bool:
    return close(tuple(map(plain, one)), tuple(map(plain, other)))


# The values that an exercise asks for, where several are right.


def whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def settings(answer: object, names: str) -> bool:
    fits = isinstance(answer, dict) and set(answer) <= set(names.split())
    return fits and all(whole(value) and value >= 0 for value in answer.values())


def runs(make: Callable, shape: tuple) -> tuple | None:
    try:
        return tuple(make()(torch.zeros(shape)).shape)
    except Exception:
        return None


def halves(answer: object) -> bool:
    if not settings(answer, "kernel_size stride padding dilation"):
        return False
    if runs(lambda: nn.Conv2d(1, 1, **answer), (1, 1, 28, 28)) != (1, 1, 14, 14):
        return False
    x = torch.zeros(1, 1, 28, 28, requires_grad=True)
    k = answer.get("kernel_size", 0)
    rest = {name: value for name, value in answer.items() if name != "kernel_size"}
    F.conv2d(x, torch.ones(1, 1, k, k), **rest).sum().backward()
    return k >= 3 and bool((x.grad > 0).all())


def finds_edges(answer: object) -> bool:
    try:
        kernel = torch.as_tensor(answer).double()
    except Exception:
        return False
    if kernel.shape != (3, 3) or not kernel.isfinite().all():
        return False
    upright = [kernel[:, place:].sum() for place in (1, 2)]
    level = kernel.sum(1).abs().max()
    return bool(level < 1e-6 and max(upright) > 1e-6 and min(upright) > -1e-6)


def sees_far(answer: object) -> bool:
    if not settings(answer, "dilation padding") or answer.get("dilation") != 4:
        return False
    return runs(lambda: nn.Conv2d(1, 1, 3, **answer), (1, 1, 28, 28)) == (1, 1, 28, 28)


def overlaps(answer: object) -> bool:
    if not settings(answer, "kernel_size stride padding"):
        return False
    size = runs(lambda: nn.MaxPool2d(**answer), (1, 1, 28, 28))
    return size == (1, 1, 14, 14) and answer.get("stride", 99) < answer["kernel_size"]


PICTURE = torch.tensor([[1.0, 3, 2, 0], [5, 2, 1, 1], [3, 1, 4, 8], [2, 1, 2, 2]])


def pools_alike(answer: object) -> bool:
    try:
        picture = torch.as_tensor(answer).float()
    except Exception:
        return False
    if picture.shape != (4, 4) or torch.equal(picture, PICTURE):
        return False
    return all(
        torch.allclose(pool(picture[None], 2), pool(PICTURE[None], 2), atol=1e-5)
        for pool in (F.max_pool2d, F.avg_pool2d)
    )


def thinner(answer: object) -> bool:
    if not isinstance(answer, dict) or any(
        isinstance(v, float) for v in answer.values()
    ):
        return False
    try:
        layer = nn.Conv2d(**answer)
    except Exception:
        return False
    count = sum(p.numel() for p in layer.parameters())
    return count <= 1100 and runs(lambda: layer, (1, 64, 14, 14)) == (1, 16, 14, 14)


def ten_logits(answer: object, *, least: float) -> bool:
    if not isinstance(answer, nn.Module):
        return False
    x = 30 * torch.randn(4, 1, 28, 28)
    try:
        answer = copy.deepcopy(answer).eval()
        logits, alone = answer(x), answer(x[:1])
    except Exception:
        return False
    fits = logits.shape == (4, 10) and torch.allclose(logits[:1], alone, atol=1e-3)
    free = bool(logits.max() > 1.01) and bool(logits.min() < least)
    return fits and free


def repairs(answer: object) -> bool:
    if not ten_logits(answer, least=-0.01):
        return False
    convs = [part for part in answer.modules() if isinstance(part, nn.Conv2d)]
    shapes = [tuple(conv.weight.shape) for conv in convs]
    linear = [part for part in answer.modules() if isinstance(part, nn.Linear)]
    return shapes == [(8, 1, 5, 5), (16, 8, 5, 5)] and len(linear) == 1


def own(answer: object) -> bool:
    if not ten_logits(answer, least=-0.01):
        return False
    convolution = any(isinstance(part, nn.Conv2d) for part in answer.modules())
    return convolution and sum(p.numel() for p in answer.parameters()) < 20_000


def holds_out(answer: Callable) -> bool:
    for count in (1, 3, 5):
        labels = torch.randint(4, (60,)).sort().values[torch.randperm(60)]
        try:
            first, again = answer(labels.clone(), count), answer(labels.clone(), count)
        except Exception:
            return False
        if (
            not isinstance(first, torch.Tensor)
            or first.ndim != 1
            or first.is_floating_point()
        ):
            return False
        chosen = labels[first].bincount(minlength=4).tolist() if len(first) else []
        if chosen != [count] * 4 or len(first.unique()) != len(first):
            return False
        if not torch.equal(first, again):
            return False
    return True


def loads(answer: Callable) -> bool:
    images = torch.arange(80.0).view(80, 1)
    labels = torch.randint(10, (80,))
    for classes, size in (({3, 8}, 7), ([1, 2, 5], 16)):
        try:
            loader = answer(TensorDataset(images, labels), classes, size)
            rounds = [[*loader] for _ in range(2)]
        except Exception:
            return False
        seen = [torch.cat([x for x, _ in part]).flatten().tolist() for part in rounds]
        known = [torch.cat([y for _, y in part]).tolist() for part in rounds]
        wanted = [i for i, label in enumerate(labels.tolist()) if label in [*classes]]
        sizes = [len(x) for x, _ in rounds[0]]
        full = all(one == size for one in sizes[:-1]) and sizes[-1] <= size
        if not full or any(sorted(map(int, one)) != wanted for one in seen):
            return False
        if any(
            labels[list(map(int, a))].tolist() != b
            for a, b in zip(seen, known, strict=True)
        ):
            return False
        if seen[0] == seen[1] or seen[0] == sorted(seen[0]):
            return False
    return True


def reciprocates(answer: object) -> bool:
    if not (isinstance(answer, type) and issubclass(answer, torch.autograd.Function)):
        return False
    for _ in range(5):
        x = (torch.rand(3, 4, dtype=torch.float64) + 0.5).requires_grad_()
        sent = torch.randn(3, 4, dtype=torch.float64)
        try:
            y = answer.apply(x)
            (grad,) = torch.autograd.grad(y, x, sent)
        except Exception:
            return False
        right = torch.allclose(y, 1 / x) and grad is not None
        if not right or not torch.allclose(grad, -sent / x**2):
            return False
    return True


def finds_relus(answer: Callable) -> bool:
    loss = F.mse_loss(Net()(torch.randn(1, 1, 32, 32)), torch.randn(1, 10))
    first = loss.grad_fn.next_functions[0][0].next_functions[1][0]
    second = first.next_functions[0][0].next_functions[1][0]
    try:
        given = answer(loss)
    except Exception:
        return False
    return isinstance(given, list | tuple) and [*given] == [first, second]


ORACLES = {
    "padding_to_keep": Like(lambda random: (random.choice((1, 3, 5, 7, 9, 11)),)),
    "strided_convolution": Like(arguments.strided),
    "halve": halves,
    "edge_kernel": finds_edges,
    "see_far": sees_far,
    "average_pooling": Like(arguments.averaged),
    "overlapping_windows": overlaps,
    "pooled_alike": pools_alike,
    "count_parameters": Like(arguments.anything),
    "drop": Like(arguments.dropped),
    "mix_channels": thinner,
    "receptive_field": Like(arguments.layers),
    "repaired": repairs,
    "own_network": own,
    "fitting_loss": Like(arguments.column),
    "find_relus": finds_relus,
    "mean_loss": Like(arguments.batches, forward=True),
    "momentum_step": Like(arguments.momentum),
    "reciprocal": reciprocates,
    "five_lines": Like(arguments.loop),
    "kernel_gradient": Like(arguments.correlated),
    "steps": Like(arguments.counts),
    "cross_entropy": Like(arguments.classified),
    "honest_accuracy": Like(arguments.reading, 10, forward=True),
    "hold_out": holds_out,
    "loader_of": loads,
    "interval": Like(arguments.shares, 60),
    "early_stop": Like(arguments.epochs, 60),
    "hooked": Like(arguments.listened, 10),
    "filled": Like(arguments.mapped, 10),
    "recall_precision": Like(arguments.confusion),
    "fooled": Like(arguments.attacked, 10),
    "centre_of_mass": Like(arguments.inked),
    "calibration_error": Like(arguments.sure),
    "nearest": Like(arguments.neighbours),
}
