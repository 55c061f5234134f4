"""Named places where a test may kill the process with -9 (REL-1, INV-7). Without configuration nothing happens."""

import os
import signal
from pathlib import Path

_armed: Path | None = None


def configure(service: str, directory: Path | None) -> None:
    global _armed
    _armed = None if directory is None else directory / service


def failpoint(name: str) -> None:
    """Dies here if the file `<directory>/<service>.<name>` exists; the file is gone first, so the next process lives."""
    if _armed is None:
        return
    try:
        os.unlink(f"{_armed}.{name}")
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
