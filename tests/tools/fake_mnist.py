"""A small MNIST of fakes: its files, the mirrors that serve it, and how it is known."""

import gzip
import hashlib
import socket
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import torch

from helpers import digits as data

REMEDY = (
    ": name a folder that holds all of MNIST, unset MNIST_ROOT to download it, or set "
    "MNIST_ROOT=embedded for small digits."
)
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


def complete():
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


@contextmanager
def mirrored(fake, monkeypatch, tmp_path):
    """Serve the fake MNIST to an empty data/; what is yielded is called with the ways
    of the mirrors in order.
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
        monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", urls)
        return server

    use("good")
    monkeypatch.setattr("torchvision.datasets.MNIST.resources", fake.resources)
    monkeypatch.setattr(data, "MD5", fake.md5)
    monkeypatch.setattr(data, "ARCHIVES", 100_000)
    monkeypatch.setattr(data, "DATA", tmp_path / "data")
    monkeypatch.delenv("MNIST_ROOT", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    try:
        yield use
    finally:
        server.release.set()
        server.shutdown()
        thread.join()
        server.server_close()


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
