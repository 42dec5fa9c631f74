"""A look inside a trained network: what its layers make of a picture, what each kernel
is for, where it fails.

Images are float tensors of grey levels from 0 to 1, N×1×28×28, and one image is
1×28×28. What is none, a layer that is not there and a kernel that is not there raise
ValueError. No function changes the network, its mode or its gradients.
"""

import copy
from contextlib import ExitStack

import torch
import torch.nn.functional as F
from torch import fx, nn

from helpers.digits import Split
from helpers.training import evaluate, logits
from helpers.validation import check_whole
from helpers.waiting import tracked

# How many pixels one number of a ConvNet's convolution sees, how far those of its
# neighbour are, and how many of the first one's stand before the image.
RECEPTIVE_FIELDS = {"conv1": (5, 1, 2), "conv2": (14, 2, 6)}


def feature_maps(
    model: nn.Module, images: torch.Tensor, *names: str
) -> dict[str, torch.Tensor]:
    """Return what the named layers give for images N×1×28×28, in eval mode, heard by
    forward hooks.

    Source:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_forward_hook
    """
    check_images(images, 4)
    heard = {name: [] for name in names}
    with ExitStack() as hooks:
        for name, parts in heard.items():
            # A clone, as an operation that follows may work in place.
            hooks.enter_context(
                _layer(model, name).register_forward_hook(
                    lambda _, _x, output, to=parts: to.append(output.clone())
                )
            )
        logits(model, images)
    return {name: torch.cat(parts) for name, parts in heard.items()}


