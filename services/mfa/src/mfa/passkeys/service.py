"""Passkeys: how one is made, and what proves it (MFA-1 to MFA-3). Whose try it is and what follows is the caller's business."""

import secrets
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from uuid import UUID

from latchkey_contracts.http.access import AccountName
from latchkey_contracts.http.passkeys import Asserted, PasskeyOffer, Registered
from servicekit.db import Conn, Tx
from servicekit.errors import FieldError, MoreProofRequired, PasskeyWrong, ServiceError, ValidationFailed
from servicekit.keys import Keys
from servicekit.logging import security_event
from servicekit.web.caller import Caller

from mfa.tools import Tools

from . import rules, store
from .rules import Challenges, Proof, Refused, Site
from .store import Passkey

ASK_SECONDS = 2.0
HANDLE_BYTES = 32
Unproven: TypeAlias = Refused | Literal["unknown"]


@dataclass(frozen=True, slots=True)
class Proven:
    passkey: Passkey
    proof: Proof


class Passkeys:
    def __init__(self, tools: Tools, keys: Keys) -> None:
        self._t = tools
        self._keys = keys

    # --- making one -------------------------------------------------------------------------------------------------------

    async def owner(self, account_id: UUID) -> str:
        """The account's name, which stays in its owner's browser. Raises Overloaded."""
        path = f"/internal/accounts/{account_id}/name"
        found = await self._t.identity.request("GET", path, caller=Caller("mfa"), deadline=ASK_SECONDS)
        return AccountName.model_validate(found).name

    async def prepare(self, tx: Tx, account_id: UUID) -> None:
        """With the holder locked."""
        await store.handle(tx, account_id, secrets.token_bytes(HANDLE_BYTES))

    async def creation(self, conn: Conn, brand: str, factor_id: UUID, account_id: UUID, owner: str) -> dict[str, Any]:
        handle, held = await store.handle_of(conn, account_id), await store.known(conn, account_id)
        challenge = self._challenges.current(_enrolment(factor_id, account_id), conn.now)
        return rules.creation(self._site, brand, challenge, handle or b"", owner or brand, held)

    async def register(self, tx: Tx, factor_id: UUID, account_id: UUID, answer: Registered) -> ServiceError | None:
        """Why it wasn't taken; else it is this factor's from now on."""
        accepted = self._challenges.accepted(_enrolment(factor_id, account_id), tx.now)
        made = rules.registered(self._site, accepted, answer)
        if isinstance(made, str):
            security_event("authn_login_fail", "fail", account_id=str(account_id), reason=f"enrolment_passkey_{made}")
            return error_of(made)
        if not await store.insert(tx, factor_id, made):
            return ValidationFailed([FieldError("/credential", "already_added", "You have added it already")])
        return None

    # --- proving one ------------------------------------------------------------------------------------------------------

    async def request(self, conn: Conn, what: bytes, account_id: UUID | None) -> dict[str, Any]:
        """`account_id`: whose passkeys will do; None: anybody's, and the answer tells of nobody (ENU-1)."""
        held = await store.known(conn, account_id) if account_id is not None else []
        return rules.request(self._site, self._challenges.current(what, conn.now), held)

    async def prove(self, tx: Tx, what: bytes, answer: Asserted) -> Proven | tuple[Passkey | None, Unproven]:
        """With the passkey locked; `use` notes that it was used. Whether it is the right person's is the caller's question."""
        credential_id = rules.raw_id(answer)
        found = await store.lock(tx, credential_id) if credential_id else None
        if found is None or not found.active:
            return None, "unknown"
        handle = rules.user_handle(answer)
        if handle is not None and handle != found.user_handle:
            return found, "wrong"
        accepted = self._challenges.accepted(what, tx.now)
        proof = rules.asserted(self._site, accepted, answer, public_key=found.public_key, sign_count=found.sign_count)
        return Proven(found, proof) if isinstance(proof, Proof) else (found, proof)

    async def use(self, tx: Tx, proven: Proven) -> None:
        await store.used(tx, proven.passkey.factor_id, proven.proof.sign_count, backed_up=proven.proof.backed_up)

    # --- offering one (D12) -----------------------------------------------------------------------------------------------

    async def offer(self, caller: Caller) -> PasskeyOffer:
        account_id, _ = caller.account()
        app = self._t.of_session(caller)
        async with self._t.db.read() as conn:
            found = await store.offer(conn, account_id)
        return PasskeyOffer(offered=app.access.passkey.enabled and not found.refused and "passkey" not in found.kinds)

    async def refuse_offers(self, caller: Caller) -> None:
        """For good, wherever the account is signed in."""
        account_id, _ = caller.account()
        app = self._t.of_session(caller)
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            await store.refuse_offers(tx, account_id, app.store.id)
            await self._t.idempotency.store(tx, caller, 204, None)

    # --- parts ------------------------------------------------------------------------------------------------------------

    @property
    def _site(self) -> Site:
        return Site(self._t.db.origin)

    @property
    def _challenges(self) -> Challenges:
        return Challenges(self._keys.secret("factor"))


def _enrolment(factor_id: UUID, account_id: UUID) -> bytes:
    return b"enrolment\0" + factor_id.bytes + account_id.bytes


def error_of(why: Unproven) -> ServiceError:
    return MoreProofRequired("The passkey didn't verify its user") if why == "user_not_verified" else PasskeyWrong()
