"""The code that confirms an address or number as a factor: sent when it is added, and again (R24, PST-2, PST-5)."""

from dataclasses import replace
from uuid import UUID

from latchkey_contracts.http.common import Channel, Delivery, Resend
from latchkey_contracts.http.factors import FactorRequest
from latchkey_contracts.messages import Origin
from servicekit.addresses import canonical_email, canonical_phone
from servicekit.db import Conn, Tx
from servicekit.devices import in_words
from servicekit.errors import FieldError, NotFound, TooManyRequests, ValidationFailed
from servicekit.logging import security_event
from servicekit.masks import mask
from servicekit.numbers import closed
from servicekit.process.configuration import Resolved
from servicekit.proof.flow import in_time
from servicekit.throttle import Limit
from servicekit.web.caller import Caller

from mfa.sending import ENROLMENT, Message, Sending
from mfa.tools import Tools

from . import store
from .store import Factor

# PST-5: one number may serve several people, but nobody is written to by many who only say so.
PER_TARGET = (Limit(3, 3600), Limit(10, 86400))


class EnrolmentCodes:
    def __init__(self, tools: Tools, sending: Sending) -> None:
        self._t = tools
        self._sending = sending

    async def allow(self, tx: Tx, canonical: str) -> None:
        """Counts an enrolment of that address or number, whoever's. Raises TooManyRequests."""
        decision = await self._t.throttle.take(tx, [(self._t.throttle.key("enrolment", canonical), PER_TARGET)])
        if not decision.allowed:
            security_event("excess_rate_limit_exceeded", "fail", limit="enrolment")
            raise TooManyRequests(decision.retry_after_seconds, available_at=decision.available_at.isoformat())

    async def send(self, tx: Tx, app: Resolved, factor: Factor, target: str, caller: Caller) -> Factor:
        """Answers it with the length of its code. Raises TooManyRequests by the 20 s rule and above the caps."""
        in_time(await self._t.throttle.take(tx, self._sending.limits(app, ENROLMENT, factor.account_id, factor.id)))
        digits = await self._sending.send(
            tx,
            app,
            Message(
                flow_id=factor.id,
                factor_id=factor.id,
                account_id=factor.account_id,
                kind=factor.kind,
                target=target,
                proven_at=None,
                purpose="enrolment",
                channel=channel_of(factor),
                form="code",
                language=app.language_for(None, caller),
                browser=None,
                match=None,
                asked=Origin(at=tx.now, device=in_words(caller.user_agent), asn=caller.asn),
            ),
        )
        await store.sent(tx, factor.id, digits)
        return replace(factor, digits=digits)

    async def told(self, conn: Conn, app: Resolved, factor: Factor) -> tuple[Delivery | None, Resend]:
        way = channel_of(factor)
        delivery = await self._sending.delivery(conn, factor.id, way, factor.masked)
        return delivery, await self._sending.resend(conn, app, ENROLMENT, factor.account_id, factor.id, [way])

    async def pending(self, tx: Tx, factor_id: UUID, account_id: UUID) -> Factor:
        """One that waits for its code. Raises NotFound."""
        found = await store.lock(tx, factor_id, account_id)
        if found is None or found.target is None or found.status != "pending":
            raise NotFound
        if found.expires_at is not None and found.expires_at <= tx.now:
            raise NotFound
        return found


def channel_of(factor: Factor) -> Channel:
    return "email" if factor.kind == "email" else "sms"


def read(app: Resolved, body: FactorRequest) -> str | None:
    """The address or number as messages reach it; None where the kind has none. Raises ValidationFailed."""
    if body.kind not in {"email", "phone"}:
        if body.target is not None:
            raise ValidationFailed([FieldError("/target", "not_an_option", "This kind has none")])
        return None
    if body.target is None:
        raise ValidationFailed([FieldError("/target", "required", "This is needed")])
    try:
        canonical = canonical_email(body.target) if body.kind == "email" else canonical_phone(body.target)
    except ValueError as error:
        raise ValidationFailed([FieldError("/target", f"{body.kind}_not_valid", str(error))]) from None
    if body.kind == "phone" and (wrong := closed(canonical, app.notification, "/target")):
        raise ValidationFailed(wrong)
    return canonical


def masked(body: FactorRequest, canonical: str | None) -> str | None:
    return mask(body.kind, canonical) if canonical is not None else None
