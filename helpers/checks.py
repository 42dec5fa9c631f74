"""Friendly checkers: each says in one sentence whether an answer is right, and never raises.

A checker takes what the student made (a number, a tuple, a function), `None` while there is nothing yet.
"""

import contextlib
import copy
import functools
import math
import warnings
from collections.abc import Callable
from numbers import Integral, Real

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from helpers.arithmetic import output_size, pooled_size
from helpers.convnet import ConvNet, Net
from helpers.tracer import Trace, times, trace


class NotYet(Exception):
    """The answer is not right yet; the message is the hint that the student reads."""


def expect(condition: bool, hint: str) -> None:
    """Raise NotYet with the hint unless the condition holds."""
    if not condition:
        raise NotYet(hint)


def exercise(praise: str) -> Callable:
    """Turn a function that expects things of an answer into a checker that prints a verdict."""

    def decorate(examine: Callable) -> Callable:
        @functools.wraps(examine)
        def check(answer: object = None) -> None:
            print(_verdict(examine, answer, praise))

        return check

    return decorate


def _verdict(examine: Callable, answer: object, praise: str) -> str:
    if answer is None or answer is ...:
        return "… Nothing to check yet: put your answer in place of None and run the cell again."
    try:
        # Whatever the student's code does to the seed, and to whether gradients are on, ends here.
        with torch.random.fork_rng([]), torch.enable_grad():
            examine(answer)
    except NotYet as hint:
        return f"✗ Not yet: {hint}"
    except Exception as error:  # whatever the student's own code does must not end in a traceback from here
        first_line = str(error).partition("\n")[0]
        return f"✗ Not yet: your answer stopped with {type(error).__name__}: {first_line}"
    return f"✓ Right: {praise}"


def predict(guess: object, truth: object) -> None:
    """Compare a prediction with what came out, and say both."""
    said, came = _plain(guess), _plain(truth)
    shown = truth.tolist() if isinstance(truth, torch.Tensor) else truth
    if guess is None:
        print(f"No guess yet. It is {shown}.")
    elif isinstance(guess, str) and not isinstance(truth, str):
        print(f"✗ You said the text {guess!r}; numbers, True and False go without quotes. It is {shown}.")
    elif said == came or _close(said, came):
        print(f"✓ You said {guess}, and it is {shown}.")
    else:
        print(f"✗ You said {guess}; it is {shown}. What made the difference?")


def _close(said: object, came: object) -> bool:
    """Say whether a guess is near enough: whole numbers must be met, others to one part in a hundred."""
    if not isinstance(said, Real) or not isinstance(came, Real) or isinstance(came, Integral):
        return False
    return math.isclose(said, came, rel_tol=1e-5 if came == round(came) else 0.01)


