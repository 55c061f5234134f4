"""The message of a registration: looked up, made and published behind the customer's answer (REG-1).

By e-mail a link and a code; by text message a code alone, which lives as long as a code does.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from latchkey_contracts.identity import ActivationRequested, RegistrationRepeated, UserRegistered
from latchkey_contracts.messages import MessageContent, Origin
from servicekit import work
from servicekit.configuration import Resolved
from servicekit.db import Record, Tx
from servicekit.logging import security_event
from servicekit.onetime import ToIssue

from identity.accounts import store as accounts
from identity.accounts.rules import Identifier, channel_of

from . import store
from .service import MESSAGE, PURPOSE, Tools

CODE_LENGTH = 6


class Messages:
    def __init__(self, tools: Tools) -> None:
        self._t = tools

    async def send(self, tx: Tx, payload: dict[str, Any]) -> None:
        """Makes link and code now: their life begins when the message leaves (api.md, the 20 s rule)."""
        row = await store.lock(tx, UUID(payload["flow_id"]))
        if row is None or row["status"] != "check_your_messages":
            return
        app = self._t.configuration.application(row["application"])
        if not payload.get("taken"):
            turn = await self._t.recipients.turn(tx, app, PURPOSE, row["recipient"], channel_of(row["recipient_kind"]))
            if turn is None:
                await store.set_suppressed(tx, row["id"])
                return
            if turn > tx.now:
                await work.enqueue(tx, MESSAGE, payload, due_at=turn)
                return
        account = await accounts.find_owner(tx, app.store.id, _recipient(row))
        if account is None:
            account = await self._pending_account(tx, app, row)
        if account["status"] == "pending":
            await self._request_activation(tx, app, row, account["id"])
        else:
            # Whatever became of the account: the page that asked would show that nothing left (REG-1).
            await self._tell_owner(tx, app, row, account)

    async def _pending_account(self, tx: Tx, app: Resolved, row: Record) -> Record:
        identifier = _recipient(row)
        account_id = await accounts.insert(tx, app.store.id, row["language"])
        if not await accounts.claim(tx, account_id, app.store.id, identifier):
            # Another attempt made it between our look and now; this transaction's snapshot sees it on the retry.
            raise RuntimeError("lost the race for a pending account")
        kinds = [one["kind"] for one in row["identifiers"]]
        await tx.emit(
            UserRegistered(account_id=account_id, store_id=app.store.id, application=row["application"], identifier_kinds=kinds)
        )
        security_event("user_created", "success", account_id=str(account_id))
        account = await accounts.get(tx, account_id)
        assert account is not None  # noqa: S101 - inserted above
        return account

    async def _request_activation(self, tx: Tx, app: Resolved, row: Record, account_id: UUID) -> None:
        policy, channel = app.policy.registration, channel_of(row["recipient_kind"])
        issued = await self._t.onetime.issue(
            tx,
            ToIssue(
                purpose=PURPOSE,
                flow_id=row["id"],
                subject=str(account_id),
                tenant=str(app.store.id),
                browser=row["browser"],
                link_lifetime=policy.link_lifetime if channel == "email" else None,
                code_lifetime=policy.passcode_lifetime,
                code_length=self._t.guesses.code_length(CODE_LENGTH),
                match=row["match"],
            ),
        )
        expires_at = _expiry(app, channel, tx.now)
        content = MessageContent(
            channel=channel,
            to=_recipient(row).address,
            given_name=row["profile"].get("given_name"),
            link=f"{self._t.db.origin}/{row['application']}/l/{issued.token}" if issued.token else None,
            link_expires_at=issued.link_expires_at,
            code=issued.code,
            code_expires_at=issued.code_expires_at,
            asked=Origin(at=row["created_at"], device=row["requested_from"]),
        )
        event = ActivationRequested(
            account_id=account_id,
            flow_id=row["id"],
            application=row["application"],
            channel=channel,
            language=row["language"],
            message=self._t.sealer.seal(content, expires_at=expires_at),
            expires_at=expires_at,
        )
        await store.message_left(tx, row["id"], account_id, tx.now + policy.link_lifetime)
        await tx.emit(event, expirytime=expires_at)

    async def _tell_owner(self, tx: Tx, app: Resolved, row: Record, account: Record) -> None:
        """Says "you already have an account"; only the mailbox or phone learns it. The waiting page shows the same as for a new one,
        so this message has the same life, and goes no other way.

        To the address as its owner wrote it: what the newcomer typed may be another mailbox to a server that tells case apart.
        """
        channel = channel_of(row["recipient_kind"])
        expires_at = _expiry(app, channel, tx.now)
        found = await accounts.identifiers(tx, account["id"])
        owned = [Identifier(one["kind"], one["value"], one["canonical"]) for one in found if one["canonical"] == row["recipient"]]
        content = MessageContent(
            channel=channel,
            to=(owned[0] if owned else _recipient(row)).address,
            given_name=account["profile"].get("given_name"),
            link=f"{self._t.db.origin}/{row['application']}/sign-in",
            asked=Origin(at=row["created_at"], device=row["requested_from"]),
        )
        event = RegistrationRepeated(
            account_id=account["id"],
            flow_id=row["id"],
            application=row["application"],
            channel=channel,
            language=account["language"] or row["language"],
            message=self._t.sealer.seal(content, expires_at=expires_at),
            expires_at=expires_at,
        )
        await store.message_left(tx, row["id"], account["id"], tx.now + app.policy.registration.link_lifetime)
        await tx.emit(event, expirytime=expires_at)


def _recipient(row: Record) -> Identifier:
    return Identifier(row["recipient_kind"], row["recipient_value"], row["recipient"])


def _expiry(app: Resolved, channel: str, now: datetime) -> datetime:
    """When a message is of no use any more: with its link, or with the code that is all it has."""
    policy = app.policy.registration
    return now + (policy.link_lifetime if channel == "email" else policy.passcode_lifetime)
