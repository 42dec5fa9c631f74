"""Whether the bench of a layer shows torch's numbers, in Python and in the page:
`python tests/tools/windows.py [--count 5000] [--seed 0]`.

Takes every setting of one channel and squares up to size 8, and random settings over
the whole signature of every layer. For each it compares output, all gradients, the
line of code, and where no window fits the sentence, with what torch computes or raises.
The tests take a sample.
"""

import argparse
import json
import random
import time
import warnings
from collections import Counter
from itertools import product

import torch
from page import open_bench
from torch import nn

from helpers.widgets.layer_bench import LayerBench
from helpers.widgets.layer_controls import INPUTS, SWITCHES, WEIGHTS
from helpers.widgets.signatures import KINDS, MODES, NEUTRAL, PAIRS, RANGES

PLAIN = {**NEUTRAL, "in_channels": 1, "locked": True, "input": 0, "weight": 0}
PART = 100  # settings at once: Playwright is slow with many small values
# Sets one setting after the other and reads back what each view shows.
WALK = """async (walk) => {
  const grids = () => Object.fromEntries([...document.querySelectorAll(".bench-panels [role=grid]")].map((grid) =>
    [grid.getAttribute("aria-label"), [...grid.querySelectorAll("[role=row]")].map((row) =>
      [...row.children].map((cell) => cell.title))]));
  const text = (name) => document.querySelector(name).textContent;
  const shown = [];
  for (const state of walk) {
    for (const [name, value] of Object.entries(state)) model.set(name, value);
    const seen = {};
    for (const view of ["forward", "backward"]) {
      model.set("view", view);
      await Promise.resolve();
      seen.trouble = text(".bench-trouble");
      seen.code = text(".bench code");
      seen[view] = seen.trouble ? {} : grids();
      seen[`${view}_sum`] = text(".bench-sum");
    }
    shown.push(seen);
  }
  return JSON.stringify(shown);
}"""


def squares(kind: str, largest: int = 8) -> list[dict]:
    """Return every setting of one channel and squares, whether a window fits or not."""
    names = ["input_size", *[name for name in PAIRS[1:] if name in KINDS[kind]]]
    sizes = [range(low, high + 1) for low, high in (RANGES[name] for name in names)]
    sizes[0] = range(1, largest + 1)
    switches = {"MaxPool2d": ["ceil_mode"], "AvgPool2d": ["ceil_mode"]}
    switches["AvgPool2d"].append("count_include_pad")
    choices = [(False, True)] * len(switches.get(kind, []))
    return [
        PLAIN
        | {name: (size, size) for name, size in zip(names, values, strict=False)}
        | dict(zip(switches.get(kind, []), values[len(names) :], strict=True))
        | {"kind": kind, "input": INPUTS.index("random")}
        for values in product(*sizes, *choices)
    ]


def drawn(count: int, seed: int = 0) -> list[dict]:
    """Return random settings over the whole signature of every layer."""
    dice = random.Random(seed)

    def one() -> dict:
        equal = dice.random() < 0.4
        pairs = {}
        for name in PAIRS:
            # Small windows fit more often.
            size = sorted(dice.randint(*RANGES[name]) for _ in "hw")[
                :: dice.choice([1, -1])
            ]
            pairs[name] = (size[0], size[0] if equal else size[1])
        counts = {name: dice.randint(*RANGES[name]) for name in [*RANGES][len(PAIRS) :]}
        if dice.random() < 0.5:
            counts["groups"] = 1
        switches = {name: dice.random() < 0.5 for name in SWITCHES}
        switches["same"] = dice.random() < 0.2
        lists = {"input": dice.randrange(5), "weight": dice.randrange(8)}
        lists |= {"kind": dice.choice([*KINDS]), "padding_mode": dice.choice(MODES)}
        return {**pairs, **counts, **switches, **lists, "locked": equal}

    return [one() for _ in range(count)]


def traits(settings: dict, number: int) -> dict[str, object]:
    """Return the settings as the page's model has them."""
    state = {name: settings[name] for name in SWITCHES if name in settings}
    for name in RANGES:
        value = settings.get(name, RANGES[name][0])
        state[name] = value[0] if isinstance(value, tuple) else value
        if isinstance(value, tuple):
            state[f"{name}_width"] = value[1]
    lists = {"kind": [*KINDS], "padding_mode": MODES}
    state |= {f"{n}_index": names.index(settings[n]) for n, names in lists.items()}
    state |= {f"{name}_index": settings[name] for name in ("input", "weight")}
    return state | {"locked": settings["locked"], "step": number, "channel": number % 4}


def torchs(bench: LayerBench, settings: dict) -> tuple[nn.Module, torch.Tensor]:
    """Return torch's own layer of a setting with the bench's weights, and its output;
    raises what torch raises.
    """
    kind = settings["kind"]
    how = {name: settings.get(name, (0, 0)) for name in KINDS[kind] if name != "same"}
    if settings["same"] and kind == "Conv2d":
        how["padding"] = "same"
    if "divisor_override" in how:
        how["divisor_override"] = how["divisor_override"] or None
    layer = getattr(nn, kind)(**how).double()
    if "groups" in how:
        layer.weight.data = bench.weight.clone()
        if layer.bias is not None:
            layer.bias.data = bench.bias.clone()
    pixels = bench.input.clone().requires_grad_()
    with warnings.catch_warnings(action="ignore"):
        output = layer(pixels)
    return layer, pixels, output


