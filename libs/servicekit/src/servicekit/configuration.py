"""Stores, policies and applications in a service's memory: its own copy from identity's events (design.md §3.10, D31)."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from latchkey_contracts.configuration import Application, IdentityStore, NotificationPolicy, SelfServicePolicy
from latchkey_contracts.event import Event
from latchkey_contracts.identity import (
    ApplicationPublished,
    ConfigurationEvent,
    IdentityStorePublished,
    NotificationPolicyPublished,
    SelfServicePolicyPublished,
)
from pydantic import ValidationError

from .db import Conn, Database, DatabaseUnavailable, Record, Tx
from .errors import NotFound
from .inbox import Handler
from .logging import get_logger
from .wakeups import Wakeups, wait

POLL_SECONDS = 1.0
log = get_logger(__name__)

_UPSERT = """
INSERT INTO configuration_copy (kind, id, name, version, content) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (kind, id) DO UPDATE SET name = $3, version = $4, content = $5 WHERE configuration_copy.version < $4
"""
_VERSIONS = "SELECT kind, name, version FROM configuration_copy ORDER BY kind, name"
_ALL = "SELECT kind, name, content FROM configuration_copy"

_KINDS: dict[type[Event], str] = {
    IdentityStorePublished: "store",
    SelfServicePolicyPublished: "self_service_policy",
    NotificationPolicyPublished: "notification_policy",
    ApplicationPublished: "application",
}


@dataclass(frozen=True)
class Resolved:
    """An application with what it refers to."""

    application: Application
    store: IdentityStore
    policy: SelfServicePolicy
    notification: NotificationPolicy


class Configuration:
    """Plain dictionary look-ups in memory."""

    def __init__(self) -> None:
        self._applications: dict[str, Resolved] = {}
        self._friendly: dict[str, str] = {}

    def application(self, slug: str) -> Resolved:
        """Raises NotFound."""
        found = self._applications.get(slug)
        if found is None:
            raise NotFound
        return found

    def knows(self, slug: str | None) -> bool:
        return slug in self._applications

    def friendly(self, slug: str) -> str | None:
        """The application's slug behind /go/<slug> (R31), however it was written."""
        return self._friendly.get(slug.lower())

    def slugs(self) -> list[str]:
        return sorted(self._applications)

    def stores(self) -> list[IdentityStore]:
        """Those that an application uses."""
        return list({one.store.name: one.store for one in self._applications.values()}.values())

    def replace(
        self,
        stores: Mapping[str, Any],
        policies: Mapping[str, Any],
        applications: Mapping[str, Any],
        notifications: Mapping[str, Any] | None = None,
    ) -> None:
        """Takes contents as published. An application whose store or policy has not come yet waits for it."""
        found: dict[str, Resolved] = {}
        for slug, content in applications.items():
            try:
                if (resolved := _resolve(content, stores, policies, notifications or {})) is not None:
                    found[slug] = resolved
            except ValidationError as error:
                # Of a newer release that we can't read: what is known already goes on, and so do all others.
                places = [".".join(map(str, one["loc"])) for one in error.errors()]
                log.warning("configuration.not_understood", application=slug, places=places)
                if slug in self._applications:
                    found[slug] = self._applications[slug]
        self._applications = found
        self._friendly = {url: slug for slug, one in found.items() for url in one.application.friendly_urls}


def _resolve(
    content: Any, stores: Mapping[str, Any], policies: Mapping[str, Any], notifications: Mapping[str, Any]
) -> Resolved | None:
    """Unknown settings of a newer release are passed over, as in any event (EVT-7). Notification policies came later than
    applications: where there is none yet, every setting has its default.
    """
    application = Application.model_validate(content, extra="ignore")
    store, policy = stores.get(application.store), policies.get(application.self_service_policy)
    if store is None or policy is None:
        return None
    return Resolved(
        application,
        IdentityStore.model_validate(store, extra="ignore"),
        SelfServicePolicy.model_validate(policy, extra="ignore"),
        NotificationPolicy.model_validate(
            notifications.get(application.notification_policy, {"name": application.notification_policy}), extra="ignore"
        ),
    )


class LiveConfiguration(Configuration, ABC):
    """Kept fresh from the service's own database, in every replica: when told, and once a second (D31: within 5 s)."""

    def __init__(self, db: Database, wakeups: Wakeups) -> None:
        super().__init__()
        self._db = db
        self._woken = wakeups.waiter("configuration")
        self._seen: list[tuple[Any, ...]] = []

    @abstractmethod
    async def versions(self, conn: Conn) -> list[Record]:
        """Rows that change whenever the contents do."""

    @abstractmethod
    async def contents(self, conn: Conn) -> list[Record]:
        """Rows of kind, name, content."""

    async def load(self) -> None:
        async with self._db.read() as conn:
            seen = [tuple(row.values()) for row in await self.versions(conn)]
            if seen == self._seen:
                return
            rows = await self.contents(conn)
        by_kind: dict[str, dict[str, Any]] = {kind: {} for kind in _KINDS.values()}
        for row in rows:
            by_kind[row["kind"]][row["name"]] = row["content"]
        self.replace(by_kind["store"], by_kind["self_service_policy"], by_kind["application"], by_kind["notification_policy"])
        self._seen = seen

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.load()
            except DatabaseUnavailable as error:
                log.warning("configuration.unavailable", error=type(error).__name__)
            except Exception:
                log.exception("configuration.not_loaded")
            await wait(self._woken, POLL_SECONDS)


class ConfigurationCopy(LiveConfiguration):
    """What every service but identity has."""

    async def versions(self, conn: Conn) -> list[Record]:
        return await conn.fetch(_VERSIONS)

    async def contents(self, conn: Conn) -> list[Record]:
        return await conn.fetch(_ALL)

    @property
    def handlers(self) -> dict[type[Event], Handler]:
        """For the subscription to identity's events."""
        return dict.fromkeys(_KINDS, self._remember)

    async def _remember(self, tx: Tx, event: ConfigurationEvent) -> None:
        """An event that comes late, after a newer one, changes nothing (EVT-4)."""
        version = event.meta.aggregateversion
        await tx.execute(_UPSERT, _KINDS[type(event)], UUID(event.subject), event.name, version, event.content)
        tx.signal("configuration")


async def first_load(configuration: LiveConfiguration) -> None:
    """At start: what is known already is known before the first request; an empty or missing table is no error."""
    try:
        await configuration.load()
    except Exception as error:  # noqa: BLE001 - `run` tries again every second
        log.warning("configuration.not_loaded", error=type(error).__name__)
