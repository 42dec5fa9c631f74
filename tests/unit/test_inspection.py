"""A look inside the network: against slow, obvious code, and against torch."""

import copy
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import prune

from helpers import digits as data
from helpers import inspection, networks
from helpers.digits import Split
from helpers.training import logits
from helpers.validation import SentenceError


@pytest.fixture(scope="module")
def model():
    return networks.trained()


@pytest.fixture(scope="module")
def split():
    images, labels = data.embedded().test
    return Split(images[:120], labels[:120])


def plain_accuracy(model, images, labels):
    """Return the share that is right, image by image."""
    model.eval()
    with torch.no_grad():
        right = [
            int(model(image[None])[0].argmax()) == int(label)
            for image, label in zip(images, labels, strict=True)
        ]
    return sum(right) / len(right)


def test_hooks_hear_what_the_layers_give_and_go_away(model, split):
    found = inspection.feature_maps(model, split.images, "conv1", "fc2")
    x = (split.images - 0.1307) / 0.3081
    assert torch.allclose(
        found["conv1"],
        F.conv2d(x, model.conv1.weight, model.conv1.bias, padding=2),
        atol=1e-5,
    )
    assert torch.allclose(found["fc2"], logits(model, split.images), atol=1e-5)
    assert not any(part._forward_hooks for part in model.modules())
    broken = copy.deepcopy(model)
    broken.fc1 = nn.Linear(3, 3)
    with pytest.raises(ValueError, match="takes no images .* cannot be multiplied"):
        inspection.feature_maps(broken, split.images, "conv1")
    assert not any(part._forward_hooks for part in broken.modules())
    with pytest.raises(
        ValueError, match=r"no layer 'conv9'; it has conv1, conv2, fc1, fc2, dropout\."
    ):
        inspection.feature_maps(model, split.images, "conv9")


def test_many_images_are_heard_in_order(model):
    images = torch.rand(1100, 1, 28, 28)
    heard = inspection.feature_maps(model, images, "conv2", "conv2")["conv2"]
    assert heard.shape == (1100, 8, 14, 14)
    one = inspection.feature_maps(model, images[1033:1034], "conv2")["conv2"]
    assert torch.allclose(heard[1033:1034], one, atol=1e-4)


def test_every_operation_of_forward_is_there_in_order(model, split):
    found = inspection.stages(copy.deepcopy(model).train(), split.images[0])
    names = [name.partition(" ")[2] for name in found]
    assert names == ["image", "− 0.1307", "÷ 0.3081", "conv1", "max_pool2d", "relu"] + [
        "conv2", "max_pool2d", "relu", "flatten", "fc1", "relu", "dropout", "fc2"
    ]  # fmt: skip
    assert torch.equal(found["0 image"], split.images[0])
    heard = inspection.feature_maps(model, split.images[:1], "conv1", "conv2", "fc1")
    for name, title in (("conv1", "3 conv1"), ("conv2", "6 conv2"), ("fc1", "10 fc1")):
        assert torch.allclose(found[title], heard[name][0], atol=1e-4)
    assert torch.allclose(
        found["13 fc2"], logits(model, split.images[:1])[0], atol=1e-4
    )


@pytest.mark.parametrize("layer", ["conv1", "conv2"])
def test_ablation_is_what_slow_code_gives(model, split, layer):
    table = inspection.ablation(model, split, layer)
    weights = copy.deepcopy(model.state_dict())
    count = len(weights[f"{layer}.weight"])
    assert table.shape == (count + 1, 11)
    for kernel in (0, 1, count - 1, None):
        broken = networks.ConvNet()
        broken.load_state_dict(weights)
        if kernel is not None:
            getattr(broken, layer).weight.data[kernel] = 0
            getattr(broken, layer).bias.data[kernel] = 0
        row = table[count if kernel is None else kernel]
        assert row[10] == pytest.approx(plain_accuracy(broken, *split))
        for digit in (0, 7):
            chosen = split.labels == digit
            assert row[digit] == pytest.approx(
                plain_accuracy(broken, split.images[chosen], split.labels[chosen])
            )
    assert all(
        torch.equal(values, weights[name])
        for name, values in model.state_dict().items()
    )


def test_a_digit_that_is_missing_has_no_accuracy(model, split):
    ones = split.labels == 1
    table = inspection.ablation(
        model, Split(split.images[ones], split.labels[ones]), "conv1"
    )
    assert table[:, 0].isnan().all() and not table[:, [1, 10]].isnan().any()


