"""The tracer with widgets: compose a network from layers, and see each shape and each
count while you do.
"""

import reprlib
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import anywidget
import ipywidgets as widgets
import torch
from torch import nn
from traitlets import Bool, Dict, Int, List

from helpers import tracing
from helpers.validation import check_switch, check_whole
from helpers.widgets.base import (
    OWN,
    ROOM,
    STYLE,
    Bench,
    controls,
    index_of,
    label,
    script,
    shared,
    slider,
)

MANY = 10**7  # of channels or features: enough for layers of billions of weights
WINDOW = {"kernel_size": [1, 64, 2], "stride": [1, 64, 2], "padding": [0, 32, 0]}
# For each kind of layer its settings: the least, the largest, and the one that a new
# layer starts with.
KINDS = {
    "Conv2d": {
        "out_channels": [1, MANY, 6],
        "kernel_size": [1, 64, 3],
        "stride": [1, 64, 1],
        "padding": [0, 32, 0],
    },
    "ReLU": {},
    "MaxPool2d": WINDOW,
    "AvgPool2d": WINDOW,
    "Dropout": {},
    "Flatten": {},
    "Linear": {"in_features": [1, MANY**2, 576], "out_features": [1, MANY, 10]},
}
LARGEST_CHANNELS, LARGEST_SIDE, MOST_LAYERS = 64, 64, 20
TIPS = {
    "network": "A ready-made stack of layers",
    "channels": "Channels of the picture",
    "side": "Pixels along one side of the picture",
    "derive": "Let in_features follow from the layers before; off, they stay as they are",
}


def layer(kind: str, **settings: int) -> dict[str, object]:
    """Return one layer for the tracer, with the usual settings where none are given."""
    return {
        "kind": kind,
        **{name: usual for name, (_, _, usual) in KINDS[kind].items()},
        **settings,
    }


def _stack(*convolutions: dict, row: int, widths: tuple[int, ...]) -> list[dict]:
    parts = [
        part
        for how in convolutions
        for part in (layer("Conv2d", **how), layer("ReLU"), layer("MaxPool2d"))
    ]
    dense = [
        layer("Linear", in_features=before, out_features=after)
        for before, after in pairwise((row, *widths))
    ]
    between = [part for one in dense for part in (one, layer("ReLU"))][:-1]
    return [*parts, layer("Flatten"), *between]


NETWORKS = {
    "Net, 32×32": _stack(
        {"out_channels": 6}, {"out_channels": 16}, row=576, widths=(120, 84, 10)
    ),
    "ConvNet, 28×28": _stack(
        {"out_channels": 4, "kernel_size": 5, "padding": 2},
        {"out_channels": 8, "kernel_size": 5, "padding": 2},
        row=392,
        widths=(512, 10),
    ),
    "one convolution": [layer("Conv2d")],
}
SIDES = {"Net, 32×32": 32, "ConvNet, 28×28": 28, "one convolution": 32}


class ComposerView(anywidget.AnyWidget):
    """What the browser draws: the layers, which it edits, and what it finds about them,
    with or without a kernel.
    """

    _esm = script("shape_tracer")
    _css = STYLE
    kinds = Dict(KINDS).tag(sync=True)
    stacks = List([*NETWORKS.values()]).tag(sync=True)
    most = Int(MOST_LAYERS).tag(sync=True)
    layers = List().tag(sync=True)
    network_index = Int(0).tag(sync=True)
    channels = Int(1).tag(sync=True)
    side = Int(32).tag(sync=True)
    derive = Bool(False).tag(sync=True)


