"""The message of a registration: looked up, made and published behind the customer's answer (REG-1).

By e-mail a link and a code; by text message a code alone, which lives as long as a code does.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from latchkey_contracts.identity import ActivationRequested, RegistrationRepeated, UserRegistered
from latchkey_contracts.messages import MessageContent, Origin
from servicekit.db import Tx
from servicekit.events import messages, work
from servicekit.logging import security_event
from servicekit.process.configuration import Resolved
from servicekit.proof import ToIssue

from identity.accounts import changing_store
from identity.accounts import store as accounts
from identity.accounts.rules import Account, channel_of
from identity.reach.rules import greeted

from . import store
from .store import Registration
from .tools import MESSAGE, PURPOSE, Tools

CODE_LENGTH = 6


class Messages:
    def __init__(self, tools: Tools) -> None:
        self._t = tools

    async def send(self, tx: Tx, payload: dict[str, Any]) -> None:
        """Makes link and code now: their life begins when the message leaves (R19)."""
        row = await store.lock(tx, UUID(payload["flow_id"]))
        if row is None or not row.waits:
            return
        app = self._t.configuration.application(row.application)
        if row.store_id != app.store.id:
            await store.set_status(tx, row.id, "ended", None)  # it began in a store that the application has left
            return
        if not payload.get("taken"):
            channel = channel_of(row.recipient.kind)
            turn = await self._t.budgets.turn(tx, app, PURPOSE, row.recipient.canonical, channel, restarted=row.restarted)
            if turn is None:
                await messages.suppressed(tx, row.id)
                return
            if turn > tx.now:
                await work.enqueue(tx, MESSAGE, {**payload, "taken": True}, due_at=turn)
                return
        owner = await accounts.find_owner(tx, app.store.id, row.recipient)
        former = await self._former(tx, app, row) if owner is None else None
        account = owner.account if owner is not None else former or await self._pending_account(tx, app, row)
        asked = Origin(at=row.created_at, device=row.requested_from, asn=payload.get("asn"))
        if account.status == "pending":
            await self._request_activation(tx, app, row, account.id, asked)
        else:
            # Whatever became of the account: the page that asked would show that nothing left (REG-1).
            await self._tell_owner(tx, app, row, account, asked, resting=former is not None)

    @staticmethod
    async def _former(tx: Tx, app: Resolved, row: Registration) -> Account | None:
        """Whose it was until recently: nobody registers with it yet (STP-4)."""
        resting = await changing_store.resting(tx, app.store.id, row.recipient)
        return await accounts.get(tx, resting) if resting is not None else None

    async def _pending_account(self, tx: Tx, app: Resolved, row: Registration) -> Account:
        account_id = await accounts.insert(tx, app.store.id, row.language)
        if not await accounts.claim(tx, account_id, app.store.id, row.recipient):
            # Another attempt made it between our look and now; this transaction's snapshot sees it on the retry.
            raise RuntimeError("lost the race for a pending account")
        kinds = [identifier.kind for identifier in row.identifiers]
        await tx.emit(
            UserRegistered(account_id=account_id, store_id=app.store.id, application=row.application, identifier_kinds=kinds)
        )
        security_event("user_created", "success", account_id=str(account_id))
        account = await accounts.get(tx, account_id)
        assert account is not None  # noqa: S101 - inserted above
        return account

    async def _request_activation(self, tx: Tx, app: Resolved, row: Registration, account_id: UUID, asked: Origin) -> None:
        policy, channel = app.policy.registration, channel_of(row.recipient.kind)
        issued = await self._t.onetime.issue(
            tx,
            ToIssue(
                purpose=PURPOSE,
                flow_id=row.id,
                subject=str(account_id),
                tenant=str(app.store.id),
                browser=row.browser,
                link_lifetime=policy.link_lifetime if channel == "email" else None,
                code_lifetime=policy.passcode_lifetime,
                code_length=self._t.guesses.code_length(CODE_LENGTH),
                match=row.match,
            ),
        )
        expires_at = _expiry(app, channel, tx.now)
        # By no name: nobody has proven the address, and what was typed as one is a stranger's text to whoever reads it (WEB-14).
        content = MessageContent(
            channel=channel,
            to=row.recipient.address,
            link=f"{self._t.db.origin}/{row.application}/l/{issued.token}" if issued.token else None,
            link_expires_at=issued.link_expires_at,
            code=issued.code,
            code_expires_at=issued.code_expires_at,
            asked=asked,
        )
        event = ActivationRequested(
            account_id=account_id,
            flow_id=row.id,
            application=row.application,
            channel=channel,
            language=row.language,
            message=self._t.sealer.seal(content, expires_at=expires_at),
            expires_at=expires_at,
        )
        await store.message_left(tx, row.id, account_id, tx.now + policy.link_lifetime)
        await messages.left(tx, row.id, await tx.emit(event, expirytime=expires_at))

    async def _tell_owner(
        self, tx: Tx, app: Resolved, row: Registration, account: Account, asked: Origin, *, resting: bool
    ) -> None:
        """Says "you already have an account"; only the mailbox or phone learns it. The waiting page shows the same as for a new one,
        so this message has the same life, and goes no other way.

        To the address as its owner wrote it: what the newcomer typed may be another mailbox to a server that tells case apart.
        """
        channel = channel_of(row.recipient.kind)
        expires_at = _expiry(app, channel, tx.now)
        found = await accounts.identifiers(tx, account.id)
        owned = [claimed.identifier for claimed in found if claimed.canonical == row.recipient.canonical]
        to = owned[0] if owned else row.recipient
        content = MessageContent(
            channel=channel,
            to=to.address,
            given_name=greeted(account, found, to),
            link=f"{self._t.db.origin}/{row.application}/sign-in",
            asked=asked,
            hushed=await self._is_full(tx, app, row),
        )
        event = RegistrationRepeated(
            account_id=account.id,
            resting=resting,
            flow_id=row.id,
            application=row.application,
            channel=channel,
            language=row.language,  # of the page that asked, which is most often the owner's own
            message=self._t.sealer.seal(content, expires_at=expires_at),
            expires_at=expires_at,
        )
        await store.message_left(tx, row.id, account.id, tx.now + app.policy.registration.link_lifetime)
        await messages.left(tx, row.id, await tx.emit(event, expirytime=expires_at))

    async def _is_full(self, tx: Tx, app: Resolved, row: Registration) -> bool:
        """Whether others have filled the mailbox by the account's username (REG-9). A number has its own pace, in the notifier; a pending
        account no other name.
        """
        if channel_of(row.recipient.kind) != "email":
            return False
        return await self._t.budgets.is_full(tx, app, row.recipient.canonical, restarted=row.restarted)


def _expiry(app: Resolved, channel: str, now: datetime) -> datetime:
    """When a message is of no use any more: with its link, or with the code that is all it has."""
    policy = app.policy.registration
    return now + (policy.link_lifetime if channel == "email" else policy.passcode_lifetime)
