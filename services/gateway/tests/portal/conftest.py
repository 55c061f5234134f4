"""What stands behind the pages of these tests."""

from typing import Any

import httpx
import pytest
from servicekit.clock import ManualClock
from servicekit.keys import Keys
from servicekit.web.transport import Connections

from .behind import Behind, Browser


@pytest.fixture
def behind(clock: ManualClock, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> Behind:
    found = Behind(clock, keys)

    async def send(_self: Connections, *asked: Any) -> Any:
        return await found.send(*asked)

    monkeypatch.setattr(Connections, "send", send)
    return found


@pytest.fixture
async def browser(portal: httpx.AsyncClient, behind: Behind) -> Browser:
    """With the pages before it and the played services behind them; it was here before, and nobody is signed in."""
    found = Browser(portal)
    await found.open("/demo/sign-in")
    return found
