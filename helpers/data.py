"""The pictures and digits that the course looks at."""

import errno
import gzip
import hashlib
import io
import os
import shutil
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import torch
import torch.nn.functional as F

DATA = Path(__file__).resolve().parent.parent / "data"
RAW = Path("MNIST", "raw")
# Copies of MNIST are about in which grey level 1 reads 0, so 1 counts as 0 in the two files of images.
MD5 = {
    "train-images-idx3-ubyte": "2120c626b3f721358a650005d9261aaf",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "cf07d9e8b7d094edfc7743cbbe02c530",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
ONE_IS_ZERO = bytes([0, 0, *range(2, 256)])
ARCHIVES = 11_594_722  # bytes in the four archives together
PATIENCE = 8.0  # seconds without a byte after which a mirror is left
SLOWEST = 25_000  # bytes a second; what comes slower uses up the patience
FAULTS = {
    ssl.SSLCertVerificationError: "the server could not be trusted",
    TimeoutError: "the server did not deliver in time",
    ConnectionRefusedError: "no network",
    (ConnectionError, HTTPException, EOFError): "the download was cut short",
    OSError: "no network",
    Exception: "the download failed",
}


class Split(NamedTuple):
    """Some digits: images, N×1×28×28 float32 from 0 to 1, and their labels, N int64."""

    images: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True, eq=False)
class Digits:
    """Digits to train with, to validate with and to test with; no image is in two of them."""

    train: Split
    validation: Split
    test: Split
    source: str

    def __repr__(self) -> str:
        train, validation, test = (len(split.labels) for split in (self.train, self.validation, self.test))
        return f"Digits from {self.source}: {train:,} to train, {validation:,} to validate, {test:,} to test"


class SentenceError(ValueError):
    """An error that a notebook shows as one sentence, as the student's code is not at fault."""

    def _render_traceback_(self) -> list[str]:  # IPython shows this in place of the traceback
        return [f"{type(self).__name__}: {self}"]


class MnistRootError(SentenceError):
    """MNIST_ROOT names no folder that holds MNIST."""


class _NotHadError(Exception):
    """MNIST cannot be had, for the reason given in a few words."""


def photo() -> torch.Tensor:
    """Return a portrait of Grace Hopper as grey levels from 0 to 1, 150×128.

    matplotlib ships it, so there is nothing to download (a photograph of the US Navy, in the public domain).
    """
    from matplotlib.cbook import get_sample_data  # not needed by those who never ask for a picture
    from matplotlib.image import imread

    with get_sample_data("grace_hopper.jpg") as file:
        levels = torch.tensor(imread(file, format="jpg"))
    grey = levels.float().mean(dim=-1) / 255
    return F.avg_pool2d(grey[None], 4)[0]


def digits() -> Digits:
    """Return MNIST from MNIST_ROOT, or from data/, where it is downloaded once.

    Where it cannot be downloaded, one printed sentence says why, and the digits are the embedded ones.
    Raises MnistRootError where MNIST_ROOT is set and does not hold MNIST; nothing is ever written there.
    """
    if given := os.environ.get("MNIST_ROOT"):
        root = _given_root(given)
        return _mnist(root) if root else embedded()
    try:
        if any(_flaw(DATA / RAW / name) for name in MD5):
            _complete(DATA)
    except _NotHadError as reason:
        print(
            f"MNIST could not be downloaded ({reason}), so these are the 1,797 digits of 8×8 pixels that scikit-learn "
            "brings, enlarged to 28×28: the numbers will differ from those in the text."
        )
        return embedded()
    return _mnist(DATA)


def embedded() -> Digits:
    """Return scikit-learn's 1,797 digits of 8×8 in MNIST's form: 20×20 in the middle of 28×28.

    They are a part of https://archive.ics.uci.edu/dataset/80, handwritten too (CC BY 4.0).
    """
    from sklearn.datasets import load_digits

    bundled = load_digits()
    small, labels = torch.tensor(bundled.images).float()[:, None], torch.tensor(bundled.target).long()
    images = F.pad(F.interpolate(small, size=20, mode="bilinear"), (4, 4, 4, 4)).clamp_(0, 16)
    test = _every(5, labels)
    learned, tested = Split(images[~test], labels[~test]), Split(images[test], labels[test])
    return _digits(learned, tested, 16, "scikit-learn digits")


