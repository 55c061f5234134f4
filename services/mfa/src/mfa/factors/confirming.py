"""How a factor comes to count: proven here first, then identity is told that there is one, and only then is it active.

So an enrolment that was acknowledged protects the very next sign-in, whatever Kafka does, and a crash in between leaves work that goes on.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
from latchkey_contracts.http.access import SecondFactor
from latchkey_contracts.http.factors import Factor as Shown
from latchkey_contracts.http.factors import FactorRequest
from latchkey_contracts.http.passkeys import Registered
from latchkey_contracts.mfa import FactorEnrolled
from servicekit.context import Trace, set_tenant
from servicekit.db import Tx
from servicekit.devices import in_words
from servicekit.errors import CodeBurned, CodeExpired, CodeWrong, FieldError, NotFound, ServiceError, ValidationFailed
from servicekit.failpoints import failpoint
from servicekit.keys import Keys
from servicekit.logging import security_event
from servicekit.proof import MAX_WRONG, code_error
from servicekit.web.caller import Caller

from mfa.notices.service import Notices
from mfa.passkeys.service import Passkeys
from mfa.sending import ENROLMENT
from mfa.tools import Tools

from . import activation, recovery_codes, rules, store, totp
from .service import FactorService
from .store import Factor

SECONDS = 2.0
Items = Sequence[tuple[Trace, dict[str, Any]]]
Given = str | Registered | None


class Confirming:
    def __init__(self, tools: Tools, keys: Keys, factors: FactorService, notices: Notices, passkeys: Passkeys) -> None:
        self._t = tools
        self._keys = keys
        self._factors = factors
        self._notices = notices
        self._passkeys = passkeys

    async def add(self, body: FactorRequest, caller: Caller) -> Shown:
        """Of the account's own address or number nothing is left to prove, so it counts at once. Raises as both of its steps."""
        begun = await self._factors.add(body, caller)
        own = body.kind in rules.CHANNELS and body.target is None
        return await self.confirm(begun.id, None, caller) if own else begun

    async def confirm(self, factor_id: UUID, given: Given, caller: Caller) -> Shown:
        """`given`: a code, or a new passkey. Raises NotFound, PasskeyWrong, CodeWrong, CodeBurned, CodeExpired; Overloaded while identity can't be told: it goes on by itself then."""
        account_id, _ = caller.account()
        app = self._t.of_session(caller)
        async with self._t.db.read() as conn:
            await self._t.idempotency.recall(conn, caller)
            found = await store.get(conn, factor_id, account_id)
        if found is None:
            raise NotFound
        hashes = await self._hashes(found) if found.kind == "recovery_codes" and found.status == "pending" else []
        payload, refused = await self._prove(factor_id, account_id, given, hashes, caller)
        if refused is not None:
            raise refused
        if payload is not None:
            failpoint("factor_proven")
            await put_marker(self._t, payload, enrolled=True)
            async with self._t.db.transaction() as tx:
                await self._activate(tx, payload)
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            active = await store.get(tx, factor_id, account_id)
            if active is None:
                raise NotFound
            answer = self._factors.shown(active, app)
            await self._t.idempotency.store(tx, caller, 200, answer)
        return answer

    async def _hashes(self, found: Factor) -> list[bytes]:
        codes = orjson.loads(self._factors.secret(found))
        return [await recovery_codes.hashed(self._keys, code, found.salt or b"") for code in codes]

    async def _prove(
        self, factor_id: UUID, account_id: UUID, given: Given, hashes: Sequence[bytes], caller: Caller
    ) -> tuple[dict[str, Any] | None, ServiceError | None]:
        """What is left to do, or why it isn't proven, which is told once the try is counted and committed."""
        async with self._t.db.transaction() as tx:
            await store.lock_holder(tx, account_id)
            found = await store.lock(tx, factor_id, account_id)
            if found is None:
                raise NotFound
            if found.active:
                return None, None
            if found.status != "pending":
                return await activation.left(tx, factor_id, account_id, caller), None
            if found.expires_at is not None and found.expires_at <= tx.now:
                return None, CodeExpired()
            step, refused = await self._right(tx, found, given, caller)
            if refused is not None:
                return None, refused
            await store.proven(tx, factor_id, step)
            if hashes:
                await store.add_codes(tx, factor_id, hashes)
            return await activation.due(tx, factor_id, account_id, caller), None

    async def _right(self, tx: Tx, found: Factor, given: Given, caller: Caller) -> tuple[int | None, ServiceError | None]:
        """The try is counted before it is looked at; five wrong ones end what was begun."""
        if found.kind == "recovery_codes":
            return None, None
        if found.kind == "passkey":
            return None, await self._by_passkey(tx, found, given, caller)
        if not isinstance(given, str):
            raise ValidationFailed([FieldError("/code", "required", "This is needed")])
        code = given
        if found.target is not None:
            return None, await self._by_message(tx, found, code)
        tries = await self._t.onetime.count_try(tx, flow_id=found.id, purpose=ENROLMENT)
        if tries > MAX_WRONG:
            return None, CodeBurned()
        step = totp.accepted(self._factors.secret(found), code, tx.now, found.last_step)
        if step is None:
            security_event("authn_login_fail", "fail", account_id=str(found.account_id), reason="enrolment_code_wrong")
            if tries >= MAX_WRONG:
                await store.delete(tx, found.id)
                return None, CodeBurned()
            return None, CodeWrong(tries_left=MAX_WRONG - tries)
        return step, None

    async def _by_passkey(self, tx: Tx, found: Factor, given: Given, caller: Caller) -> ServiceError | None:
        if not isinstance(given, Registered):
            raise ValidationFailed([FieldError("/credential", "required", "This is needed")])
        tries = await self._t.onetime.count_try(tx, flow_id=found.id, purpose=ENROLMENT)
        refused = await self._passkeys.register(tx, found.id, found.account_id, given)
        if refused is None:
            if found.name is None and (device := in_words(caller.user_agent)) is not None:
                await store.rename(tx, found.id, device)
            return None
        if tries >= MAX_WRONG:
            await store.delete(tx, found.id)
        return refused

    async def _by_message(self, tx: Tx, found: Factor, code: str) -> ServiceError | None:
        result = await self._t.onetime.consume_code(tx, flow_id=found.id, purpose=ENROLMENT, code=code)
        self._t.guesses.count(result.outcome)
        if result.outcome == "ok":
            return None
        security_event("authn_login_fail", "fail", account_id=str(found.account_id), reason="enrolment_code_wrong")
        if result.outcome == "burned":
            await store.delete(tx, found.id)
        return code_error(result)

    # --- work: the same again, where a process died or identity was away ----------------------------------------------------

    async def mark(self, items: Items) -> None:
        """Identity's marker, before the factor counts. An older version changes nothing there."""
        for _, payload in items:
            await put_marker(self._t, payload, enrolled=True)

    async def unmark(self, items: Items) -> None:
        """After the last factor is gone."""
        for _, payload in items:
            await put_marker(self._t, payload, enrolled=False)

    async def unmarked(self, _tx: Tx, _items: Items, _answer: None) -> None:
        """Nothing more is to be done."""

    async def activate(self, tx: Tx, items: Items, _answer: None) -> None:
        for _, payload in items:
            await self._activate(tx, payload)

    async def _activate(self, tx: Tx, payload: dict[str, Any]) -> None:
        """Once, whoever comes first: the customer's call or the work behind it."""
        account_id, factor_id = UUID(payload["account_id"]), UUID(payload["factor_id"])
        await store.lock_holder(tx, account_id)
        found = await store.lock(tx, factor_id, account_id)
        if found is None or not await store.activate(tx, factor_id):
            return
        app = self._t.configuration.application(found.application)
        set_tenant(str(app.store.id))
        if found.kind == "recovery_codes":
            for older in await store.of(tx, account_id):
                if older.kind == "recovery_codes" and older.id != factor_id and older.status != "pending":
                    await store.delete(tx, older.id)
                    await self._factors.told_removed(tx, older, "replaced")
        await tx.emit(FactorEnrolled(account_id=account_id, factor_id=factor_id, kind=found.kind, application=found.application))
        security_event("user_updated", "success", account_id=str(account_id), change="factor_enrolled", kind=found.kind)
        who = Caller("mfa", user_agent=payload.get("user_agent"), language=payload.get("language"))
        await self._notices.enqueue(tx, "factor_added", app, account_id, who, kind=found.kind)


async def put_marker(tools: Tools, payload: dict[str, Any], *, enrolled: bool) -> None:
    """Raises Overloaded."""
    body = SecondFactor(enrolled=enrolled, version=payload["version"])
    path = f"/internal/accounts/{payload['account_id']}/second-factor"
    await tools.identity.request("PUT", path, caller=Caller("mfa"), json=body.model_dump(mode="json"), deadline=SECONDS)