def _plain(value: object) -> object:
    """Return numbers as numbers and anything with several as a list, so that (1, 2) equals [1, 2]."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value


def _number(name: str, value: object) -> Real:
    """Return one number, or expect one."""
    value = _plain(value)
    shown = repr(value).partition("\n")[0]
    number = isinstance(value, Real) and not isinstance(value, bool)
    expect(number, f"{name} is {shown}; give one number, without quotes.")
    return value


def _three_numbers(answer: object) -> list[Real]:
    """Return three numbers, or expect them."""
    answer = _plain(answer)
    expect(isinstance(answer, list) and len(answer) == 3, "give three numbers, like (1, 2, 3).")
    return [_number(f"number {place}", given) for place, given in enumerate(answer, 1)]


def _chosen(what: str, answer: object, most: int, like: str) -> set[int]:
    """Return a set of whole numbers from 1 to `most`, or expect one."""
    chosen = _plain(answer)
    expect(isinstance(chosen, set | frozenset | list), f"give a set of {what} numbers, like {like}.")
    whole = all(isinstance(one, Integral) and not isinstance(one, bool) and 1 <= one <= most for one in chosen)
    expect(whole, f"give {what} numbers, whole ones from 1 to {most}.")
    return set(chosen)


def _settings(answer: object, names: set[str]) -> None:
    listed = ", ".join(sorted(names))
    expect(isinstance(answer, dict), f"give a dict such as dict({min(names)}=1); the names are {listed}.")
    expect(set(answer) <= names, f"only these names are yours to choose: {listed}.")
    for name, value in answer.items():
        whole = isinstance(value, Integral) and not isinstance(value, bool)
        expect(whole, f"{name} is {value!r}; give one whole number.")


def _table(name: str, answer: object, size: int) -> torch.Tensor:
    """Return a square table of numbers, or expect one."""
    try:
        table = torch.as_tensor(answer, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError):
        raise NotYet(f"{name} is no table of numbers; give {size} rows of {size} numbers, [[…], […]].") from None
    expect(table.shape == (size, size), f"{name} has the shape {tuple(table.shape)}; make it {size}×{size}.")
    expect(bool(table.isfinite().all()), f"{name} holds something that is no finite number.")
    return table


def _agrees(answer: Callable, truth: Callable, cases: list[dict], wrong: str = "") -> None:
    """Expect a student's function to give what torch gives, for each set of arguments by name.

    `wrong` is what to say where the shape is right and the numbers are not, instead of the first that differs.
    """
    expect(callable(answer), f"the answer is a function of {', '.join(cases[0])}.")
    for case in cases:
        said = ", ".join(f"{name} {_said(value)}" for name, value in case.items())
        right = truth(*case.values())
        given = answer(*copy.deepcopy(list(case.values())))  # a copy, which the student's function may change
        expect(given is not None, f"for {said} it returns None; is a return missing?")
        if isinstance(right, torch.Tensor):
            kind = type(given).__name__
            expect(isinstance(given, torch.Tensor), f"for {said} it returns a value of type {kind}, not a tensor.")
            shapes = tuple(given.shape), tuple(right.shape)
            expect(shapes[0] == shapes[1], f"for {said} the shape is {shapes[0]}, and should be {shapes[1]}.")
        else:
            given = _number(f"what it returns for {said}", given)
        given, right = (torch.as_tensor(one).double() for one in (given, right))
        same = torch.isclose(given, right, atol=1e-5)
        expect(bool(same.all()), f"for {said} {wrong or _first_difference(given, right, same)}")


def _first_difference(given: torch.Tensor, right: torch.Tensor, same: torch.Tensor) -> str:
    place = tuple((~same).nonzero()[0].tolist()) if not same.all() else ()
    where = f" at {list(place)}" if place else ""
    return f"it gives {_said(given[place])}{where}, and should give {_said(right[place])}."


def _said(value: object) -> str:
    if isinstance(value, torch.Tensor) and value.ndim > 1:
        return f"of shape {times(value.shape)}"
    if isinstance(value, torch.Tensor) and not value.ndim:
        return f"{value.item():.6g}"
    return f"({type(value).__name__})" if isinstance(value, nn.Module) else str(_plain(value))


@exercise("the first product to the last, row by row, and nothing flipped.")
def one_window(answer: float) -> None:
    """Check the sum of the products of [[1, 2], [3, 4]] and [[0, 1], [2, 3]]."""
    answer = _number("your answer", answer)
    expect(answer != 10, "10 is what the flipped kernel gives; conv2d multiplies number by number as they lie.")
    expect(answer == 20, "multiply each input number with the weight in the same place, then add the four products.")


@exercise("floor and all.")
def three_sizes(answer: tuple) -> None:
    """Check the output sizes of (28, k 5), (28, k 5, p 2), (32, k 3, s 2)."""
    right = output_size(28, 5), output_size(28, 5, padding=2), output_size(32, 3, stride=2)
    for place, (given, size) in enumerate(zip(_three_numbers(answer), right, strict=True), 1):
        expect(given == int(given), f"number {place} is {given}; a size is a whole number, so mind the floor.")
        expect(given == size, f"number {place} is not {given}; put n, k, p and s into the formula and round down.")


@exercise("2p = k − 1, so an odd kernel needs p = (k − 1) / 2.")
def padding_to_keep(answer: Callable) -> None:
    """Check a function that gives the padding with which an odd kernel keeps the size."""
    expect(callable(answer), "the answer is a function of kernel_size.")
    for kernel_size in (1, 3, 5, 7, 11):
        padding = _plain(answer(kernel_size))
        case = f"for kernel_size {kernel_size} it returns {padding!r}"
        expect(padding is not None, f"{case}; is a return missing?")
        expect(isinstance(padding, Integral), f"{case}; padding is a whole number, so use //.")
        expect(padding >= 0, f"{case}; padding cannot be negative.")
        size = output_size(28, kernel_size, padding=padding)
        expect(size == 28, f"{case}, and 28 pixels become {size}.")


@exercise("your function agrees with F.conv2d for every setting that was tried.")
def strided_convolution(answer: Callable) -> None:
    """Check a function conv(image, kernel, stride) against F.conv2d."""
    generator = torch.Generator().manual_seed(0)
    sizes = (5, 3, 1), (5, 3, 2), (8, 3, 2), (8, 2, 3), (7, 7, 4)
    tensors = [[torch.randn(size, size, generator=generator) for size in pair[:2]] for pair in sizes]
    cases = [
        {"image": image, "kernel": kernel, "stride": stride}
        for (image, kernel), (_, _, stride) in zip(tensors, sizes, strict=True)
    ]
    wrong = "the shape is right and the numbers are not: where does the window start, and is nothing flipped?"
    _agrees(
        answer,
        lambda image, kernel, stride: F.conv2d(image[None, None], kernel[None, None], stride=stride)[0, 0],
        cases,
        wrong,
    )


@exercise("it halves the size and leaves no pixel out.")
def halve(answer: dict) -> None:
    """Check settings that bring 28 to 14 with a kernel of at least 3 and no pixel unread."""
    _settings(answer, {"kernel_size", "stride", "padding", "dilation"})
    expect("kernel_size" in answer, "kernel_size is missing.")
    layer = nn.Conv2d(1, 1, bias=False, **answer)
    expect(layer.kernel_size[0] >= 3, f"kernel_size is {layer.kernel_size[0]}; take one of 3 or more.")
    image = torch.ones(1, 1, 28, 28, requires_grad=True)
    output = layer(image)
    expect(output.shape[-2:] == (14, 14), f"28×28 becomes {output.shape[-2]}×{output.shape[-1]}, not 14×14.")
    nn.init.ones_(layer.weight)
    layer(image).sum().backward()
    unread = int((image.grad == 0).sum())
    expect(unread == 0, f"the size is right, and {unread} pixels are read by no window.")


@exercise("dark to the left, bright to the right gives a large number, and a flat picture gives 0.")
def edge_kernel(answer: object) -> None:
    """Check a 3×3 kernel that finds vertical edges, dark left of bright, and nothing on flat ground or flat edges."""
    kernel = _table("your kernel", answer, 3)
    total = float(kernel.sum())
    expect(
        abs(total) < 1e-6, f"its weights add up to {total:g}, so a flat wall would answer too; make them add up to 0."
    )
    steps = [torch.tensor(step).expand(3, 3) for step in ([0.0, 0.0, 1.0], [0.0, 1.0, 1.0])]
    level = max(abs(float((kernel * step.T).sum())) for step in steps)
    expect(level < 1e-6, "it answers to a level edge as well; make each row add up to 0.")
    upright = [float((kernel * step).sum()) for step in steps]
    expect(min(upright) > -1e-6, "where it is dark on the left and bright on the right, it gives a negative number.")
    expect(max(upright) > 1e-6, "where it is dark on the left and bright on the right, it gives 0.")


@exercise("d(k − 1) + 1 pixels, read with only k·k weights.")
def see_far(answer: dict) -> None:
    """Check settings of a 3×3 kernel that spans 9 pixels and keeps the size of a 28×28 picture."""
    _settings(answer, {"dilation", "padding"})
    layer = nn.Conv2d(1, 1, kernel_size=3, **answer)
    span = layer.dilation[0] * 2 + 1
    expect(span == 9, f"with dilation {layer.dilation[0]} the window spans {span} pixels, not 9.")
    size = layer(torch.zeros(1, 1, 28, 28)).shape[-1]
    expect(size == 28, f"the window spans 9 pixels, and 28×28 becomes {size}×{size}; which padding makes up for it?")


PICTURE = [[1, 3, 2, 0], [5, 2, 1, 1], [3, 1, 4, 8], [2, 1, 2, 2]]


def _pooled(pool: Callable, table: object) -> torch.Tensor:
    return pool(torch.as_tensor(table, dtype=torch.float32)[None], 2)[0]


@exercise("one number for each window, the rest is gone.")
def two_poolings(answer: tuple) -> None:
    """Check max and average pooling of a 4×4 picture with a window of 2, as a pair of 2×2 tables."""
    expect(isinstance(answer, tuple | list) and len(answer) == 2, "give two tables, (largest, average).")
    names = "the largest table", "the average table"
    tables = [_table(name, given, 2) for name, given in zip(names, answer, strict=True)]
    truths = [_pooled(pool, PICTURE) for pool in (F.max_pool2d, F.avg_pool2d)]
    swapped = all(torch.allclose(one, other) for one, other in zip(tables, truths[::-1], strict=True))
    expect(not swapped, "both tables are right and change places: give (largest, average).")
    for name, table, truth in zip(names, tables, truths, strict=True):
        wrong = (table - truth).abs().gt(1e-4).nonzero().tolist()
        expect(not wrong, f"{name} has another number at {wrong and wrong[0]}; which 2×2 pixels does that window read?")


@exercise("floor, ceiling, and the dropped window.")
def pooled_sizes(answer: tuple) -> None:
    """Check the sizes of (13, k 2), (13, k 2, ceil_mode), (3, k 2, s 3, ceil_mode)."""
    hints = "without ceil_mode it rounds down.", "with ceil_mode it rounds up.", "where would the second window start?"
    cases = (13, 2, 2, 0, False), (13, 2, 2, 0, True), (3, 2, 3, 0, True)
    for place, (given, case, hint) in enumerate(zip(_three_numbers(answer), cases, hints, strict=True), 1):
        expect(given == pooled_size(*case), f"number {place} is not {given}; {hint}")


@exercise("your function agrees with F.avg_pool2d for every setting that was tried.")
def average_pooling(answer: Callable) -> None:
    """Check a function pool(image, kernel_size, stride) against F.avg_pool2d."""
    image = torch.arange(90.0).reshape(9, 10).square() % 17
    sizes = (4, 4, 2, 2), (4, 6, 2, 2), (9, 10, 3, 2), (7, 7, 2, 3)
    cases = [{"image": image[:h, :w], "kernel_size": k, "stride": s} for h, w, k, s in sizes]
    _agrees(answer, lambda image, kernel_size, stride: F.avg_pool2d(image[None], kernel_size, stride)[0], cases)


@exercise("it halves the size, and neighbouring windows share pixels.")
def overlapping_windows(answer: dict) -> None:
    """Check settings of a pooling that brings 28 to 14 with windows that overlap."""
    _settings(answer, {"kernel_size", "stride", "padding"})
    expect({"kernel_size", "stride"} <= set(answer), "give kernel_size and stride, and padding where it is needed.")
    try:
        size = pooled_size(28, **answer)
    except ValueError as error:
        raise NotYet(str(error)) from None
    k, s = answer["kernel_size"], answer["stride"]
    expect(k > s, f"with kernel_size {k} and stride {s} the windows do not overlap.")
    expect(size == 14, f"the windows overlap, and 28×28 becomes {size}×{size}.")


@exercise("9 ones and 16 zeros, and all 25 count.")
def average_corner(answer: float) -> None:
    """Check the corner of the average pooling of ones, kernel_size 5, stride 1, padding 2."""
    answer = _number("your answer", answer)
    expect(abs(answer - 1) > 1e-6, "1 is what count_include_pad=False gives; by default the zeros count.")
    expect(abs(answer - 4 / 9) > 1e-3, "4/9 is for a window of 3; here the window is 5×5 and the padding 2.")
    expect(abs(answer - 9 / 25) < 1e-3, "divide the ones under the corner's window by all the pixels under it, 25.")


@exercise("overlaps add up, and a tie goes to the first.")
def pooled_gradient(answer: object) -> None:
    """Check the gradient of max pooling of a 3×3 picture with a window of 2 and stride 1, each output sending 1."""
    image = torch.tensor([[1.0, 2, 0], [4, 3, 3], [0, 3, 5]], requires_grad=True)
    F.max_pool2d(image[None], 2, 1).sum().backward()
    given = _table("your table", answer, 3)
    total, tie = float(given.sum()), "one window has two largest numbers; torch gives all of its 1 to the first of them"
    expect(total == 4, f"your numbers add up to {total:g}; four windows send back 1 each.")
    expect(given[1, 0] == 2, f"the 4 is the largest of two windows, and you give it {given[1, 0]:g}.")
    expect(given[2, 2] == 1, f"the 5 is the largest of one window, and you give it {given[2, 2]:g}.")
    expect(torch.equal(given, image.grad), f"the sum is right and the places are not: {tie}.")


@exercise("two pictures, one pooled picture: what tells them apart is gone.")
def pooled_alike(answer: object) -> None:
    """Check a 4×4 picture that differs from a given one and pools to the same, with max and with average."""
    given = _table("your picture", answer, 4)
    expect(bool((given - torch.tensor(PICTURE)).abs().gt(0.01).any()), "that is the picture itself; change it.")
    for name, pool in (("largest", F.max_pool2d), ("average", F.avg_pool2d)):
        differ = int((_pooled(pool, given) - _pooled(pool, PICTURE)).abs().gt(1e-4).sum())
        expect(differ == 0, f"in {differ} of 4 windows the {name} is another; which changes inside a window keep both?")


@exercise("a step of the output is 2·2 pixels.")
def one_step(answer: int) -> None:
    """Check after how many pixels the output of two poolings with stride 2 has moved by exactly one."""
    answer = _number("your answer", answer)
    expect(answer != 2, "after 2 pixels the first pooling has moved by one, and the second has not yet.")
    expect(answer == 4, "each pooling moves by one when its input moves by a whole stride.")


@exercise("3 channels of 5·5 weights and one bias, 16 times.")
def count_weights(answer: int) -> None:
    """Check the number of parameters of nn.Conv2d(3, 16, kernel_size=5)."""
    answer = _number("your answer", answer)
    hints = {
        1200: "those are the weights; each map has a bias too.",
        1201: "each of the 16 maps has a bias of its own.",
    }
    hints[416] = "a kernel is as deep as its input: 3 channels."
    expect(answer not in hints, hints.get(answer, ""))
    expect(answer == 1216, "a kernel has in_channels · k · k weights and one bias, and there is one for each map.")


@exercise("64 → 62 → 31 → 29 → 14, and 16·14·14 = 3136.")
def in_features(answer: int) -> None:
    """Check in_features of the first dense layer of Net for pictures of 64×64."""
    answer = _number("your answer", answer)
    hints = {576: "576 is for 32×32; follow 64 pixels through both convolutions and poolings."}
    hints[16 * 16 * 16] = "64 / 4 is 16, but each 3×3 convolution without padding takes 2 pixels off."
    hints[16 * 15 * 15] = "mind the floor: the last pooling meets 29 pixels."
    hints[14 * 14] = hints[14] = "how many maps does the last volume have?"
    expect(answer not in hints, hints.get(answer, ""))
    expect(answer == 16 * 14 * 14, "the last volume has 16 maps; what is its side after 3×3, 2×2, 3×3 and 2×2 windows?")


@exercise("weights and biases, layer by layer.")
def count_parameters(answer: Callable) -> None:
    """Check a function that returns the number of parameters of a module."""
    nets = (
        nn.Sequential(nn.Linear(3, 2)),
        nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Linear(4, 1)),
        nn.MaxPool2d(2),
    )
    _agrees(answer, lambda net: sum(p.numel() for p in net.parameters()), [{"net": net} for net in nets])


@exercise("0 for the dropped, x / (1 − p) for the others.")
def drop(answer: Callable) -> None:
    """Check a function drop(x, p, mask) that does what dropout does in training."""
    x, mask = torch.tensor([1.0, 2, 3, 4]), torch.tensor([1.0, 0, 1, 1])
    cases = [{"x": x, "p": p, "mask": kept} for p, kept in ((0.5, mask), (0.2, 1 - mask), (0.0, torch.ones(4)))]
    _agrees(answer, lambda x, p, mask: x * mask / (1 - p), cases)


@exercise("64 weights and a bias for each of the 16 maps: (64 + 1)·16 = 1,040.")
def mix_channels(answer: dict) -> None:
    """Check settings of a convolution from 64 to 16 maps of the same size with at most 1,100 parameters."""
    _settings(answer, {"in_channels", "out_channels", "kernel_size", "stride", "padding"})
    expect(
        {"in_channels", "out_channels", "kernel_size"} <= set(answer), "give in_channels, out_channels, kernel_size."
    )
    expect(min(answer.values()) >= 0 and answer["out_channels"] > 0, "no setting is negative, and there are maps.")
    found = _traced(lambda: nn.Conv2d(**answer), (64, 14, 14))
    expect(found.shape == (16, 14, 14), f"64×14×14 becomes {times(found.shape)}, and should be 16×14×14.")
    expect(found.parameters <= 1100, f"it has {found.parameters:,} parameters; which kernel_size needs the fewest?")


@exercise("each layer adds (k − 1) times the strides before it.")
def receptive_field(answer: Callable) -> None:
    """Check a function of a list of (kernel_size, stride) that returns the pixels one output sees along a side."""
    stacks = (
        [(3, 1)],
        [(3, 1), (2, 2)],
        [(3, 1), (2, 2), (3, 1), (2, 2)],
        [(5, 1), (2, 2), (5, 1), (2, 2)],
        [(3, 2)] * 3,
    )

    def seen(layers: list) -> int:
        # The pixels that can change one output of a stack of windows whose weights are all 1.
        x = picture = torch.zeros(1, 1, 64, requires_grad=True)
        for kernel_size, stride in layers:
            x = F.conv1d(x, torch.ones(1, 1, kernel_size), stride=stride)
        return int((torch.autograd.grad(x[0, 0, 1], picture)[0] != 0).sum())

    _agrees(answer, seen, [{"layers": layers} for layers in stacks])


def _traced(model: object, shape: tuple) -> Trace:
    """Return what the tracer finds, or what it says is wrong, without its advice to feed other pictures."""
    try:
        found = trace(model, shape)
    except ValueError as error:
        raise NotYet(str(error)) from None
    expect(not found.trouble, found.trouble.partition(" Or feed")[0])
    return found


def _gives_ten_logits(answer: nn.Module) -> Trace:
    expect(not isinstance(answer, type), "that is the class; give one of its networks, with () behind the name.")
    expect(isinstance(answer, nn.Module), "give a module, for example nn.Sequential(…).")
    found = _traced(answer, (1, 28, 28))
    expect(found.shape == (10,), f"one picture gives the shape {times(found.shape)}; ten logits have the shape 10.")
    with torch.no_grad():
        out = copy.deepcopy(answer).eval()(torch.rand(64, 1, 28, 28))
    logged, *sums = (bool((total - 1).abs().max() < 1e-3) for total in (out.exp().sum(1), out.sum(1), out.sum(0)))
    expect(not logged, "log_softmax is harmless and not needed here: logits come straight from the dense layer.")
    expect(not any(sums), "its outputs are probabilities already: leave the softmax to the loss.")
    expect(bool((out < 0).any()), "its outputs are never negative; logits may be, so end with the dense layer.")
    return found


@exercise("it takes 28×28, gives ten logits, and is small.")
def own_network(answer: nn.Module) -> None:
    """Check a module that takes 1×28×28 and gives 10 logits, with a convolution and fewer than 20,000 parameters."""
    found = _gives_ten_logits(answer)
    expect(any(row.layer.startswith("Conv2d") for row in found.rows), "no nn.Conv2d of it ran.")
    expect(found.parameters < 20_000, f"it has {found.parameters:,} parameters; pool more, or make fewer maps.")


@exercise("the channels follow on, in_features fits, and the softmax is left to the loss.")
def repaired(answer: nn.Module) -> None:
    """Check the repaired stack: 1 → 8 → 16 maps with 5×5 kernels, two poolings, and ten logits for 28×28."""
    found = _gives_ten_logits(answer)
    kernels = [row.layer for row in found.rows if row.layer.startswith("Conv2d")]
    wanted = [f"Conv2d({c}, {o}, kernel_size=5)" for c, o in ((1, 8), (8, 16))]
    expect(
        kernels == wanted, f"keep both convolutions, from 1 to 8 and from 8 to 16 maps; it has {', '.join(kernels)}."
    )
    for kind in ("ReLU", "MaxPool2d"):
        expect(sum(row.layer.startswith(kind) for row in found.rows) == 2, f"keep both layers of {kind}.")


@exercise("what arrives, times the own gradient, is passed on.")
def chain(answer: tuple) -> None:
    """Check the gradients of (a·b + c)² by a, b and c at a = 1, b = 4, c = −2."""
    values = [torch.tensor(value, requires_grad=True) for value in (1.0, 4.0, -2.0)]
    a, b, c = values
    ((a * b + c) ** 2).backward()
    given, right = _three_numbers(answer), [value.grad.item() for value in values]
    expect(given != [4, 1, 1], "those are the gradients of a·b + c; what arrives at it has still to be multiplied.")
    for name, said, truth in zip("abc", given, right, strict=True):
        near = abs(said - truth) < 1e-4
        expect(
            near, f"by {name} it is not {said:g}; what arrives at a·b + c, and how fast does that change with {name}?"
        )


def _loss_of_net() -> tuple[Net, torch.Tensor]:
    torch.manual_seed(0)
    net = Net()
    return net, F.mse_loss(net(torch.randn(1, 1, 32, 32)), torch.randn(1, 10))


@exercise("MSE, dense layer, ReLU, dense layer, TBackward0, and there it is.")
def path_to_weight(answer: list) -> None:
    """Check the places of next_functions that lead from the loss of Net to the leaf of fc2.weight."""
    places = _plain(answer)
    expect(isinstance(places, list), "give a list of places, like [0, 1].")
    net, loss = _loss_of_net()
    node, way = loss.grad_fn, type(loss.grad_fn).__name__
    for place in places:
        whole = isinstance(place, Integral) and not isinstance(place, bool)
        expect(whole and 0 <= place < len(node.next_functions), f"{way} has no place {place!r}.")
        node = node.next_functions[place][0]
        expect(node is not None, f"at place {place}, behind {way}, no gradient is needed: nobody is there.")
        way = f"{way} → {type(node).__name__}"
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    found = names.get(id(getattr(node, "variable", None)), "no leaf")
    expect(found == "fc2.weight", f"it leads {way}, which is {found}.")


@exercise("the input is a dense layer's second place.")
def find_relus(answer: Callable) -> None:
    """Check a function that returns the nodes of the ReLUs in front of fc3 and fc2 of Net, given the loss."""
    expect(callable(answer), "the answer is a function of loss.")
    _, loss = _loss_of_net()
    given = answer(loss)
    expect(given is not None, "it returns None; is a return missing?")
    expect(isinstance(given, list | tuple) and len(given) == 2, "it does not return two nodes; put them into a list.")
    right = [loss.grad_fn.next_functions[0][0].next_functions[1][0]]
    right.append(right[0].next_functions[0][0].next_functions[1][0])
    for which, node, relu in zip(("first", "second"), given, right, strict=True):
        expect(not isinstance(node, tuple), f"the {which} is a pair (node, place); add [0].")
        kind = type(node).__name__
        expect(kind == "ReluBackward0", f"the {which} is {kind}; which place is the layer's input?")
        expect(node is relu, f"the {which} is a ReLU, but another one; count the dense layers from the loss on.")


@exercise("equal shapes, nothing is broadcast.")
def fitting_loss(answer: Callable) -> None:
    """Check a function of prediction (n×1) and target (n) that returns their mean squared error."""
    generator = torch.Generator().manual_seed(0)
    cases = [
        {"prediction": torch.randn(n, 1, generator=generator), "target": torch.randn(n, generator=generator)}
        for n in (4, 1, 7)
    ]
    wrong = "the loss is another; does each prediction meet only its own target?"
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        _agrees(answer, lambda prediction, target: F.mse_loss(prediction[:, 0], target), cases, wrong)
    expect(not told, "the numbers are right, and torch still warns; are the shapes equal, for a single pair too?")
    prediction, target = torch.zeros(3, 1, requires_grad=True), torch.ones(3)
    loss = answer(prediction, target)
    expect(loss.requires_grad, "the loss has no graph; compute it from the prediction itself.")
    (given,) = torch.autograd.grad(loss, prediction)
    right = torch.full((3, 1), -2 / 3)
    expect(torch.allclose(given, right), "the loss is right, and its gradient is not; was the prediction detached?")


@exercise("a plain number, and nothing is kept.")
def mean_loss(answer: Callable) -> None:
    """Check a function of net, batches and criterion that returns the mean loss and keeps no graph."""
    expect(callable(answer), "the answer is a function of net, batches, criterion.")
    torch.manual_seed(0)
    for many, criterion in ((3, F.mse_loss), (2, F.l1_loss)):
        net, graphs = nn.Linear(3, 2), []
        batches = [(torch.randn(4, 3), torch.randn(4, 2)) for _ in range(many)]
        right = sum(criterion(net(x), target).item() for x, target in batches) / many
        net.register_forward_hook(lambda _net, _x, output, graphs=graphs: graphs.append(output.grad_fn is not None))
        given = answer(net, batches, criterion)
        stays = torch.is_grad_enabled() and all(p.requires_grad for p in net.parameters())
        expect(stays, "afterwards gradients are off for good; use a with block, which ends.")
        expect(given is not None, "it returns None; is a return missing?")
        kind = "a tensor with a graph" if getattr(given, "requires_grad", False) else "a tensor"
        expect(not isinstance(given, torch.Tensor), f"it returns {kind}; make it a plain number with item().")
        given = _number("what it returns", given)
        near = abs(given - right) < 1e-5
        expect(near, f"for {many} batches it returns {given:.4f}, and the mean of their losses is {right:.4f}.")
        expect(not any(graphs), "the number is right, and the graphs are still made; which block stops that?")


@exercise("first the velocity, then the parameter, as torch does.")
def momentum_step(answer: Callable) -> None:
    """Check a function step(parameters, velocities, lr, momentum) against torch.optim.SGD, over three steps."""
    expect(callable(answer), "the answer is a function of parameters, velocities, lr, momentum.")
    starts = torch.tensor([1.0, -2.0]), torch.tensor([[0.5]])
    mine, its = ([start.clone().requires_grad_() for start in starts] for _ in range(2))
    given, velocities = [*mine], [torch.zeros_like(start) for start in starts]
    optimizer = torch.optim.SGD(its, momentum=0.8)
    for number, lr in ((1, 0.05), (2, 0.1), (3, 0.02)):
        optimizer.param_groups[0]["lr"] = lr
        for one, other in zip(mine, its, strict=True):
            one.grad, other.grad = torch.full_like(one, number), torch.full_like(one, number)
        answer(given, velocities, lr, 0.8)
        optimizer.step()
        own = all(one is other and one.is_leaf for one, other in zip(given, mine, strict=True))
        expect(own, "the list holds new tensors; change the parameters themselves, with -= under no_grad.")
        expect(not torch.equal(mine[0], starts[0]), "nothing has moved; is the velocity changed first, and then used?")
        same = all(torch.allclose(one, other) for one, other in zip(mine, its, strict=True))
        plain = number == 2 and torch.allclose(mine[0], starts[0] - 0.05 - 0.2)
        expect(not plain, "after the second step it is SGD without momentum; does the velocity keep what it had?")
        expect(same, f"after step {number} the parameters are not torch's; are lr and momentum used where they belong?")


@exercise("finite differences agree, and so does torch.")
def reciprocal(answer: type) -> None:
    """Check a torch.autograd.Function that gives 1/x and its gradient."""
    made = isinstance(answer, type) and issubclass(answer, torch.autograd.Function)
    expect(made, "give the class itself, a torch.autograd.Function, without ().")
    x = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64, requires_grad=True)
    result = answer.apply(x)
    expect(torch.allclose(result, 1 / x), "forward does not give 1/x.")
    arriving = torch.tensor([1.0, 10.0, -2.0], dtype=torch.float64)
    (given,) = torch.autograd.grad(result, x, arriving.clone())
    own = -1 / x.detach() ** 2
    expect(not torch.allclose(given, own), "backward gives −1/x²; what arrives has still to be multiplied.")
    expect(not torch.allclose(given, -arriving * own), "the gradient has the wrong sign.")
    expect(torch.allclose(given, arriving * own), "backward does not give what arrives times −1/x².")


@exercise("clear, forward, loss, backward, step.")
def five_lines(answer: Callable) -> None:
    """Check a function train(net, x, target, steps, lr) that returns the losses, against a loop of ours."""
    expect(callable(answer), "the answer is a function of net, x, target, steps, lr.")
    torch.manual_seed(0)
    for steps, lr in ((5, 0.1), (3, 0.02)):
        net, x, target = nn.Linear(3, 2), torch.randn(4, 3), torch.randn(4, 2)
        mine, its = copy.deepcopy(net), copy.deepcopy(net)
        given, right = answer(mine, x, target, steps, lr), _losses(its, x, target, steps, lr)
        expect(isinstance(given, list | tuple), "give back the losses as a list, with return.")
        expect(not any(isinstance(one, torch.Tensor) for one in given), "the losses are tensors; keep loss.item().")
        given = [_number(f"loss {place}", one) for place, one in enumerate(given, 1)]
        expect(len(given) == steps, f"for {steps} steps it returns {len(given)} losses.")
        moved = not torch.equal(mine.weight, net.weight)
        expect(
            moved, "net has not changed; make the optimizer of its parameters, and clear before backward, not after."
        )
        first, second, *later = (math.isclose(*pair, rel_tol=1e-3) for pair in zip(given, right, strict=True))
        expect(first, "the first loss is another; is it the mean squared error before the first step?")
        expect(second, "the second loss is another; is it one step of plain SGD with the lr that is given?")
        expect(all(later), "two losses are right and a later one is not; is .grad cleared at each step?")


def _losses(net: nn.Module, x: torch.Tensor, target: torch.Tensor, steps: int, lr: float) -> list[float]:
    optimizer, losses = torch.optim.SGD(net.parameters(), lr=lr), []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.mse_loss(net(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@exercise("the last, smaller batch of each epoch is a step too.")
def steps(answer: Callable) -> None:
    """Check a function of images, batch_size and epochs that returns the number of steps."""
    sizes = (55_000, 64, 20), (60_000, 100, 3), (100, 128, 5), (1_317, 32, 2)
    cases = [dict(zip(("images", "batch_size", "epochs"), size, strict=True)) for size in sizes]
    _agrees(answer, lambda images, batch_size, epochs: epochs * math.ceil(images / batch_size), cases)


@exercise("it agrees with F.cross_entropy, for large logits too.")
def cross_entropy(answer: Callable) -> None:
    """Check a function of logits (N×10) and labels (N) that returns their mean cross entropy."""
    generator = torch.Generator().manual_seed(0)
    cases = [
        {"logits": size * torch.randn(n, 10, generator=generator), "labels": torch.arange(n) * 3 % 10}
        for n, size in ((1, 1), (6, 3))
    ]
    _agrees(answer, lambda logits, labels: F.cross_entropy(logits, labels).item(), cases)
    large = torch.zeros(2, 10)
    large[0, 3], large[1, 4] = 1000, -1000
    given = torch.as_tensor(answer(large.clone(), torch.tensor([3, 4]))).double()
    survives = torch.isclose(given, torch.tensor(500 + math.log(9) / 2).double(), rtol=1e-3)
    expect(
        bool(survives),
        f"it is right for small logits; for logits of ±1,000 it gives {given:.4g}, as exp overflows or log meets 0.",
    )


@exercise("dropout off, no graph, and the mode is as it was.")
def honest_accuracy(answer: Callable) -> None:
    """Check a function of model, images and labels that returns the accuracy and leaves the model in its mode."""
    expect(callable(answer), "the answer is a function of model, images, labels.")
    torch.manual_seed(0)
    model, graphs = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.Dropout(0.9), nn.Linear(64, 10)), []
    model.register_forward_hook(lambda _model, _x, output: graphs.append(output.grad_fn is not None))
    for count, mode in ((400, True), (250, False)):
        images = torch.randn(count, 1, 28, 28)
        with torch.no_grad():
            labels = model.eval()(images).argmax(1)
        labels[: count // 4] = (labels[: count // 4] + 1) % 10
        model.train(mode)
        graphs.clear()
        given = answer(model, images, labels)
        expect(given is not None, "it returns None; is a return missing?")
        expect(not isinstance(given, torch.Tensor), "it returns a tensor; make it a plain number with item().")
        given, right = _number("what it returns", given), 1 - (count // 4) / count
        expect(not math.isclose(given, 100 * right), "that is in percent; give the share, from 0 to 1.")
        expect(
            math.isclose(given, right, abs_tol=1e-4),
            f"it returns {given:.3f}, not {right:.3f}; is dropout off, and does each image count the same?",
        )
        stays = all(module.training is mode for module in model.modules())
        expect(stays, f"the model came in train({mode}), and it, or a layer of it, goes out in train({not mode}).")
        expect(not any(graphs), "the number is right, and a graph is made; which block stops that?")


@exercise("so many of each class, and the same ones tomorrow.")
def hold_out(answer: Callable) -> None:
    """Check a function of labels and count that returns indices, count of each class."""
    expect(callable(answer), "the answer is a function of labels, count.")
    generator = torch.Generator().manual_seed(0)
    for classes, count in ((10, 5), (3, 20)):
        labels = torch.randint(classes, (600,), generator=generator)
        given = answer(labels.clone(), count)
        expect(isinstance(given, torch.Tensor), f"it returns a value of type {type(given).__name__}, not a tensor.")
        whole = given.ndim == 1 and given.dtype in (torch.int64, torch.int32)
        expect(whole, f"indices are one row of whole numbers, not {given.dtype} of shape {tuple(given.shape)}.")
        expect(len(given.unique()) == len(given), "some indices come twice.")
        here = bool(((given >= 0) & (given < len(labels))).all())
        expect(here, "some indices are no places in labels; did you give back the labels themselves?")
        found = torch.bincount(labels[given], minlength=classes).tolist()
        expect(found == [count] * classes, f"with count {count} the classes come {found} times.")
        again = answer(labels.clone(), count)
        expect(torch.equal(given.sort()[0], again.sort()[0]), "the second call gives others; where is the seed?")


@exercise("the sampler picks, the loader hands out.")
def loader_of(answer: Callable) -> None:
    """Check a function of dataset, classes and batch_size that returns a loader of only these classes."""
    expect(callable(answer), "the answer is a function of dataset, classes, batch_size.")
    labels = torch.arange(200) * 7 % 10
    dataset = TensorDataset(torch.arange(200.0).view(-1, 1, 1, 1).expand(-1, 1, 2, 2), labels)
    for classes, batch_size in (({3, 8}, 16), ({0}, 7)):
        loader = answer(dataset, classes, batch_size)
        kind = type(loader).__name__
        expect(isinstance(loader, DataLoader), f"it returns a value of type {kind}, not a DataLoader.")
        passes = [[[*map(int, images[:, 0, 0, 0])] for images, _ in loader] for _ in range(2)]
        first, second = (sum(batches, []) for batches in passes)
        found = {int(labels[i]) for i in first}
        expect(found == classes, f"asked for the classes {sorted(classes)}, it gives {sorted(found)}.")
        wanted = [i for i in range(200) if int(labels[i]) in classes]
        expect(len(set(first)) == len(first), "some images come twice; give each once.")
        expect(sorted(first) == wanted, f"it gives {len(first)} images; there are {len(wanted)}, each to come once.")
        expect(len(passes[0][0]) == batch_size, f"its batches have {len(passes[0][0])} images, not {batch_size}.")
        expect(first != second, "both passes have the same order; it should be random.")


@exercise("and it stays between 0 and 1.")
def interval(answer: Callable) -> None:
    """Check a function of right and total that returns the 95 % interval of an accuracy as (low, high)."""
    expect(callable(answer), "the answer is a function of right, total.")
    for right, total in ((990, 1000), (9914, 10_000), (20, 20), (1, 200)):
        given, said = _plain(answer(right, total)), f"for {right} of {total}"
        expect(isinstance(given, list) and len(given) == 2, f"{said} it returns {given!r}, not a pair (low, high).")
        given = [_number(f"{said}, {name}", one) for name, one in zip(("low", "high"), given, strict=True)]
        expect(given[0] >= 0 and given[1] <= 1, f"{said} it gives {given[0]:.4f} to {given[1]:.4f}, beyond 0 or 1.")
        ends = _intervals(right / total, total)
        near = any(math.dist(given, pair) < 5e-5 for pair in ends)
        expect(near, f"{said} it gives {given[0]:.4f} to {given[1]:.4f}; is it p ± 1.96·√(p(1 − p)/total)?")


def _intervals(p: float, total: int) -> list[tuple[float, float]]:
    """Return the usual 95 % interval, cut off at 0 and 1, and Wilson's."""
    margin, share = 1.96 * math.sqrt(p * (1 - p) / total), 1.96**2 / total
    middle, wide = (p + share / 2) / (1 + share), math.sqrt(margin**2 + share**2 / 4) / (1 + share)
    return [(max(0, p - margin), min(1, p + margin)), (middle - wide, middle + wide)]