def _mnist(root: Path) -> Digits:
    """Return the MNIST in a folder in which every file is known to be sound."""
    from torchvision import datasets

    class MNIST(datasets.MNIST):
        processed_folder = ""  # else torchvision would prefer a processed/training.pt, which nobody has checked

    learned, tested = (MNIST(root, train=train) for train in (True, False))
    return _digits(Split(learned.data[:, None], learned.targets), Split(tested.data[:, None], tested.targets))


def _digits(learned: Split, tested: Split, brightest: int = 255, source: str = "MNIST") -> Digits:
    """Return the digits with one twelfth of each class, of those to learn from, set apart to validate with."""
    held = _every(12, learned.labels)
    parts = ((learned, ~held), (learned, held), (tested, slice(None)))
    return Digits(*(Split(of.images[i].float().div_(brightest), of.labels[i]) for of, i in parts), source)


def _every(step: int, labels: torch.Tensor) -> torch.Tensor:
    """Return a mask that is True at one in `step` of each class (give or take one), always the same."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    order = order[labels[order].argsort(stable=True)]
    return torch.zeros(len(labels), dtype=torch.bool).index_fill_(0, order[::step], True)


def _given_root(given: str) -> Path | None:
    """Return the folder that MNIST_ROOT names, or None for the embedded digits; raise MnistRootError."""
    root = next((base / given for base in (Path(), DATA.parent) if os.path.isdir(base / given)), None)
    if root is None and given == "embedded":
        return None
    flaws = [f"{RAW / name} {flaw}" for name in MD5 if root and (flaw := _flaw(root / RAW / name))]
    if root and not flaws:
        return root
    why = f"in which {flaws[0]}" if flaws else "which is no folder that can be read"
    raise MnistRootError(
        f"MNIST_ROOT is {given!r}, {why}: name a folder that holds all of MNIST, unset MNIST_ROOT to download it, "
        "or set MNIST_ROOT=embedded for small digits."
    )


def _flaw(path: Path) -> str:
    """Return in words why this is not the file of MNIST with that name, or nothing where it is."""
    md5, grey = hashlib.md5(usedforsecurity=False), "images" in path.name
    try:
        with path.open("rb") as file:
            while part := file.read(2**20):
                md5.update(part.translate(ONE_IS_ZERO) if grey else part)
    except FileNotFoundError:
        return "is missing"
    except OSError:
        return "cannot be read"
    return "" if md5.hexdigest() == MD5[path.name] else "is incomplete or not MNIST's"


def _complete(root: Path) -> None:
    """Put what is missing of MNIST in place; raise _NotHadError where that cannot be done.

    Each file appears whole or not at all, even where two processes do this at once.
    """
    try:
        (root / RAW).mkdir(parents=True, exist_ok=True)
        for stale in root.glob(".download-*"):
            with suppress(OSError):  # another process may be removing it too
                if stale.stat().st_mtime < time.time() - 86_400:
                    shutil.rmtree(stale)
        with tempfile.TemporaryDirectory(dir=root, prefix=".download-", ignore_cleanup_errors=True) as folder:
            _obtain(root / RAW, Path(folder))
    except OSError as fault:
        full = fault.errno in (errno.ENOSPC, errno.EDQUOT)
        raise _NotHadError("the disk is full" if full else "data/ cannot be written to") from fault


def _obtain(raw: Path, folder: Path) -> None:
    """Place the missing files, from archives that lie there or else from the first mirror that has them all."""
    from torchvision.datasets import MNIST

    missing, reasons = {name: md5 for name, md5 in MNIST.resources if _flaw(raw / name.removesuffix(".gz"))}, []
    for name, md5 in list(missing.items()):
        with suppress(OSError, _NotHadError):
            _place((raw / name).read_bytes(), md5, folder / name, raw)
            del missing[name]
    for mirror in MNIST.mirrors if missing else ():
        try:
            for name, archive in _fetch(mirror, missing).items():
                _place(archive, missing[name], folder / name, raw)
            return
        except _NotHadError as reason:
            reasons.append(str(reason))
    if missing:
        raise _NotHadError(", then ".join(dict.fromkeys(reasons)))


def _place(archive: bytes, md5: str, temporary: Path, raw: Path) -> None:
    """Unpack an archive beside its temporary path, and move the file to its place if both are sound."""
    unpacked = temporary.with_suffix("")
    if sound := hashlib.md5(archive, usedforsecurity=False).hexdigest() == md5:
        with gzip.open(io.BytesIO(archive)) as packed, unpacked.open("wb") as file:
            shutil.copyfileobj(packed, file)
    if not sound or _flaw(unpacked):
        raise _NotHadError("the checksum is wrong")
    unpacked.replace(raw / unpacked.name)


def _fetch(mirror: str, names: Iterable[str]) -> dict[str, bytearray]:
    """Return what one mirror has under these names; raise _NotHadError where it fails, or is not worth the wait.

    A thread of its own reads, as it can be left even where it hangs in a name server, and has no file to spoil.
    """
    archives, faults, left = {name: bytearray() for name in names}, [], threading.Event()
    worker = threading.Thread(target=_read, args=(mirror, archives, faults, left), daemon=True)
    worker.start()
    try:
        with progress(ARCHIVES, lambda received: f"MNIST: {received / 1e6:.1f} of {ARCHIVES / 1e6:.1f} MB") as show:
            in_time = _wait(worker, archives, show)
    finally:
        left.set()
    if not in_time:
        raise _NotHadError(FAULTS[TimeoutError])
    if faults:
        raise _NotHadError(_words(faults[0])) from faults[0]
    return archives


def _read(mirror: str, archives: dict[str, bytearray], faults: list[Exception], left: threading.Event) -> None:
    """Fill the archives one after the other, until one fails."""
    try:
        for name, archive in archives.items():
            request = Request(mirror + name, headers={"User-Agent": "seeing-convnets"})
            with urlopen(request, timeout=PATIENCE) as response:
                while not left.is_set() and len(archive) <= ARCHIVES and (part := response.read1(2**16)):
                    archive.extend(part)
                if len(archive) < int(response.headers.get("Content-Length", 0)):
                    raise EOFError
    except Exception as fault:
        faults.append(fault)


def _wait(worker: threading.Thread, archives: dict[str, bytearray], show: Callable[[int], None]) -> bool:
    """Wait until the worker is done or the patience is used up; return whether it is done."""
    patience, received, now = PATIENCE, 0, time.monotonic()
    while worker.is_alive() and patience > 0:
        worker.join(0.1)
        before, since = received, now
        received, now = sum(map(len, archives.values())), time.monotonic()
        patience = min(PATIENCE, patience + (received - before) / SLOWEST - (now - since))
        show(received)
    return not worker.is_alive()


def _words(fault: Exception) -> str:
    if isinstance(fault, HTTPError):
        return f"the server answered {fault.code}"
    if isinstance(fault, URLError) and isinstance(fault.reason, Exception):
        fault = fault.reason
    return next(words for kind, words in FAULTS.items() if isinstance(fault, kind))


@contextmanager
def progress(whole: int, words: Callable[[int], str]) -> Iterator[Callable[[int], None]]:
    """Give a function that shows how much of the whole is done: a bar in a notebook, nothing elsewhere."""
    from IPython import display, get_ipython

    if not hasattr(get_ipython(), "kernel"):
        yield lambda done: None
        return
    from ipywidgets import IntProgress

    bar = IntProgress(max=whole, style={"description_width": "initial"})
    shown = display.display(bar, display_id=True)

    def show(done: int) -> None:
        bar.value, bar.description = done, words(done)

    try:
        yield show
    finally:
        shown.update({"text/plain": ""}, raw=True)  # a stored notebook would otherwise ask for a bar that is gone
        bar.close()
