"""The graph has torch's own nodes, names and shapes, as a text and as a picture."""

import networkx as nx
import pytest
import torch
import torch.nn.functional as F
from graphs import EACH_MODEL, Residual, Scale, Tied, made, net_and_loss, resnet
from torch import nn

from helpers import autograd
from helpers.networks import Net


def told(graph):
    return [
        (
            what["name"] or what["operation"],
            what["layer"],
            *what["shapes"],
            what["next"],
        )
        for _, what in graph.nodes(data=True)
    ]


def test_the_graph_of_net_has_names_edges_and_shapes():
    net, loss = net_and_loss()
    graph = autograd.graph(loss, net)
    assert told(graph) == [
        ("MseLossBackward0", "", (), (1, None)),
        ("AddmmBackward0", "fc3", (1, 10), (2, 5, 3)),
        ("fc3.bias", "", (10,), ()),
        ("TBackward0", "fc3", (84, 10), (4,)),
        ("fc3.weight", "", (10, 84), ()),
        ("ReluBackward0", "", (1, 84), (6,)),
        ("AddmmBackward0", "fc2", (1, 84), (7, 10, 8)),
        ("fc2.bias", "", (84,), ()),
        ("TBackward0", "fc2", (120, 84), (9,)),
        ("fc2.weight", "", (84, 120), ()),
        ("ReluBackward0", "", (1, 120), (11,)),
        ("AddmmBackward0", "fc1", (1, 120), (12, 15, 13)),
        ("fc1.bias", "", (120,), ()),
        ("TBackward0", "fc1", (576, 120), (14,)),
        ("fc1.weight", "", (120, 576), ()),
        ("ViewBackward0", "", (1, 576), (16,)),
        ("MaxPool2DWithIndicesBackward0", "", (1, 16, 6, 6), (17,)),
        ("ReluBackward0", "", (1, 16, 13, 13), (18,)),
        ("ConvolutionBackward0", "conv2", (1, 16, 13, 13), (21, 19, 20)),
        ("conv2.weight", "", (16, 6, 3, 3), ()),
        ("conv2.bias", "", (16,), ()),
        ("MaxPool2DWithIndicesBackward0", "", (1, 6, 15, 15), (22,)),
        ("ReluBackward0", "", (1, 6, 30, 30), (23,)),
        ("ConvolutionBackward0", "conv1", (1, 6, 30, 30), (None, 24, 25)),
        ("conv1.weight", "", (6, 1, 3, 3), ()),
        ("conv1.bias", "", (6,), ()),
    ]
    assert isinstance(graph, nx.DiGraph) and nx.is_directed_acyclic_graph(graph)
    assert graph.nodes[18]["saved"] == {
        "input": (1, 6, 15, 15),
        "weight": (16, 6, 3, 3),
    }


def test_a_shared_weight_is_one_leaf_with_both_names_and_two_ways_to_it():
    model = Tied()
    graph = autograd.graph(model(torch.randn(3, 4)).sum(), model)
    leaves = [what["name"] for _, what in graph.nodes(data=True) if what["leaf"]]
    assert sorted(leaves) == [
        "first.bias",
        "first.weight = second.weight",
        "second.bias",
    ]
    shared = next(number for number, name in graph.nodes(data="name") if "=" in name)
    assert graph.in_degree(shared) == 2 and graph.nodes[shared]["shapes"] == ((4, 4),)
    assert str(graph).count("first.weight = second.weight") == 2


def test_a_residual_connection_is_a_sum_with_two_ways_back_that_meet_again():
    model = Residual()
    graph = autograd.graph(model(torch.randn(1, 2, 5, 5)).sum(), model)
    assert told(graph)[1][0] == "AddBackward0"
    left, right = graph.nodes[1]["next"]
    assert graph.nodes[right]["operation"] == "ReluBackward0"
    assert graph.nodes[left][
        "operation"
    ] == "ConvolutionBackward0" and left in nx.descendants(graph, right)
    assert "as above" in str(graph)
    places, routes = autograd.layout(graph)
    assert routes[1, left][1][0] == -1, "the skip goes around the others"


