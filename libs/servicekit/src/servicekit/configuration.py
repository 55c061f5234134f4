"""A service's own copy of stores, policies and applications, from identity's events (design.md §3.10, D31)."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from latchkey_contracts.configuration import Application, IdentityStore, SelfServicePolicy
from latchkey_contracts.event import Event
from latchkey_contracts.identity import (
    ApplicationPublished,
    ConfigurationEvent,
    IdentityStorePublished,
    SelfServicePolicyPublished,
)

from .db import Database, DatabaseUnavailable, Tx
from .errors import NotFound
from .inbox import Handler
from .logging import get_logger
from .wakeups import Wakeups, wait

log = get_logger(__name__)

_UPSERT = """
INSERT INTO configuration_copy (kind, id, name, version, content) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (kind, id) DO UPDATE SET name = $3, version = $4, content = $5 WHERE configuration_copy.version < $4
"""
_ALL = "SELECT kind, name, content FROM configuration_copy"

_KINDS: dict[type[Event], str] = {
    IdentityStorePublished: "store",
    SelfServicePolicyPublished: "self_service_policy",
    ApplicationPublished: "application",
}


@dataclass(frozen=True)
class Resolved:
    """An application with what it refers to."""

    application: Application
    store: IdentityStore
    policy: SelfServicePolicy


class Configuration:
    """In memory, refreshed when told and once a second; all lookups are plain dictionary look-ups."""

    def __init__(self) -> None:
        self._applications: dict[str, Resolved] = {}
        self._friendly: dict[str, str] = {}
        self._by_id: dict[UUID, str] = {}

    def application(self, slug: str) -> Resolved:
        """Raises NotFound."""
        found = self._applications.get(slug)
        if found is None:
            raise NotFound
        return found

    def friendly(self, slug: str) -> str | None:
        """The application's slug behind /go/<slug> (R31)."""
        return self._friendly.get(slug.lower())

    def slugs(self) -> list[str]:
        return sorted(self._applications)

    def stores(self) -> list[IdentityStore]:
        return list({one.store.name: one.store for one in self._applications.values()}.values())

    def replace(self, stores: dict[str, Any], policies: dict[str, Any], applications: dict[str, Any]) -> None:
        """Takes contents as published. An application whose store or policy has not come yet waits for it."""
        found: dict[str, Resolved] = {}
        for content in applications.values():
            application = Application.model_validate(content)
            store, policy = stores.get(application.store), policies.get(application.self_service_policy)
            if store is not None and policy is not None:
                resolved = Resolved(application, IdentityStore.model_validate(store), SelfServicePolicy.model_validate(policy))
                found[application.slug] = resolved
        self._applications = found
        self._friendly = {url: slug for slug, one in found.items() for url in one.application.friendly_urls}


class ConfigurationCopy(Configuration):
    def __init__(self, db: Database, wakeups: Wakeups) -> None:
        super().__init__()
        self._db = db
        self._woken = wakeups.waiter("configuration")
        self._seen: list[Any] = []

    @property
    def handlers(self) -> dict[type[Event], Handler]:
        """For the subscription to identity's events."""
        return dict.fromkeys(_KINDS, self._remember)

    async def _remember(self, tx: Tx, event: ConfigurationEvent) -> None:
        await tx.execute(
            _UPSERT, _KINDS[type(event)], UUID(event.subject), event.name, event.meta.aggregateversion, event.content
        )
        tx.signal("configuration")

    async def load(self) -> None:
        async with self._db.read() as conn:
            rows = await conn.fetch(_ALL)
        seen = sorted((row["kind"], row["name"], str(row["content"])) for row in rows)
        if seen == self._seen:
            return
        by_kind: dict[str, dict[str, Any]] = {kind: {} for kind in _KINDS.values()}
        for row in rows:
            by_kind[row["kind"]][row["name"]] = row["content"]
        self.replace(by_kind["store"], by_kind["self_service_policy"], by_kind["application"])
        self._seen = seen

    async def run(self) -> None:
        """Until cancelled: keeps the copy in memory fresh, in every replica."""
        while True:
            try:
                await self.load()
            except DatabaseUnavailable as error:
                log.warning("configuration.unavailable", error=type(error).__name__)
            except Exception:
                log.exception("configuration.not_understood")
            await wait(self._woken, 1.0)


async def first_load(copy: ConfigurationCopy) -> None:
    """At start: what is known already is known before the first request; an empty or missing table is no error."""
    try:
        await copy.load()
    except Exception as error:  # noqa: BLE001 - `run` tries again every second
        log.warning("configuration.not_loaded", error=type(error).__name__)
        await asyncio.sleep(0)
