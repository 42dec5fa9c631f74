"""The dropout bench does what torch's layer does, in Python and in the page."""

import json
import math
from itertools import product

import pytest
import torch
from page import BOARDS, exact_values, numbers
from torch import nn

from helpers.widgets.dropout import DRAWS, DropoutBench

OUT_OF_RANGE = "p must be a number from 0 to 0.95 in steps of 0.05, not"
PS = [percent / 100 for percent in range(0, 100, 5)]
WALK = """async (walk) => {
  const boards = BOARDS;
  const shown = [];
  for (const settings of walk) {
    for (const [name, value] of Object.entries(settings)) model.set(name, value);
    await Promise.resolve();
    shown.push([boards(), document.querySelector(".bench-status").textContent,
      document.querySelector(".bench code").textContent]);
  }
  return JSON.stringify(shown);
}""".replace("BOARDS", BOARDS)


@pytest.mark.parametrize("p", PS)
def test_survivors_are_what_torchs_layer_makes_of_them(p):
    bench = DropoutBench(p)
    layer, values = nn.Dropout(p), torch.rand(10_000).double() + 1
    output = layer(values)
    assert torch.allclose(output, torch.where(output != 0, values / (1 - p), 0.0))
    assert torch.allclose(
        bench.output, torch.where(bench.mask, bench.input / (1 - p), 0.0)
    )
    share = bench._masks().double().mean()
    assert share == pytest.approx(
        1 - p, abs=4 * math.sqrt(p * (1 - p) / (64 * DRAWS)) + 1e-9
    )


def test_in_eval_everything_passes_and_the_mean_of_many_draws_is_near_the_input():
    bench = DropoutBench(0.9, training=False)
    assert torch.equal(bench.output, bench.input) and torch.equal(
        bench.mean, bench.input
    )
    assert torch.equal(eval(bench.code, {"nn": nn})(bench.input), bench.input)
    bench = DropoutBench(0.5, draw=DRAWS)
    assert not torch.equal(bench.output, bench.input)
    spread = bench.input * math.sqrt(1 / DRAWS)
    assert ((bench.mean - bench.input).abs() <= 4 * spread).all()


def state(bench):
    return bench._view.get_state(), {
        name: [held.value for held in all_] for name, all_ in bench._linked.items()
    }


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("p", 1, f"{OUT_OF_RANGE} 1."),
        ("p", -0.1, f"{OUT_OF_RANGE} -0.1."),
        ("p", float("nan"), f"{OUT_OF_RANGE} nan."),
        ("p", 0.333, f"{OUT_OF_RANGE} 0.333."),
        ("p", "half", f"{OUT_OF_RANGE} 'half'."),
        ("draw", 0, "draw must be a whole number from 1 to 100, not 0."),
        ("draw", 1.5, "draw must be a whole number from 1 to 100, not 1.5."),
        ("training", "eval", "training must be True or False, not 'eval'."),
    ],
)
def test_bad_values_get_one_sentence_and_change_nothing(name, value, sentence):
    bench = DropoutBench()
    before = state(bench)
    with pytest.raises(ValueError) as caught:
        setattr(bench, name, value)
    assert str(caught.value) == sentence
    assert before == state(bench)


def test_a_misspelt_name_is_not_swallowed_and_controls_have_names():
    bench = DropoutBench()
    with pytest.raises(
        AttributeError, match="no 'rate' to set; it has p, draw, training."
    ):
        bench.rate = 0.3
    assert all(
        control.description and control.tooltip
        for control, *_ in bench._linked.values()
    )
    data, metadata = bench._repr_mimebundle_()
    assert data["text/plain"] == "DropoutBench(p=0.5, draw=1, training=True)"
    assert "mean of draws 1 to 1" in metadata["image/png"]["alt"]


@pytest.mark.browser
def test_the_page_shows_what_python_says(opened):
    bench = DropoutBench()
    page = opened(bench)
    walk = [
        {"p": p, "draw": draw, "training": training}
        for p, draw, training in product(PS, (1, 2, 37, DRAWS), (True, False))
    ]
    for settings, (boards, status, code) in zip(
        walk, json.loads(page.evaluate(WALK, walk)), strict=True
    ):
        for name, value in settings.items():
            setattr(bench, name, value)
        for board, truth in zip(
            boards.values(),
            (bench.input, bench.mask, bench.output, bench.mean),
            strict=True,
        ):
            numbers(board)
            assert torch.allclose(exact_values(board), truth.double(), atol=1e-9), (
                settings
            )
        assert code == bench.code
        dropped = 64 - int(bench.mask.sum())
        assert status.startswith(
            f"Draw {bench.draw}: {dropped} of 64"
            if bench.training
            else "eval: no number"
        )
    page.evaluate("clean()")
    assert page.evaluate("Object.values(model.heard).flat().length") == 0
