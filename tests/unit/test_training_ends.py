"""How a run of training ends: by an interrupt, by the clock, by a loss that is no number,
by an error.
"""

import math
import random
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from test_training import few, fresh, linear, same

from helpers import digits as data
from helpers import interrupts, training
from helpers.training import evaluate, fit
from helpers.validation import SentenceError
from helpers.widgets.monitor import Monitor


@pytest.fixture(scope="module")
def digits():
    return data.embedded()


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


def test_a_run_without_an_epoch_says_so_where_one_is_read(digits):
    history = fit(fresh(), digits, seconds=1e-9)
    history.rows.clear()
    for read in (lambda: history[-1], lambda: [row for row in history]):
        with pytest.raises(SentenceError, match="interrupted before it had measured"):
            read()
    assert "Two curves" in history.plot().alt
