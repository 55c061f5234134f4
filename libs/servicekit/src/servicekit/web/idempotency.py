"""Idempotency-Key on writes: the first answer is kept for 24 h, encrypted, in the write's own transaction (E19, API-4)."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn

import orjson
from pydantic import BaseModel

from servicekit.at_rest import AtRest, Unreadable
from servicekit.db import Conn, Tx
from servicekit.errors import IdempotencyKeyReused
from servicekit.keys import Keys

from .caller import Caller

KEEP = timedelta(hours=24)

_BEGIN = """
INSERT INTO idempotency (key, fingerprint, created_at) VALUES ($1, $2, $3) ON CONFLICT (key) DO NOTHING RETURNING key
"""
_BEGIN_MANY = """
INSERT INTO idempotency (key, fingerprint, created_at) SELECT key, $2, $3 FROM unnest($1::bytea[]) AS key ORDER BY key
ON CONFLICT (key) DO NOTHING RETURNING key
"""
_STORE_MANY = "UPDATE idempotency AS i SET status = $1, answer = one.answer FROM unnest($2::bytea[], $3::bytea[]) AS one(key, answer) WHERE i.key = one.key"
_STORED = "SELECT fingerprint, status, answer, created_at FROM idempotency WHERE key = $1 FOR UPDATE"
_LOOK = "SELECT fingerprint, status, answer, created_at FROM idempotency WHERE key = $1"
_RENEW = "UPDATE idempotency SET fingerprint = $2, status = NULL, answer = NULL, created_at = $3 WHERE key = $1"
_STORE = "UPDATE idempotency SET status = $2, answer = $3 WHERE key = $1"
_PURGE = "DELETE FROM idempotency WHERE created_at < $1"


@dataclass(frozen=True, slots=True)
class Stored:
    """`status`, `answer` (encrypted): None while its first run goes on."""

    fingerprint: bytes
    status: int | None
    answer: bytes | None
    created_at: datetime

    def answered(self, now: datetime) -> bool:
        return self.created_at >= now - KEEP and self.status is not None


class Replay(Exception):
    """This request was answered before; the HTTP layer gives the stored answer again."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__("replayed answer")
        self.status = status
        self.body = body


class Idempotency:
    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._at_rest = AtRest(keys, "idempotency")

    def _mac(self, text: str) -> bytes:
        return hmac.digest(self._keys.secret("idempotency"), text.encode("utf-8", "replace"), "sha256")

    def _row_key(self, name: str | None) -> bytes:
        return self._mac(f"row\0{name}")

    async def begin(self, tx: Tx, caller: Caller) -> None:
        """First thing in the transaction: a concurrent twin waits here. Raises Replay or IdempotencyKeyReused."""
        if caller.idempotency_key is None:
            return
        key, fingerprint = self._row_key(caller.idempotency_key), self._mac(f"body\0{caller.fingerprint}")
        if await tx.fetchval(_BEGIN, key, fingerprint, tx.now) is not None:
            return
        row = await tx.row(Stored, _STORED, key)
        if row is None or not row.answered(tx.now):
            await tx.execute(_RENEW, key, fingerprint, tx.now)
            return
        self._replay(row, key, fingerprint)

    async def recall(self, conn: Conn, caller: Caller) -> None:
        """Before a use case looks at state that its first run has changed. Raises as `begin` does; writes nothing."""
        if caller.idempotency_key is None:
            return
        key, fingerprint = self._row_key(caller.idempotency_key), self._mac(f"body\0{caller.fingerprint}")
        row = await conn.row(Stored, _LOOK, key)
        if row is not None and row.answered(conn.now):
            self._replay(row, key, fingerprint)

    def _replay(self, row: Stored, key: bytes, fingerprint: bytes) -> NoReturn:
        assert row.status is not None  # noqa: S101 - it was answered
        if not hmac.compare_digest(row.fingerprint, fingerprint):
            raise IdempotencyKeyReused
        raise Replay(row.status, self._opened(row, key))

    def _opened(self, row: Stored, key: bytes) -> Any:
        assert row.answer is not None  # noqa: S101 - it was answered
        try:
            return orjson.loads(self._at_rest.decrypt(row.answer, key))
        except Unreadable:  # the key file was replaced; the answer can't be had any more
            raise IdempotencyKeyReused from None

    async def store(self, tx: Tx, caller: Caller, status: int, answer: BaseModel | None) -> None:
        """Last thing in the transaction. None: an answer without a body (204)."""
        if caller.idempotency_key is None:
            return
        key = self._row_key(caller.idempotency_key)
        await tx.execute(_STORE, key, status, self._sealed(answer, key))

    def _sealed(self, answer: BaseModel | None, key: bytes) -> bytes:
        text = answer.model_dump_json() if answer is not None else "null"
        return self._at_rest.encrypt(text.encode(), key)

    async def begin_many(self, tx: Tx, names: Sequence[str]) -> dict[str, Any]:
        """As `begin`, for several between services, whose names say all there is: answers what was answered before."""
        keys, fingerprint = {self._row_key(name): name for name in names}, self._mac("body\0")
        begun = {row["key"] for row in await tx.fetch(_BEGIN_MANY, list(keys), fingerprint, tx.now)}
        known: dict[str, Any] = {}
        for key in sorted(keys.keys() - begun):
            row = await tx.row(Stored, _STORED, key)
            if row is None or not row.answered(tx.now):
                await tx.execute(_RENEW, key, fingerprint, tx.now)
            else:
                known[keys[key]] = self._opened(row, key)
        return known

    async def store_many(self, tx: Tx, status: int, answers: Mapping[str, BaseModel]) -> None:
        keys = [self._row_key(name) for name in answers]
        sealed = [self._sealed(answer, key) for key, answer in zip(keys, answers.values(), strict=True)]
        await tx.execute(_STORE_MANY, status, keys, sealed)


async def purge(tx: Tx) -> None:
    """Called by servicekit.process.purges."""
    await tx.execute(_PURGE, tx.now - KEEP)
