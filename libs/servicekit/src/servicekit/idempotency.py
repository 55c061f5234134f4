"""Idempotency-Key on writes: the first answer is kept for 24 h, encrypted, in the write's own transaction (E19, API-4)."""

import hmac
import os
from datetime import timedelta
from typing import Any, NoReturn

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel

from .caller import Caller
from .db import Conn, Record, Tx
from .errors import IdempotencyKeyReused
from .keys import Keys

KEEP = timedelta(hours=24)

_BEGIN = """
INSERT INTO idempotency (key, fingerprint, created_at) VALUES ($1, $2, $3) ON CONFLICT (key) DO NOTHING RETURNING key
"""
_STORED = "SELECT fingerprint, status, answer, created_at FROM idempotency WHERE key = $1 FOR UPDATE"
_LOOK = "SELECT fingerprint, status, answer, created_at FROM idempotency WHERE key = $1"
_RENEW = "UPDATE idempotency SET fingerprint = $2, status = NULL, answer = NULL, created_at = $3 WHERE key = $1"
_STORE = "UPDATE idempotency SET status = $2, answer = $3 WHERE key = $1"
_PURGE = "DELETE FROM idempotency WHERE created_at < $1"


class Replay(Exception):
    """This request was answered before; the HTTP layer gives the stored answer again."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__("replayed answer")
        self.status = status
        self.body = body


class Idempotency:
    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def _mac(self, text: str) -> bytes:
        return hmac.digest(self._keys.secret("idempotency"), text.encode("utf-8", "replace"), "sha256")

    def _row_key(self, caller: Caller) -> bytes:
        return self._mac(f"row\0{caller.idempotency_key}")

    async def begin(self, tx: Tx, caller: Caller) -> None:
        """First thing in the transaction: a concurrent twin waits here. Raises Replay or IdempotencyKeyReused."""
        if caller.idempotency_key is None:
            return
        key, fingerprint = self._row_key(caller), self._mac(f"body\0{caller.fingerprint}")
        if await tx.fetchval(_BEGIN, key, fingerprint, tx.now) is not None:
            return
        row = await tx.fetchrow(_STORED, key)
        if row is None or row["created_at"] < tx.now - KEEP or row["status"] is None:
            await tx.execute(_RENEW, key, fingerprint, tx.now)
            return
        self._replay(row, key, fingerprint)

    async def recall(self, conn: Conn, caller: Caller) -> None:
        """Before a use case looks at state that its first run has changed. Raises as `begin` does; writes nothing."""
        if caller.idempotency_key is None:
            return
        key, fingerprint = self._row_key(caller), self._mac(f"body\0{caller.fingerprint}")
        row = await conn.fetchrow(_LOOK, key)
        if row is not None and row["created_at"] >= conn.now - KEEP and row["status"] is not None:
            self._replay(row, key, fingerprint)

    def _replay(self, row: Record, key: bytes, fingerprint: bytes) -> NoReturn:
        if not hmac.compare_digest(row["fingerprint"], fingerprint):
            raise IdempotencyKeyReused
        try:
            clear = AESGCM(self._keys.secret("idempotency")).decrypt(row["answer"][:12], row["answer"][12:], key)
        except InvalidTag:  # the key file was replaced; the answer can't be had any more
            raise IdempotencyKeyReused from None
        raise Replay(row["status"], orjson.loads(clear))

    async def store(self, tx: Tx, caller: Caller, status: int, answer: BaseModel) -> None:
        """Last thing in the transaction."""
        if caller.idempotency_key is None:
            return
        key, nonce = self._row_key(caller), os.urandom(12)
        sealed = nonce + AESGCM(self._keys.secret("idempotency")).encrypt(nonce, answer.model_dump_json().encode(), key)
        await tx.execute(_STORE, key, status, sealed)

    async def purge(self, tx: Tx) -> None:
        await tx.execute(_PURGE, tx.now - KEEP)
