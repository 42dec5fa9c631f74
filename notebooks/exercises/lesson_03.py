"""The checkers of notebook 03, building a ConvNet."""

import copy
from collections.abc import Callable

import torch
from torch import nn

from exercises import chosen_settings
from helpers.checking import (
    NotYet,
    close,
    exercise,
    expect,
    expect_same,
)
from helpers.tracing import Trace, times, trace


@exercise("3 channels of 5·5 weights and one bias, 16 times.")
def count_weights(answer: int) -> None:
    """Check the number of parameters of nn.Conv2d(3, 16, kernel_size=5)."""
    mistakes = [
        (1200, "those are the weights; each map has a bias too."),
        (1201, "each of the 16 maps has a bias of its own."),
        (416, "a kernel is as deep as its input: 3 channels."),
    ]
    hint = "a kernel has in_channels · k · k weights and one bias, and there is one for each map."
    expect_same(answer, 1216, mistakes, hint)


@exercise("64 → 62 → 31 → 29 → 14, and 16·14·14 = 3136.")
def in_features(answer: int) -> None:
    """Check in_features of the first dense layer of Net for pictures of 64×64."""
    mistakes = [
        (
            576,
            "576 is for 32×32; follow 64 pixels through both convolutions and poolings.",
        ),
        (
            16 * 16 * 16,
            "64 / 4 is 16, but each 3×3 convolution without padding takes 2 pixels off.",
        ),
        (16 * 15 * 15, "mind the floor: the last pooling meets 29 pixels."),
        *[(maps, "how many maps does the last volume have?") for maps in (14, 14 * 14)],
    ]
    hint = "the last volume has 16 maps; what is its side after 3×3, 2×2, 3×3 and 2×2 windows?"
    expect_same(answer, 16 * 14 * 14, mistakes, hint)


@exercise("weights and biases, layer by layer.", of="net")
def count_parameters(answer: Callable) -> None:
    """Check a function that returns the number of parameters of a module."""
    nets = (
        nn.Linear(3, 2),
        nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Linear(4, 1)),
        nn.MaxPool2d(2),
    )
    answer.agrees(
        lambda net: sum(p.numel() for p in net.parameters()), [[net] for net in nets]
    )


@exercise("0 for the dropped, x / (1 − p) for the others.", of="x, p, mask")
def drop(answer: Callable) -> None:
    """Check a function of x, p and mask that does what dropout does in training."""
    x, mask = torch.tensor([1.0, 2, 3, 4]), torch.tensor([1.0, 0, 1, 1])
    cases = (x, 0.5, mask), (x, 0.2, 1 - mask), (x, 0.0, torch.ones(4))
    answer.agrees(lambda x, p, mask: x * mask / (1 - p), cases)


@exercise("64 weights and a bias for each of the 16 maps: (64 + 1)·16 = 1,040.")
def mix_channels(answer: dict) -> None:
    """Check settings of a convolution from 64 to 16 maps of the same size with at most
    1,100 parameters.
    """
    needed = ["in_channels", "out_channels", "kernel_size"]
    answer = chosen_settings(answer, {*needed, "stride", "padding"}, needed)
    found = _traced(lambda: nn.Conv2d(**answer), (64, 14, 14))
    expect(
        found.shape == (16, 14, 14),
        f"64×14×14 becomes {times(found.shape)}, and should be 16×14×14.",
    )
    expect(
        found.parameters <= 1100,
        f"it has {found.parameters:,} parameters; which kernel_size needs the fewest?",
    )


@exercise("each layer adds (k − 1) times the strides before it.", of="layers")
def receptive_field(answer: Callable) -> None:
    """Check a function of a list of (kernel_size, stride) that returns the pixels one
    output sees along a side.
    """
    block = [(3, 1), (2, 2)]
    stacks = {
        3: [(3, 1)],
        4: block,
        10: block * 2,
        16: [(5, 1), (2, 2)] * 2,
        15: [(3, 2)] * 3,
    }
    for pixels, layers in stacks.items():
        answer.gives(pixels, [layers])


def _traced(model: object, shape: tuple) -> Trace:
    """Return what the tracer finds, or what it says is wrong, without its advice to
    feed other pictures.
    """
    try:
        found = trace(model, shape)
    except ValueError as error:
        raise NotYet(str(error)) from None
    expect(not found.trouble, found.trouble.partition(" Or feed")[0])
    return found


def _gives_ten_logits(answer: nn.Module) -> Trace:
    made = isinstance(answer, nn.Module)
    expect(
        made,
        "give a module, for example nn.Sequential(…), or a network of your class, with () behind the name.",
    )
    found = _traced(answer, (1, 28, 28))
    shape = f"the shape {times(found.shape)}" if found.shape else "a single number"
    expect(
        found.shape == (10,),
        f"one picture gives {shape}; ten logits have the shape 10.",
    )
    with torch.no_grad():
        out = copy.deepcopy(answer).eval()(torch.rand(64, 1, 28, 28))
    made = isinstance(out, torch.Tensor)
    expect(
        made,
        f"forward returns a value of type {type(out).__name__}; let it return the logits alone.",
    )
    expect(
        not close(out.double().logsumexp(1), torch.zeros(64)),
        "log_softmax is harmless and not needed here: end with the dense layer.",
    )
    negative = bool((out < 0).any())
    expect(
        negative,
        "its outputs are never negative: leave the softmax to the loss, and end with the dense layer.",
    )
    return found


@exercise("it takes 28×28, gives ten logits, and is small.")
def own_network(answer: nn.Module) -> None:
    """Check a module that takes 1×28×28 and gives 10 logits, with a convolution and
    fewer than 20,000 parameters.
    """
    found = _gives_ten_logits(answer)
    expect(
        any(row.layer.startswith("Conv2d") for row in found.rows),
        "no nn.Conv2d of it ran.",
    )
    expect(
        found.parameters < 20_000,
        f"it has {found.parameters:,} parameters; pool more, or make fewer maps.",
    )


@exercise(
    "the channels follow on, in_features fits, and the softmax is left to the loss."
)
def repaired(answer: nn.Module) -> None:
    """Check the repaired stack: 1 → 8 → 16 maps with 5×5 kernels, two poolings, and ten
    logits for 28×28.
    """
    layers = [row.layer for row in _gives_ten_logits(answer).rows]
    for layer in ("Conv2d(1, 8, kernel_size=5)", "Conv2d(8, 16, kernel_size=5)"):
        expect(
            layer in layers,
            f"keep both convolutions, from 1 to 8 and from 8 to 16 maps; {layer} is missing.",
        )
    for kind in ("ReLU", "MaxPool2d"):
        expect(
            sum(layer.startswith(kind) for layer in layers) == 2,
            f"keep both layers of {kind}.",
        )
