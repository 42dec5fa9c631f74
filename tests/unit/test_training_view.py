"""The live view of a training run, as far as Python has a hand in it."""

from itertools import pairwise

import pytest
from test_training import fresh

from helpers import digits as data
from helpers.training import fit
from helpers.widgets.monitor import Monitor


@pytest.fixture(scope="module")
def digits():
    return data.embedded()


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_the_axis_of_the_loss_says_that_it_is_logarithmic(digits):
    loss, accuracy = fit(fresh(), digits).plot()._figure.axes
    assert (loss.get_yscale(), accuracy.get_yscale()) == ("log", "linear")
    assert loss.get_ylabel() == "cross entropy, logarithmic"
