"""The training loop: what it learns, what it leaves behind, and how it ends when
something goes wrong.
"""

import json
import math
import random
import re
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers import digits as data
from helpers import figures, interrupts, networks, training
from helpers.figures import in_bins
from helpers.training import LONG, QUICK, Recipe, evaluate, fit, shifted
from helpers.validation import SentenceError
from helpers.widgets.monitor import Monitor


@pytest.fixture(scope="module")
def digits():
    return data.embedded()


def fresh(seed=0, **how):
    """A small network, as these tests are about the loop."""
    torch.manual_seed(seed)
    return networks.ConvNet(**{"dense": 16, **how})


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in other)


def few(digits, count=64):
    return replace(digits, train=data.Split(*(part[:count] for part in digits.train)))


def linear():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


def interrupt_at(model, calls, training=True, times=1):
    """Press the stop button while the model looks at images in one of the two modes."""
    seen = []

    def press(_model, _images):
        # A trial, which comes first, is in eval mode with a graph.
        if model.training is training and torch.is_grad_enabled() is training:
            seen.append(1)
            if len(seen) == calls:
                for _ in range(times):
                    signal.raise_signal(signal.SIGINT)

    return model.register_forward_pre_hook(press)


@pytest.fixture(autouse=True)
def interruptible():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_embedded_digits_are_learned(digits):
    model = fresh(dropout=0, dense=64)
    history = fit(model, digits, epochs=20)
    assert evaluate(model, digits.test)[1] >= 0.97
    assert [row["epoch"] for row in history] == [*range(1, 21)]
    assert history[-1]["validation_accuracy"] == evaluate(model, digits.validation)[1]
    assert (
        len(history.losses)
        == len(history.accuracies)
        == 20 * 11
        == history[-1]["batches"]
    )
    assert history.stopped == ""
    assert not model.training
    assert next(model.parameters()).device.type == "cpu"


def test_a_row_holds_what_was_measured(digits):
    model = fresh()
    history = fit(model, digits, epochs=2)
    for row, start in zip(history, (0, 11), strict=True):
        losses, shares = (
            history.losses[start : start + 11],
            history.accuracies[start : start + 11],
        )
        assert row["train_loss"] == pytest.approx(sum(losses) / 11)
        assert row["train_accuracy"] == pytest.approx(sum(shares) / 11)
    assert history[0]["seconds"] < history[1]["seconds"]
    logits = training.logits(model, digits.validation.images)
    assert history[1]["validation_loss"] == pytest.approx(
        F.cross_entropy(logits, digits.validation.labels).item()
    )


def test_the_same_seed_gives_the_same_numbers_and_another_gives_others(digits):
    models = [fresh() for _ in range(3)]
    runs = [
        fit(model, digits, LONG, epochs=2, seed=seed)
        for model, seed in zip(models, (1, 1, 2), strict=True)
    ]
    assert runs[0].losses == runs[1].losses != runs[2].losses
    assert same(models[0].state_dict(), models[1].state_dict())


def test_the_callers_random_numbers_stay_as_they_are(digits):
    torch.manual_seed(5)
    expected = torch.rand(3)
    model = fresh()
    torch.manual_seed(5)
    fit(model, digits, epochs=1)
    assert torch.equal(torch.rand(3), expected)


def test_part_of_an_epoch_can_be_asked_for(digits):
    history = fit(fresh(), digits, epochs=1.5)
    assert len(history.losses) == 17
    assert len(history) == 2


def test_the_rate_rises_and_falls(digits):
    rates = []
    real = torch.optim.Adam.step
    model = fresh()

    def step(optimizer, *arguments, **named):
        rates.append(optimizer.param_groups[0]["lr"])
        return real(optimizer, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.Adam, "step", step)
        fit(model, digits, epochs=3, lr=0.02)
    assert len(rates) == 33
    assert max(rates) == pytest.approx(0.02, rel=0.05)
    assert rates[0] < max(rates) / 10
    assert rates[-1] < max(rates) / 100


