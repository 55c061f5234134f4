"""From events to messages: each once, however often the event comes (REL-3, REL-7, NOT-1)."""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import UUID, uuid4

import pytest
from latchkey_contracts.event import Event
from latchkey_contracts.identity import (
    AccountDisabled,
    AccountFrozen,
    ActivationRequested,
    ContactChangeAnnounced,
    ContactChangeEnded,
    ContactChangeRequested,
    ContactClaimed,
    IdentifierChanged,
    IdentityLinked,
    IdentityUnlinked,
    PasswordChanged,
    PasswordGuessed,
    ProfileChanged,
    RegistrationRepeated,
    SignedIn,
    SignInNoticeRequested,
    UserActivated,
)
from latchkey_contracts.mfa import ChallengeIssued, ChallengeSucceeded, FactorEnrolled, SecurityNoticeRequested
from latchkey_contracts.recovery import ResetProven, ResetRequested, TotalLossRecoveryAnnounced, UsernameReminderRequested
from latchkey_contracts.sealed import Sealed
from notifier.channels.base import Transient
from notifier.channels.chain import Chain
from notifier.preferences import store as preferences

from ..conftest import Notifier, Provider, received

Issue = Callable[..., Awaitable[None]]
ACCOUNT, FLOW = UUID("3f1f9a34-9f8e-4a53-8a2f-0a6c9b1d2e3f"), UUID("9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d")
SOON = datetime.now(UTC) + timedelta(hours=1)
LATER = SOON + timedelta(hours=5)


def sealed(until: datetime = SOON) -> Sealed:
    return Sealed(jwe="a.b.c.d.e", kid="k", expires_at=until)


FLOWS = {"account_id": ACCOUNT, "flow_id": FLOW, "application": "demo", "language": "ar"}
MESSAGE = {**FLOWS, "channel": "email", "message": sealed(), "expires_at": SOON}
CHANGE: dict[str, Any] = {"account_id": ACCOUNT, "application": "demo", "kind": "email", "language": "ar"}
FACTOR = UUID("0d7e1b52-40f6-4d2b-8d3c-1b2a3c4d5e6f")
PROVEN: dict[str, Any] = {"account_id": ACCOUNT, "factor_id": FACTOR, "kind": "phone", "application": "demo"}


def challenge(purpose: str = "sign_in", form: str = "code", channel: str = "email", **more: Any) -> ChallengeIssued:
    said = {
        **MESSAGE,
        "channel": channel,
        "contact": sealed(LATER),
        "factor_id": FACTOR,
        "purpose": purpose,
        "form": form,
        **more,
    }
    return ChallengeIssued(**said)


def notice(what: str) -> SecurityNoticeRequested:
    """To two mailboxes and a phone."""
    said = {"account_id": ACCOUNT, "application": "demo", "language": "ar", "contacts": [sealed(LATER), sealed()]}
    return SecurityNoticeRequested(**said, what=what, sms_contacts=[sealed()], message=sealed(), at=SOON)


