"""Stores, policies and applications in a service's memory: its own copy from identity's events (docs/architecture.md, D31)."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from uuid import UUID

from latchkey_contracts.configuration import AccessPolicy, Application, IdentityStore, NotificationPolicy, SelfServicePolicy
from latchkey_contracts.configuration.social import offered
from latchkey_contracts.event import Event
from latchkey_contracts.identity import (
    AccessPolicyPublished,
    ApplicationPublished,
    ConfigurationEvent,
    IdentityStorePublished,
    NotificationPolicyPublished,
    SelfServicePolicyPublished,
)
from pydantic import ValidationError

from servicekit.db import Conn, Database, DatabaseUnavailable, Tx
from servicekit.errors import FieldError, NotFound, ValidationFailed
from servicekit.events.inbox import Handlers
from servicekit.events.wakeups import Wakeups, wait
from servicekit.logging import get_logger
from servicekit.web.caller import Caller

Kind: TypeAlias = Literal["store", "self_service_policy", "notification_policy", "access_policy", "application"]
POLL_SECONDS = 3.0  # who is not told; a replica that handles the event tells the others at once
NOT_SPOKEN = FieldError("/language", "not_an_option", "This application doesn't speak it")
log = get_logger(__name__)

_UPSERT = """
INSERT INTO configuration_copy (kind, id, name, version, content) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (kind, id) DO UPDATE SET name = $3, version = $4, content = $5 WHERE configuration_copy.version < $4
"""
_VERSIONS = "SELECT kind, name, version FROM configuration_copy ORDER BY kind, name"
_ALL = "SELECT kind, name, content FROM configuration_copy"

_KINDS: dict[type[Event], Kind] = {
    IdentityStorePublished: "store",
    SelfServicePolicyPublished: "self_service_policy",
    NotificationPolicyPublished: "notification_policy",
    AccessPolicyPublished: "access_policy",
    ApplicationPublished: "application",
}


@dataclass(frozen=True, slots=True)
class Version:
    """Of one item. It changes whenever the item's content does."""

    kind: Kind
    name: str
    version: int


@dataclass(frozen=True, slots=True)
class Content:
    kind: Kind
    name: str
    content: dict[str, Any]


@dataclass(frozen=True)
class Resolved:
    """An application with what it refers to."""

    application: Application
    store: IdentityStore
    policy: SelfServicePolicy
    notification: NotificationPolicy
    access: AccessPolicy

    def speaks(self, language: str | None) -> str | None:
        """The application's language that this tag means (de-AT is de); None: it has none such."""
        primary = (language or "").replace("_", "-").split("-")[0].lower()
        return next((language for language in self.application.languages if language == primary), None)

    def language_for(self, asked: str | None, caller: Caller) -> str:
        """What a flow is written in: as its start asks, else as the page or Accept-Language say, else the application's own.
        Raises ValidationFailed.
        """
        if asked is not None and self.speaks(asked) is None:
            raise ValidationFailed([NOT_SPOKEN])
        return self.speaks(asked) or self.speaks(caller.language) or self.application.default_language


@dataclass(frozen=True)
class Friendly:
    """A short address of an application; one that isn't enabled leads nowhere (E31)."""

    url: str
    application: str
    enabled: bool


class Configuration:
    """Plain dictionary look-ups in memory."""

    def __init__(self) -> None:
        self._applications: dict[str, Resolved] = {}
        self._friendly: dict[str, Friendly] = {}

    # Where the local run's provider is (`LATCHKEY_LOCAL_PROVIDER_URL`); none: nobody is offered it.
    local_provider: str | None = None

    def application(self, slug: str) -> Resolved:
        """Raises NotFound."""
        found = self._applications.get(slug)
        if found is None:
            raise NotFound
        return found

    def knows(self, slug: str | None) -> bool:
        return slug in self._applications

    def friendly(self, url: str) -> Friendly | None:
        """What is behind /go/<url> (R31), in capitals or without its dashes, too."""
        return self._friendly.get(url.lower().replace("-", ""))

    def friendly_urls(self) -> list[Friendly]:
        return list(self._friendly.values())

    def slugs(self) -> list[str]:
        return sorted(self._applications)

    def stores(self) -> list[IdentityStore]:
        """Those that an application uses."""
        return list({application.store.name: application.store for application in self._applications.values()}.values())

    def replace(
        self,
        stores: Mapping[str, Any],
        policies: Mapping[str, Any],
        applications: Mapping[str, Any],
        notifications: Mapping[str, Any] | None = None,
        access: Mapping[str, Any] | None = None,
    ) -> None:
        """Takes contents as published. An application whose store or policy has not come yet waits for it."""
        found: dict[str, Resolved] = {}
        for slug, content in applications.items():
            try:
                if (resolved := _resolve(content, stores, policies, notifications or {}, access or {})) is not None:
                    found[slug] = self._usable(resolved)
            except ValidationError as error:
                # Of a newer release that we can't read: what is known already goes on, and so do all others.
                places = [".".join(map(str, problem["loc"])) for problem in error.errors()]
                log.warning("configuration.not_understood", application=slug, places=places)
                if slug in self._applications:
                    found[slug] = self._applications[slug]
        self._applications = found
        self._friendly = {
            url.replace("-", ""): Friendly(url, slug, enabled)
            for slug, resolved in found.items()
            for enabled, urls in ((False, resolved.application.disabled_urls), (True, resolved.application.friendly_urls))
            for url in urls
        }

    def _usable(self, found: Resolved) -> Resolved:
        """With those of its providers that are anywhere."""
        social = list(offered(found.application.social, self.local_provider))
        if social == found.application.social:
            return found
        return dataclasses.replace(found, application=found.application.model_copy(update={"social": social}))


def _resolve(
    content: Any,
    stores: Mapping[str, Any],
    policies: Mapping[str, Any],
    notifications: Mapping[str, Any],
    access: Mapping[str, Any],
) -> Resolved | None:
    """Unknown settings of a newer release are passed over, as in any event (EVT-7). Notification and access policies came
    later than applications: where there is none yet, every setting has its default.
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
        AccessPolicy.model_validate(access.get(application.access_policy, {"name": application.access_policy}), extra="ignore"),
    )


class LiveConfiguration(Configuration, ABC):
    """Kept fresh from the service's own database, in every replica: when told, and once a second (D31: within 5 s)."""

    def __init__(self, db: Database, wakeups: Wakeups, local_provider: str | None = None) -> None:
        super().__init__()
        self.local_provider = local_provider
        self._db = db
        self._woken = wakeups.waiter("configuration")
        self._seen: list[Version] = []

    @abstractmethod
    async def versions(self, conn: Conn) -> list[Version]:
        """In an order that stays."""

    @abstractmethod
    async def contents(self, conn: Conn) -> list[Content]:
        """All of it."""

    async def load(self) -> None:
        async with self._db.read() as conn:
            seen = await self.versions(conn)
            if seen == self._seen:
                return
            rows = await self.contents(conn)
        by_kind: dict[Kind, dict[str, Any]] = {kind: {} for kind in _KINDS.values()}
        for row in rows:
            by_kind[row.kind][row.name] = row.content
        self.replace(
            by_kind["store"],
            by_kind["self_service_policy"],
            by_kind["application"],
            by_kind["notification_policy"],
            by_kind["access_policy"],
        )
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

    async def versions(self, conn: Conn) -> list[Version]:
        return await conn.rows(Version, _VERSIONS)

    async def contents(self, conn: Conn) -> list[Content]:
        return await conn.rows(Content, _ALL)

    @property
    def handlers(self) -> Handlers:
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