def test_a_tensor_used_twice_by_one_operation_has_one_edge_and_two_places():
    a = torch.tensor(2.0, requires_grad=True)
    graph = autograd.graph(a * a, a=a)
    assert list(graph.edges) == [(0, 1)] and graph.nodes[0]["next"] == (1, 1)
    assert str(graph) == "0 MulBackward0  scalar\n├─[0] 1 a  scalar\n└─[1] 1 a  scalar"


def test_operations_in_place_and_on_views_are_in_the_graph():
    a = torch.randn(4, requires_grad=True)
    b = a * 3
    b.add_(1)
    b[:2].mul_(2)
    graph = autograd.graph(b.sum(), a=a)
    assert [what["operation"] for _, what in graph.nodes(data=True)] == [
        *(
            "SumBackward0",
            "CopySlices",
            "AddBackward0",
            "MulBackward0",
            "AccumulateGrad",
        ),
    ]
    assert autograd.record(b.sum(), a=a).gradients()["a"].tolist() == [6, 6, 3, 3]
    changed = a.exp()
    spoilt = (changed**2).sum()
    changed.add_(1)
    saved = {
        what["operation"]: what["saved"]
        for _, what in autograd.graph(spoilt, a=a).nodes(data=True)
    }
    assert saved["PowBackward0"] == {"self": "changed in place"}
    with pytest.raises(
        ValueError, match="changed in place after it was saved; change a copy"
    ):
        autograd.record(spoilt, a=a)


def test_a_function_of_ones_own_has_its_name_its_outputs_and_what_it_saved():
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    first, second, signs = Scale.apply(x, 5.0)
    graph = autograd.graph((first * 2 + second).sum(), x=x)
    number, own = next(
        (n, what)
        for n, what in graph.nodes(data=True)
        if what["operation"] == "ScaleBackward"
    )
    assert own["shapes"][:2] == ((2,), (2,)) and own["next"][0] == number + 1
    assert own["saved"] == {"saved_tensors[0]": (2,)}
    assert autograd.record((first * 2 + second).sum(), x=x).gradients()[
        "x"
    ].tolist() == [11, 11]
    with pytest.raises(ValueError, match="no graph"):
        autograd.graph(signs)


def test_a_graph_of_gradients_is_a_graph():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (slope,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
    penalty = (slope**2).sum()
    graph = autograd.graph(penalty, x=x)
    assert [
        what["name"] or what["operation"] for _, what in graph.nodes(data=True)
    ] == [
        *(
            "SumBackward0",
            "PowBackward0",
            "MulBackward0",
            "MulBackward1",
            "PowBackward0",
            "x",
        ),
    ]
    found = autograd.record(penalty, x=x).gradients()["x"]
    penalty.backward()
    assert torch.equal(found, x.grad) and found.tolist() == [36, 288]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: 3.0, "Give a tensor that was computed, such as a loss, not a float."),
        (lambda: torch.tensor([1, 2]), "The tensor of torch.int64 has no graph here"),
        (lambda: torch.tensor([True]), "The tensor of torch.bool has no graph here"),
        (lambda: torch.randn(2), "has no graph: nothing behind it requires a gradient"),
        (
            lambda: torch.randn(2, requires_grad=True),
            "is a leaf: it was not computed from others",
        ),
        ((torch.randn(2, requires_grad=True) * 2).detach, "or detached"),
        (
            lambda: torch.randn(2, dtype=torch.cfloat),
            "The tensor of torch.complex64 has no graph here",
        ),
        (
            lambda: torch.randn(2, dtype=torch.cfloat, requires_grad=True).abs().sum(),
            "The graph computes with torch.complex64",
        ),
    ],
)
@pytest.mark.parametrize("ask", [autograd.graph, autograd.record])
def test_where_there_is_no_graph_one_sentence_says_so(make, words, ask):
    with pytest.raises(ValueError, match=words) as caught:
        ask(make())
    assert "\n" not in str(caught.value)


