"""Programs of ours that begin where their imports are done: each is forked from one process that has everything loaded.

To start Python and import what a service needs takes more than a second of a core, and the end-to-end tests start dozens of them.
What runs is the same `python -m <module>`, a process of its own in a session of its own. `make run` starts them the plain way,
which libs/devstack/tests/test_dev.py shows.
"""

import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO
from uuid import uuid4

from devstack.processes import die_with_parent
from devstack.processes import spawn as start
from latchkey_contracts.topics import SERVICES

LOADED = (
    "latchkey_cli.cli",
    "devstack.inbox.web",
    "devstack.inbox.smtp",
    "devstack.provider.web",
    *(f"{service}.wiring" for service in SERVICES),
)
MOST_BYTES = 1 << 20
Done = subprocess.CompletedProcess[str]


# --- the process that forks ------------------------------------------------------------------------------------------------------


def serve(name: str) -> None:
    """Until it is killed. `name`: of its socket, which is no file (unix(7), abstract). A connection is one program: what to run and its three files come in, its id and its end go out."""
    for module in LOADED:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # so that collections in a child don't copy what it shares
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(f"\0{name}")
    listener.listen(64)
    living: dict[int, socket.socket] = {}
    ended, end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(end)
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(ended, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    _fork(listener, living)
                else:
                    os.read(ended, 4096)
            _bury(living)


def _fork(listener: socket.socket, living: dict[int, socket.socket]) -> None:
    asker, _ = listener.accept()
    text, files, _, _ = socket.recv_fds(asker, MOST_BYTES, 3)
    if not text:  # somebody who only looked whether we are there
        asker.close()
        return
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        for one in (listener, asker, *living.values()):
            one.close()
        what = json.loads(text)
        _become(what["command"], what["environment"], files)
    for file in files:
        os.close(file)
    living[pid] = asker
    asker.send(str(pid).encode())


def _bury(living: dict[int, socket.socket]) -> None:
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            pid, status = found
            with living.pop(pid) as asker, contextlib.suppress(OSError):
                asker.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(command: list[str], environment: dict[str, str], files: Sequence[int]) -> None:
    """What `python -m` does from here on."""
    code = 1
    try:
        os.setsid()
        die_with_parent()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, one in enumerate(files):
            os.dup2(one, number)
            os.close(one)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = command
        runpy.run_module(command[0], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001 - told as Python tells it
        traceback.print_exc()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


# --- whoever wants a program -----------------------------------------------------------------------------------------------------


class Forked:
    """As much of `subprocess.Popen` as a supervisor asks of it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.pid = int(connection.recv(100))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._connection, selectors.EVENT_READ)
                if not selector.select(timeout):
                    raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            self.returncode = int(self._connection.recv(100) or -signal.SIGKILL)  # it dies with the process that forked it
            self._connection.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def spawn(command: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> Forked:
    """In the place of `devstack.processes.spawn`: `command` is this Python, `-m`, one of our modules, and its arguments."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return _ask(command, environment, output, output)


def run(command: Sequence[str], *, environment: Mapping[str, str] | None = None, seconds: float = 60) -> Done:
    """In the place of `subprocess.run`, for our command line."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = _ask(command, os.environ if environment is None else environment, output, errors)
        code = process.wait(seconds)
        output.seek(0)
        errors.seek(0)
        return Done(list(command), code, output.read().decode(), errors.read().decode())


def _ask(command: Sequence[str], environment: Mapping[str, str], output: IO[bytes], errors: IO[bytes]) -> Forked:
    assert list(command[:2]) == [sys.executable, "-m"]
    connection = _connected(_nursery())
    what = json.dumps({"command": list(command[2:]), "environment": dict(environment)}).encode()
    with Path(os.devnull).open("rb") as nothing:
        socket.send_fds(connection, [what], [nothing.fileno(), output.fileno(), errors.fileno()])
    return Forked(connection)


@functools.cache
def _nursery() -> str:
    """Its socket's name. One for this process, with which it dies."""
    name = f"latchkey-nursery-{uuid4()}"
    process = start([sys.executable, "-m", "testkit.nursery", name], log=Path(os.devnull))
    while True:
        try:
            _connected(name).close()
        except ConnectionRefusedError:
            assert process.poll() is None, "the nursery did not start: python -m testkit.nursery says why"
            time.sleep(0.02)
        else:
            return name


def _connected(name: str) -> socket.socket:
    found = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    found.connect(f"\0{name}")
    return found


if __name__ == "__main__":
    serve(sys.argv[1])
