"""The stepper shows, at every node, what the record holds; pictures and sentences come
from it and nowhere else.
"""

import gc
import json
import re

import ipywidgets as widgets
import pytest
import torch
import torch.nn.functional as F
from graphs import EACH_MODEL, made, net_and_loss

from helpers import autograd
from helpers.widgets.stepper import (
    DENSE,
    FEW,
    FULL,
    LARGEST_PICTURE,
    NO_COLOUR,
    NOT_FINITE,
    RULES,
    BackwardStepper,
    _board,
    _says,
    _shown,
)

WALK = """async (steps) => {
  const text = (selector) => [...document.querySelectorAll(selector)].map((one) => one.textContent);
  const piece = (one) => {
    const canvas = one.querySelector("canvas"), { width, height } = canvas;
    const pixels = canvas.hidden ? [] : [...canvas.getContext("2d").getImageData(0, 0, width, height).data];
    return { text: one.textContent, hidden: one.hidden, width, height, pixels };
  };
  const shown = [];
  for (const step of steps) {
    model.set("step", step);
    await Promise.resolve();
    const says = document.querySelector(".stepper-says");
    shown.push({ status: text(".bench-status")[0], says: [...says.children].map((one) => one.textContent),
      pieces: [...document.querySelectorAll(".piece")].map(piece), grads: text(".grad-scroll td:last-child"),
      boxes: [...document.querySelectorAll(".graph-node")].map((box) => box.getAttribute("class")) });
  }
  return JSON.stringify(shown);
}"""


@pytest.fixture(scope="module")
def stepper():
    net, loss = net_and_loss()
    for parameter in (net.fc1.weight, net.conv1.bias):
        parameter.grad = torch.ones_like(parameter)
    return BackwardStepper(loss, net)


@pytest.mark.browser
def test_the_page_shows_every_gradient_of_the_record(opened, stepper):
    stepper._repr_mimebundle_()
    view, record = stepper._view, stepper.record
    page = opened(view)
    shown = json.loads(page.evaluate(WALK, list(range(len(record.graph)))))
    arrivals = max(len(what["shapes"]) for _, what in record.graph.nodes(data=True))
    for step, one in enumerate(shown):
        operation, where = autograd.label(record.graph, step)
        assert one["status"] == f"Step {step} of 25: {operation} {where}."
        assert [box.split()[-1] for box in one["boxes"]] == ["done"] * step + [
            "current"
        ] + ["waiting"] * (25 - step)
        pieces = [piece for piece in one["pieces"] if not piece["hidden"]]
        truths = [
            record.arriving[step][0],
            *(g for g in record.leaving.get(step, []) if g is not None),
        ]
        assert arrivals == 1 and len(pieces) == len(truths)
        for piece, truth in zip(pieces, truths, strict=True):
            check_piece(piece, truth)
        node = record.graph.nodes[step]
        dense = node["operation"] == "AddmmBackward0"  # all of Net's are
        assert (DENSE if dense else RULES[node["operation"]]) in one["says"]
        check_grads(one["grads"], record, step)
    page.evaluate("clean()")
    assert page.evaluate("Object.values(model.heard).flat().length") == 0


def check_piece(piece, truth):
    assert autograd.size(tuple(truth.shape)) in piece["text"]
    norm = float(
        re.search(r"norm ([-+.e\d]+)|scalar, ([-+.e\d]+)", piece["text"]).group(
            1 if truth.ndim else 2
        )
    )
    assert norm == pytest.approx(float(truth.norm()), rel=1e-3)
    if 1 < truth.numel() <= LARGEST_PICTURE:
        assert piece["pixels"], "it fits, so it has a picture"
        pixels = torch.tensor(piece["pixels"]).view(piece["height"], piece["width"], 4)
        board = _board(truth.double()).long()
        assert pixels.shape[:2] == board.shape
        assert torch.equal(pixels[..., 3] == 0, board == NO_COLOUR)
        bluer = pixels[..., 2] - pixels[..., 0]
        assert (bluer[board > 0] < 0).all()
        assert (bluer[(board < 0) & (board > NO_COLOUR)] > 0).all()
        assert (bluer[board == 0] == 0).all()
    else:
        assert piece["pixels"] == []


def check_grads(cells, record, step):
    for cell, (leaf, before) in zip(cells, record.before.items(), strict=True):
        arrived = record.arriving[leaf][0]
        if step >= leaf:
            total = arrived if before is None else before + arrived
            assert float(cell.removeprefix("norm ")) == pytest.approx(
                float(total.norm()), rel=1e-3
            )
        else:
            assert cell == (
                "None" if before is None else f"norm {float(before.norm()):.4g}"
            )


