"""The clock of a running product, moved so that no test races with what is on its way."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from servicekit import clock as clocks

PATIENCE_SECONDS = 3.0
_ON_ITS_WAY = """
SELECT FROM delivery WHERE state IN ('sending', 'submitting') UNION ALL SELECT FROM outbox LIMIT 1
"""


def move(file: Path, seconds: float, rows: Callable[..., list[tuple[Any, ...]]]) -> None:
    """What a provider is being given at this moment is told first, where it can be: else its lease would be over, it would be sent
    twice, and have left on a later day than it did.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    while seconds >= 1 and rows("notifier", _ON_ITS_WAY) and time.monotonic() < end:
        time.sleep(0.02)
    clocks.move(file, seconds)