def test_other_honest_mistakes_get_one_sentence():
    net, loss = net_and_loss()
    out = net(torch.randn(1, 1, 32, 32))
    for act, words in (
        (lambda: autograd.graph(loss, "net"), "model must be an nn.Module, not a str"),
        (
            lambda: autograd.graph(loss, x=3),
            "x is not in the graph: nothing was computed from it",
        ),
        (
            lambda: autograd.graph(loss, net, x=torch.zeros(1)),
            "x is not in the graph: nothing was computed from it",
        ),
        (
            lambda: autograd.graph(loss, Net()),
            "No parameter of the model is in the graph",
        ),
        (
            lambda: autograd.record(out, net),
            "has the shape 1×10, and backward starts from one number",
        ),
        (
            lambda: autograd.record(out, net, gradient=torch.ones(10)),
            "could not be computed: Mismatch in shape",
        ),
        (
            lambda: autograd.record(out, net, gradient=1),
            "could not be computed: .* but got int",
        ),
    ):
        with pytest.raises(ValueError, match=words):
            act()
    with torch.inference_mode():
        assert autograd.graph(loss, net).nodes[24]["name"] == "conv1.weight"
    loss.backward()
    with pytest.raises(
        ValueError, match="The graph is freed: backward.. has been through it"
    ):
        autograd.record(loss, net)
    assert autograd.graph(loss, net).nodes[5]["saved"] == {"result": "freed"}


def test_outputs_of_one_operation_have_names_of_their_own():
    x = torch.arange(4.0, requires_grad=True)
    left, right = x.split(2)
    graph = autograd.graph((left * right).sum(), x=x, left=left, right=right)
    assert [name for _, name in graph.nodes(data="name")] == [
        "",
        "",
        "left, right",
        "x",
    ]


def test_settings_that_are_not_torchs_defaults_are_known():
    x, target = torch.randn(3, requires_grad=True), torch.ones(3)
    for loss, usual in (
        (F.mse_loss(x, target), True),
        (F.mse_loss(x, target, reduction="sum"), False),
        (torch.add(x, target, alpha=2).sum(), False),
        (
            F.conv_transpose1d(
                x.view(1, 1, 3), torch.ones(1, 1, 2, requires_grad=True)
            ).sum(),
            False,
        ),
    ):
        assert (
            all(is_usual for _, is_usual in autograd.graph(loss).nodes(data="usual"))
            == usual
        )


def test_a_long_graph_is_a_text_and_no_picture():
    y = x = torch.ones(1, requires_grad=True)
    for _ in range(2000):
        y = y + 1
    graph = autograd.graph(y, x=x)
    assert (
        len(graph) == 2001
        and len(str(graph).splitlines()) == 4001
        and len(str(graph)) < 520_000
    )
    assert graph._repr_mimebundle_() == {
        "text/plain": "The graph has 2,001 nodes, too many to draw; print it to read it as a text."
    }


@EACH_MODEL
def test_the_layout_puts_nothing_on_top_of_anything_else(kind):
    model, loss = made(kind)
    graph = autograd.graph(loss, model)
    places, routes = autograd.layout(graph)
    taken = set(places.values())
    assert len(taken) == len(graph)
    for (start, end), route in routes.items():
        assert (
            route[0] == places[start]
            and route[-1] == places[end]
            and route[0][1] < route[-1][1]
        )
        assert [y for _, y in route] == sorted(y for _, y in route)
        for (x, y), (other, below) in zip(route[1:], route[2:-1], strict=False):
            assert x == other and not taken & {(x, row) for row in range(y, below + 1)}


@pytest.mark.slow
def test_the_drawing_of_a_large_network_is_an_svg_with_every_name(tmp_path):
    model = resnet()
    picture = autograd.graph(model(torch.randn(1, 3, 64, 64)).sum(), model).picture()
    texts = []
    for name in ("one.svg", "two.svg"):
        picture.save(tmp_path / name)
        texts.append((tmp_path / name).read_text(encoding="utf-8"))
    assert all(f"  {name}<" in texts[0] for name, _ in model.named_parameters())
    assert texts[0].count("ConvolutionBackward0") == 20
    assert texts[0].partition("</metadata>")[2] == texts[1].partition("</metadata>")[2]


def test_a_frozen_model_gives_no_names_and_is_no_other_model():
    frozen, x = nn.Linear(3, 2).requires_grad_(False), torch.randn(1, 3)
    found = autograd.graph(frozen(x.requires_grad_()).sum(), frozen)
    assert {what["name"] for _, what in found.nodes(data=True)} == {""}
    other = nn.Linear(3, 2)
    with pytest.raises(ValueError, match="computed by another one"):
        autograd.graph(other(x).sum(), nn.Linear(3, 2))
