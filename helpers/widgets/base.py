"""What every bench is made of: a view that the browser draws, and controls.

Controls and view are tied together in the browser (`jslink`), so they answer within a
frame, with or without a kernel.
"""

import base64
import re
from collections import ChainMap, Counter
from collections.abc import Callable
from pathlib import Path

import anywidget
import ipywidgets as widgets
from traitlets import Any

from helpers.validation import SentenceError
from helpers.waiting import alive

HERE = Path(__file__).parent
STYLE = HERE / "base.css"
IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+)\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)
TOP_LEVEL = re.compile(r"^(?:const|let|class|function) (\w+)", re.MULTILINE)
OWN = "my own"
ROOM = {"bench": {"rows": 20}}  # metadata of an output: rows of text on a slide
# Colab has ipywidgets 7, where it had another name
TOOLTIP = "tooltip" if hasattr(widgets.Play, "tooltip") else "description_tooltip"


def script(name: str) -> str:
    """Return one script for a module and all that it imports: a widget loads no others.

    Raises ValueError where two of them define the same name.
    """
    parts: dict[str, str] = {}
    _gather(name, parts)
    names = Counter(TOP_LEVEL.findall("\n".join(parts.values())))
    if doubled := [one for one, count in names.items() if count > 1]:
        raise ValueError(
            f"{name}.js and what it imports define twice: {', '.join(doubled)}."
        )
    return "\n".join(parts.values())


def _gather(name: str, parts: dict[str, str]) -> None:
    source = (HERE / f"{name}.js").read_text(encoding="utf-8")
    for other in IMPORT.findall(source):
        if other not in parts:
            _gather(other, parts)
    parts[name] = EXPORT.sub("", IMPORT.sub("", source))


def as_text(data: bytes) -> str:
    """Return bytes for the browser as base64, which survives in exported pages."""
    return base64.b64encode(data).decode()


class View(anywidget.AnyWidget):
    """What the browser draws with the named script; its traits are a bench's state."""

    _css = STYLE

    def __init__(self, name: str, **state: object) -> None:
        self._esm = script(name)
        self.add_traits(**{name: Any().tag(sync=True) for name in state})
        super().__init__(**state)


class Bench(widgets.VBox):
    """Controls above a view, and a still picture for those who have no browser."""

    # By the name of the view's trait, the controls that hold its value.
    _linked: dict[str, list[widgets.Widget]]
    _ipython_display_ = None  # that of ipywidgets 7 would leave the picture out

    def _tied(self, *others: tuple[widgets.Widget, str, str]) -> list[widgets.Widget]:
        """Return controls and view, each control tied to its trait, and the others."""
        links = [
            (control, _holder(control), name)
            for name, held in self._linked.items()
            for control in held
        ]
        return [controls(self._view, [*links, *others]), self._view]

    def _put(self, name: str, value: object) -> None:
        for control in self._linked.get(name, []):
            setattr(control, _holder(control), value)
        setattr(self._view, name, value)

    def _settable(self) -> list[str]:
        kinds = [vars(kind) for kind in type(self).__mro__ if issubclass(kind, Bench)]
        parts = ChainMap(*kinds)  # those of the base class come first
        return [name for name, part in parts.items() if getattr(part, "fset", None)]

    def _told(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self._settable()}

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_") and not hasattr(type(self), name):
            names = ", ".join(self._settable())
            raise AttributeError(f"The bench has no {name!r} to set; it has {names}.")
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({listed(self._told())})"

    def _repr_mimebundle_(self, **kwargs: object) -> tuple[dict, dict]:
        still = self._still()._repr_mimebundle_()
        return mime(self, self._view, still, repr(self))


def mime(
    whole: widgets.Widget, view: View, still: tuple[dict, dict], text: str
) -> tuple[dict, dict]:
    """Return data and metadata of an output that shows a bench, and its view in it.

    What is still is for those who read without a kernel: GitHub, a printout.
    """
    data, metadata = still
    _, colab = view._repr_mimebundle_()  # what Colab has to know to show it
    return alive(whole) | data | {"text/plain": text}, colab | metadata | ROOM


def shared(name: str, check: Callable, tip: str, *limits: object) -> property:
    """Return a property that view and controls hold; `check` lets a value through,
    given its name, the value and the limits.
    """
    return property(
        lambda bench: getattr(bench._view, name),
        lambda bench, value: bench._put(name, check(name, value, *limits)),
        doc=tip,
    )


def index_of(chosen: str, names: list[str], part: str) -> int:
    """Return the place of a name in a list; SentenceError where it is not in there."""
    if chosen not in names:
        raise SentenceError(
            f"There is no {part} called {chosen!r}; choose one of {', '.join(names)}."
        )
    return names.index(chosen)


def label(name: str, tip: str) -> dict[str, object]:
    """Return what names a control and lays it out."""
    layout = {"style": {"description_width": "112px"}, "layout": {"width": "300px"}}
    return {"description": name, TOOLTIP: tip, **layout}


def slider(name: str, low: int, high: int, tip: str) -> widgets.IntSlider:
    """Return a slider for whole numbers."""
    return widgets.IntSlider(min=low, max=high, **label(name, tip))


def player(tip: str) -> widgets.Play:
    """Return a button that walks through steps, two a second."""
    how = {"interval": 500, "show_repeat": False, "layout": {"width": "auto"}}
    return widgets.Play(**how, **{TOOLTIP: tip})


def controls(
    view: widgets.DOMWidget, links: list[tuple[widgets.DOMWidget, str, str]]
) -> widgets.Box:
    """Tie each control's trait to the view's in the browser; return them in rows."""
    for control, trait, name in links:
        widgets.jslink((control, trait), (view, name))
    shown = dict.fromkeys(control for control, _, _ in links)
    return widgets.Box([*shown], layout={"flex_flow": "row wrap"})


def tie(view: View, linked: dict[str, list[widgets.Widget]]) -> None:
    """Tie controls to the view's traits in the browser, which needs no kernel."""
    for name, held in linked.items():
        for control in held:
            widgets.jslink((control, _holder(control)), (view, name))


def _holder(control: widgets.Widget) -> str:
    return "index" if hasattr(control, "index") else "value"


def listed(settings: dict[str, object]) -> str:
    """Return settings as the arguments of a call."""
    return ", ".join(f"{name}={value!r}" for name, value in settings.items())
