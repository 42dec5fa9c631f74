"""The tracer with widgets: compose a network from layers, and see each shape and each
count while you do.
"""

import reprlib
from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from math import gcd, prod

import ipywidgets as widgets
import torch
from torch import nn

from helpers import layers, tracing
from helpers.validation import check_switch, check_whole
from helpers.widgets.base import OWN, Bench, View, index_of, label, mime, shared, slider

# For each kind of layer its settings: the least, the largest, and the one that a new
# layer starts with. The page counts in numbers, which are exact below 2**53: so many
# features and channels make at most 20·10**14 parameters.
FEATURES, CHANNELS = 10**7, 10**4
WINDOW = {"kernel_size": [1, 64, 2], "stride": [1, 64, 2], "padding": [0, 32, 0]}
MAPS, GROUPS = {"out_channels": [1, CHANNELS, 6]}, {"groups": [1, CHANNELS, 1]}
DILATION, REST = {"dilation": [1, 64, 1]}, {"output_padding": [0, 63, 0]}
CLOSE = {"kernel_size": [1, 64, 3], "stride": [1, 64, 1]}  # windows overlap
KINDS = {
    "Conv2d": MAPS | WINDOW | CLOSE | DILATION | GROUPS,
    "ConvTranspose2d": MAPS | WINDOW | REST | GROUPS | DILATION,
    "ReLU": {},
    "MaxPool2d": WINDOW | DILATION,
    "AvgPool2d": WINDOW,
    "AdaptiveAvgPool2d": {"output_size": [1, 64, 1]},
    "Dropout": {},
    "Flatten": {},
    "Linear": {"in_features": [1, FEATURES, 576], "out_features": [1, FEATURES, 10]},
}
LARGEST_SIDE, MOST_LAYERS = 64, 20  # and as many channels
WIDTHS = ["= side", *range(1, LARGEST_SIDE + 1)]
TIPS = {
    "network": "A ready-made stack of layers",
    "channels": "Channels of the picture",
    "side": "Pixels along one side of the picture",
    "width": "Pixels from left to right; 0 for as many as the side",
    "derive": "Let in_features follow from the layers before; "
    "off, they stay as they are",
}


def layer(kind: str, **settings: int) -> dict[str, object]:
    """Return one layer for the tracer, with the usual settings where none are given."""
    usual = {name: start for name, (_, _, start) in KINDS[kind].items()}
    return {"kind": kind, **usual, **settings}


def _stack(channels: list[int], widths: list[int], **window: int) -> list[dict]:
    """Return a convolution, ReLU and pooling for each number of channels, and dense
    layers of these widths with ReLU between them.
    """
    parts = []
    for count in channels:
        parts.append(layer("Conv2d", out_channels=count, **window))
        parts += [layer("ReLU"), layer("MaxPool2d")]
    parts.append(layer("Flatten"))
    for before, after in pairwise(widths):
        parts.append(layer("Linear", in_features=before, out_features=after))
        parts.append(layer("ReLU"))
    return parts[:-1]


NETWORKS = {
    "Net, 32×32": _stack([6, 16], [576, 120, 84, 10]),
    "ConvNet, 28×28": _stack([4, 8], [392, 512, 10], kernel_size=5, padding=2),
    "one convolution": [layer("Conv2d")],
}
NAMES = [*NETWORKS, OWN]
SIDES = {"ConvNet, 28×28": 28}  # the others take 32


