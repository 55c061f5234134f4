"""A customer's factors: list, begin, name, remove (R22, R39, MFA-8, D29, D30). How one is confirmed: confirming.py."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import orjson
from latchkey_contracts.http.access import ProvenTarget
from latchkey_contracts.http.factors import Factor as Shown
from latchkey_contracts.http.factors import FactorKind, FactorRequest, Factors
from latchkey_contracts.mfa import FactorRemoved
from servicekit.db import Conn, Tx
from servicekit.errors import FieldError, NotAllowedByPolicy, NotFound, ValidationFailed
from servicekit.events import work
from servicekit.ids import random_id
from servicekit.logging import security_event
from servicekit.process.configuration import Resolved
from servicekit.web.caller import Caller

from mfa.notices.service import Notices
from mfa.passkeys.service import Passkeys
from mfa.tools import Tools
from mfa.trusted_devices.service import forget_all

from . import activation, codes, recovery_codes, rules, store, totp
from .codes import EnrolmentCodes
from .store import Factor, New

UNMARK = "factor.unmark"
ASK_SECONDS = 2.0


class FactorService:
    def __init__(self, tools: Tools, notices: Notices, enrolment_codes: EnrolmentCodes, passkeys: Passkeys) -> None:
        self._t = tools
        self._codes = enrolment_codes
        self._passkeys = passkeys
        self._notices = notices

    async def listing(self, caller: Caller) -> Factors:
        """Also those that were begun and can still be confirmed, without their secrets."""
        account_id, _ = caller.account()
        app = self._t.of_session(caller)
        async with self._t.db.read() as conn:
            found = [one for one in await store.of(conn, account_id) if rules.enabled(app.access, one.kind)]
            items = [self.shown(one, app, secrets=False) for one in found if one.expires_at is None or one.expires_at > conn.now]
        return Factors(items=items, offered=rules.offered(app, {one.kind for one in found if one.active}))

    async def one(self, factor_id: UUID, caller: Caller) -> Shown:
        """One that is pending with what is needed to confirm it."""
        account_id, _ = caller.account()
        app = self._t.of_session(caller)
        async with self._t.db.read() as conn:
            found = await store.get(conn, factor_id, account_id)
            if found is None or (found.expires_at is not None and found.expires_at <= conn.now):
                raise NotFound
        owner = await self._passkeys.owner(account_id) if found.kind == "passkey" and found.status == "pending" else ""
        async with self._t.db.read() as conn:
            return await self._with_more(conn, app, found, owner)

    async def add(self, body: FactorRequest, caller: Caller, *, flow_id: UUID | None = None) -> Shown:
        """Begun; it counts once it is confirmed, the account's own address or number at once. `flow_id`: of the sign-in that needs it and so proves who it is. Raises StepUpRequired,
        NotAllowedByPolicy, ValidationFailed.
        """
        account_id, _ = caller.account()
        app = self._t.of_session(caller)
        own = flow_id is None and body.kind in rules.CHANNELS and body.target is None
        wanted = added(body.kind, body.target)
        if own:
            body = body.model_copy(update={"target": await self.own(account_id, body.kind)})
        codes.read(app, body)
        owner = await self._passkeys.owner(account_id) if body.kind == "passkey" else ""
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            await store.hold(tx, account_id, app.store.id)
            target = await self._addable(tx, app, account_id, body)
            if flow_id is None:
                await self._t.step_ups.redeem(tx, caller, "factor.add", wanted)
            found = await self._begin(tx, app, account_id, body, target, caller, rules.PENDING_LIFETIME, flow_id, sends=not own)
            if found.kind == "passkey":
                await self._passkeys.prepare(tx, account_id)
            if own:
                await store.proven(tx, found.id, None)
                await activation.due(tx, found.id, account_id, caller)
                return self.shown(found, app)
            answer = await self._with_more(tx, app, found, owner)
            await self._t.idempotency.store(tx, caller, 201, answer)
        return answer

    async def own(self, account_id: UUID, kind: FactorKind) -> str:
        """The account's own, which an activation or a reset has proven (R22). Raises ValidationFailed where it has none, Overloaded."""
        path = f"/internal/accounts/{account_id}/proven/{kind}"
        try:
            found = await self._t.identity.request("GET", path, caller=Caller("mfa"), deadline=ASK_SECONDS)
        except NotFound:
            raise ValidationFailed([FieldError("/target", "required", "This is needed")]) from None
        return ProvenTarget.model_validate(found).value

    async def begin(
        self, tx: Tx, app: Resolved, account_id: UUID, body: FactorRequest, caller: Caller, *, lifetime: timedelta
    ) -> UUID:
        """For somebody whom another proof stands for, with all that is theirs locked; its owner confirms it. Raises as `add`."""
        target = await self._addable(tx, app, account_id, body)
        return (await self._begin(tx, app, account_id, body, target, caller, lifetime)).id

    async def _addable(self, tx: Tx, app: Resolved, account_id: UUID, body: FactorRequest) -> str | None:
        """The address or number as messages reach it. Raises NotAllowedByPolicy, ValidationFailed."""
        target = codes.read(app, body)
        has = [one for one in await store.of(tx, account_id) if one.active]
        if body.kind not in rules.offered(app, {one.kind for one in has}):
            raise NotAllowedByPolicy
        if sum(one.kind == body.kind for one in has) >= rules.MOST_OF_A_KIND:
            raise NotAllowedByPolicy(f"{rules.MOST_OF_A_KIND} of a kind are the most")
        if target is not None and target in [self.target(one) for one in has if one.kind == body.kind]:
            raise ValidationFailed([FieldError("/target", "already_added", "You have added it already")])
        return target

    async def _begin(
        self,
        tx: Tx,
        app: Resolved,
        account_id: UUID,
        body: FactorRequest,
        target: str | None,
        caller: Caller,
        lifetime: timedelta,
        flow_id: UUID | None = None,
        *,
        sends: bool = True,
    ) -> Factor:
        factor_id = random_id()
        new = self._new(factor_id, account_id, app, body, target, tx.now + lifetime)
        await store.insert(tx, replace(new, flow_id=flow_id))
        found = await store.get(tx, factor_id, account_id)
        assert found is not None  # noqa: S101 - written above
        if target is not None and sends:
            await self._codes.allow(tx, target)
            return await self._codes.send(tx, app, found, target, caller)
        return found

    async def send_again(self, factor_id: UUID, caller: Caller) -> Shown:
        """The code that confirms it; the one before is dead. Raises NotFound, TooManyRequests."""
        account_id, _ = caller.account()
        app = self._t.of_session(caller)
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            answer = await self._with_more(tx, app, await self.send_code(tx, app, factor_id, account_id, caller))
            await self._t.idempotency.store(tx, caller, 202, answer)
        return answer

    async def send_code(self, tx: Tx, app: Resolved, factor_id: UUID, account_id: UUID, caller: Caller) -> Factor:
        found = await self._codes.pending(tx, factor_id, account_id)
        return await self._codes.send(tx, app, found, self.target(found), caller)

    async def rename(self, factor_id: UUID, name: str, caller: Caller) -> Shown:
        account_id, _ = caller.account()
        app = self._t.of_session(caller)
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            if await store.lock(tx, factor_id, account_id) is None:
                raise NotFound
            await store.rename(tx, factor_id, name)
            found = await store.get(tx, factor_id, account_id)
            assert found is not None  # noqa: S101 - locked above
            answer = self.shown(found, app)
            await self._t.idempotency.store(tx, caller, 200, answer)
        return answer

    async def remove(self, factor_id: UUID, caller: Caller) -> None:
        """One that counts needs a grant and is told to the owner; recovery codes go with the last factor that they stand in for."""
        account_id, _ = caller.account()
        app = self._t.of_session(caller)
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            await store.lock_holder(tx, account_id)
            found = await store.lock(tx, factor_id, account_id)
            if found is None:
                raise NotFound
            if found.status != "pending":
                await self._check_needed(tx, app, found)
                await self._t.step_ups.redeem(tx, caller, "factor.remove", {"factor_id": str(factor_id)})
            await self.take_away(tx, found, "by_owner")
            if found.status != "pending":
                await self._notices.enqueue(tx, "factor_removed", app, found.account_id, caller, kind=found.kind)
            await self._t.idempotency.store(tx, caller, 204, None)

    @staticmethod
    async def _check_needed(tx: Tx, app: Resolved, found: Factor) -> None:
        """Raises NotAllowedByPolicy where the policy needs it (MFA-9)."""
        left = {one.kind for one in await store.of(tx, found.account_id) if one.active and one.id != found.id}
        if rules.needed(app, found.kind, {kind for kind in left if rules.enabled(app.access, kind)}):
            raise NotAllowedByPolicy("A way to confirm is needed here; add another one first")

    async def take_away(self, tx: Tx, found: Factor, reason: Literal["by_owner", "admin"]) -> None:
        """With all that is theirs locked; telling the owner is left to whoever does it."""
        await store.delete(tx, found.id)
        if found.status == "pending":
            return
        await self.told_removed(tx, found, reason)
        await forget_all(tx, found.account_id, "factor_removed")
        left = [one for one in await store.of(tx, found.account_id) if one.status != "pending"]
        if not any(one.kind in rules.ALONE for one in left):
            for one in left:
                await store.delete(tx, one.id)
                await self.told_removed(tx, one, reason)
            version = await store.next_version(tx, found.account_id)
            await work.enqueue(tx, UNMARK, {"account_id": str(found.account_id), "version": version})

    @staticmethod
    async def told_removed(tx: Tx, one: Factor, reason: str) -> None:
        removed = FactorRemoved(
            account_id=one.account_id, factor_id=one.id, kind=one.kind, application=one.application, reason=reason
        )
        await tx.emit(removed)
        security_event("user_updated", "success", account_id=str(one.account_id), change="factor_removed", kind=one.kind)

    # --- parts -----------------------------------------------------------------------------------------------------------

    def _new(
        self, factor_id: UUID, account_id: UUID, app: Resolved, body: FactorRequest, target: str | None, expires_at: datetime
    ) -> New:
        secret = _secret(body.kind)
        return New(
            id=factor_id,
            account_id=account_id,
            application=app.application.slug,
            kind=body.kind,
            name=body.name,
            target=self._t.at_rest.encrypt(target.encode(), factor_id.bytes) if target is not None else None,
            masked=codes.masked(body, target),
            secret=self._t.at_rest.encrypt(secret, factor_id.bytes) if secret is not None else None,
            risk_notice=rules.RISK_NOTICE if body.kind == "phone" else None,
            salt=recovery_codes.new_salt() if body.kind == "recovery_codes" else None,
            expires_at=expires_at,
        )

    async def _with_more(self, conn: Conn, app: Resolved, one: Factor, owner: str = "") -> Shown:
        """While an address or number is pending: what became of its code. While a passkey is: what a browser makes it by, for `owner`."""
        shown = self.shown(one, app)
        if one.status == "pending" and one.kind == "passkey":
            options = await self._passkeys.creation(conn, app.application.brand.name, one.id, one.account_id, owner)
            return shown.model_copy(update={"passkey": options})
        if one.status != "pending" or one.target is None:
            return shown
        delivery, resend = await self._codes.told(conn, app, one)
        return shown.model_copy(update={"delivery": delivery, "resend": resend, "code_digits": one.digits})

    def shown(self, one: Factor, app: Resolved, *, secrets: bool = True) -> Shown:
        """While it is pending, with its secret (D29)."""
        pending = one.status == "pending"
        secret = self.secret(one) if secrets and pending and one.secret is not None else None
        brand = app.application.brand
        return Shown(
            id=one.id,
            kind=one.kind,
            status="active" if one.active else "pending",
            name=one.name,
            to=one.masked,
            created_at=one.created_at,
            confirmed_at=one.confirmed_at,
            last_used_at=one.last_used_at,
            expires_at=one.expires_at,
            totp=totp.setup(secret, brand.name, one.name or "") if secret is not None and one.kind == "totp" else None,
            codes=orjson.loads(secret) if secret is not None and one.kind == "recovery_codes" else None,
            codes_left=one.codes_left if one.active and one.kind == "recovery_codes" else None,
        )

    def secret(self, one: Factor) -> bytes:
        return self._t.at_rest.decrypt(one.secret or b"", one.id.bytes)

    def target(self, one: Factor) -> str:
        """The address or number."""
        return self._t.at_rest.decrypt(one.target or b"", one.id.bytes).decode()

    async def purge(self) -> None:
        async with self._t.db.transaction() as tx:
            await store.purge(tx, tx.now)


def added(kind: FactorKind, target: str | None) -> dict[str, str]:
    """What a grant to add a factor is for."""
    return {"kind": kind, "target": target} if target is not None else {"kind": kind}


def _secret(kind: FactorKind) -> bytes | None:
    if kind == "totp":
        return totp.new_secret()
    return orjson.dumps(recovery_codes.new_codes()) if kind == "recovery_codes" else None