def test_weights_are_put_aside_on_the_way(digits):
    history = fit(fresh(), digits, epochs=10, batch_size=256)
    moments = [moment for moment, _ in history.snapshots]
    assert moments[0] == 1
    assert moments == sorted(set(moments))
    assert 30 <= len(moments) <= training.SNAPSHOTS
    first, last = history.snapshots[0][1], history.snapshots[-1][1]
    assert {name: tuple(kernels.shape) for name, kernels in last.items()} == {
        "conv1.weight": (4, 1, 5, 5),
        "conv2.weight": (8, 4, 5, 5),
    }
    assert not same(first, last)


@pytest.mark.parametrize(("batches", "moments"), [(1, 1), (11, 11), (40, 40), (41, 21)])
def test_short_runs_put_weights_aside_too(digits, batches, moments):
    history = fit(fresh(), digits, epochs=batches / 11)
    assert len(history.batches) == batches
    assert len(history.snapshots) == moments


def test_the_best_epochs_weights_are_kept(digits):
    model = fresh()
    history = fit(model, digits, epochs=6, lr=0.02)
    accuracies = [row["validation_accuracy"] for row in history]
    assert history.best_epoch == 1 + accuracies.index(max(accuracies))
    model.load_state_dict(history.best)
    assert evaluate(model, digits.validation)[1] == max(accuracies)


@pytest.mark.parametrize("batches", [1, 5, 25])
def test_an_interruption_keeps_model_history_and_best_weights_and_says_so(
    digits, capsys, batches
):
    model = fresh()
    start = {name: values.clone() for name, values in model.state_dict().items()}
    stop = interrupt_at(model, batches)
    history = fit(model, digits, epochs=4)
    stop.remove()
    epoch = 1 + (batches - 1) // 11
    assert len(history.losses) == batches
    assert len(history) == epoch
    assert history.stopped.startswith(
        f"Interrupted in epoch {epoch}, after {batches} of 44 batches; the model has "
        "the weights from then, and history.best has those of epoch"
    )
    assert capsys.readouterr().out == history.stopped + "\n"
    assert not model.training
    assert not same(history.best, start)
    assert same(model.state_dict(), history.best) == (history.best_epoch == epoch)
    assert evaluate(model, digits.validation)[1] > 0
    assert "Interrupted" in repr(history)
    assert history.plot().png


def test_an_interruption_of_the_validation_keeps_its_row(digits):
    model = fresh()
    interrupt_at(model, 2, training=False)
    history = fit(model, digits, epochs=4)
    assert [row["batches"] for row in history] == [11, 22]
    assert history.stopped.startswith("Interrupted in epoch 2, after 22 of 44 batches")


@pytest.mark.parametrize("training", [True, False])
def test_a_second_interruption_ends_what_hangs_and_keeps_the_history(digits, training):
    model = fresh()
    interrupt_at(model, 2, training, times=2)
    history = fit(model, digits, epochs=4)
    assert len(history.batches) == (1 if training else 22)
    assert len(history) == (0 if training else 1)
    assert history.stopped.startswith("Interrupted in epoch")
    assert not model.training


def in_order(history, model):
    """Check that a run of four epochs of four batches has ended as it should."""
    assert len(history) == math.ceil(len(history.batches) / 4)
    assert bool(history.stopped) == (len(history.batches) < 16)
    assert not model.training and model[1].weight.grad is None
    return len(history.batches) if history.stopped else None


@pytest.fixture
def late():
    """Count the interrupts that arrive before or after a run."""
    arrived = []
    before = signal.signal(signal.SIGINT, lambda *_: arrived.append(1))
    noted = signal.getsignal(signal.SIGINT)
    yield arrived
    assert signal.getsignal(signal.SIGINT) is noted
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_at_any_line_ends_in_order(digits, late):
    files = {training.__file__, interrupts.__file__}
    left = 0

    def trace(frame, event, _argument):
        nonlocal left
        if frame.f_code.co_filename not in files:
            return None
        left -= event == "line"
        if left == 0 and event == "line":
            signal.raise_signal(signal.SIGINT)
        return trace

    ends, lines = set(), 0
    while left <= 0:
        lines += 11
        left, model = lines, linear()
        sys.settrace(trace)
        try:
            history = fit(model, few(digits), epochs=4, batch_size=16)
        finally:
            sys.settrace(None)
        ends.add(in_order(history, model))
    assert lines > 400, "so many lines were tried"
    assert ends == {None, *range(16)}


