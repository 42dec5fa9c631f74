"""Whether the bench of a layer shows torch's numbers, in Python and in the page:
`python tests/tools/windows.py [--count 5000] [--seed 0]`.

Takes every setting of one channel and squares up to size 8, and random settings over
the whole signature of every layer. For each it compares output, all gradients, the
window, the words and the line of code, and where no window fits the sentence, with what
torch computes or raises. The tests take a sample.
"""

import argparse
import json
import random
import re
import time
import warnings
from collections import Counter
from itertools import product

import torch
import torch.nn.functional as F
from page import BOARDS, exact_values, numbers, open_bench
from torch import Tensor, nn

from helpers.sizes import window_span
from helpers.widgets.layer_bench import LayerBench
from helpers.widgets.layer_controls import INPUTS, SWITCHES
from helpers.widgets.signatures import KINDS, MODES, NEUTRAL, PAIRS, RANGES

PLAIN = {**NEUTRAL, "in_channels": 1, "locked": True, "input": 0, "weight": 0}
# Ranges in which most windows fit; half of the random settings are drawn from them.
NEAR = {"kernel_size": (1, 3), "padding": (0, 1), "dilation": (1, 2), "groups": (1, 2)}
NEAR = RANGES | NEAR | {"input_size": (4, 12), "output_padding": (0, 1)}
PART = 100  # settings at once: Playwright is slow with many small values
BIAS = [1.5, -2, 0.25, 3]
SLIPS = re.compile(r"\b(undefined|null|NaN|true|false|Infinity)\b|\[object|\{\w")
# Sets one setting after the other and reads back what both views show.
WALK = """async (walk) => {
  const boards = BOARDS;
  const text = (name) => document.querySelector(`.bench-${name}`).textContent;
  const lines = ["status", "sum", "formula", "unread"];
  const shown = [];
  for (const { board, ...state } of walk) {
    const places = (mark) => [...document.querySelectorAll(`[aria-label="${board} with its padding"] .${mark}`)]
      .map(({ dataset }) => [+dataset.row, +dataset.column]);
    for (const [name, value] of Object.entries(state)) model.set(name, value);
    const seen = {};
    for (const view of ["forward", "backward"]) {
      model.set("view", view);
      await Promise.resolve();
      Object.assign(seen, { trouble: text("trouble"), code: document.querySelector(".bench code").textContent });
      if (seen.trouble) continue;
      seen[view] = { boards: boards(), pixels: places("pixel"), taps: places("pixel.tap") };
      for (const name of lines) seen[view][name] = text(name);
      seen[view].words = [...document.querySelectorAll(".bench :is(h4, p)")].map((one) => one.textContent);
    }
    shown.push(seen);
  }
  return JSON.stringify(shown);
}""".replace("BOARDS", BOARDS)


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
        ranges, equal = dice.choice([RANGES, NEAR]), dice.random() < 0.4
        size = {name: [dice.randint(*ranges[name]) for _ in "hw"] for name in RANGES}
        pairs = {name: (size[name][0], size[name][not equal]) for name in PAIRS}
        counts = {name: size[name][0] for name in [*RANGES][len(PAIRS) :]}
        if dice.random() < 0.5:
            counts["groups"] = 1
        switches = {name: dice.random() < 0.5 for name in SWITCHES}
        switches["same"] = dice.random() < 0.2
        lists = {"input": dice.randrange(5), "weight": dice.randrange(8)}
        lists |= {"kind": dice.choice([*KINDS]), "padding_mode": dice.choice(MODES)}
        return {**pairs, **counts, **switches, **lists, "locked": equal}

    return [one() for _ in range(count)]


def put(bench: LayerBench, settings: dict) -> None:
    """Set the bench to a setting."""
    names = [*RANGES, *SWITCHES, "padding_mode"]
    bench.kind = settings["kind"]
    bench.set(**{name: settings[name] for name in names if name in settings})
    bench.input = INPUTS[settings["input"]]
    bench._put("weight_index", settings["weight"])  # also for a layer without one


def traits(settings: dict, number: int) -> dict[str, object]:
    """Return the settings as the page's model has them, and a step and a channel."""
    state = {name: settings[name] for name in SWITCHES if name in settings}
    for name in RANGES:
        value = settings.get(name, RANGES[name][0])
        state[name] = value[0] if isinstance(value, tuple) else value
        if isinstance(value, tuple):
            state[f"{name}_width"] = value[1]
    lists = {"kind": [*KINDS], "padding_mode": MODES}
    state |= {f"{n}_index": names.index(settings[n]) for n, names in lists.items()}
    state |= {f"{name}_index": settings[name] for name in ("input", "weight")}
    state |= {"locked": settings["locked"], "step": number % 41, "channel": number % 4}
    return state | {"bias_own": BIAS}


