"""Files that hold secrets."""

import os
from pathlib import Path


def write_private(file: Path, text: str) -> None:
    """Write a file of mode 0600, whole or not at all."""
    partial = file.with_name(f"{file.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(text)
    partial.replace(file)
