"""Applies a configuration file, all or nothing, and publishes what changed in full (docs/architecture.md)."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from latchkey_contracts.configuration import (
    AccessPolicy,
    Application,
    Document,
    IdentityStore,
    NotificationPolicy,
    SelfServicePolicy,
    configuration_id,
)
from latchkey_contracts.http.access import Abilities
from latchkey_contracts.identity import (
    AccessPolicyPublished,
    ApplicationPublished,
    ConfigurationEvent,
    IdentityStorePublished,
    NotificationPolicyPublished,
    SelfServicePolicyPublished,
)
from pydantic import BaseModel
from servicekit.db import Conn, Database, Tx
from servicekit.errors import FieldError, Overloaded, ValidationFailed
from servicekit.events.wakeups import Wakeups
from servicekit.logging import get_logger, security_event
from servicekit.outgoing import MOST_BYTES, EventTooLarge
from servicekit.process.configuration import Content, Kind, LiveConfiguration, Version

from . import access_rules, rules, store
from .findings import Known
from .social_rules import Surroundings

# Well within the topics' retention (7 days), so that a subscriber that comes late gets everything, too.
REPUBLISH = timedelta(days=1)
log = get_logger(__name__)


def _event(kind: Kind, name: str, revision: int, content: dict[str, Any]) -> ConfigurationEvent:
    item_id = configuration_id(kind, name)
    if kind == "store":
        return IdentityStorePublished(store_id=item_id, name=name, revision=revision, content=content)
    if kind == "self_service_policy":
        return SelfServicePolicyPublished(policy_id=item_id, name=name, revision=revision, content=content)
    if kind == "notification_policy":
        return NotificationPolicyPublished(policy_id=item_id, name=name, revision=revision, content=content)
    if kind == "access_policy":
        return AccessPolicyPublished(policy_id=item_id, name=name, revision=revision, content=content)
    return ApplicationPublished(application_id=item_id, name=name, revision=revision, content=content)


@dataclass(frozen=True)
class _Item:
    path: str
    kind: Kind
    name: str
    content: dict[str, Any]

    @property
    def label(self) -> str:
        return f"{self.kind} {self.name}"


def _items(document: Document) -> Iterator[_Item]:
    """In the order in which others want to hear of them: an application after what it refers to."""
    sections: list[tuple[str, Kind, Sequence[BaseModel]]] = [
        ("identity_stores", "store", document.identity_stores),
        ("self_service_policies", "self_service_policy", document.self_service_policies),
        ("notification_policies", "notification_policy", document.notification_policies),
        ("access_policies", "access_policy", document.access_policies),
        ("applications", "application", document.applications),
    ]
    for section, kind, found in sections:
        for index, model in enumerate(found):
            content = model.model_dump(mode="json")
            yield _Item(f"/{section}/{index}", kind, content["slug" if kind == "application" else "name"], content)


class ConfigurationService(LiveConfiguration):
    """Identity's own is the source; the others have copies (servicekit.process.configuration). `abilities`: asks mfa which rules of access
    policies it can decide. `here`: what this instance has for sign-in providers.
    """

    def __init__(
        self,
        db: Database,
        wakeups: Wakeups,
        abilities: Callable[[], Awaitable[Abilities]] | None = None,
        here: Surroundings | None = None,
    ) -> None:
        super().__init__(db, wakeups, here.local_provider if here is not None else None)
        self._here = here
        self._abilities = abilities

    async def versions(self, conn: Conn) -> list[Version]:
        return await store.revisions(conn)

    async def contents(self, conn: Conn) -> list[Content]:
        return await store.everything(conn)

    async def apply(self, document: Any) -> dict[str, Any]:
        """{applied, unchanged, warnings}; raises ValidationFailed with every error. A second apply of the same changes nothing."""
        applied: list[str] = []
        unchanged: list[str] = []
        too_large: list[FieldError] = []
        able = await self._able() if access_rules.needs_places(document) else None
        async with self._db.transaction() as tx:
            await store.lock(tx)
            rows = await store.everything(tx)
            checked = rules.check(document, _known(rows), able, self._here)
            if checked.document is None:
                raise ValidationFailed([FieldError(path, "not_allowed", why) for path, why in checked.errors])
            before = {(row.kind, row.name): row.content for row in rows}
            for item in _items(checked.document):
                if before.get((item.kind, item.name)) == item.content:
                    unchanged.append(item.label)
                    continue
                try:
                    await self._publish(tx, item)
                    applied.append(item.label)
                except EventTooLarge as error:
                    why = f"{item.label} has {error.size // 1000} kB as an event; {MOST_BYTES // 1000} kB are the most"
                    too_large.append(FieldError(item.path, "not_allowed", why))
            if too_large:
                raise ValidationFailed(too_large)
            tx.signal("configuration")
        if applied:
            security_event("sensitive_update", "success", what="configuration", applied=applied)
        await self.load()
        warnings = [{"path": path, "reason": why} for path, why in checked.warnings]
        return {"applied": applied, "unchanged": unchanged, "warnings": warnings}

    async def _able(self) -> access_rules.Able:
        """Mfa alone knows whether it has a database of places."""
        try:
            return await self._abilities() if self._abilities is not None else "nobody"
        except Overloaded:
            return "nobody"

    @staticmethod
    async def _publish(tx: Tx, item: _Item) -> None:
        """Raises EventTooLarge."""
        revision = await store.put(tx, item.kind, configuration_id(item.kind, item.name), item.name, item.content)
        await tx.emit(_event(item.kind, item.name, revision, item.content))

    async def republish(self) -> None:
        """Everything that was published last a day ago, as it is: any number of replicas and restarts, once a day."""
        async with self._db.transaction() as tx:
            for published in await store.published_before(tx, tx.now - REPUBLISH):
                try:
                    await tx.emit(_event(published.kind, published.name, published.revision, published.content))
                except EventTooLarge as error:  # applied by an earlier release; the others go out all the same
                    item = configuration_id(published.kind, published.name)
                    log.exception("configuration.too_large", kind=published.kind, item=str(item), bytes=error.size)


def _known(rows: list[Content]) -> Known:
    def of(kind: Kind, model: type[Any]) -> dict[str, Any]:
        return {row.name: model.model_validate(row.content, extra="ignore") for row in rows if row.kind == kind}

    return Known(
        of("store", IdentityStore),
        of("self_service_policy", SelfServicePolicy),
        of("application", Application),
        of("notification_policy", NotificationPolicy),
        of("access_policy", AccessPolicy),
    )
