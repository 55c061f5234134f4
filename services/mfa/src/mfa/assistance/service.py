"""The help desk helps with a customer's factors: each act with who and why, an event, and word to the customer (R23, E23, E24).

It never sees a code, a link or a secret, and what it adds counts only once the customer has confirmed it. Signing in without the second step for
a while needs a second person's approval.
"""

from datetime import timedelta
from uuid import UUID

from latchkey_contracts.http.factors import FactorRequest
from latchkey_contracts.mfa import Assistance, AssistanceGiven
from servicekit.context import set_tenant
from servicekit.db import Tx
from servicekit.errors import FlowEnded, NotAllowedByPolicy, NotFound
from servicekit.logging import security_event
from servicekit.process.configuration import Resolved
from servicekit.web.caller import Caller

from mfa.challenge.service import Challenges
from mfa.factors import store as factors
from mfa.factors.service import FactorService
from mfa.notices.service import Notices
from mfa.tools import Tools

from . import rules, store
from .schemas import Act, Assisted, Bypass, Done, NewBypass, NewFactor


class Assistances:
    def __init__(self, tools: Tools, factor_service: FactorService, challenges: Challenges, notices: Notices) -> None:
        self._t = tools
        self._factors = factor_service
        self._challenges = challenges
        self._notices = notices

    async def look(self, account_id: UUID, application: str) -> Assisted:
        """Raises NotFound for whoever never had a factor here."""
        app = self._t.configuration.application(application)
        async with self._t.db.read() as conn:
            holder = await factors.holder(conn, account_id)
            if holder is None or holder.store_id != app.store.id:
                raise NotFound
            held = await factors.of(conn, account_id)
            acts, bypasses, now = await store.notes(conn, account_id), await store.bypasses(conn, account_id), conn.now
        return Assisted(
            account_id=account_id,
            factors=[self._factors.shown(one, app, secrets=False) for one in held],
            bypasses=[_shown(one, over=one.is_over(now)) for one in bypasses],
            acts=[Done(at=one.at, act=one.act, actor=one.actor, reason=one.reason) for one in acts],
        )

    async def add(self, account_id: UUID, body: NewFactor) -> UUID:
        """Its code goes to the address or number; the customer confirms it in the portal. Raises NotFound for nobody's account."""
        app = self._app(body)
        if not await self._notices.can_tell(app, account_id):
            raise NotFound
        async with self._t.db.transaction() as tx:
            await factors.hold(tx, account_id, app.store.id)
            request = FactorRequest(kind=body.kind, target=body.target)
            factor_id = await self._factors.begin(tx, app, account_id, request, _desk(), lifetime=rules.PENDING_LIFETIME)
            await self._done(tx, app, account_id, "factor_added", body)
        return factor_id

    async def send_again(self, account_id: UUID, factor_id: UUID, body: Act) -> None:
        """The code of a factor that was begun; by the 20 s rule."""
        app = self._app(body)
        async with self._t.db.transaction() as tx:
            await self._lock(tx, app, account_id)
            await self._factors.send_code(tx, app, factor_id, account_id, _desk())
            await self._done(tx, app, account_id, "code_sent", body)

    async def remove(self, account_id: UUID, factor_id: UUID, body: Act) -> None:
        app = self._app(body)
        async with self._t.db.transaction() as tx:
            await self._lock(tx, app, account_id)
            found = await factors.lock(tx, factor_id, account_id)
            if found is None:
                raise NotFound
            await self._factors.take_away(tx, found, "admin")
            await self._done(tx, app, account_id, "factor_removed", body)

    async def lift(self, account_id: UUID, body: Act) -> None:
        """Waits after wrong codes are over, and what was guessed is forgotten."""
        app = self._app(body)
        async with self._t.db.transaction() as tx:
            await self._lock(tx, app, account_id)
            await self._challenges.forget_wrong(tx, account_id)
            await self._done(tx, app, account_id, "limit_lifted", body)

    # --- a while without the second step ------------------------------------------------------------------------------------

    async def ask_bypass(self, account_id: UUID, body: NewBypass) -> UUID:
        app = self._app(body)
        async with self._t.db.transaction() as tx:
            await self._lock(tx, app, account_id)
            bypass_id = await store.ask(tx, account_id, body.application, body.hours, body.actor, once=body.once)
            await self._done(tx, app, account_id, "bypass_requested", body)
        return bypass_id

    async def approve_bypass(self, account_id: UUID, bypass_id: UUID, body: Act) -> None:
        """Raises NotAllowedByPolicy for the very person who asked, FlowEnded where it is too late."""
        app = self._app(body)
        async with self._t.db.transaction() as tx:
            found = await self._bypass(tx, app, account_id, bypass_id)
            if not rules.may_approve(found.requested_by, body.actor):
                raise NotAllowedByPolicy("A second person approves it")
            if found.until is not None or found.ended_at is not None or found.created_at + rules.TO_APPROVE <= tx.now:
                raise FlowEnded
            await store.approve(tx, bypass_id, body.actor, tx.now + timedelta(hours=found.hours))
            await self._done(tx, app, account_id, "bypass_granted", body)

    async def end_bypass(self, account_id: UUID, bypass_id: UUID, body: Act) -> None:
        app = self._app(body)
        async with self._t.db.transaction() as tx:
            found = await self._bypass(tx, app, account_id, bypass_id)
            if found.is_over(tx.now):
                raise FlowEnded
            await store.end(tx, bypass_id)
            await self._done(tx, app, account_id, "bypass_ended", body)

    async def purge(self) -> None:
        async with self._t.db.transaction() as tx:
            await store.purge(tx, tx.now - rules.KEEP)

    # --- parts -----------------------------------------------------------------------------------------------------------

    def _app(self, body: Act) -> Resolved:
        app = self._t.configuration.application(body.application)
        set_tenant(str(app.store.id), "admin")
        return app

    @staticmethod
    async def _lock(tx: Tx, app: Resolved, account_id: UUID) -> None:
        """All that is this person's. Raises NotFound, also for another store's."""
        holder = await factors.lock_holder(tx, account_id)
        if holder is None or holder.store_id != app.store.id:
            raise NotFound

    async def _bypass(self, tx: Tx, app: Resolved, account_id: UUID, bypass_id: UUID) -> store.Bypass:
        await self._lock(tx, app, account_id)
        found = await store.lock(tx, bypass_id, account_id)
        if found is None:
            raise NotFound
        return found

    async def _done(self, tx: Tx, app: Resolved, account_id: UUID, act: Assistance, body: Act) -> None:
        """Noted with its reason; told with neither reason nor address."""
        await store.note(tx, account_id, body.application, act, body.actor, body.reason)
        await tx.emit(AssistanceGiven(account_id=account_id, application=body.application, action=act, actor=body.actor))
        security_event("user_updated", "success", account_id=str(account_id), change=f"assistance_{act}", actor=body.actor)
        if act not in {"bypass_requested", "code_sent"}:  # nothing has changed for the customer by these
            await self._notices.enqueue(tx, "assisted", app, account_id, _desk(), assistance=act)


def _desk() -> Caller:
    return Caller("mfa")


def _shown(one: store.Bypass, *, over: bool) -> Bypass:
    return Bypass(
        id=one.id,
        state="ended" if over else "granted" if one.until is not None else "requested",
        once=one.once,
        hours=one.hours,
        requested_by=one.requested_by,
        approved_by=one.approved_by,
        created_at=one.created_at,
        until=one.until,
    )
