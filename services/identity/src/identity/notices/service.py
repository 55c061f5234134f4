"""Security notices: to every verified address, each with its own link that needs no sign-in and freezes the account (NOT-1, NOT-2)."""

from datetime import timedelta
from typing import Literal

from latchkey_contracts.messages import MessageContent, Origin
from latchkey_contracts.sealed import Sealed
from servicekit.caller import Caller
from servicekit.configuration import Resolved
from servicekit.db import Database, Record, Tx
from servicekit.devices import in_words
from servicekit.ids import random_id
from servicekit.onetime import OneTimeSecrets
from servicekit.sealing import Sealer

from identity.accounts import store as accounts
from identity.accounts.rules import mask

from . import store

PURPOSE = "freeze"
LIFETIME = timedelta(days=3)  # a notice that couldn't be delivered by then is old news; its link's life is the policy's
KEEP = timedelta(days=60)
What = Literal["password_changed", "account_frozen"]


class Notices:
    def __init__(self, db: Database, onetime: OneTimeSecrets, sealer: Sealer) -> None:
        self._db = db
        self._onetime = onetime
        self._sealer = sealer

    async def make(
        self, tx: Tx, app: Resolved, account: Record, what: What, caller: Caller, *, sessions_ended: int = 0
    ) -> list[Sealed]:
        """One for each verified e-mail address; they go into the event that they tell of."""
        return [
            await self._one(tx, app, account, what, caller, row["value"], sessions_ended)
            for row in await accounts.identifiers(tx, account["id"])
            if row["kind"] == "email" and row["verified_at"] is not None
        ]

    async def _one(
        self, tx: Tx, app: Resolved, account: Record, what: What, caller: Caller, address: str, sessions_ended: int
    ) -> Sealed:
        device, slug = in_words(caller.user_agent), app.application.slug
        if what == "account_frozen":
            link = f"{self._db.origin}/{slug}/reset"
        else:
            notice_id = random_id()
            await store.insert(
                tx, notice_id, account["id"], application=slug, what=what, recipient=mask("email", address), device=device
            )
            issued = await self._onetime.issue(
                tx,
                purpose=PURPOSE,
                flow_id=notice_id,
                subject=str(account["id"]),
                tenant=str(app.store.id),
                browser=None,
                link_lifetime=app.policy.freeze.link_lifetime,
            )
            link = f"{self._db.origin}/{slug}/l/{issued.token}"
        content = MessageContent(
            channel="email",
            to=address,
            given_name=account["profile"].get("given_name"),
            link=link,
            asked=Origin(at=tx.now, device=device),
            sessions_ended=sessions_ended,
        )
        return self._sealer.seal(content, expires_at=tx.now + LIFETIME)

    async def purge(self) -> None:
        async with self._db.transaction() as tx:
            await store.purge(tx, tx.now - KEEP)
