"""The tracer's shapes and counts are torch's, its sentences name what does not fit, and
it allocates nothing.
"""

import random
import re
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers import layers as about
from helpers.tracing import trace
from helpers.widgets.shape_tracer import (
    KINDS,
    LARGEST_SIDE,
    MOST_LAYERS,
    NETWORKS,
    ShapeTracer,
    layer,
)


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
            at = part(at)
        except RuntimeError:
            continue
        layers.append(part)
    layers.append(nn.Flatten())
    row = at[0].numel()
    for _ in range(rng.randint(0, 2)):
        layers.append(nn.Linear(row, rng.randint(1, 30), bias=rng.random() < 0.7))
        row = layers[-1].out_features
    return layers, shape


def random_layer(rng, at):
    k, s, p = rng.randint(1, 5), rng.randint(1, 3), rng.randint(0, 2)
    kind = rng.choice(
        ["conv", "conv", "same", "max", "average", "relu", "dropout", "norm"]
    )
    return {
        "conv": lambda: nn.Conv2d(
            at.shape[1],
            rng.randint(1, 8),
            (k, rng.randint(1, 5)),
            s,
            (p, rng.randint(0, 2)),
            dilation=rng.randint(1, 2),
            bias=rng.random() < 0.7,
        ),
        "same": lambda: nn.Conv2d(
            at.shape[1], rng.randint(1, 8), k | 1, padding="same"
        ),
        "max": lambda: nn.MaxPool2d(k, s, p, ceil_mode=rng.random() < 0.5),
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


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 3), nn.Conv2d(6, 16, 3)
        self.fc1, self.fc2 = nn.Linear(16 * 6 * 6, 120), nn.Linear(120, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.view(-1, x.size()[1:].numel())))
        return self.fc2(F.dropout(x, training=self.training))


def test_functions_that_forward_calls_are_rows_too():
    rows = trace(Net(), (1, 32, 32)).rows
    assert [row.name for row in rows if row.size_rule] == [
        "conv1",
        "max_pool2d",
        "conv2",
        "max_pool2d",
        "view",
    ]
    assert rows[6].layer == "x.view(-1, 576)" and rows[6].size_rule == "16·6·6 = 576"
    assert (
        rows[2].layer == "F.max_pool2d(x, (2, 2))"
        and rows[2].size_rule == "⌊(30 + 2·0 − 2) / 2⌋ + 1 = 15"
    )


def test_a_smaller_picture_gets_the_reason_and_the_two_ways_out():
    trouble = trace(Net, (1, 28, 28)).trouble
    assert trouble == (
        "fc1 takes in_features=576, and 400 numbers arrive, as 16×5×5 flattened is 16·5·5 = 400. "
        "Write in_features=400. Or feed pictures of 30×30 to 33×33: those fit."
    )
    for side in range(20, 37):
        assert bool(trace(Net, (1, side, side)).trouble) == (not 30 <= side <= 33)


def test_rows_that_mix_pictures_are_no_fit():
    class Regrouping(Net):
        def forward(self, x):
            return self.fc1(
                self.conv1(x).view(-1, 576)
            )  # 6·16·16 = 1536 and 6·16·24 = 2304 = 4·576

    Regrouping()(
        torch.zeros(1, 1, 18, 26)
    )  # torch takes it, and makes four rows of one picture
    assert trace(Regrouping, (1, 18, 26)).trouble == (
        "view: x.view(-1, 576) does not give one row for each picture: one of 6×16×24 has 6·16·24 = 2304 numbers. "
        "x.flatten(1) does."
    )


def peak_megabytes():
    resource = pytest.importorskip("resource")  # Windows has none
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1024 * (1024 if sys.platform == "darwin" else 1)
    )


