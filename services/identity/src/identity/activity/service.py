"""The account's past, as its owner sees it: newest first, a page at a time, each class as long as the operator keeps it (E21)."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from uuid import UUID

from latchkey_contracts.http.activity import Activities, ActivityItem
from servicekit.db import Database
from servicekit.errors import NotFound
from servicekit.web.caller import Caller

from . import rules, store
from .rules import Kept
from .store import Entry

PAGE = 25
_FIRST = datetime(9999, 1, 1, tzinfo=UTC), UUID(int=2**128 - 1)  # before nothing


class Activity:
    def __init__(self, db: Database, kept: Kept) -> None:
        self._db = db
        self._kept = kept

    async def page(self, caller: Caller, cursor: str | None) -> Activities:
        """Raises NotFound for a cursor that is none of ours."""
        account_id, _ = caller.account()
        before = _read(cursor) if cursor is not None else _FIRST
        async with self._db.read() as conn:
            found = await store.newest(conn, account_id, before, PAGE + 1)
        more = len(found) > PAGE
        return Activities(
            items=[_item(one) for one in found[:PAGE]],
            next=_cursor(found[PAGE - 1]) if more else None,
            sign_in_days=self._kept.sign_ins.days,
            security_days=self._kept.security.days,
        )

    async def purge(self) -> None:
        async with self._db.transaction() as tx:
            await store.purge(
                tx, rules.SIGN_INS, sign_ins_before=tx.now - self._kept.sign_ins, before=tx.now - self._kept.security
            )


def _item(one: Entry) -> ActivityItem:
    return ActivityItem(
        id=one.id,
        kind=one.kind,
        at=one.at,
        times=one.times,
        application=one.application,
        device=one.device,
        ip=one.ip,
        **one.detail,
    )


def _cursor(one: Entry) -> str:
    return urlsafe_b64encode(f"{one.at.isoformat()} {one.id}".encode()).decode().rstrip("=")


def _read(cursor: str) -> tuple[datetime, UUID]:
    try:
        at, entry_id = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split(" ")
        return datetime.fromisoformat(at).astimezone(UTC), UUID(entry_id)
    except (ValueError, OverflowError, binascii.Error):
        raise NotFound from None
