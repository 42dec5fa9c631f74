"""MNIST_ROOT is read where it names all of MNIST, and never is a wrong file read."""

import os

import pytest
from fake_mnist import REMEDY, assert_fake, fill

from helpers import digits as data
from helpers.digits import MnistRootError, load_digits


@pytest.mark.slow
def test_embedded_on_purpose_is_silent_and_asks_no_mirror(mirror, monkeypatch, capsys):
    monkeypatch.setenv("MNIST_ROOT", "embedded")
    assert load_digits().source == "scikit-learn digits"
    assert (
        capsys.readouterr().out == ""
        and not mirror("good").asked
        and not data.DATA.exists()
    )


def refused(monkeypatch, root, flaw):
    before = sorted(root.rglob("*")) if os.path.isdir(root) else None
    monkeypatch.setenv("MNIST_ROOT", str(root))
    with pytest.raises(MnistRootError) as caught:
        load_digits()
    assert str(caught.value) == f"MNIST_ROOT is {str(root)!r}, {flaw}{REMEDY}"
    assert caught.value._render_traceback_() == [f"MnistRootError: {caught.value}"]
    assert before is None or sorted(root.rglob("*")) == before, "nothing is written"
    assert not data.DATA.exists()


@pytest.mark.parametrize("kind", ["missing", "file", "below a file", "too long"])
def test_a_root_that_is_no_folder_is_refused(mirror, monkeypatch, tmp_path, kind):
    (tmp_path / "file").touch()
    names = {
        "missing": "missing",
        "file": "file",
        "below a file": "file/below",
        "too long": "x" * 300,
    }
    refused(monkeypatch, tmp_path / names[kind], "which is no folder that can be read")


def test_a_root_without_mnist_is_refused(mirror, monkeypatch, tmp_path):
    (tmp_path / "root").mkdir()
    refused(
        monkeypatch,
        tmp_path / "root",
        "in which MNIST/raw/train-images-idx3-ubyte is missing",
    )


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
@pytest.mark.parametrize(
    "kind", ["truncated", "other data of this size", "missing", "a folder"]
)
def test_a_root_with_an_unsound_file_is_refused(
    mirror, monkeypatch, tmp_path, fake, name, kind
):
    root = fill(tmp_path / "root/MNIST/raw", fake.files)
    path, flaw = root / "MNIST/raw" / name, "is incomplete or not MNIST's"
    file = path.read_bytes()
    path.unlink()
    if kind == "truncated":
        path.write_bytes(file[:-1])
    elif kind == "missing":
        flaw = "is missing"
    elif kind == "a folder":
        path.mkdir()
        flaw = "cannot be read"
    else:
        path.write_bytes(file[:-1] + b"\7")
    refused(monkeypatch, root, f"in which MNIST/raw/{name} {flaw}")


def test_a_root_is_read_with_and_without_level_1(mirror, monkeypatch, tmp_path, fake):
    for name in ("files", "zeroed"):
        root = fill(tmp_path / name / "MNIST/raw", getattr(fake, name))
        monkeypatch.setenv("MNIST_ROOT", str(root))
        assert load_digits().test.images[1, 0, 0, 0] == (
            1 / 255 if name == "files" else 0
        )
    assert not mirror("good").asked


def test_a_relative_root_is_looked_up_here_and_then_in_the_repository(
    mirror, monkeypatch, tmp_path, fake
):
    fill(tmp_path / "root/MNIST/raw", fake.files)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("MNIST_ROOT", "root")
    for folder in (tmp_path, tmp_path / "notebooks"):
        monkeypatch.chdir(folder)
        assert data.folder().resolve() == tmp_path / "root"
        assert_fake(load_digits())
    (tmp_path / "notebooks/root").mkdir()
    with pytest.raises(MnistRootError, match="is missing"):
        load_digits()


def test_a_root_in_the_home_folder_is_found(mirror, monkeypatch, tmp_path, fake):
    fill(tmp_path / "root/MNIST/raw", fake.files)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("MNIST_ROOT", "~/root")
    assert_fake(load_digits())
    assert data.folder() == tmp_path / "root"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_is_not_waited_for(mirror, monkeypatch, tmp_path, fake):
    root = fill(tmp_path / "root/MNIST/raw", fake.files)
    name = "MNIST/raw/t10k-images-idx3-ubyte"
    (root / name).unlink()
    os.mkfifo(root / name)
    refused(monkeypatch, root, f"in which {name} cannot be read")
