"""Security notices: to every verified address, each with its own link that needs no sign-in and freezes the account (NOT-1, NOT-2)."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TypedDict

from latchkey_contracts.messages import MessageContent, Origin
from latchkey_contracts.sealed import Sealed
from servicekit.db import Database, Tx
from servicekit.devices import in_words
from servicekit.ids import random_id
from servicekit.process.configuration import Resolved
from servicekit.proof import OneTimeSecrets, ToIssue
from servicekit.sealing import Sealer
from servicekit.web.caller import Caller

from identity.accounts import store as accounts
from identity.accounts.rules import Account, Identifier, channel_of, given_name, mask

from . import store
from .store import What

PURPOSE = "freeze"
LIFETIME = timedelta(days=3)  # a notice that couldn't be delivered by then is old news; its link's life is the policy's
KEEP = timedelta(days=60)
BY_MAIL: frozenset[What] = frozenset({"signed_in", "password_guessed", "profile_changed", "identity_linked", "identity_unlinked"})


class Told(TypedDict):
    """By the events' own names: by e-mail, and by text message."""

    notices: list[Sealed]
    sms_notices: list[Sealed]


class Notices:
    def __init__(self, db: Database, onetime: OneTimeSecrets, sealer: Sealer) -> None:
        self._db = db
        self._onetime = onetime
        self._sealer = sealer

    async def make(
        self,
        tx: Tx,
        app: Resolved,
        account: Account,
        what: What,
        caller: Caller,
        *,
        sessions_ended: int = 0,
        reasons: Sequence[str] = (),
        provider: str | None = None,
    ) -> Told:
        """One for each verified address and number, of sign-ins for addresses alone; they go into the event that they tell of."""
        told: Told = {"notices": [], "sms_notices": []}
        for row in await accounts.identifiers(tx, account.id):
            if row.kind in ({"email"} if what in BY_MAIL else {"email", "phone"}) and row.verified_at is not None:
                to = row.identifier
                sealed = await self._one(tx, app, account, what, caller, to, sessions_ended, reasons, provider)
                told["notices" if to.kind == "email" else "sms_notices"].append(sealed)
        return told

    async def _one(
        self,
        tx: Tx,
        app: Resolved,
        account: Account,
        what: What,
        caller: Caller,
        to: Identifier,
        sessions_ended: int,
        reasons: Sequence[str],
        provider: str | None,
    ) -> Sealed:
        device = in_words(caller.user_agent)
        if what == "account_frozen":
            link = f"{self._db.origin}/{app.application.slug}/reset"
        elif what == "password_guessed":
            link = f"{self._db.origin}/{app.application.slug}/account/security"
        elif what == "profile_changed":
            link = f"{self._db.origin}/{app.application.slug}/account/personal"
        else:
            link = await self.freezing(tx, app, account, what, to, device)
        content = MessageContent(
            channel=channel_of(to.kind),
            to=to.address,
            given_name=given_name(account.profile),
            link=link,
            asked=Origin(at=tx.now, device=device),
            sessions_ended=sessions_ended,
            reasons=list(reasons),
            provider=provider,
        )
        return self._sealer.seal(content, expires_at=tx.now + LIFETIME)

    async def freezing(self, tx: Tx, app: Resolved, account: Account, what: What, to: Identifier, device: str | None) -> str:
        """A link of its own that locks the account, for the message to this address."""
        notice_id, slug = random_id(), app.application.slug
        await store.insert(
            tx, notice_id, account.id, application=slug, what=what, recipient=mask(to.kind, to.value), device=device
        )
        issued = await self._onetime.issue(
            tx,
            ToIssue(
                purpose=PURPOSE,
                flow_id=notice_id,
                subject=str(account.id),
                tenant=str(app.store.id),
                browser=None,
                link_lifetime=app.policy.freeze.link_lifetime,
            ),
        )
        return f"{self._db.origin}/{slug}/l/{issued.token}"

    async def purge(self) -> None:
        async with self._db.transaction() as tx:
            await store.purge(tx, tx.now - KEEP)