def test_a_billion_weights_are_counted_and_not_allocated():
    trace(Net, (1, 32, 32))
    before = peak_megabytes()
    traced = trace(
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(10**5, 10**4)), (1, 250, 400)
    )
    assert traced.parameters == 10**9 + 10**4 and traced.shape == (10**4,)
    assert (
        traced.remark
        == "The parameters of 1 (Linear) would take 4.0 GB as float32. Nothing of it was allocated here."
    )
    bench = ShapeTracer()
    bench.layers = [
        layer("Flatten"),
        layer("Linear", in_features=1024, out_features=10**7),
    ]
    assert "The parameters of layer 2 (Linear) would take 41.0 GB" in bench.trace.remark
    bench.layers = [
        layer("Conv2d", out_channels=10**4),
        layer("Flatten"),
        layer("Linear", out_features=10**7),
    ]
    bench.derive = True
    assert bench.layers[2]["in_features"] == 9 * 10**6 and not bench.trace.trouble
    bench.side = 64
    assert bench.trace.misfit.startswith(
        "layer 3 (Linear) takes in_features=10000000, and 38440000 numbers arrive"
    )
    assert peak_megabytes() - before < 100


def test_the_students_module_stays_as_it_is():
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(9, 1)
    ).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert trace(model, (1, 8, 8)).trouble
    assert model.training and all(
        not part._forward_hooks and not part._forward_pre_hooks
        for part in model.modules()
    )
    assert all(
        torch.equal(before[name], value) for name, value in model.state_dict().items()
    )
    assert all(p.device.type == "cpu" and p.grad is None for p in model.parameters())


def test_the_pages_numbers_stay_exact():
    """JavaScript counts exactly below 2**53; the page takes 40 times a count."""
    features = KINDS["Linear"]["out_features"][1]
    assert MOST_LAYERS * 2 * features**2 < 2**53
    channels, most_padding = (
        KINDS["Conv2d"][one][1] for one in ("out_channels", "padding")
    )
    grown = MOST_LAYERS * 2 * most_padding
    assert 40 * channels * (LARGEST_SIDE + grown) * (features + grown) < 2**53
    assert channels**2 * KINDS["Conv2d"]["kernel_size"][1] ** 2 < features**2


def test_shared_layers_are_counted_once_and_nested_ones_found():
    shared = nn.Linear(4, 4)
    traced = trace(nn.Sequential(nn.Sequential(shared, nn.ReLU()), shared), (4,))
    assert [row.name for row in traced.rows] == [
        "0.0 (Linear)",
        "0.1 (ReLU)",
        "0.0 (Linear)",
    ]
    assert traced.parameters == sum(row.parameters for row in traced.rows) == 20


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


def own(forward, **parts):
    """Return a module of a student's own, with the given parts and forward."""
    model = type("Own", (nn.Module,), {"forward": forward})()
    for name, part in parts.items():
        setattr(model, name, part)
    return model


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


@pytest.mark.parametrize(
    ("model", "shape", "result"),
    [
        (own(lambda self, x: F.relu(x + self.c(x)), c=nn.Conv2d(3, 3, 3, padding=1)), (3, 8, 8), (3, 8, 8)),
        (own(lambda self, x: F.conv2d(x, self.w / self.w.view(4, -1).mean()), w=nn.Parameter(torch.ones(4, 3, 3, 3))),
         (3, 8, 8), (4, 6, 6)),
        (own(lambda self, x: F.adaptive_avg_pool2d(x, 1).squeeze()), (3, 8, 8), (3,)),
        (own(lambda self, x: F.max_pool2d(x, [2, 2])), (3, 8, 8), (3, 4, 4)),
        (nn.MaxPool2d([2, 2], return_indices=True), (3, 8, 8), (3, 4, 4)),
        (nn.LSTM(8, 4, batch_first=True), (5, 8), (5, 4)),
        (nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 4, 3))), (3, 8, 8), (4, 6, 6)),
        (nn.ConvTranspose2d(3, 4, 2, 2), (3, 8, 8), (4, 16, 16)),
        (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (5, 8), (5, 8)),
    ],
)  # fmt: skip
def test_other_modules_are_followed_too(model, shape, result):
    traced = trace(model, shape)
    assert not traced.trouble and traced.shape == result
    assert traced.parameters == sum(p.numel() for p in model.parameters())
    assert traced.parameters == sum(row.parameters for row in traced.rows)
    assert not traced.remark


