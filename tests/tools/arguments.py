"""The arguments that the function of each exercise is tried with, drawn at random."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from helpers.networks import ConvNet


def strided(random):
    n, k = random.randint(5, 9), random.randint(1, 4)
    return torch.randn(n, n), torch.randn(k, k), random.randint(1, 4)


def averaged(random):
    size = random.randint(4, 10), random.randint(4, 10)
    return torch.randn(size), random.randint(1, 4), random.randint(1, 3)


def anything(random):
    width = random.randint(1, 6)
    norm = [nn.BatchNorm1d(3)] * random.randint(0, 1)
    frozen = nn.Linear(2, 3).requires_grad_(random.random() < 0.7)
    return (nn.Sequential(nn.Linear(3, width), nn.Linear(width, 2), frozen, *norm),)


def dropped(random):
    shape = random.randint(1, 4), random.randint(1, 4)
    return (
        torch.randn(shape),
        random.choice((0.1, 0.25, 0.5, 0.8)),
        torch.randint(2, shape),
    )


def layers(random):
    count = random.randint(1, 5)
    return ([(random.randint(1, 5), random.randint(1, 3)) for _ in range(count)],)


def column(random):
    n = random.randint(2, 6)
    return torch.randn(n, 1), torch.randn(n)


def small(random):
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout(0), nn.Linear(4, 2))
    return net.train(random.random() < 0.5)


def batches(random):
    count = random.randint(1, 4)
    pairs = [(torch.randn(5, 3), torch.randn(5, 2)) for _ in range(count)]
    return small(random), pairs, random.choice((F.mse_loss, F.l1_loss))


def momentum(random):
    parameters = [torch.randn(2, 3, requires_grad=True) for _ in range(2)]
    for one in parameters:
        one.grad = torch.randn(2, 3)
    velocities = [torch.randn(2, 3) for _ in range(2)]
    return parameters, velocities, random.choice((0.01, 0.1)), random.choice((0.5, 0.9))


def correlated(random):
    k, stride = random.randint(1, 4), random.randint(1, 3)
    image = torch.randn(random.randint(4, 9), random.randint(4, 9))
    places = [(side - k) // stride + 1 for side in image.shape]
    return image, torch.randn(places), k, stride


def loop(random):
    net = small(random)
    if random.random() < 0.5:
        net(torch.randn(2, 3)).sum().backward()
    steps, lr = random.randint(1, 5), random.choice((0.01, 0.1))
    return net, torch.randn(4, 3), torch.randn(4, 2), steps, lr


def counts(random):
    return random.randint(1, 300), random.randint(1, 64), random.randint(1, 9)


def classified(random):
    n, scale = random.randint(1, 8), random.choice((1, 1, 1000))
    return scale * torch.randn(n, 10), torch.randint(10, (n,))


def reading(random):
    model = ConvNet((2, 3), dense=8, dropout=0.5).train(random.random() < 0.5)
    images = torch.rand(12, 1, 28, 28)
    labels = copy.deepcopy(model).eval()(images).argmax(1)
    labels[: random.randint(0, 6)] += 1
    return model, images, labels % 10


def shares(random):
    total = random.randint(1, 400)
    return random.choice((0, total, random.randint(0, total))), total


def epochs(random):
    count = random.randint(1, 9)
    runs_ = [random.choice((0.5, 0.6, 0.7, 0.8, 0.9)) for _ in range(count)]
    return runs_, random.randint(1, 4)


def listened(random):
    model = ConvNet((2, 3), dense=8, dropout=0).train(random.random() < 0.5)
    names = random.sample(["conv1", "conv2", "fc1", "fc2"], random.randint(1, 3))
    return model, names, torch.rand(2, 1, 28, 28)


def mapped(random):
    model = ConvNet((2, 3), dense=8, dropout=0).train(random.random() < 0.5)
    layer, k = random.choice((("conv1", 0), ("conv1", 1), ("conv2", 0), ("conv2", 2)))
    return model, layer, k, random.choice((0.0, 1.5, -0.7)), torch.rand(3, 1, 28, 28)


def confusion(random):
    size = random.randint(2, 5)
    matrix = torch.randint(9, (size, size)) + torch.eye(size).long()
    if random.random() < 0.5:
        matrix[:, 0], matrix[0, 1] = 0, 3
    return (matrix,)


def attacked(random):
    model = ConvNet((2, 3), dense=8, dropout=0).eval()
    return (
        model,
        torch.rand(1, 28, 28),
        random.randint(0, 9),
        random.choice((0.05, 0.3)),
    )


def inked(random):
    return ((torch.rand(random.randint(3, 9), random.randint(3, 9)) - 0.4).clamp(0),)


def sure(random):
    n = random.randint(5, 60)
    confidences = torch.cat([torch.rand(n), torch.ones(random.randint(0, 3))])
    return confidences, torch.rand(len(confidences)) < 0.7, random.randint(1, 10)


def neighbours(random):
    k, n = random.choice((1, 3, 5)), random.randint(12, 20)
    return torch.rand(1, 28, 28), torch.rand(n, 1, 28, 28), torch.randint(3, (n,)), k