class ShapeTracer(Bench):
    """Layers to compose, one under the other, with the shape and the parameters after
    each.

    `tracing.side = 28` feeds another picture; `tracing.layers` is a list of dicts such
    as `{"kind": "Conv2d", "out_channels": 6, "kernel_size": 3}`; `tracing.trace` is
    what `helpers.tracing.trace` finds.
    """

    channels = shared(
        "channels",
        partial(check_whole, "channels", smallest=1, largest=LARGEST_CHANNELS),
        TIPS["channels"],
    )
    side = shared(
        "side",
        partial(check_whole, "side", smallest=1, largest=LARGEST_SIDE),
        TIPS["side"],
    )
    derive = shared("derive", partial(check_switch, "derive"), TIPS["derive"])

    def __init__(
        self,
        network: str = "Net, 32×32",
        channels: int = 1,
        side: int | None = None,
        derive: bool = False,
    ) -> None:
        self._view = ComposerView(layers=NETWORKS["Net, 32×32"])
        self._names = [*NETWORKS, OWN]
        self._network = widgets.Dropdown(
            options=self._names, **label("network", TIPS["network"])
        )
        self._linked = {
            "side": [slider("side", 1, LARGEST_SIDE, TIPS["side"])],
            "channels": [slider("channels", 1, LARGEST_CHANNELS, TIPS["channels"])],
            "derive": [
                widgets.Checkbox(
                    indent=False, **label("derive in_features", TIPS["derive"])
                )
            ],
        }
        links = [(self._network, "index", "network_index")]
        links += [
            (control, "value", name)
            for name, held in self._linked.items()
            for control in held
        ]
        super().__init__([controls(self._view, links), self._view])
        self.network = network
        self.channels, self.derive = channels, derive
        self.side = SIDES[network] if side is None else side

    @property
    def network(self) -> str:
        """The ready-made stack that stands there, or "my own"."""
        return self._names[self._view.network_index]

    @network.setter
    def network(self, name: str) -> None:
        index_of(name, [*NETWORKS], "network")
        self._stand(NETWORKS[name], name)

    @property
    def layers(self) -> list[dict[str, object]]:
        """The layers from first to last: dicts of kind and settings."""
        return self._built()[1]

    @layers.setter
    def layers(self, parts: Sequence[dict[str, object]]) -> None:
        self._stand(_checked(parts), self.network)

    def _stand(self, layers: list[dict[str, object]], network: str) -> None:
        place = self._names.index(network if layers == NETWORKS.get(network) else OWN)
        self._network.index = place
        with self._view.hold_sync():
            self._view.network_index, self._view.layers = place, layers

    @property
    def code(self) -> str:
        """The stack as a line of Python; in_channels follow from the layers before."""
        return f"nn.Sequential({', '.join(f'nn.{tracing.code(module)}' for module in self._built()[0])})"

    @property
    def trace(self) -> tracing.Trace:
        """What the tracer finds for the stack as it stands."""
        modules, _, trouble = self._built()
        named = {
            f"layer {number} ({type(module).__name__})": module
            for number, module in enumerate(modules, 1)
        }
        found = tracing.trace(nn.Sequential(OrderedDict(named)), self._shape)
        found.rows, found.trouble = (
            found.rows[: len(modules)],
            found.trouble or trouble,
        )  # no row of an empty network
        return found

    def _built(self) -> tuple[list[nn.Module], list[dict], str]:
        """Return the modules, without memory, the layers as they are then, and what is
        wrong where torch cannot count.

        in_channels follow from the layers before, and in_features where that is wanted.
        """
        modules, parts, derive = (
            [],
            [dict(part) for part in self._view.layers],
            self.derive,
        )
        at = torch.empty(1, *self._shape, device="meta")
        for number, part in enumerate(parts, 1):
            how = {name: value for name, value in part.items() if name != "kind"}
            if part["kind"] == "Conv2d":
                how["in_channels"] = at.shape[1]
            if part["kind"] == "Linear" and derive:
                how["in_features"] = at[0].numel()
            try:
                with torch.device("meta"):
                    modules.append(getattr(nn, part["kind"])(**how))
            except RuntimeError:  # more numbers than a 64-bit integer counts
                return (
                    modules,
                    parts,
                    f"layer {number} ({part['kind']}) would hold more numbers than torch can count.",
                )
            part |= {name: how[name] for name in how.keys() & part.keys()}
            try:
                at = modules[-1](at)
            except (RuntimeError, IndexError):  # the tracer says it in words
                derive = False
        return modules, parts, ""

    @property
    def _shape(self) -> tuple[int, int, int]:
        return self.channels, self.side, self.side

    def _put(self, name: str, value: object) -> None:
        if name == "derive" and not value:
            self._stand(self.layers, self.network)  # what followed stays as it is
        super()._put(name, value)

    def _settable(self) -> list[str]:
        return [*TIPS, "layers"]

    def _told(self) -> dict[str, object]:
        return {
            "network": self.network,
            "channels": self.channels,
            "side": self.side,
            "derive": self.derive,
        }

    def _repr_mimebundle_(self, **kwargs: object) -> tuple[dict, dict]:
        found = self.trace  # as a table, for those who read without a kernel
        still = {"text/html": found._repr_html_(), "text/plain": repr(found)}
        return widgets.VBox._repr_mimebundle_(self, **kwargs) | still, {**ROOM}


def _checked(parts: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    if (
        not isinstance(parts, Sequence)
        or isinstance(parts, str)
        or not len(parts) <= MOST_LAYERS
    ):
        raise ValueError(
            f"layers must be a list of at most {MOST_LAYERS} layers, not {reprlib.repr(parts)}."
        )
    return [_checked_layer(part) for part in parts]


def _checked_layer(part: dict[str, object]) -> dict[str, object]:
    kind = part.get("kind") if isinstance(part, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(
            f"A layer is a dict with a kind out of {', '.join(KINDS)}, not {reprlib.repr(part)}."
        )
    for name, value in part.items():
        if name != "kind" and name not in KINDS[kind]:
            raise ValueError(
                f"{kind} has no setting {name!r} here; it has {', '.join(KINDS[kind]) or 'none'}."
            )
        if name != "kind":
            check_whole(name, value, *KINDS[kind][name][:2])
    return layer(**part)