@pytest.mark.slow
def test_an_interrupt_at_any_time_ends_in_order(digits, late):
    def press(seconds):
        time.sleep(seconds)
        signal.raise_signal(signal.SIGINT)  # the main thread is told

    draw, stopped = random.Random(0), 0
    for _ in range(150):
        model = linear()
        thread = threading.Thread(target=press, args=[draw.uniform(0, 0.03)])
        thread.start()
        history = fit(model, few(digits), epochs=4, batch_size=16)
        thread.join()
        stopped += in_order(history, model) is not None
    assert stopped + len(late) <= 150
    assert stopped > 0


def test_in_another_thread_no_signal_is_touched(digits):
    with ThreadPoolExecutor() as pool:
        history = pool.submit(fit, linear(), few(digits)).result()
    assert history.stopped == "" and len(history) == 1


def test_a_view_can_stop_the_run(digits):
    view, model = Monitor(source="here"), linear()
    model.register_forward_hook(lambda *_: setattr(view, "stop", model.training))
    history = fit(model, few(digits), epochs=4, monitor=view)
    assert len(history.batches) == 1
    assert history.stopped.startswith("Interrupted in epoch 1")


def test_a_loss_that_is_no_number_stops_with_advice(digits, capsys):
    broken = replace(
        digits, train=data.Split(digits.train.images * torch.nan, digits.train.labels)
    )
    model = fresh()
    start = {name: values.clone() for name, values in model.state_dict().items()}
    history = fit(model, broken)
    said = capsys.readouterr().out
    assert said == history.stopped + "\n"
    assert said == (
        "The loss is not a number any more: the steps were too long, or the images do not lie between 0 and 1. Try a "
        "smaller lr, such as 0.001 instead of 0.01. It ended in epoch 1, after 0 of 11 batches; the model has the "
        "weights of history.best, and history.best has those from before the run.\n"
    )
    assert len(history) == len(history.batches) == 0
    assert same(model.state_dict(), start)
    assert history.plot().png


def test_a_validation_that_gives_no_number_is_noticed_too(digits):
    images, labels = digits.validation
    model = fresh()
    start = {name: values.clone() for name, values in model.state_dict().items()}
    history = fit(
        model, replace(digits, validation=data.Split(images * torch.nan, labels))
    )
    assert history.stopped.startswith("The loss is not a number any more")
    assert len(history.batches) == 11
    assert len(history) == 0
    assert same(model.state_dict(), start)


