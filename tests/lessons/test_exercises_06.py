"""The checkers of notebook 06 tell right from wrong kindly: hooks and gradients."""

import contextlib
import copy
from functools import partial

import torch
import torch.nn.functional as F
from exercises import lesson_06 as checks
from exercising import Lesson
from refresh import NOTEBOOKS


def outputs_of(
    model,
    names,
    images,
    keep=lambda given, output: output,
    bind=True,
    off="finally",
    mode=None,
):
    """What hooks find; the settings are the usual mistakes."""
    found, hooks = {}, []
    for last in names:

        def put(_layer, given, output, last=last):
            found[last if bind else names[-1]] = keep(given, output)

        hooks.append(model.get_submodule(last).register_forward_hook(put))
    model.train(model.training if mode is None else mode)
    with contextlib.ExitStack() as stack:
        if off == "finally":
            stack.callback(lambda: [hook.remove() for hook in hooks])
        model(images)
        for hook in hooks if off == "after" else []:
            hook.remove()
    return found


def by_getattr(model, names, images):
    found = {}
    for name in names:
        with getattr(model, name).register_forward_hook(
            lambda *seen, at=name: found.update({at: seen[2]})
        ):
            model(images)
    return {name: output.detach().numpy() for name, output in found.items()}


def by_submodule(model, names, images):
    found, stack = {}, contextlib.ExitStack()
    with torch.no_grad(), stack:
        for name in names:
            layer = dict(model.named_modules())[name]
            stack.enter_context(
                layer.register_forward_hook(
                    lambda _l, _g, output, at=name: found.update({at: output})
                )
            )
        model(images)
    return {name: found[name].tolist() for name in names}


def only_last(model, names, images):
    found = outputs_of(model, names, images)
    return dict.fromkeys(names, found[names[-1]])


def whole_model(model, names, images):
    return {name: model(images) for name in names}


def with_map(model, layer, k, value, images, at=lambda k: (slice(None), k), off=True):
    def fill(_layer, _given, output):
        output[at(k)] = value

    hook = getattr(model, layer).register_forward_hook(fill)
    logits = model(images)
    if off:
        hook.remove()
    return logits


def zeroed(model, layer, k, value, images):
    return with_map(model, layer, k, 0, images)


def by_weights(model, layer, k, value, images, bias=True, own=False):
    model = model if own else copy.deepcopy(model)
    with torch.no_grad():
        getattr(model, layer).weight[k] = 0
        if bias:
            getattr(model, layer).bias[k] = value
    return model(images).detach().numpy()


def step_up(model, image, label, size, way=torch.sign, low=0, own=False):
    x = (image if own else image.clone()).requires_grad_()
    loss = F.cross_entropy(model(x[None]), torch.tensor([label]))
    (slope,) = torch.autograd.grad(loss, x)
    return (x.detach() + size * way(slope)).clamp(low, 1 - low)


def step_in_place(*given):
    given[1].copy_(step_up(*given))
    return given[1]


def step_with_graph(model, image, label, size):
    x = image.clone().requires_grad_()
    (slope,) = torch.autograd.grad(
        F.cross_entropy(model(x[None]), torch.tensor([label])), x
    )
    return (x + size * slope.sign()).clamp(0, 1)


def leaving(answer, change):
    def changing(model, *rest):
        given = answer(model, *rest)
        change(model, *rest)
        return given

    return changing


def learn(model, *rest):
    model(torch.rand(2, 1, 28, 28)).sum().backward()


def by_backward(model, image, label, size):
    x = image.clone().requires_grad_()
    F.cross_entropy(model(x[None]), torch.tensor([label])).backward()
    return (image + size * x.grad.sign()).clamp(0, 1)


