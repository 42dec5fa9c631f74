"""Friendly checkers: each says in one sentence whether an answer is right, and never raises.

A checker takes what the student made (a number, a tuple, a function), `None` while there is nothing yet. Known mistakes
are data: pairs of the numbers that such a mistake gives and the hint for it.
"""

import contextlib
import copy
import functools
import math
import warnings
from collections.abc import Callable, Sequence
from numbers import Integral, Real

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from helpers.arithmetic import output_size, pixels_read, pooled_size
from helpers.convnet import ConvNet, Net
from helpers.tracer import Trace, times, trace

YOURS = "your answer"
DIFFERENT = "{lead} is {given}{at}, and should be {right}."
Pairs = Sequence[tuple[object, str]]  # what known mistakes give, each with its hint


class NotYet(Exception):
    """The answer is not right yet; the message is the hint that the student reads."""


def expect(condition: bool, hint: str) -> None:
    """Raise NotYet with the hint unless the condition holds."""
    if not condition:
        raise NotYet(hint)


def exercise(praise: str, of: str = "", errors: dict[type, str] | None = None) -> Callable:
    """Turn a function that expects things of an answer into a checker that prints a verdict.

    Where the answer is a function, `of` names its arguments, and `errors` says what an error usually comes from.
    """

    def decorate(examine: Callable) -> Callable:
        @functools.wraps(examine)
        def check(answer: object = None) -> None:
            if answer is None or answer is ...:
                print("… Nothing to check yet: put your answer in place of None and run the cell again.")
                return
            try:
                # Whatever the student's code does to the seed, and to whether gradients are on, ends here.
                with torch.random.fork_rng([]), torch.enable_grad():
                    torch.manual_seed(0)
                    examine(_Function(answer, of) if of else answer)
                print(f"✓ Right: {praise}")
            except NotYet as hint:
                print(f"✗ Not yet: {hint}")
            except Exception as error:  # whatever the student's own code does must not end in a traceback from here
                why = (errors or {}).get(type(error), "")
                print(f"✗ Not yet: your answer stopped with {type(error).__name__}: {_first_line(error)}{why}")

        del check.__wrapped__  # or Jupyter shows the signature of what is wrapped
        return check

    return decorate


def _first_line(value: object) -> str:
    return str(value).partition("\n")[0]


class _Function:
    """A student's function, and the names of its arguments."""

    def __init__(self, function: object, names: str) -> None:
        expect(callable(function), f"the answer is a function of {names}.")
        self.function, self.names = function, names.split(", ")

    def __call__(self, *given: object) -> object:
        return self.function(*given)

    def gives(self, right: object, case: Sequence, mistakes: Pairs = (), otherwise: str = DIFFERENT) -> None:
        """Expect the numbers of `right` for the arguments in `case`; the function gets copies, which it may change."""
        said = ", ".join(f"{name} {_said(value)}" for name, value in zip(self.names, case, strict=True))
        _same(self(*copy.deepcopy(case)), right, mistakes, otherwise, f"for {said} the result")

    def agrees(self, right: Callable, cases: Sequence, otherwise: str = DIFFERENT) -> None:
        """Expect what another function gives, in each of the cases."""
        for case in cases:
            self.gives(right(*case), case, (), otherwise)


def _said(value: object) -> str:
    if isinstance(value, torch.Tensor) and value.numel() > 8:
        return f"of shape {times(value.shape)}"
    return f"({type(value).__name__})" if isinstance(value, nn.Module) else str(_plain(value))


def _same(given: object, right: object, mistakes: Pairs = (), otherwise: str = DIFFERENT, lead: str = YOURS) -> None:
    """Expect the numbers of `right`, or say the hint of the mistake that gives such numbers, or else `otherwise`."""
    right = torch.as_tensor(right).detach().double()
    harmful = [pair for pair in mistakes if not _close(right, pair[0])]
    given = _table(given, right.shape, lead, harmful)
    for place in (~torch.isclose(given, right, rtol=1e-5, atol=1e-5)).nonzero().tolist():
        at = f" at {place}" if place else ""
        one, other = (f"{table[tuple(place)]:.6g}" for table in (given, right))
        raise NotYet(otherwise.format(lead=lead, given=one, at=at, right=other))


def _table(given: object, shape: Sequence[int], lead: str = YOURS, mistakes: Pairs = ()) -> torch.Tensor:
    """Return numbers of this shape as float64, or expect them."""
    words = "one number", "{} numbers, (…, …)", "{} rows of {} numbers, [[…], […]]"
    wanted = words[len(shape)].format(*shape) if len(shape) < 3 else f"numbers of shape {tuple(shape)}"
    expect(given is not None, f"{lead} is None; is a return missing?")
    try:
        numbers = torch.as_tensor(_plain(given), dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        said = _first_line(repr(given))
        quotes = ", without quotes" if {"'", '"'} & set(said) else ""
        raise NotYet(f"{lead} is {said}; give {wanted}{quotes}.") from None
    for wrong, hint in mistakes:
        expect(not _close(numbers, wrong), hint)
    has = f"has the shape {tuple(numbers.shape)}" if numbers.ndim else "is one number"
    expect(numbers.shape == tuple(shape), f"{lead} {has}; give {wanted}.")
    return numbers


def _close(one: torch.Tensor, other: object) -> bool:
    other = torch.as_tensor(other).detach().double()
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-5, atol=1e-5, equal_nan=True)