def test_the_time_can_be_bounded(digits, capsys):
    history = fit(fresh(), digits, epochs=1000, seconds=0.3)
    assert history.stopped.startswith("Time is up (0.3 seconds) in epoch")
    assert capsys.readouterr().out == history.stopped + "\n"
    assert 0 < len(history.losses) < 11_000
    assert len(history) >= 1


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"lr": 0}, "lr must be a number above 0 to a million, not 0."),
        ({"lr": "0.1"}, "lr must be a number above 0 to a million, not '0.1'."),
        ({"epochs": -1}, "epochs must be a number above 0 to a million, not -1."),
        ({"batch_size": 0}, "batch_size must be"),
        ({"shift": 9}, "shift must be"),
        ({"optimizer": "Adamm"}, "optimizer must be one of Adam, SGD, not 'Adamm'."),
        ({"lr": float("nan")}, "lr must be a number above 0 to a million, not nan."),
        ({"lr": float("inf")}, "lr must be a number above 0 to a million, not inf."),
        (
            {"epochs": 1e300},
            "epochs must be a number above 0 to a million, not 1e+300.",
        ),
        (
            {"weight_decay": -1},
            "weight_decay must be a number from 0 to a million, not -1.",
        ),
        (
            {"weight_decay": "x"},
            "weight_decay must be a number from 0 to a million, not 'x'.",
        ),
        ({"optimizer": ["Adam"]}, "optimizer must be one of Adam, SGD, not ['Adam']."),
        ({"seconds": 0}, "seconds must be a number above 0 to a million, not 0."),
        ({"seconds": "5"}, "seconds must be a number above 0 to a million, not '5'."),
        ({"seed": None}, "seed must be a whole number"),
        ({"seed": 1.5}, "seed must be a whole number"),
    ],
)
def test_bad_settings_get_one_sentence_and_change_nothing(digits, wrong, says):
    model = fresh()
    start = {name: values.clone() for name, values in model.state_dict().items()}
    with pytest.raises(ValueError, match=".") as caught:
        fit(model, digits, **wrong)
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)
    assert same(model.state_dict(), start)
    assert model.training


def test_what_is_no_network_no_digits_or_no_recipe_is_named(digits):
    for wrong, says in (
        ((networks.ConvNet, digits), "model must be a network, such as ConvNet()"),
        ((fresh(), digits.train), "digits must be what load_digits() returns"),
        (
            (fresh(), digits, 3),
            "recipe must be a Recipe; give single settings by name, such as epochs=3; it is 3.",
        ),
    ):
        with pytest.raises(ValueError, match=re.escape(says)):
            fit(*wrong)


def test_a_setting_that_does_not_exist_is_named_beside_those_that_do(digits):
    with pytest.raises(SentenceError) as caught:
        fit(fresh(), digits, learning_rate=0.1)
    assert str(caught.value) == (
        "There is no setting 'learning_rate'; there are epochs, batch_size, lr (the "
        "learning rate), optimizer, weight_decay, shift."
    )


class Listed(nn.Module):
    """Keeps its layer where no optimiser finds it."""

    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(784, 10)]

    def forward(self, images):
        return self.layers[0](images.flatten(1))


def with_split(digits, name="train", images=None, labels=None):
    split = getattr(digits, name)
    images = split.images if images is None else images(split.images)
    labels = split.labels if labels is None else labels(split.labels)
    return replace(digits, **{name: data.Split(images, labels)})


def sized(outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, outputs))


def fails(make=linear, **changes):
    return make, lambda digits: with_split(digits, **changes) if changes else digits


EMPTY = {"images": lambda them: them[:0], "labels": lambda them: them[:0]}
TAKES = "The model must take the images of digits."
UNFIT = {
    "no digits to train with": (*fails(**EMPTY), "digits.train has 0 images and 0"),
    "none to validate with": (
        *fails(name="validation", **EMPTY),
        "digits.validation has 0 images and 0 labels: it needs at least one image",
    ),
    "labels are missing": (
        *fails(labels=lambda them: them[:5]),
        "digits.train has 1317 images and 5 labels",
    ),
    "frozen": (
        *fails(lambda: linear().requires_grad_(False)),
        "The model has nothing to train",
    ),
    "no parameters": (*fails(nn.Flatten), "The model has nothing to train"),
    "a list of layers": (*fails(Listed), "The model has nothing to train"),
    "nine outputs": (*fails(lambda: sized(9)), TAKES + "train, 1×28×28, and give one"),
    "a label of ten": (
        *fails(name="validation", labels=lambda them: them + 1),
        TAKES + "validation, 1×28×28, and give one output for each label, 1 to 10;",
    ),
    "a negative label": (*fails(labels=lambda them: them - 1), TAKES),
    "labels with a point": (*fails(labels=lambda them: them.double()), TAKES),
    "larger images": (
        *fails(images=lambda them: F.pad(them, (2, 2, 2, 2))),
        TAKES + "train, 1×32×32, and",
    ),
    "images of bytes": (*fails(images=lambda them: them.byte()), TAKES),
    "another input": (*fails(lambda: nn.Linear(3, 3)), TAKES),
    "two outputs": (*fails(lambda: nn.LSTM(28, 10)), TAKES),
    "no forward": (*fails(lambda: nn.ModuleList([nn.Linear(1, 1)])), TAKES),
}


