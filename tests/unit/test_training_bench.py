"""The training sandbox: settings from Python, runs from the same start, and what it
says of them.
"""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from helpers import digits as data
from helpers import interrupts, networks
from helpers.training import fit
from helpers.validation import SentenceError
from helpers.widgets import training_bench
from helpers.widgets.training_bench import TrainingBench


@pytest.fixture(scope="module")
def digits():
    return data.embedded()


def test_it_starts_with_all_images_and_usual_settings(digits):
    bench = TrainingBench(digits)
    assert (
        repr(bench) == "TrainingBench(lr=0.01, batch_size=128, epochs=1, images=1317)"
    )
    assert bench.histories == []


def test_a_run_is_what_fit_gives_with_these_settings(digits):
    bench = TrainingBench(digits, lr=0.03, batch_size=64, epochs=2, images=300)
    history = bench.train()
    few = replace(digits, train=data.Split(*(part[:300] for part in digits.train)))
    torch.manual_seed(0)
    same = fit(networks.ConvNet(), few, lr=0.03, batch_size=64, epochs=2)
    assert history.losses == same.losses
    assert len(history.losses) == 2 * 5
    assert [row["validation_accuracy"] for row in history] == [
        row["validation_accuracy"] for row in same
    ]


def test_every_run_starts_from_the_same_weights_and_is_kept(digits):
    bench = TrainingBench(digits, images=300)
    first, second = bench.train(), bench.train()
    assert first.losses == second.losses
    bench.lr = 0.1
    third = bench.train()
    assert third.losses[0] == first.losses[0]
    assert third.losses != first.losses
    assert bench.histories == [first, second, third]
    bench.histories.clear()
    assert len(bench.histories) == 3, "what it hands out is a copy"


def test_the_picture_and_the_view_show_the_runs(digits):
    bench = TrainingBench(digits, images=300)
    assert "No run yet" in bench._still().alt
    bench.train()
    bench.lr = 1.0
    bench.train()
    names = [
        f"{run}: lr {lr}, batch_size 128, epochs 1, images 300"
        for run, lr in ((1, 0.01), (2, 1.0))
    ]
    assert bench._view.names == names
    shown = bench._repr_mimebundle_()[1]["image/png"]["alt"]
    assert all(name in shown for name in names)
    assert "scikit-learn digits" in shown


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        (
            "lr",
            0.02,
            "lr must be one of 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, not 0.02.",
        ),
        ("images", 3000, "images must be one of 100, 300, 1000, 1317, not 3000."),
        ("epochs", True, "epochs must be one of 1, 2, 3, 5, 10, 20, 50, not True."),
        (
            "batch_size",
            "128",
            "batch_size must be one of 16, 32, 64, 128, 256, 512, 1024, not '128'.",
        ),
        (
            "batch_size",
            [128],
            "batch_size must be one of 16, 32, 64, 128, 256, 512, 1024, not [128].",
        ),
    ],
)
def test_a_setting_that_no_slider_has_changes_nothing(digits, name, value, says):
    bench = TrainingBench(digits)
    before = repr(bench)
    with pytest.raises(ValueError, match=".") as caught:
        setattr(bench, name, value)
    assert str(caught.value) == says
    assert repr(bench) == before


def test_a_misspelt_setting_is_named(digits):
    with pytest.raises(
        AttributeError,
        match="no 'learning_rate' to set; it has lr, batch_size, epochs, images",
    ):
        TrainingBench(digits).learning_rate = 0.1


def test_a_setting_that_does_not_exist_is_named(digits):
    with pytest.raises(
        AttributeError, match="no 'size' to set; it has lr, batch_size, epochs, images"
    ):
        TrainingBench(digits, size=3)


def test_the_time_is_bounded(digits, monkeypatch):
    monkeypatch.setattr(training_bench, "SECONDS", 0.3)
    bench = TrainingBench(digits, epochs=50)
    history = bench.train()
    assert history.stopped.startswith("Time is up")
    assert "Time is up" in bench._view.says


def small():
    return networks.ConvNet(kernels=(2, 2))


def test_the_button_trains_and_springs_back(digits):
    states = []

    def make():
        states.append((bench._button.value, bench._button.description))
        return small()

    bench = TrainingBench(digits, make, images=100)
    bench._button.value = True
    assert states == [(True, "Stop")]
    assert not bench._button.value
    assert bench._button.description == "Train"
    assert len(bench.histories) == 1
    assert bench._view.says.startswith("1: lr")


def test_the_button_stops_the_run_and_no_later_one(digits):
    def make():
        model = small()
        model.register_forward_hook(press)
        return model

    def press(model, _images, _outputs):
        if model.training and not bench.histories:
            bench._button.value = False

    bench = TrainingBench(digits, make, images=100, batch_size=16)
    bench._button.value = True
    bench.train()
    assert [len(run.batches) for run in bench.histories] == [1, 7]
    assert bench.histories[0].stopped.startswith("Interrupted in epoch 1, after 1 of 7")
    assert bench.histories[1].stopped == ""


@pytest.fixture
def busy(monkeypatch):
    """A kernel that is busy; what waits for it."""
    waiting = []
    loop = SimpleNamespace(add_callback=waiting.append)
    shell = SimpleNamespace(kernel=SimpleNamespace(io_loop=loop))
    monkeypatch.setattr(interrupts, "get_ipython", lambda: shell)
    return waiting


def test_where_the_kernel_is_busy_the_run_waits(digits, busy):
    bench = TrainingBench(digits, small, images=100)
    bench._button.value = True
    assert bench._view.says == training_bench.WAITS
    assert bench.histories == []
    busy.pop()()
    assert len(bench.histories) == 1
    assert not bench._button.value


def test_a_run_that_waits_can_be_called_off(digits, busy):
    bench = TrainingBench(digits, small, images=100)
    for value in (True, False, True, False):
        bench._button.value = value
    while busy:
        busy.pop()()
    assert bench.histories == []
    assert bench._view.says == training_bench.READY
    assert bench.train().stopped == ""


def test_pressed_twice_while_it_waits_it_trains_once(digits, busy):
    bench = TrainingBench(digits, small, images=100)
    for value in (True, False, True):
        bench._button.value = value
    while busy:
        busy.pop()()
    assert len(bench.histories) == 1


@pytest.mark.parametrize("make", [networks.ConvNet(), None, "ConvNet"])
def test_it_wants_what_makes_a_network(digits, make):
    with pytest.raises(SentenceError, match="^make must be a class or a function"):
        TrainingBench(digits, make)


def test_it_wants_digits(digits):
    with pytest.raises(SentenceError, match="^digits must be what load_digits"):
        TrainingBench(digits.train)


def test_a_network_that_cannot_be_made_leaves_the_button_alive(digits):
    bench = TrainingBench(digits, make=lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        bench.train()
    bench._button.value = True
    assert not bench._button.value
    assert bench.histories == []
    assert (
        bench._view.says == "This run failed with ZeroDivisionError: division by zero"
    )


def test_a_class_that_makes_no_network_is_told_so(digits):
    bench = TrainingBench(digits, make=dict)
    bench._button.value = True
    assert "model must be a network" in bench._view.says
