"""The command line: `python -m helpers.progress FOLDER`."""

import argparse
import csv
import sys
from functools import partial
from pathlib import Path

from helpers.progress.classes import Judge, grid, in_text, rows
from helpers.validation import SentenceError, check_whole

RISK = (
    "Running students' code needs a machine that you can lose: the code may do "
    "whatever you may do there."
)


def main(arguments: list[str] | None = None) -> None:
    """Print the table of a class, or end with one sentence."""
    asked = _parser().parse_args(arguments)
    if not asked.folder.is_dir():
        sys.exit(f"{asked.folder} is no folder. Name the one with the students' files.")
    try:
        table = grid(rows(asked.folder, _judge(asked)))
    except SentenceError as error:
        sys.exit(str(error))
    sys.stdout.reconfigure(errors="replace")  # where a terminal lacks ✓
    print(in_text(table))
    if asked.csv:
        _write(asked.csv, table)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m helpers.progress",
        description="Show who of a class has tried what, and what was right.",
        allow_abbrev=False,
    )
    where = "FOLDER/STUDENT/…/progress_NN.json, or FOLDER/STUDENT_progress_NN.json"
    parser.add_argument("folder", type=Path, help=where)
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the table too")
    parser.add_argument("--run", action="store_true", help=f"run notebooks. {RISK}")
    seconds, most = "for a notebook (default: 600)", "for one, in MB (default: 4000)"
    parser.add_argument("--seconds", type=int, default=600, help=seconds)
    parser.add_argument("--memory", type=int, default=4000, help=most)
    return parser


def _judge(asked: argparse.Namespace) -> Judge | None:
    """Return what runs a notebook, where that is asked for."""
    if not asked.run:
        return None
    check_whole("--seconds", asked.seconds, 1)
    check_whole("--memory", asked.memory, 1)
    from helpers.progress.running import run  # it loads Jupyter

    print(RISK, file=sys.stderr)
    return partial(run, seconds=asked.seconds, megabytes=asked.memory)


def _write(file: Path, table: list[list[str]]) -> None:
    try:
        # Spreadsheets take UTF-8 by its mark.
        with file.open("w", encoding="utf-8-sig", newline="") as target:
            csv.writer(target).writerows(table)
    except OSError as error:
        sys.exit(f"{file} cannot be written ({error.strerror}). Name another file.")


if __name__ == "__main__":
    main()