def test_a_layer_that_does_not_run_is_remarked():
    traced = trace(own(lambda self, x: self.a(x), a=nn.ReLU(), b=nn.Linear(2, 3)), (4,))
    assert traced.remark == "9 of the parameters belong to no layer that ran."


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vit_b_16", "swin_t", "convnext_tiny", "resnet18"])
def test_every_parameter_of_a_known_network_stands_in_a_row(name):
    models = pytest.importorskip("torchvision.models")
    traced = trace(getattr(models, name), (3, 224, 224))
    assert traced.shape == (1000,) and not traced.remark and not traced.trouble
    assert traced.parameters == sum(row.parameters for row in traced.rows)


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


def test_volumes_of_three_axes_keep_their_first_size():
    model = nn.Sequential(nn.Conv3d(1, 2, 3), nn.BatchNorm3d(2), nn.MaxPool3d(2))
    traced = trace(model, (1, 8, 10, 10))
    assert traced.shape == (2, 3, 4, 4) and not traced.trouble
    assert traced.rows[0].size_rule.startswith("⌊(8 + 2·0 − 3) / 1⌋ + 1 = 6, ⌊(10 ")
    assert traced.rows[0].count_rule == "(1·3·3·3 + 1)·2"
    assert trace(model, (3, 8, 10, 10)).trouble == (
        "0 (Conv3d) takes in_channels=1, and 3 channels arrive. Write in_channels=3."
    )
    assert trace(model, (8, 10, 10)).trouble == (
        "0 (Conv3d) takes a volume C×D×H×W, and 8×10×10 arrives. "
        "Say the channels too, as in (1, 8, 10, 10)."
    )
    assert trace(Net, (64, 1, 32, 32)).input_shape == (1, 32, 32)


class Block(nn.Module):
    def forward(self, x):
        return x if x.mean() > 0 else -x


@pytest.mark.parametrize(
    ("forward", "name"),
    [
        (lambda self, x: x if x.sum() > 0 else -x, "bool"),
        (lambda self, x: x * x.sum().item(), "item"),
        (lambda self, x: x[:, : int(x.max())], "int"),
        (lambda self, x: torch.tensor(x.tolist()), "tolist"),
        (lambda self, x: torch.from_numpy(x.numpy()), "numpy"),
        (lambda self, x: x[x > 0], "getitem"),
        (lambda self, x: x.unique(), "unique"),
        (lambda self, x: Block()(x), "bool"),
        (lambda self, x: nn.Sequential(self.block)(x), "bool"),
    ],
)
def test_what_needs_numbers_is_named(forward, name):
    trouble = trace(own(forward, block=Block()), (1, 8, 8)).trouble
    assert trouble == (
        f"forward asks for the numbers in a tensor ({name}), and the tracer has shapes "
        "alone. Call the model with a picture instead."
    )


@pytest.mark.parametrize(
    "move",
    [
        lambda x: x.to("cpu"),
        lambda x: x.to(torch.device("cuda"), non_blocking=True),
        lambda x: x.to(device="cuda:0"),
        lambda x: x.cpu(),
        lambda x: x.cuda(),
        lambda x: x + torch.zeros(8, device="cpu"),
    ],
)
def test_moving_to_a_device_changes_no_shape(move):
    model = own(lambda self, x: self.c(move(x)), c=nn.Conv2d(1, 2, 3))
    traced = trace(model, (1, 8, 8))
    assert not traced.trouble and traced.shape == (2, 6, 6)


