"""pytest plugin: one PostgreSQL and one Kafka for the whole run, shared by all workers, if a test needs them.

Every worker has databases and a topic prefix of its own.
"""

import functools
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import structlog
from devstack.infrastructure import Infrastructure
from httpx._transports import default as transport

from .servers import Servers, ask

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_SERVERS: list[Servers] = []


def pytest_configure(config: pytest.Config) -> None:
    # With all locals in colours one traceback takes seconds to draw, in which the loop under test stands still.
    structlog.get_config()["processors"][-1].exception_formatter = structlog.dev.plain_traceback
    # Each client of httpx reads all certificate authorities that there are, which takes 20 ms of a core: here once.
    transport.create_ssl_context = functools.cache(transport.create_ssl_context)  # type: ignore[attr-defined]
    if hasattr(config, "workerinput") or config.option.collectonly or config.option.help:
        return
    _SERVERS.append(Servers())
    os.environ["LATCHKEY_TEST_RUN"] = uuid4().hex[:8]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that no worker sits alone with it at the end: kills, then the rest of end to end."""
    slow = {item.path for item in items if item.get_closest_marker("crash")}
    items.sort(key=lambda item: (item.path not in slow, "e2e" not in item.path.parts))


def pytest_report_header() -> str:
    return f"infrastructure: {_SERVERS[0].kind}" if _SERVERS else "infrastructure: none"


def pytest_unconfigure() -> None:
    while _SERVERS:
        _SERVERS.pop().stop()


@pytest.fixture(scope="session")
def postgres_dsn() -> str:
    """For whoever needs databases only: without `infrastructure` no broker is started."""
    return ask("postgres")


@pytest.fixture(scope="session")
def infrastructure(postgres_dsn: str) -> Infrastructure:
    """Where both servers are."""
    return Infrastructure("environment", postgres_dsn, ask("kafka"))


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """For one file only: the next file's `async` tests need the thread that its driver runs a loop in."""
    from .chromium import chromium  # a run without browser tests loads no driver

    with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def run_prefix(worker_id: str) -> str:
    """Tells this worker's databases and topics from everybody else's."""
    return f"{worker_id}-{os.environ['LATCHKEY_TEST_RUN']}-"


@pytest.fixture(scope="session")
def worker_id(request: pytest.FixtureRequest) -> str:
    """Xdist has the same fixture; without xdist there is one worker."""
    workerinput = getattr(request.config, "workerinput", None)
    return str(workerinput["workerid"]) if workerinput else "main"
