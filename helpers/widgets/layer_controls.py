"""What the bench of a layer starts with, and the controls that hold its settings."""

import ipywidgets as widgets
from torch import Tensor

from helpers import presets
from helpers.widgets import signatures
from helpers.widgets.base import OWN, View, label, slider
from helpers.widgets.signatures import KINDS, MODES, NEUTRAL, PAIRS, RANGES

LARGEST_INPUT, LARGEST_KERNEL = 12, 7
INPUTS = [*presets.inputs(LARGEST_INPUT), OWN]
WEIGHTS = [*presets.kernels(LARGEST_KERNEL), OWN]
VIEWS = ["forward", "backward", "stamps", "matrix"]
SWITCHES = ["same", "bias", "ceil_mode", "count_include_pad"]
SETTINGS = [*RANGES, *SWITCHES, "padding_mode"]
FIRST = ["input_size", *KINDS["AvgPool2d"][:5], "dilation", "input", "weight"]
LISTS = {"kind": [*KINDS], "padding_mode": MODES, "input": INPUTS, "weight": WEIGHTS}
TIPS = {
    "input_size": "Pixels from top to bottom of the input",
    "kernel_size": "Pixels along one side of the window",
    "stride": "Pixels from one window to the next",
    "padding": "Rings around the input; a transposed convolution takes them off",
    "dilation": "Pixels from one weight's pixel to the next weight's",
    "output_padding": "Rows and columns added at the end of the output",
    "in_channels": "Pictures that come in",
    "out_channels": "Pictures that come out, each with a kernel of its own",
    "groups": "Into how many parts the channels are split",
    "divisor_override": "What the sum is divided by; 0: the numbers in the window",
    "same": "padding='same': as much padding as keeps the size",
    "bias": "A number added to each output of a channel",
    "ceil_mode": "One more window where something is left over",
    "count_include_pad": "The average counts the padding's zeros",
    "locked": "Height and width stay equal",
    "kind": "Which layer of torch slides the window",
    "padding_mode": "What the padding is filled with",
    "input": "A ready-made input; more channels take the next ones",
    "weight": "A ready-made kernel; more output channels take the next ones",
}


def view() -> View:
    """Return the view before a layer is put on, with what the page needs to know."""
    ready = [one.tolist() for one in presets.inputs(LARGEST_INPUT).values()]
    lists = [f"{name}_index" for name in LISTS]
    numbers = {name: low for name, (low, _) in RANGES.items()}
    numbers |= {f"{name}_width": numbers[name] for name in PAIRS}
    numbers |= dict.fromkeys([*lists, "step", "channel"], 0)
    switches = {name: NEUTRAL[name] for name in SWITCHES}
    switches |= {"alone": False, "transposed": False}
    own = {f"{name}_own": [] for name in ("input", "weight", "bias", "sent")}
    known = {"kinds": KINDS, "pairs": PAIRS, "modes": MODES, "neutral": NEUTRAL}
    known |= {"troubles": signatures.TROUBLES, "usual": signatures.USUAL}
    known |= {"input_names": INPUTS, "weight_names": WEIGHTS, "views": VIEWS}
    known |= {"input_presets": ready, "weight_presets": _kernels()}
    state = {**numbers, **switches, **own, "locked": True, "view": "forward"}
    return View("layer_bench", **state, **known, names=[*state])


def _kernels() -> list:
    """Return the ready-made kernels by height and width, both from 1 on."""
    sides = range(1, LARGEST_KERNEL + 1)
    ready = [[presets.kernels(high, wide).values() for wide in sides] for high in sides]
    return [[[_whole(one) for one in some] for some in row] for row in ready]


def _whole(kernel: Tensor) -> dict[str, object]:
    """Return a kernel as whole numbers and what they are divided by: five benches on a
    page would hold a quarter of a megabyte of digits.
    """
    parts = [value for value in kernel.abs().flatten().tolist() if value]
    over = round(1 / min([*parts, 1]))
    return {"over": over, "rows": (kernel * over).round().int().tolist()}


def controls() -> dict[str, list[widgets.Widget]]:
    """Return the controls by the name of the view's trait that they hold."""
    found = {}
    for name, tip in TIPS.items():
        word = {"kind": "layer", "weight": "kernel"}.get(name, name)
        if name in LISTS:
            control = widgets.Dropdown(options=LISTS[name], **label(word, tip))
        elif name in RANGES:
            control = slider(name, *RANGES[name], tip)
        else:
            control = widgets.Checkbox(indent=False, **label(name, tip))
        found[f"{name}_index" if name in LISTS else name] = [_marked(control, name)]
        if name in PAIRS:
            wide = slider(f"{name} ↔", *RANGES[name], f"{tip}, from left to right")
            wide.add_class("bench-width")
            found[f"{name}_width"] = [_marked(wide, name)]
    return found


def _marked(control: widgets.Widget, name: str) -> widgets.Widget:
    """Let the page hide a control where the layer has no such setting."""
    part = "groups" if name == "weight" else name
    kinds = [kind for kind, taken in KINDS.items() if part in taken]
    for kind in kinds if 0 < len(kinds) < len(KINDS) else []:
        control.add_class("bench-part")
        control.add_class(f"for-{kind}")
    return control


def in_rows(linked: dict[str, list[widgets.Widget]]) -> list[widgets.Widget]:
    """Return the controls that are seen at once, and the others in a fold."""
    rows = {True: [], False: []}
    for name, held in linked.items():
        rows[name.removesuffix("_width").removesuffix("_index") in FIRST] += held
    wrapped = {"flex_flow": "row wrap"}
    first, more = (widgets.Box(held, layout=wrapped) for held in rows.values())
    fold = widgets.Accordion([more])
    fold.set_title(0, "more settings")
    return [first, fold]
