"""A process that the supervisor keeps up."""

import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .processes import Running, spawn


@dataclass
class Child:
    """One supervised process. `replica` 0 is the one that peers are told of."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    ready_url: str | None = None
    spawn: Callable[..., Running] = spawn
    process: Running | None = None
    deaths: int = 0
    started_at: float = 0.0
    again_at: float = 0.0

    def start(self) -> None:
        self.process = self.spawn(self.command, log=self.log, environment={**os.environ, **self.environment})
        self.started_at = time.monotonic()

    def ready(self) -> bool:
        if self.ready_url is None:
            return True
        try:
            with urllib.request.urlopen(self.ready_url, timeout=1) as answer:  # noqa: S310 - our own loopback address
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False