RIGHT = {
    checks.hooked: [outputs_of, by_submodule],
    checks.filled: [with_map, by_weights],
    checks.fooled: [step_up, lambda *given: step_up(*given).tolist()],
}
WRONG = {
    checks.hooked: [
        ({"conv1": 1}, "the answer is a function of model, names, images"),
        (lambda model, names, images: None, "is a return missing?"),
        (lambda *given: [*outputs_of(*given).values()], "list, not a dict"),
        (
            lambda model, names, images: outputs_of(model, ["conv2"], images),
            "the dict has the names",
        ),
        (lambda model, names, images: {}, "the dict has the names []"),
        (
            lambda *given: {torch.zeros(3, 3): 1},
            "the dict has the names [tensor([[0., 0., 0.],.",
        ),
        (
            partial(outputs_of, bind=False),
            "the dict has only the last: a hook made in a loop",
        ),
        (only_last, "conv1 holds the output of fc1: a hook made in a loop"),
        (whole_model, "conv1 holds the output of the whole model"),
        (
            partial(outputs_of, keep=lambda given, output: given),
            "conv1 holds what goes into the layer",
        ),
        (
            partial(outputs_of, keep=lambda given, output: given[0]),
            "conv1 holds what goes into the layer",
        ),
        (
            partial(outputs_of, keep=lambda given, output: output.relu()),
            "not what the layer gives",
        ),
        (
            partial(outputs_of, keep=lambda given, output: output[0]),
            "conv1 has the shape (2, 28, 28)",
        ),
        (partial(outputs_of, off=""), "afterwards a hook stays behind at 'conv1'"),
        (
            partial(outputs_of, off="after"),
            "stops with an error, as for images of another size",
        ),
        (partial(outputs_of, mode=False), "goes out in train(False)"),
        (by_getattr, "finds a submodule by its name"),
        (lambda model, names: {}, "stopped with TypeError"),
        (
            leaving(outputs_of, lambda model, *rest: model.requires_grad_(False)),
            "requires_grad",
        ),
    ],
    checks.filled: [
        (5, "the answer is a function of model, layer, k, value, images"),
        (lambda *given: None, "is a return missing?"),
        (
            lambda model, layer, k, value, images: model(images),
            "the logits are unchanged",
        ),
        (partial(by_weights, bias=False), "its bias is still there"),
        (zeroed, "let it hold value"),
        (partial(with_map, at=lambda k: slice(None)), "fill only map k"),
        (partial(with_map, at=lambda k: k), "the first axis is the image"),
        (partial(with_map, at=lambda k: (..., k)), "is map k, before ReLU"),
        (partial(with_map, off=False), "a hook stays behind at 'conv1'"),
        (partial(by_weights, own=True), "changed for good"),
        (
            lambda *given: with_map(*given)[0],
            "has the shape (10,); give 4 rows of 10 numbers",
        ),
        (lambda model: model, "stopped with TypeError"),
        (
            leaving(with_map, lambda model, *rest: model.train()),
            "goes out in train(True)",
        ),
        (leaving(with_map, learn), "another .grad"),
    ],
    checks.fooled: [
        (0.1, "the answer is a function of model, image, label, size"),
        (partial(step_up, way=lambda slope: -slope.sign()), "it goes down the loss"),
        (
            partial(step_up, way=lambda slope: -slope.sign(), low=-1),
            "it goes down the loss",
        ),
        (partial(step_up, low=-1), "clip them"),
        (partial(step_up, way=lambda slope: slope), "take only the sign"),
        (partial(step_up, way=lambda slope: slope, low=-1), "take only the sign"),
        (partial(step_up, way=torch.zeros_like), "the one that came in"),
        (
            lambda model, image, label, size: step_up(model, image, label + 1, size),
            "gradient of the label's",
        ),
        (step_in_place, "is changed too; work on a clone"),
        (partial(step_up, own=True), "work on a clone"),
        (step_with_graph, "detach it"),
        (
            lambda *given: step_up(*given)[None],
            "has the shape (1, 1, 28, 28); give numbers of shape (1, 28, 28)",
        ),
        (lambda *given: None, "is a return missing?"),
        (lambda model, image, label, size: model(image), "stopped with RuntimeError"),
        (by_backward, "another .grad"),
        (partial(step_up, way=lambda slope: 1 / slope.sign()), "is another"),
        (
            leaving(step_up, lambda model, *rest: model.train()),
            "goes out in train(True)",
        ),
        (
            leaving(step_up, lambda model, *rest: model.requires_grad_(False)),
            "requires_grad",
        ),
    ],
}


class TestCheckers(Lesson):
    right, wrong = RIGHT, WRONG
    notebook = NOTEBOOKS[5]
