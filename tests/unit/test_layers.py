"""What is said about a layer is true: its line of Python, its formulas, and what does not
fit.
"""

import random
import re

import pytest
import torch
import torch.nn.functional as F
from test_tracing import Net, own
from torch import nn

from helpers import layers as about
from helpers.tracing import trace


def random_stack(rng):
    """Return layers and an input shape that torch takes, among them some for 1-D
    signals.
    """
    channels, height, width = rng.randint(1, 4), rng.randint(4, 24), rng.randint(4, 24)
    shape, layers, at = (
        (channels, height, width),
        [],
        torch.zeros(1, channels, height, width),
    )
    for _ in range(rng.randint(1, 6)):
        part = random_layer(rng, at)
        try:
            after = part(at)
        except (RuntimeError, ValueError):
            continue
        if (
            after.numel()
        ):  # some of torch's ways to compute leave nothing, others refuse
            layers.append(part)
            at = after
    layers.append(nn.Flatten())
    row = at[0].numel()
    for _ in range(rng.randint(0, 2)):
        layers.append(nn.Linear(row, rng.randint(1, 30), bias=rng.random() < 0.7))
        row = layers[-1].out_features
    return layers, shape


def random_layer(rng, at):
    k, s, p = rng.randint(1, 5), rng.randint(1, 3), rng.randint(0, 2)
    kind = rng.choice(
        ["conv", "conv", "back", "back", "same", "max", "average", "to", "relu", "norm"]
        + ["dropout"]
    )
    groups = rng.choice([n for n in (1, 1, 2, 3, 4) if at.shape[1] % n == 0])
    sides = {
        "kernel_size": (k, rng.randint(1, 5)),
        "stride": rng.choice([s, (s, rng.randint(1, 3))]),
        "padding": (p, rng.randint(0, 2)),
        "dilation": rng.choice([1, 2, (1, 3)]),
        "groups": groups,
        "bias": rng.random() < 0.7,
    }
    outer = groups * rng.randint(1, 8 // groups)
    rest = rng.choice([0, 0, 1, (0, 1), (1, 2)])
    return {
        "conv": lambda: nn.Conv2d(at.shape[1], outer, **sides),
        "back": lambda: nn.ConvTranspose2d(
            at.shape[1], outer, output_padding=rest, **sides
        ),
        "to": lambda: nn.AdaptiveAvgPool2d(rng.choice([1, 3, (2, 5), (None, 4)])),
        "same": lambda: nn.Conv2d(
            at.shape[1], rng.randint(1, 8), k | 1, padding="same"
        ),
        "max": lambda: nn.MaxPool2d(
            k, s, p, sides["dilation"], ceil_mode=rng.random() < 0.5
        ),
        "average": lambda: nn.AvgPool2d(k, s, p, ceil_mode=rng.random() < 0.5),
        "relu": nn.ReLU,
        "dropout": nn.Dropout,
        "norm": lambda: nn.BatchNorm2d(at.shape[1]),
    }[kind]()


def stacks(count):
    rng = random.Random(0)
    return [random_stack(rng) for _ in range(count)]


def test_shapes_and_counts_are_torchs_for_random_stacks():
    for layers, shape in stacks(200):
        model = nn.Sequential(*layers).eval()
        traced = trace(model, shape)
        assert not traced.trouble and traced.parameters == sum(
            p.numel() for p in model.parameters()
        )
        assert len(traced.rows) == len(layers)
        at = torch.zeros(1, *shape)
        for part, row in zip(layers, traced.rows, strict=True):
            at = part(at)
            assert row.shape == tuple(at.shape[1:]), (layers, row)
            assert row.parameters == sum(p.numel() for p in part.parameters())
            check_rules(row)


def check_rules(row):
    """Check that what is said about a size or a count comes to that size or count."""
    if row.count_rule:
        assert eval(row.count_rule.replace("·", "*")) == row.parameters, row
    for rule in filter(
        lambda rule: "= " in rule and "padding=" not in rule, row.size_rule.split(", ")
    ):
        left, right = rule.rsplit(" = ", 1)
        for signs, function in (("⌊⌋", "math.floor"), ("⌈⌉", "math.ceil")):
            left = left.replace(signs[0], f"{function}(").replace(signs[1], ")")
        left = left.replace("·", "*").replace("−", "-")
        assert eval(left, {"math": __import__("math")}) == int(right), row


def broken(rng, part, at):
    """Return a layer that does not take what arrives in place of one that does, and the
    two numbers that differ.
    """
    wrong, numbers = rng.randint(1, 3), at[0].numel()
    if isinstance(part, nn.Linear):
        return nn.Linear(part.in_features + wrong, 3), (
            part.in_features + wrong,
            part.in_features,
        )
    if isinstance(part, nn.Flatten):
        return nn.Linear(at.shape[-1] + wrong, 2), (at.shape[-1] + wrong, numbers)
    channels, side = at.shape[1], max(at.shape[-2:])
    choices = [
        (nn.Conv2d(channels + wrong, 3, 1), (channels + wrong, channels)),
        (nn.BatchNorm2d(channels + wrong), (channels + wrong, channels)),
        (nn.MaxPool2d(2 * wrong, padding=2 * wrong), (2 * wrong, wrong)),
        (nn.AvgPool2d(2, padding=1 + wrong), (1 + wrong, 2)),
        (nn.MaxPool2d(side + wrong), (side + wrong,)),
        (nn.MaxPool2d(2, dilation=side), (side + 1, side)),
        (nn.ConvTranspose2d(channels + wrong, 3, 1), (channels + wrong, channels)),
        (nn.ConvTranspose2d(channels, 3, 2, output_padding=wrong), (wrong, 1)),
        (nn.ConvTranspose2d(channels, 3, 1, 1, side), (side, at.shape[-2])),
        (
            nn.Conv2d(channels, 3, side + 2 * wrong + 1, padding=wrong),
            (side + 2 * wrong + 1, at.shape[-2] + 2 * wrong),
        ),
    ]
    return rng.choice(choices)


def test_what_does_not_fit_is_named_with_its_two_numbers():
    rng, kinds = random.Random(1), []
    for layers, shape in stacks(200):
        place = rng.randrange(len(layers))
        at = nn.Sequential(*layers[:place]).eval()(torch.zeros(1, *shape))
        part, numbers = broken(rng, layers[place], at)
        model = nn.Sequential(*layers[:place], part).eval()
        with pytest.raises((RuntimeError, ValueError)):
            model(torch.zeros(1, *shape))
        trouble, name = trace(model, shape).trouble, f"{place} ({type(part).__name__})"
        assert (
            trouble.startswith(name) and trouble.endswith(".") and "mat1" not in trouble
        )
        for number in numbers:
            assert re.search(rf"\b{number}\b", trouble.removeprefix(name)), (
                trouble,
                numbers,
            )
        kinds.append(type(part).__name__)
    assert min(map(kinds.count, set(kinds))) >= 10


def test_a_convolution_is_refused_where_torch_refuses_it_with_numbers():
    """On the "meta" device torch sees neither the channels nor each setting."""
    rng, seen = random.Random(2), []
    for _ in range(400):
        kind = rng.choice([nn.Conv2d, nn.ConvTranspose2d, nn.ConvTranspose2d])
        how = {
            "stride": rng.choice([0, 1, 1, 1, 2, 2, (2, 3)]),
            "padding": rng.choice([-1, 0, 0, 1, 1, (0, 4)]),
            "dilation": rng.choice([0, 1, 1, 1, 1, 2]),
            "groups": rng.choice([1, 2]),
        }
        if kind is nn.ConvTranspose2d:
            how["output_padding"] = rng.choice([-1, 0, 0, 0, 0, 1, (0, 2)])
        layer = kind(4, 6, rng.choice([2, 3, (2, 5)]), **how)
        shape = rng.choice([*[(4, 5, 6)] * 6, (2, 5, 6), (4, 6), (24,)])
        found = trace(layer, shape)
        try:
            result = tuple(layer(torch.zeros(97, *shape)).shape[1:])
            result = result if all(result) else None
        except RuntimeError:
            result = None
        assert (None if found.trouble else found.shape) == result, (layer, shape)
        seen.append(result is None)
    assert 100 < sum(seen) < 300


@pytest.mark.parametrize(
    ("model", "shape", "rule"),
    [
        (nn.ConvTranspose2d(3, 4, 4, 2, 1), (3, 7, 7), "(7 − 1)·2 − 2·1 + 4 + 0 = 14"),
        (
            nn.ConvTranspose2d(3, 4, 3, 2, output_padding=1, dilation=2),
            (3, 7, 9),
            "(7 − 1)·2 − 2·0 + 2·(3 − 1) + 1 + 1 = 18, "
            "(9 − 1)·2 − 2·0 + 2·(3 − 1) + 1 + 1 = 22",
        ),
        (
            own(
                lambda self, x: self.up(x, (16, 15)), up=nn.ConvTranspose2d(3, 4, 3, 2)
            ),
            (3, 7, 7),
            "(7 − 1)·2 − 2·0 + 3 + 1 = 16, (7 − 1)·2 − 2·0 + 3 + 0 = 15",
        ),
        (
            nn.Conv2d(3, 4, (3, 2), dilation=(2, 1)),
            (3, 9, 9),
            "⌊(9 + 2·0 − 2·(3 − 1) − 1) / 1⌋ + 1 = 5, ⌊(9 + 2·0 − 2) / 1⌋ + 1 = 8",
        ),
        (nn.AdaptiveAvgPool2d(2), (3, 7, 7), "output_size=2: 7 → 2"),
        (
            nn.AdaptiveMaxPool2d((None, 3)),
            (3, 7, 8),
            "output_size=None: 7 → 7, output_size=3: 8 → 3",
        ),
        (
            own(lambda self, x: F.adaptive_avg_pool2d(x, (1, 1))),
            (3, 7, 7),
            "output_size=1: 7 → 1",
        ),
        (nn.ConvTranspose1d(3, 4, 3, 2), (3, 7), "(7 − 1)·2 − 2·0 + 3 + 0 = 15"),
    ],
)
def test_the_rule_of_a_side_has_the_numbers_filled_in(model, shape, rule):
    (row,) = trace(model, shape).rows
    assert row.size_rule == rule


def test_each_kernel_sees_the_channels_of_its_group():
    for kind, groups in ((nn.Conv2d, 4), (nn.ConvTranspose2d, 2)):
        (row,) = trace(kind(8, 4, 3, groups=groups), (8, 5, 5)).rows
        assert row.count_rule == f"(8/{groups}·3·3 + 1)·4"
        assert eval(row.count_rule.replace("·", "*")) == row.parameters


@pytest.mark.parametrize(
    ("forward", "words"),
    [
        (lambda self, x: torch.cat([x, self.conv1(x)]), "cat stopped at 1×8×8: "),
        (lambda self, x: self.missing(x), "forward stopped with AttributeError: "),
        (
            lambda self, x: self.fc1(x),
            "fc1 takes a row of in_features=576 numbers, and a volume of 1×8×8 arrives",
        ),
        (
            lambda self, x: self.conv2(x),
            "conv2 takes in_channels=6, and 1 channel arrives. Write in_channels=1.",
        ),
        (
            lambda self, x: self.conv1(x.flatten(1)),
            "conv1 takes a volume C×H×W, and a row of 64 numbers arrives. ",
        ),
    ],
)
def test_any_forward_of_a_student_gets_a_sentence(forward, words):
    model = type("Own", (Net,), {"forward": forward})
    assert trace(model, (1, 8, 8)).trouble.startswith(words)


@pytest.mark.parametrize(
    ("model", "shape", "words"),
    [
        (
            nn.Sequential(nn.Conv2d(1, 4, 3)),
            (28, 28),
            "0 (Conv2d) takes a volume C×H×W, and 28×28 arrives. Say the",
        ),
        (
            nn.Sequential(nn.Flatten(0), nn.Linear(64, 2)),
            (1, 8, 8),
            "0 (Flatten): Flatten(start_dim=0) does not give",
        ),
        (
            own(lambda self, x: torch.flatten(x)),
            (1, 8, 8),
            "flatten: torch.flatten(x) does not give one row for each",
        ),
        (
            own(lambda self, x: x.view(-1)),
            (1, 8, 8),
            "view: x.view(-1) does not give one row for each picture",
        ),
        (
            own(lambda self, x: x.view(1, -1)),
            (1, 8, 8),
            "view: x.view(1, -1) does not give one row for each picture",
        ),
        (
            own(lambda self, x: x.view(-1, 60)),
            (1, 8, 8),
            "view: x.view(-1, 60) does not give one row for each picture",
        ),
        (own(lambda self, x: self.r(input=3), r=nn.ReLU()), (1, 8, 8), "r stopped: "),
        (
            own(lambda self, x: None),
            (1, 8, 8),
            "forward gives nothing back: is a return missing?",
        ),
        (
            nn.Sequential(nn.LSTM(8, 4), nn.Linear(4, 2)),
            (5, 8),
            "1 (Linear) stopped at 5×4: linear(): argument",
        ),
        (
            nn.Sequential(nn.Flatten(), nn.BatchNorm2d(4)),
            (1, 2, 2),
            "1 (BatchNorm2d) takes a volume C×H×W, and a row",
        ),
        (
            nn.Conv2d(1, 1, 3, stride=0),
            (1, 8, 8),
            "Conv2d: stride must be 1 or more, not 0.",
        ),
        (
            nn.MaxPool2d((8, 9)),
            (1, 8, 8),
            "MaxPool2d: A window of 9 (kernel_size 9",
        ),
        (
            nn.MaxPool2d((2, 3), padding=(1, 2)),
            (1, 8, 8),
            "MaxPool2d: padding 2 is more than half of kernel_size 3: use 1 or less.",
        ),
        (
            nn.ConvTranspose2d(1, 1, 3, 2, output_padding=2),
            (1, 8, 8),
            "ConvTranspose2d: output_padding 2 must be smaller than stride 2 or "
            "dilation 1. Use at most 1.",
        ),
        (
            nn.ConvTranspose2d(1, 1, 3, padding=(0, 5)),
            (1, 8, 8),
            "ConvTranspose2d: padding 5 takes 5 pixels off each end of 10, and none "
            "is left. Use at most 4.",
        ),
        (
            nn.ConvTranspose2d(4, 1, 3),
            (1, 8, 8),
            "ConvTranspose2d takes in_channels=4, and 1 channel arrives. Write",
        ),
        (
            nn.Sequential(nn.Flatten(), nn.AdaptiveAvgPool2d(1)),
            (3, 8, 8),
            "1 (AdaptiveAvgPool2d) takes a volume C×H×W, and a row of 192 numbers",
        ),
        (
            nn.Sequential(nn.Upsample(scale_factor=10**4), nn.Upsample(scale_factor=9)),
            (1, 900, 900),
            "1 (Upsample) makes too many numbers of 1×9000000×9000000 for torch.",
        ),
        (
            nn.Sequential(*[nn.ConvTranspose2d(1, 1, 1, 64)] * 5),
            (1, 8, 8),
            "0 (ConvTranspose2d) makes too many numbers of 1×1835009×1835009 for torch.",
        ),
        (
            nn.MaxPool2d(0),
            (1, 8, 8),
            "MaxPool2d: kernel_size must be 1 or more, not 0.",
        ),
        (
            nn.Sequential(nn.Conv2d(1, 1, 3), nn.MaxPool2d(9)),
            (1, 8, 8),
            "1 (MaxPool2d): A window of 9 (kernel_size 9",
        ),
    ],
)
def test_usual_mistakes_are_named_for_what_they_are(model, shape, words):
    assert trace(model, shape).trouble.startswith(words)


def test_what_is_counted_already_or_stored_otherwise_is_said():
    tied = own(
        lambda self, x: self.b(self.a(x)), a=nn.Linear(10, 10), b=nn.Linear(10, 10)
    )
    tied.b.weight = tied.a.weight
    first, second = trace(tied, (10,)).rows
    assert (first.parameters, first.count_rule) == (110, "(10 + 1)·10")
    assert second.parameters == 10
    assert second.count_rule == "(10 + 1)·10 − 100 counted above"
    normed = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3))
    (row,) = trace(normed, (3, 8, 8)).rows
    assert row.parameters == 116 and row.count_rule == "(3·3·3 + 1)·4 + 4 more"


