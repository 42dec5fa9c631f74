"""The checkers of notebook 03, building a ConvNet."""

import contextlib
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from exercises import WINDOW, Called, as_hint, between, chosen_settings, expect_three
from helpers.checking import as_numbers, close, exercise, expect, expect_same
from helpers.inspection import copied
from helpers.sizes import times
from helpers.tracing import Trace, trace

CONV2D = "in_channels", "out_channels", *WINDOW, "groups", "bias", "padding_mode"
WORDS = {"padding": ("same", "valid"), "bias": (True, False)}
WORDS["padding_mode"] = "zeros", "reflect", "replicate", "circular"


@exercise("3 channels of 5·5 weights and one bias, 16 times.")
def count_weights(answer: int) -> None:
    """Check the number of parameters of nn.Conv2d(3, 16, kernel_size=5)."""
    mistakes = [
        (1200, "those are the weights; each map has a bias too."),
        (1201, "each of the 16 maps has a bias of its own."),
        (416, "a kernel is as deep as its input: 3 channels."),
    ]
    hint = "a kernel has in_channels · k · k weights and one bias, "
    expect_same(answer, 1216, mistakes, hint + "and there is one for each map.")


@exercise("64 → 62 → 31 → 29 → 14, and 16·14·14 = 3136.")
def in_features(answer: int) -> None:
    """Check in_features of the first dense layer of Net for pictures of 64×64."""
    smaller = "576 is for 32×32; follow 64 pixels through all four layers with windows."
    quarter = "64 / 4 is 16, but "
    quarter += "each 3×3 convolution without padding takes 2 pixels off."
    floor = "mind the floor: the last pooling meets 29 pixels."
    maps = "how many maps does the last volume have?"
    mistakes = [(576, smaller), (16 * 16 * 16, quarter), (16 * 15 * 15, floor)]
    mistakes += [(14, maps), (14 * 14, maps)]
    hint = "the last volume has 16 maps; "
    hint += "what is its side after 3×3, 2×2, 3×3 and 2×2 windows?"
    expect_same(answer, 16 * 14 * 14, mistakes, hint)


@exercise("weights and biases, layer by layer.", of="net")
def count_parameters(answer: Callable) -> None:
    """Check a function that returns the number of parameters of a module."""
    wide, maps = between(2, 9), between(2, 9)
    block = nn.Sequential(nn.Conv2d(3, maps, 3), nn.BatchNorm2d(maps), nn.ReLU())
    nets = (
        nn.Linear(3, 2),
        nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Linear(4, 1)),
        nn.MaxPool2d(2).eval(),
        nn.Sequential(block, nn.Flatten(), nn.Linear(wide, maps, bias=False)),
        nn.ParameterList([torch.zeros(wide, maps), torch.zeros(wide)]),
    )
    answer.agrees(_parameters, [[net] for net in nets])


def _parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


@exercise("0 for the dropped, x / (1 − p) for the others.", of="x, p, mask")
def drop(answer: Callable) -> None:
    """Check a function of x, p and mask that does what dropout does in training."""
    x, mask = torch.tensor([1.0, 2, 3, 4]), torch.tensor([1.0, 0, 1, 1])
    cases = [(x, 0.5, mask), (x, 0.2, 1 - mask), (x, 0.0, torch.ones(4))]
    for _ in range(4):
        p, picture = between(1, 9) / 10, torch.randn(between(2, 5), between(2, 5))
        cases.append((picture, p, (torch.rand_like(picture) > p).float()))
    answer.agrees(lambda x, p, mask: x * mask / (1 - p), cases)


@exercise("with a bias for each of the 16 maps, 1×1 takes (64 + 1)·16 = 1,040.")
def mix_channels(answer: dict) -> None:
    """Check settings of a convolution: 64 to 16 maps, at most 1,100 parameters."""
    settings = chosen_settings(answer, CONV2D, CONV2D[:3], WORDS)
    found = _traced(lambda: nn.Conv2d(**settings), (64, 14, 14))
    hint = f"64×14×14 becomes {times(found.shape)}, and should be 16×14×14."
    expect(found.shape == (16, 14, 14), hint)
    number = f"it has {found.parameters:,} parameters; "
    expect(found.parameters <= 1100, number + "which kernel_size needs the fewest?")


@exercise("each layer adds (k − 1) times the strides before it.", of="layers")
def receptive_field(answer: Callable) -> None:
    """Check a function of [(kernel_size, stride), …]: the pixels one output sees."""
    block = [(3, 1), (2, 2)]
    stacks = [[(3, 1)], block, block * 2, [(5, 1), (2, 2)] * 2, [(3, 2)] * 3]
    for _ in range(6):  # where a stride is larger than its window, pixels are left out
        sizes = [between(1, 7) for _ in range(between(1, 5))]
        stacks.append([(size, between(1, min(size, 3))) for size in sizes])
    answer.agrees(_seen, [[layers] for layers in stacks])


def _seen(layers: list[tuple[int, int]]) -> int:
    sees, step = 1, 1
    for kernel_size, stride in layers:
        sees, step = sees + (kernel_size - 1) * step, step * stride
    return sees


def _traced(model: object, shape: tuple) -> Trace:
    """Return what the tracer finds, or what it says is wrong."""
    with as_hint():
        found = trace(model, shape)
    expect(not found.misfit, found.misfit)
    return found


