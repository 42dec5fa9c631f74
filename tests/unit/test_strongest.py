"""What excites a kernel, and all that its largest value sees: against gradients."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from helpers import inspection, networks
from helpers.validation import SentenceError


class Averaged(TorchFunctionMode):
    """Lets every pixel through that a maximum may choose and a ReLU may hold back."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is F.max_pool2d:
            settings = {name: kwargs[name] for name in ("stride", "padding")}
            return F.avg_pool2d(*args, **settings)
        return args[0].clone() if func is F.relu else func(*args, **(kwargs or {}))


def averaged(model, layer, pixels):
    heard = []

    def hear(_layer, _inputs, output):
        heard.append(output)

    with model.get_submodule(layer).register_forward_hook(hear), Averaged():
        model(pixels)
    return heard[0]


def other_network(**second):
    return nn.Sequential(
        nn.Conv2d(1, 3, (3, 5), stride=2, dilation=(2, 1)),
        nn.ReLU(),
        nn.MaxPool2d(2, stride=1, padding=1),
        nn.Conv2d(3, 2, 3, **second),
        nn.Flatten(),
        nn.LazyLinear(10),
    )


NETWORKS = {
    "conv1": (networks.ConvNet, "conv1", (5, 5)),
    "conv2": (networks.ConvNet, "conv2", (14, 14)),
    "strided": (other_network, "0", (5, 5)),
    "far": (partial(other_network, padding=1), "3", (11, 11)),
    "beyond": (partial(other_network, padding=4), "3", (11, 11)),
    "dilated": (partial(other_network, dilation=3), "3", (19, 19)),
    "all": (partial(other_network, dilation=(4, 5)), "3", (23, 27)),
}


@pytest.mark.parametrize(("make", "layer", "window"), NETWORKS.values(), ids=NETWORKS)
def test_the_patch_is_all_that_the_largest_value_sees(make, layer, window):
    torch.manual_seed(0)
    model, images = make().eval(), torch.rand(30, 1, 28, 28)
    model(images)
    maps = inspection.feature_maps(model, images, layer)[layer]
    for kernel in range(maps.shape[1]):
        places, patches = inspection.strongest(model, images, layer, kernel, 3)
        slow = sorted(range(30), key=lambda i: -float(maps[i, kernel].max()))[:3]
        assert places.tolist() == slow and patches.shape == (3, *window)
        for place, patch in zip(slow, patches, strict=True):
            pixels = images[[place]].clone().requires_grad_()
            seen_by = averaged(model, layer, pixels)[0, kernel].flatten()
            seen_by[maps[place, kernel].argmax()].backward()
            seen = pixels.grad[0, 0] != 0
            if not seen.any():  # it sees nothing but the padding
                assert not patch.any()
                continue
            rows, columns = seen.any(1).nonzero(), seen.any(0).nonzero()
            box = (images[place, 0] * seen)[rows.min() : rows.max() + 1]
            box = box[:, columns.min() : columns.max() + 1]
            inside = torch.zeros(window)
            top = 0 if rows.min() else window[0] - len(box)
            left = 0 if columns.min() else window[1] - box.shape[1]
            inside[top : top + len(box), left : left + box.shape[1]] = box
            assert torch.equal(patch, inside)


def test_a_network_that_hides_what_it_sees_is_refused_in_words():
    class Hiding(networks.ConvNet):
        def forward(self, x):
            return super().forward((x > 0.5).float().to(self.conv1.weight.dtype))

    images = torch.rand(3, 1, 28, 28)
    with pytest.raises(SentenceError, match="Which pixels 'conv2' sees cannot be told"):
        inspection.strongest(Hiding(), images, "conv2", 0, 1)
