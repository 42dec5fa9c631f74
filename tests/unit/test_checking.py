"""The engine of the checkers: what it takes for a number, what it says, and that
nothing stays changed.
"""

import ast
import re
import warnings
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import exercises
import numpy as np
import pytest
import torch
from exercising import said
from torch import nn

from helpers.checking import (
    MustBeRight,
    exercise,
    expect,
    expect_same,
    leaves_unchanged,
)


@exercise("twelve.")
def twelve(answer):
    expect_same(answer, 12)


@exercise("a row.")
def row(answer):
    expect_same(answer, [1, 0])


@exercise("called.", of="model")
def called(answer):
    answer(with_everything())


def with_everything():
    layers = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5)
    return nn.Sequential(*layers).eval().requires_grad_(False)


NUMBERS = 12, 12.0, np.int64(12), np.array(12.0), torch.tensor(12), torch.tensor(12.0)


@pytest.mark.parametrize("answer", [*NUMBERS, Fraction(24, 2), Decimal(12)], ids=repr)
def test_a_number_may_have_any_honest_form(answer):
    assert said(twelve, answer) == "✓ Right: twelve.\n"


ROWS = [1, 0], (1, 0), np.array([1, 0]), torch.tensor([1, 0]), [np.int64(1), 0.0]


@pytest.mark.parametrize(
    "answer", [*ROWS, [torch.tensor(1), torch.tensor(0)]], ids=repr
)
def test_a_row_may_have_any_honest_form(answer):
    assert said(row, answer) == "✓ Right: a row.\n"


@pytest.mark.parametrize(
    "answer",
    [
        [True, False],
        [1, False],
        torch.tensor([True, False]),
        np.array([True, False]),
        {1: 0},
        {1, 0},
        [1j, 0],
        [10**400, 0],
        object(),
    ],
    ids=lambda answer: re.sub(r" at 0x.*|(?<=\d{20})\d+", "", repr(answer)),
)
def test_what_is_no_row_of_numbers_is_refused_without_a_word_of_quotes(answer):
    verdict = said(row, answer)
    assert verdict.startswith("✗ Not yet: your answer is ")
    assert verdict.endswith("; give 2 numbers, (…, …).\n")


@pytest.mark.parametrize("answer", ["1, 0", ["1", "0"], (1, "0")], ids=repr)
def test_text_in_place_of_numbers_is_told_of_its_quotes(answer):
    assert said(row, answer).endswith("; give 2 numbers, (…, …), without quotes.\n")


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (NotImplementedError, "your answer stopped with NotImplementedError.\n"),
        (Mute, "your answer stopped with Mute.\n"),
        (ValueError("a\nb"), "your answer stopped with ValueError: a.\n"),
        (ValueError("a."), "your answer stopped with ValueError: a.\n"),
    ],
)
def test_an_error_of_the_students_code_ends_in_one_sentence(error, sentence):
    def fails(model):
        raise error

    assert said(called, fails) == f"✗ Not yet: {sentence}"


def test_what_has_no_words_of_its_own_gets_a_sentence():
    class Wordless:
        def __repr__(self):
            raise RuntimeError("no words")

    assert said(twelve, Wordless()).startswith("✗ Not yet: ")


def backward(model):
    model.requires_grad_(True)
    model(torch.rand(1, 1, 5, 5)).sum().backward()
    model.requires_grad_(False)


def fill(model):
    with torch.no_grad():
        model[0].bias[0] = 7


def hook(model, kind):
    getattr(model[0], f"register_{kind}_hook")(lambda *_: None)


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (nn.Module.train, "the model came in train(False)"),
        (lambda model: model[2].train(), "or a layer of it, goes out in train(True)"),
        (
            lambda model: model.requires_grad_(True),
            "requires_grad of 0.weight is no longer False",
        ),
        (backward, "0.weight of the model has another .grad"),
        (fill, "the model is changed for good: 0.bias holds other numbers"),
        (lambda model: model[1].running_mean.add_(1), "1.running_mean holds other"),
        (lambda model: model.append(nn.ReLU()), "the model has other layers"),
        (lambda model: hook(model, "forward"), "a hook stays behind at '0'"),
        (lambda model: hook(model, "forward_pre"), "a hook stays behind at '0'"),
        (lambda model: hook(model, "full_backward"), "a hook stays behind at '0'"),
        (lambda model: hook(model, "full_backward_pre"), "a hook stays behind at '0'"),
        (lambda model: torch.set_grad_enabled(False), "gradients are off for good"),
        (
            lambda model: torch.set_default_dtype(torch.float64),
            "torch's default dtype is no longer torch.float32; put it back",
        ),
    ],
)
def test_a_function_that_leaves_something_changed_is_told_what(change, left):
    verdict = said(called, change)
    assert verdict.startswith("✗ Not yet: afterwards ") and left in verdict
    assert verdict.count("\n") == 1


def test_a_function_that_changes_nothing_for_good_is_praised():
    def careful(model):
        model.train()
        handle = model[0].register_forward_hook(lambda *_: None)
        with torch.no_grad():
            model[0](torch.rand(1, 1, 5, 5))
        handle.remove()
        model.eval()
        torch.manual_seed(7)

    assert said(called, careful) == "✓ Right: called.\n"


def test_where_training_is_the_exercise_the_numbers_may_change_and_nothing_else():
    with leaves_unchanged(model := nn.Linear(2, 1), trains=True):
        model(torch.ones(2)).backward()
        torch.optim.SGD(model.parameters(), lr=1).step()
    model.eval()
    check = exercise("trained.", of="net", trains=True)(lambda answer: answer(model))
    assert said(check, lambda net: net.weight.data.add_(1)) == "✓ Right: trained.\n"
    assert "goes out in train(True)" in said(check, nn.Module.train)


def test_after_a_verdict_torch_is_as_it_was():
    def untidy(model):
        torch.manual_seed(3)
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        expect(False, "stop")

    torch.manual_seed(1)
    wanted = torch.rand(3)
    torch.manual_seed(1)
    for check, answer in ((called, untidy), (twelve, 12)):
        said(check, answer)
        assert torch.is_grad_enabled() and torch.get_default_dtype() == torch.float32
    assert torch.equal(torch.rand(3), wanted)
    with torch.no_grad():
        said(twelve, 12)
        assert not torch.is_grad_enabled()


def test_a_verdict_gives_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert said(twelve, torch.tensor(12.0, requires_grad=True)).startswith("✓")


def test_no_lesson_needs_another_lesson():
    for path in Path(exercises.__file__).parent.glob("lesson_*.py"):
        for part in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(part, ast.ImportFrom):
                assert not part.module.startswith("exercises."), path.name


@pytest.mark.parametrize("answer", [None, ..., 13, "twelve", [12, 12]], ids=repr)
def test_where_a_grade_hangs_on_it_what_is_not_right_stops_with_its_sentence(answer):
    with pytest.raises(AssertionError) as stopped:
        twelve(answer, must=True)
    assert f"{stopped.value}\n" == said(twelve, answer)
    assert stopped.value._render_traceback_() == [f"MustBeRight: {stopped.value}"]
    assert isinstance(stopped.value, MustBeRight)


def test_where_a_grade_hangs_on_it_a_right_answer_is_praised(capsys):
    twelve(12, must=True)
    assert capsys.readouterr().out == "✓ Right: twelve.\n"
    with pytest.raises(MustBeRight, match="your answer stopped with TypeError"):
        called(lambda: None, must=True)