NOTICES = get_args(SecurityNoticeRequested.model_fields["what"].annotation)
EVENTS = [
    (ActivationRequested(**MESSAGE), ["activation"]),
    (RegistrationRepeated(**MESSAGE), ["account_exists"]),
    (RegistrationRepeated(**MESSAGE, resting=True), ["contact_taken"]),
    (ContactChangeRequested(**MESSAGE, kind="email", part="new"), ["contact_confirm"]),
    (ContactChangeRequested(**MESSAGE, kind="email", part="old"), ["contact_approve"]),
    (ContactClaimed(**MESSAGE), ["contact_taken"]),
    (ContactChangeAnnounced(**CHANGE, notices=[sealed()], sms_notices=[sealed()]), ["contact_asked"] * 2),
    (ContactChangeEnded(account_id=ACCOUNT, flow_ids=[uuid4()], reason="cancelled"), []),
    (IdentifierChanged(**CHANGE, mode="replace", flow_ids=[uuid4()], notices=[sealed()] * 2), ["contact_changed"] * 2),
    (IdentifierChanged(**CHANGE, mode="replace", undone=True, notices=[sealed()]), ["contact_undone"]),
    (UserActivated(**FLOWS, store_id=uuid4(), method="link", welcome=sealed()), ["welcome"]),
    (UserActivated(**FLOWS, store_id=uuid4(), method="reset"), []),
    (SignedIn(account_id=ACCOUNT, application="demo", session_id=uuid4(), methods=["password"]), []),
    (
        SignInNoticeRequested(
            account_id=ACCOUNT, application="demo", language="en", reasons=["new_device"], notices=[sealed(), sealed()]
        ),
        ["new_sign_in"] * 2,
    ),
    (PasswordGuessed(account_id=ACCOUNT, application="demo", language="en", notices=[sealed()] * 2), ["password_guessed"] * 2),
    (ProfileChanged(account_id=ACCOUNT, application="demo", changed=["given_name"], notices=[sealed()]), ["account_updated"]),
    (
        IdentityLinked(
            account_id=ACCOUNT, application="demo", identity_id=FLOW, provider="google", language="en", notices=[sealed()] * 2
        ),
        ["identity_linked"] * 2,
    ),
    (
        IdentityUnlinked(
            account_id=ACCOUNT,
            application="demo",
            identity_id=FLOW,
            provider="google",
            reason="by_owner",
            language="en",
            notices=[sealed()],
        ),
        ["identity_unlinked"],
    ),
    (ResetRequested(**MESSAGE, contact=sealed(LATER)), ["password_reset"]),
    (ResetProven(account_id=ACCOUNT, flow_id=FLOW, application="demo"), []),
    (UsernameReminderRequested(**MESSAGE, contact=sealed(LATER)), ["username_reminder"]),
    (PasswordChanged(account_id=ACCOUNT, reason="reset", application="demo", notices=[sealed()]), ["reset_succeeded"]),
    (PasswordChanged(account_id=ACCOUNT, reason="change", application="demo", notices=[sealed()] * 2), ["password_changed"] * 2),
    (AccountFrozen(account_id=ACCOUNT, application="demo", language="en", notices=[sealed()]), ["account_frozen"]),
    (AccountDisabled(account_id=ACCOUNT), []),
    (AccountDisabled(account_id=ACCOUNT), []),
    (
        TotalLossRecoveryAnnounced(
            **FLOWS, takes_effect_at=SOON, contacts=[sealed(), sealed()], sms_contacts=[sealed()], message=sealed()
        ),
        ["total_loss_announced"] * 3,
    ),
    (challenge(), ["sign_in_code"]),
    (challenge(form="link", channel="sms"), ["sign_in_link"]),
    (challenge("step_up", channel="voice"), ["step_up_code"]),
    (challenge("enrolment", channel="sms", flow_id=FACTOR), ["factor_code"]),
    (challenge("caller"), ["caller_code"]),
    (ChallengeSucceeded(**PROVEN, flow_id=FLOW, methods=["sms"]), []),
    (FactorEnrolled(**PROVEN), []),
    *((notice(what), [what] * 3) for what in NOTICES),
]


class TestEveryEvent:
    @pytest.mark.parametrize(("event", "templates"), EVENTS, ids=lambda one: type(one).__name__ if isinstance(one, Event) else "")
    async def test_its_messages_once(self, notifier: Notifier, event: Event, templates: list[str]):
        """REL-3: handled three times, as after a replay without the inbox's memory: one message for each recipient."""
        received(event)
        for _ in range(3):
            await notifier.handle(event)
        rows = await notifier.rows()
        assert sorted(row["template"] for row in rows) == sorted(templates)
        assert all(row["expires_at"] == SOON for row in rows), "never after the first of its envelopes is over (EVT-9)"
        assert await notifier.told() == ["message_queued"] * len(templates)

    def test_no_event_is_forgotten_here(self, notifier: Notifier):
        tested = {type(event) for event, _ in EVENTS}
        assert {cls for handlers in notifier.handlers.values() for cls in handlers} == tested

    async def test_language_and_contact_travel_along(self, notifier: Notifier):
        await notifier.handle(received(ResetRequested(**MESSAGE, contact=sealed(LATER))))
        (row,) = await notifier.rows()
        assert (row["language"], row["flow_id"], row["contact"]["kid"]) == ("ar", FLOW, "k")

    async def test_lanes(self, notifier: Notifier):
        """REL-9: a security notice before a code, a code before an activation, that before the rest."""
        for event, _ in EVENTS:
            await notifier.handle(received(event))
        lanes = {row["template"]: row["lane"] for row in await notifier.rows()}
        assert lanes["reset_succeeded"] == lanes["account_frozen"] == 0
        assert lanes["reset_succeeded"] < lanes["password_reset"] < lanes["activation"] < lanes["welcome"]
        assert lanes["account_exists"] == lanes["activation"], "REG-1"
        assert {lanes[what] for what in NOTICES} == {0}, "NOT-3"
        assert lanes["sign_in_code"] == lanes["sign_in_link"] == lanes["factor_code"] == lanes["password_reset"]

    async def test_a_notice_of_factors_goes_by_every_way(self, notifier: Notifier):
        """MFA-8, MFA-10, NOT-1."""
        await notifier.handle(received(notice("factor_added")))
        rows = await notifier.rows()
        assert sorted(row["channel"] for row in rows) == ["email", "email", "sms"]
        assert all(row["contact"] is not None for row in rows)


