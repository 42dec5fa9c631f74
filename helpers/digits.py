"""The digits that the course trains on: MNIST, or the small ones that scikit-learn
brings.
"""

import errno
import gzip
import hashlib
import os
import ssl
import tempfile
import threading
import time
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import torch
import torch.nn.functional as F

from helpers.validation import SentenceError
from helpers.waiting import progress

DATA = Path(__file__).resolve().parent.parent / "data"
RAW = Path("MNIST", "raw")
# Copies of MNIST are about in which grey level 1 reads 0, so 1 counts as 0 in the two
# files of images.
MD5 = {
    "train-images-idx3-ubyte": "2120c626b3f721358a650005d9261aaf",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "cf07d9e8b7d094edfc7743cbbe02c530",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
ONE_IS_ZERO = bytes([0, 0, *range(2, 256)])
ARCHIVES = 11_594_722  # bytes in the four archives together
PATIENCE = 8.0  # seconds that a mirror may lose
SLOWEST = 25_000  # bytes a second below which it loses them
FAULTS = {
    ssl.SSLCertVerificationError: "the server could not be trusted",
    TimeoutError: "the server did not deliver in time",
    (
        ConnectionResetError,
        ConnectionAbortedError,
        HTTPException,
        EOFError,
    ): "the download was cut short",
    Exception: "no network",
}


class Split(NamedTuple):
    """Some digits: images, N×1×28×28 float32 from 0 to 1, and their labels, N int64."""

    images: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True, eq=False)
class Digits:
    """Digits to train with, to validate with and to test with; no image is in two of
    them.
    """

    train: Split
    validation: Split
    test: Split
    source: str

    def __repr__(self) -> str:
        train, validation, test = (
            len(split.labels) for split in (self.train, self.validation, self.test)
        )
        return f"Digits from {self.source}: {train:,} to train, {validation:,} to validate, {test:,} to test"


class MnistRootError(SentenceError):
    """MNIST_ROOT names no folder that holds MNIST."""


class _NotHadError(Exception):
    """MNIST cannot be had, for the reason given in a few words."""


def load_digits() -> Digits:
    """Return MNIST from MNIST_ROOT, or from data/, where it is downloaded once.

    Where it cannot be downloaded, one printed sentence says why, and the digits are the
    embedded ones. Raises MnistRootError where MNIST_ROOT is set and does not hold
    MNIST; nothing is ever written there.
    """
    given, root = os.environ.get("MNIST_ROOT"), folder()
    if given == "embedded":
        return embedded()
    try:
        return _mnist(root)
    except _NotHadError as flaw:
        if given:
            raise MnistRootError(
                f"MNIST_ROOT is {given!r}, {flaw}: name a folder that holds all of MNIST, unset MNIST_ROOT to download "
                "it, or set MNIST_ROOT=embedded for small digits."
            ) from None
    try:
        _download()
        return _mnist(root)
    except _NotHadError as reason:
        print(
            f"MNIST could not be downloaded ({reason}), so these are the 1,797 digits of 8×8 pixels that scikit-learn "
            "brings, enlarged to 28×28: the numbers will differ from those in the text."
        )
        return embedded()


def folder() -> Path:
    """Return the folder that MNIST_ROOT names, seen from here or else from the
    repository; without it, data/.
    """
    given = os.environ.get("MNIST_ROOT") or DATA
    return next(
        (base / given for base in (Path(), DATA.parent) if os.path.isdir(base / given)),
        Path(given),
    )


def embedded() -> Digits:
    """Return scikit-learn's 1,797 digits of 8×8 in MNIST's form: 20×20 in the middle of
    28×28.

    They are a part of https://archive.ics.uci.edu/dataset/80, handwritten too (CC BY
    4.0).
    """
    from sklearn import datasets

    bundled = datasets.load_digits()
    small, labels = (
        torch.tensor(bundled.images).float()[:, None],
        torch.tensor(bundled.target).long(),
    )
    images = F.pad(F.interpolate(small, size=20, mode="bilinear"), (4, 4, 4, 4)).clamp_(
        0, 16
    )
    test = _every(5, labels)
    learned, tested = (
        Split(images[~test], labels[~test]),
        Split(images[test], labels[test]),
    )
    return _digits(learned, tested, 16, "scikit-learn digits")


def _mnist(root: Path) -> Digits:
    """Return the MNIST in a folder; raise _NotHadError where a file of it is not sound."""
    if not os.path.isdir(root):
        raise _NotHadError("which is no folder that can be read")
    files = [_file(root, name) for name in MD5]
    # What stands before the numbers is their kind and their count.
    images, labels = (
        [file[16:].view(-1, 1, 28, 28) for file in files[::2]],
        [file[8:].long() for file in files[1::2]],
    )
    return _digits(*map(Split, images, labels))


