"""A look inside a trained network: what its layers make of a picture, what each kernel is for, where it fails."""

import copy
from contextlib import ExitStack

import torch
import torch.nn.functional as F
from torch import fx, nn

from helpers.arithmetic import check_whole
from helpers.data import Split, progress
from helpers.training import logits

# How many pixels one number of a ConvNet's convolution sees, how far those of its neighbour are, and where they start.
SEEN = {"conv1": (5, 1, -2), "conv2": (14, 2, -6)}


def feature_maps(model: nn.Module, images: torch.Tensor, *names: str) -> dict[str, torch.Tensor]:
    """Return what the named layers give for images N×1×28×28, in eval mode, heard by forward hooks.

    Raises ValueError for a name that no layer has.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_forward_hook
    """
    heard = {name: [] for name in names}
    with ExitStack() as hooks:
        for name, parts in heard.items():
            layer = _layer(model, name)
            hooks.enter_context(layer.register_forward_hook(lambda _layer, _x, output, to=parts: to.append(output)))
        logits(model, images)
    return {name: torch.cat(parts) for name, parts in heard.items()}


def stages(model: nn.Module, image: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return what each operation of a forward gives for one image 1×28×28, by the operation's number and name.

    The network runs as it is written, followed by torch.fx: https://docs.pytorch.org/docs/stable/fx.html
    """
    found = {}

    class Listener(fx.Interpreter):
        def run_node(self, node: fx.Node) -> object:
            result = super().run_node(node)
            if node.op != "output":
                found[f"{len(found)} {_title(node)}"] = result[0].detach()
            return result

    with torch.no_grad():
        Listener(fx.symbolic_trace(copy.deepcopy(model).eval())).run(image[None])
    return found


def _title(node: fx.Node) -> str:
    symbol = {"sub": "− ", "truediv": "÷ ", "x": "image"}.get(node.name)
    if symbol:
        return symbol + "".join(map(str, node.args[1:]))
    return node.name.rstrip("_0123456789") if node.op != "call_module" else node.name


def strongest(
    model: nn.Module, images: torch.Tensor, layer: str, kernel: int, count: int = 8
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the places of the images that excite a kernel of a ConvNet most, and the patch that does, count×s×s.

    An image counts with the largest value of the kernel's map; its patch is all that this value sees, s×s pixels.
    """
    size, step, start = SEEN[layer]
    maps = feature_maps(model, images, layer)[layer]
    _check_kernel(layer, kernel, maps.shape[1])
    values, at = maps[:, kernel].flatten(1).max(dim=1)
    places = values.topk(min(count, len(images))).indices
    rows, columns = (start + step * part for part in (at[places] // maps.shape[-1], at[places] % maps.shape[-1]))
    wide = F.pad(images[places, 0], (size,) * 4)
    patches = [
        one[row : row + size, column : column + size]
        for one, row, column in zip(wide, (rows + size).tolist(), (columns + size).tolist(), strict=True)
    ]
    return places, torch.stack(patches)


def without(model: nn.Module, layer: str, kernel: int) -> nn.Module:
    """Return a copy of the network in which one kernel of a layer, and its bias, is zero."""
    ablated = copy.deepcopy(model)
    part = _layer(ablated, layer)
    _check_kernel(layer, kernel, len(part.weight))
    with torch.no_grad():
        part.weight[kernel] = 0
        part.bias[kernel] = 0
    return ablated


def ablation(model: nn.Module, split: Split, layer: str) -> torch.Tensor:
    """Return the accuracy (K+1)×11 without each of a layer's K kernels in turn, and in the last row with all of them.

    The columns are the digits 0 to 9, and all digits together; float64, nan for a digit that is not in the split.
    """
    count = len(_layer(model, layer).weight)
    rows = []
    with progress(count + 1, lambda done: f"{layer}: {done} of {count + 1}") as show:
        for kernel in range(count + 1):
            show(kernel)
            ablated = without(model, layer, kernel) if kernel < count else model
            right = (logits(ablated, split.images).argmax(1) == split.labels).double()
            rows.append(torch.stack([right[split.labels == digit].mean() for digit in range(10)] + [right.mean()]))
    return torch.stack(rows)


def input_gradient(model: nn.Module, image: torch.Tensor, label: int) -> torch.Tensor:
    """Return the gradient 28×28 of one label's logit with respect to the image 1×28×28, in eval mode.

    Paper: Simonyan et al. 2013, https://arxiv.org/abs/1312.6034
    """
    pixels = image.detach().clone().requires_grad_()
    with torch.enable_grad():
        score = copy.deepcopy(model).eval()(pixels[None])[0, label]
        return torch.autograd.grad(score, pixels)[0][0]


def occlusion(model: nn.Module, image: torch.Tensor, label: int, size: int = 7, fill: float = 0.0) -> torch.Tensor:
    """Return the probability of a label with a patch of size×size over each place of the image 1×28×28 in turn.

    Element [i, j], of (29 − size) in each direction, has the patch's upper left corner at row i, column j.
    Paper: Zeiler and Fergus 2014, https://arxiv.org/abs/1311.2901
    """
    check_whole("size", size, 1, 28)
    places = 29 - size
    covered = image.repeat(places * places, 1, 1, 1)
    for number, one in enumerate(covered):
        row, column = divmod(number, places)
        one[:, row : row + size, column : column + size] = fill
    return logits(model, covered).softmax(1)[:, label].view(places, places)


def moved(images: torch.Tensor, right: int = 0, down: int = 0) -> torch.Tensor:
    """Return images N×C×H×W moved by whole pixels, to the left and up where negative; black comes in."""
    height, width = images.shape[-2:]
    right, down = min(max(right, -width), width), min(max(down, -height), height)  # farther, nothing is left of it
    return F.pad(images, (right, -right, down, -down))


def shift_curve(model: nn.Module, split: Split, most: int = 6) -> dict[str, list[float]]:
    """Return the accuracies with the images moved by −most, …, most pixels: to the "right", and "down"."""
    check_whole("most", most, 0, 27)
    moves = [(direction, pixels) for direction in ("right", "down") for pixels in range(-most, most + 1)]
    curves: dict[str, list[float]] = {"right": [], "down": []}
    with progress(len(moves), lambda done: f"moved {done} of {len(moves)} times") as show:
        for done, (direction, pixels) in enumerate(moves):
            show(done)
            answers = logits(model, moved(split.images, **{direction: pixels})).argmax(1)
            curves[direction].append((answers == split.labels).double().mean().item())
    return curves


def _layer(model: nn.Module, name: str) -> nn.Module:
    layers = dict(model.named_modules())
    if name not in layers:
        raise ValueError(f"The network has no layer {name!r}; it has {', '.join(filter(None, layers))}.")
    return layers[name]


def _check_kernel(layer: str, kernel: int, count: int) -> None:
    check_whole(f"kernel of {layer}", kernel, 0, count - 1)
