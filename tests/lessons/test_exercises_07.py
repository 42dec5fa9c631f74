"""The checkers of notebook 07 tell right from wrong kindly."""

import numpy as np
import torch
import torch.nn.functional as F
from exercises import lesson_07 as checks
from exercising import Lesson
from refresh import NOTEBOOKS
from torch import nn


def stamps(x, kernel, stride):
    (rows, columns), (height, width) = x.shape, kernel.shape
    output = torch.zeros((rows - 1) * stride + height, (columns - 1) * stride + width)
    for row in range(rows):
        for column in range(columns):
            top, left = row * stride, column * stride
            output[top : top + height, left : left + width] += x[row, column] * kernel
    return output


def through_zeros(x, kernel, stride):
    """Spread the input, and correlate it with the flipped kernel, by hand."""
    (rows, columns), (height, width) = x.shape, kernel.shape
    wide = torch.zeros(
        (rows - 1) * stride + 2 * height - 1, (columns - 1) * stride + 2 * width - 1
    )
    wide[height - 1 : 1 - height or None, width - 1 : 1 - width or None][
        ::stride, ::stride
    ] = x
    windows = wide.unfold(0, height, 1).unfold(1, width, 1)
    return (windows * kernel.flip(0, 1)).sum((2, 3)).numpy()


def ready_made(x, kernel, stride):
    return F.conv_transpose2d(x[None, None], kernel[None, None], stride=stride)[0, 0]


def last_wins(x, kernel, stride):
    output = stamps(x, kernel, stride)
    height, width = kernel.shape
    for row in range(len(x)):
        for column in range(len(x[0])):
            top, left = row * stride, column * stride
            output[top : top + height, left : left + width] = x[row, column] * kernel
    return output


def unpool(values, places, shape):
    output = torch.zeros(shape[0] * shape[1])
    output[places.flatten()] = values.flatten()
    return output.reshape(shape)