@pytest.mark.parametrize("case", UNFIT)
def test_what_cannot_be_trained_is_told_before_anything_has_changed(digits, case):
    make, changed, says = UNFIT[case]
    model, view = make(), Monitor(source="here")
    for values in model.parameters():
        values.grad = torch.ones_like(values)
    start = {name: values.clone() for name, values in model.state_dict().items()}
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(SentenceError) as caught:
        fit(model, changed(digits), monitor=view)
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)
    assert same(model.state_dict(), start)
    assert all(module.training for module in model.modules())
    assert all((values.grad == 1).all() for values in model.parameters())
    assert view.says == "not started"
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_trial_leaves_layout_modes_and_random_numbers(digits):
    model = fresh(kernels=(4, 3)).to(memory_format=torch.channels_last)
    model.conv1.eval()
    strides = [values.stride() for values in model.parameters()]
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    with pytest.raises(SentenceError):
        fit(model, with_split(digits, labels=lambda them: them + 1))
    assert [values.stride() for values in model.parameters()] == strides
    assert model.training and not model.conv1.training
    assert torch.equal(torch.rand(2), expected)


def test_lazy_layers_and_a_surrounding_no_grad_will_do(digits):
    model = nn.Sequential(nn.Flatten(), nn.LazyLinear(10))
    with torch.no_grad():
        assert len(fit(model, few(digits))) == 1


def test_whole_numbers_of_numpy_will_do(digits):
    assert len(fit(fresh(), digits, batch_size=np.int64(1000)).batches) == 2


class Spy(nn.Module):
    """A dense layer that keeps what it sees in training."""

    def __init__(self):
        super().__init__()
        self.seen, self.modes = [], []
        self.layer = nn.Linear(784, 10)

    def forward(self, images):
        self.modes.append((self.training, torch.is_grad_enabled()))
        if self.training:
            self.seen.append(images.detach().clone())
        return self.layer(images.flatten(1))


def test_training_sees_each_image_once_an_epoch_in_random_order_and_validation_is_apart(
    digits,
):
    spy = Spy()
    fit(spy, digits, epochs=2)
    trial = [(False, True)] * 2
    assert spy.modes == trial + 2 * [*[(True, True)] * 11, (False, False)]
    epochs = [torch.cat(spy.seen[start : start + 11]).flatten(1) for start in (0, 11)]
    everything = digits.train.images.flatten(1)
    for epoch in epochs:
        assert torch.equal(epoch.sum(1).sort()[0], everything.sum(1).sort()[0])
        assert not torch.equal(epoch, everything)
    assert not torch.equal(*epochs)


def test_shifting_is_for_training_only(digits):
    spy, still = (
        Spy(),
        {tuple(image) for image in digits.train.images.flatten(1).tolist()},
    )
    fit(spy, digits, shift=2)
    moved = [
        tuple(image) not in still for image in torch.cat(spy.seen).flatten(1).tolist()
    ]
    assert 0.5 < sum(moved) / len(moved) <= 1


def test_the_optimiser_is_the_one_that_was_asked_for(digits, monkeypatch):
    made = []
    for name in ("Adam", "SGD"):
        kind = getattr(torch.optim, name)
        step = kind.step
        monkeypatch.setattr(
            kind,
            "step",
            lambda self, *a, step=step, **k: (
                made.append((type(self), self.param_groups[0])) or step(self)
            ),
        )
    for recipe, kind in ((QUICK, torch.optim.Adam), (LONG, torch.optim.SGD)):
        made.clear()
        fit(fresh(), digits, recipe, epochs=1)
        assert {found for found, _ in made} == {kind}
        assert {group["weight_decay"] for _, group in made} == {recipe.weight_decay}


