"""pytest plugin: one PostgreSQL and one Kafka for the whole run, shared by all workers (design.md §3.16).

The controller starts them before the workers exist and names them in the environment; a killed run leaves nothing behind
(the servers die with their parent). Every worker has databases and a topic prefix of its own.
"""

import os
import shutil
import tempfile
from pathlib import Path
from uuid import uuid4

import pytest
from devstack.infrastructure import Infrastructure, choose

_STARTED: list[tuple[Infrastructure, Path]] = []


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput") or config.option.collectonly or config.option.help:
        return
    folder = Path(tempfile.mkdtemp(prefix="latchkey-test-"))
    folder.chmod(0o755)
    found = choose(folder, testing=True)
    _STARTED.append((found, folder))
    os.environ["LATCHKEY_POSTGRES_DSN"] = found.postgres_dsn
    os.environ["LATCHKEY_KAFKA_BOOTSTRAP"] = found.kafka_bootstrap
    os.environ["LATCHKEY_TEST_RUN"] = uuid4().hex[:8]


def pytest_report_header() -> str:
    return f"infrastructure: {_STARTED[0][0].kind}" if _STARTED else "infrastructure: none"


def pytest_unconfigure() -> None:
    while _STARTED:
        found, folder = _STARTED.pop()
        found.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def infrastructure() -> Infrastructure:
    """Where the servers are, for whoever needs more than a database."""
    return Infrastructure("environment", os.environ["LATCHKEY_POSTGRES_DSN"], os.environ["LATCHKEY_KAFKA_BOOTSTRAP"])


@pytest.fixture(scope="session")
def run_prefix(worker_id: str) -> str:
    """Tells this worker's databases and topics from everybody else's."""
    return f"{worker_id}-{os.environ['LATCHKEY_TEST_RUN']}-"


@pytest.fixture(scope="session")
def worker_id(request: pytest.FixtureRequest) -> str:
    """Xdist has the same fixture; without xdist there is one worker."""
    workerinput = getattr(request.config, "workerinput", None)
    return str(workerinput["workerid"]) if workerinput else "main"
