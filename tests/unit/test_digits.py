"""MNIST is had, downloaded whole or replaced by the embedded digits; never is a wrong
file read.
"""

import errno
import gzip
import hashlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from torchvision.datasets import MNIST

from helpers import digits as data
from helpers.digits import MnistRootError, embedded, load_digits
from helpers.waiting import tracked

REAL = os.environ.get("MNIST_ROOT")
LOST = (
    "MNIST could not be downloaded ({}), so these are the 1,797 digits of 8×8 pixels "
    "that scikit-learn brings, enlarged to 28×28: the numbers will differ from those "
    "in the text.\n"
)
REMEDY = (
    ": name a folder that holds all of MNIST, unset MNIST_ROOT to download it, or set "
    "MNIST_ROOT=embedded for small digits."
)
PATIENCE = data.PATIENCE
SHARED = "images.float32"
TOLD = "Digits from MNIST: 550 to train, 50 to validate, 100 to test"


def fake_file(kind, count):
    """A file as MNIST's are: the digits in turn, and images that are dark but for one
    pixel.
    """
    if kind == "labels":
        return (
            (2049).to_bytes(4) + count.to_bytes(4) + bytes(n % 10 for n in range(count))
        )
    header = b"".join(n.to_bytes(4) for n in (2051, count, 28, 28))
    return header + b"".join(bytes([n % 251]) + bytes(783) for n in range(count))


@pytest.fixture(scope="module")
def fake():
    """All files by name, the MD5 that each needs, and their archives with theirs."""
    parts = [
        ("train", "images", 600),
        ("train", "labels", 600),
        ("t10k", "images", 100),
    ]
    files = {}
    for part, kind, count in [*parts, ("t10k", "labels", 100)]:
        files[f"{part}-{kind}-idx{3 if kind == 'images' else 1}-ubyte"] = fake_file(
            kind, count
        )
    zeroed = {
        name: file.replace(b"\1", b"\0") if "images" in name else file
        for name, file in files.items()
    }
    archives = {
        f"{name}.gz": gzip.compress(file, 1, mtime=0) for name, file in files.items()
    }
    md5 = {name: hashlib.md5(file).hexdigest() for name, file in zeroed.items()}
    resources = [
        (name, hashlib.md5(archive).hexdigest()) for name, archive in archives.items()
    ]
    return SimpleNamespace(
        files=files, zeroed=zeroed, archives=archives, md5=md5, resources=resources
    )


class Handler(BaseHTTPRequestHandler):
    """A mirror that behaves as the first part of the path says."""

    def do_GET(self):
        _, way, name = self.path.split("/")
        self.server.asked[way] += 1
        getattr(self, way, self.answer)(self.server.archives[name])

    def answer(self, archive):
        self.send_error(int(self.path.split("/")[1]))

    def good(self, archive, length=None):
        self.send_response(200)
        self.send_header("Content-Length", str(length or len(archive)))
        self.end_headers()
        self.wfile.write(archive)

    def hang(self, archive):
        self.server.hanging.set()
        self.server.release.wait(60)
        self.good(archive)

    def together(self, archive):
        if self.server.asked["together"] <= 2:
            self.server.both.wait(100)
        self.good(archive)

    def trickle(self, archive):
        self.good(archive[:1], len(archive))
        for byte in archive[1:]:
            if self.server.release.wait(0.02):
                break
            self.wfile.write(bytes([byte]))

    def paced(self, archive):
        self.good(b"", len(archive))
        for part in (archive[:50], archive[50:]):
            self.server.release.wait(0.1)
            self.wfile.write(part)

    def short(self, archive):
        self.good(archive[:-10], len(archive))

    def cut(self, archive):
        self.good(archive[:-10])

    def wrong(self, archive):
        self.good(archive[:-1] + bytes([archive[-1] ^ 1]))

    def endless(self, archive):
        self.good(bytes(10 * data.ARCHIVES))

    def drop(self, archive):
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):  # the client hung up, as it should
        pass


