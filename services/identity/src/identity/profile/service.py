"""The signed-in customer's own data, read and changed (R32, R34): two windows never overwrite each other silently."""

from uuid import UUID

from latchkey_contracts.http.account import Me, MeChange
from latchkey_contracts.identity import ProfileChanged
from latchkey_contracts.sealed import Sealed
from servicekit.context import set_tenant
from servicekit.db import Conn, Database, Tx
from servicekit.errors import (
    FeatureDisabled,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
    SessionRequired,
    ValidationFailed,
)
from servicekit.logging import security_event
from servicekit.process.configuration import Configuration, Resolved
from servicekit.throttle import Limit, Throttle
from servicekit.web.caller import Caller
from servicekit.web.idempotency import Idempotency

from identity.accounts import store as accounts
from identity.accounts import values
from identity.accounts.rules import Account, given_name
from identity.notices.service import Notices

from . import rules, store

TOLD = (Limit(1, 3600),)


class Profiles:
    def __init__(
        self, db: Database, configuration: Configuration, idempotency: Idempotency, notices: Notices, throttle: Throttle
    ) -> None:
        self._db = db
        self._notices = notices
        self._throttle = throttle
        self._configuration = configuration
        self._idempotency = idempotency

    async def read(self, caller: Caller) -> Me:
        account_id, _ = caller.account()
        async with self._db.read() as conn:
            return await self._me(conn, self._of_session(caller), account_id)

    async def change(self, body: MeChange, caller: Caller) -> Me:
        """Raises PreconditionRequired, PreconditionFailed where it was changed since it was seen, ValidationFailed, FeatureDisabled."""
        account_id, _ = caller.account()
        app = self._of_session(caller)
        set_tenant(str(app.store.id), "user")
        if not app.policy.personal_information.enabled:
            raise FeatureDisabled
        async with self._db.transaction() as tx:
            await self._idempotency.begin(tx, caller)
            account = await accounts.lock(tx, account_id)
            found = await store.read(tx, account_id)
            if account is None or found is None:
                raise NotFound
            if caller.if_match is None:
                raise PreconditionRequired
            if not _seen(caller.if_match, found.version):
                raise PreconditionFailed
            self._check(body, app)
            profile = values.put(found.profile, body.profile, app.store)
            language = body.language or found.language
            names = rules.changed(found.profile, profile) + (["language"] if language != found.language else [])
            if names:
                await store.put(tx, account_id, profile, language)
                await tx.emit(await self._told(tx, app, account, names, language, caller))
                security_event("user_updated", "success", account_id=str(account_id), change="profile", attributes=names)
            answer = await self._me(tx, app, account_id)
            await self._idempotency.store(tx, caller, 200, answer)
        return answer

    async def _me(self, conn: Conn, app: Resolved, account_id: UUID) -> Me:
        found = await store.read(conn, account_id)
        if found is None:
            raise NotFound
        return Me(
            account_id=account_id,
            display_name=given_name(found.profile),
            identifiers=found.identifiers,
            profile=rules.shown(found.profile, app.store),
            language=found.language,
            sessions=found.sessions,
            created_at=found.created_at,
            password_changed_at=found.changed_at,
            version=str(found.version),
            second_factor=found.second_factor,
        )

    async def _told(
        self, tx: Tx, app: Resolved, account: Account, names: list[str], language: str | None, caller: Caller
    ) -> ProfileChanged:
        """With a notice for its owner, who isn't told of every field of an evening by itself."""
        notices: list[Sealed] = []
        if (await self._throttle.take(tx, [(self._throttle.key("profile_changed", str(account.id)), TOLD)])).allowed:
            notices = (await self._notices.make(tx, app, account, "profile_changed", caller))["notices"]
        return ProfileChanged(
            account_id=account.id,
            application=app.application.slug,
            changed=names,
            language=language or app.application.default_language,
            notices=notices,
        )

    def _of_session(self, caller: Caller) -> Resolved:
        """The application that the session was begun at. Raises SessionRequired where it is gone."""
        if not self._configuration.knows(caller.application):
            raise SessionRequired
        return self._configuration.application(str(caller.application))

    @staticmethod
    def _check(body: MeChange, app: Resolved) -> None:
        wrong = rules.check(body.profile, app.store)
        if body.language is not None:
            wrong += rules.check_language(body.language, app.application)
        if wrong:
            raise ValidationFailed(wrong)


def _seen(if_match: str, version: int) -> bool:
    """One of the entity tags of If-Match (RFC 9110 §13.1.1), as we gave it; `*` is whatever there is."""
    return if_match.strip() == "*" or f'"{version}"' in [one.strip() for one in if_match.split(",")]
