"""What feature_maps and stages hear of networks unlike those of the lessons."""

import copy

import pytest
import torch
from torch import nn

from helpers import digits as data
from helpers import inspection, networks
from helpers.digits import Split
from helpers.validation import SentenceError


@pytest.fixture(scope="module")
def split():
    images, labels = data.embedded().test
    return Split(images[:4], labels[:4])


class Memory(nn.Module):
    """Rows of a picture as a sequence; the recurrent layer gives a tuple."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(28, 6, batch_first=True)
        self.out = nn.Linear(6, 10)

    def forward(self, x):
        hidden, _ = self.lstm(x.squeeze(1))
        return self.out(hidden[:, -1])


def test_a_layer_that_gives_several_tensors_counts_with_the_first(split):
    model, rows = Memory(), split.images[:3, 0]
    truth = model.lstm(rows)[0]
    heard = inspection.feature_maps(model, split.images[:3], "lstm")["lstm"]
    assert torch.allclose(heard, truth, atol=1e-6)
    found = inspection.stages(model, split.images[0])
    assert torch.allclose(found["2 lstm"], truth[0], atol=1e-6)
    assert found["2 lstm"].shape == (28, 6)


class Twice(nn.Module):
    """One layer is called twice, another never."""

    def __init__(self):
        super().__init__()
        self.same = nn.Conv2d(1, 1, 3, stride=2)
        self.unused = nn.Conv2d(1, 2, 3)
        self.out = nn.Linear(36, 10)

    def forward(self, x):
        return self.out(self.same(self.same(x)).flatten(1))


@pytest.mark.parametrize(("layer", "rows"), [("same", 8), ("unused", 0)])
def test_a_layer_that_is_not_called_once_is_refused_in_words(split, layer, rows):
    said = f"'{layer}' gives {rows} rows for 4 images: name a layer that is called once"
    with pytest.raises(SentenceError, match=said):
        inspection.feature_maps(Twice(), split.images[:4], layer)


def test_stages_tell_two_calls_of_one_layer_apart(split):
    model, x = Twice(), split.images[:1]
    found = inspection.stages(model, x[0])
    assert torch.allclose(found["1 same"], model.same(x)[0], atol=1e-6)
    assert torch.allclose(found["2 same"], model.same(model.same(x))[0], atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("compiled", ["wrapped", "in place"])
def test_a_compiled_network_is_looked_at_as_it_is_written(split, compiled):
    model = networks.trained()
    mine = copy.deepcopy(model)
    fast = torch.compile(mine, backend="eager") if compiled == "wrapped" else mine
    if compiled == "in place":
        fast.compile(backend="eager")
    names = ("conv1", "conv2")
    found = inspection.feature_maps(fast, split.images, *names)
    truth = inspection.feature_maps(model, split.images, *names)
    assert all(torch.allclose(found[name], truth[name], atol=1e-5) for name in names)
    assert inspection.stages(fast, split.images[0]).keys() == (
        inspection.stages(model, split.images[0]).keys()
    )
    assert (
        float(inspection.without(fast, "conv1", 2).conv1.weight[2].detach().abs().sum())
        == 0
    )