def put(bench: LayerBench, settings: dict) -> None:
    names = [*RANGES, *SWITCHES, "padding_mode"]
    bench.kind = settings["kind"]
    bench.set(**{name: settings[name] for name in names if name in settings})
    bench.input, bench.weight = INPUTS[settings["input"]], WEIGHTS[settings["weight"]]


def table(shown: list[list[str]]) -> torch.Tensor:
    numbers = [[float(text) for text in row] for row in shown]
    return torch.tensor(numbers, dtype=torch.float64)


def close(found: torch.Tensor, truth: torch.Tensor) -> bool:
    return found.shape == truth.shape and torch.allclose(found, truth, atol=1e-8)


def check(bench: LayerBench, settings: dict, shown: dict) -> str:
    """Compare Python and page with torch for one setting; return how it ended."""
    put(bench, settings)
    large = shown["trouble"].startswith("The output has ")
    assert large or shown["trouble"] == bench.trouble, settings
    assert shown["code"] == bench.code, settings
    if "torch does not refuse" in bench.trouble:
        return "crash"  # torch must not be asked: its backward pass may crash
    try:
        layer, pixels, output = torchs(bench, settings)
    except (RuntimeError, ValueError) as error:
        reason = bench.trouble.partition("torch says: ")[2].partition(". ")[0]
        assert reason and reason in str(error), (settings, bench.trouble, error)
        return "refused"
    assert not bench.trouble, settings
    assert eval(bench.code, {"nn": nn})(pixels.detach().float()).shape == output.shape
    assert close(bench.output, output.detach()), settings
    output.backward(torch.ones_like(output))
    found, channel = bench.gradients, min(shown["channel"], len(output) - 1)
    assert close(found.input, pixels.grad), settings
    if not large:
        check_page(shown, output.detach(), pixels.grad, settings)
    for name in ("weight", "bias"):
        truth = getattr(layer, name, None)
        ours = getattr(found, name)
        assert (ours is None) == (truth is None), settings
        assert truth is None or close(ours, truth.grad), (name, settings)
    if found.weight is not None and not large:
        check_kernels(shown, layer, channel, settings)
    return "equal, too large to be drawn" if large else "equal"


def numbered(boards: dict, name: str, count: int) -> list[torch.Tensor]:
    names = [name] if count == 1 else [f"{name} {place}" for place in range(count)]
    return [table(boards[one]) for one in names]


def check_page(
    shown: dict, output: torch.Tensor, grad: torch.Tensor, how: dict
) -> None:
    for view, name, truth in (
        ("forward", "Output", output),
        ("backward", "Gradient of the input", grad),
    ):
        for found, one in zip(
            numbered(shown[view], name, len(truth)), truth, strict=True
        ):
            kept = ~found.isnan()  # around a gradient stands padding, without numbers
            assert close(found[kept.any(1)][:, kept.any(0)], one), (name, how)


def check_kernels(shown: dict, layer: nn.Module, channel: int, settings: dict) -> None:
    truth = layer.weight.grad
    if settings["kind"] == "ConvTranspose2d":
        makes = truth.shape[1]
        reads = len(truth) // layer.groups
        group = channel // makes
        truth = truth[group * reads : (group + 1) * reads, channel % makes]
    else:
        truth = truth[channel]
    name = "Gradient of the kernel"
    found = numbered(shown["backward"], name, len(truth))
    assert all(close(*both) for both in zip(found, truth, strict=True)), settings
    if layer.bias is not None:
        text = shown["backward_sum"].partition(": ")[2]
        bias = torch.tensor(
            [float(one) for one in text.split(", ")], dtype=torch.double
        )
        assert torch.allclose(bias, layer.bias.grad, atol=1e-3), settings


def compared(page, walk: list[dict]) -> Counter:
    """Compare each of the settings; return how often each ending came."""
    bench, endings = LayerBench(nn.Conv2d(1, 1, 3)), Counter()
    bench.bias = [1.5, -2, 0.25, 3][:1]
    bench._view.bias_own = [1.5, -2, 0.25, 3]
    for start in range(0, len(walk), PART):
        part = walk[start : start + PART]
        states = [traits(one, start + place) for place, one in enumerate(part)]
        for state in states:
            state["bias_own"] = [1.5, -2, 0.25, 3]
        for settings, state, shown in zip(
            part, states, json.loads(page.evaluate(WALK, states)), strict=True
        ):
            shown["channel"] = state["channel"]
            endings[check(bench, settings, shown)] += 1
    return endings


def main() -> None:
    """Compare all squares and many random settings, and print how many."""
    import chromium

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    walks = {f"squares of {kind}": squares(kind) for kind in KINDS}
    walks["random settings"] = drawn(chosen.count, chosen.seed)
    with chromium.started() as browser:
        page = open_bench(browser, LayerBench(nn.Conv2d(1, 1, 3))._view)
        for name, walk in walks.items():
            start = time.monotonic()
            endings = dict(compared(page, walk))
            print(f"{name}: {len(walk)}, {endings}, {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
