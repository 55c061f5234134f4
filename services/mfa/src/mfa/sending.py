"""What is sent to a factor's own address or number: a code or a link, as an event to the notifier (R24-R29, OTP-2, FRD-6).

Nothing here looks at what a flow allows; that is the feature's business.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from latchkey_contracts.http.common import Channel, Delivery, Resend
from latchkey_contracts.http.factors import FactorKind, Form
from latchkey_contracts.http.step_up import StepUpAction
from latchkey_contracts.messages import Contact, Origin, Secrets
from latchkey_contracts.mfa import ChallengeIssued
from latchkey_contracts.sealed import Sealed
from servicekit.db import Conn, Tx
from servicekit.events import messages
from servicekit.process.configuration import Resolved
from servicekit.proof import Issued, ToIssue
from servicekit.throttle import Decision, Limit

from mfa.tools import Tools

Purpose = Literal["sign_in", "step_up", "enrolment", "caller"]
# One-time secrets of sign-ins and step-ups, whose flows differ; of what is to become a factor; of whoever calls the help desk.
SIGN_IN, ENROLMENT, CALLER = "sign_in", "factor_enrolment", "caller_check"
_SECRETS: dict[Purpose, str] = {"sign_in": SIGN_IN, "step_up": SIGN_IN, "enrolment": ENROLMENT, "caller": CALLER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """`flow_id`: whose code or link it is. `proven_at`: since when the address or number is this person's, if it is. `contact`: instead of
    `target`, sealed by identity. `action`, `about`: of a step-up, what its code is for (OTP-10).
    """

    flow_id: UUID
    factor_id: UUID | None
    account_id: UUID
    kind: FactorKind
    target: str
    proven_at: datetime | None
    purpose: Purpose
    channel: Channel
    form: Form
    language: str
    browser: bytes | None
    match: str | None
    asked: Origin
    contact: Sealed | None = None
    action: StepUpAction | None = None
    about: str | None = None


class Sending:
    def __init__(self, tools: Tools) -> None:
        self._t = tools

    def limits(self, app: Resolved, purpose: str, account_id: UUID, flow_id: UUID) -> list[tuple[bytes, list[Limit]]]:
        """The 20 s rule of the flow, and the caps of the person (E1, D18, D19)."""
        resend, key = app.policy.resend, self._t.throttle.key
        return [
            (key("resend", purpose, str(flow_id)), [Limit(1, resend.spacing.total_seconds())]),
            (key("caps", purpose, str(account_id)), [Limit(resend.per_hour, 3600), Limit(resend.per_day, 86400)]),
        ]

    async def send(self, tx: Tx, app: Resolved, one: Message) -> int | None:
        """Whatever was sent before in this flow is dead with it (D16). Answers how many digits its code has, if it is one."""
        policy, by_link = app.access, one.form == "link"
        issued = await self._t.onetime.issue(
            tx,
            ToIssue(
                purpose=_SECRETS[one.purpose],
                flow_id=one.flow_id,
                subject=str(one.account_id),
                tenant=str(app.store.id),
                browser=one.browser,
                link_lifetime=policy.link_lifetime if by_link else None,
                code_lifetime=None if by_link else policy.passcode_lifetime,
                code_length=self._t.guesses.code_length(policy.passcode_length),
                match=one.match,
            ),
        )
        expires_at = issued.link_expires_at or issued.code_expires_at or tx.now
        secrets = _secrets(issued, one, f"{self._t.db.origin}/{app.application.slug}")
        known = Contact(channel=one.channel, to=one.target, proven_at=one.proven_at, known=True)
        event = ChallengeIssued(
            account_id=one.account_id,
            flow_id=one.flow_id,
            factor_id=one.factor_id,
            purpose=one.purpose,
            form=one.form,
            application=app.application.slug,
            channel=one.channel,
            language=one.language,
            contact=one.contact or self._t.sealer.seal(known, expires_at=expires_at),
            message=self._t.sealer.seal(secrets, expires_at=expires_at),
            expires_at=expires_at,
        )
        await messages.left(tx, one.flow_id, await tx.emit(event, expirytime=expires_at))
        return len(issued.code) if issued.code else None

    async def delivery(self, conn: Conn, flow_id: UUID, channel: Channel, masked: str | None) -> Delivery | None:
        told = await messages.told(conn, flow_id)
        if told is None:
            return None
        return Delivery(channel=told.channel or channel, to=masked or "", state=told.state, at=told.at)

    async def resend(
        self, conn: Conn, app: Resolved, purpose: str, account_id: UUID, flow_id: UUID, channels: list[Channel]
    ) -> Resend:
        decision = await self._t.throttle.peek(conn, self.limits(app, purpose, account_id, flow_id))
        return told(decision, channels)


def _secrets(issued: Issued, one: Message, base: str) -> Secrets:
    return Secrets(
        link=f"{base}/l/{issued.token}" if issued.token else None,
        link_expires_at=issued.link_expires_at,
        code=issued.code,
        code_expires_at=issued.code_expires_at,
        asked=one.asked,
        action=one.action,
        about=one.about,
    )


def told(decision: Decision, channels: list[Channel]) -> Resend:
    return Resend(available_at=decision.available_at, retry_after_seconds=decision.retry_after_seconds, channels=channels)