@pytest.mark.parametrize(
    ("forward", "text"),
    [
        (lambda x: F.softmax(x, dim=1), "F.softmax(x, dim=1)"),
        (lambda x: F.log_softmax(x, 1), "F.log_softmax(x, dim=1)"),
        (lambda x: torch.flatten(x, start_dim=1), "torch.flatten(x, start_dim=1)"),
        (lambda x: x.flatten(1), "x.flatten(1)"),
        (lambda x: x.view(x.size(0), -1), "x.view(x.size(0), -1)"),
        (lambda x: x.view(x.shape[0], 3, -1), "x.view(x.size(0), 3, -1)"),
        (lambda x: x.reshape((len(x), -1)), "x.reshape((x.size(0), -1))"),
        (
            lambda x: F.avg_pool2d(x, 3, ceil_mode=True),
            "F.avg_pool2d(x, 3, ceil_mode=True)",
        ),
        (
            lambda x: F.avg_pool2d(input=x, kernel_size=2),
            "F.avg_pool2d(input=…, kernel_size=2)",
        ),
        (lambda x: x.to("cuda", torch.float64), "x.to('cuda', torch.float64)"),
        (lambda x: F.max_pool2d(x, 2, padding=1), "F.max_pool2d(x, 2, padding=1)"),
        (lambda x: F.max_pool2d(x, 2, stride=1), "F.max_pool2d(x, 2, stride=1)"),
        (lambda x: F.dropout(x, 0.2, training=False), "F.dropout(x, p=0.2)"),
        (lambda x: F.leaky_relu(x, 0.2), "F.leaky_relu(x, negative_slope=0.2)"),
        (lambda x: F.relu(x, inplace=True), "F.relu(x, inplace=True)"),
        (
            lambda x: F.interpolate(x, scale_factor=2),
            "F.interpolate(x, scale_factor=2)",
        ),
        (lambda x: F.pad(x, (1, 1)), "F.pad(x, (1, 1))"),
        (lambda x: x.mean((2, 3)), "x.mean((2, 3))"),
        (lambda x: x.mean(dim=1, keepdim=True), "x.mean(dim=1, keepdim=True)"),
        (lambda x: torch.cat([x, x], 1), "torch.cat([…, …], 1)"),
        (lambda x: x + x, "x.add(…)"),
        (lambda x: x.relu_(), "x.relu_()"),
    ],
)
def test_a_function_is_written_as_it_was_called(forward, text):
    traced = trace(own(lambda self, x: forward(x)), (3, 8, 8))
    assert not traced.trouble and traced.rows[-1].layer == text


