"""A look inside a trained network: what its layers make of a picture, what each kernel
is for, where it fails.

Images are float tensors of grey levels from 0 to 1, N×1×28×28, and one image is
1×28×28. What is none, a layer or kernel that is not there, and a network that takes no
such images raise ValueError. No function changes the network, its mode or its
gradients.
"""

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from helpers import training
from helpers.digits import Split
from helpers.validation import SentenceError, check_whole
from helpers.waiting import tracked

REFUSED = "The network takes no images N×1×28×28"
SIGNS = {"sub": "−", "truediv": "÷"}


def feature_maps(model: nn.Module, images: Tensor, *names: str) -> dict[str, Tensor]:
    """Return what the named layers give for images N×1×28×28, in eval mode, heard by
    forward hooks.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
    """
    check_images(images, 4)
    heard = {name: [] for name in names}

    def hear(name: str, _layer: nn.Module, _inputs: tuple, output: object) -> None:
        # A clone, as an operation that follows may work in place.
        heard[name] += [values.clone() for values in _first(output)]

    with ExitStack() as hooks:
        for name in heard:
            hook = _layer(model, name).register_forward_hook(partial(hear, name))
            hooks.enter_context(hook)
        _logits(model, images)
    for name, parts in heard.items():
        if (rows := sum(map(len, parts))) != len(images):
            given = f"{name!r} gives {rows} rows for {len(images)} images"
            raise SentenceError(f"{given}: name a layer that is called once.")
    return {name: torch.cat(parts) for name, parts in heard.items()}


def stages(model: nn.Module, image: Tensor) -> dict[str, Tensor]:
    """Return what each operation of a forward gives for one image 1×28×28, by the
    operation's number and name, without the batch's axis.

    Of several tensors, such as an LSTM gives, the first one counts. The network runs as
    torch.fx follows it: https://docs.pytorch.org/docs/stable/fx.html. Raises ValueError
    where that cannot be.
    """
    check_images(image, 3)
    found = {}

    class Listener(fx.Interpreter):
        def run_node(self, node: fx.Node) -> object:
            result = super().run_node(node)
            if node.op not in ("output", "get_attr"):
                for values in _first(result):
                    title = f"{len(found)} {_title(node)}"
                    found[title] = values.squeeze(0).clone()
            return result

    twin = copied(model)
    with _in_words("torch.fx cannot follow a forward that asks x by if, for or len"):
        followed = fx.symbolic_trace(twin)
    with torch.no_grad(), _in_words(REFUSED):
        Listener(followed).run(image[None].float())
    return found


def _title(node: fx.Node) -> str:
    if node.op == "placeholder":
        return "image"
    name = getattr(node.target, "__name__", node.target)
    numbers = [given for given in node.args[1:] if isinstance(given, int | float)]
    return f"{SIGNS[name]} {numbers[0]}" if name in SIGNS and numbers else name


def strongest(
    model: nn.Module, images: Tensor, layer: str, kernel: int, count: int = 8
) -> tuple[Tensor, Tensor]:
    """Return the places of the images that excite a kernel most, and the patches that
    do, count×h×w.

    An image counts with the largest value of the kernel's map; its patch is all that
    this value sees, h×w pixels, and black where it sees none.
    """
    _convolution(model, layer, kernel)
    maps = feature_maps(model, images, layer)[layer][:, kernel]
    check_whole("count", count, 1, len(images))
    largest, at = maps.flatten(1).max(dim=1)
    places = largest.topk(count).indices
    row, column = at[places] // maps.shape[2], at[places] % maps.shape[2]
    rows, columns = (_views(seen).to(images.dtype) for seen in _reach(model, layer))
    return places, rows[row] @ images[places, 0] @ columns[column].mT


def _reach(model: nn.Module, layer: str) -> tuple[Tensor, Tensor]:
    """Return which of 28 rows each row of a layer's maps sees, 28×h switches, and which
    columns, 28×w.

    Each of 56 images has nan in one row or column, and what depends on it becomes nan.
    In float64, as faster ways for float32 mix neighbours.
    """
    marked = torch.full((28,), torch.nan).double().diag()
    rows = marked[:, None, :, None].expand(-1, 1, 28, 28)
    found = feature_maps(copied(model).double(), torch.cat([rows, rows.mT]), layer)
    reached = found[layer].isnan().any(1)
    if not reached.any():
        raise SentenceError(f"Which pixels {layer!r} sees cannot be told.")
    return reached[:28].any(2), reached[28:].any(1)


def _views(reached: Tensor) -> Tensor:
    """Return n×size×28 switches: which pixel stands where in each place's window, and
    none where the window is beyond an edge or has a gap.
    """
    pixels = torch.arange(28)
    first, end = reached.int().argmax(0), (reached.T * (pixels + 1)).amax(1)
    size = (end - first).max()
    begin = torch.where(first > 0, first, end - size)
    window = begin[:, None] + torch.arange(size)
    return (window[..., None] == pixels) & reached.T[:, None]


