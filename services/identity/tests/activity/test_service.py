"""E21, LOG-5: what happened with an account, from events, newest first, each class for its time."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from identity.activity import consumers
from latchkey_contracts.event import AccountEvent, Meta
from latchkey_contracts.identity import PasswordChanged, ProfileChanged, SessionRevoked, SignedIn, SignInFailed
from latchkey_contracts.mfa import ChallengeFailed, DeviceForgotten, FactorEnrolled, FactorRemoved
from latchkey_contracts.recovery import ResetRequested
from latchkey_contracts.sealed import Sealed
from servicekit.clock import ManualClock
from servicekit.errors import NotFound
from servicekit.web.caller import Caller

EMAIL = "mira@posteo.example"
SEALED = Sealed.model_construct()


class Past:
    """Of Mira's account, told event by event."""

    def __init__(self, customers: Any, clock: ManualClock, account_id: UUID) -> None:
        self.customers, self.clock, self.account_id = customers, clock, account_id
        self.caller: Caller = replace(customers.here, account_id=account_id, session_id=uuid4())

    async def tell(self, cls: type[AccountEvent], **data: Any) -> None:
        """As the inbox hands it over."""
        account_id = data.pop("account_id", self.account_id)
        event = cls.model_construct(account_id=account_id, **data)
        meta = Meta(
            id=uuid4(), source="s", type=cls.event_type, time=self.clock.now(), subject="s", aggregateversion=1, correlationid="c"
        )
        async with self.customers.db.transaction() as tx:
            await consumers.handlers(cls.publisher)[cls](tx, event.received(meta))

    async def seen(self, cursor: str | None = None) -> list[Any]:
        return (await self.customers.activity.page(self.caller, cursor)).items

    async def kinds(self) -> list[str]:
        return [one.kind for one in await self.seen()]


@pytest.fixture
async def past(customers, clock) -> Past:
    return Past(customers, clock, await customers.join(email=EMAIL, username="mira"))


class TestWords:
    @pytest.mark.parametrize(
        ("cls", "data", "kind"),
        [
            (SessionRevoked, {"session_id": UUID(int=1), "reason": "signed_out"}, "signed_out"),
            (SessionRevoked, {"session_id": UUID(int=1), "reason": "ended_by_user"}, "session_ended"),
            (SessionRevoked, {"session_id": None, "reason": "ended_by_user"}, "sessions_ended"),
            (PasswordChanged, {"reason": "reset"}, "password_reset"),
            (PasswordChanged, {"reason": "change"}, "password_changed"),
            (FactorRemoved, {"kind": "totp", "reason": "by_owner"}, "factor_removed"),
            (DeviceForgotten, {"trusted_device_id": None}, "devices_forgotten"),
            (DeviceForgotten, {"trusted_device_id": UUID(int=1)}, "device_forgotten"),
            (ChallengeFailed, {"application": "demo"}, "code_failed"),
        ],
    )
    async def test_an_entry(self, past, cls, data, kind):
        await past.tell(cls, **data)
        assert await past.kinds() == [kind]

    @pytest.mark.parametrize(
        ("cls", "data"),
        [
            (SessionRevoked, {"session_id": None, "reason": "password_changed"}),
            (SignInFailed, {"application": "demo", "reason": "code_wrong"}),
            (FactorRemoved, {"kind": "recovery_codes", "reason": "replaced"}),
        ],
    )
    async def test_what_another_event_tells(self, past, cls, data):
        await past.tell(cls, **data)
        assert await past.seen() == []

    async def test_details(self, past):
        await past.tell(FactorEnrolled, kind="passkey", application="demo")
        await past.tell(ProfileChanged, changed=["given_name"], application="demo")
        past.clock.move(1)
        await past.tell(SignedIn, application="demo", session_id=uuid4(), methods=["pwd", "otp"])
        signed_in, *others = await past.seen()
        assert signed_in.methods == ["pwd", "otp"]
        assert {(one.factor, tuple(one.changed)) for one in others} == {("passkey", ()), (None, ("given_name",))}


async def test_browser_and_address_are_the_session_s(past, customers):
    caller = replace(
        customers.here, ip="203.0.113.9", user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    )
    await customers.sign_in(EMAIL, caller=caller)
    session = (await customers.sessions.listing(past.caller)).items[0]
    await past.tell(SignedIn, application="demo", session_id=session.id, methods=["pwd"])
    one = (await past.seen())[0]
    assert (one.device, one.ip) == (session.device, session.ip)
    assert one.ip == "203.0.113.9"


async def test_another_s_session_tells_nothing(past, customers):
    """A session of another account, named by mistake, lends no address."""
    await customers.join(email="kim@posteo.example", username="kim")
    await customers.sign_in("kim@posteo.example", caller=replace(customers.here, ip="203.0.113.9"))
    async with customers.db.read() as conn:
        session_id = await conn.fetchval("SELECT id FROM session")
    await past.tell(SignedIn, application="demo", session_id=session_id, methods=["pwd"])
    assert (await past.seen())[0].ip is None


async def test_what_strangers_cause_is_one_entry_an_hour(past):
    past.clock.move((-past.clock.now().minute % 60) * 60)  # a full hour begins
    for seconds in (0, 300, 3000, 600):
        past.clock.move(seconds)
        await past.tell(SignInFailed, application="demo", reason="credentials_wrong")
    assert [(one.kind, one.times) for one in await past.seen()] == [("sign_in_failed", 1), ("sign_in_failed", 3)]


async def test_an_hour_of_resets(past):
    for _ in range(3):
        await past.tell(ResetRequested, application="demo", contact=SEALED, message=SEALED)
    assert [one.times for one in await past.seen()] == [3]


async def test_pages(past, customers):
    for number in range(60):
        past.clock.move(1 if number % 2 else 0)  # some at one moment
        await past.tell(PasswordChanged, reason="change")
    found, cursor = [], None
    for _ in range(3):
        page = await customers.activity.page(past.caller, cursor)
        found += page.items
        cursor = page.next
    assert cursor is None
    assert len({one.id for one in found}) == 60
    assert [one.at for one in found] == sorted((one.at for one in found), reverse=True)


@pytest.mark.parametrize(
    "cursor", ["", "x", "AAAA", "YSBi", "MjAyNi0wMS0wMSBub2lk", "ÿÿ", "=" * 200, "OTk5OS0xMi0zMVQyMzo1OTo1OS05OTo5OSAx"]
)
async def test_a_cursor_that_is_none(past, cursor):
    with pytest.raises(NotFound):
        await past.customers.activity.page(past.caller, cursor)


async def test_nobody_else_s(past, customers):
    """API-1."""
    await past.tell(PasswordChanged, reason="change")
    kim = replace(past.caller, account_id=await customers.join(email="kim@posteo.example", username="kim"))
    assert (await customers.activity.page(kim, None)).items == []


async def test_an_account_that_is_gone(past):
    """EVT-4: a late event about it writes nothing."""
    await past.tell(PasswordChanged, reason="change", account_id=uuid4())
    assert await past.seen() == []


async def test_each_class_for_its_time(past, customers):
    await past.tell(SignInFailed, application="demo", reason="credentials_wrong")
    await past.tell(PasswordChanged, reason="change")
    past.clock.move(91 * 86400)
    await customers.activity.purge()
    assert await past.kinds() == ["password_changed"]
    past.clock.move(275 * 86400)
    await customers.activity.purge()
    assert await past.kinds() == []
