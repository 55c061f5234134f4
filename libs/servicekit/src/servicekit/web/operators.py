"""Calls to a service, signed with the operator's key."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from servicekit.clock import make_clock
from servicekit.keys import Keys

from .caller import Caller, Signer
from .client import InternalClient


async def call(
    service: str, url: str, keys_dir: Path, method: str, path: str, *, json: Any = None, params: Mapping[str, str] | None = None
) -> Any:
    """Raises the ServiceError that was answered, Overloaded where nobody answers, FileNotFoundError without a key."""
    clock_file = os.environ.get("LATCHKEY_CLOCK_FILE")
    clock = make_clock(Path(clock_file) if clock_file else None)
    client = InternalClient(service, url, Signer("operator", Keys(keys_dir), clock), clock, timeout=30)
    try:
        return await client.request(method, path, caller=Caller("operator"), json=json, params=params)
    finally:
        await client.close()
