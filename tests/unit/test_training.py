"""The training loop: what it learns, and what it leaves behind."""

import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers import digits as data
from helpers import figures, networks, training
from helpers.figures import in_bins
from helpers.training import LONG, QUICK, Recipe, evaluate, fit, rotated, shifted


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


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_rotated_images_turn_about_their_middle_by_no_more_than_asked():
    image = torch.zeros(1, 1, 29, 29)
    image[0, 0, 4, 14] = 1  # ten pixels above the middle
    torch.manual_seed(0)
    turned = rotated(image.expand(500, 1, 29, 29), 30)[:, 0]
    places = torch.arange(29.0) - 14
    across, up = turned.sum(1) @ places, -(turned.sum(2) @ places)
    angles = torch.rad2deg(torch.atan2(across, up))
    assert 25 < angles.max() < 33 and -33 < angles.min() < -25
    assert torch.hypot(across, up).div(turned.sum((1, 2))).sub(10).abs().max() < 0.5
    assert torch.allclose(rotated(image, 0), image, atol=1e-5)
    with pytest.raises(ValueError, match="most must be a number from 0"):
        rotated(image, -1)


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
