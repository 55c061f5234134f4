"""Kill switches: within 5 s nothing leaves any more, also of what waits already (FRD-11)."""

import asyncio

from notifier.switches import store
from servicekit.db import Conn

from ..conftest import Notifier, Provider, until


async def off(notifier: Notifier, channel: str, *, country: str = "", application: str = "", drop: bool = False) -> None:
    async with notifier.db.transaction() as tx:
        await store.off(tx, channel, country, application, drop=drop)


class TestOff:
    async def test_what_waits_stays_and_goes_when_it_is_on_again(self, notifier: Notifier, clock, provider: Provider):
        """A thousand queued: what leaves after the flip is what was on its way, no more; nothing is lost."""
        provider.seconds = 0.02
        messages = [await notifier.queue() for _ in range(150)]
        async with notifier.running():
            await until(lambda: _some(provider))
            await off(notifier, "email")
            await asyncio.sleep(0.5)
            left = len(provider.sent)
            await asyncio.sleep(0.5)
            assert len(provider.sent) == left < 150
            async with notifier.db.transaction() as tx:
                assert await store.on(tx, "email", "", "")

            async def gone() -> bool:
                clock.move(1)
                return len(provider.sent) == 150

            await until(gone, 60)
        assert sorted(provider.ids) == sorted(map(str, messages))

    async def test_dropped_where_asked_but_never_a_security_notice(self, notifier: Notifier, provider: Provider):
        """NOT-3."""
        await off(notifier, "email", drop=True)
        one, notice = await notifier.queue(), await notifier.queue(template="password_changed")
        async with notifier.running():
            assert (await notifier.wait(one, "suppressed"))["reason"] == "channel_off"
        assert (await notifier.row(notice))["state"] == "queued"
        assert provider.sent == []

    async def test_from_the_first_moment_on(self, notifier: Notifier, provider: Provider):
        """A notifier that starts looks at the switches before it takes up anything, however long that takes."""
        await off(notifier, "email", drop=True)
        one, look = await notifier.queue(), notifier.switches.load

        async def slowly(conn: Conn) -> None:
            await asyncio.sleep(0.2)
            await look(conn)

        notifier.switches.load = slowly  # type: ignore[method-assign]
        async with notifier.running():
            assert (await notifier.wait(one, "suppressed", "handed_over"))["state"] == "suppressed"
        assert provider.sent == []

    async def test_one_country_alone(self, notifier: Notifier, phones: Provider):
        await off(notifier, "sms", country="+49")
        await off(notifier, "voice")
        one = await notifier.queue(channel="sms", template="password_reset", code="482193")
        mail = await notifier.queue()
        async with notifier.running():
            await notifier.wait(mail, "handed_over")

            async def held() -> bool:
                row = await notifier.row(one)
                return row["state"] == "queued" and row["reason"] == "the channel is switched off"

            await until(held)
        assert phones.sent == []

    async def test_the_channels_health_says_so(self, notifier: Notifier):
        await off(notifier, "sms")
        assert await notifier.delivery().channels() == {"email": "ok", "sms": "down", "voice": "ok"}


async def _some(provider: Provider) -> bool:
    return len(provider.sent) > 5
