"""Applies a configuration file, all or nothing, and publishes what changed in full (design.md §3.10)."""

from datetime import timedelta
from typing import Any

from latchkey_contracts.configuration import Application, Document, IdentityStore, SelfServicePolicy, configuration_id
from latchkey_contracts.identity import (
    ApplicationPublished,
    ConfigurationEvent,
    IdentityStorePublished,
    SelfServicePolicyPublished,
)
from pydantic import BaseModel
from servicekit.configuration import Configuration
from servicekit.db import Database, DatabaseUnavailable, Record, Tx
from servicekit.errors import FieldError, ValidationFailed
from servicekit.logging import get_logger
from servicekit.wakeups import Wakeups, wait

from . import rules, store

REPUBLISH = timedelta(days=1)  # within the topics' retention, so that a late subscriber gets it too
log = get_logger(__name__)


def _event(kind: str, name: str, revision: int, content: dict[str, Any]) -> ConfigurationEvent:
    item_id = configuration_id(kind, name)
    if kind == "store":
        return IdentityStorePublished(store_id=item_id, name=name, revision=revision, content=content)
    if kind == "self_service_policy":
        return SelfServicePolicyPublished(policy_id=item_id, name=name, revision=revision, content=content)
    return ApplicationPublished(application_id=item_id, name=name, revision=revision, content=content)


def _items(document: Document) -> list[tuple[str, str, dict[str, Any]]]:
    parts: list[tuple[str, str, BaseModel]] = [("store", one.name, one) for one in document.identity_stores]
    parts += [("self_service_policy", one.name, one) for one in document.self_service_policies]
    parts += [("application", one.slug, one) for one in document.applications]
    return [(kind, name, one.model_dump(mode="json")) for kind, name, one in parts]


class ConfigurationService(Configuration):
    """Identity's own is the source; the others have copies (servicekit.configuration)."""

    def __init__(self, db: Database, wakeups: Wakeups) -> None:
        super().__init__()
        self._db = db
        self._woken = wakeups.waiter("configuration")

    async def apply(self, document: Any) -> dict[str, Any]:
        """{applied, unchanged, warnings}; raises ValidationFailed with every error. A second apply of the same changes nothing."""
        async with self._db.transaction() as tx:
            await store.lock(tx)
            rows = await store.everything(tx)
            checked = rules.check(
                document, _parsed(rows, "store", IdentityStore), _parsed(rows, "self_service_policy", SelfServicePolicy)
            )
            if checked.errors or checked.document is None:
                raise ValidationFailed([FieldError(path, "not_allowed", reason) for path, reason in checked.errors])
            known = {(row["kind"], row["name"]): row["content"] for row in rows}
            applied, unchanged = [], []
            for kind, name, content in _items(checked.document):
                label = f"{kind} {name}"
                if known.get((kind, name)) == content:
                    unchanged.append(label)
                    continue
                await self._publish(tx, kind, name, content)
                applied.append(label)
            self._check_friendly(known, checked.document)
            tx.signal("configuration")
        await self.load()
        warnings = [{"path": path, "reason": reason} for path, reason in checked.warnings]
        return {"applied": applied, "unchanged": unchanged, "warnings": warnings}

    @staticmethod
    def _check_friendly(known: dict[tuple[str, str], Any], document: Document) -> None:
        """A friendly URL that another application has already; inside one file `rules` sees it."""
        mine = {one.slug for one in document.applications}
        taken = {
            url: name
            for (kind, name), content in known.items()
            if kind == "application" and name not in mine
            for url in content["friendly_urls"]
        }
        errors = [
            FieldError(f"/applications/{index}/friendly_urls", "not_allowed", f"{url} belongs to {taken[url]}")
            for index, one in enumerate(document.applications)
            for url in one.friendly_urls
            if url in taken
        ]
        if errors:
            raise ValidationFailed(errors)

    @staticmethod
    async def _publish(tx: Tx, kind: str, name: str, content: dict[str, Any]) -> None:
        revision = await store.put(tx, kind, configuration_id(kind, name), name, content)
        await tx.emit(_event(kind, name, revision, content))

    async def republish(self) -> None:
        """Everything again as it is, once a day."""
        async with self._db.transaction() as tx:
            await store.lock(tx)
            for row in await store.everything(tx):
                await tx.emit(_event(row["kind"], row["name"], row["revision"], row["content"]))

    async def load(self) -> None:
        async with self._db.read() as conn:
            rows = await store.everything(conn)
        by_kind: dict[str, dict[str, Any]] = {"store": {}, "self_service_policy": {}, "application": {}}
        for row in rows:
            by_kind[row["kind"]][row["name"]] = row["content"]
        self.replace(by_kind["store"], by_kind["self_service_policy"], by_kind["application"])

    async def run(self) -> None:
        """Until cancelled: what another replica applied is known here, too (D31: within 5 s)."""
        while True:
            try:
                await self.load()
            except DatabaseUnavailable as error:
                log.warning("configuration.unavailable", error=type(error).__name__)
            await wait(self._woken, 1.0)


def _parsed(rows: list[Record], kind: str, model: Any) -> dict[str, Any]:
    return {row["name"]: model.model_validate(row["content"]) for row in rows if row["kind"] == kind}


def readable(application: Application, language: str, texts: dict[str, str]) -> str:
    """A text in the language asked for, else in the application's own, else whatever there is."""
    return texts.get(language) or texts.get(application.default_language) or next(iter(texts.values()))