@pytest.mark.parametrize(
    ("kernel", "said"), [(8, "from 0 to 7"), (-1, "from 0 to 7"), (1.5, "whole number")]
)
def test_a_kernel_that_is_not_there_is_refused_in_words(model, split, kernel, said):
    for call in (
        lambda: inspection.without(model, "conv2", kernel),
        lambda: inspection.strongest(model, split.images, "conv2", kernel),
    ):
        with pytest.raises(ValueError, match=said):
            call()


@pytest.mark.parametrize(("size", "fill"), [(7, 0.0), (5, 1.0), (28, 0.5)])
def test_occlusion_is_what_slow_code_gives(model, split, size, fill):
    image, label = split.images[4], int(split.labels[4])
    found = inspection.occlusion(model, image, label, size, fill)
    assert found.shape == (29 - size, 29 - size)
    for row in range(0, 29 - size, 5):
        for column in range(0, 29 - size, 3):
            covered = image.clone()
            for i in range(size):
                for j in range(size):
                    covered[0, row + i, column + j] = fill
            with torch.no_grad():
                chance = model(covered[None]).softmax(1)[0, label]
            assert float(found[row, column]) == pytest.approx(float(chance), abs=1e-5)
    with pytest.raises(
        ValueError, match="size must be a whole number from 1 to 28, not 29"
    ):
        inspection.occlusion(model, image, label, 29)


def test_a_picture_moves_by_whole_pixels_and_black_comes_in():
    images = torch.arange(1.0, 13).view(1, 1, 3, 4)
    for right in range(-4, 5):
        for down in range(-3, 4):
            slow = torch.zeros(1, 1, 3, 4)
            for row in range(3):
                for column in range(4):
                    if 0 <= row + down < 3 and 0 <= column + right < 4:
                        slow[0, 0, row + down, column + right] = images[
                            0, 0, row, column
                        ]
            assert torch.equal(inspection.moved(images, right, down), slow), (
                right,
                down,
            )


def test_the_shift_curve_is_what_slow_code_gives(model, split):
    curve = inspection.shift_curve(model, split, most=3)
    assert [*curve] == ["right", "down"] and len(curve["right"]) == len(
        curve["down"]
    ) == 7
    for pixels in (-3, 0, 2):
        right, down = torch.zeros(2, 120, 1, 28, 28)
        for row in range(28):
            for column in range(28):
                if 0 <= column + pixels < 28:
                    right[..., row, column + pixels] = split.images[..., row, column]
                if 0 <= row + pixels < 28:
                    down[..., row + pixels, column] = split.images[..., row, column]
        assert curve["right"][pixels + 3] == pytest.approx(
            plain_accuracy(model, right, split.labels)
        )
        assert curve["down"][pixels + 3] == pytest.approx(
            plain_accuracy(model, down, split.labels)
        )
    assert inspection.shift_curve(model, split, most=3, down=False) == {
        "right": curve["right"],
        "down": [],
    }
    for wrong in (-1, 28, 1.5):
        with pytest.raises(ValueError, match="most must be a whole number"):
            inspection.shift_curve(model, split, wrong)


class Odd(nn.Module):
    """A network that does what students' networks do."""

    def __init__(self):
        super().__init__()
        self.parts = nn.Sequential(
            nn.Conv2d(1, 3, 5, bias=False), nn.ReLU(inplace=True)
        )
        self.shift = nn.Parameter(torch.zeros(24, 24))
        self.out = nn.Linear(3 * 24 * 24, 10)

    def forward(self, pictures):
        x = self.parts(pictures - pictures.mean()) + self.shift
        x = (x / 2 - 1).view(x.size(0), -1)
        return self.out(x)


def test_it_works_for_other_networks_too(split):
    odd = Odd()
    assert inspection.ablation(odd, split, "parts.0").shape == (4, 11)
    heard = inspection.feature_maps(odd, split.images[:1], "parts.0")["parts.0"]
    assert heard.min() < 0, "what works in place afterwards does not change it"
    found = inspection.stages(odd, split.images[0])
    names = [name.partition(" ")[2] for name in found]
    assert names == [
        "image",
        "sub",
        "parts.0",
        "parts.1",
        "add",
        "÷ 2",
        "− 1",
        "view",
        "out",
    ]
    centred = split.images[:1] - split.images[:1].mean()
    assert torch.allclose(
        found["2 parts.0"], F.conv2d(centred, odd.parts[0].weight)[0], atol=1e-5
    )


