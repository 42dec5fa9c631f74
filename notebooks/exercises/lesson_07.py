"""The checkers of notebook 07, transposed convolution."""

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parameters_to_vector

from exercises import (
    Called,
    between,
    chosen_settings,
    expect_kind,
    expect_number,
    expect_three,
)
from helpers.checking import exercise, expect, expect_same
from helpers.inspection import copied

UP = "kernel_size", "stride", "padding", "output_padding"
CODE = 16  # numbers that the decoder of exercise 7 gets


@exercise("up is the formula of the way down, read backwards.")
def three_sizes(answer: tuple) -> None:
    """Check the sizes of (7, k 4, s 2, p 1), (5, k 3, s 2) and (10, k 3, s 3, p 1, d 2)
    with output_padding 2.
    """
    hints = ["(n − 1)·s − 2p + k."]
    hints.append("the last of 5 stamps begins at 4·2, and is 3 wide.")
    hints.append("a stamp is d·(k − 1) + 1 = 5 wide, and output_padding comes on top.")
    expect_three(answer, (14, 11, 32), hints)


@exercise("the pixel that was left over is back.")
def back_up(answer: dict) -> None:
    """Check settings that lead from 9 to 28 with the window of the way down."""
    settings = chosen_settings(answer, UP, UP[:2])
    for name, value in {"kernel_size": 5, "stride": 3, "padding": 1}.items():
        given = settings.get(name, 0)
        hint = f"{name} is {given}; keep that of the convolution, {value}."
        expect(given == value, hint)
    size = _size(9, settings)
    expect(size == 28, f"9 becomes {size}; how many pixels were left over on the way?")


@exercise("three stamps, and where they overlap they add up.")
def stamps_by_hand(answer: object) -> None:
    """Check the transposed convolution of [[1, 0], [2, 3]] with [[1, 2], [0, 1]]."""
    turned = "that is with the kernel flipped; a stamp is put down as it is."
    last = "where stamps overlap, add them; you kept the last one."
    mistakes = [
        ([[1, 0, 0], [4, 4, 0], [4, 8, 3]], turned),
        ([[1, 2, 0], [2, 3, 6], [0, 0, 3]], last),
    ]
    hint = "{lead} is {given}{at}, and should be {right}; which stamps reach it?"
    right = [[1, 2, 0], [2, 8, 6], [0, 2, 3]]
    expect_same(answer, right, mistakes, hint, "your number")


@exercise("it agrees with F.conv_transpose2d wherever tried.", of="x, kernel, stride")
def any_stamps(answer: Callable) -> None:
    """Check a function of x (H×W), kernel and stride against F.conv_transpose2d."""
    cases = [((2, 2), (3, 3), 2), ((2, 3), (3, 2), 1), ((1, 4), (2, 2), 3)]
    for _ in range(6):
        sides = [between(1, 5) for _ in range(4)]
        cases.append((sides[:2], sides[2:], between(1, 4)))
    drawn = [(_whole(x), _whole(kernel), stride) for x, kernel, stride in cases]
    answer.agrees(_up, drawn)
    with Called() as called:
        answer(*drawn[0])
    ready = sorted(name for name in called.names if "conv" in name or name == "fold")
    hint = f"the numbers are right, and {', '.join(ready)} makes them; "
    expect(not ready, hint + "write the stamps yourself.")


def _whole(shape: tuple) -> torch.Tensor:
    return torch.randint(-9, 10, tuple(shape)).float()


def _up(x: torch.Tensor, kernel: torch.Tensor, stride: int) -> torch.Tensor:
    return F.conv_transpose2d(x[None, None], kernel[None, None], stride=stride)[0, 0]


@exercise("four times as large, and every output gets as many stamps as the next.")
def even_stamps(answer: dict) -> None:
    """Check settings of one transposed convolution from 7 to 28 without squares."""
    settings = chosen_settings(answer, UP, UP[:2])
    size = _size(7, settings)
    expect(size == 28, f"7×7 becomes {size}×{size}.")
    counts = _counts(settings)
    words = " or ".join(f"{count:g}" for count in counts)
    expect(len(counts) == 1, f"in the middle an output gets {words} stamps.")
    hint = "no stamp reaches the outputs in the middle."
    expect(counts[0] > 0, hint)


def _size(inputs: int, settings: dict) -> int:
    """Return the size that torch makes of so many inputs along a side, or its words."""
    for name in ("kernel_size", "stride"):
        expect(settings[name] > 0, f"{name} is 0; give 1 or more.")
    rest, most = settings.get("output_padding", 0), settings["stride"]
    hint = f"output_padding is {rest}; torch wants less than the stride, {most}."
    expect(rest < most, hint)
    padding, kernel_size = settings.get("padding", 0), settings["kernel_size"]
    size = (inputs - 1) * most - 2 * padding + kernel_size + rest
    hint = f"padding {padding} takes away all that {inputs} inputs make."
    expect(size > 0, hint)
    return size