def unpool_by_loop(values, places, shape):
    table = [[0.0] * shape[1] for _ in range(shape[0])]
    for value, place in zip(values.flatten(), places.flatten(), strict=True):
        table[int(place) // shape[1]][int(place) % shape[1]] = float(value)
    return table


def repeated(values, places, shape):
    grown = values.repeat_interleave(shape[0] // values.shape[0], 0)
    return grown.repeat_interleave(shape[1] // values.shape[1], 1)


def decoder(width=8, kernel_size=4, padding=1, end=nn.Sigmoid):
    return nn.Sequential(
        nn.Linear(16, width * 49),
        nn.ReLU(),
        nn.Unflatten(1, (width, 7, 7)),
        nn.ConvTranspose2d(width, 8, kernel_size, 2, padding, output_padding=0),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 1, 4, 2, padding + 4 - kernel_size),
        end(),
    )


def uneven():
    return nn.Sequential(
        nn.Linear(16, 392),
        nn.ReLU(),
        nn.Unflatten(1, (8, 7, 7)),
        nn.ConvTranspose2d(8, 8, 3, 2, 1, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 1, 4, 2, 1),
        nn.Sigmoid(),
    )


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(16, 4 * 49)
        self.first = nn.ConvTranspose2d(4, 4, 2, stride=2)
        self.second = nn.ConvTranspose2d(4, 1, (6, 4), stride=2, padding=(2, 1))

    def forward(self, code):
        x = F.relu(self.dense(code)).view(-1, 4, 7, 7)
        return torch.sigmoid(self.second(F.relu(self.first(x))))


def one_layer():
    up = nn.ConvTranspose2d(8, 1, 4, stride=4)
    return nn.Sequential(
        nn.Linear(16, 392), nn.Unflatten(1, (8, 7, 7)), up, nn.Sigmoid()
    )


def step(model, optimizer, clean, noisy, clear=True, move=True, keep=torch.Tensor.item):
    loss = F.mse_loss(model(noisy), clean)
    if clear:
        optimizer.zero_grad()
    loss.backward()
    if move:
        optimizer.step()
    return keep(loss)


def cleared_at_the_end(model, optimizer, clean, noisy):
    return step(model, optimizer, clean, noisy, clear=False)


RIGHT = [
    (checks.three_sizes, (14, 11, 32)),
    (checks.three_sizes, torch.tensor([14, 11, 32])),
    (
        checks.back_up,
        {"kernel_size": 5, "stride": 3, "padding": 1, "output_padding": 1},
    ),
    (
        checks.back_up,
        {"kernel_size": (5, 5), "stride": np.int64(3), "padding": 1}
        | {"output_padding": 1},
    ),
    (checks.stamps_by_hand, [[1, 2, 0], [2, 8, 6], [0, 2, 3]]),
    (checks.stamps_by_hand, torch.tensor([[1, 2, 0], [2, 8, 6], [0, 2, 3]])),
    (checks.any_stamps, stamps),
    (checks.any_stamps, through_zeros),
    (checks.any_stamps, lambda *how: stamps(*how).tolist()),
    (checks.even_stamps, {"kernel_size": 4, "stride": 4}),
    (checks.even_stamps, {"kernel_size": 8, "stride": 4, "padding": 2}),
    (checks.even_stamps, {"kernel_size": 16, "stride": 2}),
    (checks.unpooled, unpool),
    (checks.unpooled, unpool_by_loop),
    (checks.own_decoder, decoder()),
    (checks.own_decoder, Decoder()),
    (checks.denoising_step, step),
]
WRONG = [
    (checks.three_sizes, (14, 10, 32), "number 2 is not 10; the last of 5 stamps"),
    (checks.three_sizes, (14, 11, 30), "number 3 is not 30; a stamp is"),
    (checks.three_sizes, 14, "give 3 numbers"),
    (checks.back_up, {"kernel_size": 5, "stride": 3, "padding": 1}, "9 becomes 27"),
    (checks.back_up, {"kernel_size": 4, "stride": 3}, "keep that of the convolution"),
    (checks.back_up, {"kernel_size": 5, "stride": 3}, "padding is 0; keep"),
    (
        checks.back_up,
        {"kernel_size": 5, "stride": 3, "padding": 1, "output_padding": 3},
        "torch wants less than the stride, 3",
    ),
    (checks.back_up, {"stride": 3}, "kernel_size is missing"),
    (checks.back_up, {"kernel_size": 5, "stride": 3, "dilation": 1}, "only these"),
    (checks.stamps_by_hand, [[1, 0, 0], [4, 4, 0], [4, 8, 3]], "kernel flipped"),
    (checks.stamps_by_hand, [[1, 2, 0], [2, 3, 6], [0, 0, 3]], "you kept the last"),
    (checks.stamps_by_hand, [[1, 2, 0], [2, 8, 6], [0, 2, 4]], "is 4 at [2, 2]"),
    (checks.stamps_by_hand, [[1, 2], [2, 8]], "give 3 rows of 3 numbers"),
    (checks.any_stamps, ready_made, "conv_transpose2d makes them; write the stamps"),
    (checks.any_stamps, last_wins, "and should be"),
    (checks.any_stamps, lambda x, kernel, stride: stamps(x, kernel, 1), "shape"),
    (
        checks.any_stamps,
        lambda x, kernel, stride: stamps(x, kernel.flip(0, 1), stride),
        "and should be",
    ),
    (checks.any_stamps, lambda x, kernel, stride: None, "return missing"),
    (checks.any_stamps, 3, "the answer is a function of x, kernel, stride"),
    (checks.even_stamps, {"kernel_size": 10, "stride": 3}, "an output gets"),
    (checks.even_stamps, {"kernel_size": 4, "stride": 2}, "7×7 becomes 16×16"),
    (checks.even_stamps, {"kernel_size": 0, "stride": 4}, "kernel_size is 0"),
    (
        checks.even_stamps,
        {"kernel_size": 4, "stride": 4, "padding": 20},
        "takes away all",
    ),
    (checks.even_stamps, {"kernel_size": 2, "stride": 4, "padding": 0}, "26×26"),
    (
        checks.even_stamps,
        {"kernel_size": 2, "stride": 4, "output_padding": 2},
        "an output gets 0 or 1 stamps",
    ),
    (checks.unpooled, repeated, "and should be 0"),
    (checks.unpooled, lambda v, p, shape: unpool(v, p, shape[::-1]), "has the shape"),
    (
        checks.unpooled,
        lambda v, p, shape: F.max_unpool2d(
            v[None], p[None], shape[0] // v.shape[0], output_size=shape
        )[0],
        "max_unpool2d makes them",
    ),
    (checks.unpooled, lambda v, p, shape: None, "return missing"),
    (checks.own_decoder, decoder(width=32), "make fewer maps"),
    (checks.own_decoder, uneven(), "it would draw squares"),
    (checks.own_decoder, decoder(end=nn.Identity), "end with a sigmoid"),
    (checks.own_decoder, decoder(end=nn.Flatten), "not (5, 1, 28, 28)"),
    (checks.own_decoder, one_layer(), "it has 1 transposed convolutions"),
    (checks.own_decoder, Decoder, "is it a class"),
    (
        checks.own_decoder,
        nn.Sequential(decoder(), nn.Threshold(2, 0.5)),
        "one grey level alone",
    ),
    (
        checks.denoising_step,
        lambda model, optimizer, clean, noisy: step(model, optimizer, noisy, clean),
        "the clean pictures go in there",
    ),
    (
        checks.denoising_step,
        lambda model, optimizer, clean, noisy: step(model, optimizer, noisy, noisy),
        "the target is the noisy picture",
    ),
    (
        checks.denoising_step,
        lambda *given: step(*given, move=False),
        "no weight has moved",
    ),
    (checks.denoising_step, cleared_at_the_end, "is .grad cleared first"),
    (checks.denoising_step, lambda *given: step(*given, keep=lambda x: x), "item()"),
    (checks.denoising_step, lambda *given: None, "return missing"),
]


class TestCheckers(Lesson):
    notebook = NOTEBOOKS[6]
    right = RIGHT
    wrong = WRONG
