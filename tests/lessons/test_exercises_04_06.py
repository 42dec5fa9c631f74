"""Each checker of notebooks 04 to 06 tells right from wrong kindly."""

import contextlib
import copy
import math
from collections import Counter
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from exercises import lesson_04, lesson_05, lesson_06
from exercising import said, verdicts_on_solutions
from refresh import NOTEBOOKS
from torch import nn
from torch.utils.data import DataLoader, Subset


def cross_entropy(logits, labels):
    return (logits.logsumexp(dim=1) - logits[torch.arange(len(labels)), labels]).mean()


def from_softmax(logits, labels):
    return -logits.softmax(dim=1)[torch.arange(len(labels)), labels].log().mean()


def share_right(model, images, labels, evaluate=True, back=True, graph=False, scale=1):
    mode = model.training
    model.train(not evaluate)
    with torch.set_grad_enabled(graph):
        right = (model(images).argmax(1) == labels).float().mean()
    model.train(mode if back else False)
    return scale * right.item()


def held(labels, count, seed=0):
    generator = torch.Generator().manual_seed(seed) if seed is not None else None
    places = [(labels == k).nonzero()[:, 0] for k in labels.unique()]
    return torch.cat(
        [
            place[torch.randperm(len(place), generator=generator)[:count]]
            for place in places
        ]
    )


def only_classes(dataset, classes, batch_size, shuffled=True):
    chosen = Subset(
        dataset, [i for i in range(len(dataset)) if int(dataset[i][1]) in classes]
    )
    return DataLoader(chosen, batch_size=batch_size, shuffle=shuffled)


def stop_after(accuracies, patience):
    best, since = -1, 0
    for epoch, accuracy in enumerate(accuracies, 1):
        best, since = (accuracy, 0) if accuracy > best else (best, since + 1)
        if since == patience:
            return epoch
    return len(accuracies)


def bounds(right, total, clip=True):
    p = right / total
    margin = 1.96 * (p * (1 - p) / total) ** 0.5
    return (
        (max(0.0, p - margin), min(1.0, p + margin))
        if clip
        else (p - margin, p + margin)
    )


def wilson(right, total, z=1.96):
    p, share = right / total, z**2 / total
    middle, wide = p + share / 2, z * (p * (1 - p) / total + share / total / 4) ** 0.5
    return (middle - wide) / (1 + share), (middle + wide) / (1 + share)


def since_the_last(accuracies, patience):
    bad = 0
    for epoch, (before, accuracy) in enumerate(
        zip([-1, *accuracies], accuracies, strict=False), 1
    ):
        bad = 0 if accuracy > before else bad + 1
        if bad == patience:
            return epoch
    return len(accuracies)


def only_itself(model, images, labels):
    mode = model.training
    right = share_right(model, images, labels, back=False)
    model.training = mode
    return right


NINE = {2, 3, 6, 9, 15, 27, 28, 31, 33}


def relu_nodes(loss, place=1):
    first = loss.grad_fn.next_functions[0][0].next_functions[place][0]
    return [first, first.next_functions[0][0].next_functions[1][0]]


def mean_of_losses(net, batches, criterion):
    with torch.no_grad():
        return sum(criterion(net(x), target).item() for x, target in batches) / len(
            batches
        )


def momentum(parameters, velocities, lr, keep, first="velocity"):
    with torch.no_grad():
        for parameter, velocity in zip(parameters, velocities, strict=True):
            if first == "parameter":
                parameter.sub_(lr * velocity)
            velocity.mul_(keep).add_(parameter.grad)
            if first == "velocity":
                parameter.sub_(lr * velocity)


def new_parameters(parameters, velocities, lr, keep):
    parameters[:] = [p.detach() - lr * p.grad for p in parameters]


def one_over(exponent=-1, backward=lambda x, arriving: -arriving / x**2):
    def keep(ctx, x):
        ctx.save_for_backward(x)
        return x**exponent

    parts = {
        "forward": keep,
        "backward": lambda ctx, arriving: backward(*ctx.saved_tensors, arriving),
    }
    return type(
        "OneOver",
        (torch.autograd.Function,),
        {name: staticmethod(part) for name, part in parts.items()},
    )