def _plain(value: object) -> object:
    """Return numbers as numbers and anything with several as a list, so that (1, 2) equals [1, 2]."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value


def _kind(given: object, *kinds: type) -> None:
    expect(given is not None, "it returns None; is a return missing?")
    expect(isinstance(given, kinds), f"it returns a value of type {type(given).__name__}, not a {kinds[0].__name__}.")


def _settings(answer: object, names: set[str], needed: Sequence[str] = ()) -> None:
    listed = ", ".join(sorted(names))
    expect(isinstance(answer, dict), f"give a dict such as dict({min(names)}=1); the names are {listed}.")
    expect(set(answer) <= names, f"only these names are yours to choose: {listed}.")
    missing = sorted(set(needed) - set(answer))
    expect(not missing, f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing.")
    for name, value in answer.items():
        whole = isinstance(value, int) and value >= 0
        expect(whole, f"{name} is {value!r}; give one whole number, not a negative one.")


def _chosen(what: str, answer: object, most: int) -> set[int]:
    """Return a set of whole numbers from 1 to `most`, or expect one."""
    chosen = _plain(answer)
    expect(isinstance(chosen, set | frozenset | list), f"give a set of {what} numbers, like {{1, 2}}.")
    whole = all(isinstance(one, Real) and one in range(1, most + 1) for one in chosen)
    expect(whole, f"give {what} numbers, whole ones from 1 to {most}.")
    return set(chosen)


def predict(guess: object, truth: object) -> None:
    """Compare a prediction with what came out, and say both."""
    said, came = _plain(guess), _plain(truth)
    shown = truth.tolist() if isinstance(truth, torch.Tensor) else truth
    if guess is None:
        print(f"No guess yet. It is {shown}.")
    elif isinstance(guess, str) and not isinstance(truth, str):
        print(f"✗ You said the text {guess!r}; numbers, True and False go without quotes. It is {shown}.")
    elif said == came or _near(said, came):
        print(f"✓ You said {guess}, and it is {shown}.")
    else:
        print(f"✗ You said {guess}; it is {shown}. What made the difference?")


def _near(said: object, came: object) -> bool:
    """Say whether a guess is near enough: whole numbers must be met, others to one part in a hundred."""
    if not isinstance(said, Real) or not isinstance(came, Real) or isinstance(came, Integral):
        return False
    return abs(said) < 1e300 and math.isclose(said, came, rel_tol=1e-5 if came == round(came) else 0.01)


def _three(answer: object, right: Sequence[float], hints: Sequence[str]) -> None:
    for place, (given, number, hint) in enumerate(zip(_table(answer, (3,)).tolist(), right, hints, strict=True), 1):
        expect(given == number, f"number {place} is not {given:g}; {hint}")


# Notebook 01


@exercise("the first product to the last, row by row, and nothing flipped.")
def one_window(answer: float) -> None:
    """Check the sum of the products of [[1, 2], [3, 4]] and [[0, 1], [2, 3]]."""
    flipped = "10 is what the flipped kernel gives; conv2d multiplies number by number as they lie."
    hint = "multiply each input number with the weight in the same place, then add the four products."
    _same(answer, 20, [(10, flipped)], hint)


@exercise("floor and all.")
def three_sizes(answer: tuple) -> None:
    """Check the output sizes of (28, k 5), (28, k 5, p 2), (32, k 3, s 2)."""
    right = output_size(28, 5), output_size(28, 5, padding=2), output_size(32, 3, stride=2)
    _three(answer, right, ["put n, k, p and s into the formula, and mind the floor."] * 3)


@exercise("2p = k − 1, so an odd kernel needs p = (k − 1) / 2.", of="kernel_size")
def padding_to_keep(answer: Callable) -> None:
    """Check a function that gives the padding with which an odd kernel keeps the size."""
    for kernel_size in (1, 3, 5, 7, 11):
        padding, lead = _plain(answer(kernel_size)), f"for kernel_size {kernel_size} the result"
        size = 28 + 2 * _table(padding, (), lead) - (kernel_size - 1)
        expect(isinstance(padding, int), f"{lead} is {padding}; padding is a whole number, so use //.")
        expect(size == 28, f"{lead} is {padding}, and 28 pixels become {size:g}.")


@exercise("your function agrees with F.conv2d for every setting that was tried.", of="image, kernel, stride")
def strided_convolution(answer: Callable) -> None:
    """Check a function of image (H×H), kernel (K×K) and stride against F.conv2d."""
    sizes = (5, 3, 1), (5, 3, 2), (8, 3, 2), (8, 2, 3), (7, 7, 4)
    cases = [(torch.randn(n, n), torch.randn(k, k), stride) for n, k, stride in sizes]
    hint = "the shape is right and the numbers are not: where does the window start, and is nothing flipped?"
    answer.agrees(lambda image, kernel, s: F.conv2d(image[None, None], kernel[None, None], stride=s)[0, 0], cases, hint)


@exercise("it halves the size and leaves no pixel out.")
def halve(answer: dict) -> None:
    """Check settings that bring 28 to 14 with a kernel of at least 3 and no pixel unread."""
    _settings(answer, {"kernel_size", "stride", "padding", "dilation"}, ["kernel_size"])
    expect(answer["kernel_size"] >= 3, f"kernel_size is {answer['kernel_size']}; take one of 3 or more.")
    size = output_size(28, **answer)
    expect(size == 14, f"28×28 becomes {size}×{size}, not 14×14.")
    unread = 28**2 - len(pixels_read(28, **answer)) ** 2
    expect(unread == 0, f"the size is right, and {unread} pixels are read by no window.")


@exercise("dark to the left, bright to the right gives a large number, and a flat picture gives 0.")
def edge_kernel(answer: object) -> None:
    """Check a 3×3 kernel that finds vertical edges, dark left of bright, and nothing on flat ground or flat edges."""
    kernel = _table(answer, (3, 3), "your kernel")
    flat, level = kernel.sum().item(), kernel.sum(1).abs().max().item()
    expect(abs(flat) < 1e-6, f"its weights add up to {flat:g}, so a flat wall would answer; make them add up to 0.")
    expect(level < 1e-6, "it answers to a level edge as well; make each row add up to 0.")
    upright = sorted(kernel[:, place:].sum().item() for place in (1, 2))
    where = "where it is dark on the left and bright on the right, it gives"
    expect(upright[0] > -1e-6, f"{where} a negative number.")
    expect(upright[1] > 1e-6, f"{where} 0.")


@exercise("d(k − 1) + 1 pixels, read with only k·k weights.")
def see_far(answer: dict) -> None:
    """Check settings of a 3×3 kernel that spans 9 pixels and keeps the size of a 28×28 picture."""
    _settings(answer, {"dilation", "padding"}, ["dilation"])
    span, size = answer["dilation"] * 2 + 1, output_size(28, 3, **answer)
    expect(span == 9, f"with dilation {answer['dilation']} the window spans {span} pixels, not 9.")
    expect(size == 28, f"the window spans 9 pixels, and 28×28 becomes {size}×{size}; which padding makes up for it?")


# Notebook 02

PICTURE = torch.tensor([[[1.0, 3, 2, 0], [5, 2, 1, 1], [3, 1, 4, 8], [2, 1, 2, 2]]])


@exercise("one number for each window, the rest is gone.")
def two_poolings(answer: tuple) -> None:
    """Check max and average pooling of a 4×4 picture with a window of 2, as a pair of 2×2 tables."""
    expect(isinstance(answer, tuple | list) and len(answer) == 2, "give two tables, (largest, average).")
    largest, average = F.max_pool2d(PICTURE, 2)[0], F.avg_pool2d(PICTURE, 2)[0]
    swapped = "the two tables change places: give (largest, average)."
    hint = "{lead} has another number{at}; which 2×2 pixels does that window read?"
    _same(answer[0], largest, [(average, swapped)], hint, "the largest table")
    _same(answer[1], average, [(largest, swapped)], hint, "the average table")


@exercise("floor, ceiling, and the dropped window.")
def pooled_sizes(answer: tuple) -> None:
    """Check the sizes of (13, k 2), (13, k 2, ceil_mode), (3, k 2, s 3, ceil_mode)."""
    hints = "without ceil_mode it rounds down.", "with ceil_mode it rounds up.", "where would the second window start?"
    right = pooled_size(13, 2), pooled_size(13, 2, ceil_mode=True), pooled_size(3, 2, 3, ceil_mode=True)
    _three(answer, right, hints)


@exercise("your function agrees with F.avg_pool2d for every setting that was tried.", of="image, kernel_size, stride")
def average_pooling(answer: Callable) -> None:
    """Check a function of image (H×W), kernel_size and stride against F.avg_pool2d."""
    sizes = (4, 4, 2, 2), (4, 6, 2, 2), (9, 10, 3, 2), (7, 7, 2, 3)
    cases = [(torch.randint(9, (height, width)).float(), k, stride) for height, width, k, stride in sizes]
    answer.agrees(lambda image, kernel_size, stride: F.avg_pool2d(image[None], kernel_size, stride)[0], cases)


@exercise("it halves the size, and neighbouring windows share pixels.")
def overlapping_windows(answer: dict) -> None:
    """Check settings of a pooling that brings 28 to 14 with windows that overlap."""
    _settings(answer, {"kernel_size", "stride", "padding"}, ["kernel_size", "stride"])
    k, s, p = answer["kernel_size"], answer["stride"], answer.get("padding", 0)
    expect(k > s, f"with kernel_size {k} and stride {s} the windows do not overlap.")
    expect(2 * p <= k, f"padding {p} is more than half of kernel_size {k}: use {k // 2} or less.")
    size = pooled_size(28, k, s, p)
    expect(size == 14, f"the windows overlap, and 28×28 becomes {size}×{size}.")


@exercise("9 ones and 16 zeros, and all 25 count.")
def average_corner(answer: float) -> None:
    """Check the corner of the average pooling of ones, kernel_size 5, stride 1, padding 2, to three decimals."""
    smaller = "4/9 is for a window of 3; here the window is 5×5 and the padding 2."
    mistakes = [
        (1, "1 is what count_include_pad=False gives; by default the zeros count."),
        (0.444, smaller),
        (0.44, smaller),  # as the tables show it
    ]
    hint = "divide the ones under the corner's window by all the pixels under it, 25."
    _same(_table(answer, ()).round(decimals=3), 0.36, mistakes, hint)


@exercise("overlaps add up, and a tie goes to the first.")
def pooled_gradient(answer: object) -> None:
    """Check the gradient of max pooling of a 3×3 picture with a window of 2 and stride 1, each output sending 1."""
    given = _table(answer, (3, 3), "your table")
    expect(given.sum() == 4, f"your numbers add up to {given.sum():g}; four windows send back 1 each.")
    expect(given[1, 0] == 2, f"the 4 is the largest of two windows, and you give it {given[1, 0]:g}.")
    expect(given[2, 2] == 1, f"the 5 is the largest of one window, and you give it {given[2, 2]:g}.")
    expect(given[1, 1] == 1, "one window has two largest numbers; torch gives all of its 1 to the first of them.")
    wins = "{lead} is {given}{at}, and should be 0: this pixel wins in no window."
    _same(given, [[0, 0, 0], [2, 1, 0], [0, 0, 1]], (), wins, "your number")


@exercise("two pictures, one pooled picture: what tells them apart is gone.")
def pooled_alike(answer: object) -> None:
    """Check a 4×4 picture that differs from a given one and pools to the same, with max and with average."""
    given = _table(answer, (4, 4), "your picture")[None].float()
    expect(bool(given.isfinite().all()), "nan and inf are no brightness; give 4 rows of 4 numbers, [[…], […]].")
    expect(bool((given - PICTURE).abs().gt(0.01).any()), "that is the picture itself; change it.")
    for name, pool in (("largest", F.max_pool2d), ("average", F.avg_pool2d)):
        differ = int((pool(given, 2) - pool(PICTURE, 2)).abs().gt(1e-4).sum())
        expect(differ == 0, f"in {differ} of 4 windows the {name} is another; which changes inside a window keep both?")


@exercise("a step of the output is 2·2 pixels.")
def one_step(answer: int) -> None:
    """Check after how many pixels the output of two poolings with stride 2 has moved by exactly one."""
    early = "after 2 pixels the first pooling has moved by one, and the second has not yet."
    _same(answer, 4, [(2, early)], "each pooling moves by one when its input moves by a whole stride.")


# Notebook 03


@exercise("3 channels of 5·5 weights and one bias, 16 times.")
def count_weights(answer: int) -> None:
    """Check the number of parameters of nn.Conv2d(3, 16, kernel_size=5)."""
    mistakes = [
        (1200, "those are the weights; each map has a bias too."),
        (1201, "each of the 16 maps has a bias of its own."),
        (416, "a kernel is as deep as its input: 3 channels."),
    ]
    hint = "a kernel has in_channels · k · k weights and one bias, and there is one for each map."
    _same(answer, 1216, mistakes, hint)


@exercise("64 → 62 → 31 → 29 → 14, and 16·14·14 = 3136.")
def in_features(answer: int) -> None:
    """Check in_features of the first dense layer of Net for pictures of 64×64."""
    mistakes = [
        (576, "576 is for 32×32; follow 64 pixels through both convolutions and poolings."),
        (16 * 16 * 16, "64 / 4 is 16, but each 3×3 convolution without padding takes 2 pixels off."),
        (16 * 15 * 15, "mind the floor: the last pooling meets 29 pixels."),
        *[(maps, "how many maps does the last volume have?") for maps in (14, 14 * 14)],
    ]
    hint = "the last volume has 16 maps; what is its side after 3×3, 2×2, 3×3 and 2×2 windows?"
    _same(answer, 16 * 14 * 14, mistakes, hint)


@exercise("weights and biases, layer by layer.", of="net")
def count_parameters(answer: Callable) -> None:
    """Check a function that returns the number of parameters of a module."""
    nets = nn.Linear(3, 2), nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Linear(4, 1)), nn.MaxPool2d(2)
    answer.agrees(lambda net: sum(p.numel() for p in net.parameters()), [[net] for net in nets])


@exercise("0 for the dropped, x / (1 − p) for the others.", of="x, p, mask")
def drop(answer: Callable) -> None:
    """Check a function of x, p and mask that does what dropout does in training."""
    x, mask = torch.tensor([1.0, 2, 3, 4]), torch.tensor([1.0, 0, 1, 1])
    cases = (x, 0.5, mask), (x, 0.2, 1 - mask), (x, 0.0, torch.ones(4))
    answer.agrees(lambda x, p, mask: x * mask / (1 - p), cases)


@exercise("64 weights and a bias for each of the 16 maps: (64 + 1)·16 = 1,040.")
def mix_channels(answer: dict) -> None:
    """Check settings of a convolution from 64 to 16 maps of the same size with at most 1,100 parameters."""
    needed = ["in_channels", "out_channels", "kernel_size"]
    _settings(answer, {*needed, "stride", "padding"}, needed)
    found = _traced(lambda: nn.Conv2d(**answer), (64, 14, 14))
    expect(found.shape == (16, 14, 14), f"64×14×14 becomes {times(found.shape)}, and should be 16×14×14.")
    expect(found.parameters <= 1100, f"it has {found.parameters:,} parameters; which kernel_size needs the fewest?")


@exercise("each layer adds (k − 1) times the strides before it.", of="layers")
def receptive_field(answer: Callable) -> None:
    """Check a function of a list of (kernel_size, stride) that returns the pixels one output sees along a side."""
    block = [(3, 1), (2, 2)]
    stacks = {3: [(3, 1)], 4: block, 10: block * 2, 16: [(5, 1), (2, 2)] * 2, 15: [(3, 2)] * 3}
    for pixels, layers in stacks.items():
        answer.gives(pixels, [layers])


def _traced(model: object, shape: tuple) -> Trace:
    """Return what the tracer finds, or what it says is wrong, without its advice to feed other pictures."""
    try:
        found = trace(model, shape)
    except ValueError as error:
        raise NotYet(str(error)) from None
    expect(not found.trouble, found.trouble.partition(" Or feed")[0])
    return found


def _gives_ten_logits(answer: nn.Module) -> Trace:
    made = isinstance(answer, nn.Module)
    expect(made, "give a module, for example nn.Sequential(…), or a network of your class, with () behind the name.")
    found = _traced(answer, (1, 28, 28))
    shape = f"the shape {times(found.shape)}" if found.shape else "a single number"
    expect(found.shape == (10,), f"one picture gives {shape}; ten logits have the shape 10.")
    with torch.no_grad():
        out = copy.deepcopy(answer).eval()(torch.rand(64, 1, 28, 28))
    made = isinstance(out, torch.Tensor)
    expect(made, f"forward returns a value of type {type(out).__name__}; let it return the logits alone.")
    expect(
        not _close(out.double().logsumexp(1), torch.zeros(64)),
        "log_softmax is harmless and not needed here: end with the dense layer.",
    )
    negative = bool((out < 0).any())
    expect(negative, "its outputs are never negative: leave the softmax to the loss, and end with the dense layer.")
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
    layers = [row.layer for row in _gives_ten_logits(answer).rows]
    for layer in ("Conv2d(1, 8, kernel_size=5)", "Conv2d(8, 16, kernel_size=5)"):
        expect(layer in layers, f"keep both convolutions, from 1 to 8 and from 8 to 16 maps; {layer} is missing.")
    for kind in ("ReLU", "MaxPool2d"):
        expect(sum(layer.startswith(kind) for layer in layers) == 2, f"keep both layers of {kind}.")


# Notebook 04


@exercise("what arrives, times the own gradient, is passed on.")
def chain(answer: tuple) -> None:
    """Check the gradients of (a·b + c)² by a, b and c at a = 1, b = 4, c = −2."""
    expect(_plain(answer) != [4, 1, 1], "those are for a·b + c; what arrives at it has still to be multiplied.")
    hints = [f"what arrives at a·b + c, and how fast does that change with {name}?" for name in "abc"]
    _three(answer, (16, 4, 4), hints)


def _loss_of_net() -> tuple[Net, torch.Tensor]:
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
        expect(isinstance(place, int), f"places are whole numbers, like [0, 1]; {place!r} is none.")
        expect(place in range(len(node.next_functions)), f"{way} has no place {place!r}.")
        node = node.next_functions[place][0]
        expect(node is not None, f"at place {place}, behind {way}, no gradient is needed: nobody is there.")
        way = f"{way} → {type(node).__name__}"
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    found = names.get(id(getattr(node, "variable", None)), "no leaf")
    expect(found == "fc2.weight", f"it leads {way}, which is {found}.")


@exercise("the input is a dense layer's second place.", of="loss")
def find_relus(answer: Callable) -> None:
    """Check a function that returns the nodes of the ReLUs in front of fc3 and fc2 of Net, given the loss."""
    _, loss = _loss_of_net()
    given, node = answer(loss), loss.grad_fn
    _kind(given, list, tuple)
    expect(len(given) == 2, "it does not return two nodes; put them into a list.")
    for which, found in zip(("first", "second"), given, strict=True):
        node = node.next_functions[0][0].next_functions[1][0]
        expect(not isinstance(found, tuple), f"the {which} is a pair (node, place); add [0].")
        kind = type(found).__name__
        expect(kind == "ReluBackward0", f"the {which} is {kind}; which place is the layer's input?")
        expect(found is node, f"the {which} is a ReLU, but another one; count the dense layers from the loss on.")


@exercise("equal shapes, nothing is broadcast.", of="prediction, target")
def fitting_loss(answer: Callable) -> None:
    """Check a function of prediction (n×1) and target (n) that returns their mean squared error."""
    hint = "the loss is another; does each prediction meet only its own target?"
    cases = [(torch.randn(n, 1), torch.randn(n)) for n in (4, 1, 7)]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        answer.agrees(lambda prediction, target: F.mse_loss(prediction[:, 0], target), cases, hint)
    expect(not told, "the numbers are right, and torch still warns; are the shapes equal, for a single pair too?")
    graph = getattr(answer(torch.zeros(3, 1, requires_grad=True), torch.ones(3)), "requires_grad", False)
    expect(graph, "the loss has no graph; compute it from the prediction itself, without detach or item.")


def _graphs(model: nn.Module) -> list[bool]:
    """Return a list that gets True for each later forward pass that makes a graph, False for the others."""
    found = []
    model.register_forward_hook(lambda _model, _given, output: found.append(output.grad_fn is not None))
    return found


@exercise("a plain number, and nothing is kept.", of="net, batches, criterion")
def mean_loss(answer: Callable) -> None:
    """Check a function of net, batches and criterion that returns the mean loss and keeps no graph."""
    for many, criterion in ((3, F.mse_loss), (2, F.l1_loss)):
        net, batches = nn.Linear(3, 2), [(torch.randn(4, 3), torch.randn(4, 2)) for _ in range(many)]
        right = sum(criterion(net(x), target).item() for x, target in batches) / many
        graphs = _graphs(net)
        given = answer(net, batches, criterion)
        expect(torch.is_grad_enabled(), "afterwards gradients are off for good; use a with block, which ends.")
        expect(not isinstance(given, torch.Tensor), "it returns a tensor; make it a plain number with item().")
        hint = "{lead} is {given}, and the mean of their losses is {right}."
        _same(given, right, (), hint, f"for {many} batches the result")
        expect(not any(graphs), "the number is right, and the graphs are still made; which block stops that?")


@exercise("first the velocity, then the parameter, as torch does.", of="parameters, velocities, lr, momentum")
def momentum_step(answer: Callable) -> None:
    """Check three steps of a function that changes lists of parameters and of velocities as torch.optim.SGD does."""
    start, ones, speed, way = torch.tensor([1.0, -2.0, 0.5]), torch.ones(3), 0, 0
    mine = [part.clone().requires_grad_() for part in start.split((2, 1))]
    parameters, velocities = [*mine], [torch.zeros_like(one) for one in mine]
    mistakes = [
        (0 * ones, "nothing has moved; is the velocity changed first, and then used?"),
        (-0.25 * ones, "after the second step it is SGD without momentum; does the velocity keep what it had?"),
        (torch.tensor([-0.05, -0.05, 0]), "only the first parameter has moved; does the loop reach them all?"),
    ]
    for number, lr in ((1, 0.05), (2, 0.1), (3, 0.02)):
        for one in mine:
            one.grad = torch.full_like(one, number)
        speed = 0.8 * speed + number
        way += lr * speed
        answer(parameters, velocities, lr, 0.8)
        own = [id(one) for one in parameters] == [id(one) for one in mine]
        expect(own, "the list holds new tensors; change the parameters themselves, with -= under no_grad.")
        hint = f"after step {number} the parameters are not torch's; are lr and momentum used where they belong?"
        _same(torch.cat(mine).detach() - start, -way * ones, mistakes, hint)


@exercise("finite differences agree, and so does torch.")
def reciprocal(answer: type) -> None:
    """Check a torch.autograd.Function that gives 1/x and its gradient."""
    made = isinstance(answer, type) and issubclass(answer, torch.autograd.Function)
    expect(made, "give the class itself, a torch.autograd.Function, without ().")
    x = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64, requires_grad=True)
    result, arriving = answer.apply(x), torch.tensor([1.0, 10.0, -2.0], dtype=torch.float64)
    _same(result, 1 / x, (), "forward does not give 1/x.", "what forward returns")
    (given,) = torch.autograd.grad(result, x, arriving.clone(), allow_unused=True)
    own = -1 / x**2
    mistakes = [
        (own, "backward gives −1/x²; what arrives has still to be multiplied."),
        (-arriving * own, "the gradient has the wrong sign."),
    ]
    _same(given, arriving * own, mistakes, "backward does not give what arrives times −1/x².", "what backward returns")


@exercise("clear, forward, loss, backward, step.", of="net, x, target, steps, lr")
def five_lines(answer: Callable) -> None:
    """Check a function that makes so many steps of SGD and returns the losses, against a loop of ours."""
    first = "the first loss is another; is it the mean squared error before the first step?"
    second = "the second loss is another; is it one step of plain SGD with the lr that is given?"
    later = "two losses are right and a later one is not; is .grad cleared at each step?"
    unmoved = "net has not changed; make the optimizer of its parameters, and clear before backward, not after."
    for steps, lr in ((5, 0.1), (3, 0.02)):
        net, x, target = nn.Linear(3, 2), torch.randn(4, 3), torch.randn(4, 2)
        mine = copy.deepcopy(net)
        given = answer(mine, x, target, steps, lr)
        _kind(given, list, tuple)
        expect(not any(isinstance(one, torch.Tensor) for one in given), "the losses are tensors; keep loss.item().")
        expect(len(given) == steps, f"for {steps} steps it returns {len(given)} losses.")
        expect(not torch.equal(mine.weight, net.weight), unmoved)
        optimizer = torch.optim.SGD(net.parameters(), lr=lr)
        for loss, hint in zip(given, (first, second, *[later] * steps), strict=False):
            right = F.mse_loss(net(x), target)
            _same(loss, right, (), hint, "a loss")
            optimizer.zero_grad()
            right.backward()
            optimizer.step()


# Notebook 05


@exercise("the last, smaller batch of each epoch is a step too.", of="images, batch_size, epochs")
def steps(answer: Callable) -> None:
    """Check a function of images, batch_size and epochs that returns the number of steps."""
    cases = (55_000, 64, 20), (60_000, 100, 3), (100, 128, 5), (1_317, 32, 2)
    answer.agrees(lambda images, batch_size, epochs: epochs * math.ceil(images / batch_size), cases)


@exercise("it agrees with F.cross_entropy, for large logits too.", of="logits, labels")
def cross_entropy(answer: Callable) -> None:
    """Check a function of logits (N×10) and labels (N) that returns their mean cross entropy."""
    cases = [(size * torch.randn(n, 10), torch.arange(n) * 3 % 10) for n, size in ((1, 1), (6, 3))]
    answer.agrees(F.cross_entropy, cases)
    large = 1000 * F.one_hot(torch.tensor([3, 4]), 10) * torch.tensor([[1.0], [-1.0]])
    hint = "it is right for small logits; for logits of ±1,000 it gives {given}, as exp overflows or log meets 0."
    answer.agrees(F.cross_entropy, [(large, torch.tensor([3, 4]))], hint)


def _keeps(model: nn.Module, mode: bool) -> None:
    stays = all(module.training is mode for module in model.modules())
    expect(stays, f"the model came in train({mode}), and it, or a layer of it, goes out in train({not mode}).")


@exercise("dropout off, no graph, and the mode is as it was.", of="model, images, labels")
def honest_accuracy(answer: Callable) -> None:
    """Check a function of model, images and labels that returns the accuracy and leaves the model in its mode."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.Dropout(0.9), nn.Linear(64, 10))
    percent = "that is in percent; give the share, from 0 to 1."
    hint = "it returns {given}, not {right}; is dropout off, and does each image count the same?"
    for count, mode in ((400, True), (250, False)):
        images = torch.randn(count, 1, 28, 28)
        labels = model.eval()(images).argmax(1)
        labels[: count // 4] += 1
        right, graphs = 1 - (count // 4) / count, _graphs(model.train(mode))
        given = answer(model, images, labels)
        expect(not isinstance(given, torch.Tensor), "it returns a tensor; make it a plain number with item().")
        _same(given, right, [(100 * right, percent)], hint, "what it returns")
        _keeps(model, mode)
        expect(not any(graphs), "the number is right, and a graph is made; which block stops that?")


@exercise("so many of each class, and the same ones tomorrow.", of="labels, count")
def hold_out(answer: Callable) -> None:
    """Check a function of labels and count that returns indices, count of each class."""
    for classes, count in ((10, 5), (3, 20)):
        labels = torch.randint(classes, (600,))
        given, again = (answer(labels.clone(), count) for _ in range(2))
        _kind(given, torch.Tensor)
        whole = given.ndim == 1 and given.dtype in (torch.int64, torch.int32)
        expect(whole, f"indices are one row of whole numbers, not {given.dtype} of shape {tuple(given.shape)}.")
        expect(len(given.unique()) == len(given), "some indices come twice.")
        found = torch.bincount(labels[given], minlength=classes).tolist()
        expect(found == [count] * classes, f"with count {count} the classes come {found} times.")
        expect(torch.equal(given.sort()[0], again.sort()[0]), "the second call gives others; where is the seed?")


@exercise("the sampler picks, the loader hands out.", of="dataset, classes, batch_size")
def loader_of(answer: Callable) -> None:
    """Check a function of dataset, classes and batch_size that returns a loader of only these classes."""
    labels = torch.arange(200) * 7 % 10
    dataset = TensorDataset(torch.arange(200.0).view(-1, 1, 1, 1), labels)
    for classes, batch_size in (({3, 8}, 16), ({0}, 7)):
        loader = answer(dataset, classes, batch_size)
        _kind(loader, DataLoader)
        first, second = ([images.flatten().int().tolist() for images, _ in loader] for _ in range(2))
        places = sum(first, [])
        found = set(labels[places].tolist())
        expect(found, "it gives no image; a label is a tensor, and only int(label) is found in a set of numbers.")
        expect(found == classes, f"asked for the classes {sorted(classes)}, it gives {sorted(found)}.")
        wanted = 20 * len(classes)
        once = len(places) == len(set(places)) == wanted
        expect(once, f"it gives {len(places)} images; there are {wanted}, each to come once.")
        expect(len(first[0]) == batch_size, f"its batches have {len(first[0])} images, not {batch_size}.")
        expect(first != second, "both passes have the same order; it should be random.")


@exercise("and it stays between 0 and 1.", of="right, total")
def interval(answer: Callable) -> None:
    """Check a function of right and total: the 95 % interval of an accuracy, (low, high), the usual one or Wilson's."""
    for right, total in ((990, 1000), (9914, 10_000), (20, 20), (1, 200)):
        said = f"for {right} of {total} the pair (low, high)"
        low, high = _table(answer(right, total), (2,), said).tolist()
        p, share = right / total, 1.96**2 / total
        margin = 1.96 * math.sqrt(p * (1 - p) / total)
        middle, wide = (p + share / 2) / (1 + share), math.hypot(margin, share / 2) / (1 + share)
        usual, wilson = (max(0, p - margin), min(1, p + margin)), (middle - wide, middle + wide)
        expect(low >= 0 and high <= 1, f"{said} is ({low:.4f}, {high:.4f}), beyond 0 or 1.")
        near = any(math.dist((low, high), pair) < 5e-5 for pair in (usual, wilson))
        expect(near, f"{said} is ({low:.4f}, {high:.4f}); is it p ± 1.96·√(p(1 − p)/total)?")


@exercise("the best so far, and how long ago that was.", of="accuracies, patience")
def early_stop(answer: Callable) -> None:
    """Check a function of accuracies and patience that returns the number of epochs that are run."""
    runs = [0.9, 0.95, 0.94, 0.96, 0.96, 0.95, 0.97], [0.5, 0.6, 0.7], [0.9, 0.7, 0.8, 0.75, 0.85, 0.95]
    for accuracies, right in zip(runs, [(3, 6, 7), (3, 3, 3), (2, 3, 4)], strict=True):
        for patience, epochs in enumerate(right, 1):
            answer.gives(epochs, (accuracies, patience))


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
    lines = _chosen("line", answer, 34)
    missing = [hint for accepted, hint in FAULTS if not accepted & lines]
    listed = f"{len(FAULTS) - len(missing)} of nine found"
    for innocent in sorted(lines.difference(*(accepted for accepted, _ in FAULTS))):
        raise NotYet(f"{listed}; line {innocent} is not one of them.")
    for hint in missing:
        raise NotYet(f"{listed}. Of the others: {hint}")


# Notebook 06


def _small_convnet() -> ConvNet:
    return ConvNet((2, 3), dense=8, dropout=0).eval()


def _no_hooks(model: nn.Module, when: str) -> None:
    for name, layer in model.named_modules():
        left = layer._forward_hooks or layer._forward_pre_hooks
        expect(not left, f"{when} a hook stays behind at {name!r}; remove() it in finally, or use with.")


@exercise(
    "what every layer gives, and no hook stays behind.",
    of="model, names, images",
    errors=dict.fromkeys((AttributeError, KeyError), "; what finds a submodule by its name, such as '0.1'?"),
)
def hooked(answer: Callable) -> None:
    """Check a function of model, names and images that returns {name: output of that layer} and leaves no hook."""
    model, nested = _small_convnet(), nn.Sequential(nn.Sequential(nn.Linear(28, 4), nn.Tanh()), nn.Linear(4, 2))
    for net, names in ((model, ["conv1", "fc1"]), (model.train(), ["fc2", "conv2"]), (nested, ["0.1"])):
        images, mode = torch.rand(3, 1, 28, 28), net.training
        given = answer(net, [*names], images)
        _kind(given, dict)
        only_last = [*given] == names[-1:]
        expect(
            only_last or set(given) == set(names), f"asked for {names}, the dict has the names {_first_line([*given])}."
        )
        _no_hooks(net, "afterwards")
        _keeps(net, mode)
        _each_layer(given, names, _through(net, images))
    with contextlib.suppress(Exception):
        answer(model, ["conv1", "fc1"], torch.rand(2, 1, 32, 32))
    _no_hooks(model, "where the model stops with an error, as for images of another size,")


def _through(model: nn.Module, images: torch.Tensor) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return what goes into each layer and what comes out, by the layer's name."""
    found, hook_all = {}, nn.modules.module.register_module_forward_hook
    with hook_all(lambda layer, given, output: found.update({layer: (given[0], output)})):
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
            (truth[""][1], f"{name} holds the output of the whole model; hook the layer itself."),
        ]
        _same(given[name], leaves, mistakes, "{lead} holds numbers that are not what the layer gives.", name)


@exercise("a hook that returns something replaces the output, while it is there.", of="model, layer, k, value, images")
def filled(answer: Callable) -> None:
    """Check a function of model, layer, k, value and images: the logits where map k holds `value` everywhere."""
    model = _small_convnet()
    before = copy.deepcopy(model.state_dict())
    for layer, k, value in (("conv1", 1, 0.0), ("conv2", 2, 1.5), ("conv2", 0, 0.0), ("conv1", 0, -0.7)):
        images, one_map = torch.rand(4, 1, 28, 28), (slice(None), k)
        logits = functools.partial(_logits_with, model, layer, images)
        bias = model.get_submodule(layer).bias[k].item()
        mistakes = [
            (model(images), "the logits are unchanged; does the hook return the changed output?"),
            (logits(one_map, bias), "the weights of map k are zero and its bias is still there; the map holds it."),
            (logits(..., value), "all maps are filled; fill only map k."),
            (logits(k, value), "the first axis is the image; which axis counts the maps?"),
        ]
        given, lead = answer(model, layer, k, value, images.clone()), f"for {layer}, k {k}, value {value} the result"
        _same(given, logits(one_map, value), mistakes, "{lead} is another; is map k, before ReLU, value?", lead)
        same = all(torch.equal(weights, before[name]) for name, weights in model.state_dict().items())
        expect(same, "the logits are right, and the model's weights are changed for good; leave them as they were.")
        _no_hooks(model, "the logits are right, and")


def _logits_with(model: nn.Module, layer: str, images: torch.Tensor, place: object, value: float) -> torch.Tensor:
    """Return the logits where the output of a layer holds `value` at a place."""

    def fill(_layer: nn.Module, _given: tuple, output: torch.Tensor) -> None:
        output[place] = value

    with torch.no_grad(), model.get_submodule(layer).register_forward_hook(fill):
        return model(images)


NEVER = "class 2 is never answered, and 0/0 is no number; let its precision be 0, for example with clamp(min=1)."


@exercise("recall by rows, precision by columns.", of="matrix", errors={ZeroDivisionError: f"; {NEVER}"})
def recall_precision(answer: Callable) -> None:
    """Check a function of a confusion matrix (row: class, column: answer) that returns recall and precision."""
    hint = "the shares are others; which sum is all images of a class, and which all answers of that class?"
    skewed = [[6, 3, 0, 1], [2, 7, 0, 0], [1, 1, 0, 3], [0, 1, 0, 4]]
    for matrix in map(torch.tensor, ([[8, 1, 3], [0, 5, 2], [4, 2, 9]], [[9, 1], [5, 3]], skewed)):
        raw = torch.stack([matrix.diagonal() / matrix.sum(axis) for axis in (1, 0)])
        right = raw.nan_to_num(0)
        mistakes = [
            (right.flip(0), "both rows are right and change places: give recall, then precision."),
            (100 * right, "those are percent; give shares, from 0 to 1."),
            (raw, NEVER),
        ]
        answer.gives(right, [matrix], mistakes, hint)


@exercise("one small step of each pixel up the loss, and the picture stays a picture.", of="model, image, label, size")
def fooled(answer: Callable) -> None:
    """Check one step of the fast gradient sign method, https://arxiv.org/abs/1412.6572, for an image of 1×28×28."""
    model, hint = _small_convnet(), "{lead} is another; is it the gradient of the label's cross entropy by the image?"
    for label, size in ((3, 0.1), (8, 0.25)):
        image = (torch.rand(1, 28, 28) * 1.5 - 0.25).clamp(0, 1)
        x, mine = image.clone().requires_grad_(), image.clone()
        (slope,) = torch.autograd.grad(F.cross_entropy(model(x[None]), torch.tensor([label])), x)
        step = size * slope.sign()
        mistakes = [
            (image - step, "it goes down the loss, so the model gets surer; which sign makes the loss larger?"),
            (image + size * slope, "each pixel goes by its own gradient; take only the sign of it."),
            (image, "the picture is the one that came in."),
        ]
        mistakes += [(one.clamp(0, 1), why) for one, why in mistakes]
        mistakes.append((image + step, "some pixels leave 0 to 1; clip them."))
        given, lead = answer(model, mine, label, size), f"for label {label}, size {size} the picture"
        _same(given, (image + step).clamp(0, 1), mistakes, hint, lead)
        untouched = torch.equal(mine, image) and not mine.requires_grad
        expect(untouched, "it is right, and the picture that came in is changed too; work on a clone.")
        expect(not getattr(given, "requires_grad", False), "it is right, and still carries a graph; detach it.")


@exercise("each pixel counts as much as it is bright.", of="image")
def centre_of_mass(answer: Callable) -> None:
    """Check a function of image (H×W) that returns (row, column), the mean place of its ink."""
    for height, width in ((4, 9), (12, 5), (28, 28)):
        image = (torch.rand(height, width) - 0.5).clamp(0)
        image[: height // 2, : width // 3] /= 4
        places = torch.cartesian_prod(torch.arange(height), torch.arange(width)).float()
        right, even = (share.flatten() @ places / share.sum() for share in (image, (image > 0).float()))
        mistakes = [
            (right.flip(0), "row and column change places: give the row first."),
            (even, "every pixel with ink counts the same; weight it by its grey level."),
            (right + 1, "both are too large by 1; rows and columns count from 0."),
            (places[image.argmax()], "that is the brightest pixel; take the mean of all places."),
        ]
        answer.gives(right, [image], mistakes, "{lead} is another place; what do you divide the weighted sum by?")


EMPTY = "a bin without images has no mean, only nan; leave it out."
LAST = "a confidence of exactly 1.0 falls out of the last bin; let that bin hold its upper end too."


@exercise(
    "the gap between confidence and accuracy, bin by bin, and each image counts once.",
    of="confidences, right, bins",
    errors={ZeroDivisionError: f"; {EMPTY}", IndexError: f"; {LAST}"},
)
def calibration_error(answer: Callable) -> None:
    """Check the expected calibration error of confidences, right and bins, https://arxiv.org/abs/1706.04599."""
    for low, bins, sure in ((0.02, 4, 0), (0.45, 10, 0), (0.3, 5, 9), (0.02, 1, 9)):
        confidences = torch.cat([low + (0.99 - low) * torch.rand(60), torch.ones(sure)])
        right = torch.rand(60 + sure) < 0.75
        own, places = (confidences * bins).long(), (confidences * bins).long().clamp(max=bins - 1)
        (shares, alone), (share, gap) = (_gaps(confidences, right, inside) for inside in (own, places))
        weight = "every bin counts the same; weight it by its share of the images."
        signed = "gaps of both signs cancel; take the absolute value in each bin, before the sum."
        mistakes = [
            *[(shares @ alone.abs(), LAST), ((shares * alone.abs())[own.unique() < bins].sum(), LAST)],
            *[(gap.abs().mean(), weight), (gap.abs().sum() / bins, weight)],
            *[(share @ gap, signed), ((share @ gap).abs(), signed), (math.nan, EMPTY)],
            (share @ gap**2, "the gaps are squared; take their absolute values."),
            (100 * share @ gap.abs(), "those are percent; give a share, from 0 to 1."),
        ]
        answer.gives(share @ gap.abs(), (confidences, right, bins), mistakes)


def _gaps(confidences: torch.Tensor, right: torch.Tensor, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return for each bin that has images: its share of them, and its accuracy minus its mean confidence."""
    insides = torch.stack([(places == one).float() for one in places.unique()])
    return insides.mean(1), insides @ (right.float() - confidences) / insides.sum(1)


@exercise("no training at all: it remembers, and measures.", of="image, images, labels, k")
def nearest(answer: Callable) -> None:
    """Check a function of image, images, labels and k that returns the commonest label of the k nearest images."""
    for k, near in ((3, [4, 7, 7, 5, 5, 5]), (6, [1, 6, 6, 8, 8, 8, 6, 6]), (1, [5, 6, 6])):
        image, many = torch.rand(1, 28, 28), len(near)
        steps = 0.01 * torch.arange(many, 0, -1).view(-1, 1, 1, 1)  # the nearest comes last
        images = torch.cat([1 - image.round().expand(9, 1, 28, 28), image + steps * torch.rand(many, 1, 28, 28)])
        labels, right = torch.tensor([3] * 9 + near[::-1]), max(near[:k], key=near[:k].count)
        mistakes = [
            (3, "those are the farthest; take the smallest distances."),
            (near[0], f"with k {k} that is the label of the very nearest; let all k vote."),
            *[(place, "that is the place of an image; give its label.") for place in range(9, len(images))],
        ]
        answer.gives(right, (image, images, labels, k), mistakes, "{lead} is another; do exactly the k nearest vote?")


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
    chosen = _chosen("statement", answer, 8)
    found = len(chosen - set(CLAIMS))
    listed = f"{found} of four found"
    for wrong in sorted(chosen & set(CLAIMS)):
        raise NotYet(f"{listed}; statement {wrong}: {CLAIMS[wrong]}")
    expect(found == 4, f"{listed}; for which other statement does the figure show just what is said?")
