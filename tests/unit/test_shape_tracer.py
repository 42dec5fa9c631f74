"""The tracer's widget holds layers that can be traced, and refuses others."""

import pytest
import torch
from torch import nn

from helpers import tracing
from helpers.widgets.shape_tracer import (
    KINDS,
    LARGEST_SIDE,
    MOST_LAYERS,
    NETWORKS,
    ShapeTracer,
    layer,
)


def test_the_pages_numbers_stay_exact():
    """JavaScript counts exactly below 2**53; the page takes 40 times a count."""
    features = KINDS["Linear"]["out_features"][1]
    assert MOST_LAYERS * 2 * features**2 < 2**53
    channels, most_padding = (
        KINDS["Conv2d"][one][1] for one in ("out_channels", "padding")
    )
    grown = MOST_LAYERS * 2 * most_padding
    assert 40 * channels * (LARGEST_SIDE + grown) * (features + grown) < 2**53
    assert 5 * tracing.MOST < 2**53, "40 times as many are 8 times a whole number"
    assert channels**2 * KINDS["Conv2d"]["kernel_size"][1] ** 2 < features**2


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
        ("width", 65, "width must be a whole number from 0 to 64, not 65."),
        (
            "layers",
            [{"kind": "Conv2d", "kernel_size": (3, 65)}],
            "kernel_size must be a whole number from 1 to 64, not 65.",
        ),
        (
            "layers",
            [{"kind": "Conv2d", "out_channels": (3, 2)}],
            "out_channels must be a whole number from 1 to 10000, not (3, 2).",
        ),
        (
            "layers",
            [{"kind": "Conv2d", "stride": (1, 1, 1)}],
            "stride must be a whole number from 1 to 64, not (1, 1, 1).",
        ),
        (
            "network",
            "VGG",
            "There is no network called 'VGG'; choose one of Net, 32×32, ConvNet, 28×28",
        ),
        (
            "layers",
            [{"kind": "Conv"}],
            "A layer is a dict with a kind out of Conv2d, ConvTranspose2d, ReLU",
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


def test_height_and_width_may_differ():
    bench = ShapeTracer("one convolution", side=31, width=45)
    assert bench.trace.input_shape == (1, 31, 45)
    assert repr(bench).endswith("channels=1, side=31, width=45, derive=False)")
    bench.layers = [layer("Conv2d", kernel_size=[3, 5], stride=(2, 2))]
    (part,) = bench.layers
    assert (part["kernel_size"], part["stride"]) == ((3, 5), 2)
    assert bench.code == "nn.Sequential(nn.Conv2d(1, 6, kernel_size=(3, 5), stride=2))"
    assert bench.trace.shape == (6, 15, 21)
    bench.width = 0
    assert bench.trace.shape == (6, 15, 14)


@pytest.mark.parametrize("kind", ["Conv2d", "ConvTranspose2d"])
def test_groups_that_divide_no_channels_are_named(kind):
    bench = ShapeTracer("one convolution", channels=6)
    bench.layers = [layer(kind, out_channels=8, groups=4), layer("ReLU")]
    assert bench.trace.trouble == (
        f"layer 1 ({kind}): groups 4 must divide both in_channels 6 and "
        "out_channels 8. Use 2."
    )
    with pytest.raises(ValueError, match="divisible by groups"):
        eval(bench.code, {"nn": nn})
    bench.layers = [layer(kind, out_channels=8, groups=2)]
    (made,) = eval(bench.code, {"nn": nn})
    assert made.groups == 2 and not bench.trace.trouble
    assert bench.trace.parameters == sum(p.numel() for p in made.parameters())


def test_the_page_can_go_back_to_what_was_asked_for():
    bench = ShapeTracer("ConvNet, 28×28", channels=3, width=9)
    start = dict(network_index=1, channels=3, side=28, width=9, derive=False)
    assert bench._view.start == start
    bench.network, bench.side = "one convolution", 5
    assert bench._view.start == start | {"network_index": 2}
