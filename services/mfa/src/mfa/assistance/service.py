"""The help desk helps with a customer's factors: each act with who and why, an event, and word to the customer (R23, E23, E24).

It never sees a code, a link or a secret, and what it adds counts only once the customer has confirmed it. Signing in without the second step for
a while needs a second person's approval.
"""

from datetime import timedelta
from uuid import UUID

from latchkey_contracts.http.factors import FactorRequest
from servicekit.db import Tx
from servicekit.errors import FlowEnded, NotAllowedByPolicy, NotFound
from servicekit.process.configuration import Resolved

from mfa.challenge.service import Challenges
from mfa.factors import store as factors
from mfa.factors.service import FactorService
from mfa.notices import store as notices

from . import caller_store, rules, store
from .acts import DESK, Acts
from .callers import CallerChecks
from .schemas import Act, Assisted, Bypass, Done, NewBypass, NewFactor, NoticeAgain, Noticed


class Assistances:
    def __init__(self, acts: Acts, factor_service: FactorService, challenges: Challenges, callers: CallerChecks) -> None:
        self._t = acts.tools
        self._acts = acts
        self._factors = factor_service
        self._challenges = challenges
        self._callers = callers
        self._notices = acts.notices

    async def look(self, account_id: UUID, application: str) -> Assisted:
        """Raises NotFound for whoever never had a factor here."""
        app = self._t.configuration.application(application)
        async with self._t.db.read() as conn:
            holder = await factors.holder(conn, account_id)
            if holder is None or holder.store_id != app.store.id:
                raise NotFound
            held = await factors.of(conn, account_id)
            acts, bypasses, now = await store.notes(conn, account_id), await store.bypasses(conn, account_id), conn.now
            callers, told = await self._callers.of(conn, account_id), await notices.of(conn, account_id)
        return Assisted(
            account_id=account_id,
            factors=[self._factors.shown(one, app, secrets=False) for one in held],
            bypasses=[_shown(one, over=one.is_over(now)) for one in bypasses],
            caller_checks=callers,
            notices=[Noticed(what=one.what, at=one.told_at) for one in told],
            acts=[Done(at=one.at, act=one.act, actor=one.actor, reason=one.reason) for one in acts],
        )

    async def add(self, account_id: UUID, body: NewFactor) -> UUID:
        """Its code goes to the address or number; the customer confirms it in the portal. Raises NotFound for nobody's account."""
        app = self._acts.app(body)
        if not await self._notices.can_tell(app, account_id):
            raise NotFound
        async with self._t.db.transaction() as tx:
            await factors.hold(tx, account_id, app.store.id)
            request = FactorRequest(kind=body.kind, target=body.target)
            factor_id = await self._factors.begin(tx, app, account_id, request, DESK, lifetime=rules.PENDING_LIFETIME)
            await self._acts.done(tx, app, account_id, "factor_added", body)
        return factor_id

    async def send_again(self, account_id: UUID, factor_id: UUID, body: Act) -> None:
        """The code of a factor that was begun; by the 20 s rule."""
        app = self._acts.app(body)
        async with self._t.db.transaction() as tx:
            await self._acts.lock(tx, app, account_id)
            await self._factors.send_code(tx, app, factor_id, account_id, DESK)
            await self._acts.done(tx, app, account_id, "code_sent", body)

    async def remove(self, account_id: UUID, factor_id: UUID, body: Act) -> None:
        app = self._acts.app(body)
        async with self._t.db.transaction() as tx:
            await self._acts.lock(tx, app, account_id)
            found = await factors.lock(tx, factor_id, account_id)
            if found is None:
                raise NotFound
            await self._factors.take_away(tx, found, "admin")
            await self._acts.done(tx, app, account_id, "factor_removed", body)

    async def lift(self, account_id: UUID, body: Act) -> None:
        """Waits after wrong codes are over, and what was guessed is forgotten."""
        app = self._acts.app(body)
        async with self._t.db.transaction() as tx:
            await self._acts.lock(tx, app, account_id)
            await self._challenges.forget_wrong(tx, account_id)
            await self._acts.done(tx, app, account_id, "limit_lifted", body)

    async def tell_again(self, account_id: UUID, body: NoticeAgain) -> None:
        """The newest notice of factors that isn't the desk's own doing, or the newest of this kind, to every verified address as it was; by
        the 20 s rule. Its link is no token's, so nothing opens twice. Raises NotFound where there was none, TooManyRequests.
        """
        app = self._acts.app(body)
        async with self._t.db.transaction() as tx:
            await self._acts.lock(tx, app, account_id)
            told = await notices.of(tx, account_id)
            found = next((one for one in told if (one.what == body.what if body.what else one.what != "assisted")), None)
            if found is None:
                raise NotFound
            await self._notices.again(tx, app, account_id, found)
            await self._acts.done(tx, app, account_id, "notice_sent", body)

    # --- a while without the second step ------------------------------------------------------------------------------------

    async def ask_bypass(self, account_id: UUID, body: NewBypass) -> UUID:
        app = self._acts.app(body)
        async with self._t.db.transaction() as tx:
            await self._acts.lock(tx, app, account_id)
            bypass_id = await store.ask(tx, account_id, body.application, body.hours, body.actor, once=body.once)
            await self._acts.done(tx, app, account_id, "bypass_requested", body)
        return bypass_id

    async def approve_bypass(self, account_id: UUID, bypass_id: UUID, body: Act) -> None:
        """Raises NotAllowedByPolicy for the very person who asked, FlowEnded where it is too late."""
        app = self._acts.app(body)
        async with self._t.db.transaction() as tx:
            found = await self._bypass(tx, app, account_id, bypass_id)
            if not rules.may_approve(found.requested_by, body.actor):
                raise NotAllowedByPolicy("A second person approves it")
            if found.until is not None or found.ended_at is not None or found.created_at + rules.TO_APPROVE <= tx.now:
                raise FlowEnded
            await store.approve(tx, bypass_id, body.actor, tx.now + timedelta(hours=found.hours))
            await self._acts.done(tx, app, account_id, "bypass_granted", body)

    async def end_bypass(self, account_id: UUID, bypass_id: UUID, body: Act) -> None:
        app = self._acts.app(body)
        async with self._t.db.transaction() as tx:
            found = await self._bypass(tx, app, account_id, bypass_id)
            if found.is_over(tx.now):
                raise FlowEnded
            await store.end(tx, bypass_id)
            await self._acts.done(tx, app, account_id, "bypass_ended", body)

    async def purge(self) -> None:
        async with self._t.db.transaction() as tx:
            await store.purge(tx, tx.now - rules.KEEP)
            await caller_store.purge(tx, tx.now - rules.KEEP)

    # --- parts -----------------------------------------------------------------------------------------------------------

    async def _bypass(self, tx: Tx, app: Resolved, account_id: UUID, bypass_id: UUID) -> store.Bypass:
        await self._acts.lock(tx, app, account_id)
        found = await store.lock(tx, bypass_id, account_id)
        if found is None:
            raise NotFound
        return found


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