def torchs(bench: LayerBench, settings: dict) -> tuple[nn.Module, Tensor, Tensor]:
    """Return torch's own layer of a setting with the bench's weights, its input and its
    output; raises what torch raises.
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


def close(found: Tensor, truth: Tensor) -> bool:
    """Say whether numbers and shapes are equal, but for the last digits."""
    return found.shape == truth.shape and torch.allclose(found, truth, atol=1e-8)


def check(bench: LayerBench, settings: dict) -> tuple[str, nn.Module, Tensor, Tensor]:
    """Compare Python with torch for one setting; return how it ended, and torch's layer
    with its gradients, output and gradient of the input, or None.
    """
    put(bench, settings)
    if "torch does not refuse" in bench.trouble:
        return "crash", None, None, None  # asked, torch's backward pass may crash
    try:
        layer, pixels, output = torchs(bench, settings)
    except (RuntimeError, ValueError) as error:
        reason = bench.trouble.partition("torch says: ")[2].partition(". ")[0]
        assert reason and reason in str(error), (settings, bench.trouble, error)
        return "refused", None, None, None
    assert not bench.trouble, settings
    assert eval(bench.code, {"nn": nn})(pixels.detach().float()).shape == output.shape
    assert close(bench.output, output.detach()), settings
    output.backward(torch.ones_like(output))
    found = bench.gradients
    assert close(found.input, pixels.grad), settings
    for name in ("weight", "bias"):
        truth, ours = getattr(layer, name, None), getattr(found, name)
        assert (ours is None) == (truth is None), settings
        assert truth is None or close(ours, truth.grad), (name, settings)
    return "equal", layer, output.detach(), pixels.grad


def check_shown(bench: LayerBench, settings: dict, state: dict, shown: dict) -> str:
    """Compare Python and page with torch for one setting; return how it ended."""
    ending, layer, output, grad = check(bench, settings)
    large = shown["trouble"].startswith("The output has ")
    assert large or shown["trouble"] == bench.trouble, settings
    assert shown["code"] == bench.code, settings
    if large:
        return f"{ending}, too large to be drawn"
    slips = [one for view in shown.values() if "words" in view for one in view["words"]]
    assert not any(map(SLIPS.search, [*slips, shown["trouble"]])), settings
    if ending == "equal":
        step = min(state["step"], output[0].numel() - 1)
        place = min(state["channel"], len(output) - 1), *divmod(step, output.shape[2])
        check_forward(shown["forward"], bench, output, place, settings)
        check_window(shown["forward"], output, place, settings)
        check_backward(shown["backward"], layer, grad, place, settings)
    return ending


def named(boards: dict, name: str, read=exact_values) -> list[Tensor]:
    """Return the boards of a name, one for each channel."""
    return [read(boards[one]) for one in boards if re.fullmatch(rf"{name}( \d)?", one)]


def check_forward(
    shown: dict, bench: LayerBench, output: Tensor, place: tuple, how: dict
) -> None:
    """Compare the boards and what is said of the chosen output with its number."""
    boards, result = shown["boards"], float(output[place])
    assert close(torch.stack(named(boards, "Output", numbers)), output), how
    bias = 0 if bench.bias is None else float(bench.bias[place[0]])
    if bench.weight is not None:
        products = torch.stack(named(boards, "Products under the window", numbers))
        kernels = torch.stack(named(boards, "Kernel", numbers))
        assert kernels.shape[-2:] == products.shape[-2:] == bench.weight.shape[-2:], how
        parts = [float(products.nansum()) + bias]
    else:
        values = named(boards, "Values in the window")[0]
        shares = named(boards, "Gradient of the window")[0]
        parts = [float((values * shares).nan_to_num(0, 0, 0).sum())]
        if how["kind"] == "MaxPool2d":
            parts.append(float(values.nan_to_num(-torch.inf).max()))
    said = [shown["status"], shown["sum"].partition(". ")[0]]
    texts = [float(re.split("[=≈] ", text)[-1]) for text in said]
    for found in parts + texts:
        assert abs(found - result) <= 1e-4, (found, result, how)
    where = [str(one) for one in place[len(output) == 1 :]]
    assert f": output[{', '.join(where)}] = " in shown["status"], how


def reach(how: dict, shape: tuple, place: tuple, mode: str) -> tuple[Tensor, Tensor]:
    """Return torch's gradient of one output by the input, where all weights are 1, and
    the sum of the gradients of all; the padding is of the mode.
    """
    pixels = torch.ones(1, 1, *how["input_size"], requires_grad=True)
    s, p = how["stride"], how["padding"]
    d = how.get("dilation", (1, 1)) if "Avg" not in how["kind"] else (1, 1)
    ones = torch.ones(1, 1, *how["kernel_size"])
    if how["kind"] == "ConvTranspose2d":
        more = how["output_padding"]
        found = F.conv_transpose2d(pixels, ones, None, s, p, more, 1, d)
    else:
        spans = [window_span(*side) for side in zip(how["kernel_size"], d, strict=True)]
        before = [(span - 1) // 2 for span in spans] if is_same(how) else p
        after = [span // 2 for span in spans] if is_same(how) else p
        around = before[1], after[1], before[0], after[0]
        padded = F.pad(pixels, around, mode if mode != "zeros" else "constant")
        # The windows of ceil_mode may end beyond the padding.
        found = F.conv2d(F.pad(padded, (0, 9, 0, 9)), ones, None, s, 0, d)
        found = found[..., : shape[0], : shape[1]]
    (one,) = torch.autograd.grad(found[0, 0, *place], pixels, retain_graph=True)
    return one[0, 0], torch.autograd.grad(found.sum(), pixels)[0][0, 0]


def is_same(how: dict) -> bool:
    """Say whether the padding keeps the size."""
    return how["same"] and how["kind"] == "Conv2d"


def check_window(shown: dict, output: Tensor, place: tuple, how: dict) -> None:
    """Compare the marked pixels, what is left over, and the size, with torch."""
    shape, mode = output.shape[1:], how["padding_mode"]
    one, _ = reach(how, shape, place[1:], "zeros")
    (top, left), *_ = shown["pixels"]
    marked = [(row - top, column - left) for row, column in shown["taps"]]
    assert marked == [tuple(at) for at in one.nonzero().tolist()], (marked, one, how)
    if how["kind"] != "ConvTranspose2d":
        mode = mode if how["kind"] == "Conv2d" else "zeros"
        _, every = reach(how, shape, place[1:], mode)
        left = int((every == 0).sum())
        said = f" {left} of {every.numel()} input pixels are read by no window."
        assert shown["unread"].endswith(said), (shown["unread"], said, how)
    lines = re.findall(r"^(?:=|height|width).*", shown["formula"], re.MULTILINE)
    sizes = [int(re.search(r"= (\d+)(,[^=]*)?$", line)[1]) for line in lines]
    assert sizes == [*shape][: len(lines)], how
    assert len(lines) == 2 or (len(lines) == 1 and shape[0] == shape[1]), how


def check_backward(
    shown: dict, layer: nn.Module, grad: Tensor, place: tuple, how: dict
) -> None:
    """Compare the gradients that the page shows with autograd's."""
    boards = shown["boards"]
    for found, truth in zip(named(boards, "Gradient of the input"), grad, strict=True):
        kept = ~found.isnan()  # around a gradient stands padding, without numbers
        assert close(found[kept.any(1)][:, kept.any(0)], truth), how
    if not hasattr(layer, "weight"):
        return
    weights = layer.weight.grad
    if how["kind"] == "ConvTranspose2d":
        makes, reads = weights.shape[1], len(weights) // layer.groups
        group, within = divmod(place[0], makes)
        truth = weights[group * reads : (group + 1) * reads, within]
    else:
        truth = weights[place[0]]
    kernels = torch.stack(named(boards, "Gradient of the kernel", numbers))
    assert close(kernels, truth), how
    if layer.bias is not None:
        text = shown["sum"].partition(": ")[2]
        bias = torch.tensor([float(one) for one in text.split(", ")]).double()
        assert torch.allclose(bias, layer.bias.grad, atol=1e-3), how