def _counts(settings: dict) -> list[float]:
    """Return the different numbers of stamps that outputs in the middle get."""
    span = settings["kernel_size"] // settings["stride"] + 2
    ones = torch.ones(1, 1, 2 * span + 2, 2 * span + 2)
    window = torch.ones(1, 1, settings["kernel_size"], settings["kernel_size"])
    counts = F.conv_transpose2d(ones, window, stride=settings["stride"])[0, 0]
    edge = span * settings["stride"]
    return counts[edge:-edge, edge:-edge].unique().tolist()


@exercise("each winner is back in its place.", of="values, places, shape")
def unpooled(answer: Callable) -> None:
    """Check a function of values, places and shape against F.max_unpool2d."""
    for rows, columns, window in (
        (4, 4, 2),
        (4, 6, 2),
        (6, 3, 3),
        (2, 8, 2),
        (9, 6, 3),
    ):
        picture = torch.rand(1, rows, columns) + 0.1
        values, places = F.max_pool2d(picture, window, return_indices=True)
        right = F.max_unpool2d(values, places, window)[0]
        answer.gives(right, (values[0], places[0], (rows, columns)))
    with Called() as called:
        answer(values[0], places[0], (rows, columns))
    hint = "the numbers are right, and max_unpool2d makes them; fill a row yourself."
    expect(not [name for name in called.names if "unpool" in name], hint)


@exercise("it draws 28×28 of 16 numbers, is small, and makes no squares.")
def own_decoder(answer: nn.Module) -> None:
    """Check a module: codes of 16 numbers in, grey levels 1×28×28 out."""
    expect(isinstance(answer, nn.Module), "the answer is a module; is it a class?")
    net = copied(answer)
    _draws_digits(net)
    count = sum(one.numel() for one in net.parameters())
    expect(count < 20_000, f"it has {count:,} parameters; make fewer maps.")
    ups = [one for one in net.modules() if isinstance(one, nn.ConvTranspose2d)]
    hint = f"it has {len(ups)} transposed convolutions; use two or more."
    expect(len(ups) >= 2, hint)
    for up in ups:
        pairs = zip(up.kernel_size, up.stride, strict=True)
        hint = f"kernel_size {up.kernel_size} is no multiple of stride {up.stride}: "
        expect(not any(k % s for k, s in pairs), hint + "it would draw squares.")


def _draws_digits(net: nn.Module) -> None:
    with torch.no_grad():
        drawn = net(10 * torch.randn(5, CODE))
    expect_kind(drawn, torch.Tensor)
    shape = tuple(drawn.shape)
    expect(shape == (5, 1, 28, 28), f"of 5 codes it makes {shape}, not (5, 1, 28, 28).")
    low, high = drawn.min().item(), drawn.max().item()
    hint = f"its grey levels go from {low:.2g} to {high:.2g}; "
    expect(low >= 0 and high <= 1, hint + "end with a sigmoid.")
    expect(high > low, "it draws one grey level alone, whatever the code is.")


@exercise(
    "noise goes in, and the clean picture is the target.",
    of="model, optimizer, clean, noisy",
    trains=True,
)
def denoising_step(answer: Callable) -> None:
    """Check one training step from noisy pictures to clean ones."""
    clean = torch.rand(6, 1, 4, 4)
    noisy = clean + torch.randn_like(clean)
    start = nn.Sequential(nn.Flatten(), nn.Linear(16, 16), nn.Unflatten(1, (1, 4, 4)))
    mine, right = (copy.deepcopy(start) for _ in range(2))
    for parameter in mine.parameters():
        parameter.grad = torch.ones_like(parameter)  # as of a step before
    loss = answer(mine, torch.optim.SGD(mine.parameters(), lr=0.1), clean, noisy)
    expect(loss is not None, "it returns None; is a return missing?")
    expect_number(loss)
    wanted = _step(right, clean, noisy)
    swapped = _step(copy.deepcopy(start), noisy, clean)
    own = _step(copy.deepcopy(start), noisy, noisy)
    mistakes = [(swapped, "the clean pictures go in there; let the noisy ones in.")]
    mistakes.append((own, "the target is the noisy picture; take the clean one."))
    hint = "{lead} is {given}, and should be {right}, the mean squared error."
    expect_same(loss, wanted, mistakes, hint, "the loss")
    before, after, should = (
        parameters_to_vector(one.parameters()) for one in (start, mine, right)
    )
    expect(not torch.equal(after, before), "the loss is right; no weight has moved.")
    hint = "the loss is right, and the weights are others; is .grad cleared first?"
    expect_same(after, should, (), hint)


def _step(model: nn.Module, clean: torch.Tensor, noisy: torch.Tensor) -> float:
    loss = F.mse_loss(model(noisy), clean)
    model.zero_grad()
    loss.backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    return loss.item()