@pytest.mark.browser
@pytest.mark.slow
def test_a_click_on_a_node_goes_there_and_a_large_graph_scrolls(opened):
    model, loss = made("batch norm")
    stepper = BackwardStepper(loss, model)
    stepper._repr_mimebundle_()
    page = opened(stepper)
    page.locator(".graph-node").nth(12).click()
    assert page.evaluate("model.get('step')") == 12
    page.evaluate("model.set('step', 125)")
    page.wait_for_function(
        "document.querySelector('.graph-node.current').textContent.startsWith('125  ')"
    )
    box, room = (
        page.locator(one).bounding_box()
        for one in (".graph-node.current", ".graph-scroll")
    )
    assert (
        room["y"] <= box["y"] and box["y"] + box["height"] <= room["y"] + room["height"]
    )


def test_every_word_of_the_graph_stands_inside_its_box(opened, stepper):
    stepper._repr_mimebundle_()
    page = opened(stepper)
    room = page.evaluate(
        "[...document.querySelectorAll('.graph-node')].map((node) => {"
        " const box = node.querySelector('rect').getBBox();"
        " return Math.min(...[...node.querySelectorAll('text')].map((text) => {"
        " const words = text.getBBox();"
        " return Math.min(words.x - box.x, box.x + box.width - words.x - words.width); })); })"
    )
    assert len(room) == 26 and min(room) >= 0


@EACH_MODEL
def test_every_model_can_be_stepped_through(kind):
    model, loss = made(kind)
    stepper = BackwardStepper(loss, model)
    data, metadata = stepper._repr_mimebundle_()
    assert {
        "image/png",
        "text/plain",
        "application/vnd.jupyter.widget-view+json",
    } <= set(data)
    assert "Step 0 of" in metadata["image/png"]["alt"] and " at 0x" not in repr(stepper)
    last = len(stepper.record.graph) - 1
    stepper.step = last
    assert stepper._view.step == stepper._slider.value == stepper._play.value == last
    stepper._view.step = 1
    assert stepper.step == 1 and f"step 1 of {last}" in repr(stepper)


@pytest.mark.parametrize("value", [-1, 26, 1.5, "3", None])
def test_a_step_that_is_none_gets_one_sentence(stepper, value):
    before = stepper.step
    with pytest.raises(
        ValueError, match=r"^step must be a whole number from 0 to 25, not .*\.$"
    ):
        stepper.step = value
    assert stepper.step == before


@pytest.mark.slow
def test_steppers_leave_nothing_behind_in_memory():
    net, loss = net_and_loss()

    def alive():
        gc.collect()
        return len(gc.get_objects()), len(widgets.widget._instances)

    BackwardStepper(loss, net)
    things, shown = alive()
    for _ in range(10):
        BackwardStepper(loss, net).step = 20
    now, still = alive()
    assert now - things < 10 and still == shown
    assert all(p.grad is None for p in net.parameters())
    loss.backward()


def test_a_graph_that_is_too_large_is_named_and_not_drawn():
    y = x = torch.ones(1, requires_grad=True)
    for _ in range(autograd.MOST_NODES):
        y = y * 1
    stepper = BackwardStepper(y, x=x)
    assert list(stepper._repr_mimebundle_()) == [
        "text/plain"
    ] and "too large to draw" in str(stepper._repr_mimebundle_())
    assert stepper.record.gradients()["x"].item() == 1


def test_a_stepper_may_start_from_a_tensor_with_a_gradient_of_ones_own():
    net, _ = net_and_loss()
    x, gradient = torch.randn(2, 1, 32, 32), torch.randn(2, 10)
    out = net(x)
    found = BackwardStepper(out, net, gradient=gradient).record.gradients()
    out.backward(gradient)
    assert all(torch.equal(found[name], p.grad) for name, p in net.named_parameters())


def test_a_board_has_each_number_once_and_lines_between_tiles():
    weight = torch.arange(1.0, 3 * 2 * 4 * 5 + 1).view(3, 2, 4, 5)
    board = _board(weight)
    assert board.shape == (2 * 5 - 1, 3 * 6 - 1)
    assert sorted(board[board != NO_COLOUR].tolist()) == sorted(
        (FULL * weight / 120).round().int().flatten().tolist()
    )
    assert torch.equal(
        board[5:, 6:11], (FULL * weight[1, 1] / 120).round().to(torch.int8)
    )
    assert _board(torch.randn(1, 6, 30, 30)).shape == (2 * 31 - 1, 3 * 31 - 1)
    assert _board(torch.tensor([1.0, -2, 0, float("nan")])).tolist() == [
        [63, -FULL, 0, NOT_FINITE]
    ]
    assert (_board(torch.zeros(3, 3)) == 0).all()


def test_few_numbers_are_said_and_many_are_summed_up():
    assert _says(torch.tensor([3.0, -4.0])) == "2, norm 5: 3  -4"
    assert (
        _says(torch.tensor(-2.0)) == "scalar, -2"
        and _says(torch.tensor([-2.0])) == "1, -2"
    )
    many = torch.cat((torch.zeros(FEW), torch.ones(4)))
    assert _says(many) == "16, norm 2; 12 of 16 numbers are 0, from 0 to 1"
    assert _says(torch.tensor([1.0, float("nan")] * 8)).endswith(
        "none is 0, 8 are not finite, from 1 to 1"
    )
    assert (
        _says(torch.full((16,), float("nan")))
        == "16, norm nan; 16 numbers, none is 0, 16 are not finite"
    )
    assert _says(torch.ones(16)) == "16, norm 4; 16 numbers, none is 0, from 1 to 1"


