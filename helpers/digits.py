"""The digits that the course trains on: MNIST, or the small ones that scikit-learn
brings.
"""

import errno
import getpass
import hashlib
import io
import os
import socket
import ssl
import stat
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, redirect_stderr, suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError, URLError

import torch
import torch.nn.functional as F
from torch import Tensor

from helpers.validation import SentenceError
from helpers.waiting import progress

DATA = Path(__file__).resolve().parent.parent / "data"
RAW = Path("MNIST", "raw")
SHARED = Path("MNIST", "images.float32")
# Copies of MNIST are about in which grey level 1 reads 0, so 1 counts as 0 in the two
# files of images.
MD5 = {
    "train-images-idx3-ubyte": "2120c626b3f721358a650005d9261aaf",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "cf07d9e8b7d094edfc7743cbbe02c530",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
ARCHIVES = 11_594_722  # bytes in the four archives together
PATIENCE = 8.0  # seconds that a mirror may lose
SLOWEST = 25_000  # bytes a second below which it loses them
BYTES = {"unit": "B", "unit_scale": True}  # how tqdm counts them
FULL = (errno.ENOSPC, errno.EDQUOT)
BROKEN = (ConnectionResetError, ConnectionAbortedError, HTTPException, RuntimeError)
FAULTS = {
    ssl.SSLCertVerificationError: "the server could not be trusted",
    TimeoutError: "the server did not deliver in time",
    BROKEN: "the download was incomplete or damaged",
    Exception: "no network",
}


class Split(NamedTuple):
    """Some digits: images, N×1×28×28 float32 from 0 to 1, and their labels, N int64."""

    images: Tensor
    labels: Tensor


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
        purposes = {"train": self.train, "validate": self.validation, "test": self.test}
        counts = [f"{len(part.labels):,} to {what}" for what, part in purposes.items()]
        return f"Digits from {self.source}: {', '.join(counts)}"


class MnistRootError(SentenceError):
    """MNIST_ROOT names no folder that holds MNIST."""


class _NotHadError(Exception):
    """MNIST cannot be had, for the reason given in a few words."""


def load_digits() -> Digits:
    """Return MNIST from MNIST_ROOT, or from data/, where it is downloaded once.

    Where it cannot be downloaded, one printed sentence says why, and the digits are the
    embedded ones. Raises MnistRootError where MNIST_ROOT is set and does not hold
    MNIST. Beside the files of MNIST, or where that folder may not be written to, in
    one of this user among the temporary files, the images are kept as float32 (220 MB),
    in memory that kernels share.
    """
    given, root = os.environ.get("MNIST_ROOT"), folder()
    if given == "embedded":
        return embedded()
    try:
        return _mnist(root)
    except _NotHadError as flaw:
        if given:
            raise MnistRootError(
                f"MNIST_ROOT is {given!r}, {flaw}: name a folder that holds all of "
                "MNIST, unset MNIST_ROOT to download it, or set MNIST_ROOT=embedded "
                "for small digits."
            ) from None
    try:
        _download()
        return _mnist(root)
    except _NotHadError as reason:
        print(
            f"MNIST could not be downloaded ({reason}), so these are the 1,797 digits "
            "of 8×8 pixels that scikit-learn brings, enlarged to 28×28: the numbers "
            "will differ from those in the text."
        )
        return embedded()


def folder() -> Path:
    """Return the folder that MNIST_ROOT names, seen from here or else from the
    repository; without it, data/.
    """
    given = os.path.expanduser(os.environ.get("MNIST_ROOT") or DATA)
    seen = (base / given for base in (Path(), DATA.parent))
    return next(filter(os.path.isdir, seen), Path(given))


def embedded() -> Digits:
    """Return scikit-learn's 1,797 digits of 8×8 in MNIST's form: 20×20 in the middle of
    28×28.

    They are a part of https://archive.ics.uci.edu/dataset/80, handwritten too (CC BY
    4.0).
    """
    from sklearn import datasets

    bundled = datasets.load_digits()
    small = torch.tensor(bundled.images).float()[:, None]
    images = F.interpolate(small, size=20, mode="bilinear")
    digits = Split(F.pad(images, (4, 4, 4, 4)), torch.tensor(bundled.target).long())
    learned, tested = _parted(digits, 5)
    return _split(
        learned, tested, lambda levels: levels.clamp(0, 16) / 16, "scikit-learn digits"
    )


def _split(
    learned: Split, tested: Split, scaled: Callable[[Tensor], Tensor], source: str
) -> Digits:
    """Return digits with one twelfth of each class, of those to learn from, set apart
    to validate with; their grey levels are scaled all together.
    """
    parts = [*_parted(learned, 12), tested]
    images = scaled(torch.cat([part.images for part in parts]))
    labels = [part.labels for part in parts]
    images = images.split([len(part) for part in labels])
    return Digits(*map(Split, images, labels), source)


def _mnist(root: Path) -> Digits:
    """Return the MNIST in a folder; raise _NotHadError where it is not sound."""
    if not os.path.isdir(root):
        raise _NotHadError("which is no folder that can be read")
    files = [_file(root, name) for name in MD5]
    # What stands before the numbers is their kind and their count.
    images = [file[16:].view(-1, 1, 28, 28) for file in files[::2]]
    labels = [file[8:].long() for file in files[1::2]]
    learned, tested = map(Split, images, labels)
    return _split(learned, tested, partial(_shared, root / SHARED), "MNIST")


def _file(root: Path, name: str) -> Tensor:
    """Return the bytes of a file of MNIST; raise _NotHadError where they are not those
    that its checksum wants.
    """
    path = root / RAW / name
    if not os.path.exists(path):
        raise _NotHadError(f"in which {RAW / name} is missing")
    if not (path.is_file() and os.access(path, os.R_OK)):
        raise _NotHadError(f"in which {RAW / name} cannot be read")
    content = bytearray(path.read_bytes())
    counted = content.replace(b"\1", b"\0") if "images" in name else content
    if hashlib.md5(counted, usedforsecurity=False).hexdigest() != MD5[name]:
        raise _NotHadError(f"in which {RAW / name} is incomplete or not MNIST's")
    return torch.frombuffer(content, dtype=torch.uint8)


def _shared(path: Path, levels: Tensor) -> Tensor:
    """Return grey levels of 0 … 255 as float32 from 0 to 1, read from a file whose
    pages the kernels of a machine share; from memory where there can be none.

    What a kernel writes into them is seen by itself alone.
    """
    for folder in (lambda: path.parent, _own):
        with suppress(OSError, RuntimeError):
            place = folder() / path.name
            if not _holds(place, levels):
                _keep(place, levels)
            return _mapped(place, levels)
    return _scaled(levels)


def _own() -> Path:
    """Return a folder of this user alone, for what the folder of MNIST may not hold."""
    name = f"seeing-convnets-{getattr(os, 'getuid', getpass.getuser)()}"
    folder = Path(tempfile.gettempdir(), name)
    folder.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
        raise PermissionError
    return folder


def _scaled(levels: Tensor) -> Tensor:
    return levels.float().div_(255)


def _mapped(path: Path, levels: Tensor) -> Tensor:
    numbers = torch.from_file(str(path), size=levels.numel(), dtype=torch.float32)
    return numbers.view_as(levels)


def _holds(path: Path, levels: Tensor) -> bool:
    """Tell whether a file holds these very numbers."""
    if not path.is_file() or path.stat().st_size != 4 * levels.numel():
        return False
    pairs = zip(_mapped(path, levels).split(1000), levels.split(1000), strict=True)
    return all(torch.equal(found, _scaled(part)) for found, part in pairs)


def _keep(path: Path, levels: Tensor) -> None:
    """Write the file, whole or not at all, even where two processes do so at once."""
    if not path.parent.stat().st_mode & stat.S_IWUSR:
        raise PermissionError  # which root would not hear of
    with _beside(path) as temporary:
        new = Path(temporary, path.name)
        with new.open("wb") as file:
            file.writelines(_scaled(part).numpy() for part in levels.split(1000))
        new.replace(path)


def _beside(path: Path) -> tempfile.TemporaryDirectory:
    """Return a folder on the disk of a file to be; it goes with all that is in it."""
    return tempfile.TemporaryDirectory(
        prefix=".new-", dir=path.parent, ignore_cleanup_errors=True
    )


def _parted(digits: Split, step: int) -> list[Split]:
    """Return most digits, and one in `step` of each class (give or take one), always
    the same.
    """
    labels = digits.labels
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    order = order[labels[order].argsort(stable=True)]
    taken = torch.zeros(len(labels), dtype=torch.bool)
    taken[order[::step]] = True
    return [Split(digits.images[mask], labels[mask]) for mask in (~taken, taken)]


def _download() -> None:
    """Put MNIST in data/, each file whole or not at all, even where two processes do
    this at once; raise _NotHadError with the fault of each mirror.
    """
    from torchvision.datasets import MNIST

    faults = {}  # each once, in order
    try:
        (DATA / RAW).mkdir(parents=True, exist_ok=True)
        for mirror in MNIST.mirrors:
            with _beside(DATA / RAW) as temporary:
                fault = _fetch(mirror, Path(temporary))
                if fault is None:
                    for name in MD5:
                        Path(temporary, name).replace(DATA / RAW / name)
                    return
            if getattr(fault, "errno", None) in FULL:
                raise fault
            faults[_words(fault)] = None
    except OSError as fault:
        full = "the disk is full" if fault.errno in FULL else None
        raise _NotHadError(full or "data/ cannot be written to") from fault
    raise _NotHadError(", then ".join(faults))


def _fetch(mirror: str, place: Path) -> Exception | None:
    """Fill a folder with the files that a mirror has; return its fault where it fails,
    or is not worth the wait.

    A thread of its own reads, as it can be left even where it hangs in a name server.
    What it still writes then goes into a folder that is no more.
    """
    faults, start = [], time.monotonic()
    worker = threading.Thread(target=_read, args=(mirror, place, faults), daemon=True)
    with ExitStack() as after:
        # Torchvision sets no limit of time, and has bars of its own.
        after.callback(socket.setdefaulttimeout, socket.getdefaulttimeout())
        socket.setdefaulttimeout(PATIENCE)
        after.enter_context(redirect_stderr(io.StringIO()))
        bar = after.enter_context(progress(ARCHIVES, "MNIST", **BYTES))
        worker.start()
        while worker.is_alive():
            worker.join(0.1)
            received = sum(path.stat().st_size for path in place.glob("*.gz"))
            bar.update(received - bar.n)
            late = time.monotonic() - start > PATIENCE + received / SLOWEST
            if late and worker.is_alive():
                return TimeoutError()
    return faults[0] if faults else None


def _read(mirror: str, place: Path, faults: list[Exception]) -> None:
    from torchvision.datasets import MNIST
    from torchvision.datasets.utils import download_and_extract_archive

    try:
        for name, checksum in MNIST.resources:
            download_and_extract_archive(mirror + name, place, md5=checksum)
    except Exception as fault:
        faults.append(fault)


def _words(fault: Exception) -> str:
    if isinstance(fault, HTTPError):
        return f"the server answered {fault.code}"
    if isinstance(fault, URLError) and isinstance(fault.reason, Exception):
        fault = fault.reason
    return next(words for kind, words in FAULTS.items() if isinstance(fault, kind))
