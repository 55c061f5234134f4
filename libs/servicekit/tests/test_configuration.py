"""A service's copy of the configuration (docs/architecture.md, D31)."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from latchkey_contracts.configuration import Application, IdentityStore, SelfServicePolicy, configuration_id
from latchkey_contracts.event import Meta
from latchkey_contracts.identity import (
    ApplicationPublished,
    ConfigurationEvent,
    IdentityStorePublished,
    SelfServicePolicyPublished,
)
from servicekit.db import Database
from servicekit.errors import NotFound
from servicekit.events.wakeups import Wakeups
from servicekit.process.configuration import ConfigurationCopy, Friendly, first_load

BRAND = {"name": "Zinnia", "brand": "#0b3d45"}


def received(event: ConfigurationEvent, version: int, clock: Any) -> ConfigurationEvent:
    meta = Meta(
        id=uuid4(),
        source="/",
        type=event.event_type,
        time=clock.now(),
        subject=event.subject,
        aggregateversion=version,
        correlationid="c",
    )
    return event.received(meta)


def store_event(**content: Any) -> IdentityStorePublished:
    whole = IdentityStore(name="Default").model_dump(mode="json") | content
    return IdentityStorePublished(store_id=configuration_id("store", "Default"), name="Default", revision=1, content=whole)


def policy_event(**content: Any) -> SelfServicePolicyPublished:
    whole = SelfServicePolicy(name="Default").model_dump(mode="json") | content
    policy_id = configuration_id("self_service_policy", "Default")
    return SelfServicePolicyPublished(policy_id=policy_id, name="Default", revision=1, content=whole)


def application_event(slug: str = "zinnia", **content: Any) -> ApplicationPublished:
    whole = Application(slug=slug, brand=BRAND, friendly_urls=["flower"]).model_dump(mode="json") | content
    return ApplicationPublished(application_id=configuration_id("application", slug), name=slug, revision=1, content=whole)


@pytest.fixture
async def copy(db: Database) -> ConfigurationCopy:
    async with db.transaction() as tx:
        await tx.execute("DELETE FROM configuration_copy")
    return ConfigurationCopy(db, Wakeups(db))


@pytest.fixture
def hear(db: Database, copy: ConfigurationCopy, clock: Any):
    async def one(event: ConfigurationEvent, version: int = 1) -> None:
        async with db.transaction() as tx:
            await copy.handlers[type(event)](tx, received(event, version, clock))
        await copy.load()

    return one


class TestCopy:
    async def test_an_application_with_all_it_refers_to(self, copy, hear):
        await hear(store_event())
        await hear(policy_event(registration={"link_lifetime": 3600}))
        await hear(application_event())
        found = copy.application("zinnia")
        assert found.application.brand.name == "Zinnia"
        assert found.store.name == "Default"
        assert found.policy.registration.link_lifetime.total_seconds() == 3600
        assert copy.friendly("FLOWER") == Friendly("flower", "zinnia", enabled=True)
        assert copy.slugs() == ["zinnia"]

    async def test_it_waits_for_what_has_not_come_yet(self, copy, hear):
        await hear(application_event())
        with pytest.raises(NotFound):
            copy.application("zinnia")
        await hear(policy_event())
        await hear(store_event())
        assert copy.application("zinnia")

    async def test_evt_4_a_late_event_changes_nothing(self, copy, hear):
        for event in (store_event(), policy_event(), application_event()):
            await hear(event)
        await hear(application_event(timezone="Europe/Paris"), version=3)
        await hear(application_event(timezone="Europe/Rome"), version=2)
        await hear(application_event(timezone="Europe/Oslo"), version=3)
        assert copy.application("zinnia").application.timezone == "Europe/Paris"

    async def test_evt_7_settings_of_a_newer_release_are_passed_over(self, copy, hear):
        await hear(store_event(colour="blue"))
        await hear(policy_event(registration={"by_pigeon": True}))
        await hear(application_event(brand={**BRAND, "mascot": "fox"}))
        assert copy.application("zinnia").policy.registration.enabled

    async def test_one_that_cant_be_read_stops_no_other_and_keeps_what_it_was(self, copy, hear):
        for event in (store_event(), policy_event(), application_event(), application_event("rose", friendly_urls=["rose"])):
            await hear(event)
        await hear(application_event(languages="all of them"), version=2)
        await hear(application_event("rose", timezone="Europe/Oslo"), version=2)
        assert copy.application("zinnia").application.languages == ["en"]
        assert copy.application("rose").application.timezone == "Europe/Oslo"


class TestFresh:
    async def test_d31_every_replica_within_five_seconds(self, copy, hear, replica):
        other = ConfigurationCopy(replica, Wakeups(replica))
        running = asyncio.create_task(other.run())
        try:
            for event in (store_event(), policy_event(), application_event()):
                await hear(event)
            async with asyncio.timeout(5):
                while "zinnia" not in other.slugs():
                    await asyncio.sleep(0.02)
        finally:
            running.cancel()

    async def test_known_before_the_first_request_after_a_restart(self, copy, hear, db):
        for event in (store_event(), policy_event(), application_event()):
            await hear(event)
        again = ConfigurationCopy(db, Wakeups(db))
        await first_load(again)
        assert again.slugs() == ["zinnia"]