class ShapeTracer(Bench):
    """Layers to compose, one under the other, with the shape and the parameters after
    each.

    `tracing.side = 28` feeds another picture, with `tracing.width = 45` one that is not
    square; `tracing.layers` is a list of dicts such as `{"kind": "Conv2d",
    "out_channels": 6, "kernel_size": (3, 2)}`; `tracing.trace` is what
    `helpers.tracing.trace` finds.
    """

    channels = shared("channels", check_whole, TIPS["channels"], 1, LARGEST_SIDE)
    side = shared("side", check_whole, TIPS["side"], 1, LARGEST_SIDE)
    width = shared("width", check_whole, TIPS["width"], 0, LARGEST_SIDE)
    derive = shared("derive", check_switch, TIPS["derive"])

    def __init__(
        self,
        network: str = "Net, 32×32",
        channels: int = 1,
        side: int | None = None,
        derive: bool = False,
        width: int = 0,
    ) -> None:
        fresh = {kind: layer(kind) for kind in KINDS}
        limits = {"kinds": KINDS, "most": MOST_LAYERS, "sided": [*layers.LEAST]}
        state = {"stacks": [*NETWORKS.values()], "network_index": 0, "layers": []}
        shown = {"derive": False, "channels": 1, "side": 32, "width": 0, "start": {}}
        self._view = View("shape_tracer", fresh=fresh, **limits, **state, **shown)
        choice = label("network", TIPS["network"])
        self._network = widgets.Dropdown(options=NAMES, **choice)
        wide = label("width", TIPS["width"])
        box = label("derive in_features", TIPS["derive"])
        self._linked = {
            "side": [slider("side", 1, LARGEST_SIDE, TIPS["side"])],
            "width": [widgets.SelectionSlider(options=WIDTHS, **wide)],
            "channels": [slider("channels", 1, LARGEST_SIDE, TIPS["channels"])],
            "derive": [widgets.Checkbox(indent=False, **box)],
        }
        super().__init__(self._tied((self._network, "index", "network_index")))
        self.network, self.channels, self.derive = network, channels, derive
        self.side = SIDES.get(network, 32) if side is None else side
        self.width = width
        names = "derive", "network_index", "channels", "side", "width"
        self._view.start = {name: getattr(self._view, name) for name in names}

    @property
    def network(self) -> str:
        """The ready-made stack that stands there, or "my own"."""
        return NAMES[self._view.network_index]

    @network.setter
    def network(self, name: str) -> None:
        index_of(name, [*NETWORKS], "network")
        self._stand(NETWORKS[name], name)
        self._view.start = {**self._view.start, "network_index": NAMES.index(name)}

    @property
    def layers(self) -> list[dict[str, object]]:
        """The layers from first to last: dicts of kind and settings."""
        return self._built()[1]

    @layers.setter
    def layers(self, parts: Sequence[dict[str, object]]) -> None:
        self._stand(_checked(parts), self.network)

    def _stand(self, parts: list[dict[str, object]], network: str) -> None:
        place = NAMES.index(network if parts == NETWORKS.get(network) else OWN)
        self._network.index = place
        with self._view.hold_sync():
            self._view.network_index, self._view.layers = place, parts

    @property
    def code(self) -> str:
        """The stack as a line of Python; in_channels follow from the layers before."""
        lines = [f"nn.{layers.code(module)}" for module in self._built()[0]]
        return f"nn.Sequential({', '.join(lines)})"

    @property
    def trace(self) -> tracing.Trace:
        """What the tracer finds for the stack as it stands."""
        return self._traced(self._built()[0])

    def _traced(self, modules: list[nn.Module]) -> tracing.Trace:
        kinds = [type(module).__name__ for module in modules]
        names = [f"layer {number} ({kind})" for number, kind in enumerate(kinds, 1)]
        stack = nn.Sequential(OrderedDict(zip(names, modules, strict=True)))
        return tracing.trace(stack, (self.channels, self.side, self.width or self.side))

    def _built(self) -> tuple[list[nn.Module], list[dict]]:
        """Return the modules, without memory, and the layers as they are then.

        in_channels follow from the convolutions before, and in_features from the
        layers before where that is wanted and where these fit.
        """
        modules, parts = [], _checked(self._view.layers)
        channels = self.channels
        for part in parts:
            if part["kind"] == "Linear" and self.derive:
                before = self._traced(modules)
                if not before.misfit:
                    part["in_features"] = min(prod(before.shape), FEATURES)
            how = dict(part)
            kind = getattr(nn, how.pop("kind"))
            if "out_channels" in how:
                how["in_channels"], channels = channels, part["out_channels"]
                how["groups"] = gcd(how["in_channels"], channels, part["groups"])
            with torch.device("meta"):
                modules.append(kind(**how))
            if "groups" in how:
                modules[-1].groups = part["groups"]  # torch may refuse them
        return modules, parts

    def _put(self, name: str, value: object) -> None:
        if name == "derive" and not value:
            self._stand(self.layers, self.network)  # what followed stays as it is
        super()._put(name, value)

    def _told(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in TIPS}

    def _repr_mimebundle_(self, **kwargs: object) -> tuple[dict, dict]:
        found = self.trace  # as a table, for those who read without a kernel
        still = {"text/html": found._repr_html_()}, {}
        return mime(self, self._view, still, repr(found))


def _check_sides(name: str, value: object, *limits: int) -> int | tuple[int, int]:
    """Return a whole number, or two where height and width differ."""
    sides = value if isinstance(value, tuple | list) and len(value) == 2 else [value]
    height, width = (check_whole(name, sides[i], *limits) for i in (0, -1))
    return height if height == width else (height, width)


def _checked(parts: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    if not isinstance(parts, list | tuple) or len(parts) > MOST_LAYERS:
        wanted = f"a list of at most {MOST_LAYERS} layers"
        raise ValueError(f"layers must be {wanted}, not {reprlib.repr(parts)}.")
    return [_checked_layer(part) for part in parts]


def _checked_layer(part: dict[str, object]) -> dict[str, object]:
    how = dict(part) if isinstance(part, dict) else {}
    kind = how.pop("kind", None)
    if kind not in [*KINDS]:
        wanted = f"a dict with a kind out of {', '.join(KINDS)}"
        raise ValueError(f"A layer is {wanted}, not {reprlib.repr(part)}.")
    for name, value in how.items():
        if name not in KINDS[kind]:
            others = ", ".join(KINDS[kind]) or "none"
            raise ValueError(f"{kind} has no setting {name!r} here; it has {others}.")
        check = _check_sides if name in layers.LEAST else check_whole
        how[name] = check(name, value, *KINDS[kind][name][:2])
    return layer(kind, **how)
