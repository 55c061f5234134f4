"""Which messages a customer gets, by kind and channel (D27, E9)."""

from uuid import UUID

from latchkey_contracts.http.preferences import Preference, PreferenceChange, Preferences
from servicekit.db import Conn, Database
from servicekit.errors import FeatureDisabled, FieldError, SessionRequired, ValidationFailed
from servicekit.process.configuration import Configuration
from servicekit.web.caller import Caller
from servicekit.web.idempotency import Idempotency

from . import rules, store
from .store import Chosen


class NotificationPreferences:
    def __init__(self, db: Database, configuration: Configuration, idempotency: Idempotency) -> None:
        self._db = db
        self._configuration = configuration
        self._idempotency = idempotency

    async def read(self, caller: Caller) -> Preferences:
        """Raises FeatureDisabled."""
        account_id = self._account(caller)
        async with self._db.read() as conn:
            return await _shown(conn, account_id)

    async def change(self, body: PreferenceChange, caller: Caller) -> Preferences:
        """All of it or nothing. Raises FeatureDisabled, ValidationFailed for what is fixed, never sent, or said twice."""
        account_id = self._account(caller)
        async with self._db.transaction() as tx:
            await self._idempotency.begin(tx, caller)
            _check(body)
            for one in body.items:
                await store.put(tx, account_id, Chosen(one.kind, one.channel, one.wanted))
            answer = await _shown(tx, account_id)
            await self._idempotency.store(tx, caller, 200, answer)
        return answer

    def _account(self, caller: Caller) -> UUID:
        account_id, _ = caller.account()
        if not self._configuration.knows(caller.application):
            raise SessionRequired
        if not self._configuration.application(str(caller.application)).policy.notification_preferences.enabled:
            raise FeatureDisabled
        return account_id


def _check(body: PreferenceChange) -> None:
    wrong: list[FieldError] = []
    named = [(one.kind, one.channel) for one in body.items]
    for place, one in enumerate(named):
        field = f"/items/{place}"
        if one not in rules.CHOICES:
            wrong.append(FieldError(f"{field}/channel", "not_an_option", "No message of this kind comes by this channel"))
        elif rules.fixed(one[0]):
            wrong.append(FieldError(f"{field}/kind", "not_editable", "These are always sent"))
        elif one in named[:place]:
            wrong.append(FieldError(field, "not_an_option", "This is chosen twice"))
    if wrong:
        raise ValidationFailed(wrong)


async def _shown(conn: Conn, account_id: UUID) -> Preferences:
    chosen = {(one.kind, one.channel): one.wanted for one in await store.of(conn, account_id)}
    return Preferences(
        items=[
            Preference(
                kind=kind,
                channel=channel,
                wanted=rules.fixed(kind) or chosen.get((kind, channel), True),
                fixed=rules.fixed(kind),
            )
            for kind, channel in rules.CHOICES
        ]
    )
