"""The tracer follows what students write, says what does not fit or should be known, and
allocates nothing.
"""

import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers.tracing import trace
from helpers.widgets.shape_tracer import ShapeTracer, layer


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


def test_shared_layers_are_counted_once_and_nested_ones_found():
    shared = nn.Linear(4, 4)
    traced = trace(nn.Sequential(nn.Sequential(shared, nn.ReLU()), shared), (4,))
    assert [row.name for row in traced.rows] == [
        "0.0 (Linear)",
        "0.1 (ReLU)",
        "0.0 (Linear)",
    ]
    assert traced.parameters == sum(row.parameters for row in traced.rows) == 20


def own(forward, **parts):
    """Return a module of a student's own, with the given parts and forward."""
    model = type("Own", (nn.Module,), {"forward": forward})()
    for name, part in parts.items():
        setattr(model, name, part)
    return model


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
@pytest.mark.parametrize(
    "name", ["vit_b_16", "swin_t", "convnext_tiny", "resnet18", "mobilenet_v2"]
)
def test_every_parameter_of_a_known_network_stands_in_a_row(name):
    models = pytest.importorskip("torchvision.models")
    traced = trace(getattr(models, name), (3, 224, 224))
    assert traced.shape == (1000,) and not traced.remark and not traced.trouble
    assert traced.parameters == sum(row.parameters for row in traced.rows)


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
@pytest.mark.slow
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
