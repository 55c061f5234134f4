"""Whoever calls the help desk proves who they are (E24): a code goes to the account's own address or number, the caller reads it out, the
helper types it. The help desk never sees it anywhere, and it opens nothing else.
"""

from uuid import UUID

from latchkey_contracts.http.common import Channel
from latchkey_contracts.messages import Origin
from latchkey_contracts.ways import kind_of
from servicekit.db import Conn, Tx
from servicekit.errors import FieldError, FlowEnded, NotFound, ServiceError, ValidationFailed
from servicekit.ids import random_id
from servicekit.logging import security_event
from servicekit.masks import mask
from servicekit.process.configuration import Resolved
from servicekit.proof import code_error
from servicekit.proof.flow import in_time

from mfa.factors import rules as factor_rules
from mfa.factors import store as factors
from mfa.factors.service import FactorService
from mfa.factors.store import Factor
from mfa.sending import CALLER, Message, Sending
from mfa.tools import Tools

from . import caller_store, rules
from .acts import Acts
from .caller_store import Check
from .schemas import CallerCheck, CallerCode, NewCallerCheck

NOT_REACHED = FieldError("/channel", "not_an_option", "Nothing of this account is reached that way")


class CallerChecks:
    def __init__(self, tools: Tools, factor_service: FactorService, sending: Sending, acts: Acts) -> None:
        self._t = tools
        self._factors = factor_service
        self._sending = sending
        self._acts = acts

    async def begin(self, account_id: UUID, body: NewCallerCheck) -> CallerCheck:
        """Another one is the end of the one before. Raises NotFound for nobody's account, ValidationFailed where nothing is reached that
        way, TooManyRequests by the 20 s rule and above the caps of one person.
        """
        app = self._acts.app(body)
        known = await self._acts.notices.contacts(app, account_id)
        if known.account_id is None:
            raise NotFound
        target, factor = await self._reached(app, account_id, body.channel)
        check_id, kind = random_id(), kind_of(body.channel)
        async with self._t.db.transaction() as tx:
            await factors.hold(tx, account_id, app.store.id)
            in_time(await self._t.throttle.take(tx, self._sending.limits(app, CALLER, account_id, account_id)))
            expires_at = tx.now + app.access.passcode_lifetime
            await caller_store.insert(
                tx, check_id, account_id, body.application, body.channel, mask(kind, target), body.actor, expires_at
            )
            message = Message(
                flow_id=check_id,
                factor_id=factor.id if factor is not None else None,
                account_id=account_id,
                kind=kind,
                target=target,
                proven_at=factor.confirmed_at if factor is not None else None,
                purpose="caller",
                channel=body.channel,
                form="code",
                language=known.language or app.application.default_language,
                browser=None,
                match=None,
                asked=Origin(at=tx.now),
            )
            await self._sending.send(tx, app, message)
            await self._acts.done(tx, app, account_id, "caller_code_sent", body)
            found = await caller_store.lock(tx, check_id, account_id)
            assert found is not None  # noqa: S101 - written above
            return await self._shown(tx, found)

    async def code(self, account_id: UUID, check_id: UUID, body: CallerCode) -> CallerCheck:
        """As the caller reads it out: the fifth wrong one ends it. Raises NotFound, FlowEnded, CodeWrong, CodeBurned, CodeExpired."""
        app = self._acts.app(body)
        async with self._t.db.transaction() as tx:
            await self._acts.lock(tx, app, account_id)
            found = await caller_store.lock(tx, check_id, account_id)
            if found is None:
                raise NotFound
            if found.status == "ended":
                raise FlowEnded
            refused = await self._look(tx, app, found, body) if found.status == "waiting" else None
            if refused is None:
                found = await caller_store.lock(tx, check_id, account_id) or found
                return await self._shown(tx, found)
        raise refused

    async def _look(self, tx: Tx, app: Resolved, found: Check, body: CallerCode) -> ServiceError | None:
        """Why it isn't right, which is told once it is counted and committed."""
        result = await self._t.onetime.consume_code(tx, flow_id=found.id, purpose=CALLER, code=body.code)
        if result.outcome == "ok":
            await caller_store.verify(tx, found.id, body.actor, tx.now + rules.VERIFIED)
            await self._acts.done(tx, app, found.account_id, "caller_verified", body)
            return None
        security_event(
            "authn_login_fail", "fail", account_id=str(found.account_id), reason=f"caller_code_{result.outcome}", actor=body.actor
        )
        if result.outcome in {"burned", "used"}:
            await caller_store.end(tx, found.id)
            await self._acts.done(tx, app, found.account_id, "caller_refused", body)
        return code_error(result)

    async def of(self, conn: Conn, account_id: UUID) -> list[CallerCheck]:
        """Newest first."""
        return [await self._shown(conn, one) for one in await caller_store.of(conn, account_id)]

    async def _shown(self, conn: Conn, one: Check) -> CallerCheck:
        over = one.status == "ended" or (one.status == "waiting" and one.expires_at <= conn.now)
        return CallerCheck(
            id=one.id,
            state="ended" if over else one.status,
            channel=one.channel,
            to=one.masked,
            asked_by=one.asked_by,
            verified_by=one.verified_by,
            created_at=one.created_at,
            expires_at=one.expires_at,
            verified_until=one.verified_until,
            delivery=await self._sending.delivery(conn, one.id, one.channel, one.masked),
        )

    async def _reached(self, app: Resolved, account_id: UUID, channel: Channel) -> tuple[str, Factor | None]:
        """A factor that is reached that way, the newest; else what the account has proven. Raises ValidationFailed, Overloaded."""
        kind = kind_of(channel)
        if channel not in factor_rules.channels(app, kind):
            raise ValidationFailed([NOT_REACHED])
        async with self._t.db.read() as conn:
            held = [one for one in await factors.of(conn, account_id) if one.active and one.kind == kind]
        if held and factor_rules.enabled(app.access, kind):
            newest = max(held, key=lambda one: one.created_at)
            return self._factors.target(newest), newest
        try:
            return await self._factors.own(account_id, kind), None
        except ValidationFailed:
            raise ValidationFailed([NOT_REACHED]) from None