def settings_of(layer):
    """Return what a layer is made of, without its numbers and its mode."""
    hidden = {"training"}
    return {k: v for k, v in vars(layer).items() if k[0] != "_" and k not in hidden}


@pytest.mark.parametrize(
    "part",
    [
        nn.Conv2d(2, 4, 3, padding="same"),
        nn.Conv2d(
            2, 4, (3, 5), stride=2, padding=(1, 2), dilation=2, groups=2, bias=False
        ),
        nn.Conv2d(2, 4, 3, padding_mode="circular", padding=1),
        nn.ConvTranspose2d(2, 4, 3, 2, output_padding=1),
        nn.MaxPool2d(3, 2, 1, ceil_mode=True, dilation=2, return_indices=True),
        nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False, divisor_override=3),
        nn.AdaptiveAvgPool2d((1, 2)),
        nn.BatchNorm2d(3, eps=0.1, affine=False),
        nn.GroupNorm(2, 4),
        nn.LayerNorm((3, 4), bias=False),
        nn.Linear(3, 4, bias=False),
        nn.Flatten(2, -2),
        nn.Dropout2d(0.3),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Softmax(dim=1),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.LSTM(3, 4, batch_first=True),
    ],
    ids=lambda part: type(part).__name__,
)
def test_the_line_of_a_layer_makes_the_same_layer(part):
    made = eval(f"nn.{about.code(part)}", {"nn": nn})
    assert settings_of(made) == settings_of(part)
    assert {k: v.shape for k, v in made.state_dict().items()} == {
        k: v.shape for k, v in part.state_dict().items()
    }