def stages(model: nn.Module, image: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return what each operation of a forward gives for one image 1×28×28, by the
    operation's number and name.

    The network runs as it is written, followed by torch.fx:
    https://docs.pytorch.org/docs/stable/fx.html. Raises ValueError where the forward
    decides by the numbers that come.
    """
    check_images(image, 3)
    found = {}

    class Listener(fx.Interpreter):
        def run_node(self, node: fx.Node) -> object:
            result = super().run_node(node)
            if (
                node.op not in ("output", "get_attr")
                and isinstance(result, torch.Tensor)
                and result.ndim > 1
            ):
                found[f"{len(found)} {_title(node)}"] = result[0].clone()
            return result

    try:
        followed = fx.symbolic_trace(copied(model))
    except fx.proxy.TraceError:
        raise ValueError(
            "The network's forward decides by the numbers in x; follow one without such an if."
        ) from None
    with torch.no_grad():
        Listener(followed).run(image[None])
    return found


def _title(node: fx.Node) -> str:
    if node.op == "placeholder":
        return "image"
    if node.op == "call_module":
        return node.target
    sign, number = (
        {"sub": "−", "truediv": "÷"}.get(getattr(node.target, "__name__", "")),
        node.args[-1],
    )
    return (
        f"{sign} {number}"
        if sign and isinstance(number, int | float)
        else node.name.rstrip("_0123456789")
    )


def strongest(
    model: nn.Module, images: torch.Tensor, layer: str, kernel: int, count: int = 8
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the places of the images that excite a kernel of a ConvNet most, and the
    patches that do, count×s×s.

    An image counts with the largest value of the kernel's map; its patch is all that
    this value sees, s×s pixels.
    """
    convolution = _convolution(model, layer, kernel)
    if layer not in RECEPTIVE_FIELDS or (
        convolution.kernel_size,
        convolution.padding,
    ) != ((5, 5), (2, 2)):
        raise ValueError(
            f"strongest knows what conv1 and conv2 of a ConvNet see, not this {layer!r}."
        )
    check_images(images, 4)
    check_whole("count", count, 1, len(images))
    size, step, before = RECEPTIVE_FIELDS[layer]
    largest, at = (
        feature_maps(model, images, layer)[layer][:, kernel].flatten(1).max(dim=1)
    )
    places = largest.topk(count).indices
    seen = F.unfold(
        images[places], size, padding=before, stride=step
    )  # count × s² × all places in the map
    return places, seen[range(count), :, at[places]].view(count, size, size)


def without(model: nn.Module, layer: str, kernel: int) -> nn.Module:
    """Return a copy of the network in which one kernel of a convolution, and its bias,
    is zero; in eval mode.
    """
    ablated = copied(model)
    for values in _convolution(ablated, layer, kernel).parameters():
        values.data[kernel] = 0
    return ablated


def ablation(model: nn.Module, split: Split, layer: str) -> torch.Tensor:
    """Return the accuracy (K+1)×11 without each of a convolution's K kernels in turn,
    and in the last row with all.

    The columns are the digits 0 to 9, and all digits together; shares from 0 to 1,
    float64, nan for a digit that is not in the split.
    """
    count, rows = _convolution(model, layer).out_channels, []
    for kernel in tracked(range(count + 1), layer):
        ablated = without(model, layer, kernel) if kernel < count else model
        right = (logits(ablated, split.images).argmax(1) == split.labels).double()
        rows.append(
            torch.stack(
                [right[split.labels == digit].mean() for digit in range(10)]
                + [right.mean()]
            )
        )
    return torch.stack(rows)


def occlusion(
    model: nn.Module, image: torch.Tensor, label: int, size: int = 7, fill: float = 0.0
) -> torch.Tensor:
    """Return the probability of a label with a patch of size×size over each place of
    the image 1×28×28 in turn.

    Element [i, j], of (29 − size) in each direction, has the patch's upper left corner
    at row i, column j. Paper: Zeiler and Fergus 2014, https://arxiv.org/abs/1311.2901
    """
    check_images(image, 3)
    check_whole("label", label, 0, 9)
    check_whole("size", size, 1, 28)
    places = 29 - size
    covered = image.repeat(places * places, 1, 1, 1)
    for number, one in enumerate(covered):
        row, column = divmod(number, places)
        one[:, row : row + size, column : column + size] = fill
    return logits(model, covered).softmax(1)[:, label].view(places, places)


def moved(images: torch.Tensor, right: int = 0, down: int = 0) -> torch.Tensor:
    """Return images N×C×H×W moved by whole pixels, to the left and up where negative;
    black comes in.
    """
    return F.pad(images, (right, -right, down, -down))


def shift_curve(
    model: nn.Module, split: Split, most: int = 6, down: bool = True
) -> dict[str, list[float]]:
    """Return the accuracies, 0 to 1, with the images moved by −most, …, most pixels: to
    the "right", and "down".

    With `down=False` the half that moves them down is left out, and the list is empty.
    """
    check_whole("most", most, 0, 27)
    pixels = range(-most, most + 1)
    moves = [{"right": by} for by in pixels] + [{"down": by} for by in pixels if down]
    accuracies = [
        evaluate(model, Split(moved(split.images, **move), split.labels))[1]
        for move in tracked(moves, "moved")
    ]
    return {"right": accuracies[: len(pixels)], "down": accuracies[len(pixels) :]}


def copied(model: nn.Module) -> nn.Module:
    """Return a copy of a network in eval mode, on the CPU, in float32, and without the
    hooks of others.
    """
    twin = copy.deepcopy(model)
    for layer in twin.modules():
        layer._forward_hooks.clear()
    return twin.cpu().float().eval()


def check_images(images: torch.Tensor, dimensions: int) -> None:
    """Raise ValueError unless the images are N×1×28×28 (4 dimensions) or 1×28×28 (3),
    of float grey levels.
    """
    fits = (
        torch.is_tensor(images)
        and images.is_floating_point()
        and images.ndim == dimensions
    )
    if not fits or images.shape[-3:] != (1, 28, 28) or not len(images):
        kind = (
            f"{images.dtype} of shape {tuple(images.shape)}"
            if torch.is_tensor(images)
            else type(images).__name__
        )
        wanted = "N×1×28×28" if dimensions == 4 else "1×28×28, one image"
        raise ValueError(
            f"Give a float tensor {wanted}, grey levels from 0 to 1, not {kind}."
        )


def _layer(model: nn.Module, name: str) -> nn.Module:
    layers = dict(model.named_modules())
    if name not in layers:
        raise ValueError(
            f"The network has no layer {name!r}; it has {', '.join(filter(None, layers))}."
        )
    return layers[name]


def _convolution(model: nn.Module, name: str, kernel: int = 0) -> nn.Conv2d:
    layer = _layer(model, name)
    if not isinstance(layer, nn.Conv2d):
        raise ValueError(
            f"{name!r} is a {type(layer).__name__} and has no kernels; name a Conv2d."
        )
    check_whole(f"kernel of {name}", kernel, 0, layer.out_channels - 1)
    return layer