def routed(make, *shapes):
    """Return what arrives at an operation, and what it passes on, with its inputs."""
    torch.manual_seed(0)
    given = [torch.randn(shape, requires_grad=True) for shape in shapes]
    out = make(*given)
    record = autograd.record(out, gradient=torch.randn(out.shape))
    return (
        record.arriving[0][0],
        [gradient for gradient in record.leaving[0] if gradient is not None],
        given,
        out,
    )


@pytest.mark.slow
def test_what_the_rules_say_is_what_torch_does():
    assert set(RULES) >= {
        what["operation"]
        for _, what in autograd.graph(*net_and_loss()[::-1]).nodes(data=True)
    }
    g, (left, right), _, _ = routed(lambda a, b: a + b, (3,), (3,))
    assert torch.equal(left, g) and torch.equal(right, g)
    g, (left, right), _, _ = routed(lambda a, b: a - b, (3,), (3,))
    assert torch.equal(left, g) and torch.equal(right, -g)
    g, (left, right), (a, b), _ = routed(lambda a, b: a * b, (3,), (3,))
    assert torch.allclose(left, g * b) and torch.allclose(right, g * a)
    g, (left, right), (a, b), _ = routed(lambda a, b: a @ b, (2, 3), (3, 4))
    assert torch.allclose(left, g @ b.T) and torch.allclose(right, a.T @ g)
    g, (left, *_), (a, b), _ = routed(lambda a, b: a / b, (3,), (3,))
    assert torch.allclose(left, g / b)
    g, (bias, x, weight), (c, a, b), _ = routed(torch.addmm, (4,), (2, 3), (3, 4))
    assert (
        torch.allclose(bias, g.sum(0))
        and torch.allclose(x, g @ b.T)
        and torch.allclose(weight, a.T @ g)
    )
    for make, truth in (
        (lambda a: -a, lambda g, a, out: -g),
        (lambda a: a**3, lambda g, a, out: g * 3 * a**2),
        (torch.relu, lambda g, a, out: g * (out > 0)),
        (lambda a: a.sum(), lambda g, a, out: g.expand_as(a)),
        (lambda a: a.mean(), lambda g, a, out: g.expand_as(a) / a.numel()),
        (lambda a: a.t(), lambda g, a, out: g.T),
        (lambda a: a.view(-1), lambda g, a, out: g.view(a.shape)),
        (lambda a: a.clone(), lambda g, a, out: g),
        (
            lambda a: a.log_softmax(1),
            lambda g, a, out: g - out.exp() * g.sum(1, keepdim=True),
        ),
        (
            lambda a: F.mse_loss(a, torch.ones(4, 4)),
            lambda g, a, out: g * 2 * (a - 1) / a.numel(),
        ),
        (
            lambda a: F.nll_loss(a, torch.tensor([0, 1, 3, 0])),
            lambda g, a, out: -g / 4 * F.one_hot(torch.tensor([0, 1, 3, 0]), 4),
        ),
    ):
        g, (given,), (a,), out = routed(make, (4, 4))
        assert torch.allclose(given, truth(g, a, out), atol=1e-6), out.grad_fn
    g, (given,), (a,), out = routed(lambda a: F.max_pool2d(a, 2), (1, 1, 4, 4))
    assert torch.equal(given[given != 0].sort().values, g.flatten().sort().values)
    assert torch.equal(a[given != 0].sort().values, out.flatten().sort().values)
    g, (x, weight, bias), (a, w, b), _ = routed(
        F.conv2d, (2, 3, 5, 5), (4, 3, 3, 3), (4,)
    )
    windows = F.unfold(a, 3)
    assert torch.allclose(bias, g.sum((0, 2, 3)), atol=1e-5)
    assert torch.allclose(
        weight.flatten(1), (g.flatten(2) @ windows.transpose(1, 2)).sum(0), atol=1e-4
    )
    assert torch.allclose(
        x, F.fold(w.flatten(1).T @ g.flatten(2), (5, 5), 3), atol=1e-4
    )


def test_only_a_layer_with_its_weight_turned_over_is_called_dense():
    a, b, m = (torch.randn(3, 3, requires_grad=True) for _ in range(3))
    general = BackwardStepper(torch.addmm(m, a, b).sum(), m=m, a=a, b=b)
    dense = BackwardStepper(F.linear(a, b, m[0]).sum(), a=a, b=b)
    rules = [
        [node["rule"] for node in _shown(stepper.record)["nodes"]]
        for stepper in (general, dense)
    ]
    assert RULES["AddmmBackward0"] in rules[0] and DENSE not in rules[0]
    assert DENSE in rules[1] and RULES["AddmmBackward0"] not in rules[1]
    record = general.record.gradients()
    assert torch.allclose(record["a"], torch.ones(3, 3) @ b.T)
    assert torch.allclose(record["b"], a.T @ torch.ones(3, 3))
