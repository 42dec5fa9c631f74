"""A notebook run from top to bottom, as its page or its deck needs it."""

import os
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import NoSuchKernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from nbformat import NotebookNode

from helpers.validation import SentenceError

SECONDS = 600  # for one cell
# Else each kernel warns that it talks over TCP.
QUIET = ["--IPKernelApp.log_level=ERROR"]


def executed(path: Path) -> NotebookNode:
    """Return the notebook, run from top to bottom, with the state of its widgets.

    Raises SentenceError where the file cannot be read, or does not run to its end.
    """
    return run(read(path), path)


def run(notebook: NotebookNode, path: Path) -> NotebookNode:
    """Run a notebook as if it lay at a path; raises SentenceError as above."""
    try:
        NotebookClient(
            notebook,
            timeout=SECONDS,
            resources={"metadata": {"path": str(path.parent)}},
            extra_arguments=QUIET,
        ).execute(env=os.environ | {"CONVNETS_PROGRESS": "off"})
    except (CellExecutionError, CellTimeoutError, NoSuchKernel, RuntimeError) as error:
        raise SentenceError(f"{path} {_said(error)}") from None
    # The kernel may send in several pieces what was printed in one go.
    return CoalesceStreamsPreprocessor().preprocess(notebook, {})[0]


def read(path: Path) -> NotebookNode:
    """Return the notebook in a file; raise SentenceError where there is none."""
    if path.suffix != ".ipynb" or not path.is_file():
        names = "Name files such as notebooks/02_pooling.ipynb."
        raise SentenceError(f"{path} is no notebook. {names}")
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook, relax_add_props=True)
    # no JSON, a list, another dict
    except (ValueError, AttributeError, nbformat.ValidationError):
        raise SentenceError(
            f"{path} has the name of a notebook, but cannot be read as one. "
            "Get it anew."
        ) from None
    return nbformat.v4.upgrade(notebook)  # older ones have no ids


def _said(error: Exception) -> str:
    """Return why a notebook did not run to its end, and what would do."""
    if isinstance(error, CellExecutionError):
        first = error.evalue.partition("\n")[0].rstrip(".")
        why = f"{error.ename}: {first}" if first else error.ename
        return f"stops at a cell with {why}. Mend that cell in JupyterLab."
    if isinstance(error, CellTimeoutError):
        return f"has a cell that takes more than {SECONDS} s. Let it do less."
    if isinstance(error, NoSuchKernel):
        return (
            f"asks for the kernel {error.name!r}, which is not here. Open it in "
            "JupyterLab, choose Python 3 at the top right, and save it."
        )
    return (
        "has lost its kernel: it ended in the middle of a cell, most often because "
        "the memory was full. Close other kernels, then try again."
    )
