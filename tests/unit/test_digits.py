"""MNIST and the embedded digits have one form; a notebook shows a download as a bar, and
a fault as a sentence.
"""

import os
from pathlib import Path

import pytest
import torch
from fake_mnist import REMEDY, assert_fake, splits
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from helpers import digits as data
from helpers.digits import embedded, load_digits
from helpers.waiting import tracked

REAL = os.environ.get("MNIST_ROOT")


def test_embedded_digits_have_mnists_form_and_every_class_its_share():
    got = embedded()
    source, counts = repr(got).split(": ")
    assert source == "Digits from scikit-learn digits"
    assert counts == "1,317 to train, 120 to validate, 360 to test"
    total = sum(split.labels.bincount() for split in splits(got))
    for split, share in zip(
        splits(got), (4 / 5 * 11 / 12, 4 / 5 / 12, 1 / 5), strict=True
    ):
        assert (
            split.images.shape == (len(split.labels), 1, 28, 28)
            and split.images.dtype == torch.float32
        )
        assert split.labels.dtype == torch.int64 and set(split.labels.tolist()) == set(
            range(10)
        )
        assert split.images.min() == 0 and split.images.max() == 1
        assert split.images[..., :4, :].sum() == split.images[..., 24:].sum() == 0
        assert ((split.labels.bincount() - total * share).abs() < 2).all()
    assert (
        len(torch.cat([split.images for split in splits(got)]).flatten(1).unique(dim=0))
        == 1797
    )
    assert (got.train.labels.diff() < 0).any(), "not sorted by class"


def test_embedded_digits_are_the_same_each_time_whatever_the_seed():
    torch.manual_seed(1)
    first, _, second = embedded(), torch.manual_seed(2), embedded()
    for one, other in zip(splits(first), splits(second), strict=True):
        assert torch.equal(one.images, other.images) and torch.equal(
            one.labels, other.labels
        )


@pytest.fixture
def shell():
    """An IPython that passes for a notebook's."""
    found = InteractiveShell.instance()
    found.kernel = None
    yield found
    del found.kernel
    InteractiveShell.clear_instance()


def test_in_a_notebook_a_bar_shows_the_download_and_goes(mirror, shell):
    mirror("good")
    with capture_output() as captured:
        assert_fake(load_digits())
    first, last = captured.outputs
    assert "application/vnd.jupyter.widget-view+json" in first.data
    assert first.data["text/plain"] == "", "a text with times could not be compared"
    assert last.update and last.data == {"text/plain": ""}
    assert captured.stderr == captured.stdout == "", "no bar of torchvision's"


def test_in_a_notebook_a_bar_counts_what_is_done(shell):
    with capture_output() as captured:
        for _ in tracked(range(3), "moved"):
            assert len(captured.outputs) == 1, "shown from the start"
        with pytest.raises(ZeroDivisionError):
            for _ in tracked([0], "moved"):
                raise ZeroDivisionError
    assert captured.outputs[1].data == captured.outputs[3].data == {"text/plain": ""}
    assert captured.stderr == captured.stdout == ""


def test_outside_a_notebook_no_bar_is_seen(capsys):
    assert [*tracked("abc", "moved")] == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_in_a_notebook_a_fault_is_one_sentence(monkeypatch, shell, capsys):
    monkeypatch.setenv("MNIST_ROOT", "nowhere")
    assert not shell.run_cell(
        "from helpers import digits; digits.load_digits()"
    ).success
    flaw = "MNIST_ROOT is 'nowhere', which is no folder that can be read"
    assert capsys.readouterr().out == f"MnistRootError: {flaw}{REMEDY}\n"


@pytest.fixture(scope="module")
def real():
    if not REAL or REAL == "embedded":
        pytest.skip("needs MNIST_ROOT to name a folder with MNIST")
    return load_digits()


@pytest.mark.slow
def test_real_mnist_has_its_sizes_and_classes(real):
    sizes = [(len(split.images), len(split.labels)) for split in splits(real)]
    assert sizes == [(55_000, 55_000), (5_000, 5_000), (10_000, 10_000)]
    for split in splits(real):
        assert (
            split.images.shape[1:] == (1, 28, 28)
            and split.images.dtype == torch.float32
        )
        assert (
            split.labels.dtype == torch.int64
            and split.images.min() == 0
            and split.images.max() == 1
        )
    train = torch.tensor([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949])
    assert torch.equal(
        real.train.labels.bincount() + real.validation.labels.bincount(), train
    )
    assert ((real.validation.labels.bincount() - train / 12).abs() <= 1).all()
    assert real.test.labels.bincount().tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]
    assert real.train.images.mean() == pytest.approx(0.1307, abs=2e-4)
    assert real.train.labels[:4].tolist() == [5, 0, 4, 1], "in the old order"


@pytest.mark.slow
def test_real_mnist_is_split_the_same_each_time_and_no_image_is_in_two_parts(real):
    torch.manual_seed(1)
    again = load_digits()
    for one, other in zip(splits(real), splits(again), strict=True):
        assert torch.equal(one.images, other.images) and torch.equal(
            one.labels, other.labels
        )
    parts = [
        {hash(image.numpy().tobytes()) for image in split.images}
        for split in splits(real)
    ]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 70_000


def test_the_checksums_are_torchvisions_files_and_data_is_beside_the_helpers():
    from torchvision.datasets import MNIST  # two seconds, for this test alone

    assert [name for name, _ in MNIST.resources] == [f"{name}.gz" for name in data.MD5]
    assert Path(__file__).parents[2] / "data" == data.DATA
