"""What checkers and predictions note: `progress_NN.json`, beside the notebook of a
lesson.

The file lies in the folder where the kernel began, and is sent nowhere. An exercise is
known by its place and name in `exercises.lesson_NN`, a prediction by the source of what
it is compared with. A try counts when it is new, so running a notebook again changes
nothing. What was right stays right: what is tried after that is play, and not counted.
"""

import ast
import contextlib
import inspect
import itertools
import json
import linecache
import os
import re
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from helpers.files import write
from helpers.validation import SentenceError

KINDS = "exercises", "predictions"
# What is noted of each; `seen` are check sums of what was tried.
UNTRIED = dict(tries=0, right=False, first=False, last="", when="", seen=[])
LONGEST, LARGEST = 200, 10**6  # characters of a sentence, bytes of a file
# "off" writes nothing; "on" writes also where a notebook says off().
SWITCH = os.environ.get("CONVNETS_PROGRESS", "").lower()


class Notes:
    """The notes of a kernel, and the file that it may share with another one."""

    def __init__(self, folder: Path | None, on: bool = True) -> None:
        self.folder, self.on = folder, on and folder is not None
        self.lesson, self.names, self.places = "", [], {}
        self.own = {kind: {} for kind in KINDS}
        self.trouble = ""  # why nothing is written any more

    def exercise(self, examine: Callable) -> str | None:
        """Return the name of an exercise in the notes; None where it is not of the
        first lesson that was imported.
        """
        found = re.fullmatch(r"exercises\.lesson_(\d\d)", examine.__module__)
        if not found or self.lesson not in ("", found[1]):
            return None
        self.lesson, name = found[1], examine.__name__
        self.names += [name] * (name not in self.names)
        return f"{self.names.index(name) + 1} {name}"

    def prediction(self, frame: FrameType) -> str:
        """Return the name of the prediction that a frame calls."""
        place = frame.f_code.co_filename, frame.f_lineno
        number = self.places.setdefault(place, len(self.places) + 1)
        return _compared(frame) or f"prediction {number}"

    def note(
        self,
        kind: str,
        name: str | None,
        answer: object = None,
        right: bool = False,
        sentence: str = "",
    ) -> None:
        """Note what was said of an answer, or without a sentence that there is none."""
        if name is None:
            return
        tried = sentence and (_text(answer) + sentence, right, sentence)
        _enter(self.own[kind], name, tried)
        stored = self.stored()
        if stored and _enter(stored[kind], name, tried):
            self._write(stored)

    def stored(self) -> dict | None:
        """Return the notes in the file, or None where none is written."""
        if not (self.on and self.lesson) or self.trouble:
            return None
        path = self.folder / f"progress_{self.lesson}.json"
        try:
            return read(path) | {"count": len(self.names)}
        except FileNotFoundError:
            return self.known() | {kind: {} for kind in KINDS}
        except SentenceError as error:
            self.trouble = f"{error} It is left as it is; move it away to begin anew."
        return None

    def known(self) -> dict:
        """Return the notes of this kernel alone."""
        return {"lesson": self.lesson, "count": len(self.names)} | self.own

    def _write(self, notes: dict) -> None:
        text = json.dumps(notes, indent=1, ensure_ascii=False) + "\n"
        path = self.folder / f"progress_{self.lesson}.json"
        try:
            write(path, text.encode(errors="replace"))
        except OSError as error:
            self.trouble = f"{path.name} cannot be written ({error.strerror})."


def _enter(notes: dict, name: str, tried: tuple) -> bool:
    """Enter a try, or that there was none, and say whether that was new."""
    before = notes.get(name)
    entry = notes[name] = (before or UNTRIED).copy()
    if tried and not entry["right"]:
        said, right, sentence = tried
        text = re.sub(r" at 0x\w+", "", said)
        mark = f"{zlib.crc32(text.encode(errors='replace')):08x}"
        if mark not in entry["seen"]:
            now = time.strftime("%Y-%m-%d %H:%M")
            first, tries = right and not entry["tries"], entry["tries"] + 1
            entry |= {"tries": tries, "right": right, "first": first, "when": now}
            entry["last"] = sentence[:LONGEST]
            entry["seen"] = [*entry["seen"], mark][-LONGEST:]
    return entry != before


def _text(answer: object) -> str:
    """Return what tells an answer from another one, in this kernel and in the next."""
    with contextlib.suppress(Exception):  # a student's object may do anything
        if inspect.isfunction(answer):
            return inspect.getsource(answer)
        ordered = isinstance(answer, set | frozenset)
        return repr(sorted(answer, key=repr) if ordered else answer)
    return ""


def _compared(frame: FrameType) -> str | None:
    """Return the source of the second argument of the call in a frame, if it can be
    read.
    """
    places = frame.f_code.co_positions()
    first, last, start, end = next(itertools.islice(places, frame.f_lasti // 2, None))
    try:
        lines = linecache.getlines(frame.f_code.co_filename)[first - 1 : last]
        lines[-1] = lines[-1].encode()[:end].decode()
        lines[0] = lines[0].encode()[start:].decode()
        call = ast.parse("".join(lines), mode="eval").body
        named = [one.value for one in call.keywords if one.arg == "truth"]
        return ast.unparse(named[0] if named else call.args[1])[:LONGEST]
    except (SyntaxError, ValueError, TypeError, IndexError, AttributeError):
        return None


def read(path: Path) -> dict:
    """Return the notes in a file.

    Raises FileNotFoundError where there is none, SentenceError where it holds others.
    """
    try:
        known = path.stat().st_size <= LARGEST
        notes = json.loads(path.read_bytes()) if known else None
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SentenceError(f"{path.name} cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError):
        notes = None
    if not _fits(notes) or notes["lesson"] != path.stem[-2:]:
        raise SentenceError(f"{path.name} does not hold the notes of a lesson.")
    return notes


def _fits(notes: object) -> bool:
    """Say whether notes have the form in which they are written."""
    if not isinstance(notes, dict) or type(notes.get("count")) is not int:
        return False
    parts = [notes.get(kind) for kind in KINDS]
    return (
        all(isinstance(part, dict) for part in parts)
        and all(_entry_fits(one) for part in parts for one in part.values())
        and all(re.fullmatch(r"[1-9]\d? \w+", name) for name in parts[0])
        and re.fullmatch(r"\d\d", str(notes.get("lesson"))) is not None
        and 0 <= notes["count"] < 100
    )


def _entry_fits(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and all(type(entry.get(key)) is type(one) for key, one in UNTRIED.items())
        and entry["first"] <= entry["right"] <= (entry["tries"] > 0)
        and entry["tries"] >= 0
    )


def _folder() -> Path | None:
    with contextlib.suppress(OSError):  # it may be gone
        return Path.cwd()
    return None


KERNEL = Notes(_folder(), on=SWITCH != "off")


def off() -> None:
    """Write no more notes; this kernel's own are still shown."""
    KERNEL.on = KERNEL.on and SWITCH == "on"