def test_the_accuracy_of_a_batch_is_that_before_its_step(digits):
    five = replace(digits, train=data.Split(*(part[:5] for part in digits.train)))
    model = fresh(dropout=0)
    with torch.no_grad():
        outputs = model(five.train.images)
    ((loss, accuracy),) = fit(model, five).batches
    assert loss == pytest.approx(
        F.cross_entropy(outputs, five.train.labels).item(), rel=1e-4
    )
    assert accuracy == pytest.approx(
        (outputs.argmax(1) == five.train.labels).double().mean().item()
    )


def test_the_model_comes_back_as_other_code_expects_it(digits):
    model = fresh()
    history = fit(model, digits)
    assert all(
        values.is_contiguous() and values.grad is None for values in model.parameters()
    )
    assert all(values.is_contiguous() for values in history.best.values())


def test_a_model_that_fails_on_its_way_raises_its_own_error(digits):
    view, model = Monitor(source="here", name="a run"), fresh()

    calls = []

    def fail(_model, _images):
        calls.append(1)
        return 1 / (len(calls) < 5) and None

    model.register_forward_pre_hook(fail)
    with pytest.raises(ZeroDivisionError):
        fit(model, digits, monitor=view)
    assert "Finished" not in view.says
    assert not model.training
    assert all(values.is_contiguous() for values in model.parameters())
    assert all(values.grad is None for values in model.parameters())


def test_frozen_parts_keep_their_mode_when_evaluated(digits):
    model = fresh()
    model.conv1.eval()
    evaluate(model, digits.validation)
    assert model.training and not model.conv1.training


def test_shifting_moves_each_image_by_itself():
    image = torch.zeros(1, 1, 28, 28)
    image[0, 0, 10, 12] = 1
    torch.manual_seed(0)
    moved = shifted(image.expand(500, 1, 28, 28), 2)
    places = {tuple(place[2:]) for place in moved.nonzero().tolist()}
    assert places == {(row, column) for row in range(8, 13) for column in range(10, 15)}
    assert (moved.sum(dim=(1, 2, 3)) == 1).all()
    assert torch.equal(shifted(image, 0), image)


def test_evaluating_keeps_the_mode_and_makes_no_graph(digits):
    model, graphs = fresh(), []
    model.register_forward_hook(
        lambda _model, _images, output: graphs.append(output.grad_fn)
    )
    for mode in (True, False):
        model.train(mode)
        loss, accuracy = evaluate(model, digits.validation)
        assert model.training is mode
        with torch.no_grad():
            outputs = model.eval()(digits.validation.images)
        assert loss == pytest.approx(
            F.cross_entropy(outputs, digits.validation.labels).item()
        )
        assert (
            accuracy
            == (outputs.argmax(1) == digits.validation.labels).double().mean().item()
        )
    assert not any(graphs)


@pytest.mark.parametrize("batches", [1, 2, 3, 5, 10, 20])
@pytest.mark.parametrize("recipe", [QUICK, LONG], ids=["Adam", "SGD"])
def test_few_batches_are_enough(digits, recipe, batches):
    few = replace(
        digits, train=data.Split(*(part[: 10 * batches] for part in digits.train))
    )
    assert len(fit(fresh(), few, recipe, epochs=1, batch_size=10).losses) == batches


def test_any_model_and_any_number_of_images_will_do(digits):
    five = replace(digits, train=data.Split(*(part[:5] for part in digits.train)))
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    assert len(fit(model, five, batch_size=128, epochs=2).losses) == 2


def test_the_history_is_a_plain_table_and_draws_itself(digits):
    history = fit(fresh(), digits, epochs=2)
    assert [*history] == history.rows
    assert set(history[0]) == {
        "epoch",
        "batches",
        "seconds",
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
    }
    lines = repr(history).splitlines()
    assert lines[0] == "trained on scikit-learn digits"
    assert len(lines) == 4
    assert f"{history[1]['validation_accuracy']:.2%}" in lines[3]
    assert "scikit-learn digits" in history.plot().alt


