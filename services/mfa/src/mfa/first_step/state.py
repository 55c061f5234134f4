"""How far a first step is, and its proof; what is told of one that waits is the same for known and unknown names (ENU-1)."""

from latchkey_contracts import ways
from latchkey_contracts.http.access import AccessState
from latchkey_contracts.http.factors import FactorKind
from latchkey_contracts.mfa import ChallengeSucceeded
from servicekit.db import Conn, Tx
from servicekit.process.configuration import Resolved
from servicekit.throttle import Limit
from servicekit.web.caller import Caller

from mfa.factors import rules
from mfa.factors import store as factors
from mfa.sending import SIGN_IN, told
from mfa.tools import Tools

from . import store
from .rules import folded
from .store import FirstStep


async def of(tools: Tools, conn: Conn, one: FirstStep, caller: Caller) -> AccessState:
    if one.status == "proven":
        return AccessState(decision="proven", methods=list(one.methods), proven_at=one.proven_at, account_id=one.account_id)
    if one.status == "ended" or one.expires_at <= conn.now:
        return AccessState(decision="ended")
    app = tools.configuration.application(one.application)
    choices = ways.generic(app.access, app.notification)
    channels = list(dict.fromkeys(channel for choice in choices for channel in choice.channels))
    decision = await tools.throttle.peek(conn, limits(tools, app, one, caller))
    return AccessState(
        decision="challenge",
        factors=choices,
        next=["code", "challenges"],
        resend=told(decision, channels),
        match=one.match if one.form == "link" and not one.link_ended else None,
        link_ended=one.link_ended,
        asked=one.channel,
    )


def limits(tools: Tools, app: Resolved, one: FirstStep, caller: Caller) -> list[tuple[bytes, list[Limit]]]:
    """The 20 s rule of the flow, and caps by what was typed, so that unknown names behave alike (D18)."""
    resend, key = app.policy.resend, tools.throttle.key
    return [
        (key("resend", SIGN_IN, str(one.id)), [Limit(1, resend.spacing.total_seconds())]),
        (
            key("first_step", *whose(one, caller)),
            [Limit(resend.per_hour, 3600), Limit(resend.per_day, 86400)],
        ),
    ]


def whose(one: FirstStep, caller: Caller) -> tuple[str, ...]:
    """By what was typed. A browser in which somebody signed in before has counts of its own, so that no stranger keeps it out (BRF-3)."""
    mine = ("device", caller.device) if caller.device is not None else ()
    return (str(one.store_id), folded(one.identifier), *mine)


async def prove(tools: Tools, tx: Tx, one: FirstStep) -> None:
    """With it locked: its code was typed, or its link pressed."""
    assert one.account_id is not None  # noqa: S101 - something was sent
    await tools.onetime.forgive_try(tx, flow_id=one.id, purpose=SIGN_IN)
    await tools.onetime.forgive_wrong(tx, str(one.account_id))
    kind: FactorKind = ways.kind_of(one.channel)
    methods = [rules.METHODS[kind]]
    if one.factor_id is not None:
        await factors.used(tx, one.factor_id)
    await store.prove(tx, one.id, methods)
    await tx.emit(
        ChallengeSucceeded(
            account_id=one.account_id,
            flow_id=one.id,
            factor_id=one.factor_id,
            kind=kind,
            application=one.application,
            methods=methods,
        )
    )