def without(model: nn.Module, layer: str, kernel: int) -> nn.Module:
    """Return a copy of the network in which one kernel of a convolution, and its bias,
    is zero; in eval mode.
    """
    _convolution(model, layer, kernel)
    ablated = copied(model)
    for values in _layer(ablated, layer).parameters():
        values.data[kernel] = 0
    return ablated


def ablation(model: nn.Module, split: Split, layer: str) -> Tensor:
    """Return the accuracy (K+1)×11 without each of a convolution's K kernels in turn,
    and in the last row with all.

    The columns are the digits 0 to 9, and all digits together; shares from 0 to 1,
    float64, nan for a digit that is not in the split.
    """
    count, rows = _convolution(model, layer).out_channels, []
    for kernel in tracked(range(count + 1), layer):
        ablated = without(model, layer, kernel) if kernel < count else model
        right = _right(ablated, split)
        by_digit = [right[split.labels == digit].mean() for digit in range(10)]
        rows.append(torch.stack([*by_digit, right.mean()]))
    return torch.stack(rows)


def occlusion(
    model: nn.Module, image: Tensor, label: int, size: int = 7, fill: float = 0.0
) -> Tensor:
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
    return _logits(model, covered).softmax(1)[:, label].view(places, places)


def moved(images: Tensor, right: int = 0, down: int = 0) -> Tensor:
    """Return images N×C×H×W moved by whole pixels, back where negative, on black."""
    return F.pad(images, (right, -right, down, -down))


def shift_curve(
    model: nn.Module, split: Split, most: int = 6, down: bool = True
) -> dict[str, list[float]]:
    """Return the accuracies, 0 to 1, with the images moved by −most, …, most pixels: to
    the "right", and "down"; with `down=False` this list is empty.
    """
    check_whole("most", most, 0, 27)
    curve = {"right": [], "down": []}
    ways = ["right", "down"] if down else ["right"]
    for way, by in tracked([*product(ways, range(-most, most + 1))], "moved"):
        images = moved(split.images, **{way: by})
        curve[way].append(float(_right(model, Split(images, split.labels)).mean()))
    return curve


def copied(model: nn.Module) -> nn.Module:
    """Return a copy of a network in eval mode, on the CPU, in float32, and without the
    hooks of others: those of torch itself, as for pruning, are a part of it.
    """
    twin = copy.deepcopy(_plain(model))
    for part in twin.modules():
        before, after = part._forward_pre_hooks, part._forward_hooks
        for hooks in (before, after, part._backward_pre_hooks, part._backward_hooks):
            for number, hook in [*hooks.items()]:
                if not str(getattr(hook, "__module__", "")).startswith("torch."):
                    del hooks[number]
    return twin.cpu().float().eval()


def check_images(images: Tensor, dimensions: int) -> None:
    """Raise ValueError unless these are float images of 4 dimensions, or one of 3."""
    wanted = "N×1×28×28" if dimensions == 4 else "1×28×28, one image"
    given = type(images).__name__
    if torch.is_tensor(images):
        given = f"{images.dtype} of shape {tuple(images.shape)}"
        alike = images.ndim == dimensions and images.shape[-3:] == (1, 28, 28)
        if alike and images.is_floating_point() and len(images):
            return
    wish = f"a float tensor {wanted}, grey levels from 0 to 1"
    raise SentenceError(f"Give {wish}, not {given}.")


def _first(output: object) -> list[Tensor]:
    """Return the first tensor that a layer gives, in a list: empty without numbers."""
    while isinstance(output, list | tuple) and output:
        output = output[0]
    some = torch.is_tensor(output) and output.ndim and output.numel()
    return [output] if some else []


@contextmanager
def _in_words(what: str) -> Iterator[None]:
    """Raise whatever a network of the student's own does as one sentence."""
    try:
        yield
    except Exception as fault:
        why = f"{type(fault).__name__}: {fault}".splitlines()[0]
        raise SentenceError(f"{what}: {why}") from fault


def _logits(model: nn.Module, images: Tensor) -> Tensor:
    network = _plain(model)
    with _in_words(REFUSED):
        return training.logits(network, images)


def _right(model: nn.Module, split: Split) -> Tensor:
    return (_logits(model, split.images).argmax(1) == split.labels).double()


def _plain(model: nn.Module) -> nn.Module:
    """Return the network itself where torch.compile has wrapped it."""
    if not isinstance(model, nn.Module):
        raise SentenceError(f"Give a network, not {type(model).__name__}.")
    return getattr(model, "_orig_mod", model)


def _layer(model: nn.Module, name: str) -> nn.Module:
    layers = dict(_plain(model).named_modules())
    if name not in layers:
        named = ", ".join(filter(None, layers))
        raise SentenceError(f"The network has no layer {name!r}; it has {named}.")
    return layers[name]


def _convolution(model: nn.Module, name: str, kernel: int = 0) -> nn.Conv2d:
    layer = _layer(model, name)
    if not isinstance(layer, nn.Conv2d):
        kind = type(layer).__name__
        raise SentenceError(f"{name!r} is a {kind} and has no kernels; name a Conv2d.")
    check_whole(f"kernel of {name}", kernel, 0, layer.out_channels - 1)
    return layer