def test_a_forward_that_decides_is_named(split):
    class Deciding(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(ValueError, match=r"torch\.fx cannot follow .* control flow"):
        inspection.stages(Deciding(), split.images[0])


@pytest.mark.parametrize(
    ("asks", "said"),
    [
        (lambda x: x if x.shape[0] > 1 else -x, "control flow"),
        (lambda x: x.view(len(x), -1), "'len' is not supported"),
        (lambda x: sum(torch.ones(n) for n in range(x.shape[0])), "as an integer"),
    ],
)
def test_a_forward_that_fx_cannot_follow_is_named_by_its_reason(split, asks, said):
    class Asking(nn.Module):
        def forward(self, x):
            return asks(x)

    with pytest.raises(SentenceError, match=said) as caught:
        inspection.stages(Asking(), split.images[0])
    assert "\n" not in str(caught.value)


def test_hooks_of_others_do_not_disturb_and_are_not_called(model, split):
    mine, calls = copy.deepcopy(model), []
    mine.conv1.register_forward_hook(lambda _layer, _x, output: calls.append(output))
    mine.conv1.register_forward_pre_hook(lambda _layer, x: calls.append(x))
    mine.conv1.register_forward_pre_hook(partial(print), with_kwargs=True)
    mine.conv1.register_full_backward_hook(lambda *grads: calls.append(grads))
    mine.conv1.register_full_backward_pre_hook(lambda *grads: calls.append(grads))
    inspection.stages(mine, split.images[0])
    twin = inspection.without(mine, "conv2", 1)
    twin(split.images[:1].clone().requires_grad_()).sum().backward()
    assert calls == []
    mine(split.images[:1].clone().requires_grad_()).sum().backward()
    assert len(calls) == 4


def test_a_pruned_layer_stays_pruned_in_a_copy(model, split):
    mine = copy.deepcopy(model)
    prune.l1_unstructured(mine.conv2, "weight", 0.5)
    with torch.no_grad():
        mine.conv2.weight_orig.mul_(2)
        truth = logits(mine, split.images[:3])
        assert torch.allclose(inspection.copied(mine)(split.images[:3]), truth)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda m, s: inspection.feature_maps(m, s.images[0], "conv1"),
            r"N×1×28×28, grey levels .* \(1, 28, 28\)",
        ),
        (
            lambda m, s: inspection.feature_maps(m, s.images.byte(), "conv1"),
            "not torch.uint8",
        ),
        (
            lambda m, s: inspection.stages(m, s.images[:1]),
            r"1×28×28, one image, .* shape \(1, 1, 28, 28\)",
        ),
        (lambda m, s: inspection.occlusion(m, s.images[0, 0], 3), r"shape \(28, 28\)"),
        (
            lambda m, s: inspection.occlusion(m, s.images[0], 10),
            "label must be a whole number from 0 to 9, not 10",
        ),
        (
            lambda m, s: inspection.occlusion(m, s.images[0], -1),
            "label must be a whole number from 0 to 9, not -1",
        ),
        (lambda m, s: inspection.occlusion(m, s.images[0], True), "label must be"),
        (
            lambda m, s: inspection.ablation(m, s, "fc1"),
            "'fc1' is a Linear and has no kernels; name a Conv2d",
        ),
        (
            lambda m, s: inspection.without(m, "dropout", 0),
            "'dropout' is a Dropout and has no kernels",
        ),
        (lambda m, s: inspection.strongest(m, s.images, "fc1", 0), "has no kernels"),
        (
            lambda m, s: inspection.strongest(m, s.images, "conv1", 0, 0),
            "count must be a whole number from 1 to 120",
        ),
        (
            lambda m, s: inspection.strongest(networks.Net(), s.images, "conv1", 0),
            "takes no images .* cannot be multiplied",
        ),
        (
            lambda m, s: inspection.stages(networks.Net(), s.images[0]),
            "takes no images .* cannot be multiplied",
        ),
        (
            lambda m, s: inspection.occlusion(networks.Net(), s.images[0], 3),
            "no images",
        ),
        (lambda m, s: inspection.shift_curve(networks.Net(), s), "takes no images"),
        (lambda m, s: inspection.ablation(networks.Net(), s, "conv1"), "no images"),
        (lambda m, s: inspection.feature_maps(networks.Net, s.images), "not type"),
        (lambda m, s: inspection.stages(None, s.images[0]), "network, not NoneType"),
    ],
)
def test_honest_mistakes_get_one_sentence(model, split, call, said):
    with pytest.raises(ValueError, match=said) as caught:
        call(model, split)
    assert "\n" not in str(caught.value)
