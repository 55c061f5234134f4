"""One PostgreSQL and one Kafka for a run of tests, each started when the first test asks for it.

The run's own process starts them, so that they outlive every worker; workers ask over a Unix socket. A run that needs no
broker, which is most runs of one service's tests, starts none. A killed run leaves nothing behind: servers die with their parent.
"""

import contextlib
import os
import shutil
import tempfile
import threading
from multiprocessing.connection import Client, Listener
from pathlib import Path
from typing import Literal

from devstack.infrastructure import Infrastructure, choose, kind_for_tests

Server = Literal["postgres", "kafka"]
SOCKET = "LATCHKEY_TEST_SERVERS"


class Servers:
    """In the run's own process. Containers, and what the environment names, are one piece; embedded servers start one by one."""

    def __init__(self) -> None:
        self.kind = kind_for_tests()
        self._folder = Path(tempfile.mkdtemp(prefix="latchkey-test-"))
        self._folder.chmod(0o755)
        self._started: dict[str, Infrastructure] = {}
        socket = str(self._folder / "servers")
        self._listener = Listener(socket, family="AF_UNIX")
        os.environ[SOCKET] = socket
        threading.Thread(target=self._answer, daemon=True, name="servers").start()

    def _answer(self) -> None:
        while True:
            try:
                with self._listener.accept() as worker:
                    try:
                        worker.send((True, self._address(worker.recv())))
                    except Exception as error:  # noqa: BLE001 - the asker raises it
                        worker.send((False, f"{type(error).__name__}: {error}"))
            except (OSError, EOFError):
                if os.environ.get(SOCKET) is None:
                    return

    def _address(self, server: Server) -> str:
        part = server if self.kind == "embedded" else "all"
        if part not in self._started:
            self._started[part] = choose(self._folder, testing=True, only=server if part == server else None)
        found = self._started[part]
        return found.postgres_dsn if server == "postgres" else found.kafka_bootstrap

    def stop(self) -> None:
        os.environ.pop(SOCKET, None)
        with contextlib.suppress(OSError):
            self._listener.close()
        for one in self._started.values():
            one.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def ask(server: Server) -> str:
    """Where it is: a DSN with the right to create databases, or a bootstrap address. Raises RuntimeError if it doesn't start."""
    with Client(os.environ[SOCKET], family="AF_UNIX") as run:
        run.send(server)
        started, answer = run.recv()
    if not started:
        raise RuntimeError(answer)
    return str(answer)
