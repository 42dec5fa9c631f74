"""A file is written as a whole, or not at all."""

import os
from pathlib import Path


def write(target: Path, data: bytes) -> None:
    """Write a file as a whole or, with an OSError, not at all."""
    part = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        part.write_bytes(data)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
