"""MNIST is downloaded whole or replaced by the embedded digits, and why is said once."""

import errno
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from fake_mnist import SHARED, TOLD, assert_fake, assert_left, fill

from helpers import digits as data
from helpers.digits import load_digits

LOST = (
    "MNIST could not be downloaded ({}), so these are the 1,797 digits of 8×8 pixels "
    "that scikit-learn brings, enlarged to 28×28: the numbers will differ from those "
    "in the text.\n"
)
PATIENCE = data.PATIENCE


def closed_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"


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


@pytest.mark.slow
def test_the_wait_is_bounded_and_a_slow_mirror_has_its_time(
    mirror, monkeypatch, capsys
):
    from torchvision.datasets import MNIST  # two seconds, for this test alone

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
    from torchvision.datasets import MNIST  # two seconds, for this test alone

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
