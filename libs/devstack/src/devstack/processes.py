"""Child processes that never outlive us: ended in order, and killed by the kernel if we are killed (PR_SET_PDEATHSIG)."""

import ctypes
import itertools
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


class Running(Protocol):
    """What the supervisor asks of a child; `subprocess.Popen` is one."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int, /) -> None: ...

    def kill(self) -> None: ...


class StartFailed(RuntimeError):
    """A part did not start; the text is for the person at the terminal."""


def die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None, directory: Path | None = None
) -> "subprocess.Popen[bytes]":
    """Starts a child with its output in a file. Call it from the main thread: the kernel watches the thread that spawned."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment) if environment is not None else None,
            cwd=directory,
            start_new_session=True,  # Ctrl-C reaches us alone; we end the children in order
            preexec_fn=die_with_parent,  # noqa: PLW1509 - the kernel has no other way to ask for it
        )


def stop(process: Running | None, *, number: int = signal.SIGTERM, seconds: float = 20) -> None:
    """Asks the child to end, and kills it when it doesn't in time."""
    if process is None or process.poll() is not None:
        return
    process.send_signal(number)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# Below the range that the kernel gives to outgoing connections: a port found here is still free when its server starts.
PORTS = range(18_000, 31_000)
_tried = itertools.count(os.getpid() * 331)  # processes with neighbouring ids look in different places, each further every time


def free_port() -> int:
    """A port on loopback that nobody uses; never the same twice, and hardly one that another process is about to use."""
    while taken(port := PORTS[next(_tried) % len(PORTS)]):
        pass
    return port


def taken(port: int) -> bool:
    """Does somebody listen there already?"""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


def tail(path: Path, characters: int = 1500) -> str:
    return path.read_text(errors="replace")[-characters:] if path.exists() else ""


def wait_until(ready: "object", process: "subprocess.Popen[bytes]", *, name: str, log: Path, seconds: float = 60) -> None:
    """Polls `ready()`; raises StartFailed with the end of the log when the process ends or time is up."""
    end = time.monotonic() + seconds
    while not ready():  # type: ignore[operator]
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            process.wait()
            raise StartFailed(f"{name} did not start; see {log}\n{tail(log)}")
        time.sleep(0.03)


def as_root() -> bool:
    return os.geteuid() == 0