def _file(root: Path, name: str) -> torch.Tensor:
    """Return the bytes of a file of MNIST; raise _NotHadError where they are not those
    that its checksum wants.
    """
    try:
        content = bytearray((root / RAW / name).read_bytes())
    except FileNotFoundError:
        raise _NotHadError(f"in which {RAW / name} is missing") from None
    except OSError:
        raise _NotHadError(f"in which {RAW / name} cannot be read") from None
    if (
        _md5(content.translate(ONE_IS_ZERO) if "images" in name else content)
        != MD5[name]
    ):
        raise _NotHadError(f"in which {RAW / name} is incomplete or not MNIST's")
    return torch.frombuffer(content, dtype=torch.uint8)


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _digits(
    learned: Split, tested: Split, brightest: int = 255, source: str = "MNIST"
) -> Digits:
    """Return the digits with one twelfth of each class, of those to learn from, set
    apart to validate with.
    """
    held = _every(12, learned.labels)
    parts = ((learned, ~held), (learned, held), (tested, slice(None)))
    return Digits(
        *(Split(of.images[i].float().div_(brightest), of.labels[i]) for of, i in parts),
        source,
    )


def _every(step: int, labels: torch.Tensor) -> torch.Tensor:
    """Return a mask that is True at one in `step` of each class (give or take one),
    always the same.
    """
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    order = order[labels[order].argsort(stable=True)]
    return torch.zeros(len(labels), dtype=torch.bool).index_fill_(
        0, order[::step], True
    )


def _download() -> None:
    """Put MNIST in data/, each file whole or not at all, even where two processes do
    this at once.
    """
    try:
        (DATA / RAW).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=DATA, prefix=".download-", ignore_cleanup_errors=True
        ) as temporary:
            for name, archive in _archives().items():
                path = Path(temporary, name).with_suffix("")
                path.write_bytes(gzip.decompress(archive))
                path.replace(DATA / RAW / path.name)
    except OSError as fault:
        full = fault.errno in (errno.ENOSPC, errno.EDQUOT)
        raise _NotHadError(
            "the disk is full" if full else "data/ cannot be written to"
        ) from fault


def _archives() -> dict[str, bytearray]:
    """Return the archives of the first mirror that has them; raise _NotHadError with
    the fault of each.
    """
    from torchvision.datasets import MNIST

    faults = {}  # each once, in order
    for mirror in MNIST.mirrors:
        try:
            return _fetch(mirror, dict(MNIST.resources))
        except _NotHadError as fault:
            faults[str(fault)] = None
    raise _NotHadError(", then ".join(faults))


def _fetch(mirror: str, checksums: dict[str, str]) -> dict[str, bytearray]:
    """Return the sound archives that one mirror has; raise _NotHadError where it fails,
    or is not worth the wait.

    A thread of its own reads, as it can be left even where it hangs in a name server,
    and has no file to spoil.
    """
    archives, faults, start = (
        {name: bytearray() for name in checksums},
        [],
        time.monotonic(),
    )
    worker = threading.Thread(
        target=_read, args=(mirror, archives, faults), daemon=True
    )
    worker.start()
    with progress(
        ARCHIVES,
        lambda received: f"MNIST: {received / 1e6:.1f} of {ARCHIVES / 1e6:.1f} MB",
    ) as show:
        while worker.is_alive() and not faults:
            worker.join(0.1)
            received = sum(map(len, archives.values()))
            show(received)
            if (
                worker.is_alive()
                and time.monotonic() - start > PATIENCE + received / SLOWEST
            ):
                faults.append(TimeoutError())
    if faults:
        raise _NotHadError(_words(faults[0])) from faults[0]
    if any(_md5(archive) != checksums[name] for name, archive in archives.items()):
        raise _NotHadError("the checksum is wrong")
    return archives


def _read(mirror: str, archives: dict[str, bytearray], faults: list[Exception]) -> None:
    """Fill the archives one after the other, until there is a fault."""
    try:
        for name, archive in archives.items():
            request = Request(mirror + name, headers={"User-Agent": "seeing-convnets"})
            with urlopen(request, timeout=PATIENCE) as response:
                while (
                    not faults
                    and len(archive) <= ARCHIVES
                    and (part := response.read1(2**16))
                ):
                    archive.extend(part)
                if len(archive) < int(response.headers.get("Content-Length", 0)):
                    raise EOFError
    except Exception as fault:
        faults.append(fault)


def _words(fault: Exception) -> str:
    if isinstance(fault, HTTPError):
        return f"the server answered {fault.code}"
    if isinstance(fault, URLError) and isinstance(fault.reason, Exception):
        fault = fault.reason
    return next(words for kind, words in FAULTS.items() if isinstance(fault, kind))
