"""Run notebooks cell by cell, and say what their checkers say: `python
tests/tools/verdicts.py notebook …` prints, as JSON, for each notebook what the cells
print that call a checker.

It takes one IPython for all of them, emptied before each: a kernel for each would load
torch anew. A cell that stops with an error ends it.
"""

import contextlib
import io
import json
import os
import re
import sys
from pathlib import Path

import nbformat
from IPython.core.interactiveshell import InteractiveShell

CHECKS = re.compile(r"(?m)^checks\.")


def verdicts(shell: InteractiveShell, path: Path) -> list[str]:
    """Return what each cell prints that calls a checker."""
    said = []
    shell.reset()
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        with contextlib.redirect_stdout(io.StringIO()) as out:
            result = shell.run_cell(cell.source)
        if not result.success:
            sys.exit(f"{path} stops at\n{cell.source}\n{out.getvalue()}")
        if CHECKS.search(cell.source):
            said.append(out.getvalue())
    return said


if __name__ == "__main__":
    os.environ["MPLBACKEND"] = "agg"
    paths = [Path(name).absolute() for name in sys.argv[1:]]
    shell = InteractiveShell.instance()
    print(json.dumps({path.stem: verdicts(shell, path) for path in paths}))
