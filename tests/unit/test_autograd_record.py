"""A record holds torch's own gradients and disturbs nothing."""

import gc
import weakref

import pytest
import torch
from graphs import EACH_MODEL, Scale, made, net_and_loss

from helpers import autograd


@EACH_MODEL
def test_gradients_are_those_of_backward_and_nothing_else_changes(kind):
    model, loss = made(kind)
    for parameter in list(model.parameters())[::2]:
        parameter.grad = torch.ones_like(parameter)
    grads = {name: p.grad for name, p in model.named_parameters()}
    copies = {
        name: None if grad is None else grad.clone() for name, grad in grads.items()
    }
    found = autograd.record(loss, model)
    for name, parameter in model.named_parameters():
        assert parameter.grad is grads[name]
        assert grads[name] is None or torch.equal(grads[name], copies[name])
        parameter.grad = None
    loss.backward()
    gradients = found.gradients()
    for name, parameter in model.named_parameters(remove_duplicate=True):
        key = next(key for key in gradients if name in key.split(" = "))
        grad = parameter.grad.to_dense() if parameter.grad.is_sparse else parameter.grad
        assert torch.equal(gradients[key], grad), name


@EACH_MODEL
def test_what_leaves_one_node_adds_up_to_what_arrives_at_the_next(kind):
    model, loss = made(kind)
    found = autograd.record(loss, model)
    sums = {
        number: [None] * len(what["shapes"])
        for number, what in found.graph.nodes(data=True)
    }
    nodes = autograd._nodes(loss)
    for number, leaving in found.leaving.items():
        for (other, output), gradient in zip(
            nodes[number].next_functions, leaving, strict=True
        ):
            if other is not None and gradient is not None:
                before = sums[nodes.index(other)][output]
                sums[nodes.index(other)][output] = (
                    gradient if before is None else before + gradient
                )
    for number, arriving in found.arriving.items():
        for total, gradient in zip(sums[number], arriving, strict=True):
            if number and gradient is not None:
                assert torch.allclose(total.to_dense(), gradient, atol=1e-5), (
                    found.graph.nodes[number]["operation"]
                )


@EACH_MODEL
def test_nodes_are_numbered_as_the_engine_meets_them(kind):
    model, loss = made(kind)
    nodes, met = autograd._nodes(loss), []
    for number, node in enumerate(nodes):
        node.register_hook(lambda *_, number=number: met.append(number))
    loss.backward()
    # Leaves that wait at the same time are equal to the engine, so their order among
    # each other is open.
    leaves = {number for number, node in enumerate(nodes) if not node.next_functions}
    assert [-1 if number in leaves else number for number in met] == [
        -1 if number in leaves else number for number in range(len(nodes))
    ]


def test_a_tensor_with_retain_grad_and_ones_own_hooks_keep_what_they_have():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    hidden = x * 3
    hidden.retain_grad()
    x.register_hook(lambda gradient: gradient * 10)
    loss = (hidden**2).sum()
    found = autograd.record(loss, x=x, hidden=hidden)
    assert hidden.grad is None and x.grad is None
    loss.backward()
    assert torch.equal(found.gradients()["x"], x.grad) and hidden.grad.tolist() == [
        6,
        12,
    ]
    assert [what["name"] for _, what in found.graph.nodes(data=True)] == [
        "",
        "",
        "hidden",
        "x",
    ]


@pytest.mark.slow
def test_neither_graph_nor_record_keeps_anything_alive():
    def held():
        gc.collect()
        return sum(
            issubclass(type(thing), torch.Tensor | torch.autograd.graph.Node)
            for thing in gc.get_objects()
        )

    net, loss = net_and_loss()
    autograd.record(loss, net)
    del loss
    before = held()
    gc.disable()
    hidden = net(torch.randn(1, 1, 32, 32)).sum() * 2
    hidden_ref = weakref.ref(hidden)
    kept = [
        (autograd.graph(hidden, net), autograd.record(hidden, net)) for _ in range(5)
    ]
    x = torch.ones(2, requires_grad=True)
    out = Scale.apply(x, 2.0)[0].sum()
    ctx = weakref.ref(out.grad_fn.next_functions[0][0])
    autograd.record(out, x=x)
    del hidden, out
    assert kept and hidden_ref() is None and ctx() is None, (
        "gone at once, without the collector"
    )
    gc.enable()
    del kept, x
    assert held() == before


def test_every_hook_is_gone_afterwards_whatever_happens(monkeypatch):
    calls = []
    catch = autograd._catch

    def spy(found, number, *rest):
        calls.append(number)
        catch(found, number, *rest)

    monkeypatch.setattr(autograd, "_catch", spy)
    net, loss = net_and_loss()
    autograd.record(loss, net)
    assert len(calls) == 16
    for error in (KeyboardInterrupt, RuntimeError("from a hook")):

        def stop(_gradient, error=error):
            raise error

        handle = net.conv2.bias.register_hook(stop)
        with pytest.raises(
            KeyboardInterrupt if error is KeyboardInterrupt else ValueError
        ):
            autograd.record(loss, net)
        handle.remove()
    calls.clear()
    loss.backward(retain_graph=True)
    assert calls == [] and net.conv1.weight.grad is not None
    before = net.conv1.weight.grad.clone()
    assert torch.equal(autograd.record(loss, net).gradients()["conv1.weight"], before)