def board_of(settings: dict, channel: int) -> str:
    """Return the name of the first board of the input on which the window stands."""
    ins, outs = settings["in_channels"], settings["out_channels"]
    groups = settings["groups"]
    if "Pool" in settings["kind"]:
        outs = groups = ins
    group = min(channel, outs - 1) // max(outs // groups, 1)
    return "Input" if ins == 1 else f"Input {group * (ins // groups)}"


def compared(page, walk: list[dict]) -> Counter:
    """Compare each of the settings; return how often each ending came."""
    bench, endings = LayerBench(nn.Conv2d(1, 1, 3)), Counter()
    bench._view.bias_own = BIAS
    for start in range(0, len(walk), PART):
        part = walk[start : start + PART]
        states = [traits(one, start + place) for place, one in enumerate(part)]
        told = [
            state | {"board": board_of(settings, state["channel"])}
            for settings, state in zip(part, states, strict=True)
        ]
        shown = json.loads(page.evaluate(WALK, told))
        for settings, state, seen in zip(part, states, shown, strict=True):
            endings[check_shown(bench, settings, state, seen)] += 1
    return endings


def main() -> None:
    """Compare all squares and many random settings, and print how many."""
    import chromium

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    torch.set_num_threads(1)  # for so few numbers, threads only wait for each other
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