def train(
    net,
    x,
    target,
    steps,
    lr,
    clear=True,
    keep=lambda loss: loss.item(),
    how=torch.optim.SGD,
):
    optimizer, losses = how(net.parameters(), lr=lr), []
    for _ in range(steps):
        if clear:
            optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(x), target)
        loss.backward()
        optimizer.step()
        losses.append(keep(loss))
    return losses


def no_step(net, x, target, steps, lr):
    return [nn.functional.mse_loss(net(x), target).item() for _ in range(steps)]


def switch_off(net, batches, criterion):
    torch.set_grad_enabled(False)
    return mean_of_losses(net, batches, criterion)


def slow_mean(net, batches, criterion):
    return sum(criterion(net(x), target).item() for x, target in batches) / len(batches)


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


def by_weights(model, layer, k, value, images, bias=True, own=False):
    model = model if own else copy.deepcopy(model)
    with torch.no_grad():
        getattr(model, layer).weight[k] = 0
        if bias:
            getattr(model, layer).bias[k] = value
    return model(images).detach().numpy()


def shares(matrix, floor=1):
    right = matrix.diagonal()
    return torch.stack([right / matrix.sum(1), right / matrix.sum(0).clamp(min=floor)])


def shares_in_lists(matrix):
    table = matrix.tolist()
    sums = (
        [sum(row) for row in table],
        [sum(column) for column in zip(*table, strict=True)],
    )
    return [
        [table[i][i] / total if total else 0 for i, total in enumerate(row)]
        for row in sums
    ]


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


def centre(image, first=0):
    places = (torch.arange(size) + first for size in image.shape)
    return tuple(
        ((image.sum(1 - axis) * place).sum() / image.sum()).item()
        for axis, place in enumerate(places)
    )


def gap(
    confidences,
    right,
    bins,
    size=abs,
    weight=lambda n, total, bins: n / total,
    skip=True,
    top=True,
):
    total = 0
    for b in range(bins):
        inside = (confidences >= b / bins) & (
            confidences < (b + 1) / bins + (top and b == bins - 1)
        )
        if inside.any() or not skip:
            distance = right[inside].float().mean() - confidences[inside].mean()
            total += weight(inside.sum(), len(right), bins) * size(distance)
    return total


def gap_in_lists(confidences, right, bins, top=True):
    held = [[] for _ in range(bins)]
    for confidence, hit in zip(confidences.tolist(), right.tolist(), strict=True):
        held[
            min(int(confidence * bins), bins - 1) if top else int(confidence * bins)
        ].append(hit - confidence)
    return sum(abs(sum(inside)) for inside in held) / len(right)


def gap_with_ones_apart(confidences, right, bins):
    places = (confidences * bins).long()
    apart = [
        (right[places == one].float() - confidences[places == one]).sum().abs()
        for one in places.unique()
    ]
    return sum(apart) / len(right)


def vote(
    image,
    images,
    labels,
    k,
    sign=1,
    distance=lambda image, images: (images - image).flatten(1).norm(dim=1),
):
    return labels[(sign * distance(image, images)).argsort()[:k]].mode().values


def counted(image, images, labels, k):
    order = sorted(
        range(len(images)), key=lambda i: F.mse_loss(images[i], image[0][None]).item()
    )
    return Counter(labels[order[:k]].tolist()).most_common(1)[0][0]