class TestNotNow:
    async def test_what_nobody_wants(self, notifier: Notifier):
        """D27: told as suppressed; whoever is safe by it isn't asked."""
        async with notifier.db.transaction() as tx:
            for kind in ("account", "security"):
                await preferences.put(tx, ACCOUNT, preferences.Chosen(kind, "email", wanted=False))
        await notifier.handle(
            received(ProfileChanged(account_id=ACCOUNT, application="demo", changed=["name"], notices=[sealed()]))
        )
        await notifier.handle(
            received(PasswordChanged(account_id=ACCOUNT, reason="change", application="demo", notices=[sealed()]))
        )
        rows = {row["template"]: (row["state"], row["reason"]) for row in await notifier.rows()}
        assert rows == {"account_updated": ("suppressed", "unwanted"), "password_changed": ("queued", None)}

    async def test_a_channel_without_a_provider_is_told(self, notifier: Notifier, clock, provider: Provider):
        """An honest state instead of a message that waits for ever."""
        alone = Notifier(notifier.db, notifier.keys, clock, notifier.configuration, Chain([provider], clock))
        await alone.handle(received(ResetRequested(**{**MESSAGE, "channel": "sms"}, contact=sealed(LATER))))
        (row,) = await alone.rows()
        assert (row["state"], row["reason"], row["sealed"], row["contact"]) == ("suppressed", "no_provider", None, None)
        assert await alone.told() == ["message_suppressed"]

    async def test_more_codes_than_leave_in_time_are_told_at_once(self, notifier: Notifier, clock):
        """REL-9: a code that would come too late is no code; the queue stays as short as it empties, however many ask."""
        one = Notifier(notifier.db, notifier.keys, clock, notifier.configuration, notifier.chain, least_codes=2)
        for _ in range(4):  # nothing is known yet of how fast they leave
            await one.handle(by_sms(clock.now()))
        assert self.states(await one.rows()) == {"queued": 2, "overloaded": 2}
        async with one.db.transaction() as tx:  # both have left within a second: as many again in the next, and eight in four
            await tx.execute("UPDATE delivery SET state = 'handed_over', finished_at = $1 WHERE state = 'queued'", tx.now)
        clock.move(1)
        for _ in range(12):
            await one.handle(by_sms(clock.now()))
        assert self.states(await one.rows()) == {"handed_over": 2, "queued": 8, "overloaded": 2 + 4}

    @staticmethod
    def states(rows: list[Any]) -> dict[str, int]:
        return dict(Counter(row["reason"] if row["state"] == "suppressed" else row["state"] for row in rows))

    async def test_links_wait(self, notifier: Notifier, clock):
        for _ in range(3):
            await notifier.handle(received(ActivationRequested(**{**MESSAGE, "flow_id": uuid4()})))
        clock.move(5)
        await notifier.handle(received(ActivationRequested(**{**MESSAGE, "flow_id": uuid4()})))
        assert {row["state"] for row in await notifier.rows()} == {"queued"}

    async def test_while_the_provider_is_away_codes_wait_for_it(self, notifier: Notifier, clock, phones: Provider):
        """Nothing is lost to an outage; only to a bound."""
        few = Notifier(notifier.db, notifier.keys, clock, notifier.configuration, notifier.chain, code_limit=5)
        breaker = notifier.chain.breaker(phones)
        for _ in range(3):
            assert breaker.begin()
            breaker.judge(there=not Transient("refused", down=True).down)
        for _ in range(8):
            clock.move(6)
            await few.handle(by_sms(clock.now()))
        states = [row["state"] for row in await few.rows()]
        assert states == ["queued"] * 5 + ["suppressed"] * 3


def by_sms(at: datetime, **more: Any) -> Event:
    """A code alone, asked for by a flow of its own."""
    until = at + timedelta(minutes=6)
    message = {**MESSAGE, "account_id": uuid4(), "flow_id": uuid4(), "channel": "sms", "expires_at": until, **more}
    return received(ResetRequested(**{**message, "message": sealed(until)}, contact=sealed(until)), at)


