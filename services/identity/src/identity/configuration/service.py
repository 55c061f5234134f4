"""Applies a configuration file, all or nothing, and publishes what changed in full (design.md §3.10)."""

from datetime import timedelta
from typing import Any

from latchkey_contracts.configuration import (
    Application,
    Document,
    IdentityStore,
    NotificationPolicy,
    SelfServicePolicy,
    configuration_id,
)
from latchkey_contracts.identity import (
    ApplicationPublished,
    ConfigurationEvent,
    IdentityStorePublished,
    NotificationPolicyPublished,
    SelfServicePolicyPublished,
)
from pydantic import BaseModel
from servicekit.configuration import LiveConfiguration
from servicekit.db import Conn, Record, Tx
from servicekit.errors import FieldError, ValidationFailed
from servicekit.logging import security_event

from . import rules, store

# Well within the topics' retention (7 days), so that a subscriber that comes late gets everything, too.
REPUBLISH = timedelta(days=1)


def _event(kind: str, name: str, revision: int, content: dict[str, Any]) -> ConfigurationEvent:
    item_id = configuration_id(kind, name)
    if kind == "store":
        return IdentityStorePublished(store_id=item_id, name=name, revision=revision, content=content)
    if kind == "self_service_policy":
        return SelfServicePolicyPublished(policy_id=item_id, name=name, revision=revision, content=content)
    if kind == "notification_policy":
        return NotificationPolicyPublished(policy_id=item_id, name=name, revision=revision, content=content)
    return ApplicationPublished(application_id=item_id, name=name, revision=revision, content=content)


def _items(document: Document) -> list[tuple[str, str, dict[str, Any]]]:
    """In the order in which others want to hear of them: an application after what it refers to."""
    parts: list[tuple[str, str, BaseModel]] = [("store", one.name, one) for one in document.identity_stores]
    parts += [("self_service_policy", one.name, one) for one in document.self_service_policies]
    parts += [("notification_policy", one.name, one) for one in document.notification_policies]
    parts += [("application", one.slug, one) for one in document.applications]
    return [(kind, name, one.model_dump(mode="json")) for kind, name, one in parts]


class ConfigurationService(LiveConfiguration):
    """Identity's own is the source; the others have copies (servicekit.configuration)."""

    async def versions(self, conn: Conn) -> list[Record]:
        return await store.revisions(conn)

    async def contents(self, conn: Conn) -> list[Record]:
        return await store.everything(conn)

    async def apply(self, document: Any) -> dict[str, Any]:
        """{applied, unchanged, warnings}; raises ValidationFailed with every error. A second apply of the same changes nothing."""
        applied: list[str] = []
        unchanged: list[str] = []
        async with self._db.transaction() as tx:
            await store.lock(tx)
            rows = await store.everything(tx)
            checked = rules.check(document, _known(rows))
            if checked.document is None:
                raise ValidationFailed([FieldError(path, "not_allowed", why) for path, why in checked.errors])
            before = {(row["kind"], row["name"]): row["content"] for row in rows}
            for kind, name, content in _items(checked.document):
                if before.get((kind, name)) == content:
                    unchanged.append(f"{kind} {name}")
                else:
                    await self._publish(tx, kind, name, content)
                    applied.append(f"{kind} {name}")
            tx.signal("configuration")
        if applied:
            security_event("sensitive_update", "success", what="configuration", applied=applied)
        await self.load()
        warnings = [{"path": path, "reason": why} for path, why in checked.warnings]
        return {"applied": applied, "unchanged": unchanged, "warnings": warnings}

    @staticmethod
    async def _publish(tx: Tx, kind: str, name: str, content: dict[str, Any]) -> None:
        revision = await store.put(tx, kind, configuration_id(kind, name), name, content)
        await tx.emit(_event(kind, name, revision, content))

    async def republish(self) -> None:
        """Everything that was published last a day ago, as it is: any number of replicas and restarts, once a day."""
        async with self._db.transaction() as tx:
            for row in await store.published_before(tx, tx.now - REPUBLISH):
                await tx.emit(_event(row["kind"], row["name"], row["revision"], row["content"]))


def _known(rows: list[Record]) -> rules.Known:
    def of(kind: str, model: type[Any]) -> dict[str, Any]:
        return {row["name"]: model.model_validate(row["content"], extra="ignore") for row in rows if row["kind"] == kind}

    return rules.Known(
        of("store", IdentityStore),
        of("self_service_policy", SelfServicePolicy),
        of("application", Application),
        of("notification_policy", NotificationPolicy),
    )


def readable(application: Application, language: str, texts: dict[str, str]) -> str:
    """A text in the language asked for, else in the application's own, else whatever there is."""
    return texts.get(language) or texts.get(application.default_language) or next(iter(texts.values()))