def _gives_ten_logits(answer: nn.Module) -> nn.Module:
    """Return a copy of the network that has run, or expect one with ten logits."""
    hint = "give a module, for example nn.Sequential(…), "
    hint += "or a network of your class, with () behind the name."
    expect(isinstance(answer, nn.Module), hint)
    net, pictures = copied(answer), torch.rand(64, 1, 28, 28)
    with contextlib.suppress(Exception), torch.no_grad():
        net(pictures)  # lazy layers get their sizes; the tracer says what does not fit
    found = _traced(net, (1, 28, 28))
    shape = f"the shape {times(found.shape)}" if found.shape else "a single number"
    hint = f"one picture gives {shape}; ten logits have the shape 10."
    expect(found.shape == (10,), hint)
    with torch.no_grad():
        _are_logits(net(pictures), net(pictures[:3]))
        _can_be_negative(copied(net), pictures)
    return net


def _are_logits(out: object, three: torch.Tensor) -> None:
    kind = f"forward returns a value of type {type(out).__name__}; "
    expect(isinstance(out, torch.Tensor), kind + "let it return the logits alone.")
    hint = f"64 pictures give {times(out.shape)}, and should give 64×10."
    expect(out.shape == (64, 10), hint)
    for sums in (out.sum(0), out.sum(1)):
        hint = "leave the softmax to the loss, and end with the dense layer."
        expect(not close(sums, torch.ones(len(sums))), hint)
    for logs in (out.logsumexp(0), out.logsumexp(1)):
        hint = "log_softmax is harmless and not needed here: end with the dense layer."
        expect(not close(logs, torch.zeros(len(logs))), hint)
    hint = "a picture does not always get the same logits: "
    hint += "is dropout on in eval mode, or a dim another than you meant?"
    expect(torch.allclose(out[:3], three, rtol=1e-3, atol=1e-4), hint)


def _can_be_negative(net: nn.Module, pictures: torch.Tensor) -> None:
    """Expect a negative logit, whatever the weights: some are drawn three times."""
    negative = False
    for _ in range(3):
        for parameter in net.parameters():
            parameter.normal_(std=0.1)
        negative |= bool((net(pictures) < 0).any())
    hint = "its outputs are never negative, as behind a ReLU or a sigmoid; "
    expect(negative, hint + "end with the dense layer.")


@exercise("the channels and in_features fit, and the softmax is left to the loss.")
def repaired(answer: nn.Module) -> None:
    """Check the repaired stack: it does what it would do with its own layers."""
    net = _gives_ten_logits(answer)
    found = [one for one in net.modules() if isinstance(one, nn.Conv2d)]
    convolutions = sorted(found, key=lambda one: one.in_channels)
    sizes = [(*one.weight.shape[:2], one.kernel_size) for one in convolutions]
    hint = "keep both convolutions, from 1 to 8 and from 8 to 16 maps with 5×5, alone."
    expect(sizes == [(8, 1, (5, 5)), (16, 8, (5, 5))], hint)
    dense = [one for one in net.modules() if isinstance(one, nn.Linear)]
    number = f"it has {len(dense)} dense layers; "
    expect(len(dense) == 1, number + "keep the one behind Flatten, and add none.")
    _does_the_same(net, convolutions, dense[0])
    number = f"it has {_parameters(net):,} parameters; "
    expect(_parameters(net) == 5994, number + "the stack's own layers have 5,994.")


def _does_the_same(net: nn.Module, convolutions: list, dense: nn.Linear) -> None:
    """Expect ReLU and max pooling behind each convolution, in whatever form."""
    pictures = volume = torch.randn(9, 1, 28, 28)
    with torch.no_grad():
        for convolution in convolutions:
            volume = F.max_pool2d(F.relu(convolution(volume)), 2)
        row = volume.flatten(1)
        fits = row.shape[1] == dense.in_features
        same = fits and torch.allclose(net(pictures), dense(row), atol=1e-5)
    hint = "keep both layers of ReLU and both of MaxPool2d, behind each convolution."
    expect(same, hint)


@exercise("it takes 28×28, gives ten logits, and is small.")
def own_network(answer: nn.Module) -> None:
    """Check a module: 1×28×28 in, 10 logits out, a convolution, < 20,000 parameters."""
    net = _gives_ten_logits(answer)
    with Called() as called, torch.no_grad():
        net(torch.rand(1, 1, 28, 28))
    expect(any("conv" in name for name in called.names), "no nn.Conv2d of it ran.")
    hint = f"it has {_parameters(net):,} parameters; pool more, or make fewer maps."
    expect(_parameters(net) < 20_000, hint)


GROUPED = {  # by the place of a number, what mistakes give
    (1, 12): "groups=3 divides the channels.",
    (1, 8): "8 maps are in a group; the depth comes from the channels.",
    (2, 7224): "that is without groups.",
    (2, 2400): "each map has a bias too.",
    (2, 2408): "each of the 24 maps keeps its bias.",
    (2, 808): "those are the kernels of one group; there are 24 in all.",
    (3, 720_000): "that is without groups.",
    (3, 80_000): "those are for one group; there are 24 maps in all.",
    (3, 2400): "those are for one place; a map has 10·10.",
    (3, 242_400): "a bias is added and multiplied with nothing.",
}


@exercise("groups divide the depth of the kernels, and so the work.")
def count_in_groups(answer: tuple) -> None:
    """Check depth, parameters and multiply-adds of nn.Conv2d(12, 24, 5, groups=3)."""
    hints = [
        "how many of the 12 channels are in a group?",
        "24 kernels have weights and a bias each.",
        "multiply the outputs, 24·10·10, with the weights of one kernel.",
    ]
    given = enumerate(as_numbers(answer, (3,)).tolist(), 1)
    hints = [GROUPED.get(one, hint) for one, hint in zip(given, hints, strict=True)]
    expect_three(answer, (4, 2424, 240_000), hints)
