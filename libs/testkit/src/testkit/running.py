"""The whole product for end-to-end tests, started beside others on the servers that they share."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from devstack.infrastructure import Infrastructure
from devstack.processes import free_port
from devstack.supervisor import Stack

from . import nursery
from .stack import Product

SHORT = {
    "LATCHKEY_KAFKA_SESSION_TIMEOUT_MS": "2000",
    "LATCHKEY_KAFKA_HEARTBEAT_MS": "300",
    "LATCHKEY_LEASE_SECONDS": "6",  # longer than any provider's time-out
    "LATCHKEY_POLL_SECONDS": "0.2",
    "LATCHKEY_SWEEP_SECONDS": "1",
}


@contextlib.contextmanager
def running(
    folder: Path,
    infrastructure: Infrastructure,
    prefix: str,
    *,
    configuration: Path,
    replicas: dict[str, int] | None = None,
    **extra: str,
) -> Iterator[Product]:
    """A stack of its own on shared servers: databases and topics by prefix, clock and failpoints by files."""
    failpoints = folder / "failpoints"
    failpoints.mkdir(parents=True, exist_ok=True)
    stack = Stack(
        folder,
        port=free_port(),
        environment="test",
        topic_prefix=prefix,
        database_prefix=prefix.replace("-", "_"),
        infrastructure=infrastructure,
        extra={
            "LATCHKEY_CLOCK_FILE": str(folder / "clock"),
            "LATCHKEY_FAILPOINTS_DIR": str(failpoints),
            **SHORT,
            **extra,
        },
        configuration=configuration,
        replicas=replicas or {},
        backoff=(0.0,),  # tests kill on purpose
        spawn=nursery.spawn,
    )
    stack.start()
    product = Product(stack)
    try:
        yield product
    finally:
        product.close()
        stack.stop()