@exercise("the best so far, and how long ago that was.")
def early_stop(answer: Callable) -> None:
    """Check a function of accuracies and patience that returns the number of epochs that are run."""

    def epochs(accuracies: list[float], patience: int) -> int:
        for epoch in range(1, len(accuracies) + 1):
            before = accuracies[:epoch]
            if epoch - (1 + before.index(max(before))) >= patience:
                return epoch
        return len(accuracies)

    runs = [0.9, 0.95, 0.94, 0.96, 0.96, 0.95, 0.97], [0.5, 0.6, 0.7], [0.9, 0.7, 0.8, 0.75, 0.85, 0.95]
    cases = [{"accuracies": run, "patience": patience} for run in runs for patience in (1, 2, 3)]
    _agrees(answer, epochs, cases)


# Of the old program in notebook 05: for each fault the lines that name it, and where to look.
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
    lines = _chosen("line", answer, 34, "{1, 2, 3}")
    found = [bool(accepted & lines) for accepted, _ in FAULTS]
    innocent = sorted(lines - set.union(*(accepted for accepted, _ in FAULTS)))
    listed = f"{sum(found)} of nine found"
    expect(not innocent, f"{listed}; line {innocent and innocent[0]} is not one of them.")
    hint = next((hint for seen, (_, hint) in zip(found, FAULTS, strict=True) if not seen), "")
    expect(not hint, f"{listed}. Of the others: {hint}")