class TestChallenges:
    """R24 to R29, D16: of a flow's codes and links only the newest lives, and none once it was used."""

    @pytest.fixture
    def issue(self, notifier: Notifier, clock) -> Issue:
        async def one(**more: Any) -> None:
            """Each a second after the one before."""
            clock.move(1)
            until = clock.now() + timedelta(minutes=6)
            said = {"message": sealed(until), "contact": sealed(until), "expires_at": until, **more}
            await notifier.handle(received(challenge(**said), clock.now()))

        return one

    @staticmethod
    async def states(notifier: Notifier) -> list[tuple[str, str, str | None]]:
        return [(row["template"], row["state"], row["reason"]) for row in await notifier.rows()]

    @pytest.mark.parametrize(("first", "then"), [("code", "link"), ("link", "code"), ("code", "code")])
    async def test_asked_for_again_in_either_form(self, notifier: Notifier, issue: Issue, first: str, then: str):
        await issue(form=first)
        await issue(form=then, channel="sms")
        assert await self.states(notifier) == [
            (f"sign_in_{first}", "suppressed", "superseded"),
            (f"sign_in_{then}", "queued", None),
        ]

    async def test_an_older_one_of_the_other_form_comes_late(self, notifier: Notifier, clock):
        older, newer = received(challenge(form="link"), clock.now()), received(challenge(), clock.now() + timedelta(seconds=5))
        await notifier.handle(newer)
        await notifier.handle(older)
        assert sorted(await self.states(notifier)) == [
            ("sign_in_code", "queued", None),
            ("sign_in_link", "suppressed", "superseded"),
        ]

    async def test_used(self, notifier: Notifier, issue: Issue, clock):
        """LNK-9: another window's code, and one that is to confirm a factor, go on; what is asked for afterwards, too."""
        await issue(channel="sms")
        await issue(flow_id=uuid4())
        await issue(purpose="enrolment", flow_id=FACTOR)
        clock.move(1)
        await notifier.handle(received(ChallengeSucceeded(**PROVEN, flow_id=FLOW, methods=["sms"]), clock.now()))
        await issue(form="link")
        assert await self.states(notifier) == [
            ("sign_in_code", "suppressed", "superseded"),
            ("sign_in_code", "queued", None),
            ("factor_code", "queued", None),
            ("sign_in_link", "queued", None),
        ]

    async def test_enrolled(self, notifier: Notifier, issue: Issue, clock):
        await issue(purpose="enrolment", flow_id=FACTOR)
        await issue(purpose="enrolment", flow_id=uuid4())
        await issue()
        clock.move(1)
        await notifier.handle(received(FactorEnrolled(**PROVEN), clock.now()))
        assert await self.states(notifier) == [
            ("factor_code", "suppressed", "superseded"),
            ("factor_code", "queued", None),
            ("sign_in_code", "queued", None),
        ]


class TestOfNoUseAnyMore:
    """E15, D16, LNK-7: a dead code leaves by no way."""

    async def test_sent_again_in_the_same_flow(self, notifier: Notifier, clock):
        first = {"account_id": ACCOUNT, "flow_id": FLOW}
        await notifier.handle(by_sms(clock.now(), **first))
        clock.move(20)
        await notifier.handle(by_sms(clock.now(), **first))
        assert [(row["state"], row["reason"]) for row in await notifier.rows()] == [
            ("suppressed", "superseded"),
            ("queued", None),
        ]
        assert await notifier.told() == ["message_queued", "message_suppressed", "message_queued"], "its end before the new one"

    async def test_an_older_one_that_comes_late(self, notifier: Notifier, clock):
        """As after a replay from the parked table."""
        first = {"account_id": ACCOUNT, "flow_id": FLOW}
        older, newer = by_sms(clock.now(), **first), by_sms(clock.now() + timedelta(seconds=20), **first)
        await notifier.handle(newer)
        await notifier.handle(older)
        assert sorted((row["state"], row["reason"]) for row in await notifier.rows()) == [
            ("queued", None),
            ("suppressed", "superseded"),
        ]

    async def test_another_flow_is_left_alone(self, notifier: Notifier, clock):
        """LNK-9."""
        await notifier.handle(by_sms(clock.now(), account_id=ACCOUNT))
        clock.move(1)
        await notifier.handle(by_sms(clock.now(), account_id=ACCOUNT))
        assert {row["state"] for row in await notifier.rows()} == {"queued"}

    @pytest.mark.parametrize("event", [
        ResetProven(account_id=ACCOUNT, flow_id=FLOW, application="demo"),
        PasswordChanged(account_id=ACCOUNT, reason="change", application="demo", notices=[]),
    ])  # fmt: skip
    async def test_used(self, notifier: Notifier, clock, event: Event):
        """What waits ends, what was handed over goes no other way; what was asked for afterwards is another matter."""
        waits = by_sms(clock.now(), account_id=ACCOUNT)
        await notifier.handle(waits)
        watched = await notifier.queue(channel="sms", template="password_reset", code="482193")
        async with notifier.db.transaction() as tx:
            await tx.execute(
                "UPDATE delivery SET account_id = $2, state = 'handed_over', watch_at = $3 WHERE id = $1",
                watched,
                ACCOUNT,
                tx.now,
            )
        clock.move(1)
        await notifier.handle(received(event, clock.now()))
        clock.move(1)
        await notifier.handle(by_sms(clock.now(), account_id=ACCOUNT))
        states = {row["id"]: (row["state"], row["watch_at"], row["sealed"] is None) for row in await notifier.rows()}
        assert states.pop(watched) == ("handed_over", None, True)
        assert sorted(states.values()) == [("queued", None, False), ("suppressed", None, True)]