RIGHT = [
    (lesson_04.chain, (16, 4, 4)),
    (lesson_04.chain, torch.tensor([16.0, 4, 4])),
    (lesson_04.path_to_weight, [0, 1, 0, 2, 0]),
    (lesson_04.path_to_weight, (0, 1, 0, 2, 0)),
    (lesson_04.find_relus, relu_nodes),
    (
        lesson_04.fitting_loss,
        lambda prediction, target: ((prediction.squeeze(1) - target) ** 2).mean(),
    ),
    (lesson_04.mean_loss, mean_of_losses),
    (lesson_04.momentum_step, momentum),
    (lesson_04.reciprocal, one_over()),
    (
        lesson_04.reciprocal,
        one_over(backward=lambda x, arriving: arriving.div_(-(x**2))),
    ),
    (lesson_04.five_lines, train),
    (
        lesson_05.steps,
        lambda images, batch_size, epochs: epochs * -(-images // batch_size),
    ),
    (lesson_05.cross_entropy, cross_entropy),
    (
        lesson_05.cross_entropy,
        lambda logits, labels: float(cross_entropy(logits, labels)),
    ),
    (lesson_05.interval, wilson),
    (
        lesson_05.cross_entropy,
        lambda logits, labels: F.nll_loss(F.log_softmax(logits, 1), labels),
    ),
    (lesson_05.honest_accuracy, share_right),
    (lesson_05.hold_out, held),
    (lesson_05.loader_of, only_classes),
    (lesson_05.interval, bounds),
    (lesson_05.early_stop, stop_after),
    (lesson_05.nine_faults, NINE),
    (lesson_05.nine_faults, frozenset(NINE - {31, 28} | {25, 34})),
    (lesson_06.hooked, outputs_of),
    (lesson_06.hooked, by_submodule),
    (lesson_06.filled, with_map),
    (lesson_06.filled, by_weights),
    (lesson_06.recall_precision, shares),
    (lesson_06.recall_precision, shares_in_lists),
    (
        lesson_06.recall_precision,
        lambda matrix: (shares(matrix)[0].numpy(), shares(matrix)[1].numpy()),
    ),
    (lesson_06.fooled, step_up),
    (lesson_06.fooled, lambda *given: step_up(*given).tolist()),
    (lesson_06.centre_of_mass, centre),
    (lesson_06.centre_of_mass, lambda image: torch.tensor(centre(image))),
    (lesson_06.calibration_error, gap),
    (lesson_06.calibration_error, gap_in_lists),
    (lesson_06.nearest, vote),
    (lesson_06.nearest, counted),
    (lesson_06.supported, {2, 3, 6, 8}),
    (lesson_06.supported, [8, 6, 3, 2]),
]
WRONG = [
    (lesson_04.chain, (4, 1, 1), "what arrives at it has still to be multiplied"),
    (lesson_04.chain, (16, 4, 1), "number 3 is not 1"),
    (lesson_04.chain, 16, "give 3 numbers"),
    (
        lesson_04.path_to_weight,
        [0, 0],
        "it leads MseLossBackward0 → AddmmBackward0 → AccumulateGrad, which is fc3.bias",
    ),
    (lesson_04.path_to_weight, [0, 1], "ReluBackward0, which is no leaf"),
    (
        lesson_04.path_to_weight,
        [1],
        "at place 1, behind MseLossBackward0, no gradient is needed",
    ),
    (
        lesson_04.path_to_weight,
        [0, 7],
        "MseLossBackward0 → AddmmBackward0 has no place 7",
    ),
    (lesson_04.path_to_weight, [0, -1], "has no place -1"),
    (lesson_04.path_to_weight, "0, 1", "give a list of places"),
    (
        lesson_04.path_to_weight,
        [0.0, 1.0, 0.0, 2.0, 0.0],
        "places are whole numbers, like [0, 1]; 0.0 is none",
    ),
    (
        lesson_04.find_relus,
        lambda loss: [relu_nodes(loss)[0]] * 2,
        "the second is a ReLU, but another one",
    ),
    (
        lesson_04.find_relus,
        lambda loss: relu_nodes(loss)[::-1],
        "the first is a ReLU, but another one",
    ),
    (
        lesson_04.find_relus,
        lambda loss: loss.grad_fn.next_functions[0][0].next_functions[:2],
        "the first is a pair",
    ),
    (
        lesson_04.find_relus,
        lambda loss: [loss.grad_fn, None],
        "the first is MseLossBackward0; which place",
    ),
    (lesson_04.find_relus, lambda loss: relu_nodes(loss)[0], "not a list"),
    (lesson_04.find_relus, lambda loss: None, "return missing"),
    (lesson_04.find_relus, "ReLU", "function of loss"),
    (
        lesson_04.fitting_loss,
        nn.functional.mse_loss,
        "each prediction meet only its own target",
    ),
    (
        lesson_04.fitting_loss,
        lambda p, t: nn.functional.mse_loss(p.squeeze(), t),
        "torch still warns",
    ),
    (
        lesson_04.fitting_loss,
        lambda p, t: nn.functional.mse_loss(p.T, t),
        "torch still warns",
    ),
    (
        lesson_04.fitting_loss,
        lambda p, t: nn.functional.mse_loss(p[:, 0].detach(), t),
        "has no graph",
    ),
    (lesson_04.fitting_loss, lambda p, t: 0.5, "the loss is another"),
    (lesson_04.mean_loss, lambda net, batches, criterion: None, "return missing"),
    (
        lesson_04.mean_loss,
        lambda net, batches, criterion: sum(criterion(net(x), t) for x, t in batches),
        "plain number with item()",
    ),
    (lesson_04.mean_loss, slow_mean, "which block stops that"),
    (lesson_04.mean_loss, switch_off, "gradients are off for good"),
    (
        lesson_04.mean_loss,
        lambda *given: 3 * mean_of_losses(*given),
        "the mean of their losses is",
    ),
    (lesson_04.mean_loss, 0.5, "the answer is a function of net, batches, criterion"),
    (lesson_04.momentum_step, lambda *given: None, "nothing has moved"),
    (
        lesson_04.momentum_step,
        lambda *given: momentum(*given, first="parameter"),
        "changed first, and then used",
    ),
    (
        lesson_04.momentum_step,
        lambda ps, vs, lr, keep: momentum(ps, vs, lr, 0),
        "SGD without momentum",
    ),
    (
        lesson_04.momentum_step,
        lambda ps, vs, lr, keep: momentum(ps, vs, 0.1, 0.9),
        "after step 1 the parameters are not",
    ),
    (
        lesson_04.momentum_step,
        lambda ps, vs, lr, keep: momentum(ps[:1], vs[:1], lr, keep),
        "only the first parameter",
    ),
    (lesson_04.momentum_step, new_parameters, "the list holds new tensors"),
    (
        lesson_04.momentum_step,
        0.9,
        "the answer is a function of parameters, velocities, lr, momentum",
    ),
    (
        lesson_04.reciprocal,
        one_over(backward=lambda x, arriving: arriving / x),
        "does not give what arrives times −1/x²",
    ),
    (
        lesson_04.reciprocal,
        one_over(backward=lambda x, arriving: arriving / x**2),
        "the wrong sign",
    ),
    (
        lesson_04.reciprocal,
        one_over(backward=lambda x, arriving: -1 / x**2),
        "what arrives has still to be multiplied",
    ),
    (
        lesson_04.reciprocal,
        one_over(backward=lambda x, arriving: None),
        "what backward returns is None; is a return missing",
    ),
    (lesson_04.reciprocal, one_over(2), "forward does not give 1/x"),
    (lesson_04.reciprocal, one_over().apply, "give the class itself"),
    (
        lesson_04.five_lines,
        lambda *given: train(*given, clear=False),
        "is .grad cleared at each step",
    ),
    (
        lesson_04.five_lines,
        lambda *given: train(*given, keep=lambda loss: loss),
        "keep loss.item()",
    ),
    (
        lesson_04.five_lines,
        lambda *given: train(*given, keep=lambda loss: loss.item),
        "give one number",
    ),
    (
        lesson_04.five_lines,
        lambda *given: train(*given, how=torch.optim.Adam),
        "one step of plain SGD",
    ),
    (
        lesson_04.five_lines,
        lambda net, x, target, steps, lr: train(net, x, target, steps, 0.01),
        "the lr that is given",
    ),
    (
        lesson_04.five_lines,
        lambda *given: train(*given)[1:],
        "for 5 steps it returns 4 losses",
    ),
    (
        lesson_04.five_lines,
        lambda *given: train(*given, keep=lambda loss: 2 * loss.item()),
        "the first loss is another",
    ),
    (lesson_04.five_lines, no_step, "net has not changed"),
    (lesson_04.five_lines, lambda *given: None, "is a return missing?"),
    (lesson_05.steps, 860, "a function of images, batch_size, epochs"),
    (
        lesson_05.steps,
        lambda images, batch_size, epochs: epochs * images // batch_size,
        "and should be",
    ),
    (
        lesson_05.steps,
        lambda images, batch_size, epochs: math.ceil(epochs * images / batch_size),
        "and should be",
    ),
    (lesson_05.steps, lambda images, batch_size, epochs: None, "is a return missing?"),
    (
        lesson_05.cross_entropy,
        lambda logits, labels: cross_entropy(logits, labels) * len(labels),
        "and should be",
    ),
    (lesson_05.cross_entropy, from_softmax, "for logits of ±1,000 it gives"),
    (lesson_05.cross_entropy, lambda logits, labels: logits, "give one number"),
    (lesson_05.honest_accuracy, 0.99, "a function of model, images, labels"),
    (lesson_05.honest_accuracy, partial(share_right, evaluate=False), "is dropout off"),
    (
        lesson_05.honest_accuracy,
        partial(share_right, back=False),
        "goes out in train(False)",
    ),
    (lesson_05.honest_accuracy, partial(share_right, graph=True), "a graph is made"),
    (lesson_05.honest_accuracy, partial(share_right, scale=100), "in percent"),
    (
        lesson_05.honest_accuracy,
        lambda model, images, labels: None,
        "is a return missing?",
    ),
    (
        lesson_05.honest_accuracy,
        lambda model, images, labels: torch.tensor(0.75),
        "item()",
    ),
    (lesson_05.hold_out, partial(held, seed=None), "where is the seed?"),
    (
        lesson_05.hold_out,
        lambda labels, count: torch.arange(count * len(labels.unique())),
        "the classes come",
    ),
    (
        lesson_05.hold_out,
        lambda labels, count: labels[held(labels, count)] * 0,
        "some indices come twice",
    ),
    (
        lesson_05.hold_out,
        lambda labels, count: held(labels, count).tolist(),
        "list, not a Tensor",
    ),
    (
        lesson_05.hold_out,
        lambda labels, count: held(labels, count).float(),
        "whole numbers",
    ),
    (
        lesson_05.loader_of,
        lambda dataset, classes, batch_size: dataset,
        "not a DataLoader",
    ),
    (
        lesson_05.loader_of,
        lambda dataset, classes, batch_size: DataLoader(dataset, batch_size),
        "asked for the classes",
    ),
    (
        lesson_05.loader_of,
        lambda dataset, classes, batch_size: DataLoader([]),
        "only int(label)",
    ),
    (lesson_05.loader_of, partial(only_classes, shuffled=False), "the same order"),
    (
        lesson_05.loader_of,
        lambda dataset, classes, batch_size: only_classes(dataset, classes, 1),
        "have 1 images",
    ),
    (
        lesson_05.interval,
        lambda right, total: right / total,
        "the pair (low, high) is one number; give 2 numbers",
    ),
    (lesson_05.interval, partial(bounds, clip=False), "beyond 0 or 1"),
    (lesson_05.interval, lambda right, total: (0.9, 0.99), "√"),
    (lesson_05.interval, partial(wilson, z=2), "√"),
    (lesson_05.early_stop, since_the_last, "and should be"),
    (lesson_05.honest_accuracy, only_itself, "or a layer of it"),
    (
        lesson_05.early_stop,
        lambda accuracies, patience: len(accuracies),
        "and should be",
    ),
    (
        lesson_05.early_stop,
        lambda accuracies, patience: 1 + accuracies.index(max(accuracies)),
        "and should be",
    ),
    (lesson_05.nine_faults, {2, 3}, "2 of nine found. Of the others: from which side"),
    (lesson_05.nine_faults, NINE | {20}, "9 of nine found; line 20 is not one of them"),
    (lesson_05.nine_faults, {0, 2}, "from 1 to 34"),
    (lesson_05.nine_faults, 9, "give a set of line numbers"),
    (
        lesson_06.hooked,
        {"conv1": 1},
        "the answer is a function of model, names, images",
    ),
    (lesson_06.hooked, lambda model, names, images: None, "is a return missing?"),
    (
        lesson_06.hooked,
        lambda *given: [*outputs_of(*given).values()],
        "list, not a dict",
    ),
    (
        lesson_06.hooked,
        lambda model, names, images: outputs_of(model, ["conv2"], images),
        "the dict has the names",
    ),
    (lesson_06.hooked, lambda model, names, images: {}, "the dict has the names []"),
    (
        lesson_06.hooked,
        lambda *given: {torch.zeros(3, 3): 1},
        "the dict has the names [tensor([[0., 0., 0.],.",
    ),
    (
        lesson_06.hooked,
        partial(outputs_of, bind=False),
        "the dict has only the last: a hook made in a loop",
    ),
    (
        lesson_06.hooked,
        only_last,
        "conv1 holds the output of fc1: a hook made in a loop",
    ),
    (lesson_06.hooked, whole_model, "conv1 holds the output of the whole model"),
    (
        lesson_06.hooked,
        partial(outputs_of, keep=lambda given, output: given),
        "conv1 holds what goes into the layer",
    ),
    (
        lesson_06.hooked,
        partial(outputs_of, keep=lambda given, output: given[0]),
        "conv1 holds what goes into the layer",
    ),
    (
        lesson_06.hooked,
        partial(outputs_of, keep=lambda given, output: output.relu()),
        "not what the layer gives",
    ),
    (
        lesson_06.hooked,
        partial(outputs_of, keep=lambda given, output: output[0]),
        "conv1 has the shape (2, 28, 28)",
    ),
    (
        lesson_06.hooked,
        partial(outputs_of, off=""),
        "afterwards a hook stays behind at 'conv1'",
    ),
    (
        lesson_06.hooked,
        partial(outputs_of, off="after"),
        "stops with an error, as for images of another size",
    ),
    (lesson_06.hooked, partial(outputs_of, mode=False), "goes out in train(False)"),
    (lesson_06.hooked, by_getattr, "finds a submodule by its name"),
    (lesson_06.hooked, lambda model, names: {}, "stopped with TypeError"),
    (lesson_06.filled, 5, "the answer is a function of model, layer, k, value, images"),
    (lesson_06.filled, lambda *given: None, "is a return missing?"),
    (
        lesson_06.filled,
        lambda model, layer, k, value, images: model(images),
        "the logits are unchanged",
    ),
    (lesson_06.filled, partial(by_weights, bias=False), "its bias is still there"),
    (lesson_06.filled, partial(with_map, at=lambda k: slice(None)), "fill only map k"),
    (
        lesson_06.filled,
        partial(with_map, at=lambda k: k),
        "the first axis is the image",
    ),
    (
        lesson_06.filled,
        partial(with_map, at=lambda k: (..., k)),
        "is map k, before ReLU",
    ),
    (lesson_06.filled, partial(with_map, off=False), "a hook stays behind at 'conv1'"),
    (lesson_06.filled, partial(by_weights, own=True), "changed for good"),
    (
        lesson_06.filled,
        lambda *given: with_map(*given)[0],
        "has the shape (10,); give 4 rows of 10 numbers",
    ),
    (lesson_06.filled, lambda model: model, "stopped with TypeError"),
    (
        lesson_06.recall_precision,
        [[1, 0], [0, 1]],
        "the answer is a function of matrix",
    ),
    (
        lesson_06.recall_precision,
        lambda matrix: shares(matrix).flip(0),
        "give recall, then precision",
    ),
    (
        lesson_06.recall_precision,
        lambda matrix: 100 * shares(matrix),
        "those are percent",
    ),
    (lesson_06.recall_precision, partial(shares, floor=0), "class 2 is never answered"),
    (
        lesson_06.recall_precision,
        lambda matrix: [[1 / sum(row) for row in matrix.T.tolist()]],
        "has the shape (1, 3); give 2 rows of 3 numbers",
    ),
    (
        lesson_06.recall_precision,
        lambda matrix: matrix / matrix.sum(),
        "has the shape (3, 3); give 2 rows of 3 numbers",
    ),
    (
        lesson_06.recall_precision,
        lambda matrix: shares(matrix) / 2,
        "which sum is all images of a class",
    ),
    (
        lesson_06.recall_precision,
        lambda matrix: "0.9",
        "the result is '0.9'; give 2 rows of 3 numbers",
    ),
    (lesson_06.recall_precision, lambda: 1, "stopped with TypeError"),
    (lesson_06.recall_precision, lambda matrix: None, "is a return missing?"),
    (
        lesson_06.recall_precision,
        lambda matrix: [
            [matrix[i, i].item() / n for i, n in enumerate(matrix.sum(at).tolist())]
            for at in (1, 0)
        ],
        "0/0 is no number",
    ),
    (lesson_06.fooled, 0.1, "the answer is a function of model, image, label, size"),
    (
        lesson_06.fooled,
        partial(step_up, way=lambda slope: -slope.sign()),
        "it goes down the loss",
    ),
    (
        lesson_06.fooled,
        partial(step_up, way=lambda slope: -slope.sign(), low=-1),
        "it goes down the loss",
    ),
    (lesson_06.fooled, partial(step_up, low=-1), "clip them"),
    (lesson_06.fooled, partial(step_up, way=lambda slope: slope), "take only the sign"),
    (
        lesson_06.fooled,
        partial(step_up, way=lambda slope: slope, low=-1),
        "take only the sign",
    ),
    (lesson_06.fooled, partial(step_up, way=torch.zeros_like), "the one that came in"),
    (
        lesson_06.fooled,
        lambda model, image, label, size: step_up(model, image, label + 1, size),
        "gradient of the label's",
    ),
    (lesson_06.fooled, step_in_place, "is changed too; work on a clone"),
    (lesson_06.fooled, partial(step_up, own=True), "work on a clone"),
    (lesson_06.fooled, step_with_graph, "detach it"),
    (
        lesson_06.fooled,
        lambda *given: step_up(*given)[None],
        "has the shape (1, 1, 28, 28); give numbers of shape (1, 28, 28)",
    ),
    (lesson_06.fooled, lambda *given: None, "is a return missing?"),
    (
        lesson_06.fooled,
        lambda model, image, label, size: model(image),
        "stopped with RuntimeError",
    ),
    (lesson_06.centre_of_mass, (14, 14), "the answer is a function of image"),
    (lesson_06.centre_of_mass, lambda image: centre(image)[::-1], "give the row first"),
    (
        lesson_06.centre_of_mass,
        lambda image: centre((image > 0).float()),
        "weight it by its grey level",
    ),
    (lesson_06.centre_of_mass, partial(centre, first=1), "count from 0"),
    (
        lesson_06.centre_of_mass,
        lambda image: divmod(int(image.argmax()), image.shape[1]),
        "the brightest pixel",
    ),
    (
        lesson_06.centre_of_mass,
        lambda image: [(size - 1) / 2 for size in image.shape],
        "is another place",
    ),
    (
        lesson_06.centre_of_mass,
        lambda image: centre(image)[0],
        "is one number; give 2 numbers",
    ),
    (lesson_06.centre_of_mass, lambda image: None, "is a return missing?"),
    (lesson_06.centre_of_mass, lambda image: image[99], "stopped with IndexError"),
    (
        lesson_06.calibration_error,
        0.02,
        "the answer is a function of confidences, right, bins",
    ),
    (
        lesson_06.calibration_error,
        partial(gap, weight=lambda n, total, bins: 1 / bins),
        "every bin counts the same",
    ),
    (
        lesson_06.calibration_error,
        partial(gap, size=lambda one: one),
        "the absolute value in each bin",
    ),
    (
        lesson_06.calibration_error,
        lambda *given: abs(gap(*given, size=lambda one: one)),
        "the absolute value in each bin",
    ),
    (lesson_06.calibration_error, partial(gap, skip=False), "a bin without images"),
    (
        lesson_06.calibration_error,
        partial(gap, top=False),
        "exactly 1.0 falls out of the last bin",
    ),
    (
        lesson_06.calibration_error,
        partial(gap_in_lists, top=False),
        "exactly 1.0 falls out of the last bin",
    ),
    (
        lesson_06.calibration_error,
        gap_with_ones_apart,
        "exactly 1.0 falls out of the last bin",
    ),
    (
        lesson_06.calibration_error,
        partial(gap, size=lambda one: one**2),
        "the gaps are squared",
    ),
    (
        lesson_06.calibration_error,
        lambda *given: 100 * gap(*given),
        "those are percent",
    ),
    (
        lesson_06.calibration_error,
        lambda confidences, right, bins: sum([]) / 0,
        "a bin without images",
    ),
    (
        lesson_06.calibration_error,
        lambda c, right, bins: gap(c[c < 0.75], right[c < 0.75], bins),
        "and should be",
    ),
    (
        lesson_06.calibration_error,
        lambda *given: 0.1,
        "bins 4 the result is 0.1, and should be",
    ),
    (lesson_06.calibration_error, lambda *given: None, "is a return missing?"),
    (
        lesson_06.calibration_error,
        lambda confidences, right: 0.1,
        "stopped with TypeError",
    ),
    (lesson_06.nearest, 7, "the answer is a function of image, images, labels, k"),
    (lesson_06.nearest, partial(vote, sign=-1), "those are the farthest"),
    (
        lesson_06.nearest,
        lambda image, images, labels, k: vote(image, images, labels, 1),
        "let all k vote",
    ),
    (
        lesson_06.nearest,
        lambda a, b, labels, k: vote(a, b, torch.arange(len(b)), k),
        "give its label",
    ),
    (
        lesson_06.nearest,
        lambda a, b, labels, k: vote(a, b, torch.arange(len(b)), 1),
        "give its label",
    ),
    (
        lesson_06.nearest,
        lambda a, b, labels, k: vote(a, b, labels, 3),
        "do exactly the k nearest vote",
    ),
    (
        lesson_06.nearest,
        lambda a, b, labels, k: vote(a, b, labels, k + 1),
        "do exactly the k nearest vote",
    ),
    (
        lesson_06.nearest,
        lambda image, images, labels, k: labels[:k],
        "has the shape (3,); give one number",
    ),
    (lesson_06.nearest, lambda *given: None, "is a return missing?"),
    (
        lesson_06.nearest,
        lambda image, images, labels, k: labels[100],
        "stopped with IndexError",
    ),
    (
        lesson_06.supported,
        {1, 2},
        "1 of four found; statement 1: does another kernel not take over",
    ),
    (
        lesson_06.supported,
        {2, 3, 4},
        "2 of four found; statement 4: does the gradient say",
    ),
    (lesson_06.supported, [5], "0 of four found; statement 5: what does a black patch"),
    (
        lesson_06.supported,
        {2, 3, 6, 7, 8},
        "4 of four found; statement 7: how many digits",
    ),
    (lesson_06.supported, {2, 8}, "2 of four found; for which other"),
    (lesson_06.supported, set(), "0 of four found"),
    (lesson_06.supported, "2, 3", "give a set of statement numbers"),
    (lesson_06.supported, {0, 2}, "from 1 to 8"),
    (lesson_06.supported, [[2, 3], [6, 8]], "from 1 to 8"),
    (lesson_06.supported, {2.5}, "from 1 to 8"),
    (lesson_06.supported, {"2"}, "from 1 to 8"),
]


@pytest.mark.parametrize(("check", "answer"), RIGHT)
def test_right_answers_are_praised(check, answer):
    assert said(check, answer).startswith("✓ Right: ")


@pytest.mark.parametrize(("check", "answer", "hint"), WRONG)
def test_wrong_answers_get_one_sentence_that_helps(check, answer, hint):
    verdict = said(check, answer)
    assert verdict.startswith("✗ Not yet: ") and hint in verdict
    assert verdict.count("\n") == 1 and "Traceback" not in verdict


@pytest.mark.parametrize(
    "check",
    dict.fromkeys(check for check, _ in RIGHT),
    ids=lambda check: check.__name__,
)
def test_no_answer_yet_is_no_mistake(check):
    assert said(check).startswith("… Nothing to check yet") and said(
        check, None
    ) == said(check)


@pytest.mark.parametrize("path", NOTEBOOKS[3:], ids=lambda path: path.stem)
def test_solutions_in_the_notebook_pass(path):
    solutions = [*verdicts_on_solutions(path)]
    assert len(solutions) >= 6
    assert not [one for one in solutions if not one.startswith("✓ Right: ")]
