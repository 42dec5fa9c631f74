"""All kernels read the images from one file, and none is troubled by another."""

import os
import tempfile
import threading
from pathlib import Path

import pytest
import torch
from fake_mnist import SHARED, assert_fake, fill, splits

from helpers.digits import load_digits


@pytest.fixture
def own(monkeypatch, tmp_path):
    """The folder of temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"seeing-convnets-{os.getuid()}"


@pytest.fixture
def root(mirror, monkeypatch, tmp_path, fake, own):
    """A folder with the fake MNIST that MNIST_ROOT names."""
    root = fill(tmp_path / "root/MNIST/raw", fake.files)
    monkeypatch.setenv("MNIST_ROOT", str(root))
    return root


def pages(got):
    """The file that the images are read from, or None where they are in memory."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("needs /proc")
    for line in maps.read_text().splitlines():
        spans, *_, file = line.split(maxsplit=5)
        first, last = (int(address, 16) for address in spans.split("-"))
        if first <= got.train.images.data_ptr() < last:
            return Path(file) if SHARED in file else None
    return None


def in_raw(root):
    return {path.name for path in (root / "MNIST").iterdir()}


def test_images_are_read_from_one_file_in_the_order_of_the_splits(root):
    got = load_digits()
    whole = torch.cat([split.images for split in splits(got)]).flatten()
    assert (root / "MNIST" / SHARED).read_bytes() == whole.numpy().tobytes()
    assert pages(got) == pages(load_digits()) == root / "MNIST" / SHARED
    assert (
        len({split.images.untyped_storage().data_ptr() for split in splits(got)}) == 1
    )
    assert in_raw(root) == {"raw", SHARED}


def test_what_a_student_writes_is_seen_by_no_other(root):
    got = load_digits()
    before = (root / "MNIST" / SHARED).read_bytes()
    for split in splits(got):
        split.images.fill_(7)
    assert (root / "MNIST" / SHARED).read_bytes() == before
    assert_fake(load_digits())


@pytest.mark.parametrize("kind", ["empty", "truncated", "longer", "other", "a link"])
def test_a_file_with_other_numbers_is_made_anew(root, tmp_path, kind):
    load_digits()
    path = root / "MNIST" / SHARED
    sound = path.read_bytes()
    content = {
        "empty": b"",
        "truncated": sound[:-4],
        "longer": sound + b"1234",
        "other": sound[:-1] + b"\7",
    }
    path.unlink()
    if kind == "a link":
        path.symlink_to(tmp_path / "nowhere")
    else:
        path.write_bytes(content[kind])
    assert_fake(load_digits())
    assert path.read_bytes() == sound and not path.is_symlink()
    assert in_raw(root) == {"raw", SHARED}


@pytest.mark.parametrize("kind", ["a folder", "a pipe"])
def test_where_something_else_stands_images_come_all_the_same(root, kind):
    path = root / "MNIST" / SHARED
    path.mkdir() if kind == "a folder" else os.mkfifo(path)
    assert_fake(load_digits())
    assert in_raw(root) == {"raw", SHARED}


@pytest.mark.parametrize("level_1", ["files", "zeroed"])
def test_a_file_of_another_copy_of_mnist_is_made_anew(root, fake, level_1):
    load_digits()
    for name, file in getattr(fake, level_1).items():
        (root / "MNIST/raw" / name).write_bytes(file)
    wanted = 1 / 255 if level_1 == "files" else 0
    assert load_digits().test.images[1, 0, 0, 0] == wanted


def test_a_folder_that_may_not_be_written_to_is_left_alone(root, own):
    (root / "MNIST").chmod(0o555)
    got = load_digits()
    assert_fake(got)
    assert pages(got) == own / SHARED and in_raw(root) == {"raw"}
    assert own.stat().st_mode & 0o777 == 0o700
    (root / "MNIST").chmod(0o755)
    load_digits()
    (root / "MNIST").chmod(0o555)
    assert pages(load_digits()) == root / "MNIST" / SHARED
    (root / "MNIST").chmod(0o755)


def test_where_no_folder_may_be_written_to_images_are_in_memory(root, own, monkeypatch):
    (root / "MNIST").chmod(0o555)
    own.write_text("no folder")
    got = load_digits()
    assert_fake(got)
    assert pages(got) is None and own.read_text() == "no folder"
    own.unlink()
    own.with_name("seeing-convnets--1").mkdir()  # somebody else's
    monkeypatch.setattr(os, "getuid", lambda: -1)
    assert pages(load_digits()) is None
    (root / "MNIST").chmod(0o755)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_on_a_full_disk_images_are_in_memory(root, monkeypatch):
    def make(suffix=None, prefix=None, dir=None):
        folder = Path(dir, f"{prefix}full")
        folder.mkdir()
        (folder / SHARED).symlink_to("/dev/full")
        return str(folder)

    monkeypatch.setattr(tempfile, "mkdtemp", make)
    got = load_digits()
    assert_fake(got)
    assert pages(got) is None and in_raw(root) == {"raw"}


def test_an_interrupt_leaves_no_half_file(root, monkeypatch):
    def interrupted(path, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            load_digits()
    assert in_raw(root) == {"raw"}
    assert_fake(load_digits())


def test_two_may_make_the_file_at_once(root, monkeypatch):
    replace, both, got = Path.replace, threading.Barrier(2), []

    def together(path, target):
        both.wait(60)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", together)
    threads = [
        threading.Thread(target=lambda: got.append(load_digits())) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(got) == 2
    for digits in got:
        assert_fake(digits)
    assert in_raw(root) == {"raw", SHARED}
