"""A factor that is proven counts as soon as identity knows that there is one: what is left to do then, kept until it is done."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from servicekit.db import Tx
from servicekit.events import work
from servicekit.web.caller import Caller

from . import store

ACTIVATE = "factor.activate"
GRACE = timedelta(seconds=5)  # within which the request itself has done it


async def due(tx: Tx, factor_id: UUID, account_id: UUID, caller: Caller) -> dict[str, Any]:
    """With all that is theirs locked, in the transaction that proves it."""
    payload = await left(tx, factor_id, account_id, caller)
    await work.enqueue(tx, ACTIVATE, payload, due_at=tx.now + GRACE)
    return payload


async def left(tx: Tx, factor_id: UUID, account_id: UUID, caller: Caller) -> dict[str, Any]:
    """What is left to do of one that was proven before: its work waits already."""
    return {
        "factor_id": str(factor_id),
        "account_id": str(account_id),
        "user_agent": caller.user_agent,
        "language": caller.language,
        "version": await store.next_version(tx, account_id),
    }