def _compare(said: str, given: object, right: torch.Tensor, mistakes: list[tuple], otherwise: str) -> None:
    """Expect the numbers of `right`; `mistakes` pairs the numbers that a known mistake gives with its hint."""
    expect(given is not None, f"{said} it returns None; is a return missing?")
    kind = type(given).__name__
    try:
        given = torch.as_tensor(_plain(given), dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise NotYet(f"{said} it gives a value of type {kind} that is no table of numbers.") from None

    def same(other: object) -> bool:
        other = torch.as_tensor(other).detach().double()
        return given.shape == other.shape and torch.allclose(given, other, rtol=1e-4, atol=1e-5, equal_nan=True)

    if same(right):
        return
    for numbers, hint in mistakes:
        expect(not same(numbers), hint)
    shapes = tuple(given.shape), tuple(right.shape)
    expect(shapes[0] == shapes[1], f"{said} the shape is {shapes[0]}, and should be {shapes[1]}.")
    raise NotYet(f"{said} {otherwise}")


def _attempt(answer: Callable, given: tuple, hints: dict[type, str]) -> object:
    """Call a student's function; an error of a known kind becomes its hint."""
    try:
        return answer(*given)
    except tuple(hints) as error:
        raise NotYet(hints[type(error)]) from None


def _small_convnet() -> ConvNet:
    """Return a small random ConvNet in which every map has a say."""
    torch.manual_seed(0)
    model = ConvNet((2, 3), dense=8, dropout=0).eval()
    for weights in model.parameters():
        nn.init.constant_(weights, 0.3) if weights.ndim == 1 else nn.init.normal_(weights, std=0.2)
    return model


def _no_hooks(model: nn.Module, when: str) -> None:
    left = [name for name, layer in model.named_modules() if layer._forward_hooks or layer._forward_pre_hooks]
    expect(not left, f"{when} a hook stays behind at {left and left[0]!r}; remove() it in finally, or use with.")


def _through(model: nn.Module, images: torch.Tensor) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return what goes into each layer and what comes out, by the layer's name."""
    found = {}
    with contextlib.ExitStack() as hooks:
        for name, layer in model.named_modules():

            def keep(_layer: nn.Module, given: tuple, output: torch.Tensor, name: str = name) -> None:
                found[name] = given[0].detach(), output.detach()

            hooks.enter_context(layer.register_forward_hook(keep))
        model(images)
    return found


@exercise("what every layer gives, and no hook stays behind.")
def hooked(answer: Callable) -> None:
    """Check a function of model, names and images that returns {name: output of that layer} and leaves no hook."""
    expect(callable(answer), "the answer is a function of model, names, images.")
    model, nested = _small_convnet(), nn.Sequential(nn.Sequential(nn.Linear(28, 4), nn.Tanh()), nn.Linear(4, 2))
    dotted = "a name such as '0.1' is a layer inside a layer; which method of a module finds a submodule by its name?"
    cases = (model, ["conv1", "fc1"], False), (model, ["fc2", "conv2"], True), (nested, ["0.1"], True)
    for net, names, mode in cases:
        images = torch.rand(3, 1, 28, 28)
        truth = _through(net.train(mode), images)
        hints = dict.fromkeys((AttributeError, KeyError), dotted) if net is nested else {}
        _each_layer(_attempt(answer, (net, [*names], images.clone()), hints), names, truth)
        _no_hooks(net, "afterwards")
        stays = all(layer.training is mode for layer in net.modules())
        expect(stays, f"the model came in train({mode}), and it, or a layer of it, goes out in train({not mode}).")
    with contextlib.suppress(Exception):
        answer(model, ["conv1", "fc1"], torch.rand(2, 1, 32, 32))
    _no_hooks(model, "where the model stops with an error, as for images of another size,")


def _each_layer(given: object, names: list[str], truth: dict) -> None:
    late = "a hook made in a loop looks up its name only when it runs, after the loop; hand it over as name=name."
    expect(given is not None, "it returns None; is a return missing?")
    expect(isinstance(given, dict), f"it returns a value of type {type(given).__name__}, not a dict.")
    expect(len(names) == 1 or list(given) != names[-1:], f"asked for {names}, the dict has only the last: {late}")
    expect(set(given) == set(names), f"asked for {names}, the dict has the names {[*given]}.")
    for name in names:
        enters, leaves = truth[name]
        inside = f"{name} holds what goes into the layer; which argument of the hook comes out of it?"
        mistakes = [
            (enters, inside),
            (enters[None], inside),  # as the hook gets it, a tuple
            (truth[names[-1]][1], f"{name} holds the output of {names[-1]}: {late}"),
            (truth[""][1], f"{name} holds the output of the whole model; hook the layer itself."),
        ]
        _compare(f"for {name}", given[name], leaves, mistakes, "the numbers are not what the layer gives.")


def _logits_with(model: nn.Module, layer: str, place: object, value: float, images: torch.Tensor) -> torch.Tensor:
    """Return the logits where the output of a layer holds `value` at a place."""

    def fill(_layer: nn.Module, _given: tuple, output: torch.Tensor) -> None:
        output[place] = value

    with torch.no_grad(), model.get_submodule(layer).register_forward_hook(fill):
        return model(images)


@exercise("a hook that returns something replaces the output, for as long as it is there.")
def filled(answer: Callable) -> None:
    """Check a function of model, layer, k, value and images: the logits where map k holds `value` everywhere."""
    expect(callable(answer), "the answer is a function of model, layer, k, value, images.")
    model = _small_convnet()
    before = copy.deepcopy(model.state_dict())
    for layer, k, value in (("conv1", 1, 0.0), ("conv2", 2, 1.5), ("conv2", 0, 0.0), ("conv1", 0, -0.7)):
        images, case = torch.rand(4, 1, 28, 28), f"for {layer}, k {k}, value {value}"
        changes = [
            ((slice(0), k), 0, "the logits are unchanged; does the hook return the changed output?"),
            ((slice(None), k), 0.3, "the weights of map k are zero and its bias is still there; the map holds it."),
            (..., value, "all maps are filled; fill only map k."),
            (k, value, "the first axis is the image; which axis counts the maps?"),
        ]
        mistakes = [(_logits_with(model, layer, at, v, images), f"{case} {hint}") for at, v, hint in changes]
        right = _logits_with(model, layer, (slice(None), k), value, images)
        given = answer(model, layer, k, value, images.clone())
        _compare(case, given, right, mistakes, "the logits are others; is map k, before ReLU, value everywhere?")
        same = all(torch.equal(weights, before[name]) for name, weights in model.state_dict().items())
        expect(same, "the logits are right, and the model's weights are changed for good; leave them as they were.")
        _no_hooks(model, "the logits are right, and")


@exercise("recall by rows, precision by columns.")
def recall_precision(answer: Callable) -> None:
    """Check a function of a confusion matrix (row: class, column: answer) that returns recall and precision."""
    expect(callable(answer), "the answer is a function of matrix.")
    never = "class 2 is never answered, and 0/0 is no number; let its precision be 0, for example with clamp(min=1)."
    tables = [[[8, 1, 3], [0, 5, 2], [4, 2, 9]], [[9, 1], [5, 3]]]
    for table in (*tables, [[6, 3, 0, 1], [2, 7, 0, 0], [1, 1, 0, 3], [0, 1, 0, 4]]):
        matrix = torch.tensor(table)
        raw = torch.stack([matrix.diagonal() / matrix.sum(axis) for axis in (1, 0)])
        right = raw.nan_to_num(0)
        mistakes = [
            (right.flip(0), "both rows are right and change places: give recall, then precision."),
            (100 * right, "those are percent; give shares, from 0 to 1."),
            (raw, never),
        ]
        hints = {ZeroDivisionError: never} if len(table) == 4 else {}
        given = _attempt(answer, (matrix.clone(),), hints)
        otherwise = "the shares are others; which sum is all images of a class, and which all answers of that class?"
        _compare(f"for {table}", given, right, mistakes, otherwise)


@exercise("one small step of each pixel up the loss, and the picture stays a picture.")
def fooled(answer: Callable) -> None:
    """Check a function of model, image, label and size that takes one step of the fast gradient sign method.

    Source: https://arxiv.org/abs/1412.6572
    """
    expect(callable(answer), "the answer is a function of model, image, label, size.")
    model = _small_convnet()
    for label, size in ((3, 0.1), (8, 0.25)):
        image = (torch.rand(1, 28, 28) * 1.5 - 0.25).clamp(0, 1)
        x = image.clone().requires_grad_()
        (slope,) = torch.autograd.grad(F.cross_entropy(model(x[None]), torch.tensor([label])), x)
        step, mine = size * slope.sign(), image.clone()
        mistakes = [
            (image - step, "it goes down the loss, so the model gets surer; which sign makes the loss larger?"),
            (image + size * slope, "each pixel goes by its own gradient; take only the sign of it."),
            (image, "the picture is the one that came in."),
        ]
        mistakes += [(one.clamp(0, 1), hint) for one, hint in mistakes]
        mistakes.append((image + step, "some pixels leave 0 to 1; clip them."))
        given, right = answer(model, mine, label, size), (image + step).clamp(0, 1)
        wrong = "the picture is another; is it the gradient of the label's cross entropy by the image?"
        _compare(f"for label {label}, size {size}", given, right, mistakes, wrong)
        expect(torch.equal(mine, image), "it is right, and the picture that came in is changed too; work on a clone.")
        expect(not mine.requires_grad, "the picture that came in now asks for gradients; work on a clone.")
        expect(not getattr(given, "requires_grad", False), "it is right, and still carries a graph; detach it.")


@exercise("each pixel counts as much as it is bright.")
def centre_of_mass(answer: Callable) -> None:
    """Check a function of image (H×W) that returns (row, column), the mean place of its ink."""
    expect(callable(answer), "the answer is a function of image.")
    torch.manual_seed(0)
    for height, width in ((4, 9), (12, 5), (28, 28)):
        image = (torch.rand(height, width) - 0.5).clamp(0)
        image[: height // 2, : width // 3] /= 4
        inked, places = image > 0, torch.cartesian_prod(torch.arange(height), torch.arange(width)).float()
        right, even = ((share.reshape(-1, 1) * places).sum(0) / share.sum() for share in (image, inked))
        mistakes = [
            (right.flip(0), "row and column change places: give the row first."),
            (even, "every pixel with ink counts the same; weight it by its grey level."),
            (right + 1, "both are too large by 1; rows and columns count from 0."),
            (places[image.argmax()], "that is the brightest pixel; take the mean of all places."),
        ]
        wrong = "it is another place; what do you divide the weighted sum by?"
        _compare(f"for a picture of {height}×{width}", answer(image.clone()), right, mistakes, wrong)


@exercise("the gap between confidence and accuracy, bin by bin, and each image counts once.")
def calibration_error(answer: Callable) -> None:
    """Check a function of confidences, right and bins that returns the expected calibration error.

    Source: https://arxiv.org/abs/1706.04599
    """
    expect(callable(answer), "the answer is a function of confidences, right, bins.")
    torch.manual_seed(0)
    empty = "a bin without images has no mean, only nan; leave it out."
    for low, bins, sure in ((0.02, 4, 0), (0.45, 10, 0), (0.3, 5, 9)):
        confidences = torch.cat([low + (0.99 - low) * torch.rand(60), torch.ones(sure)])
        right = torch.rand(60 + sure) < 0.75
        truth, *mistakes = _calibrations(confidences, right, bins)
        mistakes.append((math.nan, empty))
        hints = {ZeroDivisionError: empty} | ({IndexError: mistakes[0][1]} if sure else {})
        given = _attempt(answer, (confidences.clone(), right.clone(), bins), hints)
        _compare(f"for {bins} bins", given, truth, mistakes, f"it should give {truth:.4f}; what does a bin hold?")


def _calibrations(confidences: torch.Tensor, right: torch.Tensor, bins: int) -> list:
    """Return the expected calibration error, and the numbers of the usual mistakes, each with its hint."""

    def gaps(places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        # Of each bin that has images: its share of them, and its accuracy minus its mean confidence.
        insides = [(places == one).float() for one in places.unique()]
        own = [one @ (right.float() - confidences) / one.sum() for one in insides]
        return torch.stack([one.mean() for one in insides]), torch.stack(own)

    places = (confidences * bins).long()  # 1.0 gets a bin of its own
    (share, gap), (shares, alone) = gaps(places.clamp(max=bins - 1)), gaps(places)
    errors, apart = share * gap.abs(), shares * alone.abs()
    last = "a confidence of exactly 1.0 falls out of the last bin; let that bin hold its upper end too."
    same = "every bin counts the same; weight it by its share of the images."
    signed = "gaps of both signs cancel; take the absolute value in each bin, before the sum."
    square = "the gaps are squared; take their absolute values."
    return [
        errors.sum(),
        *[(apart.sum(), last), (apart[places.unique() < bins].sum(), last)],
        *[(gap.abs().mean(), same), (gap.abs().sum() / bins, same)],
        *[((share * gap).sum(), signed), (-(share * gap).sum(), signed)],
        *[((share * gap**2).sum(), square), ((share * gap**2).sum().sqrt(), square)],
        (100 * errors.sum(), "those are percent; give a share, from 0 to 1."),
    ]


@exercise("no training at all: it remembers, and measures.")
def nearest(answer: Callable) -> None:
    """Check a function of image, images, labels and k that returns the commonest label of the k nearest images."""
    expect(callable(answer), "the answer is a function of image, images, labels, k.")
    torch.manual_seed(0)
    for k, near in ((3, [4, 7, 7, 5, 5, 5]), (6, [1, 6, 6, 8, 8, 8, 1, 1]), (1, [5, 6, 6])):
        image, many = 0.3 * torch.rand(1, 28, 28) * (torch.rand(1, 28, 28) < 0.5), len(near)
        steps = 0.01 * torch.arange(many, 0, -1).view(-1, 1, 1, 1)  # the nearest comes last
        far, bright = (image == 0).float().expand(9, 1, 28, 28), 3 * image.expand(6, 1, 28, 28)
        images = torch.cat([far, bright, image + steps * torch.rand(many, 1, 28, 28)])
        labels, right = torch.tensor([3] * 9 + [2] * 6 + near[::-1]), max(near[:k], key=near[:k].count)
        mistakes = [
            (3, "those are the farthest; take the smallest distances."),
            (2, "a bright image has a large product with any other; measure the distance instead."),
            (near[0], f"with k {k} that is the label of the very nearest; let all k vote."),
        ]
        mistakes += [(place, "that is the place of an image; give its label.") for place in range(15, len(images))]
        given = answer(image.clone(), images.clone(), labels.clone(), k)
        wrong = "it is another label; do exactly the k nearest vote?"
        _compare(f"for k {k}", given, torch.tensor(right).double(), mistakes, wrong)


# Of the eight statements about a figure in notebook 06: those that it does not support, and what to ask of each.
CLAIMS = {
    1: "does another kernel not take over its work when you retrain?",
    4: "does the gradient say what happens under a large change?",
    5: "what does a black patch show about ink that is missing?",
    7: "how many digits stand in that bin?",
}


@exercise("a figure shows what it measures, and no more.")
def supported(answer: set) -> None:
    """Check which of the eight statements of notebook 06 a figure supports."""
    chosen = _chosen("statement", answer, 8, "{1, 2}")
    wrong, found = sorted(chosen & set(CLAIMS)), len(chosen - set(CLAIMS))
    listed = f"{found} of four found"
    expect(not wrong, f"{listed}; statement {wrong and wrong[0]}: {wrong and CLAIMS[wrong[0]]}")
    expect(found == 4, f"{listed}; for which other statement does the figure show just what is said?")
