"""All of Latchkey on one machine: starts everything, keeps it up, ends it without a trace (README.md)."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latchkey_contracts.topics import SERVICES

from . import configured, databases, providers
from .child import Child
from .infrastructure import Infrastructure, choose
from .processes import Running, StartFailed, free_port, spawn, stop, tail, taken

READY_SECONDS = 60.0
START_TRIES = 2
# A child that dies again and again is started ever more slowly, but at least every 8 s.
BACKOFF = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
Say = Callable[[str], None]
# Those that the inbox simulates, in the order in which the notifier tries them.
PROVIDERS = ("smtp", "twilio", "backup")
# Who stands in for the rest of the world.
HELPERS = ("inbox", "provider")


def _alone(run: Callable[[], Any]) -> Any:
    """What needs an event loop, in a thread of its own: whoever starts a stack may have a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


@dataclass
class Stack:
    """The whole product below one data folder. `extra` goes into every service's environment (tests: clock, failpoints)."""

    data: Path
    port: int = 8080
    environment: str = "development"
    topic_prefix: str = ""
    database_prefix: str = "latchkey_"
    infrastructure: Infrastructure | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    services: tuple[str, ...] = SERVICES
    replicas: Mapping[str, int] = field(default_factory=dict)
    configuration: Path | None = None
    backoff: Sequence[float] = BACKOFF
    spawn: Callable[..., Running] = spawn
    say: Say = lambda _text: None
    children: dict[str, Child] = field(default_factory=dict)
    postgres: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    _owned: Infrastructure | None = None

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    def start(self) -> None:
        """Everything up and ready, or StartFailed with a text for the person at the terminal (and nothing left running)."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        began = time.monotonic()
        if taken(self.port):
            raise StartFailed(
                f"port {self.port} is taken. End what listens there, or choose another: LATCHKEY_PORT=8081 make run"
            )
        if self.configuration is not None:
            configured.look(self.configuration)
        self.data.mkdir(parents=True, exist_ok=True)
        self._remember_ports()
        if self.infrastructure is None:
            self.infrastructure = self._owned = choose(self.data, say=self.say, wait=False)
        self._keys()
        providers.write(self.providers_file, {name: self.ports[name] for name in PROVIDERS})
        self._databases()
        self._children()
        for child in self.children.values():
            child.start()
        self.infrastructure.wait()
        self._topics()
        self.say("services")
        self._wait_ready()
        if self.configuration is not None:
            self.configure(self.configuration)
        self._write_status()
        self.say(f"ready after {time.monotonic() - began:.1f} s")

    def _remember_ports(self) -> None:
        """Ports stay the same over restarts, as far as they are still free."""
        path = self.data / "ports.json"
        known: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        names = ["inbox", "provider", *PROVIDERS]
        for service in self.services:
            for replica in range(self.replicas.get(service, 1)):
                names += [f"{service}.{replica}.http", f"{service}.{replica}.management"]
        for name in names:
            if name == "gateway.0.http":
                self.ports[name] = self.port
            else:
                self.ports[name] = known[name] if name in known and not taken(known[name]) else free_port()
        path.write_text(json.dumps(self.ports))

    def _keys(self) -> None:
        from servicekit import keys

        keys.init(self.data / "keys")
        secret = self.data / "keys" / "social" / "local"
        if not secret.exists():
            secret.parent.mkdir(mode=0o700, exist_ok=True)
            secret.touch(mode=0o600)
            secret.write_text(secrets.token_urlsafe(32))

    def _databases(self) -> None:
        from servicekit.process.migrations import migrate

        assert self.infrastructure is not None
        self.say("databases")
        self.postgres = databases.create(self.infrastructure.postgres_dsn, self.database_prefix, self.services)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda one: migrate(one[1], one[0]), self.postgres.items()))

    def _topics(self) -> None:
        from servicekit.events.kafka import ensure_topics

        assert self.infrastructure is not None
        bootstrap = self.infrastructure.kafka_bootstrap
        _alone(lambda: asyncio.run(ensure_topics(bootstrap, self.topic_prefix)))

    def url(self, service: str, replica: int = 0) -> str:
        return f"http://127.0.0.1:{self.ports[f'{service}.{replica}.http']}"

    @property
    def inbox_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['inbox']}"

    @property
    def provider_url(self) -> str:
        """The OpenID provider's. Another host's name than ours, so that browsers take it for another site."""
        return f"http://127.0.0.1:{self.ports['provider']}"

    @property
    def providers_file(self) -> Path:
        return self.data / "providers.toml"

    def _environment(self, service: str, replica: int) -> dict[str, str]:
        assert self.infrastructure is not None
        peers = {f"LATCHKEY_{name.upper()}_URL": self.url(name) for name in self.services if name != "gateway"}
        return {
            "LATCHKEY_ENVIRONMENT": self.environment,
            "LATCHKEY_ORIGIN": self.origin,
            "LATCHKEY_POSTGRES_DSN": self.postgres[service],
            "LATCHKEY_KAFKA_BOOTSTRAP": self.infrastructure.kafka_bootstrap,
            "LATCHKEY_TOPIC_PREFIX": self.topic_prefix,
            "LATCHKEY_HTTP_HOST": "127.0.0.1",
            "LATCHKEY_HTTP_PORT": str(self.ports[f"{service}.{replica}.http"]),
            "LATCHKEY_MANAGEMENT_PORT": str(self.ports[f"{service}.{replica}.management"]),
            "LATCHKEY_KEYS_DIR": str(self.data / "keys"),
            "LATCHKEY_INBOX_URL": self.inbox_url,
            "LATCHKEY_LOCAL_PROVIDER_URL": self.provider_url,
            "LATCHKEY_KAFKA_SESSION_TIMEOUT_MS": "6000",
            "LATCHKEY_KAFKA_HEARTBEAT_MS": "1000",
            "MALLOC_ARENA_MAX": "2",
            **peers,
            **self._reached(service),
            **self.extra,
        }

    def _reached(self, service: str) -> dict[str, str]:
        """Where the notifier's messages go: to the inbox, unless whoever started us named a mail server."""
        if service != "notifier" or "LATCHKEY_SMTP_URL" in self.extra:
            return {}
        return {"LATCHKEY_PROVIDERS_FILE": str(self.providers_file)}

    def _children(self) -> None:
        logs = self.data / "logs"
        inbox = [sys.executable, "-m", "devstack.inbox", "--http", str(self.ports["inbox"]), "--smtp", str(self.ports["smtp"])]
        inbox += ["--data", str(self.data / "inbox"), "--providers", str(self.providers_file), "--origin", self.origin]
        self.children["inbox"] = Child("inbox", inbox, {}, logs / "inbox.log", f"{self.inbox_url}/inbox/messages", self.spawn)
        self.children["provider"] = self._provider(logs / "provider.log")
        for service in self.services:
            for replica in range(self.replicas.get(service, 1)):
                name = service if replica == 0 else f"{service}.{replica}"
                ready = f"http://127.0.0.1:{self.ports[f'{service}.{replica}.management']}/health/ready"
                command = [sys.executable, "-m", service, "all"]
                self.children[name] = Child(
                    name, command, self._environment(service, replica), logs / f"{name}.log", ready, self.spawn
                )

    def _provider(self, log: Path) -> Child:
        command = [sys.executable, "-m", "devstack.provider", "--http", str(self.ports["provider"]), "--origin", self.origin]
        command += ["--secret", str(self.data / "keys" / "social" / "local")]
        clock = {name: value for name, value in self.extra.items() if name == "LATCHKEY_CLOCK_FILE"}
        return Child("provider", command, clock, log, f"{self.provider_url}/", self.spawn)

    def _wait_ready(self) -> None:
        end = time.monotonic() + READY_SECONDS
        waiting = set(self.children)
        while waiting:
            for name in sorted(waiting):
                child = self.children[name]
                if child.process is not None and (code := child.process.poll()) is not None:
                    if child.deaths < START_TRIES:  # somebody may have had its port for a moment
                        child.deaths += 1
                        time.sleep(0.5)
                        child.start()
                        continue
                    raise StartFailed(f"{name} ended with code {code}; see {child.log}\n{tail(child.log)}")
                if child.ready():
                    waiting.discard(name)
            if time.monotonic() > end:
                raise StartFailed(f"not ready in {READY_SECONDS:.0f} s: {', '.join(sorted(waiting))}; see {self.data / 'logs'}")
            time.sleep(0.05)

    def configure(self, path: Path) -> None:
        identity_url, keys_dir = self.url("identity"), self.data / "keys"
        _alone(lambda: configured.apply(path, identity_url=identity_url, keys_dir=keys_dir))
        configured.wait_known(self.postgres, gateway_url=self.url("gateway"), seconds=READY_SECONDS, logs=self.data / "logs")

    def watch_once(self) -> None:
        """Starts again what has died (within a few seconds, slower when it keeps dying)."""
        changed = False
        if self._owned is not None:
            changed |= self._owned.revive(self.say)
        now = time.monotonic()
        for child in self.children.values():
            if child.process is None or child.process.poll() is None:
                continue
            if child.again_at == 0.0:
                child.deaths = child.deaths + 1 if now - child.started_at < 30 else 1
                child.again_at = now + self.backoff[min(child.deaths - 1, len(self.backoff) - 1)]
                self.say(f"{child.name} ended with code {child.process.returncode}; starting it again (log: {child.log})")
            if now >= child.again_at:
                child.again_at = 0.0
                child.start()
                changed = True
        if changed:
            self._write_status()

    def stop(self) -> None:
        """The gateway first, so that nobody is answered by half a stack; infrastructure last."""
        order = sorted(self.children.values(), key=lambda child: (not child.name.startswith("gateway"), child.name in HELPERS))
        for child in order:
            if child.process is not None and child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        for child in order:
            stop(child.process, seconds=20)
        if self._owned is not None:
            self._owned.stop()
            self._owned = self.infrastructure = None
        self.children.clear()
        with contextlib.suppress(FileNotFoundError):
            (self.data / "status.json").unlink()

    def status(self) -> dict[str, Any]:
        """As `latchkey dev status --json` (README.md)."""
        assert self.infrastructure is not None
        processes = {name: {"pid": pid} for name, pid in self.infrastructure.pids().items()}
        services = {}
        for name, child in self.children.items():
            pid = child.process.pid if child.process is not None else None
            if name in HELPERS:
                processes[name] = {"pid": pid}
            else:
                service, _, replica = name.partition(".")
                services[name] = {"pid": pid, "url": self.url(service, int(replica or 0)), "log": str(child.log)}
        return {
            "origin": self.origin,
            "inbox": f"{self.origin}/inbox",
            "postgres": self.postgres,
            "kafka": self.infrastructure.kafka_bootstrap,
            "services": services,
            "processes": processes,
        }

    def _write_status(self) -> None:
        part = self.data / "status.json.part"
        part.touch(mode=0o600)
        part.write_text(json.dumps({**self.status(), "supervisor": os.getpid()}))
        part.replace(self.data / "status.json")