def test_the_names_of_runs_stand_outside_the_axes():
    run = {
        "steps": [1, 2],
        "losses": [2.3, 1],
        "accuracies": [0.1, 0.5],
        "validation": [[2, 1.1, 0.5]],
    }
    figure = figures.training({"1: lr 0.01": run, "2: lr 0.1": run}, "MNIST")._figure
    assert all(axis.get_legend() is None for axis in figure.axes)
    assert [text.get_text() for text in figure.legends[0].texts] == [
        f"{name} {split}"
        for split in ("training", "validation")
        for name in ("1: lr 0.01", "2: lr 0.1")
    ]


def test_the_view_draws_at_most_ten_times_a_second(digits):
    view, drawn = Monitor(source="here", name="a run"), []
    view.observe(lambda change: drawn.append(change["new"]), "runs")
    history = fit(fresh(), digits, epochs=15, monitor=view)
    assert 2 <= len(drawn) <= 1 + 10 * history[-1]["seconds"] + 1
    assert all(
        before["steps"][-1] < after["steps"][-1]
        for (before,), (after,) in pairwise(drawn[:-1])
    )
    assert view.done == 1
    assert view.says.startswith("a run: batch 165 of 165")
    assert (
        f"Validation accuracy {history[-1]['validation_accuracy']:.2%} after epoch 15."
        in view.says
    )
    assert view.runs == [history.curves()]
    assert len(view.runs[0]["steps"]) <= 100


def test_the_bar_follows_the_clock_where_the_time_is_bounded(digits):
    view, bars = Monitor(source="here", name="a run"), []
    view.observe(lambda change: bars.append(change["new"]), "done")
    fit(fresh(), digits, epochs=10_000, seconds=0.7, monitor=view)
    assert bars == sorted(bars) and bars[-1] == 1
    assert any(0.2 < bar < 1 for bar in bars)


def test_the_view_keeps_the_last_four_runs(digits):
    view = Monitor(source="here", name="a run")
    for name in "abcdef":
        view.name = name
        fit(fresh(), digits, monitor=view)
    assert view.names == [*"cdef"]
    assert len(view.runs) == 4


def test_outside_a_notebook_it_is_quiet(digits, capsys):
    fit(fresh(), digits)
    assert capsys.readouterr() == ("", "")


def test_the_checkpoint_reads_what_its_record_says():
    path = networks.CHECKPOINT
    assert path.stat().st_size <= 1_000_000
    record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert Recipe(**record["recipe"]) == LONG
    state = torch.load(path, weights_only=True)
    assert {*state} == {*networks.ConvNet().state_dict()}
    assert not networks.trained().training
    assert record["test accuracy"] >= 0.993


@pytest.fixture(scope="module")
def mnist():
    found = data.load_digits()
    if found.source != "MNIST":
        pytest.skip("needs MNIST")
    return found


@pytest.mark.slow
def test_the_checkpoint_reads_mnist(mnist):
    record = json.loads(
        networks.CHECKPOINT.with_suffix(".json").read_text(encoding="utf-8")
    )
    for name, split in (
        ("validation accuracy", mnist.validation),
        ("test accuracy", mnist.test),
    ):
        assert evaluate(networks.trained(), split)[1] == pytest.approx(
            record[name], abs=6e-4
        )


@pytest.mark.slow
def test_the_quick_recipe_reads_mnist(mnist):
    torch.manual_seed(0)
    history = fit(networks.ConvNet(dropout=0), mnist, QUICK, epochs=0.2)
    assert history[-1]["validation_accuracy"] >= 0.95


def test_bins_say_where_they_end():
    assert in_bins([]) == ([], [])
    assert in_bins([1.0, 3.0, 5.0, 7.0, 9.0], 3) == ([2, 4, 5], [2.0, 6.0, 9.0])
    assert in_bins([float(i) for i in range(100)]) == (
        [*range(1, 101)],
        [float(i) for i in range(100)],
    )