def test_other_types_of_numbers_are_followed():
    to_double = own(lambda self, x: self.c(x.to(torch.float64)), c=nn.Conv2d(1, 2, 3))
    for model in (nn.Conv2d(1, 2, 3).double(), nn.Conv2d(1, 2, 3).half()):
        assert trace(model, (1, 8, 8)).shape == (2, 6, 6)
    to_double.c.double()
    assert trace(to_double, (1, 8, 8)).shape == (2, 6, 6)


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_compiled_models():
    model = nn.Sequential(nn.Conv2d(1, 2, 3))
    (row,) = trace(torch.compile(model), (1, 8, 8)).rows
    assert row.name == "0 (Conv2d)" and row.shape == (2, 6, 6)
    with pytest.raises(ValueError) as caught:
        trace(nn.Sequential(torch.jit.script(model)), (1, 8, 8))
    assert str(caught.value) == (
        "0 (RecursiveScriptModule) is compiled and cannot be followed. "
        "Give the module that it was made from."
    )


def test_what_does_not_fit_and_the_advice_stand_apart():
    traced = trace(Net, (1, 28, 28))
    assert traced.misfit.endswith("Write in_features=400.")
    assert traced.advice == "Or feed pictures of 30×30 to 33×33: those fit."
    assert traced.trouble == f"{traced.misfit} {traced.advice}"
    assert not traced.remark, "what stands behind the misfit is not unused"
    assert trace(Net, (1, 32, 32)).trouble == ""


def test_layers_behind_one_that_does_not_fit_keep_their_channels():
    bench = ShapeTracer("Net, 32×32")
    before, parameters = bench.code, bench.trace.parameters
    changed = bench.layers
    changed[0]["kernel_size"] = 40
    bench.layers = changed
    assert bench.trace.misfit.startswith("layer 1 (Conv2d): A window of 40")
    assert bench.code == before.replace("6, kernel_size=3", "6, kernel_size=40", 1)
    assert bench.trace.parameters == parameters + 6 * (40**2 - 3**2)
    bench.layers = [layer("Conv2d"), layer("Flatten"), layer("Conv2d")]
    assert bench.code.endswith("nn.Conv2d(6, 6, kernel_size=3))")


def test_a_dense_layer_behind_permuted_axes_is_no_slip():
    channels_last = own(
        lambda self, x: self.f(self.c(x).permute(0, 2, 3, 1)),
        c=nn.Conv2d(1, 4, 3),
        f=nn.Linear(4, 10),
    )
    traced = trace(channels_last, (1, 14, 14))
    assert traced.shape == (12, 12, 10) and not traced.remark


def test_a_dense_layer_on_the_last_axis_is_remarked():
    traced = trace(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Linear(12, 10)), (1, 14, 14))
    assert traced.shape == (4, 12, 10) and traced.remark.startswith(
        "1 (Linear) took the last axis alone"
    )


def test_what_a_module_keeps_and_hooks_is_neither_copied_nor_run():
    heard = []
    model = nn.Sequential(nn.Conv2d(1, 2, 3))
    model[0].register_forward_hook(lambda *_: heard.append(1))
    model.kept = model(torch.zeros(1, 1, 8, 8))
    model.cache, before = torch.zeros(50_000_000), peak_megabytes()
    assert trace(model, (1, 8, 8)).shape == (2, 6, 6) and heard == [1]
    assert peak_megabytes() - before < 100


@pytest.mark.parametrize(
    ("model", "shape", "words"),
    [
        (nn.Conv2d, (1, 8, 8), "The model cannot be made: TypeError: "),
        (
            type(
                "NoSuper",
                (nn.Module,),
                {"__init__": lambda self: setattr(self, "a", nn.ReLU())},
            ),
            (1,),
            "The model cannot",
        ),
        (Net, (), "shape must be one to four whole numbers"),
        (Net, (1, 32, 0), "shape must be one to four whole numbers"),
        (Net, 32, "shape must be one to four whole numbers"),
        (Net, (1, 32.0, 32), "shape must be one to four whole numbers"),
        (Net, (10**6,) * 3, "1000000×1000000×1000000 are more numbers than torch "),
        (
            "net",
            (1, 8, 8),
            "model must be an nn.Module, or a function that makes one, not 'net'.",
        ),
        (
            lambda: 3,
            (1, 8, 8),
            "model must be an nn.Module, or a function that makes one, not 3.",
        ),
        (nn.LazyLinear(3), (8,), "LazyLinear does not know all its sizes yet. Call "),
        (lambda: nn.LazyConv2d(3, 3), (1, 8, 8), "LazyConv2d does not know all its "),
    ],
)
def test_bad_arguments_get_one_sentence(model, shape, words):
    with pytest.raises(ValueError) as caught:
        trace(model, shape)
    assert str(caught.value).startswith(words) and str(caught.value).endswith(".")