@pytest.fixture
def mirror(fake, monkeypatch, tmp_path):
    """A local server with the fake MNIST, and an empty data/; call it with the ways of
    the mirrors in order.
    """
    server = Server(("127.0.0.1", 0), Handler)
    server.archives, server.asked, server.both = (
        fake.archives,
        Counter(),
        threading.Barrier(2),
    )
    server.hanging, server.release = threading.Event(), threading.Event()
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}
    )
    thread.start()

    def use(*ways):
        urls = [
            way if "://" in way else f"http://127.0.0.1:{server.server_port}/{way}/"
            for way in ways
        ]
        monkeypatch.setattr(MNIST, "mirrors", urls)
        return server

    use("good")
    monkeypatch.setattr(MNIST, "resources", fake.resources)
    monkeypatch.setattr(data, "MD5", fake.md5)
    monkeypatch.setattr(data, "ARCHIVES", 100_000)
    monkeypatch.setattr(data, "DATA", tmp_path / "data")
    monkeypatch.delenv("MNIST_ROOT", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    yield use
    server.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


def closed_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"


def fill(raw, files):
    raw.mkdir(parents=True)
    for name, file in files.items():
        (raw / name).write_bytes(file)
    return raw.parent.parent


def assert_fake(got):
    assert repr(got) == TOLD
    assert [tuple(split.images.shape) for split in splits(got)] == [
        (n, 1, 28, 28) for n in (550, 50, 100)
    ]
    for split in splits(got)[:2]:
        assert split.labels.bincount().tolist() == [len(split.labels) // 10] * 10
    assert torch.equal(got.test.images[:, 0, 0, 0], torch.arange(100) / 255)
    assert got.test.images.sum() == got.test.images[:, 0, 0, 0].sum()


def assert_left(*names):
    """data/ holds these files and nothing else, no temporary folder above all."""
    found = {path.name for path in data.DATA.rglob("*")}
    assert found - {"MNIST", "raw"} == {*names}


def splits(got):
    return [got.train, got.validation, got.test]


# The embedded digits


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


# MNIST_ROOT


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


# The shared file


@pytest.fixture
def root(mirror, monkeypatch, tmp_path, fake):
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


def test_a_folder_that_may_not_be_written_to_is_left_alone(root):
    (root / "MNIST").chmod(0o555)
    got = load_digits()
    assert_fake(got)
    assert pages(got) is None and in_raw(root) == {"raw"}
    (root / "MNIST").chmod(0o755)
    load_digits()
    (root / "MNIST").chmod(0o555)
    assert pages(load_digits()) == root / "MNIST" / SHARED
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


# The download


@pytest.mark.parametrize(
    "ways", [("good", "hang"), ("503", "good"), ("wrong", "good"), ("short", "good")]
)
def test_download_puts_mnist_in_place(mirror, capsys, fake, ways):
    server = mirror(*ways)
    assert_fake(load_digits())
    assert_left(*fake.files, SHARED)
    asked = server.asked.total()
    assert_fake(load_digits())
    assert server.asked.total() == asked, "the second time nothing is downloaded"
    assert capsys.readouterr().out == ""


FAULTS = [
    ("closed", "no network"),
    ("403", "the server answered 403"),
    ("404", "the server answered 404"),
    ("503", "the server answered 503"),
    ("short", "the download was incomplete or damaged"),
    ("drop", "the download was incomplete or damaged"),
    ("cut", "the download was incomplete or damaged"),
    ("wrong", "the download was incomplete or damaged"),
    ("endless", "the download was incomplete or damaged"),
    ("hang", "the server did not deliver in time"),
    ("trickle", "the server did not deliver in time"),
]


@pytest.mark.parametrize(("way", "reason"), FAULTS)
def test_a_fault_of_both_mirrors_is_said_once(mirror, monkeypatch, capsys, way, reason):
    monkeypatch.setattr(data, "PATIENCE", 0.3 if way in ("hang", "trickle") else 60)
    way = closed_port() if way == "closed" else way
    server = mirror(way, way)
    assert load_digits().source == "scikit-learn digits"
    assert capsys.readouterr().out == LOST.format(reason)
    assert_left()
    # Torchvision asks once where an archive is, and once for it.
    times = 2 if way in ("short", "cut", "wrong", "endless") else 1
    assert "://" in way or server.asked[way] >= 2 * times, "every mirror is asked"


def test_two_faults_are_both_said(mirror, capsys):
    mirror("503", closed_port())
    load_digits()
    assert capsys.readouterr().out == LOST.format(
        "the server answered 503, then no network"
    )


@pytest.mark.parametrize("kind", ["hangs", "fails"])
def test_a_name_server_that_hangs_or_fails(mirror, monkeypatch, capsys, kind):
    release = threading.Event()

    def look_up(*_, **__):
        if kind == "hangs":
            release.wait(60)
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(data, "PATIENCE", 0.3 if kind == "hangs" else 60)
    mirror("http://mirror.invalid/")
    load_digits()
    release.set()
    assert capsys.readouterr().out == LOST.format(
        "no network" if kind == "fails" else "the server did not deliver in time"
    )


def test_the_wait_is_bounded_and_a_slow_mirror_has_its_time(
    mirror, monkeypatch, capsys
):
    assert len(MNIST.mirrors) * (PATIENCE + 0.5) <= 20
    monkeypatch.setattr(data, "PATIENCE", 0.3)
    monkeypatch.setattr(data, "SLOWEST", 200)
    mirror("paced")
    assert_fake(load_digits())
    monkeypatch.setattr(data, "DATA", data.DATA.with_name("other"))
    monkeypatch.setattr(data, "SLOWEST", 1e9)
    assert load_digits().source == "scikit-learn digits"
    assert capsys.readouterr().out == LOST.format("the server did not deliver in time")


@pytest.mark.parametrize("way", ["hang", "trickle"])
def test_an_abandoned_download_ends_and_puts_nothing_in_place(
    mirror, monkeypatch, capsys, way
):
    monkeypatch.setattr(data, "PATIENCE", 0.3)
    server, before = mirror(way), set(threading.enumerate())
    load_digits()
    server.release.set()
    for thread in set(threading.enumerate()) - before:
        if getattr(thread, "_target", None) is data._read:
            thread.join(60)
            assert not thread.is_alive()
    said = LOST.format("the server did not deliver in time")
    assert capsys.readouterr() == (said, "")
    assert_left()


def test_the_limit_of_time_is_for_the_download_alone(mirror):
    mirror("good")
    socket.setdefaulttimeout(77)
    try:
        load_digits()
        assert socket.getdefaulttimeout() == 77
    finally:
        socket.setdefaulttimeout(None)


def test_an_interrupt_cleans_up_and_goes_on(mirror, monkeypatch, capsys):
    server = mirror("hang")
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt():
        server.hanging.wait(60)
        signal.raise_signal(signal.SIGINT)

    try:
        with pytest.raises(KeyboardInterrupt):
            threading.Thread(target=interrupt).start()
            load_digits()
    finally:
        signal.signal(signal.SIGINT, previous)
    assert_left()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("network", [True, False])
def test_half_unpacked_files_are_replaced_or_never_read(mirror, capsys, fake, network):
    halves = {name: file[: len(file) // 2] for name, file in fake.files.items()}
    fill(data.DATA / "MNIST/raw", halves)
    mirror("good" if network else closed_port())
    got = load_digits()
    assert capsys.readouterr().out == ("" if network else LOST.format("no network"))
    assert_left(*fake.files, *[SHARED] * network)
    if network:
        assert_fake(got)
    else:
        assert got.source == "scikit-learn digits"
        assert all(
            (data.DATA / "MNIST/raw" / name).read_bytes() == half
            for name, half in halves.items()
        )


@pytest.mark.parametrize("kind", ["a file", "/proc", "read-only"])
def test_an_unwritable_folder_ends_it_at_once(
    mirror, monkeypatch, capsys, tmp_path, kind
):
    (tmp_path / "file").touch()
    (tmp_path / "locked").mkdir(mode=0o555)
    places = {
        "a file": tmp_path / "file/data",
        "/proc": Path("/proc/data"),
        "read-only": tmp_path / "locked/data",
    }
    if (
        kind == "/proc"
        and not Path("/proc").exists()
        or kind == "read-only"
        and os.access(tmp_path / "locked", os.W_OK)
    ):
        pytest.skip("no /proc here, or root may write everywhere")
    monkeypatch.setattr(data, "DATA", places[kind])
    assert load_digits().source == "scikit-learn digits"
    assert capsys.readouterr().out == LOST.format("data/ cannot be written to")
    assert not mirror("good").asked


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_ends_it_without_a_second_mirror(mirror, monkeypatch, capsys, fake):
    def make(suffix=None, prefix=None, dir=None):
        folder = Path(dir, f"{prefix}full")
        folder.mkdir()
        for name in fake.archives:
            (folder / name).symlink_to("/dev/full")
        return str(folder)

    monkeypatch.setattr(tempfile, "mkdtemp", make)
    server = mirror("good", "503")
    assert load_digits().source == "scikit-learn digits"
    assert capsys.readouterr().out == LOST.format("the disk is full")
    assert_left()
    assert "503" not in server.asked


def test_a_disk_that_is_full_from_the_start(mirror, monkeypatch, capsys):
    def make(**_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(tempfile, "mkdtemp", lambda *_: make())
    load_digits()
    assert capsys.readouterr().out == LOST.format("the disk is full")


@pytest.mark.slow
def test_two_processes_may_download_at_once(mirror, fake):
    server = mirror("together")
    code = (
        "import pathlib\nfrom torchvision.datasets import MNIST\n"
        "from helpers import digits as data\n"
        f"MNIST.mirrors, MNIST.resources = {MNIST.mirrors}, {fake.resources}\n"
        f"data.DATA = pathlib.Path({str(data.DATA)!r})\n"
        f"data.MD5, data.PATIENCE = {fake.md5}, 100\n"
        "print(data.load_digits())"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "PATIENCE", 100)
        assert_fake(load_digits())
    assert other.communicate(timeout=200)[0] == f"{TOLD}\n"
    assert server.asked["together"] == 16, "neither waited for the other"
    assert_left(*fake.files, SHARED)
    assert_fake(load_digits())


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


# The real one


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
    assert [name for name, _ in MNIST.resources] == [f"{name}.gz" for name in data.MD5]
    assert Path(__file__).parents[2] / "data" == data.DATA