def test_words_and_table_hold_the_same():
    traced = trace(Net, (1, 32, 32))
    text, table = repr(traced), traced._repr_html_()
    for row in traced.rows:
        assert row.name in text and f">{row.name}</td>" in table and row.layer in text
    assert (
        "<script>"
        not in trace(
            nn.Sequential(type("<script>", (nn.ReLU,), {})()), (3,)
        )._repr_html_()
    )


def test_the_widget_traces_what_stands_there():
    bench = ShapeTracer()
    assert (
        bench.network == "Net, 32×32"
        and bench.trace.shape == (10,)
        and not bench.trace.trouble
    )
    bench.side = 28
    assert bench.trace.trouble.startswith(
        "layer 8 (Linear) takes in_features=576, and 400 numbers arrive"
    )
    bench.derive = True
    assert (
        not bench.trace.trouble
        and bench.layers[7]["in_features"] == 400
        and bench.network == "Net, 32×32"
    )
    bench.derive = False
    assert bench.layers[7]["in_features"] == 400 and bench.network == "my own"
    model = eval(bench.code, {"nn": nn})
    assert model(torch.zeros(1, 1, 28, 28)).shape == (1, 10)
    assert sum(p.numel() for p in model.parameters()) == bench.trace.parameters


@pytest.mark.parametrize("name", NETWORKS)
def test_ready_made_networks_fit(name):
    bench = ShapeTracer(name)
    assert (
        not bench.trace.trouble
        and bench.network == name
        and bench.layers == NETWORKS[name]
    )


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("side", 0, "side must be a whole number from 1 to 64, not 0."),
        ("channels", 1.5, "channels must be a whole number from 1 to 64, not 1.5."),
        ("derive", 1, "derive must be True or False, not 1."),
        (
            "network",
            "VGG",
            "There is no network called 'VGG'; choose one of Net, 32×32, ConvNet, 28×28",
        ),
        (
            "layers",
            [{"kind": "Conv"}],
            "A layer is a dict with a kind out of Conv2d, ReLU",
        ),
        (
            "layers",
            [{"kind": "ReLU", "slope": 1}],
            "ReLU has no setting 'slope' here; it has none.",
        ),
        (
            "layers",
            [{"kind": "Conv2d", "stride": 0}],
            "stride must be a whole number from 1 to 64, not 0.",
        ),
        ("layers", [{"kind": ["ReLU"]}], "A layer is a dict with a kind out of Conv2d"),
        (
            "layers",
            [{1: 2, "kind": "ReLU"}],
            "ReLU has no setting 1 here; it has none.",
        ),
        ("layers", ["ReLU"], "A layer is a dict with a kind out of Conv2d"),
        (
            "layers",
            [{"kind": "Linear", "in_features": 10**14}],
            "in_features must be a whole number from 1 to 10000000, not 100000000000000.",
        ),
        (
            "layers",
            [{"kind": "ReLU"}] * 21,
            "layers must be a list of at most 20 layers",
        ),
    ],
)
def test_bad_values_for_the_widget_change_nothing(name, value, words):
    bench = ShapeTracer()
    before = bench._view.get_state()
    with pytest.raises(ValueError) as caught:
        setattr(bench, name, value)
    assert str(caught.value).startswith(words) and str(caught.value).endswith(".")
    assert bench._view.get_state() == before


def test_every_kind_of_layer_can_be_added():
    bench = ShapeTracer("one convolution")
    for kind in KINDS:
        bench.layers = [layer("Conv2d"), layer(kind)]
        assert bench.network == "my own" and (not bench.trace.trouble) == (
            kind != "Linear"
        )
